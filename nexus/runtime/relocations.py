"""Copies of tenants on their way into a cell, as the control plane keeps them: who is at it, how far it is, and what a crash left."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from psycopg.rows import class_row

from nexus.core.problem import Conflict
from nexus.runtime import schemas
from nexus.runtime.cells import Cells
from nexus.runtime.directory import schema_of
from nexus.runtime.tenant_copy.parts import Connection

_HOLD: Final = "SELECT pg_try_advisory_lock(hashtextextended('nexus.relocation ' || %s::text, 0))"
_COLUMNS: Final = "tenant_id, kind, source, target, phase, was, audit_seq"


class AlreadyUnderWay(Conflict):
    """The tenant {tenant} is being moved or restored at this moment."""

    tenant: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Relocation:
    """One copy on its way."""

    tenant_id: UUID
    kind: str
    source: str | None
    target: str
    phase: str
    was: str | None
    audit_seq: int | None


class Relocations:
    """The rows of nexus_control.relocation."""

    def __init__(self, cells: Cells) -> None:
        self._cells = cells

    @asynccontextmanager
    async def held(self, id: UUID) -> AsyncGenerator[Connection]:
        """A connection to the control plane that holds this tenant's relocation, until it ends, however it ends. AlreadyUnderWay (409)."""
        async with await self._cells.control.owner() as connection:
            row = await (await connection.execute(_HOLD, (id,))).fetchone()
            if row is None or row[0] is not True:
                raise AlreadyUnderWay(tenant=str(id))
            yield connection

    async def left(self) -> list[Relocation]:
        """All of them, oldest first: those that somebody holds, and those that a crash left."""
        async with await self._cells.control.owner() as connection, connection.cursor(row_factory=class_row(Relocation)) as cursor:
            await cursor.execute(f"SELECT {_COLUMNS} FROM nexus_control.relocation ORDER BY started_at".encode())
            return await cursor.fetchall()


async def find(connection: Connection, id: UUID) -> Relocation | None:
    """The relocation of a tenant."""
    async with connection.cursor(row_factory=class_row(Relocation)) as cursor:
        await cursor.execute(f"SELECT {_COLUMNS} FROM nexus_control.relocation WHERE tenant_id = %s".encode(), (id,))
        return await cursor.fetchone()


async def note(connection: Connection, id: UUID, **values: Any) -> None:
    """Write down how far it is."""
    names = ", ".join(f"{name} = %s" for name in values)
    await connection.execute(f"UPDATE nexus_control.relocation SET {names} WHERE tenant_id = %s".encode(), (*values.values(), id))


async def undo_restore(cells: Cells, control: Connection, left: Relocation) -> None:
    """Take away what a restore that did not come to its end has made: its schema, then its row in the control plane. Raises psycopg.Error."""
    await schemas.drop(cells[left.target], schema_of(left.tenant_id))
    async with control.transaction():
        if left.was == "purged":
            await control.execute(
                "UPDATE nexus_control.tenant SET state = 'purged' WHERE id = %s AND state = 'activating'", (left.tenant_id,)
            )
        else:
            await control.execute("DELETE FROM nexus_control.tenant WHERE id = %s AND state = 'activating'", (left.tenant_id,))
        await forget(control, left.tenant_id)


async def forget(connection: Connection, id: UUID) -> None:
    """It is over."""
    await connection.execute("DELETE FROM nexus_control.relocation WHERE tenant_id = %s", (id,))
