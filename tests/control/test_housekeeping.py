"""Housekeeping removes what has served its time, of every tenant, and nothing else."""

from __future__ import annotations

import datetime as dt

import msgspec

from nexus.core.ids import uuid7
from nexus.engines.oltp import Statement
from nexus.runtime.housekeeping import Housekeeping
from tests.activation.conftest import Installation

KEY = Statement("INSERT INTO {s}.nexus_idempotency (key, actor, request_hash, at) VALUES ($1, $2, 'x', $3)")
INBOX = Statement("INSERT INTO {s}.nexus_inbox (event_id, reaction, at) VALUES ($1, 'test', $2)")
LEFT = Statement(
    "SELECT (SELECT json_agg(key ORDER BY key) FROM {s}.nexus_idempotency), (SELECT count(*) FROM {s}.nexus_inbox WHERE reaction = 'test')"
)


async def test_old_keys_and_inbox_rows_go_and_young_ones_stay(nexus: Installation) -> None:
    now = dt.datetime.now(dt.UTC)
    status, answer = await nexus.activate("tidy-house")
    assert status == 201
    schema = f"t_{answer['tenant']['id'].replace('-', '')}"
    cell = nexus.cells.control
    for age in (dt.timedelta(hours=23), dt.timedelta(hours=25)):
        key, actor, at = str(age.total_seconds()), str(uuid7()), (now - age).isoformat()
        await cell.oltp.run(schema, (KEY, [key.encode(), actor.encode(), at.encode()]))
    for days in (30, 32):
        at = (now - dt.timedelta(days=days)).isoformat()
        await cell.oltp.run(schema, (INBOX, [str(uuid7()).encode(), at.encode()]))
    node = nexus.node
    house = Housekeeping(cell.oltp, node.logs[cell.name], node.letters[cell.name], node.settings)

    removed = await house.round(now)

    assert (removed.keys, removed.inbox) == (1, 1)
    (left,) = await cell.oltp.run(schema, (LEFT, []))
    assert left.rows == [(b'["82800.0"]', b"1")]
    again = await house.round(now)
    assert (again.keys, again.inbox) == (0, 0)


IMPORT = Statement(
    "INSERT INTO {s}.nexus_import (id, entity, asked, dry_run, state, runner, key, progress_at)"
    " VALUES ($1::uuid, 'crm.contact', '{}', $2, $3, $1::uuid, 'k' || $1::uuid, $4)"
)
ROWS = Statement("INSERT INTO {s}.nexus_import_row (import_id, row_no, outcome) SELECT $1::uuid, n, 'created' FROM generate_series(1, 3) n")
SEEN = Statement("INSERT INTO {s}.nexus_import_key (import_id, key, row_no) SELECT $1, gen_random_uuid(), n FROM generate_series(1, 3) n")
HELD = Statement(
    "SELECT json_build_array((SELECT json_agg(state ORDER BY state) FROM {s}.nexus_import), (SELECT count(*) FROM {s}.nexus_import_row),"
    " (SELECT count(*) FROM {s}.nexus_import_key))"
)


async def test_imports_are_remembered_for_their_time_whatever_became_of_them(nexus: Installation) -> None:
    now = dt.datetime.now(dt.UTC)
    _, answer = await nexus.activate("tidy-imports")
    schema, cell = f"t_{answer['tenant']['id'].replace('-', '')}", nexus.cells.control
    ids: dict[str, str] = {}
    for state, dry, days in (("done", b"f", 31), ("interrupted", b"t", 31), ("running", b"f", 29), ("interrupted", b"t", 29)):
        id, at = str(uuid7()), (now - dt.timedelta(days=days)).isoformat()
        ids[f"{state} {days}"] = id
        await cell.oltp.run(schema, (IMPORT, [id.encode(), dry, state.encode(), at.encode()]))
        await cell.oltp.run(schema, (ROWS, [id.encode()]), (SEEN, [id.encode()]))
    node = nexus.node
    house = Housekeeping(cell.oltp, node.logs[cell.name], node.letters[cell.name], node.settings)

    assert (await house.round(now)).imports == 2

    (left,) = await cell.oltp.run(schema, (HELD, []))
    assert msgspec.json.decode(left.rows[0][0] or b"") == [["interrupted", "running"], 6, 6]
    assert (await house.round(now)).imports == 0


async def test_an_import_that_is_being_forgotten_can_be_neither_asked_about_nor_undone(nexus: Installation) -> None:
    _, answer = await nexus.activate("tidy-halfway")
    tenant, cell = answer["tenant"]["id"], nexus.cells.control
    schema, id = f"t_{tenant.replace('-', '')}", str(uuid7())
    await cell.oltp.run(schema, (IMPORT, [id.encode(), b"f", b"forgotten", dt.datetime.now(dt.UTC).isoformat().encode()]))
    for method, path in (("GET", ""), ("POST", "/undo")):
        status, problem = await nexus.ask(method, f"/api/v1/crm/contacts/imports/{id}{path}", token=answer["credentials"]["api_key"])
        assert status == 404, problem
