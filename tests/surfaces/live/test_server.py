"""Live events of a real server: how they are asked for, resumed, kept alive and ended, and what bad input is told."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from conftest import reachable
from tests.process.conftest import Nexus, free_port
from tests.surfaces.live.server import LEADS, Business, end_of, new_business, next_of, said, subscribed, tell

HEARTBEAT = "0.2"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nexus]:
    """One server for what does not end it."""
    made = Nexus(reachable(tmp_path_factory.mktemp("live")), free_port()).start(NEXUS_HEARTBEAT=HEARTBEAT)
    yield made
    assert made.stop() == 0, made.said


@pytest.fixture
async def business(server: Nexus) -> Business:
    """A tenant of its own."""
    return await new_business(server)


# Server-sent events


async def test_a_stream_tells_what_happens_and_goes_on_where_it_was(business: Business) -> None:
    async with business.stream(LEADS) as heard:
        first = await anext(heard)
        assert first.retry is not None
        assert first.id is not None
        made = await business.lead("Ada")
        event = await next_of(heard)
        assert (event.data["type"], event.data["subject"], event.data["data"]["name"]) == ("crm.lead.created", made, "Ada")
    missed = [await business.lead(f"Missed {n}") for n in range(3)]
    async with business.stream("nexus.crm.*.lead.created", last=event.id) as heard:
        assert [(await next_of(heard)).data["subject"] for _ in range(3)] == missed
        late = await business.lead("Late")
        assert (await next_of(heard)).data["subject"] == late
    async with business.stream("nexus.crm.*.lead.created", after=event.id or "") as heard:
        assert (await next_of(heard)).data["subject"] == missed[0]
    async with business.stream("nexus.crm.*.lead.created", after=event.id or "", last=first.id) as heard:
        assert (await next_of(heard)).data["subject"] == made  # whoever comes again by itself sends the address it began with


async def test_a_stream_on_which_nothing_happens_is_kept_alive(business: Business) -> None:
    async with business.stream("nexus.crm.*.quote.*") as heard:
        first = await anext(heard)
        await business.lead("Ada")
        signs = [await anext(heard) for _ in range(3)]
        assert all(sign.comments == ["nothing yet"] and sign.data is None for sign in signs)
        positions = [int((sign.id or "").partition(":")[2]) for sign in (first, *signs)]
        assert positions == sorted(positions)
    async with business.stream("nexus.crm.*.lead.created", last=first.id) as heard:
        assert (await next_of(heard)).data["data"]["name"] == "Ada"


@pytest.mark.parametrize(
    ("method", "query", "headers", "status", "says"),
    [
        ("GET", "", {}, 422, "topics: takes 1 to 50 patterns"),
        ("GET", "topics=", {}, 422, "topics[0]"),
        ("GET", "topics=nexus.crm.*.deel.won", {}, 422, "did you mean nexus.crm.*.deal.won?"),
        ("GET", "topics=nexus.crm.0197a3c2-5d1e-7c3a-9b0f-2f6d8e4a1c77.lead.created", {}, 422, "the third segment is the business"),
        ("GET", "topics=>&limit=1", {}, 422, "limit: is not a parameter here"),
        ("GET", "topics=>&after=1&after=2", {}, 422, "after: is given twice"),
        ("GET", "topics=>&after=yesterday", {}, 422, "after: is the id of an event"),
        ("GET", "topics=>", {"last-event-id": "yesterday"}, 422, "Last-Event-ID: is the id of an event"),
        ("GET", "topics=>", {"last-event-id": "main:99999999"}, 410, "is not all kept here any more"),
        ("GET", "topics=%ff", {}, 400, "The query string cannot be read"),
        ("GET", "&".join(["topics=>"] * 61), {}, 400, "The query string cannot be read"),
        ("GET", "topics=>", {"authorization": "Bearer nx_no"}, 401, "An API key looks like"),
        ("GET", "topics=>", {"authorization": "Basic eDp5"}, 401, "Send the header Authorization"),
        ("POST", "topics=>", {}, 405, "POST is not possible here"),
    ],
)
async def test_a_stream_that_cannot_begin_says_why(
    business: Business, method: str, query: str, headers: dict[str, str], status: int, says: str
) -> None:
    async with business.client() as client:
        answer = await client.request(method, f"/api/v1/stream?{query}", headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert says in answer.json()["detail"]


async def test_a_look_at_the_head_opens_nothing(business: Business) -> None:
    async with business.client() as client:
        answer = await client.head("/api/v1/stream?topics=>")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")


# WebSockets


async def test_a_socket_follows_under_names(business: Business) -> None:
    async with business.ready() as client:
        begun = await subscribed(client, "created", "nexus.crm.*.lead.created")
        await subscribed(client, "leads", "nexus.crm.*.lead.created")
        made = await business.lead("Ada")
        both = [await said(client), await said(client)]
        assert {message["id"] for message in both} == {"created", "leads"}
        for message in both:
            assert message["type"] == "event"
            assert (message["event"]["type"], message["event"]["subject"]) == ("crm.lead.created", made)
        assert (await tell(client, type="unsubscribe", id="leads"))["type"] == "unsubscribed"
        other = await business.lead("Eve")
        message = await said(client)
        assert (message["id"], message["event"]["subject"]) == ("created", other)
        await subscribed(client, "again", "nexus.crm.*.lead.created", after=begun)
        assert [(await said(client))["event"]["subject"] for _ in range(2)] == [made, other]


@pytest.mark.parametrize("way", ["header", "subprotocol", "message"])
async def test_a_socket_says_who_it_is_in_one_of_three_ways(business: Business, way: str) -> None:
    nobody = business if way == "header" else business.as_("")
    offered: Any = ["nexus.live.v1", f"nexus.token.{business.key}"] if way == "subprotocol" else None
    async with nobody.socket(subprotocols=offered) as client:
        if way == "message":
            await client.send(json.dumps({"type": "auth", "token": business.key}))
        ready = await said(client)
        assert (ready["type"], ready["heartbeat"]) == ("ready", float(HEARTBEAT))
        assert client.subprotocol == ("nexus.live.v1" if offered else None)
        assert await tell(client, type="ping", id="7") == {"type": "pong", "id": "7"}


async def test_who_is_nobody_does_not_come_in(business: Business) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with business.as_("nx_no").socket():
            pass
    assert refused.value.response.status_code == 401
    first_words = ('{"type":"auth","token":"nx_no"}', '{"type":"ping"}', "[]", "nonsense", '{"type":"subscribe","id":"a","topics":[">"]}')
    codes = []
    for words in first_words:
        async with business.as_("").socket() as client:
            await client.send(words)
            codes.append((await end_of(client))[0])
    assert codes == [4401, 4401, 4422, 4400, 4401]


@pytest.mark.parametrize(
    ("message", "status", "says"),
    [
        ("{", 400, "The message is not valid JSON"),
        ("null", 422, ""),
        ('{"id":"a"}', 422, "type: is required"),
        ('{"type":"shout","id":"a"}', 422, "type"),
        ('{"type":"subscribe","topics":[">"]}', 422, "id: is required"),
        ('{"type":"subscribe","id":"","topics":[">"]}', 422, "id: "),
        ('{"type":"subscribe","id":"%s","topics":[">"]}' % ("x" * 65), 422, "id: "),
        ('{"type":"subscribe","id":7,"topics":[">"]}', 422, "id: "),
        ('{"type":"subscribe","id":"a","topics":[]}', 422, "topics: "),
        ('{"type":"subscribe","id":"a","topics":">"}', 422, "topics: "),
        ('{"type":"subscribe","id":"a","topics":["nexus.crm.*.deel.won"]}', 422, "topics[0]: no topic here matches"),
        ('{"type":"subscribe","id":"a","topics":[">"],"after":"soon"}', 422, "after: is the id of an event"),
        ('{"type":"subscribe","id":"a","topics":[">"],"after":"main:99999999"}', 410, "is not all kept here"),
        ('{"type":"subscribe","id":"a","topics":[">"],"window":0}', 422, "window: "),
        ('{"type":"subscribe","id":"a","topics":[">"],"loud":true}', 422, "loud: there is no such field"),
        ('{"type":"subscribe","id":"there","topics":[">"]}', 422, "id: 'there' is followed already"),
        ('{"type":"unsubscribe","id":"nothing"}', 422, "id: nothing is followed as 'nothing'"),
        ('{"type":"ack","id":"there","position":"main:1"}', 422, "position: is none that waits"),
        ('{"type":"auth","token":"x"}', 422, "type: auth is the first message"),
        ('{"type":"ping","id":"a\\u0000"}', 422, ""),
    ],
)
async def test_a_message_that_makes_no_sense_is_told_and_changes_nothing(business: Business, message: str, status: int, says: str) -> None:
    async with business.ready() as client:
        await subscribed(client, "there", "nexus.crm.*.competitor.*")
        await client.send(message)
        answer = await said(client)
        assert (answer["type"], answer["problem"]["status"]) == ("error", status), answer
        assert says in answer["problem"]["detail"]
        made = await business.ask("POST", "/api/v1/crm/competitors", {"name": "Rival"})
        assert (await said(client))["event"]["subject"] == made["id"]


async def test_messages_that_are_too_large_or_no_text_end_a_socket(business: Business) -> None:
    for message, code in ((b"\x01", 1003), ("x" * 70_000, 1009), ("x" * (2 << 20), 1009)):
        async with business.ready() as client:
            with contextlib.suppress(ConnectionClosed):  # the server need not read to the end what is too much
                await client.send(message)
            assert (await end_of(client))[0] == code


async def test_whoever_goes_on_making_no_sense_is_sent_away(business: Business) -> None:
    async with business.ready() as client:
        for _ in range(20):
            await client.send("{")
        assert await end_of(client) == (4400, "20 messages in a row made no sense.")


async def test_a_window_waits_for_what_has_been_handled(business: Business) -> None:
    async with business.ready() as client:
        await subscribed(client, "slowly", "nexus.crm.*.lead.created", window=2)
        made = [await business.lead(f"Lead {n}") for n in range(5)]
        first, second = await said(client), await said(client)
        assert await tell(client, type="ping") == {"type": "pong", "id": None}  # nothing came in between
        await client.send(json.dumps({"type": "ack", "id": "slowly", "position": second["position"]}))
        rest = [await said(client), await said(client)]
        await client.send(json.dumps({"type": "ack", "id": "slowly", "position": rest[0]["position"]}))
        rest.append(await said(client))
        assert [message["event"]["subject"] for message in (first, second, *rest)] == made


async def test_a_subscription_on_which_nothing_happens_is_kept_alive(business: Business) -> None:
    async with business.ready() as client:
        await subscribed(client, "quotes", "nexus.crm.*.quote.*")
        beats = [json.loads(await client.recv()) for _ in range(3)]
        assert all((beat["type"], beat["id"]) == ("heartbeat", "quotes") for beat in beats)
        assert all(beat["position"].startswith("main:") for beat in beats)


# Whose events, and for how long


async def test_two_tenants_and_two_roles_hear_each_their_own(business: Business, server: Nexus) -> None:
    other = await new_business(server)
    rep = business.as_(await person(business, "rep@example.com", "crm.rep"))
    async with business.ready() as owner, rep.ready() as hers, other.ready() as theirs:
        for client in (owner, hers, theirs):
            await subscribed(client, "leads", "nexus.crm.*.lead.created")
        await business.lead("The owner's")
        own = await rep.lead("Her own")
        foreign = await other.lead("Theirs")
        assert [(await said(owner))["event"]["data"]["name"] for _ in range(2)] == ["The owner's", "Her own"]
        assert (await said(hers))["event"]["subject"] == own
        assert (await said(theirs))["event"]["subject"] == foreign


async def person(business: Business, email: str, *roles: str) -> str:
    """Somebody with these roles; their key."""
    made = await business.ask("POST", "/api/v1/auth/users/invite", {"name": email.split("@")[0], "email": email, "roles": list(roles)})
    id = made.get("user_id") or made["id"]
    await business.ask("POST", f"/api/v1/auth/users/{id}/activate", {})
    key = await business.ask("POST", "/api/v1/auth/api_keys", {"name": "hers", "user_id": id})
    token: str = key["token"]
    return token


async def test_a_key_that_is_revoked_ends_its_streams(business: Business) -> None:
    made = await business.ask("POST", "/api/v1/auth/api_keys", {"name": "short-lived"})
    brief = business.as_(made["token"])
    async with brief.ready() as client, brief.stream(LEADS) as heard:
        await subscribed(client)
        await anext(heard)
        await business.ask("POST", f"/api/v1/auth/api_keys/{made['id']}/revoke", {})
        assert await end_of(client) == (4401, "This credential is not in force.")
        last = await next_of(heard)
        assert (last.event, last.data["status"], last.data["type"]) == ("end", 401, "/problems/unauthenticated")
        assert [one async for one in heard] == []


async def test_a_business_that_is_suspended_ends_its_streams(business: Business, server: Nexus) -> None:
    slug = f"b-{uuid4().hex[:12]}"
    brief = Business(server, await asyncio.to_thread(server.activate, slug=slug))
    async with brief.ready() as client, brief.stream(LEADS) as heard:
        await subscribed(client)
        await anext(heard)
        status, _ = await asyncio.to_thread(server.ask, "POST", f"/api/v1/tenants/{slug}/suspend", {"reason": "unpaid"}, token=server.key)
        assert status == 200
        code, reason = await end_of(client)
        assert (code, "is suspended: unpaid" in reason) == (4403, True)
        assert (await next_of(heard)).data["type"] == "/problems/tenant-suspended"


async def test_a_client_that_does_not_read_is_let_go_and_can_go_on(business: Business) -> None:
    """It reads nothing while more happens than any buffer takes; then it is told why it ended, and goes on behind what it had."""
    narrow = socket.socket()
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    narrow.setblocking(False)
    await asyncio.get_running_loop().sock_connect(narrow, ("127.0.0.1", business.nexus.port))
    async with business.ready(sock=narrow, max_queue=1, ping_interval=None) as client:
        begun = await subscribed(client, "leads", "nexus.crm.*.lead.created")
        made = 0
        for _ in range(6):
            rows = [{"name": f"Lead {made + n}", "description": "x" * 15_000} for n in range(200)]
            await business.ask("POST", "/api/v1/crm/leads/bulk", {"items": rows})
            made += 200
        code, reason = await end_of(client)
        assert (code, "waited to be taken" in reason) == (4408, True)
    async with business.ready(max_size=None) as client:
        await subscribed(client, "leads", "nexus.crm.*.lead.created", after=begun)
        names = [(await said(client))["event"]["data"]["name"] for _ in range(made)]
    assert names == [f"Lead {n}" for n in range(made)]
