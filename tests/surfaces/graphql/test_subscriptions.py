"""Subscriptions: events told as they happen, over server-sent events and WebSockets, to whoever may know of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any, cast

import msgspec
import pytest

from nexus.core.service import Service
from nexus.runtime.testing import Harness
from nexus.services.crm.api.leads import QualifyLead
from nexus.surfaces.calling import Caller
from nexus.surfaces.graphql.http import Parts, Web
from nexus.surfaces.graphql.limits import Limits
from nexus.surfaces.graphql.sockets import PROTOCOL, GraphSockets
from nexus.surfaces.sockets import Socket
from tests.surfaces.graphql.conftest import Raw
from tests.surfaces.live.conftest import PATIENCE, World, lead, world

__all__ = ["world"]

CREATED = (
    "subscription($after: String) { made: crmLeadCreated(after: $after) { id subject actor data record { name owner { id } status } } }"
)


def web_of(world: World, tenant: Harness, services: dict[str, Service], who: Harness | None = None) -> Web:
    async def authenticate(token: str) -> Caller:
        return (who or tenant).caller

    return Web(
        Parts(
            services=services,
            operations=tenant.operations,
            host=tenant.host,
            gate=None,
            authenticate=authenticate,
            limits=Limits(),
            live=world.live,
            heartbeat=0.05,
        )
    )


async def stream(web: Web, query: str, **variables: Any) -> AsyncGenerator[bytes]:
    body = msgspec.json.encode({"query": query, "variables": variables})
    headers = {b"authorization": b"Bearer x", b"content-type": b"application/json", b"accept": b"text/event-stream"}
    response = await web(Raw("POST", "/graphql", b"", headers, body))
    assert response.status == 200, response.body
    assert response.stream is not None
    assert dict(response.headers)[b"content-type"].startswith(b"text/event-stream")
    return cast(AsyncGenerator[bytes], response.stream)


async def told(parts: AsyncGenerator[bytes], count: int) -> list[Any]:
    """The next responses of a stream."""
    found: list[Any] = []
    async with asyncio.timeout(PATIENCE):
        while len(found) < count:
            for block in (await anext(parts)).decode().split("\n\n"):
                if block.startswith("event: next\n"):
                    found.append(msgspec.json.decode(block.split("data: ", 1)[1]))
    return found


async def test_an_event_is_told_with_the_record_over_server_sent_events(
    world: World, tenant: Harness, services: dict[str, Service]
) -> None:
    parts = await stream(web_of(world, tenant, services), CREATED)
    await anext(parts)
    made = await lead(tenant, "Ada")
    await world.settled()
    ((first,),) = [await told(parts, 1)]
    event = first["data"]["made"]
    assert event["subject"] == str(made) and event["actor"] == tenant.caller.actor.name
    assert event["record"] == {"name": "Ada", "owner": None, "status": "NEW"}
    assert event["data"]["name"] == "Ada"
    await parts.aclose()

    second = await lead(tenant, "Bob")
    await world.settled()
    again = await stream(web_of(world, tenant, services), CREATED, after=event["id"])
    assert [one["data"]["made"]["subject"] for one in await told(again, 1)] == [str(second)]
    await again.aclose()
    assert len(world.live) == 0


async def test_what_an_event_tells_leads_to_its_records(world: World, tenant: Harness, services: dict[str, Service]) -> None:
    made = await lead(tenant, "Ada")
    query = "subscription { told: crmLeadQualified { data { leadId lead { name status } } record { name } } }"
    parts = await stream(web_of(world, tenant, services), query)
    await anext(parts)
    await tenant.run(QualifyLead(lead_id=made))
    await world.settled()
    ((first,),) = [await told(parts, 1)]
    shown = {"name": "Ada", "status": "QUALIFIED"}
    assert first["data"]["told"] == {"data": {"leadId": str(made), "lead": shown}, "record": {"name": "Ada"}}
    await parts.aclose()


async def test_who_does_not_see_a_record_is_not_told_of_it(world: World, tenant: Harness, services: dict[str, Service]) -> None:
    rep = tenant.as_("crm.rep")
    parts = await stream(web_of(world, tenant, services, rep), CREATED)
    await anext(parts)
    await lead(tenant, "Theirs", owner_id=None)
    mine = await lead(rep, "Mine")
    await world.settled()
    assert [one["data"]["made"]["subject"] for one in await told(parts, 1)] == [str(mine)]
    await parts.aclose()


async def test_a_query_over_a_stream_is_answered_and_complete(world: World, tenant: Harness, services: dict[str, Service]) -> None:
    parts = await stream(web_of(world, tenant, services), "{ crmLeads { totalCount } }")
    said = b"".join([part async for part in parts])
    assert said == b'event: next\ndata: {"data":{"crmLeads":{"totalCount":0}}}\n\nevent: complete\ndata:\n\n'


@pytest.mark.parametrize(
    ("query", "variables", "code"),
    [(CREATED, {"after": "nonsense"}, "INVALID"), ("subscription { crmLeadCreated { nothing } }", {}, "GRAPHQL_VALIDATION_FAILED")],
)
async def test_what_cannot_be_followed_is_refused(
    world: World, tenant: Harness, services: dict[str, Service], query: str, variables: dict[str, Any], code: str
) -> None:
    body = msgspec.json.encode({"query": query, "variables": variables})
    headers = {b"authorization": b"Bearer x", b"content-type": b"application/json", b"accept": b"text/event-stream"}
    response = await web_of(world, tenant, services)(Raw("POST", "/graphql", b"", headers, body))
    said = response.body if response.stream is None else b"".join([part async for part in response.stream])
    assert f'"code":"{code}"'.encode() in said


class Client:
    """The other end of a socket."""

    def __init__(self, web: Web, *offered: str) -> None:
        self._to: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._from: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._to.put_nowait({"type": "websocket.connect"})
        scope: dict[str, Any] = {"path": "/graphql", "query_string": b"", "headers": [], "subprotocols": list(offered)}
        self.task = asyncio.create_task(GraphSockets(web)(Socket(scope, self._to.get, self._from.put, "r-1")))

    def say(self, **message: Any) -> None:
        self._to.put_nowait({"type": "websocket.receive", "text": msgspec.json.encode(message).decode(), "bytes": None})

    def raw(self, text: str) -> None:
        self._to.put_nowait({"type": "websocket.receive", "text": text, "bytes": None})

    async def hear(self) -> Any:
        """The next message, or the code with which the socket ended."""
        async with asyncio.timeout(PATIENCE):
            message = await self._from.get()
            if message["type"] == "websocket.accept":
                message = await self._from.get()
        return message["code"] if message["type"] == "websocket.close" else msgspec.json.decode(message["text"])

    async def leave(self) -> None:
        self._to.put_nowait({"type": "websocket.disconnect", "code": 1000})
        async with asyncio.timeout(PATIENCE):
            await self.task


async def begun(web: Web) -> Client:
    client = Client(web, PROTOCOL)
    client.say(type="connection_init", payload={"Authorization": "Bearer x"})
    assert (await client.hear())["type"] == "connection_ack"
    return client


async def test_a_socket_speaks_the_protocol(world: World, tenant: Harness, services: dict[str, Service]) -> None:
    client = await begun(web_of(world, tenant, services))
    client.say(type="ping")
    assert await client.hear() == {"type": "pong"}
    client.say(type="subscribe", id="q", payload={"query": "{ crmLeads { totalCount } }"})
    assert await client.hear() == {"type": "next", "id": "q", "payload": {"data": {"crmLeads": {"totalCount": 0}}}}
    assert await client.hear() == {"type": "complete", "id": "q"}

    client.say(type="subscribe", id="s", payload={"query": CREATED})
    async with asyncio.timeout(PATIENCE):
        while len(world.live) == 0:
            await asyncio.sleep(0)
    made = await lead(tenant, "Ada")
    await world.settled()
    event = await client.hear()
    assert (event["type"], event["id"], event["payload"]["data"]["made"]["subject"]) == ("next", "s", str(made))
    client.say(type="complete", id="s")
    async with asyncio.timeout(PATIENCE):
        while len(world.live):
            await asyncio.sleep(0)
    client.say(type="subscribe", id="bad", payload={"query": 'subscription { crmLeadCreated(after: "x") { id } }'})
    assert (await client.hear())["type"] == "error"
    await client.leave()


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ('{"type": "subscribe", "id": "1", "payload": {"query": "{__typename}"}}', 4401),
        ('{"type": "connection_init", "payload": {}}', 4403),
        ("nonsense", 4400),
        ("[]", 4400),
    ],
)
async def test_a_socket_that_begins_wrong_is_closed_with_a_code(
    world: World, tenant: Harness, services: dict[str, Service], said: str, code: int
) -> None:
    client = Client(web_of(world, tenant, services), PROTOCOL)
    client.raw(said)
    assert await client.hear() == code
    await client.task


async def test_a_socket_that_goes_on_wrong_is_closed_with_a_code(world: World, tenant: Harness, services: dict[str, Service]) -> None:
    web = web_of(world, tenant, services)
    other = Client(web, "graphql-ws")
    assert await other.hear() == 4406
    for said, code in (({"type": "connection_init"}, 4429), ({"type": "nothing"}, 4400), ({"type": "subscribe", "id": "1"}, 4400)):
        client = await begun(web)
        client.say(**said)
        assert await client.hear() == code
    twice = await begun(web)
    for _ in range(2):
        twice.say(type="subscribe", id="1", payload={"query": CREATED})
    assert await twice.hear() == 4409
