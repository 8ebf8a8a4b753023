"""Verdicts: which rows of a batch the database would refuse, and why, found for all of them by one statement.

The rules are read from the same declaration that the table's constraints are made from, so the two cannot disagree. A verdict is advice: what
happens between it and the write, the constraints decide.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import msgspec
import sqlalchemy as sa

from nexus.core.entity import Entity
from nexus.core.problem import AlreadyExists, FieldError, Invalid, Problem
from nexus.surfaces.kept import kept
from nexus.surfaces.permissions import Rights
from nexus.surfaces.refusals import NOT_YOURS, foreign_keys, no_such, of_check
from nexus.surfaces.shapes import Field, Shape, shape_of
from nexus.surfaces.sql import DIALECT, Compiled, fragment, named, qualified, quoted
from nexus.surfaces.tables import full_table
from nexus.surfaces.writes import masks_of, record_type, references_seen, stored


@dataclass(frozen=True, slots=True)
class Unique:
    """A rule that two records may not share some values."""

    name: str
    values: tuple[str, ...]
    """SQL expressions of the table's columns."""
    where: str
    """The records it is about."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the database says of one row: what is wrong, and what it takes of each unique rule (None where that does not apply)."""

    wrong: tuple[str, ...]
    takes: tuple[str | None, ...]
    version: int | None = None
    """Of the record as it is, for a change; None: not there, or not for this caller."""


def _text(expression: Any) -> str:
    """An expression of a constraint as DDL writes it: columns without their table, values in place."""
    compiler: Any = DIALECT.ddl_compiler(DIALECT, None).sql_compiler
    return qualified(str(compiler.process(expression, include_table=False, literal_binds=True)))


@kept
def unique_rules(entity: type[Entity]) -> tuple[Unique, ...]:
    """Every unique constraint and index of the table but its primary key."""
    table = full_table(entity)
    found: list[Unique] = []
    for constraint in table.constraints:
        if isinstance(constraint, sa.UniqueConstraint):
            found.append(Unique(str(constraint.name), tuple(column.name for column in constraint.columns), "true"))
    for index in table.indexes:
        if index.unique:
            where = index.dialect_options["postgresql"]["where"]
            values = tuple(_text(expression) for expression in cast(Iterable[Any], index.expressions))
            found.append(Unique(str(index.name), values, "true" if where is None else _text(where)))
    return tuple(sorted(found, key=lambda rule: rule.name))


def _checks(entity: type[Entity]) -> Iterator[tuple[str, str]]:
    table = full_table(entity)
    for constraint in sorted(table.constraints, key=lambda one: str(one.name)):
        if isinstance(constraint, sa.CheckConstraint):
            yield str(constraint.name).removeprefix(f"ck_{table.name}_"), _text(constraint.sqltext)


def _missing(shape: Shape, rights: Rights, names: Iterable[str], given: str) -> Iterator[str]:
    """References to what is not there, or not for this caller to know of."""
    for field, target in sorted(set(foreign_keys(shape.entity).values())):
        if field in names:
            there = f"m.{field} IS NULL OR EXISTS (SELECT 1 FROM {{s}}.{target} WHERE {{s}}.{target}.id = m.{field})"
            good = " AND ".join([f"({there})", *references_seen(shape, rights, "m", [field])])
            yield f"CASE WHEN {given.format(name=field)} AND NOT ({good}) THEN 'missing:{field}' END"


def _judged(shape: Shape, rights: Rights, names: Iterable[str], given: str = "true", masked: Iterable[str] = ()) -> str:
    """From `m`, the records as they would be, to `judged`: what is wrong with each and what it takes."""
    wrong = [f"CASE WHEN NOT ({check}) THEN {quoted('check:' + name)} END" for name, check in _checks(shape.entity)]
    wrong += _missing(shape, rights, names, given)
    wrong += [f"CASE WHEN {given.format(name=name)} AND NOT m.shows_{name} THEN 'hidden:{name}' END" for name in masked]
    taken: list[str] = []
    rules = unique_rules(shape.entity)
    for number, rule in enumerate(rules):
        mine = " AND ".join(f"{value} = u.u{number}_{n}" for n, value in enumerate(rule.values))
        other = f"EXISTS (SELECT 1 FROM {{s}}.{shape.table.name} WHERE {mine} AND ({rule.where}) AND {shape.table.name}.id <> u.id)"
        taken.append(f"CASE WHEN u.t{number} IS NOT NULL AND {other} THEN 'taken:{number}' END")
    uses: list[str] = []
    for number, rule in enumerate(rules):
        uses += [f"{value} AS u{number}_{n}" for n, value in enumerate(rule.values)]
        applies = " AND ".join([f"({rule.where})", *(f"({value}) IS NOT NULL" for value in rule.values)])
        uses.append(f"CASE WHEN {applies} THEN ROW({', '.join(rule.values)})::text END AS t{number}")
    takes = ", ".join(f"t{number}" for number in range(len(rules)))
    return f"""
u AS (SELECT n, id, {"".join(use + ", " for use in uses)}ARRAY[{", ".join(wrong) or "NULL"}]::text[] AS wrong FROM m),
judged AS (SELECT n, array_to_json(array_remove(u.wrong{"".join(f" || {one}" for one in taken)}, NULL)) AS wrong,
    array_to_json(ARRAY[{takes}]::text[]) AS takes FROM u)"""


@kept
def create_verdicts(entity: type[Entity], rights: Rights) -> Compiled:
    """Of every row of `:rows`, new records as insert takes them: what is wrong and what it takes, in order."""
    shape = shape_of(entity)
    names, types = ", ".join(field.name for field in shape.initial), ", ".join(record_type(field) for field in shape.initial)
    columns = ", ".join(_new(field, shape) for field in shape.fields.values())
    return named(f"""WITH i AS (SELECT * FROM ROWS FROM (json_to_recordset(:rows::json) AS ({types})) WITH ORDINALITY AS x({names}, n)),
m AS (SELECT i.n, {columns} FROM i),{_judged(shape, rights, [field.name for field in shape.initial])}
SELECT wrong, takes, NULL FROM judged ORDER BY n""")


def _new(field: Field, shape: Shape) -> str:
    if field in shape.initial:
        return f"{stored(field, 'i')} AS {field.name}"
    return f"CAST(NULL AS {field.column.type.compile(dialect=DIALECT)}) AS {field.name}"


@kept
def change_verdicts(entity: type[Entity], rights: Rights, names: tuple[str, ...]) -> Compiled:
    """Of every row of `:rows` (`id` and the fields to change, among `names`): lock the record, and say its version, what would be wrong, what it takes."""
    shape = shape_of(entity)
    table = f"{{s}}.{shape.table.name}"
    condition = rights.sight(entity, f"{shape.name}:update")
    seen = "" if condition is None else f" AND ({fragment(condition, shape.table)})"
    masks = {name: mask for name, mask in masks_of(shape, rights, "old").items() if name in names}
    masked = "".join(f", {mask} IS TRUE AS shows_{name}" for name, mask in masks.items())
    fields = [shape.fields[name] for name in names]
    columns = ", ".join(
        f"{changed(field, 'old', 'i')} AS {field.name}" if field in fields else f"old.{field.name}" for field in shape.fields.values()
    )
    return named(f"""WITH {given_rows(fields)},
old AS MATERIALIZED (SELECT {table}.* FROM {table} JOIN i ON i.id = {table}.id WHERE true{seen} ORDER BY {table}.id FOR UPDATE OF {shape.table.name}),
m AS (SELECT i.n, i.r, {columns}{masked} FROM i JOIN old ON old.id = i.id),{_judged(shape, rights, names, "m.r ? '{name}'", masks)}
SELECT judged.wrong, judged.takes, old.version FROM i LEFT JOIN old ON old.id = i.id LEFT JOIN judged ON judged.n = i.n ORDER BY i.n""")


def given_rows(fields: Sequence[Field]) -> str:
    """`:rows` as `i`: the row as JSON (`r`), its place (`n`), its id and the values it gives."""
    types = ", ".join(["id uuid", *(record_type(field) for field in fields)])
    return f"""i AS (SELECT x.r, x.n, v.* FROM jsonb_array_elements(:rows::jsonb) WITH ORDINALITY AS x(r, n), jsonb_to_record(x.r) AS v({types}))"""


def changed(field: Field, before: str, row: str) -> str:
    """A column after a change in which rows give different fields: what the row gives, else what was there; amounts as their currency has them."""
    value = f"CASE WHEN {row}.r ? '{field.name}' THEN {row}.{field.name} ELSE {before}.{field.name} END"
    if field.facts.currency is None:
        return value
    currency = field.facts.currency
    code = f"CASE WHEN {row}.r ? '{currency}' THEN {row}.r->>'{currency}' ELSE {before}.{currency} END"
    return f"nexus_cell.money({value}, {code})"


def read(rows: Iterable[tuple[bytes | None, ...]]) -> list[Verdict]:
    """The answer of either statement."""
    found: list[Verdict] = []
    for wrong, takes, version in rows:
        words = msgspec.json.decode(wrong or b"[]", type=tuple[str, ...])
        values = msgspec.json.decode(takes or b"[]", type=tuple[str | None, ...])
        found.append(Verdict(words, values, None if version is None else int(version)))
    return found


def refusal(shape: Shape, wrong: str) -> Problem:
    """The problem that stands behind a word of a verdict."""
    what, _, name = wrong.partition(":")
    if what == "check":
        return of_check(shape, name)
    if what == "hidden":
        return Invalid.of(FieldError(name, NOT_YOURS))
    if what == "missing":
        return Invalid.of(FieldError(name, no_such(shape.fields[name].facts.refers_to)))
    return taken(shape, unique_rules(shape.entity)[int(name)])


def taken(shape: Shape, rule: Unique) -> AlreadyExists:
    """The problem of a value that must be unique and is not."""
    return AlreadyExists(kind=shape.title, field=", ".join(rule.values), reason="")
