"""Response clocks: what commands and news do to them."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Any
from uuid import UUID

import pytest

from nexus.core import Invalid, uuid7
from nexus.runtime.testing import Harness
from nexus.services.crm.api import (
    CompleteTask,
    ContactLead,
    ConvertLead,
    DisqualifyLead,
    FirstResponseBreached,
    LeadCreated,
    LogActivity,
    ReportCall,
    SweepResponseClocks,
)
from nexus.services.crm.entities import Activity, BusinessCalendar, Lead, ResponseClock, ResponsePolicy
from nexus.services.crm.terms import (
    ActivityKind,
    CallStatus,
    ClockStatus,
    Condition,
    Direction,
    LeadStatus,
    OpenHours,
    Operator,
    Priority,
)
from nexus.services.crm.tests.conftest import Sales
from nexus.services.crm.tests.test_working_time import MINUTE

IN, OUT = Direction.INBOUND, Direction.OUTBOUND
HOUR = dt.timedelta(hours=1)

ALWAYS = [OpenHours(weekday=day, start="00:00", end="24:00") for day in range(7)]


async def policy(crm: Harness, *, minutes: int = 60, rolling: int | None = None, **fields: Any) -> ResponsePolicy:
    calendar = await crm.given(BusinessCalendar(name="Always", time_zone="Africa/Lagos", hours=ALWAYS))
    return await crm.given(
        ResponsePolicy(
            **{
                "name": "New",
                "calendar_id": calendar.id,
                "first_response_minutes": {Priority.NORMAL: minutes},
                "rolling_response_minutes": rolling,
                **fields,
            }
        )
    )


async def new_lead(crm: Harness, **fields: Any) -> Lead:
    lead = await crm.given(Lead(**{"name": "Ada", **fields}))
    await crm.deliver(LeadCreated(id=lead.id), times=2)
    return await crm.get(Lead, lead.id)


async def clock_of(crm: Harness, id: UUID) -> ResponseClock:
    (clock,) = [one for one in await crm.list(ResponseClock) if id in (one.lead_id, one.deal_id)]
    return clock


async def age(crm: Harness, clock: ResponseClock, by: dt.timedelta) -> None:
    """Let the clock have started earlier, with everything it has."""
    async with crm._work() as work:  # pyright: ignore[reportPrivateUsage]
        kept = await work.get(ResponseClock, clock.id)
        kept.started_at, kept.due_at = kept.started_at - by, kept.due_at - by
        kept.pauses = [
            pause.changed(stopped_at=pause.stopped_at - by, resumed_at=pause.resumed_at and pause.resumed_at - by) for pause in kept.pauses
        ]
        await work.commit()


def call(lead: Lead, way: Direction = OUT, **fields: Any) -> LogActivity:
    return LogActivity(kind=ActivityKind.CALL, subject="A word", direction=way, lead_id=lead.id, **fields)


async def test_a_new_lead_is_promised_an_answer_once(crm: Harness) -> None:
    kept = await policy(crm)

    lead = await new_lead(crm)

    clock = await clock_of(crm, lead.id)
    assert (clock.policy_id, clock.status, clock.started_at, clock.due_at) == (
        kept.id,
        ClockStatus.RUNNING,
        lead.created_at,
        lead.created_at + HOUR,
    )


async def test_the_first_policy_that_fits_applies(crm: Harness, sales: Sales) -> None:
    referred = [Condition(field="source", op=Operator.IN, value=["referral"])]
    await policy(crm, minutes=240, position=2)
    quick = await policy(crm, minutes=15, position=1, conditions=referred)
    await policy(crm, minutes=1, position=0, active=False)
    await policy(crm, minutes=2, position=0, applies_to="deal")

    assert (await clock_of(crm, (await new_lead(crm, source_id=sales.referral.id)).id)).policy_id == quick.id
    other = await new_lead(crm)
    assert (await clock_of(crm, other.id)).due_at == other.created_at + 4 * HOUR


async def test_no_promise_no_clock(crm: Harness) -> None:
    await new_lead(crm)
    await policy(crm)
    await new_lead(crm, priority=Priority.LOW)
    await new_lead(crm, status=LeadStatus.DISQUALIFIED)
    assert await crm.count(ResponseClock) == 0


@pytest.mark.parametrize("kind", list(ActivityKind))
async def test_the_first_talk_answers_and_notes_do_not(crm: Harness, kind: ActivityKind) -> None:
    await policy(crm)
    owner = uuid7()
    lead = await new_lead(crm, owner_id=owner)

    done = await crm.run(LogActivity(kind=kind, subject="A word", lead_id=lead.id))

    clock, activity = await clock_of(crm, lead.id), await crm.get(Activity, done.activity_id)
    if kind in (ActivityKind.NOTE, ActivityKind.TASK):
        assert (clock.status, clock.responded_at, activity.direction) == (ClockStatus.RUNNING, None, None)
    else:
        assert (clock.status, clock.responded_at, clock.owner_id) == (ClockStatus.MET, activity.done_at, owner)
        assert activity.direction is OUT


async def test_what_they_say_answers_nothing(crm: Harness) -> None:
    await policy(crm, rolling=30)
    lead = await new_lead(crm)
    await crm.run(call(lead, IN))
    clock = await clock_of(crm, lead.id)
    assert (clock.status, clock.exchanges) == (ClockStatus.RUNNING, [])


async def test_reaching_out_answers(crm: Harness) -> None:
    await policy(crm)
    lead = await new_lead(crm)
    await crm.run(ContactLead(lead_id=lead.id))
    assert (await clock_of(crm, lead.id)).status is ClockStatus.MET


async def test_a_planned_call_answers_when_it_is_done(crm: Harness) -> None:
    await policy(crm)
    lead = await new_lead(crm)
    planned = await crm.given(Activity(kind=ActivityKind.CALL, subject="Call", lead_id=lead.id))
    assert (await clock_of(crm, lead.id)).status is ClockStatus.RUNNING

    await crm.run(CompleteTask(activity_id=planned.id))

    assert (await clock_of(crm, lead.id)).status is ClockStatus.MET


async def test_a_call_that_the_exchange_reports_answers(crm: Harness) -> None:
    await policy(crm)
    lead = await new_lead(crm, phone="+2348031234567")
    report: dict[str, Any] = {
        "provider": "twilio",
        "provider_call_id": "1",
        "direction": OUT,
        "from_number": "+2348030000000",
        "to_number": lead.phone,
    }

    await crm.run(ReportCall(**report, status=CallStatus.RINGING))
    assert (await clock_of(crm, lead.id)).status is ClockStatus.RUNNING
    await crm.run(ReportCall(**report, status=CallStatus.COMPLETED, seconds=40))

    assert (await clock_of(crm, lead.id)).status is ClockStatus.MET


async def test_what_was_said_before_the_clock_was_there_counts(crm: Harness) -> None:
    await policy(crm)
    lead = await crm.given(Lead(name="Ada"))
    await crm.run(call(lead))
    await crm.deliver(LeadCreated(id=lead.id))
    assert (await clock_of(crm, lead.id)).status is ClockStatus.MET

    other = await crm.given(Lead(name="Obi"))
    await crm.run(ContactLead(lead_id=other.id))
    await crm.deliver(LeadCreated(id=other.id))
    assert (await clock_of(crm, other.id)).status is ClockStatus.MET


async def test_a_message_and_the_start_of_the_clock_at_once_miss_nothing(crm: Harness) -> None:
    await policy(crm)
    leads = [await crm.given(Lead(name=f"Lead {number}")) for number in range(8)]

    await asyncio.gather(*[crm.run(call(lead)) for lead in leads], *[crm.deliver(LeadCreated(id=lead.id)) for lead in leads])

    assert [(await clock_of(crm, lead.id)).status for lead in leads] == [ClockStatus.MET] * 8


async def test_a_broken_promise_is_told_once(crm: Harness) -> None:
    await policy(crm)
    owner = uuid7()
    lead, other = await new_lead(crm, owner_id=owner), await new_lead(crm)
    clock = await clock_of(crm, lead.id)
    await age(crm, clock, 2 * HOUR)
    crm.emitted.clear()

    swept = [await crm.run(SweepResponseClocks()) for _ in range(2)]

    assert [(one.breached, one.more) for one in swept] == [(1, False), (0, False)]
    clock = await clock_of(crm, lead.id)
    assert (clock.status, clock.breached_at, clock.owner_id) == (ClockStatus.BREACHED, clock.due_at, owner)
    assert crm.emitted == [
        FirstResponseBreached(record_id=lead.id, record_entity="crm.lead", clock_id=clock.id, due_at=clock.due_at, owner_id=owner)
    ]
    assert (await clock_of(crm, other.id)).status is ClockStatus.RUNNING

    await crm.run(call(lead))
    clock = await clock_of(crm, lead.id)
    assert (clock.status, clock.breached_at, clock.response_seconds and clock.response_seconds // 3600) == (
        ClockStatus.LATE,
        clock.due_at,
        2,
    )
    assert [type(event).__name__ for event in crm.emitted] == ["FirstResponseBreached", "ActivityLogged"]


async def test_an_answer_that_is_noted_late_was_still_in_time(crm: Harness) -> None:
    await policy(crm)
    lead = await new_lead(crm)
    await age(crm, await clock_of(crm, lead.id), 2 * HOUR)
    await crm.run(SweepResponseClocks())
    clock = await clock_of(crm, lead.id)

    await crm.run(call(lead))
    await crm.run(call(lead, at=clock.due_at - MINUTE))

    clock = await clock_of(crm, lead.id)
    assert (clock.status, clock.breached_at, clock.responded_at, clock.response_seconds) == (
        ClockStatus.MET,
        None,
        clock.due_at - MINUTE,
        59 * 60,
    )


async def test_a_sweep_and_an_answer_at_once_agree(crm: Harness) -> None:
    await policy(crm)
    leads = [await new_lead(crm) for _ in range(5)]
    for lead in leads:
        await age(crm, await clock_of(crm, lead.id), 2 * HOUR)
    crm.emitted.clear()

    await asyncio.gather(*[crm.run(call(lead)) for lead in leads], *[crm.run(SweepResponseClocks()) for _ in range(3)])

    assert [(await clock_of(crm, lead.id)).status for lead in leads] == [ClockStatus.LATE] * 5
    assert sum(isinstance(event, FirstResponseBreached) for event in crm.emitted) == 5


async def test_later_messages_ask_again(crm: Harness) -> None:
    await policy(crm, rolling=30)
    lead = await new_lead(crm)
    await crm.run(call(lead))

    await crm.run(call(lead, IN))
    asked = (await clock_of(crm, lead.id)).exchanges
    await crm.run(call(lead, IN))
    assert (await clock_of(crm, lead.id)).exchanges == asked
    assert (len(asked), asked[0].due_at, asked[0].answered_at) == (1, asked[0].asked_at + HOUR / 2, None)

    await crm.run(call(lead))
    (exchange,) = (await clock_of(crm, lead.id)).exchanges
    assert (exchange.answered_at is not None, exchange.seconds) == (True, 0)


@pytest.mark.parametrize("how", ["disqualify", "convert"])
async def test_after_a_lead_is_closed_nothing_counts(crm: Harness, sales: Sales, how: str) -> None:
    await policy(crm, rolling=30)
    waiting, answered = [await new_lead(crm, status=LeadStatus.QUALIFIED) for _ in range(2)]
    await crm.run(call(answered))
    await crm.run(call(answered, IN))
    for lead in (waiting, answered):
        await age(crm, await clock_of(crm, lead.id), HOUR / 2)
        if how == "disqualify":
            await crm.run(DisqualifyLead(lead_id=lead.id, reason_id=sales.nobody_home.id))
        else:
            await crm.run(ConvertLead(lead_id=lead.id, make_deal=False))

    await crm.run(call(answered, IN))
    await crm.run(call(waiting))
    await crm.run(SweepResponseClocks())

    clock = await clock_of(crm, waiting.id)
    assert (clock.status, clock.responded_at, clock.breached_at) == (ClockStatus.STOPPED, None, None)
    clock = await clock_of(crm, answered.id)
    assert (clock.status, clock.exchanges) == (ClockStatus.MET, [])
    assert not [event for event in crm.emitted if isinstance(event, FirstResponseBreached)]


@pytest.mark.parametrize("limit", [0, 1001])
async def test_a_sweep_has_its_bounds(crm: Harness, limit: int) -> None:
    with pytest.raises(Invalid, match="limit"):
        await crm.run(SweepResponseClocks(limit=limit))


async def test_a_sweep_says_that_more_are_waiting(crm: Harness) -> None:
    await policy(crm)
    for _ in range(3):
        await age(crm, await clock_of(crm, (await new_lead(crm)).id), 2 * HOUR)
    swept = [await crm.run(SweepResponseClocks(limit=2)) for _ in range(2)]
    assert [(one.breached, one.more) for one in swept] == [(2, True), (1, False)]
    assert len(await crm.scheduled()) == 4  # one a clock, and one for the rest


async def test_a_clock_rings_when_it_is_due(crm: Harness) -> None:
    await policy(crm)
    lead, answered = await new_lead(crm), await crm.given(Lead(name="Obi"))
    await crm.run(call(answered))
    await crm.deliver(LeadCreated(id=answered.id))
    clock = await clock_of(crm, lead.id)
    (timer,) = await crm.scheduled()  # none for the one that was answered before
    assert (timer.command, timer.due_at) == ("crm.response_clock:sweep", clock.due_at + dt.timedelta(milliseconds=1))

    assert await crm.pass_time(clock.due_at) == 0
    assert await crm.pass_time(timer.due_at) == 1

    assert (await clock_of(crm, lead.id)).status is ClockStatus.BREACHED
    assert (await clock_of(crm, answered.id)).status is ClockStatus.MET
