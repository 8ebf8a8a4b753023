"""A node: everything one process needs to answer requests, put together in one place."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final
from uuid import UUID

from nexus.config import Settings
from nexus.core.ids import uuid7
from nexus.core.message import HANDLERS, Command, Envelope, Reaction
from nexus.core.problem import ServiceUnavailable, Unavailable
from nexus.core.service import Service, installed
from nexus.core.trace import TRACE
from nexus.core.tx import Actor
from nexus.engines.endings import end
from nexus.engines.event_log.embedded import EmbeddedEventLog
from nexus.engines.oltp import DatabaseError, Oltp, PermissionDenied, Timeout
from nexus.engines.oltp import Unavailable as Away
from nexus.links import links
from nexus.runtime.admission import Admission, TenantMoving
from nexus.runtime.backup import Backups
from nexus.runtime.call import Calls, Run, Sent, answer, in_process, nowhere
from nexus.runtime.cells import Cells
from nexus.runtime.commands import Commands
from nexus.runtime.deadletters import DeadLetters
from nexus.runtime.directory import Directory, TenantRecord
from nexus.runtime.housekeeping import Housekeeping
from nexus.runtime.migrate import Migrator
from nexus.runtime.moving import Moves
from nexus.runtime.principals import Principals
from nexus.runtime.rates import Rates
from nexus.runtime.reactions import Follower, reactions_of
from nexus.runtime.relay import Relay
from nexus.runtime.signals import JOURNAL, LOG, TIMER, Signals
from nexus.runtime.timers import Postponed, Timekeeper, Timer
from nexus.runtime.unit_of_work import UnitOfWork
from nexus.surfaces.calling import Caller, Key, Outcome
from nexus.surfaces.effects import Effects
from nexus.surfaces.journal import Cause
from nexus.surfaces.live import Live
from nexus.surfaces.operations import Operations
from nexus.surfaces.rest import Rest

_log = logging.getLogger("nexus.node")
_LOOK: Final = 0.25
"""Seconds between two looks at the log's head in a process without a relay."""


class Node:
    """The parts of a running process. It is the Host of its surfaces."""

    def __init__(
        self, settings: Settings, cells: Cells, services: Mapping[str, Service] | None = None, here: frozenset[str] | None = None
    ) -> None:
        """`here` names the services whose rules run in this process; by default all that are installed."""
        self.settings = settings
        self.cells = cells
        self.services = dict(services) if services is not None else installed()
        links()  # one that joins nothing is told at the start
        self.here = frozenset(self.services) if here is None else here
        self.directory = Directory(cells)
        self.principals = Principals(cells, self.directory)
        self.migrator = Migrator(cells, self.services, self.directory)
        self.moves = Moves(cells, self.services, self.directory, self.migrator)
        self.backups = Backups(cells, self.services, self.directory, self.migrator)
        self.admission = Admission(self.directory, self.migrator, self.services)
        self.calls = Calls(in_process(self.answer), nowhere(), self.here.__contains__, settings.call_seconds)
        self.commands = Commands(self, self._committed, self.calls)
        self.rest = Rest(self, self.services.values())
        self.operations = Operations(self.rest, self, self.services.values())
        self.logs = {name: EmbeddedEventLog(cell.oltp) for name, cell in cells.items()}
        self.letters = {name: DeadLetters(cell.oltp) for name, cell in cells.items()}
        self.signals = {name: Signals(cell.oltp, cell.app_url, partial(self._hear, name)) for name, cell in cells.items()}
        self._speaks = self._relays = False
        self.relays = {name: Relay(cell.oltp, self.logs[name], moved=partial(self._moved, name)) for name, cell in cells.items()}
        self.followers: list[tuple[str, Follower]] = []
        """Which services of this process follow which cell's log."""
        self.live = Live(self, self.services.values())
        self.timekeepers = {name: Timekeeper(cell.oltp, self.at_its_time, services=self._mine()) for name, cell in cells.items()}
        self.rates: Rates | None = None
        """What callers may ask; None where nobody is held to anything."""
        self.draining = False
        """The process is about to end: it still answers, and says that nobody new should come."""
        self._tasks: list[asyncio.Task[None]] = []
        self._watchers: list[Callable[[UnitOfWork], None]] = []

    def oltp(self, cell: str) -> Oltp:
        """The database of a cell."""
        return self.cells[cell].oltp

    def wake(self, cell: str) -> None:
        """Something has been committed there: let the relay move it now, in whichever process it runs."""
        self.relays[cell].wake()
        if self._speaks and not self._relays:
            self.signals[cell].say(JOURNAL)

    def _moved(self, cell: str, position: int) -> None:
        if self._speaks:
            self.signals[cell].say(LOG, str(position))

    def _hear(self, cell: str, kind: str, what: str) -> None:
        """A word of another process."""
        if kind == JOURNAL:
            self.relays[cell].wake()
        elif kind == TIMER:
            self.timekeepers[cell].wake()
        elif what.isdigit():
            self.logs[cell].notice(int(what))

    def _mine(self) -> frozenset[str] | None:
        """The services whose rules run here, or None for all there are."""
        return None if self.here == frozenset(self.services) else self.here

    async def admit(self, caller: Caller, service: str, writes: bool) -> Caller:
        """The caller as it must be served now: see Admission."""
        return await self.admission.admit(caller, service, writes)

    async def refusal(self, caller: Caller, error: PermissionDenied) -> Exception:
        """What a refusal by the database means: TenantMoving while the caller's tenant moves, else the refusal itself."""
        return await self.admission.moved(caller, error)

    async def run(
        self,
        caller: Caller,
        command: Command[Any],
        *,
        key: Key | None = None,
        cause: Cause | None = None,
        dry_run: bool = False,
        effects: Effects | None = None,
        encode: Callable[[Any], Outcome] | None = None,
    ) -> tuple[Any, Outcome | None]:
        """Run a command for a caller, in the process of its service."""
        needs = HANDLERS[type(command)].needs
        if needs.partition(".")[0] in self.here:
            return await self.commands.run(caller, command, key=key, cause=cause, dry_run=dry_run, effects=effects, encode=encode)
        if caller.rights is not None:
            caller.rights.need(needs)
        run, given = Run.of(str(uuid7())), cause or caller.cause()
        answer, replayed = await self.calls.call(
            caller,
            command,
            key=lambda arguments: key or run.key(command, arguments),
            correlation=given.correlation,
            causation=given.causation,
            dry_run=dry_run,
            effects=effects,
        )
        return answer, None if encode is None else replace(encode(answer), replayed=replayed)

    async def answer(self, caller: Caller, sent: Sent) -> bytes:
        """Answer a call of another service, for a caller that is known here."""
        return await answer(self, caller, sent)

    def on_commit(self, watcher: Callable[[UnitOfWork], None]) -> None:
        """Tell somebody of every unit of work that this process commits."""
        self._watchers.append(watcher)

    def _committed(self, work: UnitOfWork) -> None:
        if work.scheduled:
            for name, timekeeper in self.timekeepers.items():
                timekeeper.wake()
                if self._speaks:
                    self.signals[name].say(TIMER)
        for watcher in self._watchers:
            watcher(work)

    async def authenticate(self, token: str) -> Caller:
        """The caller a token stands for. Raises Unauthenticated, TenantSuspended, TenantArchived, TooManyRequests."""
        caller = (await self.principals.of(token)).caller
        if self.rates is not None and (late := self.rates.take(caller)) is not None:
            await late
        return caller

    def system(self, record: TenantRecord) -> Caller:
        """The system itself, at work for a tenant: it sees everything there."""
        return Caller(record.tenant(), record.schema, record.cell, Actor(None, "system"), None)

    async def react(self, reaction: Reaction, envelope: Envelope) -> None:
        """Run a reaction for an event of a tenant. Unavailable while its tenant is nowhere to be found."""
        TRACE.set(envelope.traceparent)
        record = await self.directory.get(envelope.tenant)
        if record is None or record.state in ("purging", "purged"):
            return
        if reaction.service not in record.services:
            return  # the tenant does not use this service
        if record.cell not in self.cells:
            raise Away(f"there is no cell {record.cell} here")
        caller = await self._admitted(record, reaction.service)
        try:
            await self.commands.react(caller, reaction, envelope)
        except PermissionDenied as error:
            raise _waiting(await self.refusal(caller, error)) from error
        except (TenantMoving, ServiceUnavailable) as away:  # what the reaction called
            raise _waiting(away) from away

    async def _admitted(self, record: TenantRecord, service: str) -> Caller:
        """The system in a tenant, at the versions of this code. Also while it begins to move: what it was told before is settled first."""
        try:
            return await self.admit(self.system(record), service, False)
        except (TenantMoving, Unavailable) as problem:
            raise Away(problem.detail) from problem

    async def at_its_time(self, timer: Timer, command: Command[Any]) -> None:
        """Run what a tenant's rule has scheduled; later where the tenant is not at work now."""
        TRACE.set(timer.trace)
        record = await self.directory.get(UUID(timer.tenant.removeprefix("t_")))
        if record is None or record.state in ("purging", "purged"):
            return
        if record.state != "active" or record.cell not in self.cells:
            raise Postponed(5.0 if record.state in ("moving", "activating") else 3600.0)
        try:
            caller = await self.admit(self.system(record), timer.command.split(".")[0], True)
        except TenantMoving:
            raise Postponed(5.0) from None
        try:
            await self.commands.at_its_time(caller, command, timer.id, caller.cause(timer.correlation, str(timer.id)))
        except ServiceUnavailable as away:  # what the command called
            raise Away(away.detail) from away

    def hears_of_events(self) -> bool:
        """Whether something of this process tells the logs how far they reach."""
        return bool(self._tasks)

    async def standings(self, tenants: Iterable[UUID]) -> Mapping[UUID, tuple[str, str]]:
        """The state and the cell of each of these tenants now."""
        return await self.directory.standings(tenants)

    def forget(self, tenant: UUID) -> None:
        """Believe nothing any more of what is known of a tenant and its credentials."""
        self.directory.forget(tenant)
        self.principals.evict(tenant)

    async def start(self, *, reacts: bool = True, relays: bool = True, alone: bool = True) -> None:
        """Begin the work that no request asks for: reacting to events and keeping time, moving the journal.

        `alone` where no other process works on these databases, so that none need be told or listened to.
        """
        self._speaks, self._relays = not alone, relays
        for name in self.cells:
            await self.logs[name].register([service for service in self.services if reactions_of(service)])
            if not alone:
                self._begin(self.signals[name].speak(), f"signals {name}")
                self._begin(self.signals[name].listen(LOG, *([JOURNAL] if relays else []), *([TIMER] if reacts else [])), f"listens {name}")
            if relays:
                self._begin(self.relays[name].run(), f"relay {name}")
                home = Housekeeping(self.cells[name].oltp, self.logs[name], self.letters[name], self.settings)
                self._begin(home.run(), f"housekeeping {name}")
            else:
                self._begin(self._look(self.logs[name]), f"looks at {name}")
            if reacts:
                self._begin(self.timekeepers[name].run(), f"timers {name}")
                self._follow(name)
        if relays:
            self._begin(self.moves.keep(), "moves")

    def _follow(self, cell: str) -> None:
        owner = str(self.settings.folder)
        for service in (name for name in self.services if name in self.here and reactions_of(name)):
            follower = Follower(self.logs[cell], self.letters[cell], service, reactions_of(service), self.react, owner=owner)
            self.followers.append((cell, follower))
            self._begin(follower.run(), f"{service} follows {cell}")

    async def _look(self, events: EmbeddedEventLog) -> None:
        """See how far the log reaches: in a process without a relay nobody does, and a word of another may be lost."""
        while True:
            try:
                await events.head()
            except (Away, Timeout, DatabaseError) as error:
                _log.info("the head of the log is out of sight: %s", error)
            await asyncio.sleep(_LOOK)

    def _begin(self, work: Any, name: str) -> None:
        self._tasks.append(asyncio.create_task(work, name=name))

    def ended(self) -> list[str]:
        """The names of background work that has ended though nobody ended it."""
        return [task.get_name() for task in self._tasks if task.done()]

    async def stop(self) -> None:
        """End that work and let go of the databases; what was committed waits for the next start."""
        await self.live.stop()
        await end(self._tasks)
        self._tasks.clear()
        self.followers.clear()
        await self.cells.close()


def _waiting(error: Exception) -> Exception:
    """A reaction whose tenant moves, or that calls who is away, waits as for a database that is away: it is no failure of its own."""
    return Away(error.detail) if isinstance(error, TenantMoving | ServiceUnavailable) else error
