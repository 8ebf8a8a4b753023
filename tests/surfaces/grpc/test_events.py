"""Events over gRPC: told as the messages of their topics, to whoever may know of them, from where the caller left off."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from nexus.core.service import Service
from nexus.runtime.testing import Harness
from nexus.services.crm.api import QualifyLead
from tests.surfaces.grpc.conftest import Clients, Running, serving
from tests.surfaces.live.conftest import World, lead, world

__all__ = ["world"]
Code = grpc.StatusCode


@pytest.fixture
async def running(world: World, tenant: Harness, services: dict[str, Service], clients: Clients) -> AsyncIterator[Running]:
    """A server that tells of what happens."""
    async with serving(tenant, services, clients, live=world.live) as made:
        yield made


def follow(running: Running, *topics: str, after: str | None = None, who: list[tuple[str, str]] | None = None) -> Any:
    asked = running.clients.nexus.Subscribe(topics=topics, after=after)
    return running.stub("nexus", "Events").Subscribe(asked, metadata=running.owner if who is None else who, timeout=60)


async def told(call: Any, count: int) -> list[Any]:
    """The next events, without the signs of life between them."""
    found: list[Any] = []
    async with asyncio.timeout(30):
        while len(found) < count:
            event = await call.read()
            found += [event] if event.HasField("type") else []
    return found


async def begun(call: Any) -> str:
    """Where a stream begins."""
    async with asyncio.timeout(30):
        return str((await call.read()).position)


async def test_what_happens_is_told_as_the_message_of_its_topic(running: Running, world: World) -> None:
    crm = running.clients.crm
    call = follow(running, "nexus.crm.*.lead.>")
    await begun(call)

    id = await lead(running.tenant, "Bob")
    await running.tenant.run(QualifyLead(lead_id=id))
    await world.settled()
    made, *others = await told(call, 3)
    call.cancel()

    record, qualified = crm.Lead(), crm.LeadQualified()
    assert (made.type, made.subject, made.data.Unpack(record)) == ("crm.lead.created", str(id), True)
    assert (record.id, record.name) == (str(id), "Bob")
    words = next(one for one in others if one.type == "crm.lead.qualified")
    assert words.data.Unpack(qualified)
    assert (qualified.lead_id, words.tenant, words.schema_version) == (str(id), str(running.tenant.caller.tenant.id), 1)
    assert next(one for one in others if one.type == "crm.lead.updated").changed


async def test_a_stream_goes_on_where_it_was_left(running: Running, world: World) -> None:
    call = follow(running, "nexus.crm.*.lead.created")
    start = await begun(call)
    for name in ("one", "two", "three"):
        await lead(running.tenant, name)
    await world.settled()
    first = (await told(call, 1))[0]
    call.cancel()

    rest = follow(running, "nexus.crm.*.lead.created", after=first.position)
    everything = follow(running, "nexus.crm.*.lead.created", after=start)

    assert [one.subject for one in await told(everything, 3)][1:] == [one.subject for one in await told(rest, 2)]
    rest.cancel()
    everything.cancel()


async def test_who_may_not_know_is_not_told(running: Running, world: World) -> None:
    rep = running.as_("crm.rep")
    call = follow(running, "nexus.crm.*.lead.created", who=rep)
    await begun(call)
    await lead(running.tenant, "Not theirs")
    own = running.doors.tokens["role-crm.rep"].actor.id
    mine = await lead(running.tenant, "Theirs", owner_id=str(own))
    await world.settled()

    assert [one.subject for one in await told(call, 1)] == [str(mine)]
    call.cancel()


@pytest.mark.parametrize(
    ("topics", "after", "roles", "code"),
    [
        ([], None, None, Code.INVALID_ARGUMENT),
        (["nexus.crm.*.nothing.>"], None, None, Code.INVALID_ARGUMENT),
        (["nexus.crm.*.lead.>"], "here", None, Code.INVALID_ARGUMENT),
        (["nexus.crm.*.lead.>"], None, [], Code.PERMISSION_DENIED),
    ],
)
async def test_a_subscription_that_cannot_be_is_refused(running: Running, topics: Any, after: Any, roles: Any, code: Any) -> None:
    call = follow(running, *topics, after=after, who=None if roles is None else running.as_(*roles))

    assert await call.code() is code


async def test_a_quiet_stream_says_how_far_it_is(world: World, tenant: Harness, services: dict[str, Service], clients: Clients) -> None:
    async with serving(tenant, services, clients, live=world.live, heartbeat=0.01) as running:
        call = follow(running, "nexus.crm.*.lead.created")
        start = await begun(call)

        assert await begun(call) == start
        call.cancel()


async def test_a_stream_ends_with_the_server_and_says_why(running: Running, world: World) -> None:
    call = follow(running, "nexus.crm.*.lead.created")
    await begun(call)

    await world.live.go_away()

    assert await call.code() is Code.UNAVAILABLE
    assert "goes away" in await call.details() or "stops" in await call.details()
