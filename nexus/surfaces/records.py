"""Records as objects: reading an entity from JSON that the database built, and writing back what changed."""

from __future__ import annotations

import datetime as dt
import functools
import operator
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeVar
from uuid import UUID

import msgspec
import sqlalchemy as sa

from nexus.core.entity import Entity
from nexus.engines.oltp import Call, Statement
from nexus.surfaces.kept import kept
from nexus.surfaces.shapes import Field, Shape, shape_of
from nexus.surfaces.sql import encode
from nexus.surfaces.writes import record_type, stored

N = TypeVar("N", bound=Entity)

_BASE: Final = frozenset({"created_at", "created_by", "updated_at", "updated_by", "version"})


class Records:
    """How one entity is read into objects and written from them."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        members = [(field.name, _type(field)) for field in shape.fields.values()]
        struct = msgspec.defstruct(f"{shape.entity.__name__}Record", members, kw_only=True)
        self._decoder = msgspec.json.Decoder(struct)
        Entity.registry.configure()
        self._manager = sa.inspect(shape.entity).class_manager
        table = f"{{s}}.{shape.table.name}"
        fields = shape.initial
        self._insert = Statement(
            f"INSERT INTO {table} ({', '.join(field.name for field in fields)}, created_by, updated_by, archived_at)"
            f" SELECT {', '.join(stored(field, 'i') for field in fields)}, $2::uuid, $2::uuid, i.archived_at"
            f" FROM json_to_recordset($1::json) AS i({', '.join(record_type(field) for field in fields)}, archived_at timestamptz)"
        )
        self._ungiven = {name: getattr(field.column.default, "arg", None) for name, field in shape.fields.items()}
        self._delete = Statement(f"DELETE FROM {table} WHERE id = $1")

    @functools.cached_property
    def columns(self) -> list[sa.ColumnElement[Any]]:
        """What to select so that `read` understands it."""
        return [field.json(self.shape.table) for field in self.shape.fields.values()]

    def read(self, row: bytes) -> Entity:
        """An object of the entity from its JSON."""
        record = self._decoder.decode(row)
        entity: Entity = self._manager.new_instance()
        self.refresh(entity, record)
        return entity

    def refresh(self, entity: Entity, source: Any) -> None:
        """Give an object the values of another one or of a record, without its class noticing a change."""
        values: dict[str, Any] = vars(entity)
        for name in self.shape.fields:
            values[name] = getattr(source, name)

    def values(self, entity: Entity) -> dict[str, Any]:
        """Every column of an object, by name; what only the database knows yet is None."""
        # an object keeps what it was given; to ask it for what it was not takes ten times as long, and comes to the same
        return {**self._ungiven, **{name: value for name, value in vars(entity).items() if name in self._ungiven}}

    def remember(self, entity: Entity) -> Remembered:
        """What an object is now, to be compared with what it is later."""
        return Remembered(self.shape, entity)

    def insert(self, values: Iterable[dict[str, Any]], me: UUID | None) -> Call:
        """Insert new objects in one statement, by the values of their columns."""
        names = [field.name for field in self.shape.initial] + ["archived_at"]
        rows = [{name: each[name] for name in names} for each in values]
        return self._insert, [msgspec.json.encode(rows), encode(me)]

    def update(self, entity: Entity, names: tuple[str, ...], me: UUID | None) -> Call:
        """Write the named columns, if the record is still at the version that was read; otherwise the statement fails (22012)."""
        row = {name: getattr(entity, name) for name in names}
        return _update(self.shape.entity, names), [msgspec.json.encode(row), encode(entity.id), encode(entity.version), encode(me)]

    def delete(self, entity: Entity) -> Call:
        return self._delete, [encode(entity.id)]


class Remembered:
    """What an object was. Most objects are only read: whether one has changed is told by the identity of its values, and only what is another one now,
    or may have changed within, is looked at as the database would see it."""

    __slots__ = ("_fields", "_nested", "_values")

    def __init__(self, shape: Shape, entity: Entity) -> None:
        values = vars(entity)
        self._fields = shape.fields
        self._values = values.copy()
        self._nested = {name: encode(value) for name in _nested(shape.entity) if (value := values.get(name)) is not None}

    def changed(self, entity: Entity) -> tuple[str, ...]:
        """The names of the columns that have another value now, a nested one's too."""
        now, was, nested = vars(entity), self._values, self._nested
        same = len(now) == len(was) and all(map(operator.is_, now.values(), was.values()))
        if same and all(encode(now[name]) == kept for name, kept in nested.items()):
            return ()
        return tuple(
            name
            for name in self._fields
            if (value := now.get(name)) is not (before := was.get(name)) or name in nested
            if encode(value) != (nested[name] if name in nested else encode(before))
        )

    def as_arguments(self) -> dict[str, bytes | None]:
        """The columns as they were, as statements take them."""
        return {name: self._nested[name] if name in self._nested else encode(self._values.get(name)) for name in self._fields}


@kept
def _nested(kind: type[Entity]) -> tuple[str, ...]:
    """The fields whose values may change within."""
    return tuple(name for name, field in shape_of(kind).fields.items() if field.facts.kind in ("json", "tags"))


def as_arguments(values: Mapping[str, Any]) -> dict[str, bytes | None]:
    """Values by name as statements take them."""
    return {name: encode(value) for name, value in values.items()}


def _type(field: Field) -> Any:
    kind = field.facts.kind
    if kind in ("text", "long_text", "email", "phone", "url", "currency"):
        type_: Any = str
    elif kind == "int":
        type_ = int
    elif kind == "instant":
        type_ = dt.datetime
    elif kind == "tags":
        type_ = list[str]
    else:
        type_ = field.type()
    return type_ | None if field.nullable else type_


@kept
def _update(kind: type[Entity], names: tuple[str, ...]) -> Statement:
    shape = shape_of(kind)
    fields = [shape.fields[name] for name in names]
    types = ", ".join(record_type(field) for field in fields)
    settings = "".join(f"{field.name} = {_new(field, names)}, " for field in fields)
    return Statement(
        f"WITH changed AS (UPDATE {{s}}.{shape.table.name} t SET {settings}version = t.version + 1, updated_at = now(), updated_by = $4::uuid"
        f" FROM json_to_record($1::json) AS i({types}) WHERE t.id = $2 AND t.version = $3 RETURNING 1) SELECT 1 / count(*) FROM changed"
    )


def _new(field: Field, names: tuple[str, ...]) -> str:
    if field.facts.currency is None:
        return f"i.{field.name}"
    currency = field.facts.currency
    return f"nexus_cell.money(i.{field.name}, {'i' if currency in names else 't'}.{currency})"


def changeable(name: str) -> bool:
    """Whether a rule's change of the column is written: the platform keeps the others itself."""
    return name not in _BASE


@kept
def records_of(kind: type[Entity]) -> Records:
    """The reader and writer of an entity, made on first use."""
    return Records(shape_of(kind))
