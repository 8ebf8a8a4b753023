"""One sentence → the preset and the defaults of a business, without a model and without a network.

The words are data (`vocabulary/*.yaml`), how they are weighed is `describing/`. The same sentence always gives the same proposal.
"""

from __future__ import annotations

from functools import lru_cache

import msgspec

from nexus.activation.describing import particulars
from nexus.activation.describing.clauses import Sentence
from nexus.activation.describing.places import place_of
from nexus.activation.describing.trades import industry_of


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


@lru_cache(maxsize=512)
def describe(text: str) -> Proposal:
    """What the sentence says of the business. Never raises, whatever the text is; reads its first 1,000 characters."""
    sentence = Sentence.of(text)
    named = particulars.name_of(sentence)
    industry = industry_of(sentence, named[1] if named else range(0))
    place = place_of(sentence)
    country = place.country if place else None
    currency, size = particulars.currency_of(sentence, country), particulars.size_of_business(sentence)
    domain, wanted = particulars.domain_of(sentence), particulars.modules_of(sentence)
    languages, spoken = particulars.languages_of(sentence)
    told = {
        "industry": ", ".join(industry.evidence) if industry else "",
        "name": named[0] if named else "",
        "country": place.evidence if place else "",
        "currency": currency.evidence if currency else "",
        "languages": spoken,
        "time_zone": place.evidence if place and place.zone else "",
        "size": size.evidence if size else "",
        "domain": domain.evidence if domain else "",
        "modules": ", ".join(dict.fromkeys(one.evidence for one in wanted)),
    }
    return Proposal(
        industry=industry.key if industry else "general",
        confidence=industry.confidence if industry else 0.0,
        name=named[0] if named else None,
        country=country,
        currency=currency.value if currency else None,
        languages=languages,
        time_zone=place.zone if place else None,
        size=size.value if size else None,
        domain=domain.value if domain else None,
        modules=tuple(one.value for one in wanted),
        because=tuple(Reason(field, evidence) for field, evidence in told.items() if evidence),
    )
