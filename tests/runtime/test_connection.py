"""The connection of the HTTP server, over a real socket: its short way, uvicorn's long one, and the change from one to the other."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
import uvicorn
from uvicorn.server import ServerState

from nexus.runtime import app as app_module
from nexus.runtime import connection as connection_module
from nexus.runtime.app import App, Raw
from nexus.runtime.connection import SMALL, Connection
from nexus.surfaces.calling import Caller
from nexus.surfaces.rest import Rest
from nexus.surfaces.rest.message import Response

TEXT = (b"content-type", b"text/plain")


@dataclass
class Site:
    """A server with a few pages of its own."""

    config: uvicorn.Config
    port: int = 0
    state: ServerState = field(default_factory=ServerState)
    go: asyncio.Event = field(default_factory=asyncio.Event)
    entered: asyncio.Event = field(default_factory=asyncio.Event)
    asked: list[str] = field(default_factory=list)

    async def echo(self, raw: Raw) -> Response:
        self.asked.append(raw.path)
        body = await raw.body() if raw.method == "POST" else raw.query
        return Response(200, raw.method.encode() + b" " + raw.path.encode() + b" " + body, [TEXT])

    async def stream(self, raw: Raw) -> Response:
        async def parts() -> AsyncIterator[bytes]:
            for part in (b"one,", b"two,", b"three"):
                yield part

        return Response(200, b"", [TEXT], stream=parts())

    async def endless(self, raw: Raw) -> Response:
        async def parts() -> AsyncIterator[bytes]:
            try:
                while True:
                    yield b"x" * 1000
                    await asyncio.sleep(0)
            finally:
                self.go.set()

        return Response(200, b"", [TEXT], stream=parts())

    async def slow(self, raw: Raw) -> Response:
        self.entered.set()
        await self.go.wait()
        return Response(200, b"at last", [TEXT])

    async def evil(self, raw: Raw) -> Response:
        return Response(200, b"x", [(b"x-evil", b"a\r\nset-cookie: b")])

    async def gone(self, raw: Raw) -> Response:
        return Response(304, b"", [(b"etag", b'"1"')])

    async def ask(self, *pieces: bytes, until: bytes = b"") -> bytes:
        """Send pieces one by one, and read until the server closes or `until` has come."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        async with asyncio.timeout(10):
            said = await reader.readuntil(until) if until else await reader.read()
        writer.close()
        return said


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async def nobody(token: str) -> Caller:
        raise AssertionError("no page here asks who it is")

    config = uvicorn.Config(App(Rest(None, []), nobody, [], body_limit=1 << 20), http=Connection, lifespan="off", proxy_headers=False)  # type: ignore[arg-type]
    config.load()
    made = Site(config)
    pages = [(f"/{name}", getattr(made, name)) for name in ("echo", "stream", "endless", "slow", "evil", "gone")] + [("/e/*", made.echo)]
    config.loaded_app = App(Rest(None, []), nobody, pages, body_limit=1 << 20)  # type: ignore[arg-type]
    server = await asyncio.get_running_loop().create_server(lambda: Connection(config, made.state, {}), "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    yield made
    server.close()
    made.go.set()
    for connection in list(made.state.connections):
        connection.shutdown()
    await asyncio.gather(*made.state.tasks)


def get(path: str, *headers: str, version: str = "1.1", method: str = "GET") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/{version}", "Host: x", *headers, "", ""]).encode()


CLOSE = "Connection: close"


async def test_answers_in_one_piece_with_its_length(site: Site) -> None:
    said = await site.ask(get("/echo?a=1", CLOSE))
    head, _, body = said.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert (b"content-length: 13" in head, b"connection: close" in head, b"x-request-id: " in head) == (True, True, True)
    assert body == b"GET /echo a=1"


async def test_one_connection_serves_one_request_after_the_other(site: Site) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    for n in range(5):
        writer.write(get(f"/echo?{n}"))
        assert (await reader.readuntil(b"GET /echo %d" % n)).startswith(b"HTTP/1.1 200 OK")
    writer.close()


async def test_requests_sent_ahead_are_answered_in_order(site: Site) -> None:
    ahead = b"".join(get(f"/echo?{n}") for n in range(5)) + get("/stream") + get("/echo?last", CLOSE)
    said = await site.ask(ahead)
    found = [said.find(b"GET /echo %d" % n) for n in range(5)] + [said.find(b"three"), said.find(b"GET /echo last")]
    assert -1 not in found
    assert found == sorted(found)


async def test_a_request_sent_ahead_waits_for_a_slow_one(site: Site) -> None:
    asked = asyncio.create_task(site.ask(get("/slow") + get("/echo?after", CLOSE)))
    await site.entered.wait()
    assert site.asked == []
    site.go.set()
    said = await asked
    assert said.find(b"at last") < said.find(b"GET /echo after")


@pytest.mark.parametrize("size", [0, 1, 1_000, SMALL, SMALL + 1, 300_000])
async def test_bodies_of_every_size_arrive_whole_however_they_are_cut(site: Site, size: int) -> None:
    body = bytes(97 + n % 26 for n in range(size))
    whole = get("/echo", f"Content-Length: {size}", CLOSE, method="POST") + body
    for cut in (len(whole), 20, len(whole) - size, len(whole) - size // 2):
        assert (await site.ask(whole[:cut], whole[cut:])).endswith(b"POST /echo " + body)


async def test_a_chunked_body_takes_the_long_way(site: Site) -> None:
    head = get("/echo", "Transfer-Encoding: chunked", CLOSE, method="POST")
    assert (await site.ask(head, b"3\r\nabc\r\n", b"2\r\nde\r\n0\r\n\r\n")).endswith(b"POST /echo abcde")


async def test_a_client_that_asks_first_is_told_to_continue(site: Site) -> None:
    head = get("/echo", "Content-Length: 3", "Expect: 100-continue", CLOSE, method="POST")
    said = await site.ask(head, b"abc")
    assert said.startswith(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert said.endswith(b"POST /echo abc")


async def test_a_body_past_the_limit_is_refused(site: Site) -> None:
    said = await site.ask(get("/echo", f"Content-Length: {2 << 20}", CLOSE, method="POST"), until=b"\r\n\r\n")
    assert said.startswith(b"HTTP/1.1 413 ")


async def test_head_tells_the_length_and_sends_no_body(site: Site) -> None:
    head, _, body = (await site.ask(get("/echo?a", CLOSE, method="HEAD"))).partition(b"\r\n\r\n")
    assert b"content-length: 12" in head
    assert body == b""


async def test_not_modified_has_neither_body_nor_length(site: Site) -> None:
    said = await site.ask(get("/gone", CLOSE))
    assert said.startswith(b"HTTP/1.1 304 Not Modified\r\n")
    assert b"content-length" not in said


@pytest.mark.parametrize("headers", [[], ["Expect: 100-continue"]])
async def test_a_stream_ends_when_its_reader_goes_away(site: Site, headers: list[str]) -> None:
    await site.ask(get("/endless", *headers), until=b"xxx")
    async with asyncio.timeout(10):
        await site.go.wait()


async def test_a_stream_is_sent_in_chunks_and_the_connection_goes_on(site: Site) -> None:
    said = await site.ask(get("/stream") + get("/echo?next", CLOSE))
    assert b"transfer-encoding: chunked" in said
    assert b"4\r\none,\r\n4\r\ntwo,\r\n5\r\nthree\r\n0\r\n\r\n" in said
    assert said.endswith(b"GET /echo next")


async def test_the_old_protocol_and_paths_with_escapes_are_understood(site: Site) -> None:
    assert (await site.ask(get("/echo?old", version="1.0"))).endswith(b"GET /echo old")
    assert (await site.ask(get("/e/%C3%A9t%C3%A9", CLOSE))).endswith("GET /e/été ".encode())
    assert (await site.ask(get("http://x/echo?absolute", CLOSE))).endswith(b"GET /echo absolute")


@pytest.mark.parametrize("bad", [b"nonsense\r\n\r\n", b"GET /echo HTTP/1.1\r\nHost x\r\n\r\n", b"GET /\xff HTTP/1.1\r\n\r\n"])
async def test_what_is_no_request_is_refused_and_the_connection_closed(site: Site, bad: bytes) -> None:
    assert (await site.ask(bad)).startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert site.asked == []


async def test_two_lengths_are_refused(site: Site) -> None:
    said = await site.ask(get("/echo", "Content-Length: 1", "Content-Length: 2", method="POST") + b"ab")
    assert said.startswith(b"HTTP/1.1 400 ")


async def test_a_header_can_not_smuggle_a_line(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.CRITICAL, "uvicorn.error"):
        assert await site.ask(get("/evil")) == b""


async def test_a_client_that_leaves_disturbs_nobody(site: Site) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(get("/slow"))
    await site.entered.wait()
    writer.transport.abort()
    _, leaving = await asyncio.open_connection("127.0.0.1", site.port)
    leaving.write(get("/echo", "Content-Length: 10", method="POST") + b"abc")
    leaving.transport.abort()
    site.go.set()
    await asyncio.gather(*site.state.tasks)
    assert (await site.ask(get("/echo?still", CLOSE))).endswith(b"GET /echo still")


async def test_what_is_being_answered_when_the_server_stops_is_answered(site: Site) -> None:
    asked = asyncio.create_task(site.ask(get("/slow")))
    await site.entered.wait()
    for connection in list(site.state.connections):
        connection.shutdown()
    site.go.set()
    assert (await asked).endswith(b"at last")


async def test_an_idle_connection_is_closed_and_a_busy_one_is_not(site: Site) -> None:
    site.config.timeout_keep_alive = 0
    assert (await site.ask(get("/echo?a"))).endswith(b"GET /echo a")
    asked = asyncio.create_task(site.ask(get("/stream") + get("/slow")))
    await site.entered.wait()
    for _ in range(20):
        await site.ask(get("/echo?b"))
    site.go.set()
    assert (await asked).endswith(b"at last")


@pytest.mark.parametrize(
    "pieces",
    [[b""], [b"GET /ec"], [get("/echo"), b"GET /ec", b"ho HTTP/1.1\r\n"], [get("/echo", "Content-Length: 9", method="POST") + b"ab"]],
)
async def test_a_request_that_does_not_come_is_not_waited_for(site: Site, monkeypatch: pytest.MonkeyPatch, pieces: list[bytes]) -> None:
    monkeypatch.setattr(connection_module, "ARRIVAL", 0.05)
    said = await site.ask(*pieces)
    assert said.endswith(b"GET /echo ") if len(pieces) > 1 else said == b""


async def test_a_head_without_end_is_refused(site: Site) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(b"GET /echo HTTP/1.1\r\nX: ")
    async with asyncio.timeout(10):
        while not any(getattr(one, "_begun", None) for one in site.state.connections):
            await asyncio.sleep(0)
        writer.write(b"a" * (connection_module.HEAD + SMALL + 1))
        said = await reader.read()
    writer.close()
    assert said.startswith(b"HTTP/1.1 400 ")
    assert site.asked == []
    assert (await site.ask(get("/echo?next", f"X: {'a' * 50_000}", CLOSE))).endswith(b"GET /echo next")


@pytest.mark.parametrize("head", ["Transfer-Encoding: chunked", f"Content-Length: {SMALL + 1}"])
async def test_a_body_that_stops_coming_is_not_waited_for(site: Site, monkeypatch: pytest.MonkeyPatch, head: str) -> None:
    monkeypatch.setattr(app_module, "PATIENCE", 0.05)
    site.config.timeout_keep_alive = 0
    said = await site.ask(get("/echo", head, method="POST") + b"2\r\nab\r\n")
    assert said.startswith(b"HTTP/1.1 400 ")
    assert b"stopped coming" in said
