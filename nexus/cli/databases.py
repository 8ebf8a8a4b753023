"""The databases as a command uses them: beside the process that serves from them, or alone where nothing runs."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from uuid import UUID

import psycopg
from psycopg.conninfo import make_conninfo

from nexus.config import Settings
from nexus.core.problem import NotFound
from nexus.engines.oltp.embedded import running_url
from nexus.process import engines, node_of, running
from nexus.runtime.cells import Cell, Cells
from nexus.runtime.databases import DATABASE, MAIN, attach
from nexus.runtime.directory import TenantRecord
from nexus.runtime.node import Node


@asynccontextmanager
async def main_url(settings: Settings) -> AsyncGenerator[str]:
    """The URL of the first database: the running process's own, else as `nexus up` would have it."""
    if running(settings) is not None and not settings.database_url:
        yield make_conninfo(running_url(settings.folder / "postgres"), dbname=DATABASE)
        return
    async with engines(settings) as url:
        yield url


@asynccontextmanager
async def opened(settings: Settings) -> AsyncGenerator[Node]:
    """A node on the databases, its own work not begun. Where nothing runs here they are prepared first, as at every start, except a
    given database that has been prepared before: it may be the one of a process elsewhere, whose passwords are in another data folder.

    Raises NoPostgres, AlreadyRunning, psycopg.OperationalError and engines.oltp.Unavailable.
    """
    if running(settings) is None and not await _prepared(settings.database_url):
        async with node_of(settings) as (node, _):
            yield node
        return
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(main_url(settings))
        cells: list[Cell] = []
        for name, where in {MAIN: url, **settings.extra_cells()}.items():
            cells.append(await attach(name, where, settings))
            stack.push_async_callback(cells[-1].oltp.close)
        yield Node(settings, Cells(cells))


async def _prepared(url: str) -> bool:
    if not url:
        return False
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        row = await (await connection.execute("SELECT to_regnamespace('nexus_control') IS NOT NULL")).fetchone()
    return row is not None and row[0] is True


async def record_of(node: Node, name: str) -> TenantRecord:
    """The tenant of this slug or id. NotFound (404)."""
    found = await node.directory.by_slug(name)
    if found is None:
        try:
            found = await node.directory.get(UUID(name))
        except ValueError:
            found = None
    if found is None:
        raise NotFound(kind="tenant", id=name)
    return found


def left_out(cells: Iterable[str], what: str) -> list[str]:
    """A line for each cell that the settings do not name, so that nobody takes what was looked at for all there is."""
    return [f"The cell {cell} is not among the settings (NEXUS_CELLS): {what} were not looked at." for cell in cells]


def cell_of(node: Node, name: str | None) -> list[Cell]:
    """The cell of this name, or all of them. NotFound (404)."""
    if name is None:
        return list(node.cells.values())
    if name not in node.cells:
        raise NotFound(kind="cell", id=f"{name}: there are {', '.join(node.cells)}")
    return [node.cells[name]]
