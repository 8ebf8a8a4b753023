"""A tenant that comes back after a purge is in the state in which it was backed up, and nothing of the purge stays with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from nexus.core.service import Service
from nexus.engines.oltp.embedded import EmbeddedPostgres
from tests.activation.conftest import opened
from tests.runtime.copies import Urls, backups, business, record_of, two_cells

KEPT = "SELECT state, reason, hold_until FROM nexus_control.tenant WHERE id = %s"


@pytest.fixture(scope="module")
async def urls(postgres: EmbeddedPostgres) -> list[Urls]:
    return await two_cells(postgres, "restored_state_tests")


@pytest.mark.parametrize("move", [None, "suspend", "archive"])
async def test_nothing_of_the_purge_stays(urls: list[Urls], services: dict[str, Service], tmp_path: Path, move: str | None) -> None:
    async with opened(urls, services) as nexus:
        one = await business(nexus, f"back-{move or 'active'}")

        async def moved(move: str, reason: str, **more: bool) -> None:
            status, answer = await nexus.ask("POST", f"/api/v1/tenants/{one.slug}/{move}", {"reason": reason, **more})
            assert status == 200, answer

        if move is not None:
            await moved(move, "it rests")
        before = await nexus.rows(KEPT, one.id)
        await backups(nexus).backup(await record_of(nexus, one.id), tmp_path / "one.zip")
        if move != "archive":
            await moved("archive", "closed")
        await moved("purge", "closed", force=True)

        restored = (await backups(nexus).restore(tmp_path / "one.zip")).record

        assert await nexus.rows(KEPT, one.id) == before
        if move is None:
            assert (restored.state, restored.reason, restored.hold_until) == ("active", None, None)
