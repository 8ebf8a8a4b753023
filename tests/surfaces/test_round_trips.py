"""How often a request goes to the database, counted by the engine: what the budget allows, and not once more."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from nexus.runtime.testing import Answered, Harness
from nexus.services.crm.entities import Account, Contact, Deal, DealStage, Lead, Pipeline
from nexus.services.crm.terms import LeadStatus

CONTACTS = "/api/v1/crm/contacts"


@dataclass
class Spent:
    """What the requests in a block have cost."""

    round_trips: int = 0
    statements: int = 0


@asynccontextmanager
async def counted(tenant: Harness) -> AsyncGenerator[Spent]:
    stats, spent = tenant.statistics, Spent()
    before = stats.round_trips, stats.statements
    yield spent
    spent.round_trips, spent.statements = stats.round_trips - before[0], stats.statements - before[1]


async def created(tenant: Harness, n: int) -> Answered:
    return await tenant.api("POST", CONTACTS, {"name": "Ada", "email": f"ada.{n}@example.com"}, idempotency_key=f"k{n}")


async def test_a_create_is_one_statement(tenant: Harness) -> None:
    await created(tenant, 1)
    async with counted(tenant) as spent:
        assert (await created(tenant, 2)).status == 201
    assert (spent.round_trips, spent.statements) == (1, 1)


@pytest.mark.parametrize("query", ["", "?fields=name,email"])
async def test_a_get_is_one_statement(tenant: Harness, query: str) -> None:
    place = (await created(tenant, 1)).headers["location"]
    async with counted(tenant) as spent:
        assert (await tenant.api("GET", place + query)).status == 200
    assert (spent.round_trips, spent.statements) == (1, 1)


@pytest.mark.parametrize("query", ["sort=-id&limit=50&country=NG", "sort=name&count=exact", "q=ada", "expand=account&fields=name"])
async def test_a_list_is_one_statement(tenant: Harness, query: str) -> None:
    await created(tenant, 1)
    async with counted(tenant) as spent:
        assert (await tenant.api("GET", f"{CONTACTS}?{query}")).status == 200
    assert (spent.round_trips, spent.statements) == (1, 1)


async def test_a_page_after_a_cursor_is_one_statement(tenant: Harness) -> None:
    for n in range(3):
        await created(tenant, n)
    cursor = (await tenant.api("GET", f"{CONTACTS}?limit=2")).json()["next_cursor"]
    async with counted(tenant) as spent:
        assert len((await tenant.api("GET", f"{CONTACTS}?limit=2&cursor={cursor}")).json()["items"]) == 1
    assert (spent.round_trips, spent.statements) == (1, 1)


async def test_a_patch_is_one_statement(tenant: Harness) -> None:
    place = (await created(tenant, 1)).headers["location"]
    async with counted(tenant) as spent:
        assert (await tenant.api("PATCH", place, {"name": "Ada Obi"}, if_match='"1"', idempotency_key="p")).status == 200
    assert (spent.round_trips, spent.statements) == (1, 1)


async def test_converting_a_lead_stays_within_six_round_trips(tenant: Harness) -> None:
    pipeline = await tenant.given(Pipeline(name="Sales", key="sales"))
    await tenant.given(DealStage(pipeline_id=pipeline.id, name="New", position=0, probability=10))
    lead = await tenant.given(Lead(name="Ada", company="Lagos Foods", email="ada@lagosfoods.example", status=LeadStatus.QUALIFIED))

    async with counted(tenant) as spent:
        answer = await tenant.api("POST", f"/api/v1/crm/leads/{lead.id}/convert", {}, idempotency_key="c")
        assert answer.status == 200
    assert spent.round_trips <= 6
    assert [await tenant.count(kind) for kind in (Account, Contact, Deal)] == [1, 1, 1]
