"""A server of its own for tests of live events, and clients of it: others' WebSockets, and a reader of server-sent events."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.process.conftest import Nexus

PATIENCE = 60.0
LEADS = "nexus.crm.*.lead.*"


@dataclass
class Heard:
    """One thing that came over a stream."""

    id: str | None = None
    event: str | None = None
    data: Any = None
    comments: list[str] = field(default_factory=list)
    retry: int | None = None


async def events_of(response: httpx.Response) -> AsyncGenerator[Heard]:
    """What comes over a stream, comments and bare ids as well, as the standard says it is to be read."""
    heard, data, empty = Heard(), list[str](), True
    async for line in response.aiter_lines():
        if not line:
            if not empty:
                heard.data = json.loads("\n".join(data)) if data else None
                yield heard
            heard, data, empty = Heard(), [], True
            continue
        empty = False
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "":
                heard.comments.append(value)
            case "id":
                heard.id = value
            case "event":
                heard.event = value
            case "data":
                data.append(value)
            case "retry":
                heard.retry = int(value)
            case _:
                raise AssertionError(f"a stream has no {name!r}")


@dataclass
class Business:
    """A tenant of a server, and how it asks."""

    nexus: Nexus
    key: str

    def as_(self, key: str) -> Business:
        return Business(self.nexus, key)

    @contextlib.asynccontextmanager
    async def client(self) -> AsyncIterator[httpx.AsyncClient]:
        headers = {"authorization": f"Bearer {self.key}"}
        async with httpx.AsyncClient(base_url=self.nexus.url, headers=headers, timeout=PATIENCE, trust_env=False) as client:
            yield client

    @contextlib.asynccontextmanager
    async def stream(self, *topics: str, last: str | None = None, **parameters: str) -> AsyncIterator[AsyncGenerator[Heard]]:
        query = urlencode({"topics": ",".join(topics), **parameters})
        async with self.client() as client:
            headers = {"last-event-id": last} if last is not None else {}
            async with client.stream("GET", f"/api/v1/stream?{query}", headers=headers) as response:
                response.raise_for_status()
                assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
                heard = events_of(response)
                yield heard
                await heard.aclose()

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        status, answer = await asyncio.to_thread(self.nexus.ask, method, path, body, token=self.key)
        assert status < 300, (status, answer)
        return answer

    async def lead(self, name: str, **more: Any) -> str:
        made: str = (await self.ask("POST", "/api/v1/crm/leads", {"name": name, **more}))["id"]
        return made

    def socket(self, **how: Any) -> connect:
        headers = {"authorization": f"Bearer {self.key}"} if self.key else {}
        return connect(f"ws://127.0.0.1:{self.nexus.port}/ws", additional_headers=headers, proxy=None, **how)

    @contextlib.asynccontextmanager
    async def ready(self, **how: Any) -> AsyncIterator[ClientConnection]:
        async with self.socket(**how) as client:
            assert (await said(client))["type"] == "ready"
            yield client


async def next_of(heard: AsyncGenerator[Heard]) -> Heard:
    """The next event, or the end; signs of life are not meant."""
    async with asyncio.timeout(PATIENCE):
        async for one in heard:
            if one.data is not None:
                return one
    raise AssertionError("the stream has ended")


async def new_business(nexus: Nexus) -> Business:
    """A tenant whose activation has been told to its end."""
    made = Business(nexus, await asyncio.to_thread(nexus.activate, slug=f"b-{uuid4().hex[:12]}"))
    async with made.stream("nexus.crm.*.competitor.created") as heard:
        await anext(heard)
        await made.ask("POST", "/api/v1/crm/competitors", {"name": "The end"})
        await next_of(heard)
    return made


async def said(client: ClientConnection) -> Any:
    """The next message; heartbeats are not meant."""
    async with asyncio.timeout(PATIENCE):
        while True:
            message = json.loads(await client.recv())
            if message["type"] != "heartbeat":
                return message


async def tell(client: ClientConnection, **message: Any) -> Any:
    """Send a message; the answer."""
    await client.send(json.dumps(message))
    return await said(client)


async def subscribed(client: ClientConnection, id: str = "all", *topics: str, **more: Any) -> str:
    """Subscribe; the position at which it begins."""
    answer = await tell(client, type="subscribe", id=id, topics=list(topics) or [LEADS], **more)
    assert (answer["type"], answer["id"]) == ("subscribed", id), answer
    position: str = answer["position"]
    return position


async def end_of(client: ClientConnection) -> tuple[int, str]:
    """How the server ends it, whatever it says before."""
    async with asyncio.timeout(PATIENCE):
        try:
            while True:
                await client.recv()
        except ConnectionClosed as closed:
            assert closed.rcvd is not None, closed
            return closed.rcvd.code, closed.rcvd.reason


__all__ = ["Business", "Heard", "end_of", "events_of", "new_business", "next_of", "said", "subscribed", "tell"]
