"""The response clock of a lead or deal: starting it, and what a message from either side does to it."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

from nexus.core import ColumnElement, Tx, or_
from nexus.services.crm.api import FirstResponseBreached
from nexus.services.crm.entities import BusinessCalendar, Deal, Lead, ResponseClock, ResponsePolicy
from nexus.services.crm.flows import clock_flow
from nexus.services.crm.rules.conditions import Known, holds
from nexus.services.crm.rules.working_time import WorkingTime
from nexus.services.crm.terms import ClockStatus, Direction, Exchange


async def start_clock(record: Lead | Deal, known: Known, tx: Tx) -> None:
    """Promise a first answer, if a policy fits and has a promise for the record's priority."""
    kind = "lead" if isinstance(record, Lead) else "deal"
    policies = await tx.list(
        ResponsePolicy,
        ResponsePolicy.applies_to == kind,
        ResponsePolicy.active.is_(True),
        ResponsePolicy.archived_at.is_(None),
        order_by=(ResponsePolicy.position, ResponsePolicy.id),
    )
    policy = next((one for one in policies if holds(one.conditions, known)), None)
    minutes = policy.first_response_minutes.get(record.priority) if policy else None
    if policy is None or minutes is None:
        return
    started = record.created_at if isinstance(record, Lead) else record.opened_at
    due = (await _working_time(policy.calendar_id, tx)).due(started, minutes * 60)
    clock = ResponseClock(
        policy_id=policy.id,
        lead_id=record.id if isinstance(record, Lead) else None,
        deal_id=record.id if isinstance(record, Deal) else None,
        started_at=started,
        due_at=due,
    )
    tx.add(clock)


async def message_passed(
    direction: Direction, at: dt.datetime, tx: Tx, *, lead_id: UUID | None = None, deal_id: UUID | None = None
) -> None:
    """Somebody wrote, called or met: from us it answers what is open, from them it may ask for another answer."""
    for clock in await _clocks(lead_id, deal_id, tx):
        policy = await tx.get(ResponsePolicy, clock.policy_id)
        time = await _working_time(policy.calendar_id, tx)
        if direction is Direction.OUTBOUND:
            answer(clock, at, time, tx)
        elif clock.status in (ClockStatus.MET, ClockStatus.LATE) and policy.rolling_response_minutes is not None:
            _ask_again(clock, at, time.due(at, policy.rolling_response_minutes * 60))


async def stop_clocks(tx: Tx, *, lead_id: UUID | None = None, deal_id: UUID | None = None) -> None:
    """Nothing is owed any more: the record is closed. What was decided stays on record."""
    for clock in await _clocks(lead_id, deal_id, tx):
        if clock.status is ClockStatus.RUNNING:
            clock_flow.go(clock, "stop")


def answer(clock: ResponseClock, at: dt.datetime, time: WorkingTime, tx: Tx) -> None:
    """We answered: the first answer decides the promise, a later one the last message that still waited."""
    at = max(at, clock.started_at)
    if clock.status in (ClockStatus.RUNNING, ClockStatus.BREACHED):
        if clock.status is ClockStatus.RUNNING and at > clock.due_at:
            breach(clock, clock.owner_id, tx)
        clock_flow.go(clock, "meet" if clock.status is ClockStatus.RUNNING else "answer_late")
        clock.responded_at, clock.response_seconds = at, time.seconds(clock.started_at, at)
    elif clock.exchanges and clock.exchanges[-1].answered_at is None:
        last = clock.exchanges[-1]
        answered = last.changed(answered_at=max(at, last.asked_at), seconds=time.seconds(last.asked_at, at))
        clock.exchanges = [*clock.exchanges[:-1], answered]


def breach(clock: ResponseClock, owner_id: UUID | None, tx: Tx) -> None:
    """The promise is broken; others hear of it once."""
    clock_flow.go(clock, "breach")
    clock.breached_at, clock.owner_id = clock.due_at, owner_id
    record_id, entity = (clock.lead_id, "crm.lead") if clock.lead_id else (clock.deal_id, "crm.deal")
    assert record_id is not None, "the table checks that a clock is of a lead or a deal"
    tx.emit(FirstResponseBreached(record_id=record_id, record_entity=entity, clock_id=clock.id, due_at=clock.due_at, owner_id=owner_id))


def _ask_again(clock: ResponseClock, at: dt.datetime, due: dt.datetime) -> None:
    """They wrote again. While one message waits, the next does not move when it is due."""
    if not clock.exchanges or clock.exchanges[-1].answered_at is not None:
        clock.exchanges = [*clock.exchanges, Exchange(asked_at=at, due_at=due)]


async def _clocks(lead_id: UUID | None, deal_id: UUID | None, tx: Tx) -> list[ResponseClock]:
    of: list[ColumnElement[bool]] = []
    of += [ResponseClock.lead_id == lead_id] if lead_id else []
    of += [ResponseClock.deal_id == deal_id] if deal_id else []
    if not of:
        return []
    return await tx.list(ResponseClock, or_(*of), ResponseClock.status != ClockStatus.STOPPED, lock=True)


async def _working_time(calendar_id: UUID, tx: Tx) -> WorkingTime:
    calendar = await tx.get(BusinessCalendar, calendar_id)
    return WorkingTime(calendar.time_zone, calendar.hours, calendar.holidays)
