"""The response clock of a lead or deal: starting it, and what a message from either side does to it.

Whoever notes a message, starts a clock or closes a record holds the lead or deal first and its clock after. So no message falls between a clock and
its start, none counts once the record is closed, and nothing waits in a circle.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from nexus.core import ColumnElement, Tx, Value, among, literal, or_, select
from nexus.services.crm.api import FirstResponseBreached, SweepResponseClocks
from nexus.services.crm.entities import Activity, BusinessCalendar, Deal, Lead, LeadSource, ResponseClock, ResponsePolicy
from nexus.services.crm.flows import clock_flow
from nexus.services.crm.rules.conditions import holds, known_of
from nexus.services.crm.rules.working_time import NeverOpen, WorkingTime
from nexus.services.crm.terms import (
    ActivityKind,
    ActivityStatus,
    ClockStatus,
    Condition,
    DealStatus,
    Direction,
    Exchange,
    Holiday,
    LeadStatus,
    OpenHours,
    Pause,
    Priority,
)

TALK: Final = (ActivityKind.CALL, ActivityKind.EMAIL, ActivityKind.MEETING)
"""What passes between us and them; notes and tasks do not."""
_INSTANT: Final = dt.timedelta(milliseconds=1)
_ENDED: Final = (LeadStatus.CONVERTED, LeadStatus.DISQUALIFIED)


class Promise(Value, frozen=True, kw_only=True):
    """A response policy with the hours it counts in."""

    id: UUID
    conditions: list[Condition]
    first_response_minutes: dict[Priority, int]
    rolling_response_minutes: int | None
    time_zone: str
    hours: list[OpenHours]
    holidays: list[Holiday]

    def time(self) -> WorkingTime:
        return WorkingTime(self.time_zone, self.hours, self.holidays)


class _Message(Value, frozen=True, kw_only=True):
    direction: Direction
    done_at: dt.datetime


def is_open(record: Lead | Deal) -> bool:
    """Whether an answer may still be owed."""
    if record.archived_at is not None:
        return False
    return record.status not in _ENDED if isinstance(record, Lead) else record.status is DealStatus.OPEN


async def start_clock(record: Lead | Deal, tx: Tx) -> ResponseClock | None:
    """Promise a first answer to a record that is held, if a policy fits and has a promise for its priority; once for each record.

    What was said already counts: about a lead whenever it was, about a deal that came from a lead since it is one.
    """
    if not is_open(record):
        return None
    kind = "lead" if isinstance(record, Lead) else "deal"
    in_force = ResponsePolicy.applies_to == kind, ResponsePolicy.active.is_(True), ResponsePolicy.archived_at.is_(None)
    promises = await _promises(tx, *in_force)
    if not promises or await tx.count(ResponseClock, _of(record)):
        return None
    sources = await tx.list(LeadSource, LeadSource.id == record.source_id) if record.source_id else []
    known = known_of(record, {source.id: source.key or source.name for source in sources})
    promise = next((one for one in promises if holds(one.conditions, known)), None)
    minutes = promise.first_response_minutes.get(record.priority) if promise else None
    if promise is None or minutes is None:
        return None
    started = record.created_at if isinstance(record, Lead) else record.opened_at
    due = _due(promise.time(), started, minutes * 60)
    if due is None:
        return None
    clock = ResponseClock(
        policy_id=promise.id,
        lead_id=record.id if isinstance(record, Lead) else None,
        deal_id=record.id if isinstance(record, Deal) else None,
        started_at=started,
        due_at=due,
    )
    for message in await _said(record, tx):
        passed(clock, message.direction, message.done_at, record.owner_id, promise, tx)
    if clock.status is ClockStatus.RUNNING:
        tx.schedule(SweepResponseClocks(), clock.due_at + _INSTANT)
    return tx.add(clock)


async def message_passed(direction: Direction, at: dt.datetime, tx: Tx, *records: Lead | Deal | None) -> None:
    """Somebody wrote, called or met about records that are held: from us it answers what is open, from them it may ask for another answer."""
    open = {record.id: record for record in records if record is not None and is_open(record)}
    if not open:
        return
    clocks = await _clocks(list(open), tx)
    promises = (
        {one.id: one for one in await _promises(tx, among(ResponsePolicy.id, {clock.policy_id for clock in clocks}))} if clocks else {}
    )
    for clock in clocks:
        record = next(record for id, record in open.items() if id in (clock.lead_id, clock.deal_id))
        passed(clock, direction, at, record.owner_id, promises[clock.policy_id], tx)


async def stop_clocks(record: Lead | Deal, tx: Tx, at: dt.datetime | None = None) -> None:
    """Nothing is owed from now on (or since `at`): the held record is closed. What was decided stays on record, a promise that was broken by then
    too; what still waited is forgotten."""
    at = at or tx.now
    for clock in await _clocks([record.id], tx):
        if clock.status is ClockStatus.RUNNING and clock.due_at < at:
            breach(clock, record.owner_id, tx)
        elif clock.status is ClockStatus.RUNNING:
            clock_flow.go(clock, "stop")
            clock.pauses = [*clock.pauses, Pause(stopped_at=max(at, clock.started_at))]
        elif clock.exchanges and clock.exchanges[-1].answered_at is None:
            clock.exchanges = clock.exchanges[:-1]


async def resume_clock(record: Lead | Deal, tx: Tx) -> None:
    """The held record is open again: what was still owed when it was closed is owed again, and the time between does not count."""
    clock = await tx.find(ResponseClock, _of(record), ResponseClock.status == ClockStatus.STOPPED, lock=True) if is_open(record) else None
    if clock is None:
        return
    (promise,) = await _promises(tx, ResponsePolicy.id == clock.policy_id)
    resume(clock, tx.now, promise.time())
    tx.schedule(SweepResponseClocks(), clock.due_at + _INSTANT)


def resume(clock: ResponseClock, at: dt.datetime, time: WorkingTime) -> None:
    """A clock that stood still goes on: it is due later by the business time that has passed since it was stopped."""
    clock_flow.go(clock, "resume")
    pause = clock.pauses[-1].changed(resumed_at=at)
    clock.pauses = [*clock.pauses[:-1], pause]
    clock.due_at = _due(time, clock.due_at, time.seconds(pause.stopped_at, at)) or clock.due_at


def passed(clock: ResponseClock, direction: Direction, at: dt.datetime, owner_id: UUID | None, promise: Promise, tx: Tx) -> None:
    """What one message does to a clock."""
    time = promise.time()
    if direction is Direction.OUTBOUND:
        _answer(clock, max(at, clock.started_at), owner_id, time, tx)
    elif promise.rolling_response_minutes is not None and _asks(clock, at):
        due = _due(time, at, promise.rolling_response_minutes * 60)
        if due is not None:
            clock.exchanges = [*clock.exchanges, Exchange(asked_at=at, due_at=due)]


def _due(time: WorkingTime, start: dt.datetime, seconds: int) -> dt.datetime | None:
    """When it is due; None where the calendar has no such moment: then nothing is promised, and nobody is kept from working."""
    try:
        return time.due(start, seconds)
    except NeverOpen:
        return None


def _answer(clock: ResponseClock, at: dt.datetime, owner_id: UUID | None, time: WorkingTime, tx: Tx) -> None:
    """We answered: the first answer decides the promise, a later one the message that still waited.

    An answer may be noted after others, or after the promise seemed broken: what counts is when it was given.
    """
    if clock.responded_at is None or at < clock.responded_at:
        _decide(clock, at, owner_id, tx)
        clock.responded_at, clock.response_seconds = at, _counted(clock, at, time)
    elif clock.exchanges and (last := clock.exchanges[-1]).answered_at is None and at >= last.asked_at:
        answered = last.changed(answered_at=at, seconds=time.seconds(last.asked_at, at))
        clock.exchanges = [*clock.exchanges[:-1], answered]


def _counted(clock: ResponseClock, at: dt.datetime, time: WorkingTime) -> int:
    """Business seconds from the start to a moment, without those of pauses."""
    paused = sum(time.seconds(pause.stopped_at, min(pause.resumed_at or at, at)) for pause in clock.pauses)
    return time.seconds(clock.started_at, at) - paused


def _decide(clock: ResponseClock, at: dt.datetime, owner_id: UUID | None, tx: Tx) -> None:
    clock.owner_id = owner_id
    if at <= clock.due_at:
        if clock.status is not ClockStatus.MET:
            clock_flow.go(clock, "meet")
        clock.breached_at = None
        return
    if clock.status is ClockStatus.RUNNING:
        breach(clock, owner_id, tx)
    if clock.status is ClockStatus.BREACHED:
        clock_flow.go(clock, "answer_late")


def _asks(clock: ResponseClock, at: dt.datetime) -> bool:
    """They wrote after our last answer. While one message waits, the next does not move when it is due."""
    if clock.responded_at is None:
        return False
    last = clock.exchanges[-1].answered_at if clock.exchanges else clock.responded_at
    return last is not None and at > last


def breach(clock: ResponseClock, owner_id: UUID | None, tx: Tx) -> None:
    """The promise is broken; others hear of it once."""
    clock_flow.go(clock, "breach")
    clock.breached_at, clock.owner_id = clock.due_at, owner_id
    record_id, entity = (clock.lead_id, "crm.lead") if clock.lead_id else (clock.deal_id, "crm.deal")
    assert record_id is not None, "the table checks that a clock is of a lead or a deal"
    tx.emit(FirstResponseBreached(record_id=record_id, record_entity=entity, clock_id=clock.id, due_at=clock.due_at, owner_id=owner_id))


def _of(record: Lead | Deal) -> ColumnElement[bool]:
    return ResponseClock.lead_id == record.id if isinstance(record, Lead) else ResponseClock.deal_id == record.id


async def _clocks(records: Sequence[UUID], tx: Tx) -> list[ResponseClock]:
    of = or_(among(ResponseClock.lead_id, records), among(ResponseClock.deal_id, records))
    return await tx.list(ResponseClock, of, ResponseClock.status != ClockStatus.STOPPED, lock=True)


async def _promises(tx: Tx, *where: ColumnElement[bool]) -> list[Promise]:
    """Policies with their calendars, in the order in which they apply."""
    columns = (
        ResponsePolicy.id,
        ResponsePolicy.conditions,
        ResponsePolicy.first_response_minutes,
        ResponsePolicy.rolling_response_minutes,
        BusinessCalendar.time_zone,
        BusinessCalendar.hours,
        BusinessCalendar.holidays,
    )
    found = select(*columns).join(BusinessCalendar, BusinessCalendar.id == ResponsePolicy.calendar_id).where(*where)
    return [Promise.of(row) for row in await tx.rows(found.order_by(ResponsePolicy.position, ResponsePolicy.id))]


async def _said(record: Lead | Deal, tx: Tx) -> list[_Message]:
    """The messages about a record before its clock was there, in order; that somebody reached out to a lead is one."""
    about = Activity.lead_id == record.id if isinstance(record, Lead) else Activity.deal_id == record.id
    since = Activity.done_at >= record.opened_at if isinstance(record, Deal) and record.lead_id else literal(True)
    talk = among(Activity.kind, TALK), Activity.status == ActivityStatus.DONE, Activity.direction.is_not(None)
    rows = await tx.rows(select(Activity.direction, Activity.done_at).where(about, since, *talk))
    messages = [_Message.of(row) for row in rows]
    if isinstance(record, Lead) and record.contacted_at is not None:
        messages.append(_Message(direction=Direction.OUTBOUND, done_at=record.contacted_at))
    return sorted(messages, key=lambda one: one.done_at)
