"""Bulk writes: some hundred new or changed records by one statement, with their journal row in it.

What is written here is written whole: what may be wrong with a row, `surfaces.verdicts` says. Parameters are those of `surfaces.writes`.
"""

from __future__ import annotations

from typing import Final

from nexus.core.entity import Entity
from nexus.surfaces.kept import kept
from nexus.surfaces.shapes import Shape, shape_of
from nexus.surfaces.sql import Compiled, named
from nexus.surfaces.verdicts import changed, given_rows
from nexus.surfaces.writes import event_json, masked_json, record_type, row_json, stored

MAX_ROWS: Final = 10_000
SLICE: Final = 500
"""Rows that one statement writes, and that share a journal row: few enough for the relay to move in one go."""


@kept
def insert_statement(entity: type[Entity]) -> Compiled:
    """Insert the rows of `:rows`; answers how many. `:audit` is the whole audit entry: the caller knows what is in it."""
    shape = shape_of(entity)
    fields = shape.initial
    names, values = ", ".join(field.name for field in fields), ", ".join(stored(field, "i") for field in fields)
    return named(f"""WITH i AS (SELECT * FROM json_to_recordset(:rows::json) AS x({", ".join(record_type(field) for field in fields)})),
told AS (INSERT INTO {{s}}.{shape.table.name} AS made ({names}, created_by, updated_by)
    SELECT {values}, :me::uuid, :me::uuid FROM i RETURNING made.id, {row_json(shape, "made", shape.sensitive)}::text AS event),
journal AS (INSERT INTO nexus_cell.journal (audit, events)
    SELECT :audit::text, '[' || string_agg({event_json("told.event")}, ',') || ']' FROM told)
SELECT count(*) FROM told""")


@kept
def change_statement(entity: type[Entity], names: tuple[str, ...]) -> Compiled:
    """Change the records of `:rows` (`id` and fields among `names`), locked before by the verdicts' statement; answers how many."""
    shape = shape_of(entity)
    fields = [shape.fields[name] for name in names]
    settings = "".join(f"{field.name} = {changed(field, 't', 'i')}, " for field in fields)
    event = event_json("told.event", ''',"changed":"' || told.changed || '"''')
    about = """'{"entity_id":"' || told.id || '","before":' || told.before || ',"after":' || told.audited || '}'"""
    return named(f"""WITH {given_rows(fields)},
old AS MATERIALIZED (SELECT i.n, i.r, t.* FROM {{s}}.{shape.table.name} t JOIN i ON i.id = t.id),
made AS (UPDATE {{s}}.{shape.table.name} t SET {settings}version = t.version + 1, updated_at = now(), updated_by = :me::uuid
    FROM i WHERE t.id = i.id RETURNING t.*),
told AS MATERIALIZED (SELECT old.n, made.id, {row_json(shape, "made", shape.sensitive)} AS event, {_given_json(shape, names, "old")} AS before,
    {_given_json(shape, names, "made")} AS audited, {_names(names)} AS changed FROM made JOIN old ON old.id = made.id),
journal AS (INSERT INTO nexus_cell.journal (audit, events)
    SELECT :audit::text || '"count":' || count(*) || ',"items":[' || string_agg({about}, ',' ORDER BY told.n) || ']}}',
        '[' || string_agg({event}, ',' ORDER BY told.n) || ']' FROM told)
SELECT count(*) FROM told""")


@kept
def amounts_statement(entity: type[Entity]) -> Compiled:
    """The amounts of the records of `:ids`, each with its currency, as JSON."""
    shape = shape_of(entity)
    names = {name for field in shape.fields.values() if field.facts.currency for name in (field.name, field.facts.currency)}
    shown = "".join(f", '{name}', t.{name}::text" for name in sorted(names))
    return named(f"""SELECT json_build_object('id', t.id{shown}) FROM {{s}}.{shape.table.name} t
JOIN json_array_elements_text(:ids::json) AS i(id) ON t.id = i.id::uuid""")


def _given_json(shape: Shape, names: tuple[str, ...], table: str) -> str:
    """What audit keeps of the fields that the row gave."""
    masked = masked_json([shape.fields[name] for name in names], table, when="old.r ? '{name}'")
    return masked if names else "'{}'"


def _names(names: tuple[str, ...]) -> str:
    given = ", ".join(f"CASE WHEN old.r ? '{name}' THEN '{name}' END" for name in names)
    return f"concat_ws(' ', {given})" if names else "''"
