"""Moves what has committed from the journal into the event log and the audit chains.

A move is one transaction of two round trips: lock the head of the log and look at the oldest journal rows; write events, entries and
heads, delete the rows, commit. Any process may run a relay; the lock lets one move at a time, so positions are contiguous and a chain
has one writer. No command ever waits for it. (docs/decisions/0005-event-log.md says why nothing is skipped and nothing is reordered.)
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from nexus.engines.event_log.embedded import EmbeddedEventLog
from nexus.engines.oltp import Call, DatabaseError, Oltp, Result, Statement, Timeout, Transaction, Unavailable
from nexus.runtime.journal import Batch, JournalRow, digest

__all__ = ["Floor", "Relay", "RelayStats"]

log = logging.getLogger("nexus.relay")

MANY = 8
REST = 0.01
"""A move costs as much as moving a dozen rows: when it found so many, much is going on, and it rests for so many seconds, that there be more
for the next one. What comes alone is moved at once."""

# The journal is nearly always empty when a plan is made, so a plan made from its statistics would be wrong when it matters: the oldest
# rows are read in the order of the index, whatever the planner thinks.
_LOCK = Statement(
    """select position, greatest(at, clock_timestamp()),
        pg_snapshot_xmin(pg_current_snapshot()), pg_snapshot_xmax(pg_current_snapshot()), (select last_value from nexus_cell.journal_seq_seq),
        set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true), set_config('enable_sort', 'off', true)
    from nexus_cell.log_head for update"""
)

# What stands before a row bounds what one move holds in memory (in stored bytes; the oldest row is always taken).
_OLDEST = Statement(
    """select j.seq, j.tenant, to_char(j.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), j.audit, j.events,
        h.seq, encode(h.hash, 'hex'), j.looked
    from (select o.*, count(*) over () as looked,
            sum(coalesce(pg_column_size(o.audit), 0) + coalesce(pg_column_size(o.events), 0))
                over (order by o.seq rows between unbounded preceding and 1 preceding) as before
          from (select * from nexus_cell.journal where seq > $1::bigint order by seq limit $2::int) o) j
    left join nexus_cell.audit_head h on h.tenant = j.tenant
    where coalesce(j.before, 0) < 4000000 order by j.seq"""
)

# The texts go from the journal to where they stay within the database: only numbers and hashes are sent for them, unless they changed on the way.
# What was read and is not there any more (its tenant was removed meanwhile) fails the move, which is then done again.
_MOVE = Statement(
    """with gone as (delete from nexus_cell.journal where seq = any($1::bigint[]) returning seq, tenant, at, audit, events),
    entered as (insert into nexus_cell.audit (tenant, seq, at, entry, prev_hash, hash)
        select g.tenant, r.n, g.at, '{"tenant":"' || g.tenant || '","seq":' || r.n
            || ',"at":"' || to_char(g.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '","act":' || coalesce(r.e, g.audit) || '}',
            decode(r.p, 'hex'), decode(r.h, 'hex')
        from json_to_recordset($2) as r (s bigint, n bigint, e text, p text, h text) join gone g on g.seq = r.s),
    logged as (insert into nexus_cell.event (position, tenant, topic, subject, at, envelope)
        select r.n, r.t, r.p, r.i, $3::timestamptz, coalesce(r.e, substr(g.events, 2, r.l))
        from json_to_recordset($4) as r (s bigint, n bigint, t text, p text, i uuid, e text, l int) join gone g on g.seq = r.s)
    select 1 / (case when (select count(*) from gone) = cardinality($1::bigint[]) then 1 else 0 end)"""
)

_CHAINS = Statement(
    """insert into nexus_cell.audit_head (tenant, seq, hash)
    select t, n, decode(h, 'hex') from json_to_recordset($1) as r (t text, n bigint, h text) order by t
    on conflict (tenant) do update set seq = excluded.seq, hash = excluded.hash"""
)

_REFUSED = Statement(
    """insert into nexus_cell.dead_letter (id, consumer_group, reaction, tenant, topic, reason, attempts, envelope)
    select i, 'relay', 'relay', t, '', r, 0, e from json_to_recordset($1) as r (i uuid, t text, r text, e text)"""
)

_HEAD = Statement("update nexus_cell.log_head set position = $1::bigint, at = $2::timestamptz")

_PEEK = Statement(
    """select position, (select seq from nexus_cell.journal where seq > $1::bigint order by seq limit 1) is not null
    from nexus_cell.log_head"""
)


@dataclass(slots=True)
class RelayStats:
    """Counters since start, for the metrics."""

    moves: int = 0
    rows: int = 0
    events: int = 0
    entries: int = 0
    refused: int = 0
    failures: int = 0


class Floor:
    """A seq up to which the journal is empty for good, so that a look does not step over all the dead rows before it.

    (A long snapshot somewhere, an export, keeps vacuum from removing them: 100,000 of them cost each move 10 ms.) A row takes its
    transaction's id before its seq. So if the sequence stood at S before a snapshot whose next id was N, ids from N on have seqs
    above S; and once everything below N has ended and been looked at, no row up to S can still appear. S counts only after the move that read it
    has committed, which makes the sequence's own progress durable: after a crash it does not hand out S again.
    """

    def __init__(self) -> None:
        self.seq = 0
        self._last: int | None = None
        self._marks: deque[tuple[int, int]] = deque()

    def moved(self, xmin: int, xmax: int, last: int, *, upto: int | None) -> None:
        """A move has committed; `upto` is its last seq if it left rows behind. The ids are of a snapshot older than the look."""
        if self._last is not None and len(self._marks) < 64:
            self._marks.append((self._last, xmax))
        while self._marks and self._marks[0][1] <= xmin:
            self.seq = self._marks.popleft()[0]
        if upto is not None:
            self.seq = min(self.seq, upto)
        self._last = last


class Relay:
    """One process's mover. `wake` after each commit; without it a row waits for the next look (50 ms, at rest 250 ms)."""

    def __init__(
        self,
        oltp: Oltp,
        events: EmbeddedEventLog,
        *,
        batch: int = 1_000,
        look: tuple[float, float] = (0.05, 0.25),
        patience: float = 10.0,
        moved: Callable[[int], None] = lambda position: None,
    ) -> None:
        """`batch` is in journal rows; `look` is the shortest and longest time between looks, `patience` that of a round trip, in seconds.

        `moved` is told how far the log reaches, once that has been committed.
        """
        self._oltp = oltp
        self._events = events
        self.batch = batch
        self._look = look
        self._patience = patience
        self._moved = moved
        self._woken = asyncio.Event()
        self._more = False
        self.floor = Floor()
        self.stats = RelayStats()

    def wake(self) -> None:
        """A command of this process has committed."""
        self._woken.set()

    async def run(self) -> None:
        """Move for ever. Loses nothing when cancelled or killed at any point; a database that is away is waited for."""
        pause, shortest, longest = self._look[0], *self._look
        clock = asyncio.get_running_loop().time
        doubt = clock() + 60
        while True:
            if clock() > doubt:
                # Once a minute look at everything, should a failover have turned the sequence back.
                self.floor, doubt = Floor(), clock() + 60
            try:
                woken = await self._wait(pause)
                moved = await self._drain(woken)
                pause = shortest if moved else min(pause * 1.5, longest)
                if moved >= MANY:
                    await asyncio.sleep(REST)
            except (Unavailable, Timeout, DatabaseError) as error:
                self.stats.failures += 1
                self.floor = Floor()
                log.warning("the relay could not move: %s", error)
                pause = min(max(pause, shortest) * 2, 2.0)

    async def drain(self) -> int:
        """Move until the journal is empty: how many rows."""
        moved = 0
        while count := await self.move():
            moved += count
        return moved

    async def move(self) -> int:
        """Move the oldest rows that have committed: how many."""
        async with self._oltp.transaction(None, timeout=self._patience) as tx:
            head, rows = await tx.run((_LOCK, ()), (_OLDEST, [b"%d" % self.floor.seq, b"%d" % self.batch]))
            if not rows.rows:
                self._more = False
                return 0
            batch = _batch(head, rows)
            await self._write(tx, batch)
        looked = int(cast(bytes, rows.rows[0][7]))
        self._more = looked == self.batch or looked > len(rows.rows)
        self.floor.moved(*(int(cast(bytes, value)) for value in head.rows[0][2:5]), upto=int(batch.rows[-1].seq) if self._more else None)
        self._count(batch)
        self._events.publish(batch.events)
        if batch.events:
            self._moved(batch.events[-1].position)
        return len(batch.rows)

    async def _wait(self, pause: float) -> bool:
        if not self._woken.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._woken.wait()
        woken = self._woken.is_set()
        self._woken.clear()
        return woken

    async def _drain(self, woken: bool) -> int:
        """After a wake-up move at once; otherwise look first, which locks and writes nothing."""
        if not woken:
            position, waiting = (await self._oltp.run(None, (_PEEK, [b"%d" % self.floor.seq]), timeout=self._patience))[0].rows[0]
            self._events.notice(int(cast(bytes, position)))
            if waiting != b"t":
                return 0
        moved = await self.move()
        while self._more:
            moved += await self.move()
        return moved

    async def _write(self, tx: Transaction, batch: Batch) -> None:
        taken = b"{" + b",".join(row.seq for row in batch.rows) + b"}"
        calls: list[Call] = [(_MOVE, [taken, digest(batch.entries), batch.at, digest(batch.logged)])]
        if batch.entries:
            calls.append((_CHAINS, [digest(batch.heads())]))
        if batch.refused:
            calls.append((_REFUSED, [digest(batch.refused)]))
        if batch.events:
            calls.append((_HEAD, [b"%d" % batch.events[-1].position, batch.at]))
        await tx.commit(*calls)

    def _count(self, batch: Batch) -> None:
        stats = self.stats
        stats.moves += 1
        stats.rows += len(batch.rows)
        stats.events += len(batch.events)
        stats.entries += len(batch.entries)
        stats.refused += len(batch.refused)


def _batch(head: Result, rows: Result) -> Batch:
    position, at, *_ = head.rows[0]
    batch = Batch(int(cast(bytes, position)), cast(bytes, at))
    for seq, tenant, written, audit, events, chain_seq, chain_hash, _ in rows.rows:
        chain = None if chain_seq is None or chain_hash is None else (int(chain_seq), chain_hash)
        batch.take(JournalRow(cast(bytes, seq), cast(bytes, tenant).decode(), cast(bytes, written), audit, events), chain)
    return batch
