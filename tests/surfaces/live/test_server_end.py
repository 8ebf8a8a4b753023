"""The end of a server in the middle of what it tells: asked to stop it says so, killed it leaves nothing out."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from conftest import reachable
from tests.process.conftest import Nexus, free_port
from tests.surfaces.live.server import LEADS, Business, end_of, new_business, next_of, subscribed

LAST = 59


@pytest.fixture
def nexus(tmp_path: Path) -> Iterator[Nexus]:
    """One of its own for a test that ends it; not started yet."""
    made = Nexus(reachable(tmp_path), free_port())
    yield made
    if made.process is not None and made.process.poll() is None:
        made.stop(signal.SIGKILL)


async def test_a_server_that_stops_says_so_and_waits_for_nobody(nexus: Nexus) -> None:
    business = await new_business(await asyncio.to_thread(nexus.start))
    stuck = socket.create_connection(("127.0.0.1", nexus.port))
    stuck.sendall(f"GET /api/v1/stream?topics=> HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {business.key}\r\n\r\n".encode())
    async with business.ready() as client, business.stream(LEADS) as heard:
        begun = await subscribed(client)
        await anext(heard)
        assert nexus.process is not None
        nexus.process.send_signal(signal.SIGTERM)
        assert (await end_of(client))[0] == 1001
        last = await next_of(heard)
        assert (last.event, last.data["type"]) == ("end", "/problems/going-away")
        assert last.retry is not None
    assert await asyncio.to_thread(nexus.process.wait, 60) == 0
    stuck.close()
    await asyncio.to_thread(nexus.start)
    async with business.ready() as client:
        assert await subscribed(client, after=begun) == begun


@dataclass
class Listener:
    """Somebody who hears which city each lead was given, and comes back after every loss."""

    business: Business
    heard: dict[str, list[int]]
    seen: set[str] = field(default_factory=set)
    position: str | None = None
    done: bool = False
    """Nobody writes any more."""

    def complete(self) -> bool:
        return self.done and all(cities[-1:] == [LAST] for cities in self.heard.values())

    async def listen(self) -> None:
        while not self.complete():
            try:
                await self.once()
            except httpx.HTTPError:
                await asyncio.sleep(0.05)

    async def once(self) -> None:
        last = {"last": self.position} if self.position else {}
        async with self.business.stream("nexus.crm.*.lead.updated", **last) as stream:
            async for one in stream:
                self.position = one.id or self.position
                if one.data is not None and one.event is None and "city" in one.data["changed"].split():
                    assert one.data["id"] not in self.seen
                    self.seen.add(one.data["id"])
                    self.heard[one.data["subject"]].append(int(one.data["data"]["city"]))
                if self.complete():
                    return


async def give_cities(business: Business, id: str) -> None:
    """Change a lead again and again, whatever happens to the server."""
    async with business.client() as client:
        n = 0
        while n <= LAST:
            try:
                answer = await client.patch(f"/api/v1/crm/leads/{id}", json={"city": f"{n}"}, headers={"if-match": "*"})
                answer.raise_for_status()
                n += 1
            except httpx.HTTPError:
                await asyncio.sleep(0.05)


async def test_a_server_that_is_killed_leaves_no_gap_and_no_double(nexus: Nexus) -> None:
    """Writers go on while the server is killed; whoever comes back with the last id hears everything once, in order for each record."""
    business = await new_business(await asyncio.to_thread(nexus.start))
    listener = Listener(business, {await business.lead(f"Lead {n}"): [] for n in range(4)})
    listening = asyncio.create_task(listener.listen())
    async with asyncio.timeout(60):
        while listener.position is None:
            await asyncio.sleep(0.01)
    writers = [asyncio.create_task(give_cities(business, id)) for id in listener.heard]
    for _ in range(2):
        async with asyncio.timeout(60):
            before = len(listener.seen)
            while len(listener.seen) < before + 20:
                await asyncio.sleep(0.01)
        await asyncio.to_thread(nexus.stop, signal.SIGKILL)
        await asyncio.to_thread(nexus.start)
    async with asyncio.timeout(120):
        await asyncio.gather(*writers)
        listener.done = True
        await listening
    for cities in listener.heard.values():
        assert sorted(set(cities)) == list(range(LAST + 1))
        assert cities == sorted(cities)  # a write whose answer was lost may have been made twice: then it is told twice
