"""Several processes on one database: who answers, who works, and that two who work do nothing twice."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from nexus.engines.oltp.embedded import EmbeddedPostgres
from tests.process.conftest import LEAST, Nexus, free_port, until

LEADS = 120


@pytest.fixture
def party(postgres: EmbeddedPostgres, tmp_path: Path) -> Iterator[tuple[str, list[Nexus]]]:
    """The URL of an empty database, and processes that are not started yet."""
    with psycopg.connect(postgres.superuser_url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE party")
    folders = [tmp_path / name for name in ("api", "first", "second")]
    for folder in folders:
        folder.mkdir()
    processes = [Nexus(folder, free_port()) for folder in folders]
    yield make_conninfo(postgres.superuser_url, dbname="party"), processes
    for one in processes:
        if one.process is not None and one.process.poll() is None:
            one.stop(signal.SIGKILL)


def rows(url: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute(query.encode()).fetchall()


def test_two_workers_one_of_them_killed_do_everything_once(party: tuple[str, list[Nexus]]) -> None:
    url, (api, *workers) = party
    shared = {"NEXUS_DATABASE_URL": url, "NEXUS_OWNER_PASSWORD": "owner's", "NEXUS_APP_PASSWORD": "app's"}
    api.start("serve", "--target=api", **shared)
    key = api.key
    for worker in workers:
        worker.start("serve", "--target=worker", **shared)
        assert not (worker.folder / "data" / "operator.key").exists(), "nobody asks it for anything that takes one"
        assert "Activate a business" not in worker.said
        assert worker.ask("POST", "/api/v1/activate", LEAST, token=key)[0] in (401, 404)
    status, made = api.ask("POST", "/api/v1/activate", LEAST, token=key)
    assert status == 201, "the first process's key is still in force"
    token, owner = made["credentials"]["api_key"], made["credentials"]["owner_id"]
    rule = {"name": "All", "members": [{"user_id": owner}]}
    assert api.ask("POST", "/api/v1/crm/assignment_rules", rule, token=token)[0] == 201

    def write(start: int) -> None:
        for number in range(start, LEADS, 3):
            assert api.ask("POST", "/api/v1/crm/leads", {"name": f"Lead {number}"}, token=token)[0] == 201

    writers = [threading.Thread(target=write, args=(start,)) for start in range(3)]
    for writer in writers:
        writer.start()
    until(lambda: len(rows(url, "SELECT FROM nexus_cell.event WHERE topic LIKE '%lead.created'")) > LEADS // 4, "events come")
    workers[0].stop(signal.SIGKILL)
    for writer in writers:
        writer.join()

    schema = f"t_{made['tenant']['id'].replace('-', '')}"
    leads = f"SELECT FROM {schema}.crm_lead WHERE archived_at IS NULL AND owner_id = '{owner}' AND score IS NOT NULL"
    until(lambda: len(rows(url, leads)) == LEADS, "every lead has an owner and a score")
    until(lambda: len(rows(url, f"SELECT FROM {schema}.crm_response_clock WHERE status = 'running'")) == LEADS, "every lead has a clock")
    until(lambda: rows(url, "SELECT count(*) FROM nexus_cell.journal") == [(0,)], "all has been told")
    once = "SELECT count(*), count(DISTINCT subject) FROM nexus_cell.event WHERE topic LIKE '%{}' AND tenant = '{}'"
    assert rows(url, once.format("owner.changed", schema)) == [(LEADS, LEADS)]
    assert rows(url, once.format("lead.created", schema)) == [(LEADS + 1, LEADS + 1)], "one more is the proof's"
    assert rows(url, "SELECT count(*) - max(position), count(*) > 0 FROM nexus_cell.event") == [(0, True)]
    assert rows(url, "SELECT count(*) FROM nexus_cell.dead_letter") == [(0,)]
