"""Cells: what a process asks at its start, and what it keeps, does not grow with the tenants."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from nexus.config import BadSettings, Settings
from nexus.core.service import Service
from nexus.engines.oltp.embedded import EmbeddedPostgres
from nexus.runtime.databases import open_cells, own_database
from nexus.runtime.directory import Directory
from nexus.runtime.node import Node
from tests.activation.conftest import Installation, opened
from tests.runtime.copies import Business, Urls, business, two_cells

MANY = (
    "INSERT INTO nexus_control.tenant (id, slug, name, state, cell, country, currency, time_zone, language)"
    " SELECT gen_random_uuid(), 'many-' || n, 'Many', 'active', 'c' || n % 2, 'NG', 'NGN', 'UTC', 'en' FROM generate_series(1, 1000) n"
)
THERE = (
    "INSERT INTO nexus_cell.tenant_service (tenant, service, version) SELECT 't_' || replace(id::text, '-', ''), s, 1"
    " FROM nexus_control.tenant, unnest(ARRAY['auth', 'crm', 'finance']) s WHERE slug ~ '^many-'"
)


@pytest.fixture(scope="module")
async def urls(postgres: EmbeddedPostgres) -> list[Urls]:
    return await two_cells(postgres, "cells_tests")


async def _started(urls: list[Urls], services: dict[str, Service], monkeypatch: pytest.MonkeyPatch) -> tuple[list[str], int, Node]:
    """The statements of a start by the owner's role, the round trips of the runtime's, and the node."""
    sent: list[str] = []
    execute = psycopg.AsyncConnection.execute

    async def counted(self: Any, query: Any, *args: Any, **how: Any) -> Any:
        sent.append(str(query)[:80])
        return await execute(self, query, *args, **how)

    with monkeypatch.context() as counting:
        counting.setattr(psycopg.AsyncConnection, "execute", counted)
        async with opened(urls, services) as nexus:
            await nexus.node.migrator.run()
            await nexus.control.saga.recover(alone=True)
            await nexus.control.tenants.recover()
            await nexus.node.moves.recover()
            trips = sum(cell.oltp.stats.round_trips for cell in nexus.cells.values())  # type: ignore[attr-defined]
            return sorted(sent), trips, nexus.node


async def test_a_start_asks_as_much_with_a_thousand_tenants_as_with_none(
    urls: list[Urls], services: dict[str, Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    await _started(urls, services, monkeypatch)
    none, trips, _ = await _started(urls, services, monkeypatch)
    async with await psycopg.AsyncConnection.connect(urls[0][0], autocommit=True) as connection:
        await connection.execute(MANY)
        await connection.execute(THERE)

    many, again, node = await _started(urls, services, monkeypatch)

    assert many == none
    assert again == trips
    assert node.directory._known == {}
    assert node.principals._known == {}
    assert node.migrator._first_uses == {}


async def test_the_directory_keeps_no_more_than_its_limit(urls: list[Urls], services: dict[str, Service]) -> None:
    async with opened(urls, services) as nexus:
        rows = await nexus.rows("SELECT id FROM nexus_control.tenant WHERE slug ~ '^many-' ORDER BY slug LIMIT 30")
        directory = Directory(nexus.cells, limit=10)

        for (id,) in rows:
            assert await directory.get(id) is not None

        assert list(directory._known) == [id for (id,) in rows[-10:]]
        assert await directory.get(uuid4()) is None
        assert len(directory._known) == 10


async def test_a_second_cell_is_a_setting(postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    async with await psycopg.AsyncConnection.connect(postgres.superuser_url, autocommit=True) as connection:
        await connection.execute("CREATE DATABASE setting_second")
        before = await (await connection.execute("SELECT rolname, rolpassword FROM pg_authid WHERE rolname ~ '^nexus_'")).fetchall()
    second = postgres.superuser_url.replace("/postgres", "/setting_second")
    settings = Settings(data=str(tmp_path), cells=f"second={second}")
    try:
        cells, findings = await open_cells(await own_database(postgres.superuser_url), settings)
        try:
            assert (list(cells), cells.control.name, findings) == (["main", "second"], "main", [])
            async with await cells["second"].owner() as owner:
                row = await (await owner.execute("SELECT to_regclass('nexus_cell.journal'), to_regnamespace('nexus_control')")).fetchone()
            assert row == ("nexus_cell.journal", None)
        finally:
            await cells.close()
    finally:
        # the roles are the server's: other tests log in with the passwords they had
        async with await psycopg.AsyncConnection.connect(postgres.superuser_url, autocommit=True) as connection:
            for name, password in before:
                await connection.execute(f"ALTER ROLE {name} PASSWORD '{password}'".encode())


@pytest.fixture(scope="module")
async def apart(postgres: EmbeddedPostgres, services: dict[str, Service]) -> tuple[list[Urls], Business, Business]:
    """Two cells, with a tenant in each."""
    urls = await two_cells(postgres, "unnamed_tests")
    async with opened(urls, services) as nexus:
        near = await business(nexus, "near")
        await nexus.rows("UPDATE nexus_control.cell SET open = name = 'c1' RETURNING 1")
        return urls, near, await business(nexus, "far")


async def _state(nexus: Installation, slug: str) -> Any:
    return (await nexus.rows("SELECT state, cell FROM nexus_control.tenant WHERE slug = %s", slug))[0]


async def test_a_tenant_in_a_cell_that_is_not_named_is_told_what_is_missing(
    apart: tuple[list[Urls], Business, Business], services: dict[str, Service]
) -> None:
    urls, near, far = apart
    async with opened(urls[:1], services) as nexus:
        status, problem = await nexus.ask("GET", "/api/v1/crm/leads", token=far.token)
        wrote, refused = await nexus.ask("POST", "/api/v1/crm/leads", {"name": "Bola"}, token=far.token)

        assert (status, wrote) == (503, 503)
        said = "The cell c1 is not among the settings (NEXUS_CELLS): name it there, with the URL it had, and start NEXUS again."
        assert (problem["detail"], refused["detail"]) == (said, said)
        assert (await nexus.ask("GET", "/api/v1/crm/leads", token=near.token))[0] == 200
        shown = (await nexus.ask("GET", "/api/v1/tenants/far"))[1]
        assert (shown["state"], shown["cell"], shown["services"]) == ("active", "c1", {})
        assert await nexus.cells.unnamed() == {"c1": 1}
    async with opened(urls, services) as nexus:
        assert (await nexus.ask("GET", "/api/v1/crm/leads", token=far.token))[0] == 200
        assert await nexus.cells.unnamed() == {}


async def test_what_is_in_a_cell_that_is_not_named_is_not_purged_and_holds_nobody_up(
    apart: tuple[list[Urls], Business, Business], services: dict[str, Service]
) -> None:
    urls, _, far = apart
    async with opened(urls[:1], services) as nexus:
        assert (await nexus.ask("POST", "/api/v1/tenants/far/archive", {"reason": "Gone"}))[0] == 200

        status, problem = await nexus.ask("POST", "/api/v1/tenants/far/purge", {"reason": "Gone", "force": True})

        assert (status, problem["cell"]) == (503, "c1")
        assert await _state(nexus, "far") == ("archived", "c1")
        await nexus.rows("UPDATE nexus_control.tenant SET state = 'purging' WHERE slug = 'far' RETURNING 1")
        await nexus.rows(
            "INSERT INTO nexus_control.relocation (tenant_id, kind, target, phase) VALUES (%s, 'restore', 'c1', 'filling') RETURNING 1",
            far.id,
        )
        assert await nexus.control.tenants.recover() == 0
        assert await nexus.node.moves.recover() == 0
        assert await _state(nexus, "far") == ("purging", "c1")
        await nexus.rows("DELETE FROM nexus_control.relocation RETURNING 1")
        await nexus.rows("UPDATE nexus_control.tenant SET state = 'active' WHERE slug = 'far' RETURNING 1")


@pytest.mark.parametrize("cells", ["second", "main=postgresql://x", "second=", "2nd=postgresql://x"])
def test_a_bad_setting_of_cells_is_refused(cells: str) -> None:
    with pytest.raises(BadSettings, match="NEXUS_CELLS takes name=url"):
        Settings(cells=cells).extra_cells()


async def test_a_tenant_of_a_full_installation_is_refused(urls: list[Urls], services: dict[str, Service]) -> None:
    async with opened(urls, services) as nexus:
        await nexus.rows("UPDATE nexus_control.cell SET open = false RETURNING 1")

        status, problem = await nexus.activate("no-room")

        await nexus.rows("UPDATE nexus_control.cell SET open = true RETURNING 1")
        assert status == 503
        assert "Every cell is full" in problem["detail"]
        assert await nexus.rows("SELECT count(*) FROM nexus_control.tenant WHERE slug = 'no-room'") == [(0,)]
