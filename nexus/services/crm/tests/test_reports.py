"""CRM's reports: exact numbers, and never more than the caller would see in a list."""

from __future__ import annotations

import dataclasses
import datetime as dt
from decimal import Decimal
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nexus.core import uuid7
from nexus.runtime.testing import Harness
from nexus.services.crm.api import ConvertLead, CreateDeal, LogActivity, LoseDeal, MoveDealStage, QualifyLead, ScheduleMeeting, WinDeal
from nexus.services.crm.entities import Activity, BusinessCalendar, Deal, Lead, Quota, ResponseClock, ResponsePolicy
from nexus.services.crm.queries.board import ActivityBoard
from nexus.services.crm.queries.leads import EngagedNotConverted, FirstResponse, LeadConversionTime, LeadOwnerEfficiency
from nexus.services.crm.queries.outcomes import CampaignEfficiency, WinLoss
from nexus.services.crm.queries.pipeline import ForecastAgainstQuota, PipelineByStage, StageConversion, StaleDeals
from nexus.services.crm.terms import ActivityKind, ClockStatus, DealStatus, ForecastCategory, LeadStatus
from nexus.services.crm.tests.conftest import Sales

LONG_AGO = dt.datetime(2026, 1, 5, 9, tzinfo=dt.UTC)


def deal(sales: Sales, amount: str = "100.00", **more: Any) -> Deal:
    fields: dict[str, Any] = {
        "name": "A deal",
        "pipeline_id": sales.pipeline.id,
        "stage_id": sales.new.id,
        "amount": Decimal(amount),
        "currency": "NGN",
        "fx_rate": Decimal(1),
        "probability": 10,
        "opened_at": LONG_AGO,
        "stage_entered_at": LONG_AGO,
    }
    return Deal(**fields | more)


async def test_pipeline_by_stage_shows_empty_stages_and_leaves_out_what_has_no_rate(crm: Harness, sales: Sales) -> None:
    await crm.given(
        deal(sales, "1000.50"),
        deal(sales, "10.00", currency="EUR", fx_rate=Decimal("1700.5")),
        deal(sales, "5.00", currency="USD", fx_rate=None),
        deal(sales, "1.00", stage_id=sales.proposal.id, probability=50),
    )

    rows = await crm.ask(PipelineByStage())

    assert [(row["stage"], row["deals"], row["amount"], row["weighted"], row["without_rate"]) for row in rows] == [
        ("New", 3, "18005.5", "1800.55", 1),
        ("Proposal", 1, "1", "0.5", 0),
    ]


async def test_a_forecast_of_a_period_that_ends_before_it_begins_is_refused(crm: Harness) -> None:
    refusal = await crm.api("GET", "/api/v1/crm/reports/forecast-against-quota?period_start=2026-03-31&period_end=2026-03-30")

    assert (refusal.status, refusal.json()["errors"]) == (422, [{"field": "period_end", "message": "is before period_start"}])


async def test_forecast_against_quota_is_exact_in_each_currency(crm: Harness, sales: Sales) -> None:
    ann, bob = uuid7(), uuid7()
    march: dict[str, Any] = {"period_start": dt.date(2026, 3, 1), "period_end": dt.date(2026, 3, 31)}
    midnight = dt.datetime(2026, 3, 31, 22, 59, tzinfo=dt.UTC)  # a minute before it, in Lagos
    won = {"status": DealStatus.WON, "stage_id": sales.won.id, "closed_at": midnight}
    due = {"expected_close": dt.date(2026, 3, 20)}
    await crm.given(
        deal(sales, "300.00", owner_id=ann, **won),
        deal(sales, "100.00", owner_id=ann, forecast_category=ForecastCategory.COMMIT, probability=90, **due),
        deal(sales, "50.00", owner_id=ann, forecast_category=ForecastCategory.OMITTED, probability=90, **due),
        deal(sales, "70.00", owner_id=ann, expected_close=dt.date(2026, 4, 1)),
        deal(sales, "20.00", owner_id=None, currency="EUR", **due),
    )
    await crm.given(
        Quota(owner_id=ann, amount=Decimal(600), currency="NGN", **march),
        Quota(owner_id=bob, amount=Decimal(50), currency="NGN", **march),
        Quota(owner_id=bob, amount=Decimal(999), currency="NGN", period_start=dt.date(2026, 3, 1), period_end=dt.date(2026, 4, 1)),
    )

    rows = {(row["owner_id"], row["currency"]): row for row in await crm.ask(ForecastAgainstQuota(**march))}
    assert set(rows) == {(str(ann), "NGN"), (str(bob), "NGN"), (None, "EUR")}
    first = rows[str(ann), "NGN"]
    assert [first[name] for name in ("won", "commit", "best_case", "pipeline", "weighted", "quota", "attained_percent")] == [
        "300.00",
        "100.00",
        "0",
        "0",
        "90",
        "600.00",
        "50.0",
    ]
    assert (rows[str(bob), "NGN"]["won"], rows[str(bob), "NGN"]["quota"], rows[str(bob), "NGN"]["attained_percent"]) == (
        "0",
        "50.00",
        "0.0",
    )
    assert (rows[None, "EUR"]["pipeline"], rows[None, "EUR"]["quota"]) == ("20.00", None)


async def test_stage_conversion_counts_every_way_out(crm: Harness, sales: Sales) -> None:
    made = [(await crm.run(CreateDeal(name=f"Deal {n}", amount=Decimal(10), currency="NGN"))).deal_id for n in range(4)]
    await crm.run(MoveDealStage(deal_id=made[0], stage_id=sales.proposal.id))
    await crm.run(MoveDealStage(deal_id=made[0], stage_id=sales.new.id))
    await crm.run(WinDeal(deal_id=made[1]))
    await crm.run(LoseDeal(deal_id=made[2], reason_id=sales.price.id))

    rows = {row["stage"]: row for row in await crm.ask(StageConversion(pipeline_id=sales.pipeline.id))}

    assert list(rows) == ["New", "Proposal"]
    new, proposal = rows["New"], rows["Proposal"]
    assert (new["left"], new["advanced"], new["lost"], new["advanced_percent"]) == (3, 2, 1, "66.7")
    assert (proposal["left"], proposal["advanced"], proposal["lost"], proposal["advanced_percent"]) == (1, 0, 0, "0.0")
    assert await crm.ask(StageConversion(since=dt.date(2999, 1, 1))) == [
        row | {"left": 0, "advanced": 0, "lost": 0, "advanced_percent": None, "average_seconds": None, "median_seconds": None}
        for row in rows.values()
    ]


async def test_stale_deals_are_those_that_stayed_too_long(crm: Harness, sales: Sales) -> None:
    stage = await crm.api("PATCH", f"/api/v1/crm/deal_stages/{sales.new.id}", {"rotting_days": 7}, if_match="*")
    assert stage.status == 200
    now = dt.datetime.now(dt.UTC)
    old = await crm.given(deal(sales, name="Old", stage_entered_at=now - dt.timedelta(days=9, hours=1)))
    await crm.given(
        deal(sales, name="Young", stage_entered_at=now - dt.timedelta(days=6)),
        deal(sales, name="Elsewhere", stage_id=sales.proposal.id, stage_entered_at=LONG_AGO),
        deal(sales, name="Won", status=DealStatus.WON, closed_at=now, stage_entered_at=LONG_AGO),
    )

    rows = await crm.ask(StaleDeals())

    assert [(row["id"], row["stage"], row["days_in_stage"], row["days_allowed"], row["amount"]) for row in rows] == [
        (str(old.id), "New", 9, 7, "100.00")
    ]
    assert await crm.ask(StaleDeals(owner_id=uuid7())) == []


async def test_win_loss_by_reason_competitor_source_and_owner(crm: Harness, sales: Sales) -> None:
    ann = uuid7()
    closed = {"closed_at": dt.datetime(2026, 3, 10, tzinfo=dt.UTC)}
    lost = {"status": DealStatus.LOST, "lost_reason_id": sales.price.id, **closed}
    await crm.given(
        deal(sales, "10.00", status=DealStatus.WON, owner_id=ann, source_id=sales.referral.id, **closed),
        deal(sales, "20.00", lost_to_id=sales.rival.id, owner_id=ann, **lost),
        deal(sales, "30.00", **lost),
        deal(sales, "40.00"),
    )

    def brief(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
        return [(row["name"], row["won"], row["lost"], row["won_amount"], row["lost_amount"]) for row in rows]

    assert brief(await crm.ask(WinLoss(by="reason"))) == [("Price", 0, 2, "0", "50.00"), (None, 1, 0, "10.00", "0")]
    assert brief(await crm.ask(WinLoss(by="competitor"))) == [(None, 1, 1, "10.00", "30.00"), ("Rival", 0, 1, "0", "20.00")]
    assert brief(await crm.ask(WinLoss(by="source"))) == [(None, 0, 2, "0", "50.00"), ("Referral", 1, 0, "10.00", "0")]
    (owner, nobody) = await crm.ask(WinLoss(by="owner"))
    assert (owner["id"], owner["won_percent"], nobody["id"], nobody["lost"]) == (str(ann), "50.0", None, 1)
    assert await crm.ask(WinLoss(since=dt.date(2026, 3, 11))) == []
    assert len(await crm.ask(WinLoss(until=dt.date(2026, 3, 10)))) == 2


async def test_campaign_efficiency_follows_leads_to_what_was_won(crm: Harness, sales: Sales) -> None:
    campaign = uuid7()
    lead = await crm.given(
        Lead(name="Ada", campaign_id=campaign, estimated_amount=Decimal(500), currency="NGN"), Lead(name="Ben", campaign_id=campaign)
    )
    await crm.given(Lead(name="Nobody sent"))
    await crm.run(QualifyLead(lead_id=lead.id))
    converted = await crm.run(ConvertLead(lead_id=lead.id))
    assert converted.deal_id
    await crm.run(WinDeal(deal_id=converted.deal_id))

    rows = await crm.ask(CampaignEfficiency())

    assert [(row["currency"], row["leads"], row["qualified"], row["converted"], row["won"], row["won_amount"]) for row in rows] == [
        ("NGN", 1, 1, 1, 1, "500.00"),
        (None, 1, 0, 0, 0, "0"),
    ]
    assert {row["campaign_id"] for row in rows} == {str(campaign)}


async def test_conversion_time_and_owners_of_leads(crm: Harness, sales: Sales) -> None:
    ann = uuid7()
    lead = await crm.given(Lead(name="Ada", owner_id=ann, source_id=sales.referral.id))
    await crm.given(Lead(name="Ben", owner_id=ann, source_id=sales.referral.id), Lead(name="Cid", status=LeadStatus.DISQUALIFIED))
    await crm.run(QualifyLead(lead_id=lead.id))
    await crm.run(ConvertLead(lead_id=lead.id, make_deal=False))

    times = await crm.ask(LeadConversionTime())
    owners = await crm.ask(LeadOwnerEfficiency())

    assert [(row["source"], row["leads"], row["converted"], row["converted_percent"]) for row in times] == [
        ("Referral", 2, 1, "50.0"),
        (None, 1, 0, "0.0"),
    ]
    assert times[0]["average_seconds"] == times[0]["median_seconds"] == 0
    assert [(row["owner_id"], row["leads"], row["qualified"], row["converted"], row["disqualified"]) for row in owners] == [
        (str(ann), 2, 1, 1, 0),
        (None, 1, 0, 0, 1),
    ]


async def test_engaged_leads_that_nobody_converted(crm: Harness, sales: Sales) -> None:
    lead = await crm.given(Lead(name="Ada"), Lead(name="Silent"))
    gone = await crm.given(Lead(name="Gone", status=LeadStatus.DISQUALIFIED))
    for about in (lead, lead, gone):
        await crm.run(LogActivity(kind=ActivityKind.CALL, subject="Called", lead_id=about.id))

    rows = await crm.ask(EngagedNotConverted())

    assert [(row["id"], row["activities"]) for row in rows] == [(str(lead.id), 2)]


async def test_first_response_by_who_was_responsible(crm: Harness, sales: Sales) -> None:
    calendar = await crm.given(BusinessCalendar(name="Always", time_zone="UTC"))
    policy = await crm.given(ResponsePolicy(name="All", calendar_id=calendar.id))
    ann = uuid7()
    leads = [await crm.given(Lead(name=f"Lead {n}")) for n in range(3)]
    times: dict[str, Any] = {"policy_id": policy.id, "started_at": LONG_AGO, "due_at": LONG_AGO + dt.timedelta(hours=1), "owner_id": ann}
    await crm.given(
        ResponseClock(lead_id=leads[0].id, status=ClockStatus.MET, response_seconds=60, **times),
        ResponseClock(lead_id=leads[1].id, status=ClockStatus.LATE, response_seconds=180, **times),
        ResponseClock(lead_id=leads[2].id, status=ClockStatus.STOPPED, **times),
    )

    (row,) = await crm.ask(FirstResponse())

    assert (row["owner_id"], row["promises"], row["met"], row["broken"], row["running"]) == (str(ann), 2, 1, 1, 0)
    assert (row["average_seconds"], row["median_seconds"]) == (120, 120)


async def test_the_activity_board_counts_by_when_it_is_due(crm: Harness, sales: Sales) -> None:
    now, ann = dt.datetime.now(dt.UTC), uuid7()
    due = [now - dt.timedelta(hours=1), now + dt.timedelta(hours=1), now + dt.timedelta(days=3), now + dt.timedelta(days=30), None]
    await crm.given(*[Activity(subject="To do", owner_id=ann, due_at=at) for at in due])
    await crm.run(ScheduleMeeting(subject="Meet", starts_at=due[2] or now, ends_at=now + dt.timedelta(days=4), owner_id=ann))

    rows = await crm.ask(ActivityBoard(owner_id=ann))

    counts = ("planned", "overdue", "within_a_day", "within_a_week", "later", "without_a_time")
    assert {row["kind"]: tuple(row[name] for name in counts) for row in rows} == {"meeting": (1, 0, 0, 1, 0, 0), "task": (5, 1, 1, 1, 1, 1)}


ROLES = ("auth.owner", "crm.admin", "crm.manager", "crm.rep", "crm.viewer")
SAMPLES = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 1), st.integers(0, 1), st.decimals(0, 10**6, places=2)), min_size=1, max_size=12
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sample=SAMPLES)
async def test_the_pipeline_is_the_sum_of_the_deals_that_the_caller_lists(
    crm: Harness, sales: Sales, sample: list[tuple[int, int, int, Decimal]]
) -> None:
    """For every role: a report and a list cannot disagree, whoever owns what and whichever team it belongs to."""
    people: list[UUID | None] = [uuid7(), uuid7(), None]
    teams = [uuid7(), uuid7()]
    stages = [sales.new, sales.proposal]
    await crm.given(
        *[
            deal(sales, str(amount), owner_id=people[who], team_id=teams[team], stage_id=stages[stage].id)
            for who, team, stage, amount in sample
        ]
    )
    for role in ROLES:
        caller = crm.as_(role, id=people[0], teams=(teams[0],))
        listed: dict[str, tuple[int, Decimal]] = {str(stage.id): (0, Decimal(0)) for stage in stages}
        cursor = ""
        while True:
            page = (await caller.api("GET", f"/api/v1/crm/deals?status=open&limit=5{cursor}")).json()
            for one in page["items"]:
                count, amount = listed[one["stage_id"]]
                listed[one["stage_id"]] = (count + 1, amount + Decimal(one["amount"]))
            if page["next_cursor"] is None:
                break
            cursor = f"&cursor={page['next_cursor']}"
        rows = await caller.ask(PipelineByStage())
        assert {row["stage_id"]: (row["deals"], Decimal(row["amount"])) for row in rows} == listed, role


async def test_a_day_is_one_of_the_business(crm: Harness, sales: Sales) -> None:
    """What is sold in New York on the evening of 31 March is sold in March, and counts for the quota of March."""
    crm.caller = dataclasses.replace(crm.caller, tenant=dataclasses.replace(crm.caller.tenant, time_zone="America/New_York"))
    evening, seller = dt.datetime(2026, 4, 1, 2, 30, tzinfo=dt.UTC), uuid7()  # 22:30 on 31 March
    await crm.given(deal(sales, status=DealStatus.WON, closed_at=evening, owner_id=seller))
    march, april = (dt.date(2026, 3, 1), dt.date(2026, 3, 31)), (dt.date(2026, 4, 1), dt.date(2026, 4, 30))

    forecasts = [await crm.ask(ForecastAgainstQuota(period_start=first, period_end=last)) for first, last in (march, april)]
    closed = [await crm.ask(WinLoss(since=first, until=last)) for first, last in (march, april)]

    assert [[row["won"] for row in rows] for rows in forecasts] == [["100.00"], []]
    assert [[row["won"] for row in rows] for rows in closed] == [[1], []]


async def test_no_day_is_too_far_away(crm: Harness) -> None:
    for path in ("win-loss?since=0001-01-01&until=9999-12-31", "forecast-against-quota?period_start=0001-01-01&period_end=9999-12-31"):
        assert (await crm.api("GET", f"/api/v1/crm/reports/{path}")).json() == {"items": []}
