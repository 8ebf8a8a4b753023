"""WebSockets through the real server: how they open, are refused and end, with a client that others wrote."""

from __future__ import annotations

import asyncio
import logging
import socket as sockets_module
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
import uvicorn
from uvicorn.server import ServerState
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from nexus.core.problem import Forbidden, Unauthenticated
from nexus.runtime import websocket as websocket_module
from nexus.runtime.app import App
from nexus.runtime.connection import Connection
from nexus.runtime.websocket import LARGEST, WebSocket
from nexus.surfaces.calling import Caller
from nexus.surfaces.rest import Rest
from nexus.surfaces.sockets import Gone, Socket


@dataclass
class Site:
    """A server with a few sockets of its own."""

    config: uvicorn.Config
    app: App | None = None
    port: int = 0
    state: ServerState = field(default_factory=ServerState)
    ended: asyncio.Queue[int] = field(default_factory=asyncio.Queue)

    async def echo(self, socket: Socket) -> None:
        await socket.accept(next(iter(socket.offered), None))
        try:
            while True:
                said = await socket.receive()
                await socket.send(said if isinstance(said, str) else said.hex())
        except Gone as gone:
            self.ended.put_nowait(gone.code)
            raise

    async def shut(self, socket: Socket) -> None:
        raise Unauthenticated(reason="Nobody comes in here.")

    async def strict(self, socket: Socket) -> None:
        await socket.accept()
        raise Forbidden(permission="crm.deal:read")

    async def broken(self, socket: Socket) -> None:
        await socket.accept()
        raise KeyError("secret")

    async def brief(self, socket: Socket) -> None:
        await socket.accept()
        await socket.send("that is all")

    async def flood(self, socket: Socket) -> None:
        await socket.accept()
        try:
            while True:
                await socket.send("x" * 10_000)
        except Gone as gone:
            self.ended.put_nowait(gone.code)
            raise

    def open(self, name: str, **how: object) -> connect:
        return connect(f"ws://127.0.0.1:{self.port}/{name}", proxy=None, **how)  # type: ignore[arg-type]


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async def nobody(token: str) -> Caller:
        raise AssertionError("no socket here asks who it is")

    config = uvicorn.Config("nowhere", http=Connection, ws=WebSocket, ws_max_size=LARGEST, lifespan="off", proxy_headers=False)
    made = Site(config)
    named = {f"/{name}": getattr(made, name) for name in ("echo", "shut", "strict", "broken", "brief", "flood")}
    made.app = config.app = App(Rest(None, []), nobody, [], body_limit=1 << 20, sockets=named)  # type: ignore[arg-type]
    config.load()
    server = await asyncio.get_running_loop().create_server(lambda: Connection(config, made.state, {}), "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    yield made
    server.close()
    for connection in list(made.state.connections):
        connection.shutdown()
    await asyncio.gather(*made.state.tasks)


async def end_of(client: ClientConnection) -> tuple[int, str]:
    """How the server ends it."""
    async with asyncio.timeout(10):
        try:
            while True:
                await client.recv()
        except ConnectionClosed as closed:
            assert closed.rcvd is not None
            return closed.rcvd.code, closed.rcvd.reason


async def test_text_and_bytes_go_both_ways(site: Site) -> None:
    async with site.open("echo") as client:
        for said in ("one", "zwölf", "x" * 500_000):
            await client.send(said)
            assert await client.recv() == said
        await client.send(b"\x01\x02")
        assert await client.recv() == "0102"
        assert client.response is not None
        assert client.response.headers["x-request-id"]


async def test_a_subprotocol_and_a_request_id_are_taken_over(site: Site) -> None:
    async with site.open("echo", subprotocols=["a", "b"], additional_headers={"X-Request-Id": "mine"}) as client:
        assert client.subprotocol == "a"
        assert client.response is not None
        assert client.response.headers["x-request-id"] == "mine"


async def test_a_client_that_leaves_is_noticed(site: Site) -> None:
    async with site.open("echo") as client:
        await client.close(4000, "enough")
    async with asyncio.timeout(10):
        assert await site.ended.get() == 4000


async def test_no_is_said_with_a_problem_before_it_opens(site: Site) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with site.open("shut"):
            pass
    response = refused.value.response
    assert (response.status_code, response.headers["content-type"]) == (401, "application/problem+json")
    assert response.headers["www-authenticate"] == 'Bearer realm="nexus"'
    assert b"Nobody comes in here." in (response.body or b"")


async def test_a_path_without_a_socket_is_not_found(site: Site) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with site.open("nothing"):
            pass
    assert refused.value.response.status_code == 404


async def test_a_refusal_later_is_a_code_and_a_reason(site: Site) -> None:
    async with site.open("strict") as client:
        assert await end_of(client) == (4403, "This credential does not allow crm.deal:read.")


async def test_a_bug_tells_nothing_but_the_request(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.CRITICAL, "nexus.app"):
        async with site.open("broken", additional_headers={"X-Request-Id": "mine"}) as client:
            assert await end_of(client) == (1011, "Internal error, request mine")


async def test_a_socket_ends_when_its_endpoint_has_nothing_more_to_say(site: Site) -> None:
    async with site.open("brief") as client:
        assert await client.recv() == "that is all"
        assert await end_of(client) == (1000, "")


async def test_a_message_past_the_limit_ends_it(site: Site) -> None:
    async with site.open("echo") as client:
        await client.send("x" * (LARGEST + 1))
        assert (await end_of(client))[0] == 1009


async def test_a_request_that_is_no_websocket_is_told_so(site: Site) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(b"GET /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    said = await reader.read()
    writer.close()
    assert said.startswith(b"HTTP/1.1 426 ")
    assert b"/problems/upgrade-required" in said


async def test_whoever_is_connected_is_told_that_the_server_stops(site: Site) -> None:
    async with site.open("echo") as one, site.open("echo") as other:
        await one.send("there")
        await one.recv()
        assert site.app is not None
        await site.app.go_away()
        assert await end_of(one) == (1001, "The server stops; connect again.")
        assert (await end_of(other))[0] == 1001


async def test_a_client_that_does_not_read_is_cut_when_the_server_stops(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket_module, "STOPPING", 0.05)
    monkeypatch.setattr("nexus.runtime.app._FAREWELL", 0.05)
    with sockets_module.socket() as client:
        client.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(client, ("127.0.0.1", site.port))
        ask = b"GET /flood HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        await loop.sock_sendall(client, ask + b"Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Version: 13\r\n\r\n")
        assert (await loop.sock_recv(client, 12)) == b"HTTP/1.1 101"
        (open_,) = site.state.connections
        assert isinstance(open_, WebSocket)
        async with asyncio.timeout(10):
            while open_.writable.is_set():
                await asyncio.sleep(0)
            assert site.app is not None
            await site.app.go_away()
            open_.shutdown()
            while site.state.connections:
                await asyncio.sleep(0.01)
            assert await site.ended.get() == 1001
