"""Housekeeping removes what has served its time, of every tenant, and nothing else."""

from __future__ import annotations

import datetime as dt

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
