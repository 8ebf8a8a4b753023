"""Live events of tenants in one cell: what they do is moved when a test says so, and nobody waits for time to pass."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import msgspec
import pytest

from conftest import Database
from nexus.core.service import Service
from nexus.engines.event_log.embedded import EmbeddedEventLog
from nexus.engines.oltp import Call, Oltp, Result
from nexus.engines.oltp.postgres import Postgres
from nexus.runtime.relay import Relay
from nexus.runtime.testing import Harness
from nexus.surfaces.journal import INSERT
from nexus.surfaces.live import Live, LiveEvent, Subscription

PATIENCE = 20.0


class Counted:
    """The database, with the round trips under each tenant's role counted."""

    def __init__(self, inner: Oltp) -> None:
        self._inner = inner
        self.asked: list[str] = []

    async def run(self, schema: str | None, *calls: Call, **how: Any) -> list[Result]:
        if schema is not None:
            self.asked.append(calls[0][0].text)
        return await self._inner.run(schema, *calls, **how)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


@dataclass
class World:
    """A cell with its log, its relay and the live events of one process."""

    oltp: Counted
    log: EmbeddedEventLog
    relay: Relay
    live: Live = field(init=False)
    standing: dict[UUID, tuple[str, str]] = field(default_factory=dict)
    forgotten: list[UUID] = field(default_factory=list)
    pushes: bool = True

    @property
    def logs(self) -> Mapping[str, EmbeddedEventLog]:
        return {"test": self.log}

    def oltp_of(self, cell: str) -> Oltp:
        return self.oltp  # type: ignore[return-value]

    async def settled(self) -> int:
        """Move everything, and wait until it has been handed out; the head of the log."""
        await self.relay.drain()
        head = await self.log.head()
        async with asyncio.timeout(PATIENCE):
            while any(tail.at < head for tail in self.live._tails.values() if len(tail)):
                await asyncio.sleep(0)
        return head

    async def tell(self, who: Harness, name: str, subject: UUID, data: Any, changed: str = "") -> None:
        """An event that no rule of the services tells."""
        envelope = who.caller.cause().envelope(name, subject, msgspec.json.encode(data), changed=changed)
        await self.oltp.run(who.caller.schema, (INSERT, [b"{}", b"[" + envelope + b"]"]))


class _Host:
    """What a process tells its live events, here by a world."""

    def __init__(self, world: World) -> None:
        self._world = world

    @property
    def logs(self) -> Mapping[str, EmbeddedEventLog]:
        return self._world.logs

    def oltp(self, cell: str) -> Oltp:
        return self._world.oltp_of(cell)

    def hears_of_events(self) -> bool:
        return self._world.pushes

    async def standings(self, tenants: Iterable[UUID]) -> dict[UUID, tuple[str, str]]:
        return {tenant: self._world.standing.get(tenant, ("active", "test")) for tenant in tenants}

    def forget(self, tenant: UUID) -> None:
        self._world.forgotten.append(tenant)


@pytest.fixture
async def world(oltp: Postgres, database: Database, services: dict[str, Service]) -> AsyncIterator[World]:
    log = EmbeddedEventLog(oltp)
    made = World(Counted(oltp), log, Relay(oltp, log))
    made.live = Live(_Host(made), services.values())
    await made.relay.drain()
    yield made
    await made.live.stop()


@pytest.fixture
async def other(oltp: Postgres, database: Database, services: dict[str, Service]) -> Harness:
    """Another tenant, seen by its owner."""
    return await Harness.fresh(oltp, database.owner, services.values())


async def got(subscription: Subscription, count: int) -> list[LiveEvent]:
    """The next events, exactly so many."""
    found: list[LiveEvent] = []
    async with asyncio.timeout(PATIENCE):
        while len(found) < count:
            found += await subscription.take()
    assert len(found) == count, [event.type for event in found]
    return found


async def nothing_more(subscription: Subscription) -> None:
    """Everything has been taken."""
    assert await subscription.take(0) == []


def said(event: LiveEvent) -> dict[str, Any]:
    """The data of an event."""
    data: dict[str, Any] = msgspec.json.decode(event.envelope)["data"]
    return data


async def lead(who: Harness, name: str, **more: Any) -> UUID:
    """A lead that somebody makes."""
    answer = await who.api("POST", "/api/v1/crm/leads", {"name": name, **more})
    assert answer.status == 201, answer.body
    return UUID(answer.json()["id"])


def renamed(who: Harness, **changes: Any) -> Harness:
    """The same caller with other facts."""
    return Harness(who._oltp, dataclasses.replace(who.caller, **changes), who._services)
