"""The words of sales: the fixed sets that CRM's fields choose from, and the values that its records hold."""

from __future__ import annotations

import datetime as dt
import enum
import re
from decimal import Decimal
from typing import Annotated, Literal, TypeAlias
from uuid import UUID

from msgspec import Meta

from nexus.core import EmailText, Instant, Line, PhoneText, Prose, Value

LeadOrDeal = Literal["lead", "deal"]
PartyKind = Literal["account", "contact", "lead", "deal"]


class LeadStatus(enum.StrEnum):
    """Where a lead is on its way to a deal."""

    NEW = "new"
    CONTACTED = "contacted"
    NURTURING = "nurturing"
    QUALIFIED = "qualified"
    CONVERTED = "converted"
    DISQUALIFIED = "disqualified"
    RECYCLED = "recycled"


class Qualification(enum.StrEnum):
    """How far the need of a lead has been understood."""

    UNQUALIFIED = "unqualified"
    IN_PROCESS = "in_process"
    QUALIFIED = "qualified"


class Priority(enum.StrEnum):
    """How soon somebody should look."""

    URGENT = "urgent"
    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"


class Lifecycle(enum.StrEnum):
    """What an account is to us."""

    SUBSCRIBER = "subscriber"
    LEAD = "lead"
    MQL = "mql"
    SQL = "sql"
    CUSTOMER = "customer"
    CHURNED = "churned"


class SourceChannel(enum.StrEnum):
    """The kind of way by which leads come."""

    INBOUND = "inbound"
    OUTBOUND = "outbound"
    REFERRAL = "referral"
    PARTNER = "partner"
    EVENT = "event"


class Channel(enum.StrEnum):
    """A way to reach a person."""

    EMAIL = "email"
    PHONE = "phone"
    SMS = "sms"
    WHATSAPP = "whatsapp"
    POST = "post"


class RefusalReason(enum.StrEnum):
    """Why a channel must not be used."""

    UNSUBSCRIBED = "unsubscribed"
    BOUNCED = "bounced"
    MANUAL = "manual"


class StageType(enum.StrEnum):
    """What a stage means, whatever it is called."""

    OPEN = "open"
    ONGOING = "ongoing"
    ON_HOLD = "on_hold"
    WON = "won"
    LOST = "lost"


class DealStatus(enum.StrEnum):
    """Whether a deal is still to be decided."""

    OPEN = "open"
    WON = "won"
    LOST = "lost"


class ForecastCategory(enum.StrEnum):
    """How a deal counts in the forecast."""

    PIPELINE = "pipeline"
    BEST_CASE = "best_case"
    COMMIT = "commit"
    CLOSED = "closed"
    OMITTED = "omitted"


class BuyingRole(enum.StrEnum):
    """What a person has to say in a purchase."""

    DECISION_MAKER = "decision_maker"
    ECONOMIC_BUYER = "economic_buyer"
    CHAMPION = "champion"
    INFLUENCER = "influencer"
    EVALUATOR = "evaluator"
    USER = "user"
    BLOCKER = "blocker"


class QuoteStatus(enum.StrEnum):
    """Where a quote is between us and the customer."""

    DRAFT = "draft"
    SENT = "sent"
    VIEWED = "viewed"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    EXPIRED = "expired"
    SUPERSEDED = "superseded"


class ActivityKind(enum.StrEnum):
    """What somebody does about a record."""

    CALL = "call"
    MEETING = "meeting"
    EMAIL = "email"
    TASK = "task"
    NOTE = "note"


class ActivityStatus(enum.StrEnum):
    """Whether an activity is still to be done."""

    PLANNED = "planned"
    DONE = "done"
    CANCELED = "canceled"


class Direction(enum.StrEnum):
    """Who reached out: they to us (inbound) or we to them."""

    INBOUND = "inbound"
    OUTBOUND = "outbound"


class CallStatus(enum.StrEnum):
    """Where a telephone call is."""

    QUEUED = "queued"
    INITIATED = "initiated"
    RINGING = "ringing"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    FAILED = "failed"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    CANCELED = "canceled"


class AssignmentMethod(enum.StrEnum):
    """How a rule chooses among its members."""

    ROUND_ROBIN = "round_robin"
    LOAD = "load"
    SKILL = "skill"


class ClockStatus(enum.StrEnum):
    """What has come of a promise to answer."""

    RUNNING = "running"
    MET = "met"
    BREACHED = "breached"
    LATE = "late"
    STOPPED = "stopped"


class ReasonScope(enum.StrEnum):
    """What a reason for losing applies to."""

    DEAL = "deal"
    LEAD = "lead"
    BOTH = "both"


class Operator(enum.StrEnum):
    """How a condition compares a field."""

    IS = "is"
    IS_NOT = "is_not"
    IN = "in"
    CONTAINS = "contains"
    PRESENT = "present"
    ABSENT = "absent"
    AT_LEAST = "at_least"
    AT_MOST = "at_most"


class FurtherEmail(Value, frozen=True, kw_only=True):
    """Another e-mail address of a person, beside the primary one."""

    address: EmailText
    label: Line | None = None
    verified: bool = False


class FurtherPhone(Value, frozen=True, kw_only=True):
    """Another telephone number of a person, beside the primary one."""

    number: PhoneText
    label: Line | None = None


class DoNotContact(Value, frozen=True, kw_only=True):
    """A channel that must not be used for a person, and why."""

    channel: Channel
    reason: RefusalReason
    at: Instant
    note: Line | None = None


class DealPerson(Value, frozen=True, kw_only=True):
    """A further contact who has a say in a deal."""

    contact_id: UUID
    buying_role: BuyingRole


class DealLine(Value, frozen=True, kw_only=True):
    """Something to be sold: quantity times price, less a discount in percent, rounded to the currency line by line."""

    name: Line
    quantity: Decimal
    unit_price: Decimal
    discount_percent: Decimal = Decimal(0)
    product_id: UUID | None = None

    def __post_init__(self) -> None:
        for field, number in (("quantity", self.quantity), ("unit_price", self.unit_price), ("discount_percent", self.discount_percent)):
            if not number.is_finite() or abs(number) >= 10**12:
                raise ValueError(f"{field} is not a number of a usual size")
        if self.quantity <= 0:
            raise ValueError("quantity is more than zero")
        if not 0 <= self.discount_percent <= 100:
            raise ValueError("discount_percent is from 0 to 100")


class Signature(Value, frozen=True, kw_only=True):
    """Who accepted a quote, and how we know."""

    name: Line
    at: Instant
    email: EmailText | None = None
    address: Line | None = None
    """The network address it was signed from."""
    document_id: UUID | None = None


class Attendee(Value, frozen=True, kw_only=True):
    """Somebody invited to a meeting: one of us (`user_id`), a contact, or an address."""

    name: Line | None = None
    user_id: UUID | None = None
    contact_id: UUID | None = None
    email: EmailText | None = None


class Condition(Value, frozen=True, kw_only=True):
    """One thing that a rule asks of a record: all conditions of a rule must hold."""

    field: Line
    op: Operator
    value: str | list[str] | None = None


class Member(Value, frozen=True, kw_only=True):
    """Somebody a rule may assign to: how much at once (`capacity`), and what they are good at."""

    user_id: UUID
    capacity: int | None = None
    skills: list[Line] = []


class ScoreReason(Value, frozen=True, kw_only=True):
    """One line of a score: the points it adds, and for what ("+18 source=referral")."""

    points: int
    reason: str


class Learned(Value, frozen=True, kw_only=True):
    """What the scorecard of a team has counted of a lead, so that it can be taken back exactly."""

    team_id: UUID | None
    won: bool
    features: dict[str, str]


class WonLost(Value, frozen=True, kw_only=True):
    """How many leads with some value were won, and how many lost."""

    won: int = 0
    lost: int = 0


_CLOCK = re.compile(r"^(?:[01]\d|2[0-3]):[0-5]\d$|^24:00$")


class OpenHours(Value, frozen=True, kw_only=True):
    """A span of open time on a weekday (0 is Monday) by the wall clock, 09:00 to 17:00. Two spans leave a lunch break."""

    weekday: int
    start: str
    end: str

    def __post_init__(self) -> None:
        if not 0 <= self.weekday <= 6:
            raise ValueError("weekday is from 0 (Monday) to 6 (Sunday)")
        if not _CLOCK.match(self.start) or not _CLOCK.match(self.end):
            raise ValueError("start and end are written as 09:00, up to 24:00")
        if self.end <= self.start:
            raise ValueError("end is after start; hours over midnight are two spans")


class Holiday(Value, frozen=True, kw_only=True):
    """A day on which nobody answers."""

    day: dt.date
    name: Line


Minutes: TypeAlias = Annotated[int, Meta(ge=1, le=525_600)]
"""Minutes of a business calendar."""


class Exchange(Value, frozen=True, kw_only=True):
    """One message that asked for an answer, and the answer: `seconds` are business seconds between the two."""

    asked_at: Instant
    due_at: Instant
    answered_at: Instant | None = None
    seconds: int | None = None


class Pause(Value, frozen=True, kw_only=True):
    """A time in which nothing was owed, because the record was closed or archived. It has no end while that lasts."""

    stopped_at: Instant
    resumed_at: Instant | None = None


class MovedActivity(Value, frozen=True, kw_only=True):
    """An activity that a conversion took along, with what it was about before."""

    activity_id: UUID
    account_id: UUID | None
    contact_id: UUID | None
    deal_id: UUID | None


class Utm(Value, frozen=True, kw_only=True):
    """The campaign marks of the link by which somebody came."""

    source: Line | None = None
    medium: Line | None = None
    campaign: Line | None = None
    term: Line | None = None
    content: Line | None = None


class Merged(Value, frozen=True, kw_only=True):
    """What became of one record in a merge."""

    from_id: UUID
    name: Line
    note: Prose | None = None
