"""The transactional engine on PostgreSQL (15 and later, and what speaks its protocol): pipelined requests over few connections."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from typing import Self

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from nexus.engines.oltp import DEPTH, DEPTHS, Call, DatabaseError, Oltp, Result, Row, Timeout, Unavailable
from nexus.engines.oltp import Lane as LaneName
from nexus.engines.oltp.cursor import stream
from nexus.engines.oltp.lane import Lane
from nexus.engines.oltp.leases import ATTEMPTS, Leases, PipelinedTransaction
from nexus.engines.oltp.pipeline import Pipeline
from nexus.engines.oltp.request import Role
from nexus.engines.oltp.settings import Settings, Stats
from nexus.engines.oltp.together import Together

__all__ = ["Postgres"]


class Postgres(Oltp):
    """An Oltp over `fast` connections for short reads, `write` ones for short changes, `slow` ones for what takes long, and at most
    `transactions` leased ones.

    As many fast connections as the database has cores is best. A connection that commits does nothing else until the disk has answered,
    and the disk answers several at once: more write connections are better. All but the fast ones are opened when first needed.
    """

    def __init__(
        self, url: str, fast: int = 2, slow: int = 4, transactions: int = 8, write: int = 8, settings: Settings | None = None
    ) -> None:
        self._settings = settings = settings or Settings()
        self.stats = Stats()
        self._fast = Lane(_conninfo(url, "fast", settings.fast_limit), fast, settings, self.stats)
        self._write = Lane(_conninfo(url, "write", settings.fast_limit), write, replace(settings, spill=1), self.stats)
        self._slow = Lane(_conninfo(url, "slow", settings.slow_limit), slow, settings, self.stats)
        self._together = Together(self._shared, lambda schema: self._write.pick(schema) is not None)
        self._lanes = {"fast": self._fast, "write": self._write, "slow": self._slow}
        self._cursors = Leases(_conninfo(url, "stream", settings.slow_limit), slow, settings, self.stats)
        leased = _conninfo(url, "tx", settings.transaction_limit)
        self._leases = [Leases(leased, transactions, settings, self.stats) for _ in range(DEPTHS)]

    @classmethod
    async def open(
        cls, url: str, fast: int = 2, slow: int = 4, transactions: int = 8, write: int = 8, settings: Settings | None = None
    ) -> Self:
        """Connect. `url` is a libpq URL or conninfo of the runtime's login role. Raises Unavailable if there is no server in time."""
        self = cls(url, fast, slow, transactions, write, settings)
        try:
            await self._fast.wait(None, self._settings.patience)
        except BaseException:
            await self.close()
            raise
        return self

    async def run(self, schema: str | None, *calls: Call, lane: LaneName = "fast", timeout: float | None = None) -> list[Result]:
        """Run the calls in one round trip and one implicit transaction under the tenant's role; one result per call."""
        return await self._run(schema, calls, lane, timeout, "role") if calls else []

    async def read(self, schema: str, call: Call) -> Result:
        """Run one short read, in a request that it may share with others of the tenant that came at the same time."""
        pipeline = self._fast.pick(schema) or await self._wait(self._fast, schema, None)
        shared, future = pipeline.join(schema, call)
        try:
            return await future
        except asyncio.CancelledError:
            pipeline.leave(shared)
            raise
        except DatabaseError:
            if shared.alone and not shared.again:
                raise
        self.stats.retries += 1
        return (await self._run(schema, (call,), "fast", None, "role"))[0]

    async def write(self, schema: str, call: Call) -> Result:
        """Run one independent write, in a transaction that it may share with others of the tenant that came at the same time."""
        return await self._together.write(schema, call)

    async def _shared(self, schema: str, calls: list[Call], waits: bool) -> list[Result]:
        return await self._run(schema, calls, "write", None, "role" if waits else "hasty")

    async def _run(self, schema: str | None, calls: Sequence[Call], lane: LaneName, timeout: float | None, role: Role) -> list[Result]:
        group = self._lanes[lane]
        deadline = None if timeout is None else asyncio.get_running_loop().time() + timeout
        left = timeout
        for attempt in range(ATTEMPTS):
            pipeline = group.pick(schema) or await self._wait(group, schema, deadline)
            request = pipeline.send(schema, calls, role=role)
            try:
                return await pipeline.answer(request, left)
            except DatabaseError:
                if not request.again or attempt == ATTEMPTS - 1:
                    raise
            self.stats.retries += 1
            left = _left(deadline)
        raise AssertionError("the last attempt returns or raises")

    async def _wait(self, group: Lane, schema: str | None, deadline: float | None) -> Pipeline:
        left = _left(deadline)
        if left is None or left > self._settings.patience:
            return await group.wait(schema, self._settings.patience)
        try:
            return await group.wait(schema, left)
        except Unavailable as error:
            self.stats.timeouts += 1
            raise Timeout(str(error)) from None

    def stream(self, schema: str | None, call: Call, *, rows: int = 1_000) -> AsyncGenerator[list[Row]]:
        """The rows of one query, at most so many at a time, all of them as one moment has them."""
        return stream(self._cursors, schema, call, rows, self._settings.patience)

    def transaction(self, schema: str | None, *, timeout: float | None = None) -> PipelinedTransaction:
        """Lease a connection for a transaction of several round trips."""
        return PipelinedTransaction(self._leases[DEPTH.get()], schema, timeout, self._settings.patience if timeout is None else timeout)

    async def close(self) -> None:
        """End the connections; calls in flight get Unavailable."""
        await self._together.close()
        for leases in self._leases:
            leases.close()
        self._cursors.close()
        for lane in self._lanes.values():
            await lane.close()


def _left(deadline: float | None) -> float | None:
    return None if deadline is None else max(0.0, deadline - asyncio.get_running_loop().time())


def _conninfo(url: str, lane: str, limit: float) -> str:
    """The connection string of one lane: what the URL says, and how long a statement may run (seconds)."""
    given = conninfo_to_dict(url)
    milliseconds = int(limit * 1000)
    options = f"{given.get('options', '')} -c statement_timeout={milliseconds} -c idle_in_transaction_session_timeout={2 * milliseconds}"
    # What new rows add to a GIN index waits in a list that every search reads from end to end: 4 MB of it cost a search 40 ms.
    options += " -c gin_pending_list_limit=128kB"
    defaults: dict[str, str | int] = {"connect_timeout": 5, "application_name": f"nexus {lane}", "client_encoding": "UTF8"}
    # A server that vanishes without a word is noticed within half a minute.
    defaults |= {"tcp_user_timeout": 30_000, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}
    return make_conninfo(url, **({name: value for name, value in defaults.items() if name not in given} | {"options": options.strip()}))
