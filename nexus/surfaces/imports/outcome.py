"""The parts of a batch's statement that write: records, what is told of them, what became of every row, and how far the import has come."""

from __future__ import annotations

from typing import Final

from nexus.surfaces.imports.case import Case, columns_of, key_digest
from nexus.surfaces.writes import row_json

ANSWER: Final = """
SELECT (SELECT count(*) FROM held), (SELECT count(*) FROM go),
    (SELECT json_build_object('row', v.n, 'errors', array_to_json(v.errors::json[])) FROM v WHERE v.outcome = 'failed' ORDER BY v.n LIMIT 1)"""

_GO: Final = """go AS MATERIALIZED (SELECT held.id FROM held
    WHERE NOT :stop::boolean OR NOT EXISTS (SELECT FROM v WHERE v.outcome = 'failed'))"""

_KEPT: Final = """kept AS (INSERT INTO {s}.nexus_import_row
    (import_id, row_no, record_id, outcome, version, same_key, same_as, same_row, before, errors)
    SELECT go.id, v.n, CASE WHEN v.outcome IN ('created', 'updated', 'unchanged') THEN v.id END, v.outcome, VERSION, v.same_key, v.same_as, v.same_row,
        BEFORE, CASE WHEN v.outcome = 'failed' THEN array_to_json(v.errors::json[]) END FROM v FROM_OLD CROSS JOIN go
    UNION ALL SELECT go.id, b.n, NULL, 'failed', NULL, NULL, NULL, NULL, NULL, b.errors
    FROM json_to_recordset(:bad::json) AS b(n bigint, errors json) CROSS JOIN go)"""

_PROGRESS: Final = """progress AS (UPDATE {s}.nexus_import p SET done_rows = :to::bigint, done_bytes = :bytes::bigint, done_digest = :digest::text,
    done_records = :records::bigint, ignored = :ignored::text, progress_at = clock_timestamp(),
    created = p.created + s.created, updated = p.updated + s.updated, unchanged = p.unchanged + s.unchanged,
    duplicate = p.duplicate + s.duplicate, failed = p.failed + s.failed + json_array_length(:bad::json), alike = p.alike + s.alike
    FROM (SELECT count(*) FILTER (WHERE outcome = 'created') AS created, count(*) FILTER (WHERE outcome = 'updated') AS updated,
        count(*) FILTER (WHERE outcome = 'unchanged') AS unchanged, count(*) FILTER (WHERE outcome = 'duplicate') AS duplicate,
        count(*) FILTER (WHERE outcome = 'failed') AS failed, count(*) FILTER (WHERE outcome = 'created' AND same_key IS NOT NULL) AS alike FROM v) s, go
    WHERE p.id = go.id)"""

_JOURNAL: Final = """journal AS (INSERT INTO nexus_cell.journal (audit, events)
    SELECT :audit::text || '"count":' || count(*) || ',"ids":' || json_agg(told.id) || '}',
        '[' || string_agg(told.head || '"id":"' || gen_random_uuid() || '","subject":"' || told.id || '"' || told.more || ',"data":' || told.event || '}', ',')
        || ']' FROM told HAVING count(*) > 0)"""


def writing(case: Case) -> list[str]:
    """The parts, in the order in which they depend on one another."""
    parts = [_GO]
    if case.dry:
        return [*parts, _kept(case), _remembered(case), _PROGRESS]
    if case.mode != "update":
        parts.append(_inserted(case))
    if case.mode != "create":
        parts.append(_updated(case))
    return [*parts, _told(case), _JOURNAL, _kept(case), _PROGRESS]


def _inserted(case: Case) -> str:
    fields = case.shape.initial
    names = ", ".join(field.name for field in fields)
    values = ", ".join(
        "CASE WHEN :tag::text IS NULL THEN m.tags ELSE m.tags || jsonb_build_array(:tag::text) END"
        if field.name == "tags"
        else f"m.{field.name}"
        for field in fields
    )
    return f"""ins AS (INSERT INTO {case.table} ({names}, created_by, updated_by)
    SELECT {values}, :me::uuid, :me::uuid FROM m JOIN v ON v.n = m.n CROSS JOIN go WHERE v.outcome = 'created' ORDER BY m.n RETURNING *)"""


def _updated(case: Case) -> str:
    settings = ", ".join(f"{field.name} = m.{field.name}" for field in case.shape.writable)
    return f"""upd AS (UPDATE {case.table} t SET {settings}, version = t.version + 1, updated_at = now(), updated_by = :me::uuid
    FROM m JOIN v ON v.n = m.n CROSS JOIN go WHERE t.id = m.target AND v.outcome = 'updated' RETURNING t.*, v.changed AS changed_fields)"""


def _told(case: Case) -> str:
    """What events say of the records."""
    secret = case.shape.sensitive
    said: list[str] = []
    if case.mode != "update":
        said.append(f"SELECT ins.id, :event_created::text AS head, '' AS more, {row_json(case.shape, 'ins', secret)} AS event FROM ins")
    if case.mode != "create":
        more = """',"changed":"' || upd.changed_fields || '"' AS more"""
        said.append(f"SELECT upd.id, :event_updated::text AS head, {more}, {row_json(case.shape, 'upd', secret)} AS event FROM upd")
    return f"told AS MATERIALIZED ({' UNION ALL '.join(said)})"


def _kept(case: Case) -> str:
    if case.mode == "create":
        return (
            _KEPT.replace("VERSION", "CASE WHEN v.outcome = 'created' THEN 1 END").replace("BEFORE", "NULL::jsonb").replace("FROM_OLD", "")
        )
    version = "CASE v.outcome WHEN 'created' THEN 1 WHEN 'updated' THEN old.version + 1 END"
    before = """CASE WHEN v.outcome = 'updated' THEN (SELECT jsonb_object_agg(e.key, e.value) FROM jsonb_each(to_jsonb(old)) e
            WHERE e.key = ANY (string_to_array(v.changed, ' '))) END"""
    return _KEPT.replace("VERSION", version).replace("BEFORE", before).replace("FROM_OLD", "LEFT JOIN old ON old.id = v.target")


def _remembered(case: Case) -> str:
    """The keys of the rows that a dry run would have written."""
    keys = " UNION ALL ".join(
        f"SELECT {key_digest(one, 'v')} AS key, v.n FROM v WHERE v.outcome IN ('created', 'updated', 'unchanged') AND v.{one} IS NOT NULL"
        for one in columns_of(case)
    )
    keys = keys or "SELECT NULL::uuid AS key, NULL::bigint AS n WHERE false"
    return f"""remembered AS (INSERT INTO {{s}}.nexus_import_key (import_id, key, row_no)
    SELECT go.id, k.key, k.n FROM ({keys}) k CROSS JOIN go ON CONFLICT DO NOTHING)"""
