"""Filters of a list: `stage=open`, `amount[gte]=100`, `where={"or":[…]}`, `q=text`, parsed into conditions whose values stay parameters."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import msgspec
import sqlalchemy as sa

from nexus.core.problem import FieldError, Invalid
from nexus.surfaces.permissions import Rights, on
from nexus.surfaces.refusals import NO_NUL
from nexus.surfaces.shapes import Field, Shape
from nexus.surfaces.wording import sentence

OPERATORS = ("eq", "ne", "gt", "gte", "lt", "lte", "in", "nin", "null", "contains", "starts")
MAX_LEAVES = 50
MAX_DEPTH = 8
_BRACKET = re.compile(r"^(?P<name>[a-z_][a-z0-9_]*)(?:\[(?P<op>[a-z]+)\])?$")


@dataclass(slots=True)
class Filter:
    """A condition tree. `key` is its shape (fields and operators, no values), `values` what its parameters are bound to."""

    key: list[Any] = field(default_factory=list[Any])
    values: dict[str, Any] = field(default_factory=dict[str, Any])
    given: dict[str, str] = field(default_factory=dict[str, str])
    """Its parameters as the caller calls them: `amount[gte]`."""
    _build: list[Callable[[sa.FromClause], sa.ColumnElement[bool]]] = field(
        default_factory=list[Callable[[sa.FromClause], sa.ColumnElement[bool]]]
    )

    def conditions(self, table: sa.FromClause) -> Iterator[sa.ColumnElement[bool]]:
        for build in self._build:
            yield build(table)

    def _bind(self, value: Any, label: str) -> str:
        name = f"p{len(self.values)}"
        if len(self.values) >= MAX_LEAVES:
            raise Invalid.of(FieldError("where", f"has more than {MAX_LEAVES} conditions"))
        self.values[name], self.given[name] = value, label
        return name

    def add(self, shape: Shape, rights: Rights, name: str, op: str, raw: Any) -> None:
        """One condition of the top level, joined to the others by AND."""
        build, key = self._leaf(shape, rights, name, op, raw)
        self.key.append(key)
        self._build.append(build)

    def add_tree(self, shape: Shape, rights: Rights, tree: Any) -> None:
        """The tree of `where=`."""
        build, key = self._node(shape, rights, tree, 0)
        self.key.append(key)
        self._build.append(build)

    def _node(self, shape: Shape, rights: Rights, tree: Any, depth: int) -> tuple[Callable[[sa.FromClause], Any], Any]:
        if depth > MAX_DEPTH:
            raise Invalid.of(FieldError("where", f"has conditions within conditions more than {MAX_DEPTH} levels deep"))
        if not isinstance(tree, dict):
            raise Invalid.of(FieldError("where", 'takes an object such as {"or": [{"stage": "open"}, {"amount": {"gte": 100}}]}'))
        parts: list[tuple[Callable[[sa.FromClause], Any], Any]] = []
        for name, value in cast(dict[str, Any], tree).items():
            if name in ("and", "or"):
                if not isinstance(value, list) or not value:
                    raise Invalid.of(FieldError(f"where.{name}", "takes a list of conditions"))
                parts.append(_joined(name, [self._node(shape, rights, one, depth + 1) for one in _several(value)]))
            elif name == "not":
                parts.append(_negated(self._node(shape, rights, value, depth + 1)))
            elif isinstance(value, dict):
                parts += [self._leaf(shape, rights, name, op, one) for op, one in cast(dict[str, Any], value).items()]
            else:
                parts.append(self._leaf(shape, rights, name, "eq", value))
        return _joined("and", parts) if parts else (lambda table: sa.true(), "true")

    def _leaf(self, shape: Shape, rights: Rights, name: str, op: str, raw: Any) -> tuple[Callable[[sa.FromClause], Any], Any]:
        known, hidden = shape.fields.get(name), rights.hidden(shape.entity)
        if known is None or name in hidden:
            raise Invalid.of(
                FieldError(name, f"is not a field of {shape.name}; it has {', '.join(n for n in shape.fields if n not in hidden)}")
            )
        if op not in OPERATORS:
            raise Invalid.of(FieldError(f"{name}[{op}]", f"is not an operator; there are {', '.join(OPERATORS)}"))
        label = name if op == "eq" else f"{name}[{op}]"
        bound = self._bind(checked(known, op, raw, label), label)
        if (mask := rights.masks(shape.entity).get(name)) is not None:
            return (lambda table: masked(table.c[name], on(table, shape.entity, mask), known, op, bound)), (name, op)
        return (lambda table: condition(table.c[name], known, op, bound)), (name, op)


def _several(value: Any) -> list[Any]:
    return list(value)


def _joined(word: str, parts: list[tuple[Callable[[sa.FromClause], Any], Any]]) -> tuple[Callable[[sa.FromClause], Any], Any]:
    join = sa.or_ if word == "or" else sa.and_
    builds = [build for build, _ in parts]
    return (lambda table: join(*[build(table) for build in builds])), (word, *[key for _, key in parts])


def _negated(part: tuple[Callable[[sa.FromClause], Any], Any]) -> tuple[Callable[[sa.FromClause], Any], Any]:
    build, key = part
    return (lambda table: sa.not_(sa.func.coalesce(build(table), sa.false()))), ("not", key)


def checked(known: Field, op: str, raw: Any, label: str) -> Any:
    """The checked value of a condition, as it is bound; Invalid names the field by its label."""
    several: list[Any] = _several(raw) if isinstance(raw, list) else [raw]
    if any("\0" in one for one in several if isinstance(one, str)):
        raise Invalid.of(FieldError(label, NO_NUL))
    try:
        if op == "null":
            return msgspec.convert(raw, bool, strict=False)
        if op in ("contains", "starts"):
            if known.facts.kind == "tags":
                return [msgspec.convert(raw, str)]
            escaped = re.sub(r"([\\%_])", r"\\\1", msgspec.convert(raw, str))
            return f"%{escaped}%" if op == "contains" else f"{escaped}%"
        if known.facts.kind in ("json", "tags"):
            raise Invalid.of(FieldError(label, "can be filtered by contains and null only"))
        if op in ("in", "nin"):
            several = several if isinstance(raw, list) else str(raw).split(",")
            return tuple(msgspec.convert(one, known.type(), strict=False) for one in several)
        return msgspec.convert(raw, known.type(), strict=False)
    except msgspec.ValidationError as error:
        raise Invalid.of(FieldError(label, sentence(str(error), "$", bool if op == "null" else known.type()))) from None


def masked(column: sa.ColumnElement[Any], mask: sa.ColumnElement[bool], known: Field, op: str, bound: str) -> sa.ColumnElement[bool]:
    """A condition on a field as the caller sees it: null where the mask does not hold."""
    if op in ("ne", "null"):
        return condition(sa.case((mask, column)), known, op, bound)
    return sa.and_(mask, condition(column, known, op, bound))  # null meets none of these; written so, an index can be used


def condition(column: sa.ColumnElement[Any], known: Field, op: str, bound: str) -> sa.ColumnElement[bool]:
    """A condition on a column whose value is the parameter named `bound`."""
    kind: Any = sa.Text() if known.facts.kind == "enum" else known.column.type
    value = sa.bindparam(bound, type_=kind)
    match op:
        case "eq":
            return column == value
        case "ne":
            return column.is_distinct_from(value)
        case "gt":
            return column > value
        case "gte":
            return column >= value
        case "lt":
            return column < value
        case "lte":
            return column <= value
        case "in":
            return column == sa.any_(sa.cast(sa.bindparam(bound), sa.ARRAY(kind)))
        case "nin":
            return column != sa.all_(sa.cast(sa.bindparam(bound), sa.ARRAY(kind)))
        case "null":
            return column.is_(None) == sa.cast(sa.bindparam(bound), sa.Boolean())
        case _ if known.facts.kind == "tags":
            return column.op("@>")(sa.bindparam(bound, type_=known.column.type))
        case _:
            return sa.cast(column, sa.Text()).ilike(sa.bindparam(bound, type_=sa.Text()))


def parse(shape: Shape, rights: Rights, pairs: list[tuple[str, str]], reserved: Mapping[str, Any]) -> Filter:
    """The filter of a query string. Every name that is neither reserved nor a field is refused."""
    found = Filter()
    for name, raw in pairs:
        if name in reserved:
            continue
        if name == "where":
            try:
                tree = msgspec.json.decode(raw)
            except msgspec.DecodeError as error:
                raise Invalid.of(FieldError("where", f"is not valid JSON: {error}")) from None
            found.add_tree(shape, rights, tree)
            continue
        taken = _BRACKET.match(name)
        if taken is None:
            raise Invalid.of(FieldError(name, "is neither a field nor a parameter; filters are written field=value or field[gte]=value"))
        found.add(shape, rights, taken["name"], taken["op"] or "eq", raw)
    return found


def prefix_query(text: str) -> str:
    """Words as a tsquery in which every word may be the beginning of a longer one; nothing in it is syntax. Invalid (422) without a word."""
    words = re.findall(r"[^\W_]+", text)[:12]
    if not words:
        raise Invalid.of(FieldError("q", "has no letter and no digit that could be searched for"))
    return " & ".join(f"'{word}':*" for word in words)
