"""Bulk writes: thousands of new or changed records by one statement, with their journal and idempotency rows in it.

The rows of a batch have been judged before (`surfaces.verdicts`), so what is written here is written whole. Parameters are those of
`surfaces.writes`, and `body`, `status`: what a repetition of the request will be answered.
"""

from __future__ import annotations

from typing import Final

from nexus.core.entity import Entity
from nexus.surfaces.kept import kept
from nexus.surfaces.shapes import Shape, shape_of
from nexus.surfaces.sql import Compiled, named
from nexus.surfaces.verdicts import changed, given_rows
from nexus.surfaces.writes import NOBODY, event_json, masked_json, record_type, row_json, stored

MAX_ROWS: Final = 10_000
JOURNAL_ROWS: Final = 500
"""Records that share a journal row: few enough for the relay to move in one go."""


def _kept(*, keyed: bool) -> str:
    if not keyed:
        return ""
    return f""",
kept AS (INSERT INTO {{s}}.nexus_idempotency (key, actor, request_hash, status, headers, body)
    VALUES (:key::text, coalesce(:me::uuid, '{NOBODY}'), :hash::bytea, :status::int, '{{}}', :body::text))"""


def _journal(about: str, extra: str = "") -> str:
    """One journal row for every few hundred records, in the order of the request."""
    said = f""":audit::text || '"count":' || count(*) || ',"items":[' || string_agg({about}, ',' ORDER BY told.n) || ']}}'"""
    events = f"""'[' || string_agg({event_json("told.event", extra)}, ',' ORDER BY told.n) || ']'"""
    return f"""journal AS (INSERT INTO nexus_cell.journal (audit, events)
    SELECT {said}, {events} FROM told GROUP BY (told.n - 1) / {JOURNAL_ROWS} ORDER BY min(told.n))
SELECT count(*) FROM told"""


@kept
def insert_statement(entity: type[Entity], *, keyed: bool) -> Compiled:
    """Insert the rows of `:rows`; answers how many."""
    shape = shape_of(entity)
    fields = shape.initial
    names, values = ", ".join(field.name for field in fields), ", ".join(stored(field, "i") for field in fields)
    event, audited = row_json(shape, "made", shape.sensitive), masked_json(shape.writable, "made")
    about = """'{"entity_id":"' || told.id || '","after":' || told.audited || '}'"""
    return named(f"""WITH i AS (SELECT * FROM json_to_recordset(:rows::json) AS x({", ".join(record_type(field) for field in fields)})),
made AS (INSERT INTO {{s}}.{shape.table.name} ({names}, created_by, updated_by)
    SELECT {values}, :me::uuid, :me::uuid FROM i RETURNING *),
told AS MATERIALIZED (SELECT row_number() OVER () AS n, made.id, {event} AS event, {audited} AS audited FROM made){_kept(keyed=keyed)},
{_journal(about)}""")


@kept
def change_statement(entity: type[Entity], names: tuple[str, ...], *, keyed: bool) -> Compiled:
    """Change the records of `:rows` (`id` and fields among `names`), locked before by the verdicts' statement; answers how many."""
    shape = shape_of(entity)
    fields = [shape.fields[name] for name in names]
    settings = "".join(f"{field.name} = {changed(field, 't', 'i')}, " for field in fields)
    about = """'{"entity_id":"' || told.id || '","before":' || told.before || ',"after":' || told.audited || '}'"""
    return named(f"""WITH {given_rows(fields)},
old AS MATERIALIZED (SELECT i.n, i.r, t.* FROM {{s}}.{shape.table.name} t JOIN i ON i.id = t.id),
made AS (UPDATE {{s}}.{shape.table.name} t SET {settings}version = t.version + 1, updated_at = now(), updated_by = :me::uuid
    FROM i WHERE t.id = i.id RETURNING t.*),
told AS MATERIALIZED (SELECT old.n, made.id, {row_json(shape, "made", shape.sensitive)} AS event, {_given_json(shape, names, "old")} AS before,
    {_given_json(shape, names, "made")} AS audited, {_names(names)} AS changed FROM made JOIN old ON old.id = made.id){_kept(keyed=keyed)},
{_journal(about, ''',"changed":"' || told.changed || '"''')}""")


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
