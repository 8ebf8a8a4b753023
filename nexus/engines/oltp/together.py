"""Many small writes of one tenant that come at the same time, as one transaction.

What a write costs the database is for more than half its commit: a transaction id, the log written and synced, a process woken and put to
sleep again. Writes that are independent of each other share that: while two groups of a tenant are under way, what comes next gathers.
Nobody is told of success before the shared transaction has committed. Where it is refused, for whatever reason, nothing of it has happened,
and each of its writes is sent again in a transaction of its own, whose answer is its own.
"""

import asyncio
import copy
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, TypeAlias

from nexus.engines.endings import end
from nexus.engines.oltp import Call, DatabaseError, Result, Timeout, Unavailable

__all__ = ["MOST", "Together"]

ABREAST: Final = 2
"""Groups of one tenant under way at a time: one is worked on while the other one's commit waits for the disk."""
MOST: Final = 32
"""Writes in one group."""
APART: Final = 1.0
"""Seconds in which a tenant's writes go alone after a group was refused: where many are, nothing is won by doing them twice."""
_LOCK_TIMEOUT: Final = "55P03"

Run: TypeAlias = Callable[[str, list[Call], bool], Awaitable[list[Result]]]
"""Run calls in one transaction; with True they may wait for locks."""
_Waiting: TypeAlias = tuple[Call, "asyncio.Future[Result]"]


class _Tenant:
    """What is waiting and under way for one tenant; gone when neither is."""

    __slots__ = ("called", "under_way", "waiting")

    def __init__(self) -> None:
        self.waiting: deque[_Waiting] = deque()
        self.under_way = 0
        self.called = False


class Together:
    """Gathers the writes of each tenant. Belongs to one loop."""

    def __init__(self, run: Run, ready: Callable[[str], bool]) -> None:
        """`ready` says whether a tenant's group could be sent at once."""
        self._run = run
        self._ready = ready
        self._tenants: dict[str, _Tenant] = {}
        self._apart: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def write(self, schema: str, call: Call) -> Result:
        """Run one call in a transaction that it may share. Raises as `Oltp.run` does."""
        if schema in self._apart:
            return (await self._run(schema, [call], True))[0]
        loop = asyncio.get_running_loop()
        tenant = self._tenants.get(schema)
        if tenant is None:
            tenant = self._tenants[schema] = _Tenant()
        future: asyncio.Future[Result] = loop.create_future()
        tenant.waiting.append((call, future))
        if not tenant.called and tenant.under_way < ABREAST:
            # at the end of this turn of the loop, with all that it brings
            tenant.called = True
            loop.call_soon(self._go, schema, tenant)
        return await future

    async def close(self) -> None:
        """End what is under way; whoever waits gets Unavailable."""
        waiting = [one for tenant in self._tenants.values() for one in tenant.waiting]
        for tenant in self._tenants.values():
            tenant.waiting.clear()
        await end(self._tasks)
        for _, future in waiting:
            _refuse(future, Unavailable("the pool is closed; nothing was sent"))

    def _go(self, schema: str, tenant: _Tenant) -> None:
        tenant.called = False
        if not self._ready(schema):
            # where there is no connection nobody waits behind others who wait for one: each has its own time for that
            while tenant.waiting:
                self._spawn(self._alone(schema, *tenant.waiting.popleft()))
            if not tenant.under_way:
                self._tenants.pop(schema, None)
        while tenant.waiting and tenant.under_way < ABREAST:
            group = [tenant.waiting.popleft() for _ in range(min(MOST, len(tenant.waiting)))]
            tenant.under_way += 1
            self._spawn(self._group(schema, tenant, group))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _group(self, schema: str, tenant: _Tenant, group: list[_Waiting]) -> None:
        try:
            await self._try(schema, group)
        except asyncio.CancelledError:
            for _, future in group:
                _refuse(future, Unavailable("the pool was closed; whether a write in flight happened is unknown"))
            raise
        finally:
            tenant.under_way -= 1
            if tenant.waiting:
                self._go(schema, tenant)
            if not tenant.waiting and not tenant.under_way:
                self._tenants.pop(schema, None)

    async def _try(self, schema: str, group: list[_Waiting]) -> None:
        """One transaction for all; where that is refused, one for each, which nobody else waits for."""
        try:
            results = await self._run(schema, [call for call, _ in group], False)
        except (Unavailable, Timeout) as error:
            for _, future in group:
                _refuse(future, error)
        except DatabaseError as error:
            if len(group) == 1 and error.sqlstate != _LOCK_TIMEOUT:
                _refuse(group[0][1], error)
                return
            if len(group) > 1 and schema not in self._apart:
                self._apart.add(schema)
                asyncio.get_running_loop().call_later(APART, self._apart.discard, schema)
            for call, future in group:
                if not future.done():
                    self._spawn(self._alone(schema, call, future))
        else:
            for (_, future), result in zip(group, results, strict=True):
                if not future.done():
                    future.set_result(result)

    async def _alone(self, schema: str, call: Call, future: asyncio.Future[Result]) -> None:
        try:
            (result,) = await self._run(schema, [call], True)
        except (DatabaseError, Unavailable, Timeout) as error:
            _refuse(future, error)
        except asyncio.CancelledError:
            _refuse(future, Unavailable("the pool was closed; whether a write in flight happened is unknown"))
            raise
        else:
            if not future.done():
                future.set_result(result)


def _refuse(future: asyncio.Future[Result], error: DatabaseError | Unavailable | Timeout) -> None:
    if not future.done():
        # an error of its own for each, because who raises one writes its way into it
        future.set_exception(copy.copy(error))
