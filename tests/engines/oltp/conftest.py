"""A real PostgreSQL with two tenants, for the tests of the transactional engine.

NEXUS_TEST_POSTGRES names another server by the URL of its superuser, to run the same tests on another version.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from nexus.engines.oltp import Statement
from nexus.engines.oltp.embedded import EmbeddedPostgres
from nexus.engines.oltp.postgres import Postgres
from nexus.engines.oltp.roles import bootstrap, create_tenant_schema_sql, credentials, drop_tenant_schema_sql
from nexus.engines.oltp.settings import Settings

OURS = "t_" + "a" * 32
THEIRS = "t_" + "b" * 32
DATABASE = "oltp_tests"

TABLES = """
create table {s}.contact (id integer primary key, name text not null, email text constraint contact_email unique, age integer check (age > 0));
create table {s}.deal (id integer primary key, contact_id integer not null references {s}.contact deferrable initially deferred);
insert into {s}.contact values (1, 'Ann of {s}', 'ann@example.com', 30);
analyze {s}.contact
"""


@dataclass(frozen=True)
class Server:
    """Where the test database is, for each kind of user."""

    superuser: str
    owner: str
    app: str


@pytest.fixture(scope="session")
async def server_url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    if given := os.environ.get("NEXUS_TEST_POSTGRES"):
        yield given
        return
    folder = tmp_path_factory.mktemp("oltp")
    reachable(folder)
    postgres = EmbeddedPostgres(folder)
    await postgres.start()
    yield postgres.superuser_url
    await postgres.stop()


@pytest.fixture(scope="session")
async def server(server_url: str) -> Server:
    """A fresh database with the roles and walls in force, and the schemas of two tenants."""
    async with await psycopg.AsyncConnection.connect(server_url, autocommit=True) as connection:
        await connection.execute(f"drop database if exists {DATABASE} with (force)".encode())
        await connection.execute(f"create database {DATABASE}".encode())
    superuser = make_conninfo(server_url, dbname=DATABASE)
    assert await bootstrap(superuser, "owner's", "app's") == []
    made = Server(superuser, credentials(superuser, "nexus_owner", "owner's"), credentials(superuser, "nexus_app", "app's"))
    async with await psycopg.AsyncConnection.connect(made.owner, autocommit=True) as connection:
        for schema in (OURS, THEIRS):
            script = create_tenant_schema_sql(schema, connection.info.server_version, TABLES.format(s=schema), ("contact", "deal"))
            await connection.execute(drop_tenant_schema_sql(schema).encode())
            await connection.execute(script.encode())
    return made


@pytest.fixture
async def owner(server: Server) -> AsyncIterator[psycopg.AsyncConnection[tuple[object, ...]]]:
    """A connection that may alter tables; tables are emptied but for their first row when it opens."""
    async with await psycopg.AsyncConnection.connect(server.owner, autocommit=True) as connection:
        for schema in (OURS, THEIRS):
            await connection.execute(f"delete from {schema}.deal; delete from {schema}.contact where id <> 1".encode())
        yield connection


@pytest.fixture
def settings() -> Settings:
    return Settings()


@pytest.fixture
async def db(server: Server, owner: object, settings: Settings) -> AsyncIterator[Postgres]:
    """The engine with a single fast connection, so that what was prepared is where the next request goes."""
    engine = await Postgres.open(server.app, fast=1, slow=1, transactions=2, settings=settings)
    yield engine
    await engine.close()


@pytest.fixture
def ours() -> str:
    return OURS


@pytest.fixture
def theirs() -> str:
    return THEIRS


@pytest.fixture
def until() -> Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]:
    """Wait for a condition, at most ten seconds."""

    async def wait(condition: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(10):
            while not await condition():
                await asyncio.sleep(0.005)

    return wait


@pytest.fixture
def waits_for_lock(
    owner: psycopg.AsyncConnection[tuple[object, ...]], until: Callable[..., Awaitable[None]]
) -> Callable[[int], Awaitable[None]]:
    """Wait until so many statements of the test database wait for a lock."""

    async def wait(count: int) -> None:
        async def there() -> bool:
            query = "select count(*) from pg_locks where not granted and locktype in ('transactionid', 'tuple', 'relation')"
            row = await (await owner.execute(query)).fetchone()
            return row is not None and row[0] == count

        await until(there)

    return wait


def reachable(folder: Path) -> None:
    """As root the server runs as nobody: every folder above its data must let it pass."""
    for place in (folder, *folder.parents):
        if place.stat().st_mode & 0o005 != 0o005 and place.owner() == "root" and str(place).startswith("/tmp/"):
            place.chmod(0o755)


@pytest.fixture
def names(db: Postgres, ours: str) -> Callable[[], Awaitable[list[bytes | None]]]:
    """The names of our contacts, in order of their ids."""
    query = Statement("select name from {s}.contact order by id")

    async def read() -> list[bytes | None]:
        return [row[0] for row in (await db.run(ours, (query, [])))[0].rows]

    return read
