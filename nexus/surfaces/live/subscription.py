"""One subscription: what it follows, what waits to be taken, and why it ended."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final, Protocol, Self

from nexus.core.problem import Problem
from nexus.engines.event_log import LoggedEvent
from nexus.engines.event_log.patterns import Patterns
from nexus.surfaces.calling import Caller
from nexus.surfaces.live.checks import LiveEvent
from nexus.surfaces.live.problems import TooSlow

__all__ = ["MOST_BYTES", "MOST_EVENTS", "Renew", "Source", "Subscription"]

MOST_EVENTS: Final = 1_000
"""Events that wait for one subscriber; one more ends it."""
MOST_BYTES: Final = 4 << 20
AT_ONCE: Final = 100
"""Most events taken at a time."""

Renew = Callable[[], Awaitable[Caller]]
"""Check the credential again: the caller as it is now, or the Problem that it is none any more."""


class Source(Protocol):
    """Where a subscription's events come from."""

    async def catch_up(self, subscription: Subscription, /) -> list[LiveEvent]:
        """The next of what it has missed; none where there was none in what was looked at. Makes it live in the end."""
        ...

    def handed_out(self, subscription: Subscription, /) -> int:
        """The position up to which a live subscription has been told everything."""
        ...

    def leave(self, subscription: Subscription, /) -> None:
        """Tell it no more."""
        ...


class Subscription:
    """Take events with `take`, or iterate; `close` when done (it is an async context). Ends with the Problem that says why.

    First it reads the log itself, as fast as it is asked; once it has caught up, the tail of the cell fills its queue.
    """

    __slots__ = (
        "_held",
        "_queue",
        "_size",
        "_source",
        "_taken",
        "_waiter",
        "at",
        "caller",
        "cell",
        "ended",
        "live",
        "on_end",
        "patterns",
        "renew",
        "renewed_at",
        "topics",
    )

    def __init__(
        self,
        caller: Caller,
        topics: tuple[str, ...],
        patterns: Patterns,
        at: int,
        source: Source,
        renew: Renew | None,
    ) -> None:
        self.caller = caller
        self.cell = caller.cell
        self.topics = topics
        """Its patterns, narrowed to the tenant."""
        self.patterns = patterns
        self.at = at
        """Everything up to this position of the log has been taken, waits in the queue, or is not for this subscriber."""
        self.live = False
        """It has caught up: the tail tells it."""
        self.ended: Problem | None = None
        self.on_end: Callable[[Problem], None] | None = None
        """Told why it ends: for who may be waiting elsewhere, for a slow client above all."""
        self.renew = renew
        self.renewed_at = 0.0
        self._taken = at
        self._queue: deque[LiveEvent] = deque()
        self._held: deque[LiveEvent] = deque()
        """What has been taken for who iterates."""
        self._size = 0
        self._waiter: asyncio.Future[None] | None = None
        self._source = source

    @property
    def position(self) -> str:
        """Where to go on: everything before it has been taken or is not for this subscriber."""
        if self._held:
            at = self._held[0].position - 1
        else:
            at = self._taken if self._queue else max(self.at, self._source.handed_out(self))
        return f"{self.cell}:{at}"

    async def take(self, within: float | None = None) -> list[LiveEvent]:
        """The next events, at least one; none when nothing came `within` seconds. Raises the Problem that ended it."""
        while not self.live and self.ended is None:
            found = await self._source.catch_up(self)
            self._taken = self.at
            if found and self.ended is None:
                return found
        if not self._queue and self.ended is None:
            await self._something(within)
        if self.ended is not None:
            raise self.ended
        found = [self._queue.popleft() for _ in range(min(AT_ONCE, len(self._queue)))]
        if found:
            self._taken = found[-1].position
            self._size -= sum(len(event.envelope) for event in found)
        return found

    async def _something(self, within: float | None) -> None:
        loop = asyncio.get_running_loop()
        waiter = self._waiter = loop.create_future()
        alarm = loop.call_later(within, _wake, waiter) if within is not None else None
        try:
            await waiter
        finally:
            self._waiter = None
            if alarm is not None:
                alarm.cancel()

    def wants(self, event: LoggedEvent) -> bool:
        """Whether it follows the topic and has not had the event yet."""
        return event.position > self.at and self.patterns.matches(event.topic)

    def offer(self, event: LiveEvent) -> None:
        """Put an event into the queue; one too many ends the subscription."""
        if self.ended is not None:
            return
        self._size += len(event.envelope)
        if len(self._queue) >= MOST_EVENTS or self._size > MOST_BYTES:
            self.end(TooSlow(limit=f"{MOST_EVENTS:,} events or {MOST_BYTES >> 20} MiB"))
            return
        self._queue.append(event)
        _wake(self._waiter)

    def end(self, why: Problem) -> None:
        """No more events: the next `take` raises this."""
        if self.ended is not None:
            return
        self.ended = why
        self._queue.clear()
        self._source.leave(self)
        _wake(self._waiter)
        if self.on_end is not None:
            self.on_end(why)

    def close(self) -> None:
        """The subscriber has gone."""
        self.on_end = None
        self._source.leave(self)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> LiveEvent:
        if not self._held:
            self._held.extend(await self.take())
        if self.ended is not None:
            raise self.ended
        return self._held.popleft()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()


def _wake(waiter: asyncio.Future[None] | None) -> None:
    if waiter is not None and not waiter.done():
        waiter.set_result(None)
