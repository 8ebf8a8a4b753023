"""Taking an import back, in batches: what it made is removed, what it changed is as before, and what was changed since is left and reported."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any, Final
from uuid import UUID

from nexus.core.entity import Entity
from nexus.core.ids import uuid7
from nexus.core.problem import Conflict
from nexus.engines.oltp import DatabaseError, Statement
from nexus.surfaces.calling import Caller, Host
from nexus.surfaces.imports import job
from nexus.surfaces.kept import kept
from nexus.surfaces.permissions import Rights
from nexus.surfaces.refusals import problem_of
from nexus.surfaces.shapes import shape_of
from nexus.surfaces.sql import Compiled, encode, fragment, named
from nexus.surfaces.writes import row_json

BATCH: Final = 1_000
ATTEMPTS: Final = 6

# a new runner: a request that still works on the import finds that it is not its any more
_BEGIN: Final = Statement(
    """UPDATE {s}.nexus_import SET state = 'undoing', runner = $3, ended_at = NULL
    WHERE id = $1 AND entity = $2 AND NOT dry_run AND state NOT IN ('undone', 'forgotten') RETURNING 1"""
)
_DONE: Final = Statement(
    "UPDATE {s}.nexus_import SET state = 'undone', ended_at = clock_timestamp(), progress_at = clock_timestamp() WHERE id = $1 AND runner = $2"
)
_LEAVE: Final = Statement(
    """WITH r AS (UPDATE {s}.nexus_import_row SET undone = 'changed' WHERE import_id = $1 AND row_no = (SELECT max(row_no)
        FROM {s}.nexus_import_row WHERE import_id = $1 AND outcome IN ('created', 'updated') AND undone IS NULL) RETURNING 1)
    UPDATE {s}.nexus_import SET kept = kept + 1 WHERE id = $1 AND EXISTS (SELECT FROM r)"""
)


async def undo(host: Host, caller: Caller, rights: Rights, entity: type[Entity], id: UUID, correlation: str) -> bytes:
    """Undo, or go on undoing; answers the import as JSON. Done twice, it does nothing the second time."""
    shape, runner = shape_of(entity), uuid7()
    oltp = host.oltp(caller.cell)
    begun = await oltp.run(caller.schema, (_BEGIN, [encode(id), shape.name.encode(), encode(runner)]))
    if not begun[0].rows:
        shown = await job.status(host, caller, entity, id)
        if b'"state" : "undone"' not in shown:
            raise Conflict(reason="A dry run has changed nothing that could be undone.")
        return shown
    cause = dataclasses.replace(caller.cause(correlation, str(id)), extra={"import": str(id)})
    values: dict[str, Any] = {
        "import": id,
        "runner": runner,
        "limit": BATCH,
        "audit": cause.audit_head(f"{shape.name}:undo_import", shape.name),
        "event_gone": cause.event_head(f"{shape.name}.{'deleted' if entity.removal == 'delete' else 'archived'}"),
        "event_back": cause.event_head(f"{shape.name}.updated"),
        **caller.values(),
    }
    await _batches(host, caller, undo_statement(entity, rights), values)
    await oltp.run(caller.schema, (_DONE, [encode(id), encode(runner)]))
    return await job.status(host, caller, entity, id)


async def _batches(host: Host, caller: Caller, statement: Compiled, values: dict[str, Any]) -> None:
    """Rows from the last to the first. One that the database keeps (something refers to it by now) is left."""
    oltp = host.oltp(caller.cell)
    lost = 0
    while True:
        try:
            (result,) = await oltp.run(caller.schema, statement.call(values), lane="slow")
        except DatabaseError as error:
            if error.sqlstate in ("40001", "40P01") and lost < ATTEMPTS:
                lost += 1
                await asyncio.sleep(0.01 * 2**lost)
                continue
            if problem_of(error) is None:
                raise
            if values["limit"] == 1:
                await oltp.run(caller.schema, (_LEAVE, [encode(values["import"])]))
                continue
            values["limit"] = max(1, values["limit"] // 8)
            continue
        host.wake(caller.cell)
        held, rows = result.rows[0]
        if held == b"0":
            raise Conflict(reason="The import is being undone by another request.")
        if rows == b"0":
            return
        values["limit"], lost = BATCH, 0


@kept
def undo_statement(entity: type[Entity], rights: Rights) -> Compiled:
    """The last rows that are not undone yet. Answers whether the import is held, and how many rows there were."""
    shape = shape_of(entity)
    table = f"{{s}}.{shape.table.name}"
    # with a dict, because most often there is one condition for both
    reach = dict.fromkeys(rights.sight(entity, f"{shape.name}:{verb}") for verb in (entity.removal or "update", "update"))
    seen = "".join(f" AND ({fragment(condition, shape.table)})" for condition in reach if condition is not None)
    stamp = "version = t.version + 1, updated_at = now(), updated_by = :me::uuid"
    gone = {
        "delete": f"DELETE FROM {table} t USING u WHERE t.id = u.record_id AND u.same AND u.outcome = 'created' RETURNING t.*",
        "archive": f"UPDATE {table} t SET archived_at = now(), {stamp} FROM u WHERE t.id = u.record_id AND u.same AND u.outcome = 'created' RETURNING t.*",
        None: f"SELECT t.* FROM {table} t WHERE false",
    }[entity.removal]
    kept_kind = "false" if entity.removal is not None else "r.outcome = 'created'"
    settings = ", ".join(
        f"{field.name} = CASE WHEN u.before ? '{field.name}' THEN p.{field.name} ELSE t.{field.name} END" for field in shape.writable
    )
    event = """h.head || '"id":"' || gen_random_uuid() || '","subject":"' || h.id || '","data":' || h.event || '}'"""
    return named(f"""WITH held AS MATERIALIZED (SELECT id FROM {{s}}.nexus_import
    WHERE id = :import::uuid AND runner = :runner::uuid AND state = 'undoing' FOR UPDATE),
r AS MATERIALIZED (SELECT x.* FROM {{s}}.nexus_import_row x, held WHERE x.import_id = held.id AND x.outcome IN ('created', 'updated')
    AND x.undone IS NULL ORDER BY x.row_no DESC LIMIT :limit::int),
old AS MATERIALIZED (SELECT {table}.* FROM {table} WHERE {table}.id = ANY (ARRAY(SELECT record_id FROM r)){seen} FOR UPDATE),
u AS MATERIALIZED (SELECT r.*, NOT {kept_kind} AND coalesce(old.version = r.version, false) AS same FROM r LEFT JOIN old ON old.id = r.record_id),
gone AS ({gone}),
back AS (UPDATE {table} t SET {settings}, {stamp} FROM u CROSS JOIN LATERAL jsonb_populate_record(NULL::{table}, u.before) p
    WHERE t.id = u.record_id AND u.same AND u.outcome = 'updated' RETURNING t.*),
h AS MATERIALIZED (SELECT gone.id, :event_gone::text AS head, {row_json(shape, "gone", shape.sensitive)} AS event FROM gone
    UNION ALL SELECT back.id, :event_back::text, {row_json(shape, "back", shape.sensitive)} FROM back),
journal AS (INSERT INTO nexus_cell.journal (audit, events) SELECT :audit::text || '"count":' || count(*) || ',"ids":' || json_agg(h.id) || '}}',
    '[' || string_agg({event}, ',') || ']' FROM h HAVING count(*) > 0),
marked AS (UPDATE {{s}}.nexus_import_row x SET undone = CASE WHEN u.same THEN 'undone' ELSE 'changed' END FROM u
    WHERE x.import_id = u.import_id AND x.row_no = u.row_no),
progress AS (UPDATE {{s}}.nexus_import p SET undone = p.undone + s.undone, kept = p.kept + s.changed, progress_at = clock_timestamp()
    FROM (SELECT count(*) FILTER (WHERE same) AS undone, count(*) FILTER (WHERE NOT same) AS changed FROM u) s, held WHERE p.id = held.id)
SELECT (SELECT count(*) FROM held), (SELECT count(*) FROM r)""")
