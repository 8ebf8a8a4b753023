"""WebSockets through the gateway, with the library's own client and server at the ends."""

from __future__ import annotations

import asyncio
import json

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.gateway.conftest import fronted


async def echo(socket: ServerConnection) -> None:
    async for message in socket:
        await socket.send(message)


def ws(url: str) -> str:
    return str(url).replace("http://", "ws://") + "/ws?topic=crm"


async def test_messages_of_any_size_go_both_ways() -> None:
    async with serve(echo, "127.0.0.1", 0, max_size=None) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        async with fronted(f"http://127.0.0.1:{port}") as front, connect(ws(str(front.client.base_url)), max_size=None) as socket:
            for message in ("one", b"\0" * 3_000_000, "three"):
                await socket.send(message)
                assert await socket.recv() == message


async def test_the_end_of_either_side_ends_the_other() -> None:
    gone = asyncio.Event()

    async def closes(socket: ServerConnection) -> None:
        try:
            if await socket.recv() == "go":
                await socket.close(4001, "gone")
            await socket.recv()
        except ConnectionClosed:
            gone.set()

    async with serve(closes, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        async with fronted(f"http://127.0.0.1:{port}") as front:
            async with connect(ws(str(front.client.base_url))) as socket:
                await socket.send("go")
                with pytest.raises(ConnectionClosed) as closed:
                    await socket.recv()
            assert closed.value.rcvd is not None
            assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4001, "gone")
            gone.clear()
            socket = await connect(ws(str(front.client.base_url)))
            await socket.send("stay")
            socket.transport.abort()
            async with asyncio.timeout(20):
                await gone.wait()


async def test_who_does_not_listen_is_named() -> None:
    async with fronted("http://127.0.0.1:9") as front:
        with pytest.raises(InvalidStatus) as refused:
            async with connect(ws(str(front.client.base_url))):
                pass

    assert refused.value.response.status_code == 503
    problem = json.loads(refused.value.response.body or b"")
    assert (problem["type"], problem["service"]) == ("/problems/service-unavailable", "control")
