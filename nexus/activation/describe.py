"""One sentence → the preset and the defaults of a business, without a model and without a network."""

from __future__ import annotations

import msgspec


class Reason(msgspec.Struct, frozen=True):
    """Why a field was proposed: the words of the sentence that say so."""

    field: str
    evidence: str


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """What a sentence says of a business; None and empty where it says nothing. `confidence` (0 to 1) is that of the industry."""

    industry: str = "general"
    confidence: float = 0.0
    name: str | None = None
    country: str | None = None
    currency: str | None = None
    languages: tuple[str, ...] = ()
    time_zone: str | None = None
    size: str | None = None
    domain: str | None = None
    modules: tuple[str, ...] = ()
    because: tuple[Reason, ...] = ()


NOTHING = Proposal()


def describe(sentence: str) -> Proposal:
    """What the sentence says of the business."""
    return NOTHING
