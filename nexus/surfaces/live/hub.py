"""The live events of a process: who subscribes, from where, and for how long they may."""

from __future__ import annotations

import asyncio
import functools
import logging
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Protocol
from uuid import UUID

from nexus.core.problem import FieldError, Invalid, Problem
from nexus.core.service import Service
from nexus.engines.endings import end
from nexus.engines.event_log import EventLog
from nexus.engines.event_log.patterns import Patterns
from nexus.engines.oltp import DatabaseError, Oltp, Timeout, Unavailable
from nexus.surfaces.calling import Caller
from nexus.surfaces.live.checks import LiveEvent
from nexus.surfaces.live.problems import Gap, GoingAway, Relocated
from nexus.surfaces.live.subscription import Renew, Subscription
from nexus.surfaces.live.tail import Tail
from nexus.surfaces.live.topics import Topic, topics_of, wanted

__all__ = ["Host", "Live"]

_log = logging.getLogger("nexus.live")
_LOOK: Final = 2.0
"""Seconds between looks at the state of the tenants that have subscribers: one statement for all of them."""
_RENEW: Final = 60.0
"""Seconds after which a credential is checked again though nothing was heard of it: it may have expired."""
_PAGE: Final = 100
_POSITION: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_]{0,62}):(0|[1-9][0-9]{0,17})")
_patterns: Final = functools.lru_cache(1_000)(Patterns)


class Host(Protocol):
    """What a process tells its live events."""

    @property
    def logs(self) -> Mapping[str, EventLog]:
        """The event log of each cell."""
        ...

    def oltp(self, cell: str) -> Oltp: ...

    def hears_of_events(self) -> bool:
        """Whether something of this process tells the logs how far they reach."""
        ...

    async def standings(self, tenants: Iterable[UUID]) -> Mapping[UUID, tuple[str, str]]:
        """The state and the cell of each of these tenants now."""
        ...

    def forget(self, tenant: UUID) -> None:
        """Believe nothing any more of what is known of a tenant and its credentials."""
        ...


class Live:
    """Subscriptions to what happens, for every protocol alike."""

    def __init__(self, host: Host, services: Iterable[Service]) -> None:
        self._host = host
        self._services = list(services)
        self._tails: dict[str, Tail] = {}
        self._everyone: set[Subscription] = set()
        self._watching: asyncio.Task[None] | None = None
        self.going_away = asyncio.Event()
        """The process stops: no subscription begins any more."""
        self.ends: dict[str, int] = {}
        """How many subscriptions have ended by the server's will, by the problem's code."""

    @functools.cached_property
    def topics(self) -> dict[str, Topic]:
        """Every topic by its type."""
        return topics_of(self._services)

    def __len__(self) -> int:
        return len(self._everyone)

    @property
    def tails(self) -> Mapping[str, Tail]:
        """The readers of the logs that anybody has followed, by cell."""
        return self._tails

    def following(self, cell: str) -> int:
        """How many subscriptions there are to a cell's events."""
        return sum(1 for one in self._everyone if one.cell == cell)

    def delivered(self) -> dict[str, int]:
        """How many events have been put into queues, by cell."""
        return {name: tail.delivered for name, tail in self._tails.items()}

    async def subscribe(
        self, caller: Caller, patterns: Sequence[str], after: str | None = None, renew: Renew | None = None, field: str = "after"
    ) -> Subscription:
        """Follow what a caller may see of some topics, from a position on or from now.

        `patterns` are the log's, within the caller's own tenant: `nexus.crm.*.deal.won`, `nexus.crm.>`. `after` is the id of an event, or
        the position of a subscription. `renew` checks the credential again; without it, it is believed for ever.
        Invalid (422) for a pattern or a position (told as `field`) that is none, Forbidden (403) for what the caller may not read at all,
        Gap (410) where not everything after the position is kept. Raises what the engines raise. It begins where it is asked for, and takes
        up room once something is taken from it.
        """
        if self.going_away.is_set():
            raise GoingAway(what=GoingAway.what)
        topics = wanted(patterns, caller.tenant.id, self.topics, caller.rights)
        tail = self._tail(caller.cell)
        start = await tail.end() if after is None else await self._start(after, caller, tail.log, field)
        subscription = Subscription(caller, topics, _patterns(topics), start, self, renew)
        subscription.renewed_at = time.monotonic()
        return subscription

    def _tail(self, cell: str) -> Tail:
        if cell not in self._tails:
            self._tails[cell] = Tail(
                cell, self._host.logs[cell], self._host.oltp(cell), self.topics, self._access_changed, self._host.hears_of_events
            )
        return self._tails[cell]

    # What a subscription asks of its source

    async def catch_up(self, subscription: Subscription) -> list[LiveEvent]:
        """A page of what it has missed. Ends it with Gap where retention was quicker."""
        if self.going_away.is_set():
            subscription.end(GoingAway(what=GoingAway.what))
            return []
        self._everyone.add(subscription)
        if self._watching is None or self._watching.done():
            self._watching = asyncio.create_task(self._watch(), name="live credentials")
        tail, start = self._tails[subscription.cell], subscription.at
        if tail.has_all_before(start):
            tail.add(subscription)
            return []
        page = await tail.log.read(start, subscription.topics, _PAGE)
        if await tail.log.floor() > start:
            subscription.end(Gap(after=f"{subscription.cell}:{start}"))
            return []
        seen = await tail.seen(subscription.caller, page.events)
        subscription.at = page.upto
        if page.upto >= tail.head and subscription in self._everyone:
            tail.add(subscription)
        return seen

    def handed_out(self, subscription: Subscription) -> int:
        """The position up to which a live subscription has been told everything."""
        return self._tails[subscription.cell].at if subscription.live else -1

    def leave(self, subscription: Subscription) -> None:
        """Tell it no more."""
        if subscription.ended is not None and subscription in self._everyone:
            code = subscription.ended.code()
            self.ends[code] = self.ends.get(code, 0) + 1
        self._everyone.discard(subscription)
        self._tails[subscription.cell].remove(subscription)

    async def _start(self, after: str, caller: Caller, log: EventLog, field: str) -> int:
        """The position to go on after; one of the cell that the tenant has left is found here as well. Invalid (422), Gap (410)."""
        found = _POSITION.fullmatch(after)
        if found is None:
            raise Invalid.of(FieldError(field, f"is the id of an event, such as {caller.cell}:1204, not {after[:80]!r}"))
        position = int(found[2])
        if found[1] != caller.cell:
            moved = await self._moved(caller.schema, found[1], position, caller.cell)
            if moved is None:
                raise Gap(after=after)
            return moved
        if not await log.floor() <= position <= await log.head():
            raise Gap(after=after)
        return position

    async def _moved(self, schema: str, source: str, position: int, target: str) -> int | None:
        """Where the events of a tenant go on in another cell after a position of this one; None once this one does not know them any more."""
        logs = self._host.logs
        if source not in logs or target not in logs or not await logs[source].floor() <= position <= await logs[source].head():
            return None
        before = await logs[source].last_of(schema, position)
        if before is not None:
            return await logs[target].position_of(schema, before)
        first = await logs[source].first_of(schema)
        at = None if first is None else await logs[target].position_of(schema, first)
        return None if at is None else at - 1

    # For how long they may

    async def _access_changed(self, schema: str) -> None:
        """Somebody's access to a tenant changed: see who may still listen, before they are told more."""
        own = [one for one in self._everyone if one.caller.schema == schema]
        if own:
            self._host.forget(own[0].caller.tenant.id)
            await self._renew(own)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_LOOK)
            try:
                await self._look()
            except (Unavailable, Timeout, DatabaseError) as away:
                _log.warning("who may listen cannot be seen: %s", away)

    async def _look(self) -> None:
        """End what has been suspended or moved, and check again who has been believed for long."""
        by_tenant: dict[UUID, list[Subscription]] = {}
        for one in self._everyone:
            by_tenant.setdefault(one.caller.tenant.id, []).append(one)
        if not by_tenant:
            return
        standings = await self._host.standings(by_tenant)
        old = time.monotonic() - _RENEW
        for tenant, some in by_tenant.items():
            state, cell = standings.get(tenant, ("purged", ""))
            if state != "active" or cell != some[0].cell:
                self._host.forget(tenant)
                await self._renew(some)
            else:
                await self._renew([one for one in some if one.renewed_at < old])

    async def _renew(self, subscriptions: Iterable[Subscription]) -> None:
        """Check credentials again, each once."""
        by_key: dict[object, list[Subscription]] = {}
        for one in subscriptions:
            if one.renew is not None:
                by_key.setdefault(one.caller.key_id or one, []).append(one)
        for some in by_key.values():
            assert some[0].renew is not None
            await self._apply(some, some[0].renew)

    async def _apply(self, subscriptions: list[Subscription], renew: Renew) -> None:
        try:
            caller = await renew()
        except Problem as refusal:
            for one in subscriptions:
                one.end(refusal)
            return
        elsewhere = [(one, await self._onwards(one, caller)) for one in subscriptions if caller.cell != one.cell]
        for one in subscriptions:
            one.renewed_at = time.monotonic()
            one.caller = caller if caller.cell == one.cell else one.caller
        for one, after in elsewhere:
            one.end(Relocated(what=Relocated.what, after=after))

    async def _onwards(self, one: Subscription, caller: Caller) -> str | None:
        """Where somebody goes on in the cell to which the tenant has moved, after what it has taken here."""
        moved = await self._moved(caller.schema, one.cell, int(one.position.rpartition(":")[2]), caller.cell)
        return None if moved is None else f"{caller.cell}:{moved}"

    async def go_away(self) -> None:
        """The process stops: end every subscription, and begin none."""
        self.going_away.set()
        for one in list(self._everyone):
            one.end(GoingAway(what=GoingAway.what))

    async def stop(self) -> None:
        """End all work."""
        await self.go_away()
        if self._watching is not None:
            await end([self._watching])
        for tail in self._tails.values():
            await tail.stop()
