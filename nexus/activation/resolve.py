"""Fills a business in: every value it needs, and where each one came from."""

from __future__ import annotations

import hashlib
from typing import TypeVar

import msgspec

from nexus.activation import checks
from nexus.activation.business import Business, InvalidBusiness, faults
from nexus.activation.describe import NOTHING, Proposal, describe
from nexus.activation.presets import Preset, compose, modules, size_of
from nexus.activation.slugs import slug_of
from nexus.countries import Country, country
from nexus.services.finance import charts

T = TypeVar("T")

GIVEN = "given"
SURE = 0.6
"""How sure the proposal must be before the mere name of a business decides its industry."""

# Dark enough that white text can be read on each (WCAG AA)
_COLORS = ("#0f766e", "#1d4ed8", "#7c3aed", "#be123c", "#b45309", "#15803d", "#0e7490", "#a21caf")


class ResolvedOwner(msgspec.Struct, frozen=True, kw_only=True):
    """The owner: telephone as E.164 where one was given, language always."""

    name: str
    email: str
    phone: str | None
    language: str


class ResolvedBranding(msgspec.Struct, frozen=True, kw_only=True):
    """The look: a colour always (`#rrggbb`), the rest where given."""

    color: str
    logo_url: str | None
    tagline: str | None


class ResolvedBusiness(msgspec.Struct, frozen=True, kw_only=True):
    """A business with every value filled. `because` says for each field where it came from."""

    name: str
    slug: str
    industry: str
    country: str
    currency: str
    languages: tuple[str, ...]
    time_zone: str
    size: str
    chart: str
    """The code of its chart of accounts, with what the trade adds."""
    domain: str | None
    modules: tuple[str, ...]
    owner: ResolvedOwner
    branding: ResolvedBranding
    plan: str
    region: str
    sample_data: bool
    describe: str | None
    because: dict[str, str]


def resolve(business: Business) -> ResolvedBusiness:
    """The business with every value filled in. Raises InvalidBusiness with everything that is wrong."""
    if errors := faults(business):
        raise InvalidBusiness(errors)
    return _Filling(business, describe(business.describe) if business.describe else NOTHING).filled()


def preset_of(resolved: ResolvedBusiness) -> Preset:
    """The preset that fits a resolved business."""
    return compose(resolved.industry, resolved.country, resolved.modules, resolved.size, resolved.languages, currency=resolved.currency)


Candidate = tuple[T | None, str]
"""A value that may be there, and where it comes from."""


class _Filling:
    """One business being filled in. For every field the first candidate that is there wins: given, described, then the default."""

    def __init__(self, business: Business, proposal: Proposal) -> None:
        self.given = business
        self.proposed = proposal
        self.because: dict[str, str] = {}
        code, self.because["country"] = _first((business.country, GIVEN), (proposal.country, self.evidence("country")))
        self.country: Country = country(code.upper())

    def filled(self) -> ResolvedBusiness:
        given, home, proposed = self.given, self.country, self.proposed
        languages, industry = self.languages(), self.industry()
        return ResolvedBusiness(
            name=self.pick("name", (given.name.strip(), GIVEN)),
            slug=self.pick("slug", (given.slug, GIVEN), (slug_of(given.name), "made from the name")),
            industry=industry,
            country=home.country,
            currency=self.pick(
                "currency",
                (_upper(given.currency), GIVEN),
                (proposed.currency, self.evidence("currency")),
                (home.currency, f"of {home.name}"),
            ),
            languages=languages,
            time_zone=self.time_zone(),
            size=self.size(),
            chart=self.chart(industry),
            domain=self.domain(),
            modules=self.modules(),
            owner=self.owner(languages[0]),
            branding=self.branding(),
            plan=self.pick("plan", (given.plan, GIVEN), ("standard", "the usual plan")),
            region=self.pick("region", (given.region, GIVEN), ("any", "any region with room")),
            sample_data=self.pick("sample_data", (given.sample_data or None, GIVEN), (False, "only on request")),
            describe=given.describe,
            because=dict(sorted(self.because.items())),
        )

    def pick(self, name: str, *candidates: Candidate[T]) -> T:
        value, self.because[name] = _first(*candidates)
        return value

    def evidence(self, name: str) -> str:
        return "; ".join(f"described: {reason.evidence}" for reason in self.proposed.because if reason.field == name)

    def industry(self) -> str:
        asked = self.given.industry
        if asked is None and not self.given.describe:
            by_name = describe(self.given.name)
            sure = by_name.industry if by_name.confidence >= SURE else None
            return self.pick("industry", (sure, "suggested by the name"), ("general", "no industry was given"))
        canonical = checks.canonical_industry(asked) if asked else None
        why = GIVEN if asked == canonical else f"given as {asked!r}"
        return self.pick("industry", (canonical, why), (self.proposed.industry, self.evidence("industry")))

    def languages(self) -> tuple[str, ...]:
        tags = [tag for tag in map(checks.canonical_language, self.given.languages) if tag]
        return self.pick(
            "languages",
            (tuple(dict.fromkeys(tags)) or None, GIVEN),
            (self.proposed.languages or None, self.evidence("languages")),
            (self.country.languages.business, f"in which business is done in {self.country.name}"),
        )

    def time_zone(self) -> str:
        home = self.country
        why = f"of {home.name}" if len(home.time_zones) == 1 else f"the main one of the {len(home.time_zones)} of {home.name}"
        return self.pick(
            "time_zone", (self.given.time_zone, GIVEN), (self.proposed.time_zone, self.evidence("time_zone")), (home.time_zone, why)
        )

    def size(self) -> str:
        size = self.given.size
        band = size_of(size) if isinstance(size, int) else size
        why = GIVEN if band == size else f"given as {size}"
        return self.pick("size", (band, why), (self.proposed.size, self.evidence("size")), ("2-9", "the usual size"))

    def chart(self, industry: str) -> str:
        """The chart that was asked for, or that of the country, with what the trade adds."""
        plain = self.pick("chart", (self.given.chart, GIVEN), (charts.chart_for(self.country.country), f"usual in {self.country.name}"))
        return charts.with_trade(plain, industry)

    def domain(self) -> str | None:
        asked = checks.canonical_domain(self.given.domain) if self.given.domain else None
        value, why = (asked, GIVEN) if asked else (self.proposed.domain, self.evidence("domain") or "none of its own")
        self.because["domain"] = why
        return value

    def modules(self) -> tuple[str, ...]:
        asked = {checks.canonical_module(key) for key in self.given.modules}
        wanted = asked | set(self.proposed.modules)
        told = [text for text, there in ((GIVEN, asked), (self.evidence("modules"), self.proposed.modules)) if there]
        self.because["modules"] = "; ".join(told) or "none beyond those of the preset"
        return tuple(key for key in modules() if key in wanted)

    def owner(self, language: str) -> ResolvedOwner:
        owner = self.given.owner
        asked = checks.canonical_language(owner.language) if owner.language else None
        return ResolvedOwner(
            name=self.pick("owner.name", (owner.name.strip(), GIVEN)),
            email=self.pick("owner.email", (owner.email, GIVEN)),
            phone=checks.e164(owner.phone, self.country.country) if owner.phone else None,
            language=self.pick("owner.language", (asked, GIVEN), (language, "the main language of the business")),
        )

    def branding(self) -> ResolvedBranding:
        branding = self.given.branding
        usual = _COLORS[hashlib.sha256(self.given.name.encode()).digest()[0] % len(_COLORS)]
        color = self.pick("branding.color", (_long_color(branding.color), GIVEN), (usual, "picked by the name"))
        return ResolvedBranding(color=color, logo_url=branding.logo_url, tagline=branding.tagline)


def _first(*candidates: Candidate[T]) -> tuple[T, str]:
    for value, why in candidates:
        if value is not None:
            return value, why
    raise LookupError("no candidate: the last one must always be there")


def _upper(code: str | None) -> str | None:
    return code.upper() if code else None


def _long_color(color: str | None) -> str | None:
    if color is None:
        return None
    digits = color[1:].lower()
    return "#" + (digits if len(digits) == 6 else "".join(digit * 2 for digit in digits))
