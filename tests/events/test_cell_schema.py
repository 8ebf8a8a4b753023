"""The schema of a cell: a cell of an older version is taken to this one, with what is in it."""

from __future__ import annotations

from uuid import uuid4

import psycopg

from nexus.runtime import cell_schema
from nexus.runtime.cell_schema import install


async def test_an_older_cell_keeps_its_timers(owner: psycopg.AsyncConnection[tuple[object, ...]]) -> None:
    async with owner.transaction(force_rollback=True):
        await owner.execute("alter table nexus_cell.timer drop column trace")
        await owner.execute("delete from nexus_cell.version where number > 1")
        id = uuid4()
        await owner.execute(
            "insert into nexus_cell.timer (id, tenant, command, arguments, correlation, due_at) values (%s, 't', 'c', '{}', 'x', 'infinity')",
            (id,),
        )

        assert await install(owner) == 1
        assert await install(owner) == max(cell_schema._SCRIPTS)

        assert await (await owner.execute("select id, trace from nexus_cell.timer")).fetchall() == [(id, None)]
