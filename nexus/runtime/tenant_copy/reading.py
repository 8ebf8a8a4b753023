"""A tenant as it is at one moment: every part from the same snapshot, as CSV in a fixed form, so that equal data are equal bytes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from nexus.runtime.cells import Cell
from nexus.runtime.tenant_copy.parts import Connection, Part

BLOCK: Final = 256 * 1024
"""Bytes handed on at once: what a copy of any size holds in memory."""
FORM: Final = (
    "SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO, YMD'; SET LOCAL IntervalStyle = 'iso_8601'; SET LOCAL bytea_output = 'hex'"
)
_HANDLED: Final = "SELECT count(*) FROM nexus_cell.event WHERE tenant = %s AND position <= coalesce((SELECT min(position) FROM nexus_cell.consumer), position)"
_HOLD: Final = "SELECT pg_advisory_lock_shared(hashtextextended('nexus.tables ' || %s, 0))"


@asynccontextmanager
async def snapshot(cell: Cell, schema: str) -> AsyncGenerator[Connection]:
    """A read-only transaction that sees one moment of a cell, while no migration touches this tenant's tables."""
    async with await cell.owner() as connection:
        # before the snapshot is taken: a table that is rewritten after it would look empty in it
        await connection.execute(_HOLD, (schema,))
        async with connection.transaction():
            await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            await connection.execute(FORM)
            yield connection


class Reader:
    """One part of a snapshot; `rows` is known once its blocks have been read."""

    def __init__(self, connection: Connection, schema: str, part: Part, source: str | None = None) -> None:
        """`source` instead of the part's own query."""
        self._connection = connection
        self._query = (source or part.source).replace("{s}", schema)
        self.rows = 0

    async def blocks(self) -> AsyncIterator[bytes]:
        """The part as CSV with a header."""
        held = bytearray()
        async with self._connection.cursor() as cursor:
            async with cursor.copy(f"COPY ({self._query}) TO STDOUT (FORMAT csv, HEADER)".encode()) as rows:
                async for row in rows:
                    held += row
                    if len(held) >= BLOCK:
                        yield bytes(held)
                        held.clear()
            self.rows = max(cursor.rowcount, 0)
        if held:
            yield bytes(held)


async def handled_events(connection: Connection, schema: str) -> int:
    """How many of the tenant's events, in their order, every service has behind it."""
    row = await (await connection.execute(_HANDLED, (schema,))).fetchone()
    return int(row[0]) if row else 0
