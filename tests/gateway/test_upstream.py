"""The gateway hands requests on: whole and in parts, both ways, and says who does not answer."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import unquote

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nexus.gateway.breaker import FAILURES
from nexus.gateway.routes import Look
from nexus.gateway.upstream import request_head
from tests.gateway.conftest import Front, fronted

Make = Callable[..., Any]


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Says what it was asked, and the digest of the body."""
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    headers = [(b"x-" + name, value) for name, value in scope["headers"]]
    said = "|".join((scope["method"], scope["raw_path"].decode(), scope["query_string"].decode(), hashlib.sha256(body).hexdigest()))
    await send({"type": "http.response.start", "status": 203, "headers": [*headers, (b"content-length", b"%d" % len(said))]})
    await send({"type": "http.response.body", "body": said.encode()})


def digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


async def test_hands_on_method_path_query_headers_and_body(front: Make) -> None:
    one: Front = await front(echo)

    answer = await one.client.post("/api/v1/crm/le%20ads?q=%26&x=1", content=b"{}", headers={"if-match": '"1"', "te": "trailers"})

    assert answer.status_code == 203
    assert answer.text == f"POST|/api/v1/crm/le%20ads|q=%26&x=1|{digest(b'{}')}"
    assert answer.headers["x-if-match"] == '"1"'
    assert "x-te" not in answer.headers, "what speaks of a connection stays there"
    assert answer.headers["x-x-request-id"] == answer.headers["x-request-id"], "one id from end to end"


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "DELETE", "PATCH", "PUT"])
async def test_every_method_goes_on_and_the_connection_is_used_again(front: Make, method: str) -> None:
    one: Front = await front(echo)

    for _ in range(3):
        answer = await one.client.request(method, "/api/v1/crm/leads")
        assert answer.status_code == 203
        assert int(answer.headers["content-length"]) == len(f"{method}|/api/v1/crm/leads||{digest(b'')}")
    assert (answer.text == "") == (method == "HEAD")


async def test_a_body_of_any_size_goes_on_in_parts(front: Make) -> None:
    one: Front = await front(echo)
    parts = [bytes([at % 256]) * 100_000 for at in range(100)]

    async def sent() -> AsyncIterator[bytes]:
        for part in parts:
            yield part

    answer = await one.client.post("/api/v1/crm/leads/import", content=sent())

    assert answer.text.endswith(digest(b"".join(parts)))


async def test_parts_of_an_answer_come_as_they_are_made(front: Make) -> None:
    """The second part is made only when the first has arrived at the client."""
    arrived = asyncio.Event()

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
        await arrived.wait()
        await send({"type": "http.response.body", "body": b"second"})

    one: Front = await front(slow)
    async with one.client.stream("GET", "/api/v1/crm/leads/export") as answer:
        parts = answer.aiter_raw()
        assert await anext(parts) == b"first"
        arrived.set()
        assert await anext(parts) == b"second"


async def test_a_client_that_goes_away_ends_the_answer_behind(front: Make) -> None:
    gone = asyncio.Event()

    async def endless(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
        await receive()
        while (await receive())["type"] != "http.disconnect":
            pass
        gone.set()

    one: Front = await front(endless)
    async with one.client.stream("GET", "/api/v1/crm/stream") as answer:
        await anext(answer.aiter_raw())

    async with asyncio.timeout(20):
        await gone.wait()


async def test_a_slow_reader_does_not_fill_the_gateway(front: Make) -> None:
    """What is made ahead of a reader who does not read is bounded: buffers of the system and of the gateway, not the whole."""
    made = 0

    async def much(scope: Any, receive: Any, send: Any) -> None:
        nonlocal made
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(2_000):
            made += 50_000
            await send({"type": "http.response.body", "body": b"x" * 50_000, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    one: Front = await front(much)
    size = 0
    async with one.client.stream("GET", "/api/v1/crm/leads/export") as answer:
        before = -1
        while made != before:
            before = made
            await asyncio.sleep(0.3)
        assert made < 50_000_000
        async for part in answer.aiter_raw():
            size += len(part)
    assert size == 100_000_000


async def test_an_answer_that_breaks_off_is_no_whole_one(front: Make) -> None:
    async def breaks(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"part", "more_body": True})
        raise RuntimeError("broken")

    one: Front = await front(breaks)

    with pytest.raises(httpx.RemoteProtocolError):
        await one.client.get("/api/v1/crm/leads/export")


async def test_who_does_not_listen_is_named_and_left_in_peace_for_a_moment(front: Make) -> None:
    async with fronted("http://127.0.0.1:9") as one:
        for _ in range(FAILURES):
            answer = await one.client.get("/api/v1/crm/leads")
            assert answer.status_code == 503
            problem = answer.json()
            assert (problem["type"], problem["service"]) == ("/problems/service-unavailable", "crm")
            assert problem["detail"].startswith("The service crm does not answer at the moment: nobody listens there.")
            assert answer.headers["retry-after"] == "1"
        assert one.upstream.breaker.open

        answer = await one.client.get("/api/v1/crm/leads")

        assert answer.status_code == 503
        assert "it is being started again" in answer.json()["detail"]


async def test_who_does_not_answer_in_time_is_named(front: Make) -> None:
    async def never(scope: Any, receive: Any, send: Any) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    one: Front = await front(never, 0.2)

    answer = await one.client.get("/api/v1/crm/leads")

    assert answer.status_code == 504
    assert answer.json()["detail"] == "The service crm has not answered within 0.2 seconds; a write may have happened."


async def test_an_idle_connection_that_was_closed_is_replaced(front: Make) -> None:
    """A read is sent again on a new connection; the client notices nothing."""

    async def closes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        await writer.drain()
        with_more = await reader.read(1)  # the next request: it is dropped unread
        assert isinstance(with_more, bytes)
        writer.close()

    server = await asyncio.start_server(closes, "127.0.0.1", 0)
    async with server, fronted(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}") as one:
        for _ in range(4):
            assert (await one.client.get("/api/v1/crm/leads")).text == "ok"
        first = await one.client.post("/api/v1/crm/leads", content=b"{}")
        assert first.status_code in (200, 503)
        server.close()


async def test_readiness_is_that_of_all_and_one_that_is_away_leaves_the_others(front: Make) -> None:
    async def well(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    one: Front = await front(well)
    assert (await one.client.get("/readyz")).json() == {"status": "ready", "services": {"crm": "ok", "control": "ok"}}
    one.upstream.port = 9
    one.upstream.close()

    answer = await one.client.get("/readyz")

    assert answer.status_code == 200
    assert answer.json() == {"status": "degraded", "services": {"crm": "nobody listens there.", "control": "ok"}}


async def test_a_request_under_way_is_answered_while_the_gateway_ends(front: Make) -> None:
    asked, go = asyncio.Event(), asyncio.Event()

    async def waits(scope: Any, receive: Any, send: Any) -> None:
        asked.set()
        await go.wait()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
        await send({"type": "http.response.body", "body": b"done"})

    one: Front = await front(waits)
    request = asyncio.create_task(one.client.get("/api/v1/crm/leads"))
    await asked.wait()
    one.server.should_exit = True
    with pytest.raises(httpx.TransportError):  # nobody new is let in
        while True:
            async with httpx.AsyncClient() as other:
                await other.get(f"{one.client.base_url}/healthz")
    go.set()

    answer = await request

    assert (answer.status_code, answer.text) == (200, "done")


@settings(deadline=None)
@given(path=st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=20))
def test_any_path_is_the_same_one_behind(path: str) -> None:
    """What the process behind decodes is what the gateway has decoded, and it is one line."""
    head = request_head(Look("/api/v1/crm/" + path), 0)

    line, _, _ = head.partition(b"\r\n")
    method, target, version = line.split(b" ")

    assert (method, version) == (b"GET", b"HTTP/1.1")
    assert unquote(target.decode("ascii")) == "/api/v1/crm/" + path
