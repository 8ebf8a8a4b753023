"""Cells: the databases that tenants live in. The first one also holds the control plane."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from typing import Final

import psycopg

from nexus.core.problem import Problem
from nexus.engines.oltp import Oltp
from nexus.runtime import cell_schema
from nexus.surfaces.tables import cell_functions

CAPACITY: Final = 500
"""Tenants a cell takes by default: beyond, the catalogue of one database grows dearer than a second database."""
_UNNAMED: Final = (
    "SELECT c.name, count(t.id)::int FROM nexus_control.cell c LEFT JOIN nexus_control.tenant t ON t.cell = c.name AND t.state <> 'purged'"
    " WHERE c.name <> ALL (%s) GROUP BY c.name ORDER BY c.name"
)


class CellNotNamed(Problem, KeyError, status=503):
    """The cell {cell} is not among the settings (NEXUS_CELLS): name it there, with the URL it had, and start NEXUS again."""

    cell: str


@dataclass(frozen=True, slots=True)
class Cell:
    """One database: `oltp` for the runtime's role, `owner_url` (libpq) for the role that makes and alters tables."""

    name: str
    oltp: Oltp
    owner_url: str = field(repr=False)
    capacity: int = CAPACITY
    app_url: str = field(default="", repr=False)
    """For the runtime's role, where one connection more is needed than `oltp` has; not known everywhere."""

    async def owner(self) -> psycopg.AsyncConnection[tuple[object, ...]]:
        """A connection as nexus_owner in autocommit, for one job; the caller closes it (`async with`). Raises psycopg.OperationalError."""
        return await psycopg.AsyncConnection.connect(self.owner_url, autocommit=True, application_name="nexus owner")


class Cells(Mapping[str, Cell]):
    """The cells of this installation by name. They are settings: adding one is a restart, moving a tenant is not."""

    def __init__(self, cells: Sequence[Cell]) -> None:
        if not cells:
            raise ValueError("an installation has at least one cell")
        self._cells = {cell.name: cell for cell in cells}
        self.control: Final = cells[0]

    def __getitem__(self, name: str) -> Cell:
        try:
            return self._cells[name]
        except KeyError:
            raise CellNotNamed(cell=name) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._cells)

    def __len__(self) -> int:
        return len(self._cells)

    async def prepare(self) -> None:
        """Make the tables of the platform itself, in every cell and in the control plane. Safe at every start."""
        for cell in self.values():
            async with await cell.owner() as connection:
                await cell_schema.install(connection)
                await _run_alone(connection, cell_functions() + _sql("versions.sql"))
        async with await self.control.owner() as connection:
            await _run_alone(connection, _sql("control.sql"))
            for cell in self.values():
                await connection.execute(
                    "INSERT INTO nexus_control.cell (name, capacity) VALUES (%s, %s)"
                    " ON CONFLICT (name) DO UPDATE SET capacity = excluded.capacity WHERE cell.capacity <> excluded.capacity",
                    (cell.name, cell.capacity),
                )

    async def unnamed(self) -> dict[str, int]:
        """The cells that the control plane knows and the settings do not name, each with how many tenants live there."""
        async with await self.control.owner() as connection:
            rows = await (await connection.execute(_UNNAMED, (list(self._cells),))).fetchall()
        return {str(name): int(str(tenants)) for name, tenants in rows}

    async def close(self) -> None:
        """End the runtime's connections to every cell."""
        for cell in self.values():
            await cell.oltp.close()


def _sql(name: str) -> str:
    return resources.files("nexus.runtime").joinpath(name).read_text(encoding="utf-8")


async def _run_alone(connection: psycopg.AsyncConnection[tuple[object, ...]], script: str) -> None:
    """Run a multi-statement script in one transaction that no other process runs meanwhile."""
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock(hashtext('nexus.prepare'))")
        await connection.execute(script.encode())
