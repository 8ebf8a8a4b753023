"""What refers to a record: found in the declarations, so that a merge forgets no entity that is added later.

A reference is a column declared with `f.ref`, a member named `contact_id` in the values of a JSON column, or an id with the entity's name beside it
(`record_id` and `record_entity`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, get_args
from uuid import UUID

import msgspec
from sqlalchemy import Table, Text, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB, aggregate_order_by
from sqlalchemy.sql.dml import Delete, Update

from nexus.core import ColumnElement, Entity, among, and_, case, cast, delete, exists, func, literal, or_, select, sql, update
from nexus.core.entity import facts, snake, table_of


@dataclass(frozen=True, slots=True)
class Holder:
    """An entity that refers to another one, and where."""

    entity: type[Entity]
    columns: tuple[str, ...]
    """Columns that are references."""
    nested: tuple[tuple[str, str], ...]
    """JSON columns, with the member of their values that is a reference."""
    named: tuple[tuple[str, str], ...]
    """Ids with the column that names their entity."""


def holders(kind: type[Entity]) -> list[Holder]:
    """Who refers to an entity within its service, in the order in which tables are made: the order in which all merges lock."""
    mappers = {mapper.local_table: mapper.class_ for mapper in Entity.registry.mappers if mapper.class_.service() == kind.service()}
    found = [_holder(mappers[table], kind) for table in Entity.metadata.sorted_tables if table in mappers]
    return [one for one in found if one.columns or one.nested or one.named]


def _holder(entity: type[Entity], kind: type[Entity]) -> Holder:
    table = table_of(entity)
    member = f"{snake(kind.__name__)}_id"
    columns = [column.name for column in table.c if facts(column).refers_to == kind.entity_name()]
    nested = [(column.name, member) for column in table.c if member in _members(facts(column).of)]
    named = [
        (column.name, beside)
        for column in table.c
        if facts(column).kind == "uuid" and (beside := column.name.removesuffix("_id") + "_entity") in table.c
    ]
    return Holder(entity, tuple(columns), tuple(nested), tuple(named))


def _members(of: Any) -> set[str]:
    """The names of the fields of a JSON column's values."""
    return {
        field.name
        for one in (of, *get_args(of))
        if isinstance(one, type) and issubclass(one, msgspec.Struct)
        for field in msgspec.structs.fields(one)
    }


def pointed(holder: Holder, kind: type[Entity], to: UUID, gone: Sequence[UUID], by: UUID | None) -> Iterator[Update | Delete]:
    """The statements after which nothing of the holder refers to what is gone, and everything that did refers to `to`.

    The rows are locked in the order of their ids, so that two merges that meet in one table wait for each other and never in a circle.
    """
    table = table_of(holder.entity)
    for column in holder.columns:
        yield from _without_twins(table, column, to, gone)
    where: list[ColumnElement[bool]] = []
    settings: dict[str, Any] = {}
    for column in holder.columns:
        where.append(among(table.c[column], gone))
        settings[column] = case((where[-1], literal(to)), else_=table.c[column])
    for column, member in holder.nested:
        where.append(_holds(table, column, member, gone))
        settings[column] = case((where[-1], _renamed(table, column, member, to, gone)), else_=table.c[column])
    for column, beside in holder.named:
        where.append(and_(table.c[beside] == kind.entity_name(), among(table.c[column], gone)))
        settings[column] = case((where[-1], literal(to)), else_=table.c[column])
    mine = [table.c.id != to, ~among(table.c.id, gone)] if holder.entity is kind else []
    locked = select(table.c.id).where(or_(*where), *mine).order_by(table.c.id).with_for_update().scalar_subquery()
    stamp = {"version": table.c.version + 1, "updated_at": func.now(), "updated_by": by}
    yield update(table).where(table.c.id.in_(locked)).values(**settings, **stamp)


def _without_twins(table: Table, column: str, to: UUID, gone: Sequence[UUID]) -> Iterator[Delete]:
    """Of rows that a rule of uniqueness would not let stand beside each other, the first one stays."""
    for rule in sorted((one for one in table.constraints if isinstance(one, UniqueConstraint)), key=lambda one: str(one.name)):
        names = [one.name for one in rule.columns]
        if column not in names:
            continue
        other = table.alias("other")
        same = [table.c[name] == other.c[name] for name in names if name != column]
        first = or_(other.c[column] == to, and_(among(other.c[column], gone), other.c.id < table.c.id))
        yield delete(table).where(among(table.c[column], gone), exists(select(literal(1)).where(*same, first)))


def _holds(table: Table, column: str, member: str, gone: Sequence[UUID]) -> ColumnElement[bool]:
    some = [table.c[column].contains([{member: str(id)}]) for id in gone]
    return and_(table.c[column] != sql("'[]'::jsonb"), or_(*some))


def _renamed(table: Table, column: str, member: str, to: UUID, gone: Sequence[UUID]) -> ColumnElement[Any]:
    """The JSON list with the ids replaced, and of values that became equal only the first.

    The text of jsonb has one spelling, and inside its strings every quotation mark is escaped: the pattern meets members alone.
    """
    pattern = f'"{member}": "({"|".join(str(id) for id in gone)})"'
    changed = cast(func.regexp_replace(cast(table.c[column], Text), pattern, f'"{member}": "{to}"', "g"), JSONB)
    items = func.jsonb_array_elements(changed).table_valued("item", with_ordinality="place", name="items").render_derived()
    item = cast(items.c.item, JSONB)
    firsts = select(item.label("item"), func.min(items.c.place).label("place")).group_by(items.c.item).subquery("firsts")
    return select(func.jsonb_agg(aggregate_order_by(firsts.c.item, firsts.c.place))).scalar_subquery()
