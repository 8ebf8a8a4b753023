"""A tenant that moves to another cell is followed there: whoever listens is told where to go on, and nothing is left out or told twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial

import msgspec
import pytest

from nexus.core.service import Service
from nexus.engines.oltp.embedded import EmbeddedPostgres
from nexus.runtime.moving import Patience
from nexus.surfaces.live import Gap, Relocated, Subscription
from tests.activation.conftest import Installation
from tests.runtime.copies import Business, Urls, business, moves, record_of, relayed, two_cells, working

TOPICS = ["nexus.crm.*.contact.created"]
PATIENCE = 30.0


@pytest.fixture(scope="module")
async def urls(postgres: EmbeddedPostgres) -> list[Urls]:
    return await two_cells(postgres, "live_moves")


@pytest.fixture
async def nexus(urls: list[Urls], services: dict[str, Service]) -> AsyncIterator[Installation]:
    async with working(urls, services) as installation:
        yield installation


async def contact(nexus: Installation, one: Business, name: str) -> None:
    status, answer = await nexus.ask("POST", "/api/v1/crm/contacts", {"name": name}, token=one.token)
    assert status == 201, answer
    await relayed(nexus)


async def follow(nexus: Installation, one: Business, after: str | None = None) -> Subscription:
    renew = partial(nexus.node.authenticate, one.token)
    return await nexus.node.live.subscribe(await renew(), TOPICS, after, renew=renew)


async def heard(told: Subscription, count: int) -> list[str]:
    found: list[str] = []
    async with asyncio.timeout(PATIENCE):
        while len(found) < count:
            found += [msgspec.json.decode(event.envelope)["data"]["name"] for event in await told.take()]
    return found


@pytest.mark.parametrize("slug", ["with-a-past", "without-a-past"])
async def test_whoever_listens_goes_on_in_the_other_cell(nexus: Installation, slug: str) -> None:
    before = {name: await log.head() for name, log in nexus.node.logs.items()}
    one = await business(nexus, slug)
    await relayed(nexus)
    home = (await record_of(nexus, one.id)).cell
    begun = (await follow(nexus, one)).position if slug == "with-a-past" else f"{home}:{before[home]}"
    told = await follow(nexus, one, begun)
    past = [] if slug == "with-a-past" else await heard(told, len(one.contacts))
    await contact(nexus, one, "Taken")
    assert await heard(told, 1) == ["Taken"]
    taken = told.position
    await contact(nexus, one, "Not taken")
    moving = asyncio.create_task(
        moves(nexus, Patience(settle=20.0, writers=5.0, grace=3.0)).move(await record_of(nexus, one.id), away(home))
    )
    async with asyncio.timeout(PATIENCE):
        while told.ended is None:
            await nexus.node.live._look()
            await asyncio.sleep(0.02)

    assert isinstance(told.ended, Relocated)
    assert told.ended.after is not None
    assert told.ended.after.startswith(f"{away(home)}:")
    await contact(nexus, one, "After it")
    for after in (told.ended.after, taken):  # also whoever was cut off, and knows only the old place
        async with await follow(nexus, one, after) as again:
            assert await heard(again, 2) == ["Not taken", "After it"]
    async with await follow(nexus, one, begun) as whole:
        assert await heard(whole, 3 + len(past)) == [*past, "Taken", "Not taken", "After it"]
    await moving
    with pytest.raises(Gap):  # nobody knows the old place any more, and it is said
        await follow(nexus, one, taken)


def away(cell: str) -> str:
    return {"c0": "c1", "c1": "c0"}[cell]
