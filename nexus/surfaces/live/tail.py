"""The tail of one cell's log: one reader for all subscribers of this process, and none while there are none."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Final

from nexus.core.problem import Unavailable as Away
from nexus.engines.endings import end
from nexus.engines.event_log import EventLog, LoggedEvent
from nexus.engines.oltp import DatabaseError, Oltp, Timeout, Unavailable
from nexus.surfaces.calling import Caller
from nexus.surfaces.live.checks import LiveEvent, shown, who
from nexus.surfaces.live.subscription import Subscription
from nexus.surfaces.live.topics import Topic

__all__ = ["Tail"]

_log = logging.getLogger("nexus.live")
_PAGE: Final = 500
_LOOK: Final = 0.25
"""Seconds between looks at the head of a log that another process moves."""
_IDLE: Final = 5.0
_FIRST_PAUSE: Final = 0.1
_ACCESS: Final = "nexus.auth."
"""Topics of events after which a caller may no longer be who it was."""


class Tail:
    """Follows a log from its end on and hands each event to the subscribers who may see it."""

    def __init__(
        self,
        cell: str,
        log: EventLog,
        oltp: Oltp,
        topics: Mapping[str, Topic],
        changed: Callable[[str], Awaitable[None]],
        told: Callable[[], bool],
    ) -> None:
        """`changed`: somebody's access in a schema changed; `told`: whether something of this process tells the log how far it reaches."""
        self.log = log
        self.cell = cell
        self.at = -1
        """Up to here everything has been handed out."""
        self.head = -1
        """Up to here everything has been handed out or is being handed out."""
        self.delivered = 0
        self._oltp = oltp
        self._topics = topics
        self._changed = changed
        self._told = told
        self._subscribers: dict[str, set[Subscription]] = {}
        self._following: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()

    def __len__(self) -> int:
        return sum(len(some) for some in self._subscribers.values())

    def _begin(self) -> None:
        if self._following is None or self._following.done():
            self._following = asyncio.create_task(self._follow(), name=f"live events of {self.cell}")

    async def stop(self) -> None:
        """End that work."""
        if self._following is not None:
            await end([self._following])
            self._following = None

    async def lag(self) -> int:
        """How many events of the log have not been handed out, where anybody waits for them. Raises what the engine raises."""
        return max(0, await self.log.head() - self.at) if self._subscribers else 0

    async def end(self) -> int:
        """Where somebody begins who follows from now on. Raises what the engine raises."""
        if not self._subscribers:  # nobody has kept the head up to date
            return max(self.head, await self.log.head())
        return self.head

    def has_all_before(self, position: int) -> bool:
        """Whether somebody who has everything up to a position can be told the rest from here."""
        return bool(self._subscribers) and position >= self.head

    def add(self, subscription: Subscription) -> None:
        """From here on this one is told; it has everything up to the head, or more."""
        if not self._subscribers:
            self.at = self.head = max(self.head, subscription.at)
        self._subscribers.setdefault(subscription.caller.schema, set()).add(subscription)
        subscription.live = True
        self._begin()

    def remove(self, subscription: Subscription) -> None:
        """It goes, or has gone."""
        some = self._subscribers.get(subscription.caller.schema)
        if some is not None:
            some.discard(subscription)
            if not some:
                del self._subscribers[subscription.caller.schema]

    async def seen(self, caller: Caller, events: Sequence[LoggedEvent]) -> list[LiveEvent]:
        """Those of some events of a caller's own tenant that it may see, in order."""
        if not events:
            return []
        found = await shown(self._oltp, self.cell, caller.schema, events, [caller], self._topics)
        sees = found[caller.rights, who(caller)]
        return [sees[key] for key in sorted(sees)]

    async def _follow(self) -> None:
        pause = _FIRST_PAUSE
        while True:
            try:
                await self._step()
                pause = _FIRST_PAUSE
            except (Unavailable, Timeout) as away:
                _log.warning("the events of %s wait for its database: %s", self.cell, away)
                await asyncio.sleep(pause)
                pause = min(pause * 2, 2.0)

    async def _step(self) -> None:
        at = self.at
        page = await self.log.read(at, (">",), _PAGE)
        self.head = max(self.head, page.upto)
        if page.events:
            await self._hand_out(page.events)
        self.at = max(self.at, page.upto)
        if page.upto == at:
            await self._wait(at)

    async def _wait(self, at: int) -> None:
        if self._told():
            await self.log.wait(at, _IDLE)
            return
        await self.log.wait(at, _LOOK)
        if self._subscribers:
            await self.log.head()

    async def _hand_out(self, events: Sequence[LoggedEvent]) -> None:
        by_schema: dict[str, list[LoggedEvent]] = {}
        for event in events:
            if event.tenant in self._subscribers:
                by_schema.setdefault(event.tenant, []).append(event)
        done = await asyncio.gather(*(self._to(schema, some) for schema, some in by_schema.items()), return_exceptions=True)
        for failed in done:  # only once all of them have ended: they will be done again
            if failed is not None:
                raise failed

    async def _to(self, schema: str, events: list[LoggedEvent]) -> None:
        """Hand events of one tenant to its subscribers. Raises Unavailable: then all of it is done again, and nobody gets anything twice."""
        if any(event.topic.startswith(_ACCESS) for event in events):
            await self._changed(schema)
        plan = self._plan(schema, events)
        if not plan:
            return
        wanted = {event.position: event for _, some in plan.values() for event in some}
        try:
            callers = [caller for caller, _ in plan.values()]
            found = await shown(self._oltp, self.cell, schema, [wanted[key] for key in sorted(wanted)], callers, self._topics)
        except (DatabaseError, Timeout) as error:  # this tenant's tables are locked, or gone: the others do not wait for it
            _log.warning("events of %s cannot be checked: %s", schema, error)
            for one in plan:
                one.end(Away(what="The check of who may see an event"))
            return
        for one, (caller, some) in plan.items():
            self._offer(one, some, found[caller.rights, who(caller)])

    def _plan(self, schema: str, events: Iterable[LoggedEvent]) -> dict[Subscription, tuple[Caller, list[LoggedEvent]]]:
        """What each subscriber follows of these events, and who it is at this moment."""
        plan: dict[Subscription, tuple[Caller, list[LoggedEvent]]] = {}
        picked: dict[str, list[LoggedEvent]] = {}
        for one in self._subscribers.get(schema, ()):
            key = one.patterns.regex
            if key not in picked:
                picked[key] = [event for event in events if one.patterns.matches(event.topic)]
            if some := [event for event in picked[key] if event.position > one.at]:
                plan[one] = one.caller, some
        return plan

    def _offer(self, one: Subscription, events: Sequence[LoggedEvent], sees: Mapping[int, LiveEvent]) -> None:
        for event in events:
            if (seen := sees.get(event.position)) is not None:
                one.offer(seen)
                self.delivered += 1
        one.at = max(one.at, events[-1].position)
