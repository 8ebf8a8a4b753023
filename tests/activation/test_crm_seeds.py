"""What every preset plants in CRM, in every country, with and without sample data; each planted for real and undone again."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from nexus import countries
from nexus.activation.planting import holidays_for
from nexus.activation.presets.compose import compose, everything
from nexus.core import uuid7
from nexus.runtime.testing import Harness
from nexus.runtime.unit_of_work import UnitOfWork
from nexus.services.crm.api import DealCreated
from nexus.services.crm.entities import (
    Account,
    Activity,
    BusinessCalendar,
    Competitor,
    Contact,
    Deal,
    DealStage,
    Lead,
    LeadSource,
    LostReason,
    Pipeline,
    ResponsePolicy,
    ScoringRule,
    StageChange,
    Territory,
)
from nexus.services.crm.rules.stages import CLOSING
from nexus.services.crm.rules.working_time import WorkingTime
from nexus.services.crm.seeds import plant
from nexus.services.crm.terms import DealStatus, StageType

INDUSTRIES = sorted({industry for industry, _ in everything()})


def seeds_of(industry: str, country: str, *, sample_data: bool) -> dict[str, Any]:
    """What activation gives the service, for a business in the country's usual zone."""
    preset = compose(industry, country)
    whole = {
        "calendars": msgspec.to_builtins(preset.calendars),
        "holidays": holidays_for(country, "en", 2026),
        "country": country,
        "currency": preset.currency,
        "time_zone": countries.country(country).time_zone,
        "sample_data": sample_data,
        "owner_id": str(uuid7()),
        "team_ids": {"sales": str(uuid7())},
    }
    return msgspec.to_builtins(preset.crm) | whole


@pytest.mark.parametrize("industry", INDUSTRIES)
@pytest.mark.parametrize("sample_data", [False, True])
async def test_every_preset_takes_root(tenant: Harness, industry: str, sample_data: bool) -> None:
    for country in countries.covered():
        seeds = seeds_of(industry, country, sample_data=sample_data)
        async with tenant._work() as work:  # pyright: ignore[reportPrivateUsage]
            answer = await plant(seeds, work)
            await work.ask()

            await the_ground_is_as_written(seeds, answer, work)
            if sample_data:
                await the_sample_holds_together(seeds, work)
            else:
                assert [await work.count(kind) for kind in (Lead, Deal, Account, Contact, Activity)] == [0] * 5
            assert work.round_trips <= 60
    assert await tenant.count(Pipeline) == 0


async def the_ground_is_as_written(seeds: dict[str, Any], answer: dict[str, Any], work: UnitOfWork) -> None:
    kinds = {
        "pipelines": Pipeline,
        "sources": LeadSource,
        "lost_reasons": LostReason,
        "territories": Territory,
        "scoring_rules": ScoringRule,
        "calendars": BusinessCalendar,
        "response_policies": ResponsePolicy,
        "competitors": Competitor,
    }
    for name, kind in kinds.items():
        assert (name, await work.count(kind)) == (name, answer[name]) == (name, len(seeds[name]))
    pipelines = await work.list(Pipeline, order_by=(Pipeline.position,))
    (default,) = [one["key"] for one in seeds["pipelines"] if one["default"]]
    assert pipelines[0].key == default
    stages = Counter(stage.pipeline_id for stage in await work.list(DealStage, DealStage.type.in_(list(CLOSING))))
    assert set(stages) == {one.id for one in pipelines}
    territories = {one.id: one for one in await work.list(Territory)}
    for one in territories.values():
        parent = territories[one.parent_id].lineage if one.parent_id else ""
        assert one.lineage == f"{parent}{one.id}/"
    for calendar in await work.list(BusinessCalendar):
        time = WorkingTime(calendar.time_zone, calendar.hours, calendar.holidays)
        assert time.due(dt.datetime(2026, 1, 1, tzinfo=dt.UTC), 3600) < dt.datetime(2026, 2, 1, tzinfo=dt.UTC)
        free = next(one["holidays"] for one in seeds["calendars"] if one["key"] == calendar.key)
        assert len(calendar.holidays) == (len(seeds["holidays"]) if free else 0)
    policies = await work.list(ResponsePolicy, order_by=(ResponsePolicy.position,))
    assert [bool(one.conditions) for one in policies] == sorted([bool(one.conditions) for one in policies], reverse=True)


async def the_sample_holds_together(seeds: dict[str, Any], work: UnitOfWork) -> None:
    sample = seeds["sample"]
    counts = [await work.count(kind) for kind in (Account, Contact, Lead, Deal)]
    assert counts == [len(sample[name]) for name in ("accounts", "contacts", "leads", "deals")]
    today = work.now.astimezone(ZoneInfo(seeds["time_zone"])).date()
    stages = {one.id: one for one in await work.list(DealStage)}
    changes = await work.list(StageChange, order_by=(StageChange.entered_at,))
    written = {one["name"]: one for one in sample["deals"]}
    for deal in await work.list(Deal):
        one = written[deal.name]
        assert (stages[deal.stage_id].key, deal.amount, deal.currency) == (one["stage"], Decimal(one["amount"]), seeds["currency"])
        assert (today - deal.created_at.astimezone(ZoneInfo(seeds["time_zone"])).date()).days == -int(one["created"].removesuffix("d"))
        assert deal.created_at == deal.opened_at
        holds_together(deal, [change for change in changes if change.deal_id == deal.id], stages, work.now)
    for lead in await work.list(Lead):
        assert lead.created_at <= (lead.contacted_at or work.now) <= (lead.qualified_at or work.now) <= work.now
    told = [event for event in work.emitted if isinstance(event, DealCreated)]
    assert len(told) == len(work.emitted) == len(sample["deals"])


def holds_together(deal: Deal, changes: list[StageChange], stages: dict[Any, DealStage], now: dt.datetime) -> None:
    """The stages a deal has been in add up to its age, one after the other, and a closed one has its reason."""
    at, stage_id = deal.opened_at, changes[0].from_stage_id if changes else deal.stage_id
    assert stages[stage_id].position == 0
    for change in changes:
        assert (change.entered_at, change.from_stage_id) == (at, stage_id)
        assert change.seconds == Decimal((change.left_at - at) // dt.timedelta(microseconds=1)).scaleb(-6)
        at, stage_id = change.left_at, change.to_stage_id
    assert (at, stage_id) == (deal.stage_entered_at, deal.stage_id)
    assert at <= now
    assert deal.status is {StageType.WON: DealStatus.WON, StageType.LOST: DealStatus.LOST}.get(stages[stage_id].type, DealStatus.OPEN)
    assert (deal.closed_at is None) == (deal.status is DealStatus.OPEN)
    assert deal.closed_at in (None, at)
    assert (deal.lost_reason_id is not None) == (deal.status is DealStatus.LOST)
