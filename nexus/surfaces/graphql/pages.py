"""Pages of records in SQL: which records, in which order, from which place on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from nexus.core.message import Rows
from nexus.core.problem import FieldError, Invalid, Malformed
from nexus.surfaces.filters import checked, condition, masked, prefix_query
from nexus.surfaces.graphql import names
from nexus.surfaces.graphql.draft import Draft
from nexus.surfaces.graphql.given import Given, count_of, several, text_of
from nexus.surfaces.graphql.model import Graph, Kind
from nexus.surfaces.graphql.records import PAGE
from nexus.surfaces.graphql.sources import Column, Many
from nexus.surfaces.permissions import on
from nexus.surfaces.reads import after, decode_cursor, ordering, says_words, seen, shown_column, sortable
from nexus.surfaces.shapes import Field, Shape
from nexus.surfaces.sql import constant, quoted

Condition = sa.ColumnElement[bool]
Sort = tuple[tuple[str, bool], ...]
_DEEPEST = 8
_MOST_CONDITIONS = 50


@dataclass(slots=True, kw_only=True)
class Asked:
    """The arguments of a page, read and checked."""

    sort: Sort
    limit: int
    backward: bool
    cursor: bool
    """Whether it begins behind, or ends before, a record."""
    conditions: list[Condition]
    place: list[Condition]
    """Conditions that the cursor makes; a count of all pages goes without them."""


class Pages:
    """Reads the arguments of pages into a statement in the making."""

    def __init__(self, graph: Graph, draft: Draft, most: int) -> None:
        self._graph = graph
        self._draft = draft
        self._most = most
        self._leaves = 0

    def asked(self, many: Many, type_: str, given: dict[str, Given], holder: str | None) -> Asked:
        """What a page's arguments ask for; `holder` is the expression of the id that its records refer to."""
        first, last = (count_of(given.get(name), name, self._most) for name in ("first", "last"))
        if first is not None and last is not None:
            raise Invalid.of(FieldError("last", "cannot go with first: a page is from the beginning or from the end"))
        backward, limit = last is not None, PAGE if first is None and last is None else (first if last is None else last) or 0
        name = "before" if backward else "after"
        other = "after" if backward else "before"
        if other in given and given[other].value is not None:
            raise Invalid.of(FieldError(other, f"goes with {'first' if backward else 'last'} alone"))
        sort = self._sort(many.shape, type_, given.get("sort"))
        conditions = [*self._standing(many, given, holder), *self._filter(many.shape, type_, given.get("filter"))]
        place: list[Condition] = []
        if name in given and given[name].value is not None:
            place = self._place(many.shape, sort, given[name], name, backward)
        return Asked(sort=sort, limit=limit, backward=backward, cursor=bool(place), conditions=conditions, place=place)

    def select(self, shape: Shape, asked: Asked, columns: list[Field], *, more: int, numbered: bool, keyed: bool) -> Rows:
        """The records of a page: the columns that are used of them, `_n` their number, `_k0` … the keys that cursors hold."""
        table, rights = shape.table, self._draft.rights
        wanted: list[Any] = [shown_column(field, table, rights, shape.entity) for field in columns]
        if keyed:
            keys = enumerate(asked.sort)
            wanted += [sa.cast(sortable(shape, table, rights, name)[0], sa.Text()).label(f"_k{n}") for n, (name, _) in keys]
        order = self._reversed(shape, asked.sort) if asked.backward else ordering(shape, table, rights, asked.sort)
        if numbered:
            wanted.append(sa.func.row_number().over(order_by=order).label("_n"))
        page: Rows = sa.select(*(wanted or [constant("1").label("_one")]))
        page = page.select_from(table).where(*asked.conditions, *asked.place)
        return page.order_by(*order).limit(constant(str(asked.limit + more)))

    def count(self, shape: Shape, asked: Asked) -> sa.Select[Any]:
        """How many records there are on all pages."""
        return sa.select(sa.func.count()).select_from(shape.table).where(*asked.conditions)

    def _standing(self, many: Many, given: dict[str, Given], holder: str | None) -> list[Condition]:
        shape, table, rights = many.shape, many.shape.table, self._draft.rights
        found = seen(shape.entity, table, rights)
        if many.by is not None and holder is not None:
            if many.by.name in rights.hidden(shape.entity):
                return [sa.false()]  # who does not see the reference does not learn of it from its other end
            found.append(sortable(shape, table, rights, many.by.name)[0] == constant(holder))
        archived = given["archived"].value if "archived" in given else "EXCLUDED"
        if archived != "INCLUDED":
            empty = table.c.archived_at.is_(None)
            found.append(sa.not_(empty) if archived == "ONLY" else empty)
        if "search" in given and given["search"].value is not None:
            found += says_words(shape, rights, self._draft.bind(_words, given["search"], "search"))
        return found

    def _sort(self, shape: Shape, type_: str, given: Given | None) -> Sort:
        words = self._graph[f"{type_}Sort"].words
        sort: list[tuple[str, bool]] = []
        for one in given or ():
            if one.value is None:
                continue
            word = words[one.value]
            name = word.removeprefix("-")
            if name in self._draft.rights.hidden(shape.entity):
                raise Invalid.of(FieldError("sort", f"{one.value} is not what {shape.name} can be sorted by"))
            sort.append((name, word.startswith("-")))
        if len(sort) > 4:
            raise Invalid.of(FieldError("sort", "takes at most four"))
        if not sort:
            return (("id", True),)
        if all(name != "id" for name, _ in sort):
            sort.append(("id", sort[-1][1]))
        return tuple(sort)

    def _place(self, shape: Shape, sort: Sort, given: Given, label: str, backward: bool) -> list[Condition]:
        prefix = self._draft.name("k") + "_"

        def key(n: int, *, null: bool) -> Callable[[Any], Any]:
            def read(raw: Any) -> Any:
                value = _cursor(raw, sort, label)[n]
                return value is None if null else value

            return read

        for n in range(len(sort)):
            self._draft.bind(key(n, null=False), given, label, f"{prefix}k{n}")
            self._draft.bind(key(n, null=True), given, label, f"{prefix}n{n}")
        rights = self._draft.rights
        return [self._ahead(shape, sort, prefix)] if backward else after(shape, shape.table, rights, sort, prefix)

    def _ahead(self, shape: Shape, sort: Sort, prefix: str) -> Condition:
        """What comes before a record in an order whose empty values are last."""
        chain: list[Condition] = []
        same: list[Condition] = []
        for n, (name, descending) in enumerate(sort):
            column, nullable = sortable(shape, shape.table, self._draft.rights, name)
            value = sa.cast(sa.bindparam(f"{prefix}k{n}"), shape.fields[name].column.type)
            nearer: Any = column > value if descending else column < value
            if nullable:
                was_null = sa.cast(sa.bindparam(f"{prefix}n{n}"), sa.Boolean())
                nearer = sa.or_(sa.and_(was_null, column.is_not(None)), nearer)
            chain.append(sa.and_(*same, nearer))
            same.append(column.is_not_distinct_from(value))
        return sa.or_(*chain)

    def _reversed(self, shape: Shape, sort: Sort) -> list[Any]:
        order: list[Any] = []
        for name, descending in sort:
            column, nullable = sortable(shape, shape.table, self._draft.rights, name)
            order.append(column.asc() if descending else column.desc())
            if nullable:
                order[-1] = order[-1].nulls_first()
        return order

    def _filter(self, shape: Shape, type_: str, given: Given | None) -> list[Condition]:
        if given is None or given.value is None:
            return []
        self._leaves = 0
        return [self._all(shape, self._graph[f"{type_}Filter"], given, "filter", 0)]

    def _all(self, shape: Shape, kind: Kind, given: Given, label: str, depth: int) -> Condition:
        if depth > _DEEPEST:
            raise Invalid.of(FieldError(label, f"nests deeper than {_DEEPEST}"))
        parts: list[Condition] = []
        for name, one in given.items():
            place = f"{label}.{name}"
            if one.value is None:
                raise Invalid.of(FieldError(place, "takes no null; what is empty is found by {null: true}"))
            if name in ("and", "or"):
                inside = [self._all(shape, kind, part, f"{place}[{n}]", depth + 1) for n, part in enumerate(one)]
                if not inside:
                    raise Invalid.of(FieldError(place, "takes at least one condition"))
                parts.append((sa.or_ if name == "or" else sa.and_)(*inside))
            elif name == "not":
                parts.append(sa.not_(sa.func.coalesce(self._all(shape, kind, one, place, depth + 1), sa.false())))
            else:
                column = kind.members[name].source
                assert isinstance(column, Column)
                parts += [self._leaf(shape, column.field, op, value, f"{place}.{op}") for op, value in one.items()]
        return sa.and_(*parts) if parts else sa.true()

    def _leaf(self, shape: Shape, field: Field, op: str, given: Given, label: str) -> Condition:
        table, rights = shape.table, self._draft.rights
        self._leaves += 1
        if self._leaves > _MOST_CONDITIONS:
            raise Invalid.of(FieldError("filter", f"has more than {_MOST_CONDITIONS} conditions"))
        if field.name in rights.hidden(shape.entity):
            raise Invalid.of(FieldError(label, f"is not a field of {shape.name} that this caller sees"))
        bound = self._draft.bind(self._reader(field, op, label), given, label)
        mask = rights.masks(shape.entity).get(field.name)
        if mask is not None:
            return masked(table.c[field.name], on(table, shape.entity, mask), field, op, bound)
        return condition(table.c[field.name], field, op, bound)

    def _reader(self, field: Field, op: str, label: str) -> Callable[[Any], Any]:
        """From a value in the request to the one that is bound."""
        words: dict[str, str] = {}
        if field.facts.kind == "enum" and op not in ("null", "contains", "starts"):
            words = self._graph[names.of_class(field.facts.of)].words

        def word(raw: Any) -> Any:
            if not words:
                return raw
            if not isinstance(raw, str) or raw not in words:
                raise Invalid.of(FieldError(label, f"is one of {', '.join(words)}"))
            return words[raw]

        def read(raw: Any) -> Any:
            if raw is None:
                raise Invalid.of(FieldError(label, "takes no null; what is empty is found by {null: true}"))
            if op in ("in", "nin"):
                return checked(field, op, [word(one) for one in several(raw)], label)
            return checked(field, op, word(raw), label)

        return read


def _words(raw: Any) -> str:
    try:
        return prefix_query(text_of(Given(raw), "search"))
    except Invalid as error:
        raise Invalid.of(FieldError("search", error.errors[0].message)) from None


def _cursor(raw: Any, sort: Sort, label: str) -> tuple[str | None, ...]:
    try:
        return decode_cursor(text_of(Given(raw), label), sort)
    except Malformed as error:
        raise Invalid.of(FieldError(label, error.reason)) from None
    except Invalid as error:
        raise Invalid.of(FieldError(label, error.errors[0].message)) from None


def cursor(alias: str, sort: Sort) -> str:
    """The cursor of a record of a page, as `decode_cursor` reads it."""
    order = ",".join(("-" if descending else "") + name for name, descending in sort)
    keys = ", ".join(f"{alias}._k{n}" for n in range(len(sort)))
    text = f"{quoted(order)} || chr(10) || json_build_array({keys})::text"
    return f"translate(encode(convert_to({text}, 'UTF8'), 'base64'), E'+/=\\n', '-_')"
