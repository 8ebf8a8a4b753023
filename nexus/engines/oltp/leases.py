"""Transactions of several round trips: each holds a connection of its own until it ends."""

import asyncio
import logging
from collections.abc import Sequence
from types import TracebackType
from typing import Self

import psycopg

from nexus.engines.oltp import Call, DatabaseError, PermissionDenied, Result, SerializationFailure, Transaction, Unavailable
from nexus.engines.oltp.guard import check_schema
from nexus.engines.oltp.pipeline import Pipeline
from nexus.engines.oltp.request import End, Request
from nexus.engines.oltp.settings import Settings, Stats

__all__ = ["ATTEMPTS", "Leases", "PipelinedTransaction"]

log = logging.getLogger("nexus.oltp")

ATTEMPTS = 3
"""How often something is sent that failed through its connection and not through itself."""

_GOODBYE = 5.0
"""Seconds a rollback may take before the connection is closed instead."""


class Leases:
    """At most `size` connections, opened when needed; whoever comes first is served first."""

    def __init__(self, conninfo: str, size: int, settings: Settings, stats: Stats) -> None:
        self._conninfo = conninfo
        self._settings = settings
        self._stats = stats
        self._room = asyncio.Semaphore(size)
        self._idle: list[Pipeline] = []
        self._leased: set[Pipeline] = set()
        self._closed = False

    async def take(self, schema: str | None, seconds: float) -> Pipeline:
        """Lease a connection, one that knows this tenant if there is one. Raises Unavailable after `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                await self._room.acquire()
                try:
                    pipeline = self._warm(schema) or await self._connect()
                except BaseException:
                    self._room.release()
                    raise
        except TimeoutError:
            raise Unavailable(f"no connection for a transaction within {seconds:g} s; nothing was sent") from None
        self._leased.add(pipeline)
        return pipeline

    async def exchange(self, pipeline: Pipeline) -> Pipeline:
        """A new connection for one that must not be used again, under the same lease. Raises Unavailable."""
        fresh = await self._connect()
        self._leased.discard(pipeline)
        self._leased.add(fresh)
        pipeline.lose("replaced")
        return fresh

    def give_back(self, pipeline: Pipeline) -> None:
        """End the lease; a connection that is not clean, or worn, is closed."""
        self._leased.discard(pipeline)
        if pipeline.clean and not pipeline.over.is_set() and not self._closed:
            self._idle.append(pipeline)
        else:
            pipeline.retire() if pipeline.clean else pipeline.lose("left in an unknown state by a transaction")
        self._room.release()

    def close(self) -> None:
        """Close all; transactions in progress get Unavailable."""
        self._closed = True
        for pipeline in [*self._idle, *self._leased]:
            pipeline.lose("the pool is closed")
        self._idle.clear()

    def _warm(self, schema: str | None) -> Pipeline | None:
        self._idle = [pipeline for pipeline in self._idle if pipeline.clean]
        for at, pipeline in enumerate(self._idle):
            if schema in pipeline.tenants:
                return self._idle.pop(at)
        return self._idle.pop() if self._idle else None

    async def _connect(self) -> Pipeline:
        if self._closed:
            raise Unavailable("the pool is closed; nothing was sent")
        try:
            return await Pipeline.connect(self._conninfo, self._settings, self._stats, lambda: None)
        except (psycopg.Error, DatabaseError, OSError) as error:
            raise Unavailable(f"no connection to the database ({str(error).strip()}); nothing was sent") from None


class PipelinedTransaction(Transaction):
    """A Transaction on a leased connection; enter it to take the lease, leave it to give the lease back."""

    def __init__(self, leases: Leases, schema: str | None, timeout: float | None, patience: float) -> None:
        if schema is not None:
            check_schema(schema)
        self.round_trips = 0
        self._leases = leases
        self._schema = schema
        self._timeout = timeout
        self._patience = patience
        self._pipeline: Pipeline | None = None
        self._begun = False
        self._answered = False
        self._failed = False
        self._committed = False

    async def __aenter__(self) -> Self:
        self._pipeline = await self._leases.take(self._schema, self._patience)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        pipeline, self._pipeline = self._pipeline, None
        assert pipeline is not None
        if self._committed or not self._begun or not pipeline.alive:
            self._leases.give_back(pipeline)
            return
        request = pipeline.send(None, (), end="rollback")
        # The connection goes back when the rollback is through, whether this task is still there to see it or not.
        request.future.add_done_callback(lambda future: self._rolled_back(pipeline, future))
        timer = asyncio.get_running_loop().call_later(_GOODBYE, pipeline.lose, "a rollback took too long")
        request.future.add_done_callback(lambda _: timer.cancel())
        await asyncio.wait([request.future])

    async def run(self, *calls: Call) -> list[Result]:
        """Run the calls in one round trip; BEGIN and the role switch ride with the first."""
        return await self._batch(calls, "") if calls else []

    async def commit(self, *calls: Call) -> list[Result]:
        """Run the calls and COMMIT in one round trip."""
        if not calls and not self._begun:
            self._committed = True
            return []
        results = await self._batch(calls, "commit")
        self._committed = True
        return results

    async def _batch(self, calls: Sequence[Call], end: End) -> list[Result]:
        pipeline = self._pipeline
        if pipeline is None or self._committed:
            raise RuntimeError("the transaction is over")
        if self._failed:
            raise DatabaseError("25P02", "the transaction had failed; it can only be rolled back")
        self._failed = True
        request = await self._round(pipeline, calls, end)
        while request.again and self.round_trips < ATTEMPTS and not self._answered:
            # Nothing was answered yet: begin once more, with the statements prepared afresh.
            pipeline = await self._begin_again(pipeline)
            request = await self._round(pipeline, calls, end)
        if isinstance(request.error, DatabaseError) and request.again and not isinstance(request.error, PermissionDenied):
            raise SerializationFailure(request.error.sqlstate, f"{request.error.message}; run the transaction again")
        results = await request.future
        self._failed = False
        self._answered = True
        return results

    async def _begin_again(self, pipeline: Pipeline) -> Pipeline:
        """The connection to begin on once more: this one where it may be used again."""
        if pipeline.taking:
            await pipeline.answer(pipeline.send(None, (), end="rollback"), self._timeout)
        else:
            pipeline = self._pipeline = await self._leases.exchange(pipeline)
        self._begun = False
        return pipeline

    async def _round(self, pipeline: Pipeline, calls: Sequence[Call], end: End) -> Request:
        """One round trip; the outcome is in the request."""
        begin = not self._begun
        request = pipeline.send(self._schema, calls, begin="begin" if begin else "", role="role" if begin else "", end=end)
        self._begun = True
        self.round_trips += 1
        try:
            await pipeline.answer(request, self._timeout)
        except DatabaseError:
            if not request.again:
                raise
        return request

    def _rolled_back(self, pipeline: Pipeline, future: "asyncio.Future[list[Result]]") -> None:
        if not future.cancelled() and (error := future.exception()) is not None:
            log.warning("a rollback failed: %s", error)
        self._leases.give_back(pipeline)
