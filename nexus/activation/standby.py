"""Standby: tenants made in advance, so that claiming one is two rows and no DDL.

A standby has its own id, schema, role and tables at the current versions, and no row. Its own row is written as `building` before the first
statement and as `ready` after the last, so that what a crash leaves half made is found and dropped.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final
from uuid import UUID

import psycopg

from nexus.activation.platform import Platform
from nexus.core.ids import uuid7
from nexus.engines.oltp import DatabaseError, Statement, Timeout, Unavailable
from nexus.runtime import schemas
from nexus.runtime.cells import Cell
from nexus.runtime.directory import schema_of
from nexus.surfaces.sql import encode

_RESERVE: Final = Statement(
    "INSERT INTO nexus_control.standby (tenant_id, cell, versions, state, owner) SELECT $1, c.name, $3, 'building', $4"
    " FROM nexus_control.cell c WHERE c.name = $2 AND c.open AND (SELECT count(*) FROM nexus_control.standby s WHERE s.cell = c.name"
    " AND s.versions = $3 AND s.state IN ('building', 'ready')) < $5::int AND pg_try_advisory_xact_lock(hashtext('nexus.standby.' || c.name))"
)
_READY: Final = Statement(
    "UPDATE nexus_control.standby SET state = 'ready', at = clock_timestamp() WHERE tenant_id = $1 AND owner = $2 AND state = 'building'"
)
# What does not fit the current versions, what is more than is wanted, and what a dead process left: taken before it is dropped
_SPARE: Final = Statement(
    "WITH ranked AS (SELECT tenant_id, row_number() OVER (ORDER BY at) AS n FROM nexus_control.standby"
    " WHERE cell = $1 AND state = 'ready' AND versions = $2)"
    " UPDATE nexus_control.standby SET state = 'dropping', owner = $3, at = clock_timestamp() WHERE tenant_id IN (SELECT s.tenant_id"
    " FROM nexus_control.standby s LEFT JOIN ranked r USING (tenant_id) WHERE s.cell = $1 AND ("
    "s.state = 'ready' AND (s.versions <> $2 OR r.n > $4::int) OR s.state <> 'ready' AND s.at < clock_timestamp() - interval '5 minutes')"
    " FOR UPDATE OF s SKIP LOCKED) RETURNING tenant_id"
)
_GONE: Final = Statement("DELETE FROM nexus_control.standby WHERE tenant_id = $1 AND state <> 'ready'")
_COUNT: Final = Statement("SELECT count(*) FROM nexus_control.standby WHERE cell = $1 AND state = 'ready' AND versions = $2")
_log = logging.getLogger("nexus.standby")


class Standby:
    """Keeps `size` standbys ready in each cell. Any number of processes may keep the same pool: they never make more than is wanted."""

    def __init__(self, platform: Platform, size: int, owner: str) -> None:
        self._platform = platform
        self._size = size
        self._owner = owner
        self._taken = asyncio.Event()

    def taken(self) -> None:
        """One has been claimed: make another soon."""
        self._taken.set()

    async def ready(self, cell: str) -> int:
        """How many fit the current versions."""
        (result,) = await self._platform.control.run(None, (_COUNT, [cell.encode(), self._platform.prepared_key().encode()]))
        return int(result.rows[0][0] or 0)

    async def fill(self) -> int:
        """Drop what fits no more and make what is missing; how many were made. Raises what the engines raise."""
        made = 0
        for cell in self._platform.cells.values():
            await self._drop_spares(cell)
            while await self._make(cell):
                made += 1
        return made

    async def keep(self, every: float = 30.0) -> None:
        """Fill the pool when one is taken and every so many seconds, until cancelled."""
        while True:
            try:
                await self.fill()
            except (Unavailable, Timeout, DatabaseError, psycopg.Error) as error:
                _log.warning("no tenant could be made in advance: %s", error)
            self._taken.clear()
            try:
                await asyncio.wait_for(self._taken.wait(), every)
            except TimeoutError:
                continue
            await asyncio.sleep(1.0)  # let the activation that took it have the machine first

    async def _make(self, cell: Cell) -> bool:
        id, versions = uuid7(), self._platform.prepared_key()
        given = (id, cell.name, versions, self._owner, self._size)
        (reserved,) = await self._platform.control.run(None, (_RESERVE, [encode(one) for one in given]))
        if reserved.affected == 0:
            return False
        try:
            await schemas.create(cell, schema_of(id), self._platform.first_services())
        except BaseException:
            await asyncio.shield(self._drop(cell, id))
            raise
        await self._platform.control.run(None, (_READY, [encode(id), encode(self._owner)]))
        return True

    async def _drop_spares(self, cell: Cell) -> None:
        given = (cell.name, self._platform.prepared_key(), self._owner, self._size)
        (spare,) = await self._platform.control.run(None, (_SPARE, [encode(one) for one in given]))
        for row in spare.rows:
            await self._drop(cell, UUID((row[0] or b"").decode()))

    async def _drop(self, cell: Cell, id: UUID) -> None:
        await schemas.drop(cell, schema_of(id))
        await self._platform.control.run(None, (_GONE, [encode(id)]))
