"""What every test may use: one real PostgreSQL for the session, and a fresh tenant for each test that asks for one."""

from __future__ import annotations

import asyncio
import os
import warnings
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import LifoQueue
from typing import Any
from uuid import UUID

import psycopg
import pytest
import uvloop
from xdist.scheduler import LoadScopeScheduling

from nexus.core.ids import uuid7
from nexus.core.service import Service, installed
from nexus.engines.oltp.embedded import EmbeddedPostgres
from nexus.engines.oltp.postgres import Postgres
from nexus.engines.oltp.roles import bootstrap, credentials
from nexus.gateway.federation.toolbox import NoNode, Toolbox
from nexus.runtime.cell_schema import install
from nexus.runtime.databases import own_database
from nexus.runtime.testing import Harness, schema_of, tenant_script
from nexus.surfaces.tables import cell_functions


def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> pytest.TestReport:
    """A skip is for machines that lack a part. CI has every part, so there it is a failure."""
    report = pytest.TestReport.from_item_and_call(item, call)
    if report.skipped and os.environ.get("CI") and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, and CI never skips: {report.longrepr}"
    return report


def pytest_configure() -> None:
    """Tests run on the event loop that a process runs on: it treats a socket's errors in its own way.

    The plugin's hook for loops makes a parameter of it, which takes fixtures of the session down between tests that have a loop and tests that
    have none.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # from Python 3.14 on
        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    installed()  # roles and operations are there when tests are collected that run once for each


class ByFile(LoadScopeScheduling):
    """The tests of a file run in one worker; those of a folder that share an installation of many processes do, too."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::", 1)[0]
        return "tests/journeys" if file.startswith("tests/journeys/") else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile:
    """How tests are shared out where several workers run them."""
    return ByFile(config, log)


@dataclass(frozen=True)
class Database:
    """A database with roles, walls and the cell's own tables."""

    superuser: str
    owner: str
    app: str


def reachable(folder: Path) -> Path:
    """Let the server's own user through to a temporary folder of ours: pytest makes them for us alone."""
    for place in (folder, *folder.parents):
        if place.stat().st_uid == os.geteuid() and place.stat().st_mode & 0o005 != 0o005:
            place.chmod(place.stat().st_mode | 0o055)
    return folder


@pytest.fixture(scope="session")
async def postgres(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedPostgres]:
    """A server for the session. It does not flush to disk: tests that kill one start their own. Who waits for each other is told soon."""
    settings = {"fsync": "off", "max_connections": "200", "deadlock_timeout": "100ms"}
    server = EmbeddedPostgres(reachable(tmp_path_factory.mktemp("postgres")), settings=settings)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture(scope="session")
async def database(postgres: EmbeddedPostgres) -> Database:
    """The database that harnesses share; every tenant in it is its own."""
    url = await own_database(postgres.superuser_url)
    assert await bootstrap(url, "owner's", "app's") == []
    made = Database(url, credentials(url, "nexus_owner", "owner's"), credentials(url, "nexus_app", "app's"))
    async with await psycopg.AsyncConnection.connect(made.owner, autocommit=True) as owner:
        await install(owner)
        await owner.execute(cell_functions().encode())
    return made


@pytest.fixture(scope="session")
async def oltp(database: Database) -> AsyncIterator[Postgres]:
    """The runtime's own connections."""
    engine = await Postgres.open(database.app)
    yield engine
    await engine.close()


@pytest.fixture(scope="session")
def services() -> dict[str, Service]:
    """Every service that is installed."""
    return installed()


@pytest.fixture(scope="session")
def new_tenants(database: Database, services: dict[str, Service]) -> Iterator[Callable[[], Awaitable[UUID]]]:
    """Tenants with every service. They are made ahead of the tests, which wait for little else, by two connections that know the catalogue."""
    making, idle = deque[Future[UUID]](), LifoQueue[psycopg.Connection]()

    def make() -> UUID:
        id, connection = uuid7(), idle.get()
        try:
            connection.execute(tenant_script(schema_of(id), services.values()).encode())
        finally:
            idle.put(connection)
        return id

    async def take() -> UUID:
        while len(making) < 6:
            making.append(makers.submit(make))
        return await asyncio.wrap_future(making.popleft())

    with (
        psycopg.connect(database.owner, autocommit=True) as one,
        psycopg.connect(database.owner, autocommit=True) as other,
        ThreadPoolExecutor(2) as makers,
    ):
        idle.put(one)
        idle.put(other)
        yield take
        makers.shutdown(cancel_futures=True)


@pytest.fixture
async def tenant(new_tenants: Callable[[], Awaitable[UUID]], oltp: Postgres, services: dict[str, Service]) -> Harness:
    """A fresh tenant with every service, seen by its owner."""
    return Harness.of(oltp, await new_tenants(), services.values())


@pytest.fixture(scope="session")
def toolbox() -> Toolbox:
    """Node with the packages of `tools/node`, which are installed where they are not those of its lock file."""
    try:
        found = Toolbox.find()
        found.install()
    except NoNode as why:
        pytest.skip(str(why))
    return found
