"""Planting: a small preset whole, and what the reactions make of its sample data. Every real preset is planted in tests/activation."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from nexus.core import Event, uuid7
from nexus.runtime.testing import Harness
from nexus.services.crm.api import DealCreated, LeadCreated
from nexus.services.crm.entities import (
    Account,
    Activity,
    BusinessCalendar,
    Contact,
    Deal,
    DealStage,
    Lead,
    Pipeline,
    ResponseClock,
    ResponsePolicy,
    ScoringRule,
    StageChange,
    Territory,
)
from nexus.services.crm.seeds import plant
from nexus.services.crm.terms import (
    ActivityStatus,
    ClockStatus,
    Condition,
    DealStatus,
    Direction,
    ForecastCategory,
    Holiday,
    LeadStatus,
    OpenHours,
    Operator,
    Priority,
)

OWNER, TEAM = uuid7(), uuid7()


def stage(key: str, type: str, probability: int, *required: str) -> dict[str, Any]:
    return {
        "key": key,
        "name": key.title(),
        "type": type,
        "probability": probability,
        "rotting_days": 7,
        "required_fields": list(required),
    }


STAGES = [
    stage("enquiry", "open", 10),
    stage("tasting", "ongoing", 60, "next_step"),
    stage("quoted", "ongoing", 80, "amount"),
    stage("booked", "won", 100, "amount"),
    stage("lost", "lost", 0, "lost_reason"),
]
PERSON = {"given_name": "Ada", "family_name": "Obi", "email": "ada.obi@example.com", "phone": "+2346000000001", "title": None}


def lead(key: str, status: str, created: str) -> dict[str, Any]:
    return PERSON | {"key": key, "company": None, "source": "referral", "status": status, "message": "Hello", "created": created}


def deal(key: str, stage: str, created: str, closes: str, **more: Any) -> dict[str, Any]:
    given = {
        "key": key,
        "name": key,
        "pipeline": "catering",
        "stage": stage,
        "account": "firm",
        "contact": "ada",
        "amount": "100.50",
        "currency": "NGN",
    }
    return given | {"source": None, "next_step": None, "lost_reason": None, "created": created, "expected_close": closes} | more


def activity(key: str, kind: str, about: str, *, due: str | None = None, done: str | None = None) -> dict[str, Any]:
    return {"key": key, "kind": kind, "subject": key, "about": about, "due": due, "done": done, "outcome": None}


POLICIES = [
    {
        "key": "all",
        "name": "All",
        "applies_to": "lead",
        "sources": [],
        "calendar": "office",
        "first_response_minutes": {"normal": 30},
    },
    {
        "key": "quick",
        "name": "Quick",
        "applies_to": "deal",
        "sources": ["referral"],
        "calendar": "kitchen",
        "first_response_minutes": {"high": 15},
    },
]


def seeds(**more: Any) -> dict[str, Any]:
    return {
        "pipelines": [
            {"key": "supply", "name": "Supply", "default": False, "stages": STAGES[:1]},
            {"key": "catering", "name": "Catering", "default": True, "stages": STAGES},
        ],
        "sources": [{"key": "referral", "name": "Referral", "channel": "referral"}],
        "lost_reasons": [{"key": "price", "name": "Price"}],
        "territories": [{"key": "west", "name": "West", "parent": "ng"}, {"key": "ng", "name": "Nigeria", "parent": None}],
        "scoring_rules": [
            {"key": "words", "field": "message", "op": "contains", "value": ["wedding"], "points": 12, "reason": "Plans an event"},
            {"key": "referred", "field": "source", "op": "is", "value": "referral", "points": 18, "reason": "Was referred"},
        ],
        "calendars": [
            {"key": "office", "name": "Office", "hours": {"mon": "09:00-12:00, 13:00-17:00", "tue": "00:00-24:00"}, "holidays": True},
            {"key": "kitchen", "name": "Kitchen", "hours": {"sun": "10:00-20:00", "mon": "closed"}, "holidays": False},
        ],
        "holidays": [{"day": "2026-10-01", "name": "Independence Day"}],
        "response_policies": POLICIES,
        "competitors": [{"key": "rival", "name": "Rival"}],
        "country": "NG",
        "currency": "NGN",
        "time_zone": "Africa/Lagos",
        "owner_id": str(OWNER),
        "team_ids": {"sales": str(TEAM)},
    } | more


SAMPLE = {
    "accounts": [
        {
            "key": "firm",
            "name": "Firm",
            "industry": None,
            "employees_band": None,
            "lifecycle_stage": "customer",
            "city": "Lagos",
            "domain": None,
        }
    ],
    "contacts": [PERSON | {"key": "ada", "account": "firm"}],
    "leads": [
        lead("fresh", "new", "-0d"),
        lead("called", "contacted", "-3d"),
        lead("warm", "nurturing", "-20d"),
        lead("ready", "qualified", "-8d"),
    ],
    "deals": [
        deal("new", "enquiry", "-2d", "+9d"),
        deal("offered", "quoted", "-9d", "+5d"),
        deal("sold", "booked", "-30d", "-12d"),
        deal("gone", "lost", "-10d", "+3d", lost_reason="price"),
    ],
    "activities": [
        activity("visit", "meeting", "deal.offered", due="+4d"),
        activity("note", "note", "contact.ada", done="-5d"),
        activity("mail", "email", "lead.fresh", due="+0d"),
        activity("visit of the firm", "task", "account.firm", done="-0d"),
    ],
}


async def planted(crm: Harness, **more: Any) -> tuple[dict[str, Any], list[Event], int]:
    async with crm._work() as work:  # pyright: ignore[reportPrivateUsage]
        answer = await plant(seeds(**more), work)
        await work.commit()
        return answer, work.emitted, work.round_trips


async def test_the_ground_of_a_business(crm: Harness) -> None:
    answer, told, round_trips = await planted(crm)

    assert answer == {
        "pipelines": 2,
        "sources": 1,
        "lost_reasons": 1,
        "territories": 2,
        "scoring_rules": 2,
        "calendars": 2,
        "response_policies": 2,
        "competitors": 1,
    }
    assert (told, round_trips) == ([], 1)
    pipelines = {one.key: one for one in await crm.list(Pipeline)}
    assert (pipelines["catering"].position, pipelines["supply"].position) == (0, 1)
    stages = await crm.list(DealStage, DealStage.pipeline_id == pipelines["catering"].id)
    assert [(one.key, one.position, one.probability, one.required_fields, one.rotting_days) for one in stages] == [
        (one["key"], at, one["probability"], one["required_fields"], 7) for at, one in enumerate(STAGES)
    ]
    territories = {one.key: one for one in await crm.list(Territory)}
    nigeria, west = territories["ng"], territories["west"]
    assert (nigeria.lineage, west.lineage, west.parent_id) == (f"{nigeria.id}/", f"{nigeria.id}/{west.id}/", nigeria.id)
    words, referred = await crm.list(ScoringRule)
    assert words.conditions == [Condition(field="message", op=Operator.CONTAINS, value=["wedding"])]
    assert (referred.name, referred.points) == ("Was referred", 18)


async def test_calendars_and_promises(crm: Harness) -> None:
    await planted(crm)

    office, kitchen = await crm.list(BusinessCalendar)
    assert office.hours == [
        OpenHours(weekday=0, start="09:00", end="12:00"),
        OpenHours(weekday=0, start="13:00", end="17:00"),
        OpenHours(weekday=1, start="00:00", end="24:00"),
    ]
    assert office.holidays == [Holiday(day=dt.date(2026, 10, 1), name="Independence Day")]
    assert (kitchen.hours, kitchen.holidays) == ([OpenHours(weekday=6, start="10:00", end="20:00")], [])
    policies = {one.key: one for one in await crm.list(ResponsePolicy)}
    quick, all_ = policies["quick"], policies["all"]
    assert (quick.position, all_.position) == (0, 1)
    assert quick.conditions == [Condition(field="source", op=Operator.IN, value=["referral"])]
    assert (quick.calendar_id, quick.first_response_minutes) == (kitchen.id, {Priority.HIGH: 15})
    assert (all_.calendar_id, all_.conditions) == (office.id, [])


async def test_sample_data_is_a_business_in_the_middle_of_its_work(crm: Harness) -> None:
    answer, told, round_trips = await planted(crm, sample_data=True, sample=SAMPLE)

    assert answer["sample"] == {"accounts": 1, "contacts": 1, "leads": 4, "deals": 4, "activities": 4}
    assert [type(event) for event in told] == [DealCreated] * 4
    assert round_trips == 3
    deals = {one.name: one for one in await crm.list(Deal)}
    stages = {one.id: one.key for one in await crm.list(DealStage)}
    for name, status, way in (
        ("new", DealStatus.OPEN, ["enquiry"]),
        ("offered", DealStatus.OPEN, ["enquiry", "quoted"]),
        ("sold", DealStatus.WON, ["enquiry", "quoted", "booked"]),
        ("gone", DealStatus.LOST, ["enquiry", "quoted", "lost"]),
    ):
        one = deals[name]
        changes = sorted(await crm.list(StageChange, StageChange.deal_id == one.id), key=lambda change: change.entered_at)
        assert (name, one.status, [stages[change.to_stage_id] for change in changes]) == (name, status, way[1:])
        until = sum((change.seconds for change in changes), Decimal(0))
        assert until == Decimal((one.stage_entered_at - one.opened_at) // dt.timedelta(microseconds=1)).scaleb(-6)
        assert (one.owner_id, one.team_id, one.amount, one.fx_rate) == (OWNER, TEAM, Decimal("100.50"), Decimal(1))
    assert deals["sold"].closed_at == lagos(-12)
    assert lagos(-10) < (deals["gone"].closed_at or lagos(0)) < dt.datetime.now(dt.UTC)
    assert (deals["sold"].forecast_category, deals["gone"].forecast_category) == (ForecastCategory.CLOSED, ForecastCategory.OMITTED)
    leads = {one.status: one for one in await crm.list(Lead)}
    assert [leads[status].created_at for status in (LeadStatus.CONTACTED, LeadStatus.NURTURING, LeadStatus.QUALIFIED)] == [
        lagos(-3),
        lagos(-20),
        lagos(-8),
    ]
    assert [leads[status].contacted_at is None for status in (LeadStatus.NEW, LeadStatus.CONTACTED)] == [True, False]
    assert (await crm.get(Account, (await crm.list(Contact))[0].account_id or uuid7())).name == "Firm"


def lagos(days: int) -> dt.datetime:
    zone = ZoneInfo("Africa/Lagos")
    today = dt.datetime.now(zone).date()
    return dt.datetime.combine(today + dt.timedelta(days=days), dt.time(10), zone).astimezone(dt.UTC)


async def test_what_is_planned_and_done(crm: Harness) -> None:
    await planted(crm, sample_data=True, sample=SAMPLE)

    found = {one.subject: one for one in await crm.list(Activity)}
    visit, note, mail = found["visit"], found["note"], found["mail"]
    (offered,) = await crm.list(Deal, Deal.name == "offered")
    assert (visit.status, visit.deal_id, visit.account_id, visit.direction) == (
        ActivityStatus.PLANNED,
        offered.id,
        offered.account_id,
        Direction.OUTBOUND,
    )
    assert visit.starts_at is not None and visit.ends_at == visit.starts_at + dt.timedelta(hours=1)
    assert (note.status, note.done_at, note.direction) == (ActivityStatus.DONE, lagos(-5) + dt.timedelta(hours=1), None)
    assert (mail.due_at, mail.done_at) == (lagos(0) + dt.timedelta(hours=5), None)
    assert (found["visit of the firm"].done_at or lagos(1)) <= dt.datetime.now(dt.UTC)


@pytest.mark.parametrize("times", [1, 2])
async def test_what_was_asked_was_answered_in_time(crm: Harness, times: int) -> None:
    await planted(crm, sample_data=True, sample=SAMPLE)
    open_all_day = [{"weekday": day, "start": "00:00", "end": "24:00"} for day in range(7)]
    for calendar in await crm.list(BusinessCalendar):
        assert (
            await crm.api("PATCH", f"/api/v1/crm/business_calendars/{calendar.id}", {"hours": open_all_day, "holidays": []}, if_match="*")
        ).status == 200
    for one in await crm.list(Lead):
        await crm.deliver(LeadCreated(id=one.id), times=times)

    leads = {one.id: one for one in await crm.list(Lead)}
    clocks = await crm.list(ResponseClock)
    assert {leads[clock.lead_id or OWNER].status: clock.status for clock in clocks} == {
        LeadStatus.NEW: ClockStatus.RUNNING,
        LeadStatus.CONTACTED: ClockStatus.MET,
        LeadStatus.NURTURING: ClockStatus.MET,
        LeadStatus.QUALIFIED: ClockStatus.MET,
    }
    assert {clock.response_seconds for clock in clocks if clock.status is ClockStatus.MET} == {20 * 60}
    assert {one.score for one in leads.values()} == {68}
