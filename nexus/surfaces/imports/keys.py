"""What the database will refuse, and what tells duplicates, as SQL over a row: so that a whole batch is judged before any of it is written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
import sqlalchemy as sa

from nexus.core.entity import Entity
from nexus.core.problem import AlreadyExists, FieldError, Invalid
from nexus.engines.oltp import CheckViolation, ForeignKeyViolation
from nexus.surfaces.kept import kept
from nexus.surfaces.refusals import problem_of
from nexus.surfaces.shapes import Shape, shape_of
from nexus.surfaces.sql import DIALECT, qualified, quoted
from nexus.surfaces.tables import full_table


@dataclass(frozen=True, slots=True)
class Rule:
    """A condition on one row, and what is said of a row that breaks it; its columns have no table before them."""

    holds: str
    said: str


@dataclass(frozen=True, slots=True)
class Reference:
    """A column that must name a record of a table of this service."""

    column: str
    table: str
    said: str


@dataclass(frozen=True, slots=True)
class Unique:
    """Expressions that no two rows may have in common, among those that meet a condition."""

    expressions: tuple[str, ...]
    where: str | None
    said: str


def said(*errors: FieldError) -> str:
    """What is wrong, as the SQL literal of a JSON object."""
    return quoted(msgspec.json.encode(errors[0]).decode())


def _text(element: Any) -> str:
    compiler: Any = DIALECT.ddl_compiler(DIALECT, None)
    return qualified(compiler.sql_compiler.process(element, include_table=False, literal_binds=True))


def _name(constraint: Any) -> str:
    return str(DIALECT.identifier_preparer.format_constraint(constraint))


def _ordered(table: Any) -> list[Any]:
    return sorted(table.constraints, key=lambda one: str(one.name))


@kept
def rules(entity: type[Entity]) -> tuple[Rule, ...]:
    """The checks of the table."""
    table = full_table(entity)
    found: list[Rule] = []
    for one in _ordered(table):
        if isinstance(one, sa.CheckConstraint):
            refusal = problem_of(CheckViolation("23514", "", table=table.name, constraint=_name(one)))
            assert isinstance(refusal, Invalid)
            found.append(Rule(_text(one.sqltext), said(*refusal.errors)))
    return tuple(found)


@kept
def references(entity: type[Entity]) -> tuple[Reference, ...]:
    """The foreign keys of the table."""
    table = full_table(entity)
    found: list[Reference] = []
    for one in _ordered(table):
        if isinstance(one, sa.ForeignKeyConstraint):
            refusal = problem_of(ForeignKeyViolation("23503", "", table=table.name, constraint=str(one.name)))
            assert isinstance(refusal, Invalid)
            found.append(Reference(one.column_keys[0], f"{{s}}.{one.referred_table.name}", said(*refusal.errors)))
    return tuple(found)


@kept
def uniques(entity: type[Entity]) -> tuple[Unique, ...]:
    """The unique rules of the table, the primary key first."""
    shape, table = shape_of(entity), full_table(entity)
    found = [Unique(("id",), None, _taken(shape, "id"))]
    for one in _ordered(table):
        if isinstance(one, sa.UniqueConstraint):
            columns = tuple(column.name for column in one.columns)
            found.append(Unique(columns, None, _taken(shape, ", ".join(columns))))
    for index in sorted(table.indexes, key=lambda one: str(one.name)):
        if index.unique:
            where = index.dialect_options["postgresql"]["where"]
            expressions = tuple(_text(one) for one in index.expressions)
            found.append(Unique(expressions, None if where is None else _text(where), _taken(shape, ", ".join(expressions))))
    return tuple(found)


def _taken(shape: Shape, field: str) -> str:
    return said(FieldError(field, AlreadyExists(kind=shape.title, field=field, reason="").detail))
