"""Moving deals: stages, winning, losing, reopening; and the time they spend on the way."""

from __future__ import annotations

import asyncio
import datetime as dt
from decimal import Decimal
from typing import Any, cast
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nexus.core import Command, Entity, IllegalMove, NotFound, Tx, uuid7
from nexus.runtime.testing import Harness
from nexus.services.crm.api import (
    CreateDeal,
    DealLost,
    DealReopened,
    DealStageChanged,
    DealWon,
    LoseDeal,
    MoveDealStage,
    ReopenDeal,
    WinDeal,
)
from nexus.services.crm.commands.stages import AlreadyThere, ReasonForLeads
from nexus.services.crm.entities import Deal, DealStage, Pipeline, StageChange
from nexus.services.crm.flows import deal_flow
from nexus.services.crm.rules.stages import ClosingStage, StageNeeds, StageRetired, enter
from nexus.services.crm.terms import DealStatus, ForecastCategory, StageType
from nexus.services.crm.tests.conftest import Sales, refused

# ---- the time of deals, as a function of their moves


class Clockwork:
    """Stands for the unit of work where nothing is kept: it says what time it is."""

    def __init__(self, now: dt.datetime) -> None:
        self.now = now
        self.changes: list[StageChange] = []

    def add(self, entity: Entity) -> Entity:
        assert isinstance(entity, StageChange)
        self.changes.append(entity)
        return entity


STEPS = st.lists(
    st.tuples(st.sampled_from(["move_stage", "win", "lose", "reopen"]), st.integers(0, 5), st.integers(-(10**9), 10**12)), max_size=20
)


@settings(max_examples=200, deadline=None)
@given(STEPS)
def test_the_time_in_stages_adds_up_to_the_age_of_the_deal(steps: list[tuple[str, int, int]]) -> None:
    pipelines = uuid7(), uuid7()
    stages = [DealStage(pipeline_id=pipelines[n % 2], name=str(n), probability=n) for n in range(6)]
    start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    deal = Deal(name="x", pipeline_id=pipelines[0], stage_id=stages[0].id, currency="NGN", opened_at=start, stage_entered_at=start)
    clock = Clockwork(start)

    for move, stage, micros in steps:
        clock.now += dt.timedelta(microseconds=micros)  # a command that waited for a lock may even come from before
        if deal_flow.allows(deal, move):
            enter(deal, stages[stage], move, cast(Tx, clock))

    spent = sum((change.seconds for change in clock.changes), Decimal(0))
    assert spent == Decimal((deal.stage_entered_at - start) // dt.timedelta(microseconds=1)).scaleb(-6)
    assert all(change.seconds >= 0 for change in clock.changes)
    at, where = start, stages[0].id
    for change in clock.changes:
        assert (change.entered_at, change.from_stage_id) == (at, where)
        at, where = change.left_at, change.to_stage_id
    assert (at, where) == (deal.stage_entered_at, deal.stage_id)
    assert deal.pipeline_id == next(one.pipeline_id for one in stages if one.id == deal.stage_id)
    assert (deal.closed_at is None) == (deal.status is DealStatus.OPEN)


# ---- commands


async def opened(crm: Harness, **fields: Any) -> Deal:
    told = await crm.run(CreateDeal(**{"name": "Rice", "amount": Decimal(100), **fields}))
    crm.emitted.clear()
    return await crm.get(Deal, told.deal_id)


async def test_moves_and_remembers_how_long_it_was_there(crm: Harness, sales: Sales) -> None:
    deal = await opened(crm)

    told = await crm.run(MoveDealStage(deal_id=deal.id, stage_id=sales.proposal.id))

    now = await crm.get(Deal, deal.id)
    assert (now.stage_id, now.probability, now.status, now.closed_at) == (sales.proposal.id, 50, DealStatus.OPEN, None)
    (change,) = await crm.list(StageChange)
    assert (change.deal_id, change.from_stage_id, change.to_stage_id) == (deal.id, sales.new.id, sales.proposal.id)
    assert (change.entered_at, change.left_at) == (deal.opened_at, now.stage_entered_at)
    assert (change.from_status, change.to_status) == (DealStatus.OPEN, DealStatus.OPEN)
    assert change.seconds == Decimal((change.left_at - change.entered_at) // dt.timedelta(microseconds=1)).scaleb(-6)
    assert crm.emitted == [told] == [DealStageChanged(deal_id=deal.id, from_stage_id=sales.new.id, to_stage_id=sales.proposal.id)]


async def test_moves_to_another_pipeline(crm: Harness, sales: Sales) -> None:
    other = await crm.given(Pipeline(name="Supply", position=1))
    stage = await crm.given(DealStage(pipeline_id=other.id, name="Interest", probability=5))
    deal = await opened(crm)

    await crm.run(MoveDealStage(deal_id=deal.id, stage_id=stage.id))

    now = await crm.get(Deal, deal.id)
    assert (now.pipeline_id, now.stage_id, now.probability) == (other.id, stage.id, 5)
    await crm.run(WinDeal(deal_id=deal.id))  # that pipeline has no stage for won deals
    now = await crm.get(Deal, deal.id)
    assert (now.stage_id, now.status, now.probability) == (stage.id, DealStatus.WON, 100)


async def test_refuses_moves_that_are_none(crm: Harness, sales: Sales) -> None:
    deal = await opened(crm)
    retired = await crm.given(DealStage(pipeline_id=sales.pipeline.id, name="Old", position=8))
    await crm.api("DELETE", f"/api/v1/crm/deal_stages/{retired.id}", if_match="*")
    async with refused(crm, AlreadyThere, "The deal is in New already"):
        await crm.run(MoveDealStage(deal_id=deal.id, stage_id=sales.new.id))
    for stage in (sales.won, sales.lost):
        async with refused(crm, ClosingStage, f"Entering {stage.name} closes the deal: win or lose it instead"):
            await crm.run(MoveDealStage(deal_id=deal.id, stage_id=stage.id))
    async with refused(crm, StageRetired, "Old is no longer in use"):
        await crm.run(MoveDealStage(deal_id=deal.id, stage_id=retired.id))
    async with refused(crm, NotFound, "deal stage"):
        await crm.run(MoveDealStage(deal_id=deal.id, stage_id=uuid7()))
    async with refused(crm, NotFound, "deal"):
        await crm.run(MoveDealStage(deal_id=uuid7(), stage_id=sales.proposal.id))


@pytest.mark.parametrize(
    ("required", "given_", "missing"),
    [
        (["amount"], {"amount": Decimal(0)}, "amount"),
        (["contact", "next_step"], {}, "contact, next step"),
        (["expected_close"], {"expected_close": dt.date(2027, 1, 1)}, None),
        (["competitors", "lines"], {}, "competitors, lines"),
        (["no_such_field"], {}, "no such field"),
        (["owner", "account"], {}, "account"),
    ],
)
async def test_a_stage_asks_for_what_it_requires(
    crm: Harness, sales: Sales, required: list[str], given_: dict[str, Any], missing: str | None
) -> None:
    stage = await crm.given(DealStage(pipeline_id=sales.pipeline.id, name="Demanding", position=7, required_fields=required))
    deal = await opened(crm, **given_)
    move = MoveDealStage(deal_id=deal.id, stage_id=stage.id)
    if missing is None:
        await crm.run(move)
    else:
        async with refused(crm, StageNeeds, f"A deal needs {missing} before it enters Demanding"):
            await crm.run(move)


async def test_what_a_stage_lacks_is_named_by_its_field(crm: Harness, sales: Sales) -> None:
    required = ["contact", "headcount"]
    stage = await crm.given(DealStage(pipeline_id=sales.pipeline.id, name="Demanding", position=7, required_fields=required))
    deal = await opened(crm)

    refusal = await crm.api("POST", f"/api/v1/crm/deals/{deal.id}/move_stage", {"stage_id": str(stage.id)})

    assert (refusal.status, refusal.json()["type"]) == (422, "/problems/stage-needs")
    names = ["contact_id", "custom.headcount"]
    assert refusal.json()["errors"] == [{"field": name, "message": "is required in Demanding"} for name in names]


async def test_a_stage_may_require_a_field_of_the_tenants_own(crm: Harness, sales: Sales) -> None:
    stage = await crm.given(DealStage(pipeline_id=sales.pipeline.id, name="Sized", position=7, required_fields=["headcount"]))
    deal = await opened(crm)
    async with refused(crm, StageNeeds, "headcount"):
        await crm.run(MoveDealStage(deal_id=deal.id, stage_id=stage.id))
    await crm.api("PATCH", f"/api/v1/crm/deals/{deal.id}", {"custom": {"headcount": 40}}, if_match="*")
    await crm.run(MoveDealStage(deal_id=deal.id, stage_id=stage.id))


async def test_is_won(crm: Harness, sales: Sales) -> None:
    deal = await opened(crm, owner_id=uuid7())

    told = await crm.run(WinDeal(deal_id=deal.id))

    now = await crm.get(Deal, deal.id)
    assert (now.status, now.stage_id, now.probability, now.forecast_category) == (
        DealStatus.WON,
        sales.won.id,
        100,
        ForecastCategory.CLOSED,
    )
    assert now.closed_at == now.stage_entered_at
    assert crm.emitted == [told] == [DealWon(deal_id=deal.id, amount=Decimal("100.00"), currency="NGN", owner_id=deal.owner_id)]


async def test_is_lost_for_a_reason(crm: Harness, sales: Sales) -> None:
    deal = await opened(crm)

    told = await crm.run(LoseDeal(deal_id=deal.id, reason_id=sales.price.id, notes="Half of ours", competitor_id=sales.rival.id))

    now = await crm.get(Deal, deal.id)
    assert (now.status, now.stage_id, now.probability, now.forecast_category) == (
        DealStatus.LOST,
        sales.lost.id,
        0,
        ForecastCategory.OMITTED,
    )
    assert (now.lost_reason_id, now.lost_notes, now.lost_to_id) == (sales.price.id, "Half of ours", sales.rival.id)
    expected = DealLost(deal_id=deal.id, reason_id=sales.price.id, amount=Decimal("100.00"), currency="NGN", competitor_id=sales.rival.id)
    assert crm.emitted == [told] == [expected]


async def test_refuses_reasons_that_are_none(crm: Harness, sales: Sales) -> None:
    deal = await opened(crm)
    async with refused(crm, ReasonForLeads, "Nobody home"):
        await crm.run(LoseDeal(deal_id=deal.id, reason_id=sales.nobody_home.id))
    async with refused(crm, NotFound, "lost reason"):
        await crm.run(LoseDeal(deal_id=deal.id, reason_id=uuid7()))
    async with refused(crm, NotFound, "competitor"):
        await crm.run(LoseDeal(deal_id=deal.id, reason_id=sales.price.id, competitor_id=uuid7()))


async def test_is_reopened_where_it_was(crm: Harness, sales: Sales) -> None:
    deal = await opened(crm)
    await crm.run(MoveDealStage(deal_id=deal.id, stage_id=sales.proposal.id))
    await crm.run(LoseDeal(deal_id=deal.id, reason_id=sales.price.id, notes="Half", competitor_id=sales.rival.id))
    crm.emitted.clear()

    told = await crm.run(ReopenDeal(deal_id=deal.id))

    now = await crm.get(Deal, deal.id)
    assert (now.status, now.stage_id, now.probability, now.closed_at) == (DealStatus.OPEN, sales.proposal.id, 50, None)
    assert (now.lost_reason_id, now.lost_notes, now.lost_to_id, now.forecast_category) == (None, None, None, ForecastCategory.PIPELINE)
    assert crm.emitted == [told] == [DealReopened(deal_id=deal.id, stage_id=sales.proposal.id)]

    await crm.run(WinDeal(deal_id=deal.id))
    await crm.run(ReopenDeal(deal_id=deal.id, stage_id=sales.new.id))
    now = await crm.get(Deal, deal.id)
    assert (now.status, now.stage_id) == (DealStatus.OPEN, sales.new.id)
    spent = sum((change.seconds for change in await crm.list(StageChange)), Decimal(0))
    assert spent == Decimal((now.stage_entered_at - now.opened_at) // dt.timedelta(microseconds=1)).scaleb(-6)


async def test_refuses_to_reopen_into_a_closing_or_retired_stage(crm: Harness, sales: Sales) -> None:
    deal = await opened(crm)
    await crm.run(WinDeal(deal_id=deal.id))
    async with refused(crm, ClosingStage, "Lost"):
        await crm.run(ReopenDeal(deal_id=deal.id, stage_id=sales.lost.id))
    await crm.api("DELETE", f"/api/v1/crm/deal_stages/{sales.new.id}", if_match="*")
    async with refused(crm, StageRetired, "New"):
        await crm.run(ReopenDeal(deal_id=deal.id))


@pytest.mark.parametrize("end", ["win", "lose"])
async def test_what_is_closed_moves_no_more(crm: Harness, sales: Sales, end: str) -> None:
    deal = await opened(crm)
    win, lose = WinDeal(deal_id=deal.id), LoseDeal(deal_id=deal.id, reason_id=sales.price.id)
    async with refused(crm, IllegalMove, "Deal is open: it cannot reopen"):
        await crm.run(ReopenDeal(deal_id=deal.id, stage_id=sales.proposal.id))
    first: Command[Any] = win if end == "win" else lose
    await crm.run(first)
    now = (await crm.get(Deal, deal.id)).status
    again: list[tuple[str, Command[Any]]] = [
        ("win", win),
        ("lose", lose),
        ("move_stage", MoveDealStage(deal_id=deal.id, stage_id=sales.proposal.id)),
    ]
    for move, command in again:
        async with refused(crm, IllegalMove, f"Deal is {now}: it cannot {move}"):
            await crm.run(command)


async def test_a_deal_of_somebody_else_is_not_there(crm: Harness, sales: Sales) -> None:
    deal = await opened(crm, owner_id=uuid7())
    rep = crm.as_("crm.rep")
    commands: list[Command[Any]] = [
        MoveDealStage(deal_id=deal.id, stage_id=sales.proposal.id),
        WinDeal(deal_id=deal.id),
        LoseDeal(deal_id=deal.id, reason_id=sales.price.id),
        ReopenDeal(deal_id=deal.id),
    ]
    for command in commands:
        async with refused(crm, NotFound, "deal"):
            await rep.run(command)


# ---- at once


async def at_once(crm: Harness, *commands: Command[Any]) -> list[str]:
    results = await asyncio.gather(*[crm.run(command) for command in commands], return_exceptions=True)
    return sorted(type(one).__name__ for one in results)


async def test_two_wins_at_once_are_one(crm: Harness, sales: Sales) -> None:
    deal = await opened(crm)
    assert await at_once(crm, *[WinDeal(deal_id=deal.id)] * 5) == ["DealWon", *["IllegalMove"] * 4]
    assert (len(crm.emitted), await crm.count(StageChange), (await crm.get(Deal, deal.id)).version) == (1, 1, 2)


async def test_won_or_lost_at_once_is_one_of_them(crm: Harness, sales: Sales) -> None:
    deal = await opened(crm)
    found = await at_once(crm, WinDeal(deal_id=deal.id), LoseDeal(deal_id=deal.id, reason_id=sales.price.id))
    assert found in (["DealLost", "IllegalMove"], ["DealWon", "IllegalMove"])
    assert (await crm.get(Deal, deal.id)).status is (DealStatus.LOST if "DealLost" in found else DealStatus.WON)


async def test_two_moves_to_one_stage_at_once_are_one(crm: Harness, sales: Sales) -> None:
    deal = await opened(crm)
    found = await at_once(crm, *[MoveDealStage(deal_id=deal.id, stage_id=sales.proposal.id)] * 4)
    assert found == [*["AlreadyThere"] * 3, "DealStageChanged"]
    assert await crm.count(StageChange) == 1


async def test_moves_at_once_leave_one_unbroken_way(crm: Harness, sales: Sales) -> None:
    stages = [DealStage(pipeline_id=sales.pipeline.id, name=f"Stage {n}", position=10 + n, type=StageType.ONGOING) for n in range(4)]
    await crm.given(*stages)
    deal = await opened(crm)

    found = await at_once(crm, *[MoveDealStage(deal_id=deal.id, stage_id=one.id) for one in stages])

    assert found == ["DealStageChanged"] * 4
    way = sorted(await crm.list(StageChange), key=lambda change: (change.left_at, change.entered_at))
    now, at = await crm.get(Deal, deal.id), deal.opened_at
    ends: set[UUID] = {change.from_stage_id for change in way} | {now.stage_id}
    assert ends == {sales.new.id, *[one.id for one in stages]}
    for change in way:
        assert change.entered_at == at
        at = change.left_at
    assert at == now.stage_entered_at
