"""From selections to SQL: a record, what it leads to and the pages within it are one expression whose value is their JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, cast
from uuid import UUID

import graphql as lib
import sqlalchemy as sa

from nexus.core.problem import FieldError, Forbidden, Invalid
from nexus.surfaces.graphql import names
from nexus.surfaces.graphql.connections import Connection
from nexus.surfaces.graphql.documents import Document
from nexus.surfaces.graphql.draft import Draft, listed, row
from nexus.surfaces.graphql.given import Given, arguments
from nexus.surfaces.graphql.limits import Limits
from nexus.surfaces.graphql.model import Graph, Kind, Member, inner
from nexus.surfaces.graphql.pages import Pages
from nexus.surfaces.graphql.plans import GIVEN, NONCE, Gap
from nexus.surfaces.graphql.questions import question_of
from nexus.surfaces.graphql.selection import Fields, Selections
from nexus.surfaces.graphql.sources import Column, Elsewhere, Linked, Many, One, Part, Report, Single, Stub
from nexus.surfaces.permissions import Rights
from nexus.surfaces.reads import seen, shown_column, sortable
from nexus.surfaces.shapes import Field, Shape
from nexus.surfaces.sql import constant, quoted

Columns = list[tuple[str, str]]
_NONE: Final[Mapping[str, Field]] = {}
_KEYS: Final = "SELECT id FROM unnest(CAST(:ids AS text[])) AS one(id)"
_HEX: Final = "encode(convert_to({}, 'UTF8'), 'hex')"
_TEXT: Final = "convert_from(decode({}, 'hex'), 'UTF8')"
"""A text that stands for its record in a gap, so that nothing in it can be taken for the end of one; and back."""


@dataclass(slots=True)
class Rows:
    """Records that a statement reads under a name; collects which of their columns are used."""

    name: str
    shape: Shape
    times: int
    """How many of them there may be."""
    used: dict[str, Field] = field(default_factory=dict[str, Field])

    def use(self, column: Field) -> str:
        self.used[column.name] = column
        return f"{self.name}.{column.name}"


class Compiler:
    """Compiles the selections of one document for one caller's rights and one set of variables."""

    def __init__(
        self, graph: Graph, document: Document, limits: Limits, rights: Rights, variables: Mapping[str, Any], draft: Draft | None = None
    ) -> None:
        self.graph = graph
        self.draft = draft or Draft(rights, limits)
        self._document = document
        self._limits = limits
        self._rights = rights
        self.variables = variables
        self.selections = Selections(graph, document, variables)
        self._pages = Pages(graph, self.draft, limits.page)
        self._trail: list[str] = []

    def apart(self) -> Compiler:
        """A compiler of the same selections for a statement of its own."""
        return Compiler(self.graph, self._document, self._limits, self._rights, self.variables)

    def root(self, member: Member, nodes: list[lib.FieldNode]) -> str:
        """The JSON of a field of the query, as an expression."""
        given = arguments(nodes[0], self.variables)
        match member.source:
            case Many() as many:
                return self._page(many, member, nodes, given, None, 1)
            case Single(shape):
                return self._single(shape, member, nodes, given["id"])
            case Report() as report:
                return self._report(report, member, nodes, given)
            case _:
                raise TypeError(f"{member.name} is no field of a statement")

    def by_ids(self, shape: Shape, fields: Fields, times: int, kind: Kind | None = None) -> Gap:
        """A plan that answers records by `ids`, as the entity's own type or as another that stands for it: rows of an id and its JSON."""
        kind, rows = kind or self.graph[names.of_entity(shape)], Rows(self.draft.name("p"), shape, times)
        self.draft.count(times)
        needs: tuple[str, ...] = ()
        if kind.elsewhere:
            columns = self._record(kind, fields, rows)
            needs = tuple(name for name in rows.used if name != "id")
            source = _known(needs)
        else:
            self.draft.need(shape)
            columns = self._record(kind, fields, rows)
            rows.use(shape.fields["id"])
            ids = sa.cast(sa.bindparam("ids"), sa.ARRAY(sa.Uuid()))
            source = self._source(rows, shape.table.c.id == sa.any_(ids))
        x = self.draft.name("x")
        text = f"SELECT {rows.name}.id, row_to_json({x}) FROM ({source}) {rows.name} CROSS JOIN LATERAL (SELECT {listed(columns)}) {x}"
        return Gap(shape, self.draft.finish(text), needs)

    def led_by_ids(self, many: Many, member: Member, nodes: list[lib.FieldNode], times: int) -> Gap:
        """A plan that answers what holds each of `ids`: rows of an id and its page."""
        p = self.draft.name("p")
        key, ids = (f"{p}.id", _known()) if many.of is None else (_TEXT.format(f"{p}.id"), _KEYS)
        led = self._led(many, member, nodes, key, times)
        return Gap(many.shape, self.draft.finish(f"SELECT {p}.id, {led} FROM ({ids}) {p}"))

    def _source(self, rows: Rows, *where: sa.ColumnElement[bool]) -> str:
        """The records of a kind that the caller sees, with the columns that are used of them."""
        shape = rows.shape
        columns = [shown_column(one, shape.table, self._rights, shape.entity) for one in rows.used.values()] or [
            constant("1").label("_one")
        ]
        found = sa.select(*columns).select_from(shape.table).where(*where, *seen(shape.entity, shape.table, self._rights))
        return self.draft.embed(found)

    def _single(self, shape: Shape, member: Member, nodes: list[lib.FieldNode], given: Given) -> str:
        self.draft.need(shape)
        bound = self.draft.bind(_record_id, given, "id")
        self.draft.about = self.draft.plan.binders[bound]
        return self.one(shape, member, nodes, self._led_to(shape, bound), 1)

    def _led_to(self, shape: Shape, bound: str) -> str:
        """The id that was asked for, or that of the record which the one it names was merged into."""
        asked = f"CAST(:{bound} AS uuid)"
        if not shape.entity.merges:
            return asked
        table = f"{{s}}.{shape.service}_redirect"
        went = f"SELECT to_id FROM {table} WHERE from_id = {asked} AND entity = {quoted(shape.name)} LIMIT 1"
        return f"coalesce(({went}), {asked})"

    def one(self, shape: Shape, member: Member, nodes: list[lib.FieldNode], id: str, times: int) -> str:
        """The JSON of the record that has an id, which is an expression."""
        return self._where(shape, member, nodes, times, shape.table.c.id == constant(id))

    def _led(self, many: Many, member: Member, nodes: list[lib.FieldNode], holder: str, times: int) -> str:
        """What refers to a record by its id, which is an expression: a page of them, or the only one there may be."""
        if not many.sole or many.by is None:
            return self._page(many, member, nodes, arguments(nodes[0], self.variables), holder, times)
        if many.by.name in self._rights.hidden(many.shape.entity):
            return "NULL"
        table = many.shape.table
        key, _ = sortable(many.shape, table, self._rights, many.by.name)
        return self._where(many.shape, member, nodes, times, key == constant(holder), table.c.archived_at.is_(None))

    def _where(self, shape: Shape, member: Member, nodes: list[lib.FieldNode], times: int, *where: sa.ColumnElement[bool]) -> str:
        """The JSON of the record for which conditions hold that hold for one alone."""
        self.draft.need(shape)
        self.draft.count(times)
        rows, x = Rows(self.draft.name("p"), shape, times), self.draft.name("x")
        columns = self._record(self.graph[inner(member.type)], self.selections.below(inner(member.type), nodes), rows)
        source = self._source(rows, *where)
        return f"(SELECT row_to_json({x}) FROM (SELECT {listed(columns)} FROM ({source}) {rows.name}) {x})"

    def _record(self, kind: Kind, fields: Fields, rows: Rows) -> Columns:
        """The JSON of a record, key by key."""
        columns: Columns = []
        for key, nodes in fields.items():
            name = nodes[0].name.value
            if name == "__typename":
                columns.append((key, f"{quoted(kind.name)}::text"))
                continue
            member = kind.members[name]
            self._trail.append(name)
            columns.append((key, self._member(member, nodes, rows)))
            self._trail.pop()
        return columns

    def _member(self, member: Member, nodes: list[lib.FieldNode], rows: Rows) -> str:
        match member.source:
            case Column(field):
                return self._column(field, member, nodes, rows)
            case One(field, target):
                if self._hidden(rows, field):
                    return "NULL"
                return self.one(target, member, nodes, rows.use(field), rows.times)
            case Elsewhere(field, target) | Stub(field, target):
                if self._hidden(rows, field):
                    return "NULL"
                copies: Mapping[str, Field] = member.source.copies if isinstance(member.source, Stub) else _NONE
                kept = {name: "NULL" if self._hidden(rows, one) else rows.use(one) for name, one in copies.items()}
                return self.elsewhere(target, member, nodes, rows.use(field), rows.times, kept)
            case Many() as many:
                key = many.of or rows.shape.fields["id"]
                if self._hidden(rows, key):
                    return "NULL"
                if not isinstance(many, Linked):
                    return self._led(many, member, nodes, rows.use(key), rows.times)
                gap = partial(Compiler.led_by_ids, many=many, member=member, nodes=nodes, times=rows.times)
                return self._gap(member, rows.use(key) if many.of is None else _HEX.format(rows.use(key)), gap)
            case _:
                raise TypeError(f"{member.name} is no field of a record")

    def _hidden(self, rows: Rows, field: Field) -> bool:
        return field.name in self._rights.hidden(rows.shape.entity)

    def _column(self, field: Field, member: Member, nodes: list[lib.FieldNode], rows: Rows) -> str:
        if self._hidden(rows, field):
            return "NULL"
        if field.facts.sensitive:
            self.draft.sensitive.append(".".join([*map(_snake, self._trail[:-1]), field.name]))
        return self._value(rows.use(field), member.type, nodes, jsonb=field.facts.kind == "json")

    def _value(self, value: str, type_: str, nodes: list[lib.FieldNode], *, jsonb: bool) -> str:
        """A value of a type from its column, or from a part of one that holds JSON."""
        name = inner(type_)
        kind = self.graph.get(name)
        if kind is None or kind.kind not in ("enum", "object"):
            return value
        if type_.removesuffix("!").startswith("["):
            return self._list(value, type_, nodes)
        if kind.kind == "enum":
            text = f"({value} #>> '{{}}')" if jsonb else value
            return word(text, kind)
        x = self.draft.name("x")
        columns = self._parts(kind, nodes, value)
        return f"CASE WHEN jsonb_typeof({value}) = 'object' THEN {row(columns, x)} END"

    def _list(self, value: str, type_: str, nodes: list[lib.FieldNode]) -> str:
        """A list in JSON, each of its values as its type has it."""
        v = self.draft.name("v")
        one = self._value(f"{v}.value", type_.removesuffix("!")[1:-1], nodes, jsonb=True)
        each = f"SELECT coalesce(json_agg({one} ORDER BY {v}.n), '[]'::json)"
        return (
            f"CASE WHEN jsonb_typeof({value}) = 'array' THEN"
            f" ({each} FROM jsonb_array_elements({value}) WITH ORDINALITY AS {v}(value, n)) END"
        )

    def _parts(self, kind: Kind, nodes: list[lib.FieldNode], value: str) -> Columns:
        columns: Columns = []
        for key, inside in self.selections.below(kind.name, nodes).items():
            name = inside[0].name.value
            if name == "__typename":
                columns.append((key, f"{quoted(kind.name)}::text"))
                continue
            member = kind.members[name]
            part = cast(Part, member.source)
            columns.append((key, self._value(f"({value} -> {quoted(part.name)})", member.type, inside, jsonb=True)))
        return columns

    def elsewhere(
        self, target: Shape, member: Member, nodes: list[lib.FieldNode], id: str, times: int, kept: Mapping[str, str] | None = None
    ) -> str:
        """A record of another service: what its id and copies say alone, or a gap that one more statement fills for all of them."""
        kind = self.graph[inner(member.type)]
        fields = self.selections.below(kind.name, nodes)
        known = {"id": id, "__typename": f"{quoted(kind.name)}::text"} | dict(kept or {})
        asked = {key: nodes[0].name.value for key, nodes in fields.items()}
        if known.keys() >= set(asked.values()):
            return f"CASE WHEN {id} IS NOT NULL THEN {row([(key, known[name]) for key, name in asked.items()], self.draft.name('x'))} END"
        return self._gap(member, id, partial(Compiler.by_ids, shape=target, fields=fields, times=times))

    def _gap(self, member: Member, id: str, filling: Callable[[Compiler], Gap]) -> str:
        """What one more statement answers for all ids together, in the place of each."""
        plan, apart = self.draft.plan, self.apart()
        plan.gaps.append(filling(apart))
        plan.services |= apart.draft.plan.services
        self.draft.sensitive += [f"{_snake(member.name)}.{path}" for path in apart.draft.sensitive]
        self.draft.count(apart.draft.plan.rows)
        return f"('{NONCE}:{len(plan.gaps) - 1}:' || {id})"

    def _page(self, many: Many, member: Member, nodes: list[lib.FieldNode], given: dict[str, Given], holder: str | None, times: int) -> str:
        shape, of = many.shape, inner(member.type).removesuffix("Connection")
        self.draft.need(shape)
        asked = self._pages.asked(many, of, given, holder)
        page = Connection(self, many.shape, of, asked, Rows(self.draft.name("p"), shape, times * asked.limit))
        columns = page.columns(self.graph[inner(member.type)], nodes, self._pages)
        if page.read:
            self.draft.count(rows=times * asked.limit)
        x = self.draft.name("x")
        if not page.read:
            return row(columns, x)
        source = self.draft.embed(
            self._pages.select(shape, asked, list(page.rows.used.values()), more=int(page.ahead), numbered=page.numbered, keyed=page.keyed)
        )
        return f"(WITH {page.rows.name} AS ({source}) SELECT row_to_json({x}) FROM (SELECT {listed(columns)}) {x})"

    def record(self, kind: Kind, nodes: Iterable[lib.FieldNode], rows: Rows) -> Columns:
        """The JSON of a record of a page, key by key."""
        return self._record(kind, self.selections.below(kind.name, nodes), rows)

    def _report(self, report: Report, member: Member, nodes: list[lib.FieldNode], given: dict[str, Given]) -> str:
        answer = report.answer
        if not self._rights.allow(answer.needs):
            raise Forbidden(permission=answer.needs)
        self.draft.plan.services.add(report.service)
        text = self.draft.embed(answer.select(question_of(self.graph, answer, member, given), self._rights))
        r, x = self.draft.name("r"), self.draft.name("x")
        kind = self.graph[inner(member.type)]
        if kind.kind == "scalar":
            return f"(SELECT coalesce(json_agg({r}), '[]'::json) FROM ({text}) {r})"
        columns: Columns = []
        for key, inside in self.selections.below(kind.name, nodes).items():
            name = inside[0].name.value
            if name == "__typename":
                columns.append((key, f"{quoted(kind.name)}::text"))
                continue
            column = kind.members[name]
            value = f'{r}."{cast(Part, column.source).name}"'
            columns.append((key, self._value(value, column.type, inside, jsonb=False)))
        return f"(SELECT coalesce(json_agg({x}), '[]'::json) FROM (SELECT {listed(columns)} FROM ({text}) {r}) {x})"


def _known(needs: Sequence[str] = ()) -> str:
    """Records of another service as far as they are known: by the ids that are asked for, with what was given along."""
    given = "".join(f", CAST(:{GIVEN}{name} AS text[])" for name in needs)
    names = ", ".join(("id", *needs))
    return f"SELECT {names} FROM unnest(CAST(:ids AS uuid[]){given}) AS one({names})"


def word(text: str, kind: Kind) -> str:
    """A word of an enumeration as GraphQL writes it, from the one that is kept."""
    if all(word == name.lower() for name, word in kind.words.items()):
        return f"upper({text})"
    cases = " ".join(f"WHEN {quoted(word)} THEN {quoted(name)}" for name, word in kind.words.items())
    return f"CASE {text} {cases} END"


def _record_id(raw: Any) -> UUID:
    try:
        return UUID(raw)
    except (ValueError, TypeError, AttributeError):
        raise Invalid.of(FieldError("id", "is the id of a record, a UUID")) from None


def _snake(name: str) -> str:
    return "".join("_" + letter.lower() if letter.isupper() else letter for letter in name)
