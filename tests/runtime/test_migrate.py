"""Migrating many tenants: one query when there is nothing to do, and the truth about each when there is."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from nexus.core.service import Service
from nexus.engines.oltp.embedded import EmbeddedPostgres
from nexus.engines.oltp.postgres import Postgres
from nexus.runtime import schemas
from nexus.runtime.cells import Cell, Cells
from nexus.runtime.directory import Directory, TenantRecord, schema_of
from nexus.runtime.migrate import Migrator, Patience
from nexus.runtime.migrations import latest
from tests.activation.conftest import new_database

V1 = "-- expand\nCREATE TABLE {s}.loyalty_card (id int PRIMARY KEY, holder text);\nGRANT SELECT, INSERT, UPDATE, DELETE ON {s}.loyalty_card TO {s};\n"
V2 = """-- expand
ALTER TABLE {s}.loyalty_card ADD COLUMN points int;
-- backfill
UPDATE {s}.loyalty_card SET points = 0 WHERE id IN (SELECT id FROM {s}.loyalty_card WHERE points IS NULL ORDER BY id LIMIT 10);
-- enforce
ALTER TABLE {s}.loyalty_card ALTER COLUMN points SET DEFAULT 0;
ALTER TABLE {s}.loyalty_card ALTER COLUMN points SET NOT NULL;
"""
V3 = "-- expand\nALTER TABLE {s}.loyalty_card ADD COLUMN level text DEFAULT 'bronze' NOT NULL;\n"
BEFORE = "INSERT INTO {s}.loyalty_card (id, holder) VALUES (%s, 'as the code before writes it')"
_names = itertools.count()


@dataclass(frozen=True, slots=True)
class MadeUp(Service):
    """A service whose folder is a test's own."""

    folder: str = ""

    @property
    def package(self) -> str:
        return self.folder


@dataclass
class Fleet:
    """Tenants of one cell with a service that gets new versions."""

    cells: Cells
    folder: Path
    tenants: list[TenantRecord]
    make: Callable[[int], MadeUp]

    def migrator(self, versions: int, **how: Any) -> Migrator:
        """That of the code which has so many versions."""
        return Migrator(self.cells, {"loyalty": self.make(versions)}, Directory(self.cells), **how)

    async def rows(self, query: str, *args: Any) -> list[tuple[Any, ...]]:
        async with await self.cells.control.owner() as connection:
            cursor = await connection.execute(query.encode(), args or None)
            return await cursor.fetchall() if cursor.description else []

    async def versions(self) -> dict[str, tuple[int, int]]:
        found = await self.rows("SELECT tenant, version, part FROM nexus_cell.tenant_service WHERE service = 'loyalty'")
        return {tenant: (version, part) for tenant, version, part in found}

    async def cards(self, tenant: TenantRecord, count: int) -> None:
        await self.rows(f"INSERT INTO {tenant.schema}.loyalty_card (id, holder) SELECT n, 'x' FROM generate_series(1, {count}) n")


@pytest.fixture(scope="module")
async def migrate_cells(postgres: EmbeddedPostgres) -> AsyncIterator[Cells]:
    owner, app = await new_database(postgres, "migrate_tests")
    cells = Cells([Cell("main", await Postgres.open(app), owner)])
    await cells.prepare()
    yield cells
    await cells.close()


@pytest.fixture
async def fleet(migrate_cells: Cells, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Fleet]:
    """Three tenants at version 1."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def make(versions: int) -> MadeUp:
        package = f"made_up_{next(_names)}"
        folder = tmp_path / package / "migrations"
        folder.mkdir(parents=True)
        for number, text in enumerate((V1, V2, V3)[:versions], 1):
            (folder / f"{number:04}_made_up.sql").write_text(text)
        return MadeUp("loyalty", "Loyalty", "customers", folder=package)

    tenants = [
        TenantRecord(
            id=uuid4(), slug=f"t{n}", name="T", state="active", cell="main", country="NG", currency="NGN", time_zone="UTC", language="en",
            preset={}, versions={"loyalty": 1},
        )
        for n in range(3)
    ]  # fmt: skip
    async with await migrate_cells.control.owner() as connection:
        await connection.execute("DELETE FROM nexus_cell.tenant_service")
    for tenant in tenants:
        await schemas.create(migrate_cells.control, tenant.schema, [make(1)])
    yield Fleet(migrate_cells, tmp_path, tenants, make)
    for tenant in tenants:
        await schemas.drop(migrate_cells.control, tenant.schema)


async def test_all_tenants_are_brought_on_and_backfilled_in_batches(fleet: Fleet) -> None:
    await fleet.cards(fleet.tenants[0], 35)
    told: list[tuple[int, int]] = []

    report = await fleet.migrator(3).run(progress=lambda done, of: told.append((done, of)))

    assert (report.brought, report.current, report.failures) == (3, 0, [])
    assert told[-1] == (3, 3)
    assert set((await fleet.versions()).values()) == {(3, 0)}
    schema = fleet.tenants[0].schema
    assert await fleet.rows(f"SELECT count(*), sum(points), min(level) FROM {schema}.loyalty_card") == [(35, 0, "bronze")]
    again = await fleet.migrator(3).run()
    assert (again.brought, again.current) == (0, 3)


async def test_nothing_to_do_over_a_thousand_tenants_is_one_statement(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    async with await fleet.cells.control.owner() as connection:
        await connection.execute(
            "INSERT INTO nexus_cell.tenant_service (tenant, service, version) SELECT 't_' || md5(n::text), 'loyalty', 3 FROM generate_series(1, 1000) n"
        )
        await connection.execute("UPDATE nexus_cell.tenant_service SET version = 3")
    sent: list[str] = []
    execute = psycopg.AsyncConnection.execute

    async def counted(self: Any, query: Any, *args: Any, **how: Any) -> Any:
        sent.append(str(query))
        return await execute(self, query, *args, **how)

    monkeypatch.setattr(psycopg.AsyncConnection, "execute", counted)
    report = await fleet.migrator(3).run()

    assert (report.brought, report.current, report.failures) == (0, 1003, [])
    assert len(sent) == 1


async def test_one_that_fails_is_recorded_and_the_others_go_on(fleet: Fleet) -> None:
    broken = fleet.tenants[1]
    await fleet.rows(f"ALTER TABLE {broken.schema}.loyalty_card ADD COLUMN points text")
    await fleet.rows(f"INSERT INTO {broken.schema}.loyalty_card (id, points) VALUES (1, 'many')")

    report = await fleet.migrator(3).run()

    assert report.brought == 2
    assert [(one.tenant, one.service, one.error[:5]) for one in report.failures] == [(broken.schema, "loyalty", "42701")]
    versions = await fleet.versions()
    assert versions.pop(broken.schema) == (1, 0)
    assert set(versions.values()) == {(3, 0)}
    (behind,) = [group for group in await fleet.migrator(3).status() if group.behind]
    assert (behind.version, behind.latest, behind.behind, (behind.error or "")[:5]) == (1, 3, (broken.schema,), "42701")
    async with await fleet.cells.control.owner() as connection:
        await connection.execute(f"ALTER TABLE {broken.schema}.loyalty_card DROP COLUMN points".encode())
    assert (await fleet.migrator(3).run()).brought == 1
    assert [group.error for group in await fleet.migrator(3).status()] == [None]


async def test_killed_in_a_backfill_it_goes_on_where_it_was(fleet: Fleet) -> None:
    one = fleet.tenants[0]
    await fleet.cards(one, 35)
    migrator = fleet.migrator(3)
    part = migrator._part
    done = itertools.count()

    async def dying(connection: Any, tenant: str, service: Service) -> bool:
        if tenant == one.schema and next(done) == 3:  # expand and two batches are committed
            await connection.close()
            raise asyncio.CancelledError
        return await part(connection, tenant, service)

    migrator._part = dying  # type: ignore[method-assign]
    with pytest.raises(asyncio.CancelledError):
        await migrator.run(tenant=one.schema)
    assert (await fleet.versions())[one.schema] == (1, 1)
    assert await fleet.rows(f"SELECT count(points) FROM {one.schema}.loyalty_card") == [(20,)]
    # the code before goes on working between the parts
    await fleet.rows((BEFORE + "").replace("{s}", one.schema), 100)

    assert (await fleet.migrator(3).run()).brought == 3

    assert (await fleet.versions())[one.schema] == (3, 0)
    assert await fleet.rows(f"SELECT count(*) FILTER (WHERE points = 0), count(*) FROM {one.schema}.loyalty_card") == [(36, 36)]


async def test_the_code_before_writes_after_each_version(fleet: Fleet) -> None:
    for version in (2, 3):
        await fleet.migrator(version).run()
        for n, tenant in enumerate(fleet.tenants):
            await fleet.rows((BEFORE + "").replace("{s}", tenant.schema), version * 10 + n)

    assert await fleet.rows(f"SELECT points, level FROM {fleet.tenants[0].schema}.loyalty_card ORDER BY id") == [
        (0, "bronze"),
        (0, "bronze"),
    ]


async def test_a_table_in_use_is_waited_for_and_not_queued_before(fleet: Fleet) -> None:
    one = fleet.tenants[0]
    migrator = fleet.migrator(3, patience=Patience(lock=0.05, attempts=200, first=0.001))
    async with await fleet.cells.control.owner() as reader, reader.transaction():
        await reader.execute(f"SELECT * FROM {one.schema}.loyalty_card".encode())
        running = asyncio.create_task(migrator.run())
        for _ in range(500):
            if sum(version == (3, 0) for version in (await fleet.versions()).values()) == 2:
                break
            await asyncio.sleep(0.01)
        assert (await fleet.versions())[one.schema] == (1, 0)
        assert not running.done()

    report = await running
    assert (report.brought, report.failures) == (3, [])


async def test_a_table_that_stays_in_use_is_a_recorded_failure(fleet: Fleet) -> None:
    one = fleet.tenants[0]
    migrator = fleet.migrator(3, patience=Patience(lock=0.02, attempts=2, first=0.001))
    async with await fleet.cells.control.owner() as reader, reader.transaction():
        await reader.execute(f"SELECT * FROM {one.schema}.loyalty_card".encode())
        report = await migrator.run()

    assert [(failure.tenant, failure.error[:5]) for failure in report.failures] == [(one.schema, "55P03")]
    assert report.brought == 2


async def test_a_cold_tenant_is_brought_on_by_its_first_use_once(fleet: Fleet) -> None:
    one = fleet.tenants[0]
    migrator = fleet.migrator(3)
    brought: list[str] = []
    bring = migrator._bring

    async def counted(connection: Any, tenant: str, service: Service) -> None:
        brought.append(tenant)
        await bring(connection, tenant, service)

    migrator._bring = counted  # type: ignore[method-assign]

    await asyncio.gather(*(migrator.ensure_service(one, "loyalty") for _ in range(10)))

    assert brought == [one.schema]
    assert sorted((await fleet.versions()).values()) == [(1, 0), (1, 0), (3, 0)]


async def test_two_processes_that_migrate_at_once_do_each_part_once(fleet: Fleet) -> None:
    for tenant in fleet.tenants:
        await fleet.cards(tenant, 25)

    reports = await asyncio.gather(fleet.migrator(3).run(), fleet.migrator(3).run())

    assert [report.failures for report in reports] == [[], []]
    assert set((await fleet.versions()).values()) == {(3, 0)}


async def test_a_new_tenant_has_the_latest_version_at_once(fleet: Fleet) -> None:
    service = fleet.make(3)
    schema = schema_of(uuid4())
    await schemas.create(fleet.cells.control, schema, [service])

    assert latest(service) == 3
    assert (await fleet.versions())[schema] == (3, 0)
    fleet.tenants.append(replace(fleet.tenants[0], id=UUID(schema.removeprefix("t_"))))
