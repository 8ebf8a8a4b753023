"""What waits for its time goes along with a copy of its tenant."""

from __future__ import annotations

from pathlib import Path

from nexus.core.service import Service
from nexus.engines.oltp.embedded import EmbeddedPostgres
from tests.activation.conftest import opened
from tests.runtime.copies import backups, business, record_of, two_cells


async def test_a_timer_is_copied_beside_the_living_one(postgres: EmbeddedPostgres, services: dict[str, Service], tmp_path: Path) -> None:
    """Into the same cell, where the ids of the living one's rows are taken."""
    async with opened(await two_cells(postgres, "timer_tests"), services) as nexus:
        one = await business(nexus, "has-timers")
        record = await record_of(nexus, one.id)
        await nexus.rows(
            "INSERT INTO nexus_cell.timer (id, tenant, command, arguments, correlation, due_at)"
            " VALUES (gen_random_uuid(), %s, 'crm.response_clock:sweep', '{}', 'x', now() + interval '1 day') RETURNING 1",
            record.schema,
            cell=record.cell,
        )
        await backups(nexus).backup(record, tmp_path / "timers.zip")
        await nexus.rows("UPDATE nexus_control.cell SET open = (name = %s) RETURNING 1", record.cell)

        restored = (await backups(nexus).restore(tmp_path / "timers.zip", slug="has-timers-too")).record

        await nexus.rows("UPDATE nexus_control.cell SET open = true RETURNING 1")
        assert restored.cell == record.cell
        counted = "SELECT count(DISTINCT id), count(DISTINCT tenant) FROM nexus_cell.timer WHERE tenant IN (%s, %s)"
        assert await nexus.rows(counted, record.schema, restored.schema, cell=record.cell) == [(2, 2)]
