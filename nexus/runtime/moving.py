"""Moving a tenant to another cell: it is read all the time, and written again as soon as the copy has been compared with the original.

    preparing   the schema is made in the other cell                                      undone: it is dropped
    closing     writes get 503; what was told is settled: the journal moved, the reactions run
    closed      the tenant's role may not write any more, and who was writing has ended   undone: it may write again
    copied      the copy has been committed and is byte for byte the original             undone: it is dropped
    switched    the control plane names the other cell                                    from here on only forwards
    (gone)      the old copy has been dropped, once no process can still be reading it

The phase is written down before it begins, and whoever moves holds a lock that ends with its connection. What nobody holds is undone or
completed by `recover`, which every node runs now and then. (docs/decisions/0053-moving.md)
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Final

import psycopg

from nexus.core.problem import Conflict, Invalid, Problem
from nexus.core.problem import FieldError as Fault
from nexus.core.service import Service
from nexus.engines.event_log.embedded import EmbeddedEventLog
from nexus.engines.oltp import Timeout
from nexus.engines.oltp import Unavailable as Away
from nexus.runtime import relocations, schemas
from nexus.runtime.cells import Cell, CellNotNamed, Cells
from nexus.runtime.directory import TTL, Directory, TenantRecord, schema_of
from nexus.runtime.migrate import Migrator
from nexus.runtime.reactions import reactions_of
from nexus.runtime.relay import Relay
from nexus.runtime.relocations import AlreadyUnderWay, Relocation, Relocations
from nexus.runtime.tenant_copy import writing
from nexus.runtime.tenant_copy.parts import Connection, Part, parts_of, tables_of
from nexus.runtime.tenant_copy.reading import FORM, Reader, handled_events, snapshot
from nexus.surfaces.tables import grants

_log = logging.getLogger("nexus.moving")
MOVABLE: Final = ("active", "suspended", "archived")
Told = Callable[[str], None]
"""Told each phase as it begins."""

_BEGIN: Final = (
    "INSERT INTO nexus_control.relocation (tenant_id, kind, source, target, phase, was) SELECT id, 'move', cell, %s, 'preparing', state"
    " FROM nexus_control.tenant WHERE id = %s AND cell = %s AND state = ANY (%s) RETURNING tenant_id"
)
_CLOSE: Final = (
    "WITH noted AS (UPDATE nexus_control.relocation SET phase = 'closing' WHERE tenant_id = %s RETURNING tenant_id, was)"
    " UPDATE nexus_control.tenant t SET state = 'moving' FROM noted WHERE t.id = noted.tenant_id AND t.state = noted.was RETURNING t.id"
)
_SWITCH: Final = (
    "WITH noted AS (UPDATE nexus_control.relocation SET phase = 'switched', audit_seq = %s, switched_at = clock_timestamp()"
    " WHERE tenant_id = %s RETURNING tenant_id, source, target, was), moved AS (UPDATE nexus_control.tenant t SET cell = noted.target,"
    " state = noted.was FROM noted WHERE t.id = noted.tenant_id AND t.state = 'moving' RETURNING t.id)"
    " INSERT INTO nexus_control.tenant_change (tenant_id, command, was, became) SELECT moved.id, 'move',"
    " json_build_object('cell', noted.source), json_build_object('cell', noted.target) FROM moved, noted RETURNING tenant_id"
)
_REOPEN: Final = "UPDATE nexus_control.tenant SET state = %s WHERE id = %s AND state = 'moving'"
_SINCE: Final = "SELECT extract(epoch FROM clock_timestamp() - switched_at) FROM nexus_control.relocation WHERE tenant_id = %s"
_UNSETTLED: Final = (
    "SELECT c.consumer_group FROM nexus_cell.consumer c WHERE c.consumer_group = ANY (%s) AND c.position <"
    " (SELECT max(position) FROM nexus_cell.event WHERE tenant = %s) ORDER BY 1 LIMIT 1"
)
_UNTOLD: Final = "SELECT count(*) FROM nexus_cell.journal WHERE tenant = %s AND events IS NOT NULL"
_AUDIT_SEQ: Final = "SELECT coalesce(max(seq), 0) FROM nexus_cell.audit WHERE tenant = %s"
# What was read (and therefore audited) in the old cell after the copy: it goes on in the chain of the new one
_LATE: Final = (
    "SELECT at, (entry::json -> 'act')::text FROM nexus_cell.audit WHERE tenant = %s AND seq > %s"
    " UNION ALL SELECT at, audit FROM nexus_cell.journal WHERE tenant = %s AND audit IS NOT NULL ORDER BY 1"
)
_IN_THE_WAY: Final = (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected, psycopg.errors.InternalError_)


class StillAtWork(Conflict):
    """{tenant} could not be moved now: {what}. It is where it was."""

    tenant: str
    what: str
    reason: str = ""


class CopyDiffers(Problem, status=500):
    """The copy of {table} is not what the original is; nothing was moved."""

    table: str


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds: until what was told is settled, until writers have ended, and after the switch until the old copy is dropped."""

    settle: float = 30.0
    writers: float = 5.0
    grace: float = 2 * TTL + 4.0


class Moves:
    """Moves tenants between the cells of this installation."""

    def __init__(
        self,
        cells: Cells,
        services: Mapping[str, Service],
        directory: Directory,
        migrator: Migrator,
        *,
        patience: Patience | None = None,
    ) -> None:
        self._cells = cells
        self._services = services
        self._directory = directory
        self._migrator = migrator
        self._patience = patience or Patience()
        self._relocations = Relocations(cells)

    async def move(self, record: TenantRecord, target: str, told: Told = lambda phase: None) -> TenantRecord:
        """Move a tenant. What a crash left of an earlier move is settled first. AlreadyUnderWay, StillAtWork (409), Invalid (422)."""
        if target not in self._cells:
            raise Invalid.of(Fault("cell", f"there is no {target}; there are {', '.join(self._cells)}"))
        async with self._relocations.held(record.id) as control:
            if (left := await relocations.find(control, record.id)) is not None:
                await self.settle(control, left)
            record = await self._fresh(record)
            if record.cell == target:
                return record
            await self._begin(control, record, target)
            try:
                await self._to_switch(control, record, self._cells[target], told)
            except BaseException:
                await asyncio.shield(self._undo_or_leave(control, record))
                raise
            told("cleaning")
            await self._clean(control, record)
        return await self._fresh(record)

    async def _fresh(self, record: TenantRecord) -> TenantRecord:
        self._directory.forget(record.id)
        found = await self._directory.get(record.id)
        if found is None:
            raise Conflict(reason=f"{record.slug} is gone.")
        return found

    async def _begin(self, control: Connection, record: TenantRecord, target: str) -> None:
        unknown = sorted(record.services - set(self._services))
        if unknown:
            raise Conflict(reason=f"{record.slug} uses {', '.join(unknown)}, which is not installed here: its tables are not known.")
        for name in sorted(record.services):
            await self._migrator.ensure_service(record, name)
        made = await control.execute(_BEGIN, (target, record.id, record.cell, list(MOVABLE)))
        if await made.fetchone() is None:
            raise StillAtWork(tenant=record.slug, what=f"it is {record.state}")

    async def _to_switch(self, control: Connection, record: TenantRecord, target: Cell, told: Told) -> None:
        """Everything up to the moment when the tenant lives in the other cell."""
        source, schema = self._cells[record.cell], record.schema
        told("preparing")
        services = self._of(record)
        async with snapshot(source, schema) as still:  # from here on no migration touches the original
            versions = await _versions(still, schema)
            async with await target.owner() as connection:
                await writing.create(connection, schema, [one for one in services if one.name in versions], versions)
            told("closing")
            if await (await control.execute(_CLOSE, (record.id,))).fetchone() is None:
                raise StillAtWork(tenant=record.slug, what="it is no longer in the state it was in")
            self._directory.forget(record.id)
            await self._settled(source, record)
            told("closed")
            await relocations.note(control, record.id, phase="closed")
            await self._closed(source, record)
            told("copied")
            seq = await self._copied(source, target, record)
        await relocations.note(control, record.id, phase="copied")
        told("switched")
        if await (await control.execute(_SWITCH, (seq, record.id))).fetchone() is None:
            raise StillAtWork(tenant=record.slug, what="it is no longer moving")
        self._directory.forget(record.id)

    def _of(self, record: TenantRecord) -> list[Service]:
        return [service for name, service in self._services.items() if name in record.services]

    async def _settled(self, source: Cell, record: TenantRecord) -> None:
        """Move the journal and wait until every service has reacted to all that was told. StillAtWork (409)."""
        relay = Relay(source.oltp, EmbeddedEventLog(source.oltp))
        reacting = [name for name in self._services if reactions_of(name)]
        loop = asyncio.get_running_loop()
        end = loop.time() + self._patience.settle
        async with await source.owner() as connection:
            while True:
                await relay.drain()
                behind = await (await connection.execute(_UNSETTLED, (reacting, record.schema))).fetchone()
                if behind is None:
                    return
                if loop.time() > end:
                    raise StillAtWork(tenant=record.slug, what=f"the reactions of {behind[0]} are not done with its events")
                await asyncio.sleep(0.05)

    async def _closed(self, source: Cell, record: TenantRecord) -> None:
        """Take the right to write from the tenant's role, and wait until nobody is in the middle of writing. StillAtWork (409)."""
        names = tables_of(self._of(record))
        revoke = grants(names).replace("{s}", record.schema).replace("GRANT SELECT, ", "REVOKE ").replace(" TO ", " FROM ")
        listed = ", ".join(f"{record.schema}.{name}" for name in names)
        async with await source.owner() as connection:
            for attempt in range(3):
                try:
                    async with connection.transaction():
                        await connection.execute(revoke.encode())
                    async with connection.transaction():
                        await connection.execute(f"SET LOCAL lock_timeout = '{int(self._patience.writers * 1000)}ms'".encode())
                        await connection.execute(f"LOCK TABLE {listed} IN SHARE MODE".encode())
                    break
                except _IN_THE_WAY as error:
                    if attempt == 2:
                        raise StillAtWork(tenant=record.slug, what="somebody does not stop writing") from error
        relay = Relay(source.oltp, EmbeddedEventLog(source.oltp))
        await relay.drain()

    async def _copied(self, source: Cell, target: Cell, record: TenantRecord) -> int:
        """Copy everything in one transaction and read it back; how far the audit chain goes. CopyDiffers (500), StillAtWork (409)."""
        async with snapshot(source, record.schema) as original, await target.owner() as connection, connection.transaction():
            untold = await (await original.execute(_UNTOLD, (record.schema,))).fetchone()
            if untold is None or untold[0]:
                raise StillAtWork(tenant=record.slug, what="something was told at the last moment")
            for part in await parts_of(original, record.schema, self._of(record)):
                if part.name != "cell.journal":
                    await _copy_part(original, connection, record.schema, part)
            await writing.claim_events(connection, record.schema, await handled_events(original, record.schema))
            row = await (await original.execute(_AUDIT_SEQ, (record.schema,))).fetchone()
        return int(row[0]) if row else 0

    async def _undo_or_leave(self, control: Connection, record: TenantRecord) -> None:
        """After a failure: undo what was begun. Where that cannot be done now either, `recover` does it."""
        try:
            if (left := await relocations.find(control, record.id)) is not None:
                await self.settle(control, left)
        except (psycopg.Error, Away, Timeout) as error:
            _log.warning("the move of %s is settled later: %s", record.slug, error)

    async def settle(self, control: Connection, left: Relocation) -> None:
        """Undo a move that has not switched, complete one that has, undo a restore. Whoever calls holds it. Raises psycopg.Error."""
        id, schema = left.tenant_id, schema_of(left.tenant_id)
        if left.phase == "switched":
            found = await self._directory.get(id)
            assert found is not None and left.source is not None
            await self._clean(control, found)
            return
        if left.kind == "restore":
            await relocations.undo_restore(self._cells, control, left)
        else:
            assert left.source is not None
            await schemas.drop(self._cells[left.target], schema)
            await self._reopen(self._cells[left.source], schema)
            async with control.transaction():
                await control.execute(_REOPEN, (left.was, id))
                await relocations.forget(control, id)
        self._directory.forget(id)

    async def _reopen(self, source: Cell, schema: str) -> None:
        """Give the tenant's role its rights back."""
        async with await source.owner() as connection:
            versions = await _versions(connection, schema)
            names = tables_of([service for name, service in self._services.items() if name in versions])
            await connection.execute(grants(names).replace("{s}", schema).encode())

    async def _clean(self, control: Connection, record: TenantRecord) -> None:
        """Drop the old copy once no process can be using it, and bring over what it was asked until then."""
        left = await relocations.find(control, record.id)
        since = await (await control.execute(_SINCE, (record.id,))).fetchone()
        if left is None or left.source is None or since is None:
            return
        await asyncio.sleep(max(0.0, self._patience.grace - float(since[0])))
        source, schema = self._cells[left.source], record.schema
        async with await source.owner() as connection:
            late = await (await connection.execute(_LATE, (schema, left.audit_seq or 0, schema))).fetchall()
        if late:
            async with await self._cells[left.target].owner() as connection, connection.transaction():
                for at, audit in late:
                    await connection.execute("INSERT INTO nexus_cell.journal (tenant, at, audit) VALUES (%s, %s, %s)", (schema, at, audit))
        await schemas.drop(source, schema)
        await relocations.forget(control, record.id)

    async def keep(self, every: float = 10.0) -> None:
        """Settle what dead processes left, now and then, for ever."""
        while True:
            try:
                if settled := await self.recover():
                    _log.warning("%d moves or restores that were interrupted have been settled", settled)
            except (psycopg.Error, Away, Timeout) as error:
                _log.warning("interrupted moves and restores wait: %s", error)
            await asyncio.sleep(every)

    async def recover(self) -> int:
        """Settle what processes that are gone have left, moves and restores alike; how many."""
        settled = 0
        for left in await self._relocations.left():
            try:
                async with self._relocations.held(left.tenant_id) as control:
                    now = await relocations.find(control, left.tenant_id)
                    if now is not None:
                        await self.settle(control, now)
                        settled += 1
            except (AlreadyUnderWay, CellNotNamed):  # what is in a cell that is not named here waits for it
                continue
        return settled


async def _versions(connection: Connection, schema: str) -> dict[str, int]:
    rows = await (
        await connection.execute("SELECT service, version FROM nexus_cell.tenant_service WHERE tenant = %s AND version > 0", (schema,))
    ).fetchall()
    return {str(name): int(version) for name, version in rows}


async def _copy_part(original: Connection, connection: Connection, schema: str, part: Part) -> None:
    """Copy one part and read it back. CopyDiffers (500) where it is not the same, byte for byte."""
    reader, digest = Reader(original, schema, part), hashlib.sha256()

    async def hashed() -> AsyncIterator[bytes]:
        async for block in reader.blocks():
            digest.update(block)
            yield block

    rows = await writing.fill(connection, schema, part.name, hashed())
    await connection.execute(FORM)
    back, again = Reader(connection, schema, part), hashlib.sha256()
    async for block in back.blocks():
        again.update(block)
    if (rows, back.rows, again.digest()) != (reader.rows, reader.rows, digest.digest()):
        raise CopyDiffers(table=part.name)


__all__ = ["CopyDiffers", "Moves", "Patience", "StillAtWork"]
