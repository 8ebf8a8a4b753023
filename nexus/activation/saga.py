"""The saga: runs the steps of activations, records each before going on, and undoes all of them where one fails.

Every process runs what it began. A process that dies leaves a lease that runs out, and another one (or its successor) goes on from the record:
forward from the step that was running, or backward where undoing had begun.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Sequence
from typing import Any, Final
from uuid import UUID, uuid4

import psycopg

from nexus.activation.business import InvalidBusiness
from nexus.activation.platform import Platform
from nexus.activation.steps import LAST, Step, steps
from nexus.activation.store import ActivationRecord, CancelAsked, LeaseLost, StepRecord, Store
from nexus.activation.work import Work
from nexus.core.problem import Problem
from nexus.engines.endings import end
from nexus.engines.oltp import DatabaseError, Timeout, Unavailable

ATTEMPTS: Final = 3
"""How often a step is begun: one that takes its process down with it again and again is undone."""
UNDO_ATTEMPTS: Final = 3
LEASE: Final = 10.0
_log = logging.getLogger("nexus.activation")


class Saga:
    """The activations of one process."""

    def __init__(self, platform: Platform, *, plan: Sequence[Step] | None = None, lease: float = LEASE, owner: str | None = None) -> None:
        self.platform: Final = platform
        self.plan: Final = list(plan) if plan is not None else steps()
        self.store: Final = Store(platform.control, owner or f"{socket.gethostname()}/{os.getpid()}/{uuid4().hex[:8]}", lease)
        self._running: dict[UUID, asyncio.Task[None]] = {}
        self._changed: dict[UUID, asyncio.Event] = {}
        self.tokens: dict[UUID, str] = {}
        """Credentials that nobody has been given yet, of activations that this process ran; never stored."""

    # Running

    def begin(self, work: Work, *, first: int, give: bool) -> None:
        """Run an activation from its step `first`, in the background. `give`: the caller waits here and gets the credential in the answer."""
        self._start(work.id, self._forward(work, first, give))

    def _start(self, id: UUID, work: Awaitable[None]) -> None:
        task = self._running[id] = asyncio.ensure_future(self._guarded(id, work))
        task.add_done_callback(lambda _: self._over(id))

    def _over(self, id: UUID) -> None:
        self._running.pop(id, None)
        self._tell(id)
        self._changed.pop(id, None)

    def _tell(self, id: UUID) -> None:
        if (event := self._changed.pop(id, None)) is not None:
            event.set()

    async def _guarded(self, id: UUID, work: Awaitable[None]) -> None:
        try:
            await work
        except LeaseLost:
            _log.info("activation %s goes on in another process", id)
        except Exception as error:
            # the lease runs out, and it is taken up again
            _log.warning("activation %s waits: %s", id, error, exc_info=not is_away(error))

    async def _forward(self, work: Work, at: int, give: bool) -> None:
        began = time.perf_counter()
        while self.plan[at].name != LAST:
            step = self.plan[at]
            try:
                output = await step.do(work)
            except Exception as error:
                if is_away(error) or isinstance(error, LeaseLost):
                    raise
                # whatever else stops a step is a reason to undo all of them
                await self._failed(work, at, reason_of(error), began)
                return
            work.outputs[step.name] = output
            ended, began = began, time.perf_counter()
            try:
                await self.store.step(work.id, at, _ms(ended, began), output, at + 1)
            except CancelAsked:
                await self._failed(work, at + 1, "it was cancelled", began)
                return
            self._tell(work.id)
            at += 1
        await self._finish(work, at, began, give)

    async def _finish(self, work: Work, at: int, began: float, give: bool) -> None:
        try:
            await self.plan[at].do(work)
            await self.store.activate(work.id, at, _ms(began, time.perf_counter()), key_given=give and work.token is not None)
        except LeaseLost:
            record = await self.store.get(work.id)
            if record is None or record.owner != self.store.owner or record.state != "running":
                raise
            await self._failed(work, at, "it was cancelled", began)
            return
        except Problem as error:
            await self._failed(work, at, reason_of(error), began)
            return
        if give and work.token is not None:
            self.tokens[work.id] = work.token
        self.platform.directory.forget(work.tenant_id)

    # Undoing

    async def _failed(self, work: Work, at: int, reason: str, began: float) -> None:
        step = self.plan[at].name
        _log.warning("activation %s failed in step %s: %s", work.id, step, reason)
        await self.store.fail(work.id, at, step, reason, _ms(began, time.perf_counter()))
        self._tell(work.id)
        await self._backward(work, range(at, -1, -1))

    async def _backward(self, work: Work, order: Sequence[int]) -> None:
        """Undo steps, the last first. One that cannot be undone stops the whole: what is left is there to be seen, and `retry` goes on."""
        if not order:
            await self.store.end(work.id, "rolled_back")
            return
        await self.store.undo(work.id, None, "undoing", None, None, order[0])
        for index, at in enumerate(order):
            began = time.perf_counter()
            error = await self._undone(self.plan[at], work)
            ms = _ms(began, time.perf_counter())
            if error is not None:
                await self.store.undo(work.id, at, "undo failed", ms, error, None)
                await self.store.end(work.id, "stuck")
                _log.error("activation %s is stuck: step %s could not be undone: %s", work.id, self.plan[at].name, error)
                return
            following = order[index + 1] if index + 1 < len(order) else None
            await self.store.undo(work.id, at, "undone", ms, None, following)
            self._tell(work.id)
        await self.store.end(work.id, "rolled_back")

    async def _undone(self, step: Step, work: Work) -> str | None:
        """Undo one step; why it could not be done after several attempts, or None."""
        reason = ""
        for attempt in range(UNDO_ATTEMPTS):
            try:
                await step.undo(work)
            except Exception as error:
                if is_away(error) and attempt == UNDO_ATTEMPTS - 1:
                    raise
                reason = reason_of(error)
                await asyncio.sleep(0.05 * 2**attempt)
            else:
                return None
        return reason

    # Taking over

    async def recover(self, *, alone: bool = False) -> list[UUID]:
        """Go on with activations whose process is gone; `alone` where there can be no other process, so that no lease need run out."""
        taken = await self.store.take(self._running, everything=alone)
        for id in taken:
            record = await self.store.get(id)
            if record is not None and id not in self._running:
                self.resume(record)
        return taken

    def resume(self, record: ActivationRecord) -> None:
        """Go on with an activation that this process holds, from its record."""
        work = Work(self.platform, record.id, record.tenant_id, record.request)
        work.outputs.update({step.name: step.output or {} for step in record.steps if step.state == "done"})
        self._start(record.id, self._resumed(work, record))

    async def _resumed(self, work: Work, record: ActivationRecord) -> None:
        if record.state == "undoing":
            await self._backward(work, _to_undo(record.steps))
            return
        at = next(step.n for step in record.steps if step.state in ("running", "waiting"))
        if record.steps[at].attempts >= ATTEMPTS:
            await self._failed(work, at, f"the process ended in it {ATTEMPTS} times", time.perf_counter())
            return
        try:
            await self.store.step(work.id, None, 0.0, None, at)
        except CancelAsked:
            await self._failed(work, at, "it was cancelled", time.perf_counter())
            return
        await self._forward(work, at, give=False)

    async def keep(self) -> None:
        """Stay the owner of what runs here, and take over what others have left; until cancelled."""
        while True:
            await asyncio.sleep(self.store.lease / 4)
            try:
                if self._running:
                    await self.store.beat(self._running)
                await self.recover()
            except (Unavailable, Timeout, DatabaseError) as error:
                _log.warning("the control plane is away: %s", error)

    async def stop(self) -> None:
        """Let go of what runs; the next start goes on with it."""
        await end(list(self._running.values()))

    # Watching

    async def watch(self, id: UUID, poll: float = 0.25) -> AsyncIterator[ActivationRecord]:
        """The record now and after every change, until it is settled. Another process's steps are seen by asking every `poll` seconds."""
        seen: list[tuple[Any, ...]] = []
        while True:
            changed = self._changed.setdefault(id, asyncio.Event()) if id in self._running else asyncio.Event()
            record = await self.store.get(id)
            if record is None:
                return
            now = [(record.state, *(step.state for step in record.steps))]
            if now != seen:
                seen = now
                yield record
            if record.settled:
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), poll)

    async def settled(self, id: UUID, seconds: float) -> ActivationRecord | None:
        """The record once nothing goes on any more, or as it is after so many seconds."""
        task = self._running.get(id)
        if task is not None:
            await asyncio.wait({task}, timeout=seconds)
            return await self.store.get(id)
        record: ActivationRecord | None = None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                async for now in self.watch(id):
                    record = now
        return record


def _to_undo(recorded: list[StepRecord]) -> list[int]:
    return [step.n for step in reversed(recorded) if step.state not in ("waiting", "undone")]


def _ms(began: float, ended: float) -> float:
    return round((ended - began) * 1000, 3)


def is_away(error: Exception) -> bool:
    """Whether the database could not be reached, so that nothing can be undone either until it is back."""
    return isinstance(error, Unavailable | Timeout) or (isinstance(error, psycopg.OperationalError) and error.sqlstate is None)


def reason_of(error: Exception) -> str:
    """Why a step failed, for a person: a refusal's own sentence, otherwise what the database or Python said."""
    if isinstance(error, Problem):
        return error.detail
    if isinstance(error, InvalidBusiness | DatabaseError):
        return str(error)
    if isinstance(error, psycopg.Error):
        return f"the database refused: {str(error).strip().splitlines()[0]}"
    return f"{type(error).__name__}: {error}"
