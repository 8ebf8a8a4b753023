"""A few connections that share the requests of many callers."""

import asyncio
import logging
from collections import deque

import psycopg

from nexus.engines.endings import end
from nexus.engines.oltp import DatabaseError, Unavailable
from nexus.engines.oltp.pipeline import Pipeline
from nexus.engines.oltp.settings import Settings, Stats

__all__ = ["Lane"]

log = logging.getLogger("nexus.oltp")

_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 2.0


class Lane:
    """A fixed number of connections, each kept alive by a task; a tenant's requests prefer one of them, where its plans are warm."""

    def __init__(self, conninfo: str, size: int, settings: Settings, stats: Stats) -> None:
        self._conninfo = conninfo
        self._size = size
        self._settings = settings
        self._stats = stats
        self._slots: list[Pipeline | None] = [None] * size
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._keepers: list[asyncio.Task[None]] = []
        self._trouble = "not connected yet"
        self._closed = False

    def pick(self, schema: str | None) -> Pipeline | None:
        """The connection for the next request of this tenant; None if there is none with room."""
        if self._waiting:
            return None
        return self._best(schema)

    async def wait(self, schema: str | None, seconds: float) -> Pipeline:
        """Wait, in order of arrival, for a connection with room. Raises Unavailable after `seconds`."""
        self._start()
        deadline = asyncio.get_running_loop().time() + seconds
        first = True
        try:
            async with asyncio.timeout_at(deadline):
                while not self._closed:
                    if (not first or not self._waiting) and (found := self._best(schema)):
                        self.freed()
                        return found
                    await self._turn(first)
                    first = False
        except TimeoutError:
            pass
        raise Unavailable(f"no connection to the database within {seconds:g} s ({self._trouble}); nothing was sent")

    def freed(self) -> None:
        """There may be room for one more."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return

    async def close(self) -> None:
        """Close the connections; requests in flight and callers that wait get Unavailable."""
        self._closed = True
        self._trouble = "the pool is closed"
        await end(self._keepers)
        self._keepers.clear()  # one that was cancelled while it connected holds on to its socket
        for pipeline in self._slots:
            if pipeline is not None:
                pipeline.lose("the pool is closed")
        while self._waiting:
            self.freed()

    def _best(self, schema: str | None) -> Pipeline | None:
        slots = self._slots
        best = slots[hash(schema) % self._size]
        if best is None or not best.taking:
            best = None
        for other in slots:
            if other is not None and other.taking and (best is None or other.load + self._settings.spill <= best.load):
                best = other
        return best if best is not None and best.load < self._settings.depth else None

    async def _turn(self, last: bool) -> None:
        """Queue up (at the back, or at the front when it was ours already) and wait for the turn; a turn not taken is passed on."""
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn) if last else self._waiting.appendleft(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._waiting.remove(turn) if turn in self._waiting else None
            else:
                self.freed()
            raise

    def _start(self) -> None:
        if not self._keepers and not self._closed:
            self._keepers = [asyncio.create_task(self._keep(slot)) for slot in range(self._size)]

    async def _keep(self, slot: int) -> None:
        """Keep one slot filled: connect, with growing pauses; replace a connection that is lost or worn."""
        pause = _FIRST_PAUSE
        while True:
            try:
                pipeline = await Pipeline.connect(self._conninfo, self._settings, self._stats, self.freed)
            except (psycopg.Error, Unavailable, DatabaseError, OSError) as error:
                self._trouble = str(error).strip()
                log.warning("no connection to the database: %s", self._trouble)
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
                continue
            pause = _FIRST_PAUSE
            self._trouble = "all connections are busy"
            worn, self._slots[slot] = self._slots[slot], pipeline
            if worn is not None:
                worn.retire()
            for _ in range(len(self._waiting)):
                self.freed()
            await pipeline.over.wait()
