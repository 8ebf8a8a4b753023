"""A cell of its own for each test: a database with `nexus_cell`, two tenants, and everything that moves events."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from nexus.engines.oltp.embedded import EmbeddedPostgres
from nexus.engines.oltp.postgres import Postgres
from nexus.engines.oltp.roles import APP, OWNER, bootstrap, credentials
from nexus.runtime.cell_schema import install
from tests.events.shop import Shop, add_tenant

Owner = psycopg.AsyncConnection[tuple[object, ...]]


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    """Where the server lives: not below pytest's own folder, which a server that is not root could not enter."""
    with TemporaryDirectory(prefix="nexus-events-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture(scope="session")
async def server(folder: Path) -> AsyncIterator[EmbeddedPostgres]:
    """PostgreSQL, without waiting for the disk."""
    running = EmbeddedPostgres(folder, settings={"fsync": "off", "autovacuum": "off"})
    await running.start()
    yield running
    await running.stop()


@pytest.fixture(scope="session")
async def template(server: EmbeddedPostgres) -> tuple[str, list[UUID]]:
    """The name of a database with everything in it that a test begins with, and its two tenants."""
    async with await psycopg.AsyncConnection.connect(server.superuser_url, autocommit=True) as superuser:
        await superuser.execute("create database template_cell")
    url = make_conninfo(server.superuser_url, dbname="template_cell")
    await bootstrap(url, "owner", "app")
    async with await psycopg.AsyncConnection.connect(credentials(url, OWNER, "owner"), autocommit=True) as owner:
        assert await install(owner) == 0
        return "template_cell", [await add_tenant(owner), await add_tenant(owner)]


@pytest.fixture
async def database(server: EmbeddedPostgres, template: tuple[str, list[UUID]]) -> AsyncIterator[str]:
    """The superuser's address of a new cell."""
    name = f"cell_{uuid4().hex}"
    async with await psycopg.AsyncConnection.connect(server.superuser_url, autocommit=True) as superuser:
        await superuser.execute(f"create database {name} template {template[0]}".encode())
        await superuser.execute(f"grant connect on database {name} to nexus_app, nexus_owner".encode())
        yield make_conninfo(server.superuser_url, dbname=name)
        await superuser.execute(f"drop database {name} with (force)".encode())


@pytest.fixture
async def superuser(database: str) -> AsyncIterator[Owner]:
    """Who may do anything, also what nobody should."""
    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as connection:
        yield connection


@pytest.fixture
async def owner(database: str) -> AsyncIterator[Owner]:
    """nexus_owner."""
    async with await psycopg.AsyncConnection.connect(credentials(database, OWNER, "owner"), autocommit=True) as connection:
        yield connection


@pytest.fixture
async def oltp(database: str) -> AsyncIterator[Postgres]:
    """nexus_app."""
    pool = await Postgres.open(credentials(database, APP, "app"))
    yield pool
    await pool.close()


@pytest.fixture
def shop(oltp: Postgres, template: tuple[str, list[UUID]]) -> Shop:
    """Two businesses in one cell."""
    return Shop(oltp, template[1])
