"""Writing ahead: new rows go to the database while the next ones are being read, so that both work at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Self

from nexus.engines.oltp import Call, DatabaseError, Transaction
from nexus.surfaces.rest.batch import Batch, Row


class Ahead:
    """Writes a batch that is kept whole, one slice of rows at a time, until something is wrong with one of them; whoever opened the transaction ends it."""

    def __init__(self, transaction: Transaction, call: Callable[[list[Row]], Call]) -> None:
        self._transaction = transaction
        self._call = call
        self._writing: asyncio.Task[bool] | None = None
        self._held: list[Row] = []
        self._stopped = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.wait([self._writing])

    async def take(self, batch: Batch, rows: list[Row]) -> None:
        """Begin to write the rows that were taken before these, as soon as those before them are written: the last ones go with the commit."""
        stopped = not await self.written() or batch.mode == "each" or any(row.problem for row in rows)
        self._stopped = stopped
        if self._held and not stopped:
            self._writing = asyncio.create_task(self._write(self._held))
            await asyncio.sleep(0)  # it goes off now, and not when the next rows have been read
        self._held = rows

    async def written(self) -> bool:
        """Whether all is well so far, once it is known. Raises Unavailable, Timeout."""
        if self._writing is not None:
            writing, self._writing = self._writing, None
            self._stopped = not await writing
        return not self._stopped

    async def commit(self, *calls: Call) -> None:
        """Write the last rows, run the calls and commit. Raises DatabaseError, Unavailable, Timeout."""
        await self._transaction.commit(self._call(self._held), *calls)

    async def _write(self, rows: list[Row]) -> bool:
        try:
            await self._transaction.run(self._call(rows))
        except DatabaseError:
            return False  # why, is asked when all have been read: then every wrong row is named
        return True
