"""Timers: runs what rules have scheduled, at its time, as the system itself, in the tenant it was scheduled for.

A timer is a row written in the transaction that scheduled it, so none is lost and none is set by what was undone. It is run at least once, and
takes effect once, because its command's transaction claims it in the tenant's inbox. Any number of processes may keep time.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias
from uuid import UUID

import msgspec

from nexus.core.message import HANDLERS, Command
from nexus.engines.oltp import DatabaseError, Oltp, Statement, Timeout, Unavailable
from nexus.runtime.deadletters import reason_of

ATTEMPTS: Final = 6
"""How often a command that is refused is tried, a minute apart at first and longer each time, before it is given up."""
LEASE: Final = 60.0
LONGEST: Final = 5.0
"""Seconds between looks: how late a timer may be that another process has set."""
_log = logging.getLogger("nexus.timers")

_CLAIM: Final = Statement(
    "UPDATE nexus_cell.timer SET lease_until = now() + $1::float8 * interval '1 second', attempts = attempts + 1 WHERE id IN (SELECT id FROM"
    " nexus_cell.timer WHERE due_at <= now() AND (lease_until IS NULL OR lease_until < now())"
    " AND ($3::text[] IS NULL OR split_part(command, '.', 1) = ANY($3)) ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED)"
    " RETURNING row_to_json(timer)"
)
_NEXT: Final = Statement(
    "SELECT extract(epoch FROM min(greatest(due_at, lease_until)) - now())"
    " FROM (SELECT due_at, lease_until FROM nexus_cell.timer WHERE due_at < 'infinity'"
    " AND ($1::text[] IS NULL OR split_part(command, '.', 1) = ANY($1)) ORDER BY due_at LIMIT 100) soon"
)
_DONE: Final = Statement("DELETE FROM nexus_cell.timer WHERE id = $1")
_LATER: Final = Statement(
    "UPDATE nexus_cell.timer SET due_at = now() + $2::float8 * interval '1 second', lease_until = NULL, attempts = $3, error = $4 WHERE id = $1"
)
_GIVEN_UP: Final = Statement("UPDATE nexus_cell.timer SET due_at = 'infinity', lease_until = NULL, error = $2 WHERE id = $1")
_COUNTS: Final = Statement(
    "SELECT count(*) FILTER (WHERE due_at < 'infinity'), count(*) FILTER (WHERE due_at = 'infinity') FROM nexus_cell.timer"
)


class Timer(msgspec.Struct, frozen=True, kw_only=True):
    """A command to be run at its time. `command` is its permission, such as `crm.response_clock:sweep`."""

    id: UUID
    tenant: str
    command: str
    arguments: str
    correlation: str
    due_at: dt.datetime
    attempts: int
    trace: str | None = None
    """The `traceparent` of what scheduled it."""


_timer: Final = msgspec.json.Decoder(Timer)


class Postponed(Exception):
    """Now is not the time: the tenant is suspended, say. It is tried again after so many seconds, and no attempt is counted."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


Run: TypeAlias = Callable[[Timer, Command[Any]], Awaitable[object]]
"""Runs the command of a timer in its tenant, once. Raises Postponed, or why it was refused."""


def command_of(timer: Timer) -> Command[Any]:
    """The command, decoded. Raises LookupError where no handler has its permission, msgspec.ValidationError where it has changed since."""
    for kind, handler in HANDLERS.items():
        if handler.needs == timer.command:
            command: Command[Any] = msgspec.json.decode(timer.arguments.encode(), type=kind)
            return command
    raise LookupError(f"nobody handles {timer.command}")


@dataclass(slots=True)
class TimerStats:
    """Counters since start, for the metrics."""

    done: int = 0
    postponed: int = 0
    refused: int = 0
    given_up: int = 0


class Timekeeper:
    """Keeps the time of one cell, for all services or for some."""

    def __init__(self, oltp: Oltp, run: Run, *, batch: int = 20, services: Collection[str] | None = None) -> None:
        self._oltp = oltp
        self._run = run
        self._batch = batch
        self._mine = None if services is None else ("{" + ",".join(sorted(services)) + "}").encode()
        self._woken = asyncio.Event()
        self.stats = TimerStats()

    def wake(self) -> None:
        """Something has been scheduled: look when it is due."""
        self._woken.set()

    async def run(self) -> None:
        """Keep time for ever."""
        while True:
            try:
                pause = 0.0 if await self.fire() else await self._until_next()
            except (Unavailable, Timeout, DatabaseError) as error:
                _log.warning("timers wait: %s", error)
                pause = LONGEST
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), pause)
            self._woken.clear()

    async def fire(self) -> int:
        """Run what is due, at most a batch; how many there were."""
        (claimed,) = await self._oltp.run(None, (_CLAIM, [b"%f" % LEASE, b"%d" % self._batch, self._mine]))
        for row in claimed.rows:
            await self._one(_timer.decode(row[0] or b""))
        return len(claimed.rows)

    async def counts(self) -> Mapping[str, int]:
        """How many wait, and how many have been given up."""
        (result,) = await self._oltp.run(None, (_COUNTS, []))
        waiting, given_up = result.rows[0]
        return {"waiting": int(waiting or 0), "given up": int(given_up or 0)}

    async def _until_next(self) -> float:
        (result,) = await self._oltp.run(None, (_NEXT, [self._mine]))
        seconds = result.rows[0][0]
        return LONGEST if seconds is None else min(max(float(seconds), 0.0), LONGEST)

    async def _one(self, timer: Timer) -> None:
        try:
            await self._run(timer, command_of(timer))
        except Postponed as later:
            self.stats.postponed += 1
            await self._later(timer, later.seconds, timer.attempts - 1, None)
        except (Unavailable, Timeout) as away:
            await self._later(timer, LONGEST, timer.attempts - 1, str(away))
        except Exception as error:
            await self._refused(timer, error)
        else:
            self.stats.done += 1
            await self._oltp.run(None, (_DONE, [str(timer.id).encode()]))

    async def _refused(self, timer: Timer, error: Exception) -> None:
        """A refusal may be over in a while; a command that cannot even be read never will be."""
        reason = reason_of(error)
        self.stats.refused += 1
        if isinstance(error, LookupError | msgspec.ValidationError) or timer.attempts >= ATTEMPTS:
            self.stats.given_up += 1
            _log.error("the timer %s of %s is given up: %s", timer.command, timer.tenant, reason)
            await self._oltp.run(None, (_GIVEN_UP, [str(timer.id).encode(), reason.encode()]))
            return
        await self._later(timer, 60.0 * 4 ** (timer.attempts - 1), timer.attempts, reason)

    async def _later(self, timer: Timer, seconds: float, attempts: int, reason: str | None) -> None:
        said = None if reason is None else reason.encode()
        await self._oltp.run(None, (_LATER, [str(timer.id).encode(), b"%f" % seconds, b"%d" % attempts, said]))
