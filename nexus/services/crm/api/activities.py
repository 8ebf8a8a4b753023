"""Activities, calls and the promise to answer: commands and events."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

from nexus.core import Command, Event, Instant, Line, PhoneText, Prose, Value
from nexus.services.crm.terms import ActivityKind, Attendee, CallStatus, Direction, Priority


class ActivityLogged(Event, frozen=True, kw_only=True):
    """Something was done about a record."""

    topic = "crm.activity.logged"
    activity_id: UUID
    kind: ActivityKind
    direction: Direction | None = None
    lead_id: UUID | None = None
    deal_id: UUID | None = None
    account_id: UUID | None = None
    contact_id: UUID | None = None


class ActivityCompleted(Event, frozen=True, kw_only=True):
    """Something that was planned has been done."""

    topic = "crm.activity.completed"
    activity_id: UUID
    kind: ActivityKind
    lead_id: UUID | None = None
    deal_id: UUID | None = None


class ActivityCanceled(Event, frozen=True, kw_only=True):
    """Something that was planned will not be done."""

    topic = "crm.activity.canceled"
    activity_id: UUID


class MeetingScheduled(Event, frozen=True, kw_only=True):
    """People will meet. Invitations are sent by the mail service, which hears of it."""

    topic = "crm.activity.scheduled"
    activity_id: UUID
    starts_at: dt.datetime
    ends_at: dt.datetime
    overlaps: list[UUID]
    """Other meetings of the same person at that time."""


class CallReported(Event, frozen=True, kw_only=True):
    """A telephone call has got further."""

    topic = "crm.call_log.reported"
    call_log_id: UUID
    status: CallStatus


class FirstResponseBreached(Event, frozen=True, kw_only=True):
    """Nobody answered a lead or deal in the time that was promised."""

    topic = "crm.sla.first_response_breached"
    record_id: UUID
    record_entity: str
    clock_id: UUID
    due_at: dt.datetime
    owner_id: UUID | None = None


class LogActivity(Command[ActivityLogged], frozen=True, kw_only=True):
    """Note what was done: a call, a meeting, an e-mail, a note. What we did first about a lead or deal stops its response clock."""

    kind: ActivityKind
    subject: Line
    body: Prose | None = None
    direction: Direction | None = None
    at: Instant | None = None
    outcome: Line | None = None
    lead_id: UUID | None = None
    deal_id: UUID | None = None
    account_id: UUID | None = None
    contact_id: UUID | None = None
    record_entity: Line | None = None
    record_id: UUID | None = None


class CompleteTask(Command[ActivityCompleted], frozen=True, kw_only=True):
    """Note that a planned task, call, meeting or e-mail has been done."""

    activity_id: UUID
    outcome: Line | None = None


class CancelActivity(Command[ActivityCanceled], frozen=True, kw_only=True):
    """Note that something planned will not be done."""

    activity_id: UUID


class ScheduleMeeting(Command[MeetingScheduled], frozen=True, kw_only=True):
    """Plan a meeting. One that overlaps another of the same person is planned all the same, and named."""

    subject: Line
    starts_at: Instant
    ends_at: Instant
    body: Prose | None = None
    location: Line | None = None
    owner_id: UUID | None = None
    attendees: list[Attendee] = []
    priority: Priority = Priority.NORMAL
    lead_id: UUID | None = None
    deal_id: UUID | None = None
    account_id: UUID | None = None
    contact_id: UUID | None = None


class ReportCall(Command[CallReported], frozen=True, kw_only=True):
    """What the telephone exchange says of a call. Reports may come twice or out of order: an earlier state never undoes a later one."""

    provider: Line
    provider_call_id: Line
    status: CallStatus
    direction: Direction
    from_number: PhoneText
    to_number: PhoneText
    at: Instant | None = None
    seconds: int | None = None
    recording_url: Line | None = None
    owner_id: UUID | None = None
    lead_id: UUID | None = None
    contact_id: UUID | None = None


class ClocksSwept(Value, frozen=True, kw_only=True):
    """How many promises were found broken, and whether more are waiting: then call again."""

    breached: int
    more: bool


class SweepResponseClocks(Command[ClocksSwept], frozen=True, kw_only=True):
    """Find the leads and deals that nobody answered in time, at most `limit` at once; the scheduler calls it."""

    limit: int = 500
