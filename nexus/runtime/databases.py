"""Databases: from a URL with the right to create roles to a cell that the process works on."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import msgspec
import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from nexus.config import Settings
from nexus.engines.oltp.postgres import Postgres
from nexus.engines.oltp.roles import bootstrap, credentials, new_password
from nexus.runtime.cell_schema import install
from nexus.runtime.cells import Cell, Cells
from nexus.surfaces.tables import cell_functions

DATABASE: Final = "nexus"
MAIN: Final = "main"


class Passwords(msgspec.Struct, frozen=True):
    """Of the two roles that programs log in as."""

    owner: str
    app: str


def passwords(settings: Settings) -> Passwords:
    """Those of the settings, else those of the data folder, made on the first start and readable by their owner only."""
    file = settings.folder / "roles.json"
    if not file.exists():
        _write_private(file, msgspec.json.encode(Passwords(new_password(), new_password())))
    kept = msgspec.json.decode(file.read_bytes(), type=Passwords)
    return Passwords(settings.owner_password or kept.owner, settings.app_password or kept.app)


def _write_private(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "wb") as out:
        out.write(content)


async def own_database(url: str) -> str:
    """The URL of our database on an embedded server, made if it is not there."""
    ours = make_conninfo(url, dbname=DATABASE)
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        row = await (await connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,))).fetchone()
        if row is None:
            await connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
    return ours


async def open_cell(name: str, url: str, settings: Settings) -> tuple[Cell, list[str]]:
    """Prepare a database for use and connect to it; with it, what could not be secured there (for `nexus doctor`).

    Raises psycopg.OperationalError where there is no such server, RolesTaken where its roles are another installation's.
    """
    known = passwords(settings)
    # an embedded server lies in the data folder: whoever has that may set its passwords anew, where they were lost
    findings = await bootstrap(url, known.owner, known.app, ours=name == MAIN and not settings.database_url)
    owner_url = credentials(url, "nexus_owner", known.owner)
    async with await psycopg.AsyncConnection.connect(owner_url, autocommit=True) as owner:
        await install(owner)
        await owner.execute(cell_functions().encode())
    return await _cell(name, url, known, settings.connections), [f"{finding.name}: {finding.meaning}" for finding in findings]


async def attach(name: str, url: str, settings: Settings, fast: int = 1) -> Cell:
    """Connect to a database as it is: for a look, or for work beside the process that prepared it.

    Raises psycopg.OperationalError, at once and with the reason, where there is none or it was prepared with other passwords.
    """
    known = passwords(settings)
    app_url = credentials(url, "nexus_app", known.app)
    async with await psycopg.AsyncConnection.connect(app_url, connect_timeout=5):
        return await _cell(name, url, known, fast)


async def _cell(name: str, url: str, known: Passwords, fast: int) -> Cell:
    app_url = credentials(url, "nexus_app", known.app)
    return Cell(name, await Postgres.open(app_url, fast=fast), credentials(url, "nexus_owner", known.owner), app_url=app_url)


async def attach_cells(url: str, settings: Settings) -> tuple[Cells, list[str]]:
    """All cells of the settings as another process has prepared them."""
    places = {MAIN: url, **settings.extra_cells()}
    return Cells([await attach(name, where, settings, settings.connections) for name, where in places.items()]), []


async def open_cells(url: str, settings: Settings) -> tuple[Cells, list[str]]:
    """All cells of the settings, the first at `url`, with their tables made."""
    cells: list[Cell] = []
    findings: list[str] = []
    for name, where in {MAIN: url, **settings.extra_cells()}.items():
        cell, found = await open_cell(name, where, settings)
        cells.append(cell)
        findings += [f"{name}: {finding}" for finding in found]
    opened = Cells(cells)
    await opened.prepare()
    return opened, findings
