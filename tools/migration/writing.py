"""The files of a service's migrations: written from declarations, and held against them."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import psycopg

from nexus.core.service import Service
from nexus.engines.oltp.embedded import EmbeddedPostgres
from nexus.runtime import migrations
from nexus.surfaces.tables import cell_functions, grants, statements
from tools.migration.catalogue import Connection, compared
from tools.migration.difference import Difference, difference

INITIAL = "0001_initial.sql"
_LEAVES = re.compile(r"^-- leaves (\S+)$", re.MULTILINE)


class Refused(Exception):
    """What was asked cannot be done; the message says what can."""


def folder(service: Service) -> Path:
    """Where a service's migrations are."""
    import importlib

    found = importlib.import_module(service.package).__file__
    assert found is not None
    return Path(found).parent / "migrations"


def files(service: Service) -> list[Path]:
    """Its migrations in order."""
    return sorted(folder(service).glob("[0-9]*.sql"))


def command(service: Service, name: str | None = None) -> str:
    """The command that makes the file."""
    return f"make migration SERVICE={service.name}" + (f" NAME={name}" if name else "")


def head(service: Service) -> str:
    """The first lines of version 1."""
    return f"-- Version 1 of {service.name}: written by `{command(service)}` from its declarations, never by hand.\n-- expand\n"


def initial(service: Service) -> str:
    """The text of version 1."""
    return head(service) + migrations.initial(service)


def write_initial(service: Service) -> Path:
    """Write version 1 from the declarations. Refused once there is a later one: then it is history."""
    there = files(service)
    if len(there) > 1:
        raise Refused(f"{service.name} has versions after the first: give the change a name, `{command(service, 'what_changes')}`")
    file = folder(service) / INITIAL
    file.parent.mkdir(exist_ok=True)
    file.write_text(initial(service), encoding="utf-8")
    return file


def stale(services: Iterable[Service]) -> list[str]:
    """One line for each service whose only version is not what it declares; later versions are compared in a database, by the tests."""
    said: list[str] = []
    for service in services:
        there = files(service)
        if not there and service.entities():
            said.append(f"{service.name} has no migrations: run `{command(service)}`")
        elif len(there) == 1 and there[0].read_text(encoding="utf-8") != initial(service):
            said.append(f"the entities of {service.name} changed and {there[0].name} did not: run `{command(service)}` and commit the file")
    return said


def left_by(service: Service) -> list[str]:
    """The columns and tables that its versions left for the code before, and that no later one has dropped."""
    text = [file.read_text(encoding="utf-8") for file in files(service)]
    return [name for one in text for name in _LEAVES.findall(one)]


async def next_difference(connection: Connection, service: Service) -> Difference:
    """What is declared and not made by the migrations that are there."""
    there, declared = await compared(connection, service)
    created = {
        str(entity.__tablename__): "".join(f"{statement};\n" for statement in statements(entity)) + grants([str(entity.__tablename__)])
        for entity in service.entities()
    }
    return difference(there, declared, created, left_by(service))


async def write_next(connection: Connection, service: Service, name: str) -> Path:
    """Write the next version as a difference. Refused where there is none, or where the name is not one."""
    if not re.fullmatch(r"[a-z0-9_]+", name):
        raise Refused(f"{name!r} is not a name: lower-case letters, digits and underscores")
    there = files(service)
    if not there:
        raise Refused(f"{service.name} has no version yet: run `{command(service)}`")
    found = await next_difference(connection, service)
    if not found:
        raise Refused(f"the tables of {service.name} are as declared: there is nothing to migrate")
    file = folder(service) / f"{len(there) + 1:04}_{name}.sql"
    file.write_text(found.text(), encoding="utf-8")
    return file


@asynccontextmanager
async def scratch() -> AsyncIterator[Connection]:
    """A connection to a database of its own that is gone afterwards."""
    with tempfile.TemporaryDirectory() as place:
        os.chmod(place, 0o755)  # noqa: PTH101 - the server's own user must get through
        server = EmbeddedPostgres(Path(place) / "postgres", settings={"fsync": "off"})
        await server.start()
        try:
            async with await psycopg.AsyncConnection.connect(server.superuser_url, autocommit=True) as connection:
                await connection.execute("CREATE SCHEMA nexus_cell")
                await connection.execute(cell_functions().encode())
                yield connection
        finally:
            await server.stop()
