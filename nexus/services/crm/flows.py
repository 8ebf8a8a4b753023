"""How CRM's records may change. A state column changes by these moves and in no other way."""

from nexus.core import Flow, Move
from nexus.services.crm.entities import Activity, CallLog, Deal, Lead, Quote, ResponseClock
from nexus.services.crm.terms import ActivityStatus, CallStatus, ClockStatus, DealStatus, LeadStatus, QuoteStatus

_WORKED_ON = [LeadStatus.NEW, LeadStatus.CONTACTED, LeadStatus.NURTURING, LeadStatus.RECYCLED]

lead_flow = Flow(
    Lead.status,
    Move("contact", [LeadStatus.NEW, LeadStatus.RECYCLED], LeadStatus.CONTACTED),
    Move("nurture", [LeadStatus.NEW, LeadStatus.CONTACTED, LeadStatus.QUALIFIED, LeadStatus.RECYCLED], LeadStatus.NURTURING),
    Move("qualify", _WORKED_ON, LeadStatus.QUALIFIED),
    Move("convert", [LeadStatus.QUALIFIED], LeadStatus.CONVERTED),
    Move("unconvert", [LeadStatus.CONVERTED], LeadStatus.QUALIFIED),
    Move("disqualify", [*_WORKED_ON, LeadStatus.QUALIFIED], LeadStatus.DISQUALIFIED),
    Move("recycle", [LeadStatus.DISQUALIFIED], LeadStatus.RECYCLED),
)

deal_flow = Flow(
    Deal.status,
    Move("move_stage", [DealStatus.OPEN], DealStatus.OPEN),
    Move("set_lines", [DealStatus.OPEN], DealStatus.OPEN),
    Move("quote", [DealStatus.OPEN], DealStatus.OPEN),
    Move("win", [DealStatus.OPEN], DealStatus.WON),
    Move("lose", [DealStatus.OPEN], DealStatus.LOST),
    Move("reopen", [DealStatus.WON, DealStatus.LOST], DealStatus.OPEN),
)

_WITH_CUSTOMER = [QuoteStatus.SENT, QuoteStatus.VIEWED]

quote_flow = Flow(
    Quote.status,
    Move("revise", [QuoteStatus.DRAFT], QuoteStatus.DRAFT),
    Move("send", [QuoteStatus.DRAFT], QuoteStatus.SENT),
    Move("view", [QuoteStatus.SENT], QuoteStatus.VIEWED),
    Move("accept", _WITH_CUSTOMER, QuoteStatus.ACCEPTED),
    Move("reject", _WITH_CUSTOMER, QuoteStatus.REJECTED),
    Move("expire", _WITH_CUSTOMER, QuoteStatus.EXPIRED),
    Move("supersede", [QuoteStatus.DRAFT, *_WITH_CUSTOMER], QuoteStatus.SUPERSEDED),
)

activity_flow = Flow(
    Activity.status,
    Move("complete", [ActivityStatus.PLANNED], ActivityStatus.DONE),
    Move("cancel", [ActivityStatus.PLANNED], ActivityStatus.CANCELED),
    Move("reopen", [ActivityStatus.DONE, ActivityStatus.CANCELED], ActivityStatus.PLANNED),
)

_BEFORE_TALKING = [CallStatus.QUEUED, CallStatus.INITIATED, CallStatus.RINGING]

call_flow = Flow(
    CallLog.status,
    Move("initiated", [CallStatus.QUEUED], CallStatus.INITIATED),
    Move("ringing", [CallStatus.QUEUED, CallStatus.INITIATED], CallStatus.RINGING),
    Move("in_progress", _BEFORE_TALKING, CallStatus.IN_PROGRESS),
    Move("completed", [*_BEFORE_TALKING, CallStatus.IN_PROGRESS], CallStatus.COMPLETED),
    Move("failed", [*_BEFORE_TALKING, CallStatus.IN_PROGRESS], CallStatus.FAILED),
    Move("busy", _BEFORE_TALKING, CallStatus.BUSY),
    Move("no_answer", _BEFORE_TALKING, CallStatus.NO_ANSWER),
    Move("canceled", _BEFORE_TALKING, CallStatus.CANCELED),
)

clock_flow = Flow(
    ResponseClock.status,
    Move("meet", [ClockStatus.RUNNING, ClockStatus.BREACHED, ClockStatus.LATE], ClockStatus.MET),
    Move("breach", [ClockStatus.RUNNING], ClockStatus.BREACHED),
    Move("answer_late", [ClockStatus.BREACHED], ClockStatus.LATE),
    Move("stop", [ClockStatus.RUNNING], ClockStatus.STOPPED),
    Move("resume", [ClockStatus.STOPPED], ClockStatus.RUNNING),
)
