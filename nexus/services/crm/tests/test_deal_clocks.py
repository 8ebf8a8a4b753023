"""Response clocks of deals."""

from __future__ import annotations

import asyncio

from nexus.core import uuid7
from nexus.runtime.testing import Harness
from nexus.services.crm.api import (
    ConvertLead,
    CreateDeal,
    DealCreated,
    LeadCreated,
    LeadUnconverted,
    LogActivity,
    LoseDeal,
    UnconvertLead,
    WinDeal,
)
from nexus.services.crm.entities import Deal, Lead, ResponseClock
from nexus.services.crm.terms import ActivityKind, ClockStatus, LeadStatus
from nexus.services.crm.tests.conftest import Sales
from nexus.services.crm.tests.test_clocks import call, clock_of, policy


async def deal_of(crm: Harness) -> Deal:
    created = await crm.run(CreateDeal(name="Rice"))
    await crm.deliver(created, times=2)
    return await crm.get(Deal, created.deal_id)


async def test_deals_are_promised_an_answer_too(crm: Harness, sales: Sales) -> None:
    await policy(crm, applies_to="deal")
    deal = await deal_of(crm)
    clock = await clock_of(crm, deal.id)
    assert (clock.status, clock.started_at) == (ClockStatus.RUNNING, deal.opened_at)
    await crm.run(LogActivity(kind=ActivityKind.EMAIL, subject="Our offer", deal_id=deal.id))
    assert (await clock_of(crm, deal.id)).status is ClockStatus.MET


async def test_what_was_said_about_a_lead_does_not_answer_its_deal(crm: Harness, sales: Sales) -> None:
    await policy(crm, applies_to="deal")
    lead = await crm.given(Lead(name="Ada", status=LeadStatus.QUALIFIED))
    await crm.run(call(lead))
    await crm.run(ConvertLead(lead_id=lead.id))
    (created,) = [event for event in crm.emitted if isinstance(event, DealCreated)]

    await crm.deliver(created)

    assert (await clock_of(crm, created.deal_id)).status is ClockStatus.RUNNING


async def test_after_a_deal_is_closed_nothing_counts(crm: Harness, sales: Sales) -> None:
    await policy(crm, applies_to="deal")
    won, lost = await deal_of(crm), await deal_of(crm)
    await crm.run(WinDeal(deal_id=won.id))
    await crm.run(LoseDeal(deal_id=lost.id, reason_id=sales.price.id))
    for deal in (won, lost):
        await crm.run(LogActivity(kind=ActivityKind.CALL, subject="Thank you", deal_id=deal.id))
        assert (await clock_of(crm, deal.id)).status is ClockStatus.STOPPED


async def test_a_clock_starts_for_no_deal_that_is_gone_or_closed(crm: Harness, sales: Sales) -> None:
    await policy(crm, applies_to="deal")
    created = await crm.run(CreateDeal(name="Rice"))
    await crm.run(WinDeal(deal_id=created.deal_id))
    await crm.deliver(created)
    await crm.deliver(DealCreated(deal_id=uuid7(), stage_id=sales.new.id, amount=created.amount, currency="NGN"))
    assert await crm.count(ResponseClock) == 0


async def test_a_conversion_undone_leaves_no_clock_of_its_deal(crm: Harness, sales: Sales) -> None:
    await policy(crm, applies_to="deal")
    lead = await crm.given(Lead(name="Ada", status=LeadStatus.QUALIFIED))
    for at_once in (False, True, True, True):
        crm.emitted.clear()
        await crm.run(ConvertLead(lead_id=lead.id))
        (created,) = [event for event in crm.emitted if isinstance(event, DealCreated)]
        if at_once:
            await asyncio.gather(crm.deliver(created), crm.run(UnconvertLead(lead_id=lead.id)))
        else:
            await crm.deliver(created)
            assert await crm.count(ResponseClock) == 1
            await crm.run(UnconvertLead(lead_id=lead.id))
        assert (await crm.count(ResponseClock), await crm.count(Deal)) == (0, 0)


async def test_a_lead_that_was_converted_before_its_promise_gets_it_when_it_is_a_lead_again(crm: Harness, sales: Sales) -> None:
    await policy(crm)
    lead = await crm.given(Lead(name="Ada", status=LeadStatus.QUALIFIED))
    await crm.run(ConvertLead(lead_id=lead.id))
    await crm.deliver(LeadCreated(id=lead.id))
    assert await crm.count(ResponseClock) == 0

    await crm.run(UnconvertLead(lead_id=lead.id))
    await crm.deliver(LeadUnconverted(lead_id=lead.id), times=2)

    clock = await clock_of(crm, lead.id)
    assert (clock.status, clock.started_at) == (ClockStatus.RUNNING, (await crm.get(Lead, lead.id)).created_at)
