"""The shape of an entity: what every surface asks of a declaration, worked out once."""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
import sqlalchemy as sa

from nexus.core.entity import Entity, facts, snake, table_of
from nexus.core.fields import Facts
from nexus.core.values import NOT_BLANK
from nexus.surfaces.kept import kept

PYTHON_TYPES: Mapping[str, Any] = {
    "uuid": UUID,
    "ref": UUID,
    "money": Decimal,
    "decimal": Decimal,
    "quantity": Decimal,
    "bool": bool,
    "date": dt.date,
    "instant": Annotated[dt.datetime, msgspec.Meta(tz=True)],
}
EMAIL = r"^[^@\s\"(),:;<>\[\]\\]{1,64}@[A-Za-z0-9]([A-Za-z0-9.-]{0,188}[A-Za-z0-9])?\.[A-Za-z]{2,63}$"


@dataclass(frozen=True, slots=True)
class Field:
    """One column, with what is known of it."""

    name: str
    column: sa.Column[Any]
    facts: Facts
    nullable: bool
    default: Any
    """A zero-argument callable, or `...` where the caller must give a value."""
    declared: bool
    """Whether it belongs to the constructor: all but what the platform keeps of every record."""
    _type: list[Any] = dataclasses.field(default_factory=list[Any], repr=False, compare=False)
    """What `type` has worked out."""

    @property
    def label(self) -> str:
        return self.facts.label or self.name.removesuffix("_id").replace("_", " ").capitalize()

    @property
    def writable(self) -> bool:
        """Whether create takes it: not what the server sets, nor what a flow or command moves."""
        return not (self.facts.read_only or self.facts.state)

    @property
    def patchable(self) -> bool:
        """Whether patch takes it too."""
        return self.writable and not self.facts.once

    @property
    def exact(self) -> bool:
        """Whether it is a number that travels as a string, so that no client rounds it."""
        return self.facts.kind in ("money", "decimal", "quantity")

    @property
    def pattern(self) -> str | None:
        """The regular expression that its text meets."""
        if self.facts.kind == "email":
            return EMAIL
        return self.facts.pattern or (NOT_BLANK if self.facts.min_length else None)

    def type(self) -> Any:
        """The type that checks a value, without null."""
        if not self._type:
            self._type.append(self._made_type())
        return self._type[0]

    def _made_type(self) -> Any:
        known = self.facts
        if known.kind in PYTHON_TYPES:
            return PYTHON_TYPES[known.kind]
        if known.kind == "enum":
            return known.of
        if known.kind == "int":
            lowest, highest = known.ge, known.le
            return Annotated[int, msgspec.Meta(ge=None if lowest is None else int(lowest), le=None if highest is None else int(highest))]
        if known.kind == "tags":
            return Annotated[list[Annotated[str, msgspec.Meta(min_length=1, max_length=60)]], msgspec.Meta(max_length=50)]
        if known.kind == "json":
            return Any if known.of is None else known.of
        return Annotated[str, msgspec.Meta(max_length=known.max_length, min_length=known.min_length, pattern=self.pattern)]

    def json(self, table: sa.FromClause) -> sa.ColumnElement[Any]:
        """The column as JSON shows it: exact numbers as strings, everything else as PostgreSQL writes it."""
        column = table.c[self.name]
        if not self.exact:
            return column
        exact = column if self.facts.kind == "money" else sa.func.trim_scale(column)
        return sa.cast(exact, sa.Text()).label(self.name)


LISTED: Final = ("q", "sort", "cursor", "limit", "fields", "expand", "count", "archived")
"""The parameters of a list that are no fields."""
TAKEN: Final = frozenset((*LISTED, "where", "format"))
"""What no field is called: a filter by it would be a parameter of lists or exports."""


class Shape:
    """Everything derived from one entity that does not depend on who asks."""

    def __init__(self, entity: type[Entity]) -> None:
        table = table_of(entity)
        self.entity = entity
        self.table = table
        self.name = entity.entity_name()
        self.service = entity.service()
        self.path = entity.path()
        self.summary = " ".join((entity.__doc__ or self.name).strip().split("\n\n")[0].split())
        columns: list[sa.Column[Any]] = list(table.columns)
        columns.sort(key=lambda column: column.name != "id")
        if taken := [column.name for column in columns if column.name in TAKEN]:
            raise TypeError(f"{self.name} has a field {taken[0]!r}, which is the name of a parameter of its lists")
        self.fields = {field.name: field for field in (_field(entity, column) for column in columns)}
        self.writable = [field for field in self.fields.values() if field.writable]
        self.patchable = [field for field in self.writable if field.patchable]
        self.initial = [field for field in self.fields.values() if field.declared or field.name == "id"]
        """What an insert sets; the database does the rest."""
        self.sensitive = frozenset(name for name, field in self.fields.items() if field.facts.sensitive)
        self.searchable = any(field.facts.search for field in self.fields.values())

    @property
    def title(self) -> str:
        """How a sentence calls it: "deal stage"."""
        return snake(self.entity.__name__).replace("_", " ")

    @functools.cached_property
    def references(self) -> dict[str, tuple[Field, str]]:
        """What can be expanded: the relation's name (`account` of `account_id`), its column and its target."""
        return {
            field.name.removesuffix("_id"): (field, field.facts.refers_to)
            for field in self.fields.values()
            if field.facts.refers_to is not None and field.name.endswith("_id")
        }

    def columns(self, names: frozenset[str] | None = None) -> list[Field]:
        """The fields to show, in the order of the declaration."""
        return [field for field in self.fields.values() if names is None or field.name in names]


def _field(entity: type[Entity], column: sa.Column[Any]) -> Field:
    return Field(
        column.name,
        column,
        facts(column),
        bool(column.nullable),
        _default_of(entity, column),
        entity.__dataclass_fields__[column.name].init,
    )


def _default_of(entity: type[Entity], column: sa.Column[Any]) -> Any:
    """What the declaration gives when the caller gives nothing. A scalar default lies on the column, a factory on the dataclass field."""
    declared = entity.__dataclass_fields__[column.name]
    if declared.default_factory is not dataclasses.MISSING:
        return declared.default_factory
    if declared.default is dataclasses.MISSING:
        return ...
    value: Any = getattr(column.default, "arg", None)

    def default() -> Any:
        return value

    return default


@kept
def shape_of(entity: type[Entity]) -> Shape:
    """The shape of an entity, made on first use."""
    return Shape(entity)


def by_name(name: str) -> Shape | None:
    """The shape of `service.entity`, or None where no such entity is installed."""
    for mapper in Entity.registry.mappers:
        if mapper.class_.entity_name() == name:
            kind: type[Entity] = mapper.class_
            return shape_of(kind)
    return None
