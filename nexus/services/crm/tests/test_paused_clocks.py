"""Response clocks stand still while the record is closed or archived, and go on when it is open again."""

from __future__ import annotations

import datetime as dt
from typing import cast

from hypothesis import given, settings
from hypothesis import strategies as st

from nexus.core import Tx, uuid7
from nexus.runtime.testing import Harness
from nexus.services.crm.api import (
    ConvertLead,
    DealArchived,
    DealRestored,
    DisqualifyLead,
    FirstResponseBreached,
    LeadArchived,
    LeadCreated,
    LeadRestored,
    LogActivity,
    LoseDeal,
    RecycleLead,
    ReopenDeal,
    SweepResponseClocks,
    UnconvertLead,
)
from nexus.services.crm.entities import ResponseClock
from nexus.services.crm.rules.clocks import Promise, passed, resume
from nexus.services.crm.rules.working_time import WorkingTime
from nexus.services.crm.terms import ActivityKind, ClockStatus, Direction, LeadStatus, OpenHours, Pause
from nexus.services.crm.tests.conftest import Sales
from nexus.services.crm.tests.test_clocks import HOUR, age, call, clock_of, new_lead, policy
from nexus.services.crm.tests.test_deal_clocks import deal_of
from nexus.services.crm.tests.test_whole_clocks import Slow, Told
from nexus.services.crm.tests.test_working_time import DAYS, MINUTE, ZONES, weeks


async def test_another_chance_goes_on_with_the_promise_and_the_time_between_does_not_count(crm: Harness, sales: Sales) -> None:
    await policy(crm)
    lead = await new_lead(crm)
    for _ in range(2):
        await crm.run(DisqualifyLead(lead_id=lead.id, reason_id=sales.nobody_home.id))
        await age(crm, await clock_of(crm, lead.id), 2 * HOUR)
        await crm.run(RecycleLead(lead_id=lead.id))
    await crm.deliver(LeadCreated(id=lead.id))

    clock = await clock_of(crm, lead.id)
    assert (clock.status, len(clock.pauses)) == (ClockStatus.RUNNING, 2)
    assert 5 * HOUR <= clock.due_at - clock.started_at < 5 * HOUR + MINUTE, "the hour that was promised, and twice two that do not count"
    assert (await crm.run(SweepResponseClocks())).breached == 0

    await crm.run(call(lead))
    clock = await clock_of(crm, lead.id)
    assert (clock.status, clock.response_seconds) == (ClockStatus.MET, 0)


async def test_another_chance_leaves_what_was_decided(crm: Harness, sales: Sales) -> None:
    await policy(crm)
    lead = await new_lead(crm)
    await crm.run(call(lead))
    met = await clock_of(crm, lead.id)
    await crm.run(DisqualifyLead(lead_id=lead.id, reason_id=sales.nobody_home.id))
    await crm.run(RecycleLead(lead_id=lead.id))
    assert (await clock_of(crm, lead.id)).version == met.version


async def test_a_promise_that_was_broken_when_the_lead_was_closed_is_broken(crm: Harness, sales: Sales) -> None:
    """Nobody had swept yet: whether it is broken does not depend on that."""
    await policy(crm)
    lead = await new_lead(crm)
    await age(crm, await clock_of(crm, lead.id), 2 * HOUR)

    await crm.run(DisqualifyLead(lead_id=lead.id, reason_id=sales.nobody_home.id))

    clock = await clock_of(crm, lead.id)
    assert (clock.status, clock.breached_at) == (ClockStatus.BREACHED, clock.due_at)
    assert [event.clock_id for event in crm.emitted if isinstance(event, FirstResponseBreached)] == [clock.id]
    await crm.run(RecycleLead(lead_id=lead.id))
    await crm.run(call(lead))
    assert (await clock_of(crm, lead.id)).status is ClockStatus.LATE


async def test_an_archived_lead_is_owed_nothing_until_it_is_back(crm: Harness) -> None:
    await policy(crm)
    lead = await new_lead(crm)
    await crm.api("DELETE", f"/api/v1/crm/leads/{lead.id}", if_match="*")
    await crm.deliver(LeadArchived(id=lead.id), times=2)
    assert (await clock_of(crm, lead.id)).status is ClockStatus.STOPPED

    await crm.api("POST", f"/api/v1/crm/leads/{lead.id}/restore", if_match="*")
    await crm.deliver(LeadArchived(id=lead.id))  # late news: it is back already
    await crm.deliver(LeadRestored(id=lead.id), times=2)
    assert (await clock_of(crm, lead.id)).status is ClockStatus.RUNNING
    await crm.run(call(lead))
    assert (await clock_of(crm, lead.id)).status is ClockStatus.MET


async def test_a_conversion_undone_gives_the_promise_back(crm: Harness, sales: Sales) -> None:
    await policy(crm)
    lead = await new_lead(crm, status=LeadStatus.QUALIFIED)
    before = await clock_of(crm, lead.id)
    await crm.run(ConvertLead(lead_id=lead.id))
    assert (await clock_of(crm, lead.id)).status is ClockStatus.STOPPED

    await crm.run(UnconvertLead(lead_id=lead.id))

    after = await clock_of(crm, lead.id)
    assert (after.status, after.due_at - before.due_at < MINUTE) == (ClockStatus.RUNNING, True)


async def test_a_deal_that_is_reopened_is_owed_what_it_was(crm: Harness, sales: Sales) -> None:
    await policy(crm, applies_to="deal")
    deal = await deal_of(crm)
    before = await clock_of(crm, deal.id)
    await crm.run(LoseDeal(deal_id=deal.id, reason_id=sales.price.id))
    await age(crm, before, 3 * HOUR)  # lost three hours ago, after no time at all
    await crm.run(ReopenDeal(deal_id=deal.id))

    clock = await clock_of(crm, deal.id)
    assert (clock.status, clock.breached_at) == (ClockStatus.RUNNING, None)
    assert before.due_at - HOUR / 60 < clock.due_at < before.due_at + HOUR / 60, "an hour from now, as it was when it was lost"
    await crm.pass_time(clock.due_at)  # the alarm of the first promise says nothing now
    assert (await clock_of(crm, deal.id)).status is ClockStatus.RUNNING

    await crm.run(LogActivity(kind=ActivityKind.EMAIL, subject="Our offer", deal_id=deal.id))
    answered = await clock_of(crm, deal.id)
    assert answered.status is ClockStatus.MET
    assert answered.response_seconds is not None and answered.response_seconds < 60


async def test_an_archived_deal_is_owed_nothing_until_it_is_back(crm: Harness, sales: Sales) -> None:
    await policy(crm, applies_to="deal")
    deal = await deal_of(crm)
    await crm.api("DELETE", f"/api/v1/crm/deals/{deal.id}", if_match="*")
    await crm.deliver(DealArchived(id=deal.id), times=2)
    assert (await clock_of(crm, deal.id)).status is ClockStatus.STOPPED
    await age(crm, await clock_of(crm, deal.id), 3 * HOUR)
    assert (await crm.run(SweepResponseClocks())).breached == 0

    await crm.api("POST", f"/api/v1/crm/deals/{deal.id}/restore", if_match="*")
    await crm.deliver(DealRestored(id=deal.id), times=2)
    assert (await clock_of(crm, deal.id)).status is ClockStatus.RUNNING
    assert (await crm.run(SweepResponseClocks())).breached == 0


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(ZONES), weeks(), DAYS, st.integers(1, 300), st.lists(st.integers(0, 1440), min_size=2, max_size=4), st.integers(0, 1440)
)
def test_a_clock_counts_every_open_minute_but_those_of_pauses(
    zone: str, hours: list[OpenHours], start: dt.datetime, first: int, gaps: list[int], answer: int
) -> None:
    slow, time = Slow(zone, hours, set()), WorkingTime(zone, hours)
    clock = ResponseClock(policy_id=uuid7(), lead_id=uuid7(), started_at=start, due_at=time.due(start, first * 60))
    paused, at = 0, start
    for run, stand in zip(gaps[::2], gaps[1::2], strict=False):
        at += run * MINUTE
        if at > clock.due_at:  # broken: it is not stopped
            break
        clock.status, clock.pauses = ClockStatus.STOPPED, [*clock.pauses, Pause(stopped_at=at)]
        paused += slow.minutes(at, at + stand * MINUTE)
        at += stand * MINUTE
        resume(clock, at, time)

    assert slow.minutes(start, clock.due_at) - paused == first
    assert slow.due(clock.due_at - MINUTE, 1) <= clock.due_at, "not a minute later than it must be"
    at += answer * MINUTE
    promise = Promise(
        id=uuid7(), conditions=[], first_response_minutes={}, rolling_response_minutes=None, time_zone=zone, hours=hours, holidays=[]
    )
    passed(clock, Direction.OUTBOUND, at, None, promise, cast(Tx, Told()))
    assert clock.response_seconds == (slow.minutes(start, at) - paused) * 60
