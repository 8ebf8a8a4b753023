"""The embedded server: what it leaves on disk tells nobody what is in it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest

from conftest import reachable
from nexus.engines.oltp.embedded import EmbeddedPostgres


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[EmbeddedPostgres]:
    folder = reachable(tmp_path) / "postgres"
    folder.mkdir()
    (folder / "postgres.log").touch(0o644)
    made = EmbeddedPostgres(folder, settings={"fsync": "off"})
    await made.start()
    yield made
    await made.stop()


async def test_the_log_is_for_its_owner_and_quotes_no_row(server: EmbeddedPostgres) -> None:
    async with await psycopg.AsyncConnection.connect(server.superuser_url, autocommit=True) as connection:
        await connection.execute("CREATE TABLE person (email text PRIMARY KEY, age int CHECK (age > 0))")
        for age in (1, 1, -1):
            try:
                await connection.execute("INSERT INTO person VALUES (%s, %s)", ("ada@secret.example", age))
            except psycopg.errors.IntegrityError as error:
                assert "ada@secret.example" in str(error)
    log = server.folder / "postgres.log"
    assert log.stat().st_mode & 0o777 == 0o600
    said = log.read_text()
    assert "duplicate key value" in said
    assert "violates check constraint" in said
    assert "ada@secret.example" not in said
