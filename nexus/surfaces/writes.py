"""Writes: create, patch and remove as one data-modifying statement each, with journal and idempotency rows in it.

Parameters are named: `rows`/`row` (JSON), `id`, `version`, `me`, `key`, `hash`, `audit` and `event` (the beginnings of the JSON that the journal
keeps, made by `surfaces.journal`; of a create, all that is known of it), and those of the caller's sight.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal
from uuid import UUID

from nexus.core.entity import Entity
from nexus.surfaces.kept import kept
from nexus.surfaces.permissions import Rights
from nexus.surfaces.shapes import Field, Shape, by_name, shape_of
from nexus.surfaces.sql import DIALECT, Compiled, fragment, fragment_on, named


def record_type(field: Field) -> str:
    """The column in the row type of json_to_recordset."""
    return f"{field.name} {field.column.type.compile(dialect=DIALECT)}"


def stored(field: Field, source: str) -> str:
    """The value to store: amounts get the decimals of their currency."""
    if field.facts.currency is not None:
        return f"nexus_cell.money({source}.{field.name}, {source}.{field.facts.currency})"
    return f"{source}.{field.name}"


def _value(field: Field, table: str) -> str:
    if not field.exact:
        return f"{table}.{field.name}"
    exact = f"{table}.{field.name}" if field.facts.kind == "money" else f"trim_scale({table}.{field.name})"
    return f"CAST({exact} AS text)"


def row_json(shape: Shape, table: str, without: frozenset[str] = frozenset(), masks: Mapping[str, str] | None = None) -> str:
    """The record as JSON, built by the database; `without` are shown as null, and so is what has a mask that does not hold."""
    values = {name: "NULL" if name in without else _value(field, table) for name, field in shape.fields.items()}
    values |= {name: f"CASE WHEN {mask} THEN {values[name]} END" for name, mask in (masks or {}).items()}
    columns = ", ".join(f"{value} AS {name}" for name, value in values.items())
    return f"(SELECT row_to_json(x) FROM (SELECT {columns}) x)"


def masked_json(fields: list[Field], table: str, when: str = "") -> str:
    """What audit keeps of a record: personal and sensitive values as three stars, empty ones and those not meant (`when` of {name}) left out."""
    columns = ", ".join(f"{_masked(field, table, when.format(name=field.name))} AS {field.name}" for field in fields)
    return f"json_strip_nulls((SELECT row_to_json(x) FROM (SELECT {columns}) x))::text"


def _masked(field: Field, table: str, when: str) -> str:
    secret = field.facts.pii or field.facts.sensitive
    conditions = [*([f"{table}.{field.name} IS NOT NULL"] if secret else []), *([when] if when else [])]
    value = "'***'" if secret else _value(field, table)
    return f"CASE WHEN {' AND '.join(conditions)} THEN {value} END" if conditions else value


def event_json(data: str, extra: str = "") -> str:
    """One CloudEvents envelope as text; its constant members are in `:event`."""
    return f""":event::text || '"id":"' || gen_random_uuid() || '","subject":"' || told.id || '"{extra},"data":' || {data} || '}}'"""


def _kept(status: int, source: str = "told", shown: str = "told.shown::text") -> str:
    """The idempotency row: what a repetition of the request will be answered."""
    headers = f"""'{{"etag":' || {source}.version || ',"id":"' || {source}.id || '"}}'"""
    return f""",
kept AS (INSERT INTO {{s}}.nexus_idempotency (key, actor, request_hash, status, headers, body)
    SELECT :key::text, coalesce(:me::uuid, '{NOBODY}'), :hash::bytea, {status}, {headers}, {shown} FROM {source})"""


NOBODY = UUID(int=0)


def _told(shape: Shape, rights: Rights, audited: str, source: str = "made") -> str:
    """The record as the response shows it and as the event tells it, with what audit keeps."""
    hidden, secret = rights.hidden(shape.entity), shape.sensitive
    event, masks = row_json(shape, source, secret), masks_of(shape, rights, source)
    same = hidden == secret and not masks
    other = "" if same else f", {row_json(shape, source, hidden, masks)} AS shown"
    inner = f"SELECT {source}.id, {source}.version, {event} AS event, {audited} AS audited{other} FROM {source}"
    return f"told AS MATERIALIZED (SELECT r.*{', r.event AS shown' if same else ''} FROM ({inner}) r)"


def masks_of(shape: Shape, rights: Rights, name: str) -> dict[str, str]:
    """The fields that only some records show, each with its condition on the record that goes by this name in the statement."""
    return {field: f"({fragment_on(name, mask, shape.table)})" for field, mask in rights.masks(shape.entity).items()}


def references_seen(shape: Shape, rights: Rights, row: str, names: Iterable[str]) -> list[str]:
    """Conditions that what a row refers to is for the caller to know of; where all of a kind is, its foreign key says enough.

    A reference to what the caller does not see must look like one to what is not there.
    """
    conditions: list[str] = []
    for name in names:
        field, target = shape.fields[name], by_name(shape.fields[name].facts.refers_to or "")
        condition = None if target is None or target.service != shape.service else rights.sight(target.entity)
        if target is not None and condition is not None and field.facts.of != "NOTHING":
            table = f"{{s}}.{target.table.name}"
            there = f"EXISTS (SELECT 1 FROM {table} WHERE {table}.id = {row}.{name} AND ({fragment(condition, target.table)}))"
            conditions.append(f"({row}.{name} IS NULL OR {there})")
    return conditions


@kept
def narrows_references(entity: type[Entity], rights: Rights) -> bool:
    """Whether there is a reference that the caller may not see the end of."""
    shape = shape_of(entity)
    return bool(references_seen(shape, rights, "i", [field.name for field in shape.writable]))


@kept
def create_statement(entity: type[Entity], rights: Rights, *, keyed: bool) -> Compiled:
    """Insert the record of `:rows`, unless it refers to what the caller does not see; answers its JSON, version and id.

    `:audit` is the whole audit entry here, and `:event` the envelope up to its data: the caller knows the id and what was given.
    """
    shape = shape_of(entity)
    fields, hidden = shape.initial, rights.hidden(entity)
    names, values = ", ".join(field.name for field in fields), ", ".join(stored(field, "i") for field in fields)
    seen = " AND ".join(references_seen(shape, rights, "i", [field.name for field in shape.writable])) or "true"
    masks = masks_of(shape, rights, "made")
    told = [f"{row_json(shape, 'made', shape.sensitive)}::text AS event"]
    if hidden != shape.sensitive or masks:
        told.append(f"{row_json(shape, 'made', hidden, masks)}::text AS shown")
    shown = "made.shown" if len(told) > 1 else "made.event"
    return named(f"""WITH i AS (SELECT * FROM json_to_recordset(:rows::json) AS x({", ".join(record_type(field) for field in fields)})),
made AS (INSERT INTO {{s}}.{shape.table.name} AS made ({names}, created_by, updated_by)
    SELECT {values}, :me::uuid, :me::uuid FROM i WHERE {seen} RETURNING made.id, made.version, {", ".join(told)}){_kept(201, "made", shown) if keyed else ""},
journal AS (INSERT INTO nexus_cell.journal (audit, events) SELECT :audit::text, '[' || :event::text || made.event || '}}]' FROM made)
SELECT {shown}, made.version, made.id FROM made""")


def _locked(shape: Shape, rights: Rights, verb: str) -> str:
    """The record as it was, if the caller may do this to it, held until the end of the statement's transaction."""
    condition = rights.sight(shape.entity, f"{shape.name}:{verb}")
    table = f"{{s}}.{shape.table.name}"
    seen = "" if condition is None else f" AND ({fragment(condition, shape.table)})"
    return f"old AS MATERIALIZED (SELECT {table}.* FROM {table} WHERE {table}.id = :id::uuid{seen} FOR UPDATE)"


def _change(
    shape: Shape, rights: Rights, verb: str, modify: str, fields: list[Field], *, keyed: bool, before: str, after: str, prefix: str = ""
) -> Compiled:
    changed = " ".join(field.name for field in fields)
    extra = f',"changed":"{changed}"' if changed else ""
    journal = f"""SELECT :audit::text || '"entity_id":"' || told.id || '","before":' || ({before}) || ',"after":' || {after} || '}}',
        '[' || {event_json("told.event", extra)} || ']' FROM told"""
    return named(f"""WITH {prefix}{_locked(shape, rights, verb)},
made AS ({modify} RETURNING t.*),
{_told(shape, rights, masked_json(fields, "made") if fields else "'{}'")}{_kept(200) if keyed else ""},
journal AS (INSERT INTO nexus_cell.journal (audit, events) {journal})
SELECT (SELECT version FROM old), (SELECT shown FROM told), (SELECT version FROM told)""")


_MATCHES = "t.id = old.id AND (:version::int IS NULL OR old.version = :version::int)"
_STAMP = "version = t.version + 1, updated_at = now(), updated_by = :me::uuid"


@kept
def patch_statement(entity: type[Entity], rights: Rights, names: tuple[str, ...], *, keyed: bool) -> Compiled:
    """Change the named fields to those of `:row`; answers the version before (none: not there), the record and its new version (none: another version)."""
    shape = shape_of(entity)
    fields = [shape.fields[name] for name in names]
    settings = "".join(f"{field.name} = {_patched(field, names)}, " for field in fields)
    types = ", ".join(record_type(field) for field in fields)
    prefix = f"i AS (SELECT * FROM json_to_record(:row::json) AS x({types})),\n" if fields else ""
    masks = masks_of(shape, rights, "old")
    conditions = [_MATCHES, *references_seen(shape, rights, "i", names), *(masks[name] for name in names if name in masks)]
    modify = f"UPDATE {{s}}.{shape.table.name} t SET {settings}{_STAMP} FROM {'i, ' if fields else ''}old WHERE {' AND '.join(conditions)}"
    before = f"SELECT {masked_json(fields, 'old')} FROM old" if fields else "'{}'"
    return _change(shape, rights, "update", modify, fields, keyed=keyed, before=before, after="told.audited", prefix=prefix)


def _patched(field: Field, names: tuple[str, ...]) -> str:
    if field.facts.currency is None:
        return f"i.{field.name}"
    currency = f"i.{field.facts.currency}" if field.facts.currency in names else f"old.{field.facts.currency}"
    return f"nexus_cell.money(i.{field.name}, {currency})"


@kept
def remove_statement(entity: type[Entity], rights: Rights, how: Literal["archive", "restore", "delete"], *, keyed: bool) -> Compiled:
    """Archive, bring back or delete a record; answers as patch does."""
    shape = shape_of(entity)
    table = f"{{s}}.{shape.table.name} t"
    if how == "delete":
        modify = f"DELETE FROM {table} USING old WHERE {_MATCHES}"
    else:
        value = "now()" if how == "archive" else "NULL"
        modify = f"UPDATE {table} SET archived_at = {value}, {_STAMP} FROM old WHERE {_MATCHES}"
    before = f"SELECT {masked_json(shape.writable, 'old')} FROM old" if how == "delete" else "'{}'"
    return _change(shape, rights, "delete" if how == "delete" else "archive", modify, [], keyed=keyed, before=before, after="'{}'")
