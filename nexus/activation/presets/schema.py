"""What a preset may say: the schema that every composed preset is checked against.

A preset is data. It names the services a business uses and what each of them plants; the service's own `seeds.py` plants it. Only crm is
seeded today: another service joins by a struct of its own beside `CrmSeeds` and one field in `Preset`.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from msgspec import Meta

from nexus.documents import Day, Hours, Key, Name, Part, Sentence

Days = Annotated[str, Meta(pattern=r"^[+-](?:0|[1-9][0-9]{0,2})d$")]
"""A day counted from the day of activation: `-12d` is twelve days ago, `+0d` is today."""

DealField = Literal["amount", "expected_close", "next_step", "contact", "lost_reason"]
StageType = Literal["open", "ongoing", "on_hold", "won", "lost"]
Priority = Literal["urgent", "high", "normal", "low"]


class Named(Part, frozen=True, kw_only=True):
    """Something with a stable key and a name for people."""

    key: Key
    name: Name


class Stage(Part, frozen=True, kw_only=True):
    """One step of a pipeline, in the order written."""

    key: Key
    name: Name
    type: StageType = "open"
    probability: Annotated[int, Meta(ge=0, le=100)]
    """Chance of winning, in percent."""
    rotting_days: Annotated[int, Meta(ge=1, le=730)] | None = None
    """Days without a move after which a deal is stale; None: never."""
    required_fields: tuple[DealField, ...] = ()
    """What a deal must have before it may enter."""


class Pipeline(Part, frozen=True, kw_only=True):
    """A way of selling, as an ordered list of stages."""

    key: Key
    name: Name
    default: bool = False
    stages: tuple[Stage, ...]


class Source(Part, frozen=True, kw_only=True):
    """Where a lead came from."""

    key: Key
    name: Name
    channel: Literal["inbound", "outbound", "referral", "partner", "event"] = "inbound"


class Territory(Part, frozen=True, kw_only=True):
    """A region of the market; a tree by `parent`."""

    key: Key
    name: Name
    parent: Key | None = None


LeadField = Literal["source", "industry", "employees_band", "email", "phone", "company", "title", "message", "country", "consent"]


class ScoringRule(Part, frozen=True, kw_only=True):
    """Points a lead gets when one of its fields says something; the reason is shown with the score."""

    key: Key
    field: LeadField
    op: Literal["is", "is_not", "in", "contains", "present", "absent"]
    value: str | tuple[str, ...] | None = None
    points: Annotated[int, Meta(ge=-100, le=100)]
    reason: Sentence


class Calendar(Part, frozen=True, kw_only=True):
    """When somebody answers: weekly hours in the tenant's zone, and whether public holidays are free."""

    key: Key
    name: Name
    hours: dict[Day, Hours]
    holidays: bool = True

    def minutes(self, day: Day) -> tuple[tuple[int, int], ...]:
        """The open spans of a day as (start, end) in minutes after local midnight; empty where closed."""
        spans = self.hours.get(day, "closed")
        if spans == "closed":
            return ()
        pairs = [span.split("-") for span in spans.split(", ")]
        return tuple((_minute(start), _minute(end)) for start, end in pairs)


def _minute(clock: str) -> int:
    hour, minute = clock.split(":")
    return int(hour) * 60 + int(minute)


class ResponsePolicy(Part, frozen=True, kw_only=True):
    """How fast a new lead or deal gets its first answer, in minutes of the named calendar. The first policy whose sources fit applies."""

    key: Key
    name: Name
    applies_to: Literal["lead", "deal"] = "lead"
    sources: tuple[Key, ...] = ()
    """Only for these; empty: for all."""
    calendar: Key
    first_response_minutes: dict[Priority, Annotated[int, Meta(ge=1, le=20_160)]]


class SampleAccount(Part, frozen=True, kw_only=True):
    """A company to try things on."""

    key: Key
    name: Name
    industry: Key | None = None
    employees_band: str | None = None
    lifecycle_stage: Literal["subscriber", "lead", "mql", "sql", "customer", "churned"] = "lead"
    city: str | None = None
    domain: str | None = None


class SamplePerson(Part, frozen=True, kw_only=True):
    """A person to try things on. Mail goes to example.com and its like, telephones to numbers nobody has."""

    key: Key
    given_name: Name
    family_name: Name
    email: Annotated[str, Meta(pattern=r"^[a-z0-9.+-]+@example\.(?:com|org|net)$")]
    phone: Annotated[str, Meta(pattern=r"^\+[1-9]\d{6,14}$")] | None = None
    title: Name | None = None


class SampleContact(SamplePerson, frozen=True, kw_only=True):
    """A contact of a sample account."""

    account: Key | None = None


class SampleLead(SamplePerson, frozen=True, kw_only=True):
    """A lead in some state of its flow."""

    company: Name | None = None
    source: Key
    status: Literal["new", "contacted", "nurturing", "qualified"] = "new"
    message: Sentence | None = None
    created: Days


class SampleDeal(Part, frozen=True, kw_only=True):
    """A deal in some stage."""

    key: Key
    name: Name
    pipeline: Key
    stage: Key
    account: Key | None = None
    contact: Key | None = None
    amount: Decimal
    currency: Annotated[str, Meta(pattern=r"^[A-Z]{3}$")]
    source: Key | None = None
    next_step: Sentence | None = None
    lost_reason: Key | None = None
    created: Days
    expected_close: Days


class SampleActivity(Part, frozen=True, kw_only=True):
    """Something done or to do about a sample record: `about` is `deal.<key>`, `contact.<key>`, `lead.<key>` or `account.<key>`."""

    key: Key
    kind: Literal["call", "meeting", "email", "task", "note"]
    subject: Sentence
    about: Annotated[str, Meta(pattern=r"^(?:deal|contact|lead|account)\.[a-z][a-z0-9_]*$")]
    due: Days | None = None
    done: Days | None = None
    outcome: Sentence | None = None


class Sample(Part, frozen=True, kw_only=True):
    """Records to look at on the first day, planted on request only."""

    accounts: tuple[SampleAccount, ...] = ()
    contacts: tuple[SampleContact, ...] = ()
    leads: tuple[SampleLead, ...] = ()
    deals: tuple[SampleDeal, ...] = ()
    activities: tuple[SampleActivity, ...] = ()


class CrmSeeds(Part, frozen=True, kw_only=True):
    """What the crm service plants."""

    pipelines: tuple[Pipeline, ...]
    sources: tuple[Source, ...]
    lost_reasons: tuple[Named, ...]
    teams: tuple[Named, ...]
    territories: tuple[Territory, ...]
    scoring_rules: tuple[ScoringRule, ...]
    response_policies: tuple[ResponsePolicy, ...]
    competitors: tuple[Named, ...] = ()
    sample: Sample = Sample()


class Copilot(Part, frozen=True, kw_only=True):
    """An assistant that the tenant may switch on. Registered, and reported as not configured until a model is there."""

    key: Key
    name: Name
    service: Key
    purpose: Sentence


class Integration(Part, frozen=True, kw_only=True):
    """An outside system that fits this business. Registered, and reported as not configured until `requires` is given."""

    key: Key
    name: Name
    kind: Literal["email", "payments", "messaging", "calendar", "accounting", "delivery", "marketplace", "signature", "tax"]
    provider: Key
    requires: tuple[Key, ...]
    """The settings somebody has to bring, by name: never a value."""


class Layer(Part, frozen=True, kw_only=True):
    """One document a preset was composed of."""

    name: str
    version: int


class Preset(Part, frozen=True, kw_only=True):
    """A business of one industry in one country with its modules: everything activation plants, checked."""

    industry: Key
    country: Annotated[str, Meta(pattern=r"^[A-Z]{2}$")]
    modules: tuple[Key, ...]
    size: str
    languages: tuple[str, ...]
    currency: Annotated[str, Meta(pattern=r"^[A-Z]{3}$")]
    name: Name
    summary: Sentence
    services: tuple[Key, ...]
    """Services of the catalogue, what they need included."""
    terms: dict[str, str] = {}
    """What people of this trade call things: `{"deal": "Booking"}`."""
    calendars: tuple[Calendar, ...]
    crm: CrmSeeds
    copilots: tuple[Copilot, ...] = ()
    integrations: tuple[Integration, ...] = ()
    layers: tuple[Layer, ...]
    version: str
    """Twelve hex digits of the content: equal versions plant equal things."""
    provenance: dict[str, str]
    """Which layer said it, by path: `{"crm.pipelines.events.stages.tasting.probability": "industry restaurant"}`."""
