"""What is told of a call once it has ended, however it ended: to whoever counts calls, writes them down, or knows what a tenant costs."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from nexus.surfaces.calling import Caller

NOBODYS = "other"
"""The method of a call that leads nowhere, so that nobody's inventions fill a table."""


class Ended(NamedTuple):
    """One call, told in the context in which it was answered."""

    method: str
    """`/nexus.crm.v1.Leads/Convert`; `other` where there is no such method."""
    name: str
    """As the caller wrote it."""
    code: str
    """The name of its status: `OK`, `NOT_FOUND`."""
    seconds: float
    """From its beginning to its end."""
    spent: float
    """Of them, those that went into the answer: without what a stream waited for its reader or for something to happen."""
    messages: int
    """Answers that were sent."""
    size: int
    """Their bytes, before compression."""
    correlation: str
    caller: Caller | None
    """Who asked; None where that did not become known."""
    agent: str


Told: TypeAlias = Callable[[Ended], None]
