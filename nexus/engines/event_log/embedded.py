"""The event log kept in the cell's own database, with the newest events in memory.

Followers in the process that moves the events read them from memory; everybody else, and whoever is far behind, reads the table. A
process learns of what another one moved from its own relay, which looks (runtime/relay.py).
"""

import asyncio
import contextlib
import datetime as dt
from collections import deque
from collections.abc import AsyncIterator, Sequence
from functools import lru_cache
from itertools import islice
from typing import cast
from uuid import UUID

from nexus.engines.event_log import LoggedEvent, Page
from nexus.engines.event_log.groups import EmbeddedGroup, register
from nexus.engines.event_log.patterns import Patterns
from nexus.engines.oltp import Oltp, Statement

__all__ = ["EmbeddedEventLog"]

_SPAN = 20_000
"""Positions one read looks at: a pattern that matches seldom must not become a long statement."""

_HEAD = Statement("select position from nexus_cell.log_head")

_BOUNDS = Statement(
    """select h.position, coalesce((select e.position from nexus_cell.event e where e.position > $1::bigint order by e.position limit 1),
                                   h.position + 1) from nexus_cell.log_head h"""
)

# The first position is looked up again, as retention may have removed the front; the second column of _BOUNDS says how far this reaches.
_READ = """select position, tenant, topic, subject, at, envelope from nexus_cell.event
where position > $1::bigint
  and position < $2::bigint + coalesce((select e.position from nexus_cell.event e where e.position > $1::bigint order by e.position limit 1), 0)
  {filter} order by position limit $3::int"""

_READ_ALL = Statement(_READ.format(filter=""))
_READ_SOME = Statement(_READ.format(filter="and topic ~ $4"))
_READ_TENANT = Statement(
    """select position, tenant, topic, subject, at, envelope from nexus_cell.event
    where position > $1::bigint and tenant = $2 and topic ~ $4 order by position limit $3::int"""
)

_LAST = Statement(
    "SELECT envelope::json ->> 'id' FROM nexus_cell.event WHERE tenant = $1 AND position <= $2::bigint ORDER BY position DESC LIMIT 1"
)
_FIRST = Statement("SELECT envelope::json ->> 'id' FROM nexus_cell.event WHERE tenant = $1 ORDER BY position LIMIT 1")
_PLACE = Statement(
    "SELECT position FROM nexus_cell.event WHERE tenant = $1 AND envelope::json ->> 'id' = $2 ORDER BY position DESC LIMIT 1"
)
_AT = Statement("select position, at from nexus_cell.event where position > $1::bigint order by position limit 1")

_TRIM = Statement(
    """delete from nexus_cell.event where position in (
        select position from nexus_cell.event
        where position <= least($1::bigint, (select min(position) from nexus_cell.consumer)) order by position limit $2::int)"""
)


class EmbeddedEventLog:
    """The log of one cell, seen from this process."""

    def __init__(self, oltp: Oltp, *, keep: int = 4_096) -> None:
        """`keep` is how many of the newest events stay in memory, about 1 kB each."""
        self._oltp = oltp
        self._recent: deque[LoggedEvent] = deque(maxlen=keep)
        self._known = -1
        self._moved = asyncio.Event()

    # What the relay tells

    def publish(self, events: Sequence[LoggedEvent]) -> None:
        """These have just been committed to the log, by this process."""
        if not events or events[-1].position <= self._known:
            return
        if self._recent and self._recent[-1].position + 1 != events[0].position:
            self._recent.clear()
        self._recent.extend(events)
        self.notice(events[-1].position)

    def notice(self, head: int) -> None:
        """The log reaches to here, whoever moved it."""
        if head > self._known:
            self._known = head
            self._moved.set()
            self._moved = asyncio.Event()

    # The promise

    async def head(self) -> int:
        """The last position; 0 when nothing has happened yet."""
        head = _int((await self._oltp.run(None, (_HEAD, ())))[0].rows[0][0])
        self.notice(head)
        return head

    async def floor(self) -> int:
        """The position after which everything is still there: retention has removed nothing behind it."""
        return await self._first() - 1

    async def read(self, after: int, patterns: Sequence[str] = (">",), limit: int = 500) -> Page:
        """Up to `limit` matching events after a position. An empty page whose `upto` is below the head means: ask on from there."""
        return await self._read(after, _compiled(tuple(patterns)), limit)

    async def subscribe(self, patterns: Sequence[str] = (">",), after: int | None = None) -> AsyncIterator[LoggedEvent]:
        """Every matching event after a position (by default: from now on), for ever, as it comes."""
        wanted = _compiled(tuple(patterns))
        at = await self.head() if after is None else after
        while True:
            page = await self._read(at, wanted, 500)
            for event in page.events:
                yield event
            if page.upto == at:
                await self.wait(at, 5.0)
            at = page.upto

    async def wait(self, after: int, within: float) -> None:
        """Return when something stands after this position, or after `within` seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                while self._known <= after:
                    await self._moved.wait()

    async def position_at(self, moment: dt.datetime) -> int:
        """The position after which everything that committed at or after a moment stands: where a replay from a time begins."""
        low, high = await self.floor(), await self.head()
        while low < high:
            middle = (low + high) // 2
            row = (await self._oltp.run(None, (_AT, [b"%d" % middle])))[0].rows
            if row and _moment(row[0][1]) < moment:
                low = _int(row[0][0])
            else:
                high = middle
        return low

    async def last_of(self, tenant: str, position: int) -> UUID | None:
        """The id (that of its envelope) of a tenant's last event up to a position; None where there is none any more."""
        rows = (await self._oltp.run(None, (_LAST, [tenant.encode(), b"%d" % position])))[0].rows
        return UUID((rows[0][0] or b"").decode()) if rows else None

    async def first_of(self, tenant: str) -> UUID | None:
        """The id of a tenant's first event that is still there."""
        rows = (await self._oltp.run(None, (_FIRST, [tenant.encode()])))[0].rows
        return UUID((rows[0][0] or b"").decode()) if rows else None

    async def position_of(self, tenant: str, id: UUID) -> int | None:
        """Where a tenant's event of that id stands; None where it is not here. It is looked for among all of the tenant's events."""
        rows = (await self._oltp.run(None, (_PLACE, [tenant.encode(), str(id).encode()]), lane="slow"))[0].rows
        return _int(rows[0][0]) if rows else None

    async def trim(self, before: dt.datetime, batch: int = 5_000) -> int:
        """Delete events that entered the log before a moment and that every group has handled; how many."""
        upto, gone = await self.position_at(before), 0
        while True:
            done = (await self._oltp.run(None, (_TRIM, [b"%d" % upto, b"%d" % batch]), lane="slow"))[0].affected
            gone += done
            if done < batch:
                return gone

    def group(self, name: str) -> EmbeddedGroup:
        """The consumer group of this name."""
        return EmbeddedGroup(self._oltp, name)

    async def register(self, names: Sequence[str]) -> None:
        """Make groups that do not exist yet, at the end of the log: from here on nothing passes them by, started or not."""
        await register(self._oltp, names)

    # Reading

    async def _read(self, after: int, patterns: Patterns, limit: int) -> Page:
        return self._remembered(after, patterns, limit) or await self._stored(after, patterns, limit)

    def _remembered(self, after: int, patterns: Patterns, limit: int) -> Page | None:
        """The page from memory, or None when it has to be asked for."""
        if not self._recent or after + 1 < self._recent[0].position or self._recent[-1].position < self._known:
            return Page((), after) if self._known >= 0 and after >= self._known else None
        found: list[LoggedEvent] = []
        for event in islice(self._recent, after + 1 - self._recent[0].position, None):
            after = event.position
            if patterns.matches(event.topic):
                found.append(event)
                if len(found) == limit:
                    break
        return Page(found, after)

    async def _stored(self, after: int, patterns: Patterns, limit: int) -> Page:
        here, most = b"%d" % after, b"%d" % limit
        regex = patterns.regex.encode()
        if patterns.tenant is not None:
            call = (_READ_TENANT, [here, patterns.tenant.encode(), most, regex])
        elif patterns.everything:
            call = (_READ_ALL, [here, b"%d" % _SPAN, most])
        else:
            call = (_READ_SOME, [here, b"%d" % _SPAN, most, regex])
        # Two snapshots, the head's being the older one: what it counts, the second statement sees.
        bounds, rows = await self._oltp.run(None, (_BOUNDS, [here]), call)
        head, first = _int(bounds.rows[0][0]), _int(bounds.rows[0][1])
        self.notice(head)
        events = [_event(row) for row in rows.rows]
        last = events[-1].position if events else after
        if len(events) == limit:
            return Page(events, last)
        reach = head if patterns.tenant is not None else min(head, first + _SPAN - 1)
        return Page(events, max(after, last, reach))

    async def _first(self) -> int:
        row = (await self._oltp.run(None, (_AT, [b"0"])))[0].rows
        return _int(row[0][0]) if row else await self.head() + 1


@lru_cache(1_000)
def _compiled(patterns: tuple[str, ...]) -> Patterns:
    return Patterns(patterns)


def _int(value: bytes | None) -> int:
    return int(cast(bytes, value))


def _moment(value: bytes | None) -> dt.datetime:
    return dt.datetime.fromisoformat(cast(bytes, value).decode())


def _event(row: tuple[bytes | None, ...]) -> LoggedEvent:
    position, tenant, topic, subject, at, envelope = cast(tuple[bytes, ...], row)
    return LoggedEvent(int(position), tenant.decode(), topic.decode(), UUID(subject.decode()), _moment(at), envelope)
