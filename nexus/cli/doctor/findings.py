"""What a check says: how something is, and what to do where it is not as it should be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "odd", "wrong"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `odd` can stay so for a while; `wrong` needs somebody."""

    about: str
    state: State
    says: str
    do: str | None = None


def ok(about: str, says: str) -> Finding:
    return Finding(about, "ok", says)


def odd(about: str, says: str, do: str) -> Finding:
    return Finding(about, "odd", says, do)


def wrong(about: str, says: str, do: str) -> Finding:
    return Finding(about, "wrong", says, do)


Tell = Callable[[Finding], None]
"""Takes a finding as soon as it is known."""
