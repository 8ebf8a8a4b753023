"""Tells the services what happened: each service follows the log as a consumer group and runs its reactions.

In order per subject, side by side across subjects, at least once. Effects are made exactly once, because the reaction's own transaction
claims (event, reaction) in the tenant's inbox (the `Run` that is given does that). A reaction that keeps failing becomes a dead letter
and its subject goes on.
"""

import asyncio
import contextlib
import logging
import os
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4

import msgspec

from nexus.core.message import REACTIONS, Reaction
from nexus.core.problem import Problem
from nexus.engines.event_log import EventLog, Group, GroupLost, LoggedEvent
from nexus.engines.oltp import DatabaseError, SerializationFailure, Timeout, Unavailable
from nexus.runtime.deadletters import DeadLetters, Run, envelope_of, reason_of

__all__ = ["Follower", "FollowerStats", "Patience", "patterns_of", "reactions_of"]

log = logging.getLogger("nexus.reactions")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a reaction is tried and how much runs at once; times in seconds."""

    attempts: int = 5
    first: float = 0.05
    """The pause after the first failure; each further one is four times as long."""
    longest: float = 5.0
    away: float = 1.0
    """The longest pause while the database is away, which is waited for without counting."""
    concurrency: int = 8
    window: int = 1_000
    """Events in hand: how far the fastest subject may run ahead of the slowest."""
    save: float = 0.5
    """How often the position is saved; after a crash what was handled since is delivered again, and the inbox knows it."""
    lease: float = 10.0


@dataclass(slots=True)
class FollowerStats:
    """Counters since start, for the metrics."""

    events: int = 0
    done: int = 0
    retries: int = 0
    dead: int = 0
    lost: int = 0


def reactions_of(service: str) -> dict[str, list[Reaction]]:
    """The reactions a service has registered, by the type of event."""
    found = {type_: [one for one in reactions if one.service == service] for type_, reactions in REACTIONS.items()}
    return {type_: reactions for type_, reactions in found.items() if reactions}


def patterns_of(types: Sequence[str]) -> tuple[str, ...]:
    """The patterns that pick these types of event of every tenant: `crm.lead.converted` is `nexus.crm.*.lead.converted`."""
    return tuple("nexus.{}.*.{}".format(*type_.split(".", 1)) for type_ in sorted(types))


class Follower:
    """One service's group in one process."""

    def __init__(
        self,
        events: EventLog,
        letters: DeadLetters,
        service: str,
        reactions: Mapping[str, Sequence[Reaction]],
        run: Run,
        *,
        owner: str | None = None,
        patience: Patience | None = None,
    ) -> None:
        """`owner` names this process; give a name that outlives it where only one can run (a data folder), and a restart need not wait."""
        self.group: Group = events.group(service)
        self.stats = FollowerStats()
        self._events = events
        self._letters = letters
        self._service = service
        self._reactions = reactions
        self._patterns = patterns_of(list(reactions))
        self._run = run
        self._owner = owner or f"{os.getpid()}-{uuid4().hex}"
        self._patience = patience or Patience()
        self._slots = asyncio.Semaphore(self._patience.concurrency)

    async def run(self) -> None:
        """Follow for ever. Cancelled, it saves what was handled and lets the group go."""
        while True:
            try:
                position = await self.group.claim(self._owner, self._patience.lease)
                if position is None:
                    await asyncio.sleep(self._patience.lease / 4)
                    continue
                await _Pass(self.group, self._events, self._patterns, self.react, self._patience, position).run()
            except GroupLost:
                self.stats.lost += 1
                log.info("%s: the group was taken or moved; claiming it again", self._service)
            except (Unavailable, Timeout, DatabaseError) as error:
                log.warning("%s cannot follow the log: %s", self._service, error)
                await asyncio.sleep(self._patience.away)
            except Exception:
                log.exception("%s cannot follow the log", self._service)
                await asyncio.sleep(self._patience.away)

    async def react(self, event: LoggedEvent) -> None:
        """Run all reactions of this service to one event, each until it is done or dead."""
        self.stats.events += 1
        for reaction in self._reactions.get(event.type, ()):
            await self._react(reaction, event)

    async def _react(self, reaction: Reaction, event: LoggedEvent) -> None:
        attempt, pause = 0, self._patience.first
        while True:
            attempt += 1
            try:
                envelope = envelope_of(event.envelope)
                async with self._slots:
                    await self._run(reaction, envelope)
                self.stats.done += 1
                return
            except (Unavailable, Timeout) as error:
                attempt -= 1
                log.warning("%s waits for the database: %s", reaction.name, error)
                pause = min(pause, self._patience.away)
            except Exception as error:
                if isinstance(error, msgspec.DecodeError) or attempt >= self._patience.attempts:
                    await self._bury(reaction, event, error, attempt)
                    return
                if isinstance(error, SerializationFailure):
                    pause = self._patience.first
                log.info("%s will be tried again: %s", reaction.name, reason_of(error))
            self.stats.retries += 1
            await asyncio.sleep(pause)
            pause = min(pause * 4, self._patience.longest)

    async def _bury(self, reaction: Reaction, event: LoggedEvent, error: Exception, attempts: int) -> None:
        reason = reason_of(error)
        log.error(
            "%s could not take position %d: %s",
            reaction.name,
            event.position,
            reason,
            exc_info=None if isinstance(error, Problem) else error,
        )
        while True:
            try:
                await self._letters.add(self._service, reaction.name, event, reason, attempts)
                self.stats.dead += 1
                return
            except (Unavailable, Timeout) as away:
                log.warning("a dead letter of %s waits for the database: %s", reaction.name, away)
                await asyncio.sleep(self._patience.away)


class _Pass:
    """From one claim of the group until it is lost: the events in hand, a lane per subject, and what is handled so far."""

    def __init__(
        self,
        group: Group,
        events: EventLog,
        patterns: Sequence[str],
        react: Callable[[LoggedEvent], Awaitable[None]],
        patience: Patience,
        position: int,
    ) -> None:
        self._group = group
        self._events = events
        self._patterns = patterns
        self._react = react
        self._patience = patience
        self._seen = self._saved = position
        # Ordered, because its first key is asked for after many have been removed from its front.
        self._pending: OrderedDict[int, None] = OrderedDict()
        self._lanes: dict[tuple[str, UUID], deque[LoggedEvent]] = {}
        self._room = asyncio.Event()
        self._progress = asyncio.Event()

    @property
    def handled(self) -> int:
        """Everything up to this position is done or dead."""
        return next(iter(self._pending)) - 1 if self._pending else self._seen

    async def run(self) -> None:
        """Until the group or the database is lost (which is raised), or cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._save())
                await self._follow(tasks)
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None
        finally:
            with contextlib.suppress(Exception):
                async with asyncio.timeout(1.0):
                    await self._group.save(self.handled, self._patience.lease)
                    await self._group.release()

    async def _follow(self, tasks: asyncio.TaskGroup) -> None:
        while True:
            page = await self._events.read(self._seen, self._patterns, 500)
            for event in page.events:
                self._offer(event, tasks)
            if page.upto == self._seen:
                await self._events.wait(self._seen, 5.0)
            self._seen = page.upto
            self._progress.set()
            while len(self._pending) >= self._patience.window:
                self._room.clear()
                await self._room.wait()

    def _offer(self, event: LoggedEvent, tasks: asyncio.TaskGroup) -> None:
        self._pending[event.position] = None
        key = (event.tenant, event.subject)
        lane = self._lanes.get(key)
        if lane is None:
            self._lanes[key] = deque((event,))
            tasks.create_task(self._work(key))
        else:
            lane.append(event)

    async def _work(self, key: tuple[str, UUID]) -> None:
        lane = self._lanes[key]
        while lane:
            event = lane.popleft()
            await self._react(event)
            del self._pending[event.position]
            self._progress.set()
            if len(self._pending) <= self._patience.window // 2:
                self._room.set()
        del self._lanes[key]

    async def _save(self) -> None:
        """Save when something was handled, and in time to keep the lease."""
        clock, renew = asyncio.get_running_loop().time, self._patience.lease / 3
        last = clock()
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._progress.wait(), max(0.0, last + renew - clock()))
            self._progress.clear()
            if self.handled > self._saved or clock() >= last + renew:
                handled = self.handled
                await self._group.save(handled, self._patience.lease)
                self._saved, last = handled, clock()
            await asyncio.sleep(self._patience.save)
