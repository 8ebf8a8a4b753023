"""Where people are, and what they speak."""

from __future__ import annotations

from typing import Final

from nexus.countries import codes

LANGUAGE: Final = r"^[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?$"
"""BCP 47: a language, its script and its region."""


def country(text: str) -> None:
    """ValueError where a text is not the code of a country in ISO 3166-1."""
    if text not in codes():
        raise ValueError(f"{text!r} is not the code of a country; write it as NG")
