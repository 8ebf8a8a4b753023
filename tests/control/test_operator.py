"""The operator's key in an installation that is older than the code."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

from nexus.core.service import Service
from nexus.engines.oltp.embedded import EmbeddedPostgres
from nexus.runtime.operator import keep_operator_key
from tests.activation.conftest import new_database, opened


async def test_a_key_from_before_its_place_was_kept_stays_in_force(
    postgres: EmbeddedPostgres, services: dict[str, Service], tmp_path: Path
) -> None:
    async with opened([await new_database(postgres, f"older_{uuid4().hex[:8]}")], {"auth": services["auth"]}) as nexus:
        file = tmp_path / "operator.key"
        file.write_text(nexus.operator + "\n")
        async with await nexus.cells.control.owner() as owner:
            await owner.execute("ALTER TABLE nexus_control.operator DROP COLUMN kept_in")

        await nexus.cells.prepare()

        assert not await keep_operator_key(nexus.cells, file)
        assert (await nexus.ask("GET", "/api/v1/tenants"))[0] == 200
        file.unlink()
        assert await keep_operator_key(nexus.cells, file)
        assert await nexus.rows("SELECT count(*) FROM nexus_control.operator") == [(1,)]
