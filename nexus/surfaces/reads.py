"""Reads: get and list compiled to one statement whose result is the response body; no row is touched in Python."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import sqlalchemy as sa

from nexus.core.entity import Entity
from nexus.core.problem import FieldError, Invalid, Malformed
from nexus.surfaces.filters import Filter, parse, prefix_query
from nexus.surfaces.permissions import Rights, on
from nexus.surfaces.refusals import NO_NUL, TWICE
from nexus.surfaces.shapes import LISTED, Field, Shape, by_name
from nexus.surfaces.sql import Compiled, compiled, constant
from nexus.surfaces.tables import search_vector

RESERVED: Mapping[str, None] = dict.fromkeys(LISTED)
MAX_LIMIT = 500
COUNT_CAP = 10_000
_KEY = re.compile(r"^[kn]\d$")

Pairs = list[tuple[str, str]]
"""A query string, decoded."""
Expand = tuple[tuple[str, tuple[str, ...]], ...]
"""Relations to show in full, each with those of its own: (("account", ("parent_account",)),)."""


def projection(shape: Shape, table: sa.FromClause, rights: Rights, fields: frozenset[str] | None, expand: Expand) -> list[Any]:
    """The columns of a record as JSON shows them: hidden ones null, expanded references as nested objects."""
    columns: list[Any] = [shown_column(field, table, rights, shape.entity) for field in shape.columns(_always(fields))]
    return columns + [_expanded(shape, table, rights, name, inner) for name, inner in expand]


def shown_column(field: Field, table: sa.FromClause, rights: Rights, kind: type[Entity]) -> Any:
    """A column as the caller sees it: null where it is hidden."""
    if field.name in rights.hidden(kind):
        return sa.null().label(field.name)
    mask = rights.masks(kind).get(field.name)
    return field.json(table) if mask is None else sa.case((on(table, kind, mask), field.json(table))).label(field.name)


def _always(fields: frozenset[str] | None) -> frozenset[str] | None:
    return None if fields is None else fields | {"id", "version"}


def _expanded(shape: Shape, table: sa.FromClause, rights: Rights, name: str, inner: tuple[str, ...]) -> Any:
    field, target_name = shape.references[name]
    target = by_name(target_name)
    assert target is not None
    alias = target.table.alias()
    wanted = projection(target, alias, rights, None, tuple((one, ()) for one in inner))
    row = (
        sa.select(*wanted)
        .where(alias.c.id == table.c[field.name], *seen(target.entity, alias, rights))
        .correlate(table)
        .subquery(f"the_{name}")
    )
    return sa.select(sa.func.row_to_json(constant(f"the_{name}"))).select_from(row).scalar_subquery().label(name)


def disclosed(shape: Shape, rights: Rights, fields: frozenset[str] | None, expand: Expand) -> list[str]:
    """The sensitive fields that a read shows, those of expanded records by their path: `call_log.recording_url`."""
    own = shape.sensitive if fields is None else shape.sensitive & fields
    found = sorted(own - rights.hidden(shape.entity))
    for name, inner in expand:
        target = by_name(shape.references[name][1])
        assert target is not None
        found += [f"{name}.{one}" for one in disclosed(target, rights, None, tuple((one, ()) for one in inner))]
    return found


def seen(entity: type[Entity], table: sa.FromClause, rights: Rights) -> list[sa.ColumnElement[bool]]:
    """The conditions that narrow a table to what the caller sees."""
    condition = rights.sight(entity)
    if condition is None:
        return []
    return [on(table, entity, condition)]


def get_statement(shape: Shape, rights: Rights, fields: frozenset[str] | None, expand: Expand) -> Compiled:
    """One record: its JSON and its version. Parameters: id and the caller's."""
    table = shape.table
    inner = (
        sa.select(*projection(shape, table, rights, fields, expand))
        .where(table.c.id == sa.bindparam("id", type_=sa.Uuid()), *seen(shape.entity, table, rights))
        .subquery("x")
    )
    return compiled(sa.select(sa.func.row_to_json(constant("x")), constant("x.version")).select_from(inner))


@dataclass(frozen=True, slots=True)
class ListRequest:
    """What a list asks for, parsed and checked. `key` is its shape: two requests with one key share a statement."""

    key: tuple[Any, ...]
    filter: Filter
    values: dict[str, Any]
    sort: tuple[tuple[str, bool], ...]
    """Field and whether it descends; the id is always last, so that the order is total."""
    fields: frozenset[str] | None
    expand: Expand
    limit: int
    count: str
    archived: str
    searching: bool
    after: tuple[str | None, ...] | None

    def given_as(self, names: tuple[str, ...]) -> list[str]:
        """What a statement's parameters are called in the request."""
        return [self.filter.given.get(name, "cursor" if _KEY.match(name) else "") for name in names]

    def behind(self, cursor: str) -> ListRequest:
        """The same list after a cursor. Malformed (400) where that is none of this list."""
        after = decode_cursor(cursor, self.sort)
        values = dict(self.values)
        for position, value in enumerate(after):
            values[f"k{position}"] = value
            values[f"n{position}"] = value is None
        return replace(self, key=("behind", self.key), values=values, after=after)


def list_request(shape: Shape, rights: Rights, pairs: Pairs) -> ListRequest:
    """Read the query string of a list. Invalid (422) names the parameter that does not fit."""
    given = once(pairs, RESERVED)
    hidden = rights.hidden(shape.entity)
    found = parse(shape, rights, pairs, RESERVED)
    sort = _sort(shape, hidden, given.get("sort", "-id"))
    fields = names_of_fields(shape, given.get("fields"))
    expand = expansion(shape, rights, given.get("expand"))
    limit, count, archived = _limit(given.get("limit", "50")), given.get("count", "none"), given.get("archived", "false")
    _one_of("count", count, ("none", "exact", "estimated"))
    _one_of("archived", archived, ("false", "true", "any"))
    if "q" in given and not shape.searchable:
        raise Invalid.of(FieldError("q", f"{shape.name} has no field that text search reads"))
    values = dict(found.values)
    if "q" in given:
        values["q"] = prefix_query(given["q"])
    key = (shape.name, rights.key, repr(found.key), sort, fields, expand, limit, count, archived, "q" in given)
    wanted = ListRequest(key, found, values, sort, fields, expand, limit, count, archived, "q" in given, None)
    return wanted.behind(given["cursor"]) if "cursor" in given else wanted


def once(pairs: Pairs, names: Container[str]) -> dict[str, str]:
    """The parameters of these names. Malformed (400) where one is given twice; conditions may be, and then all of them must hold."""
    given: dict[str, str] = {}
    for name, value in pairs:
        if name in given:
            raise Malformed(reason=TWICE.format(name))
        if name in names:
            given[name] = value
    return given


def _one_of(name: str, value: str, words: tuple[str, ...]) -> None:
    if value not in words:
        raise Invalid.of(FieldError(name, f"is one of {', '.join(words)}, not {value!r}"))


def _limit(raw: str) -> int:
    if not raw.isascii() or not raw.isdigit() or not 1 <= int(raw[:9]) <= MAX_LIMIT:
        raise Invalid.of(FieldError("limit", f"is a whole number from 1 to {MAX_LIMIT}"))
    return int(raw)


def _sort(shape: Shape, hidden: frozenset[str], raw: str) -> tuple[tuple[str, bool], ...]:
    known = [name for name, field in shape.fields.items() if name not in hidden and field.facts.kind not in ("json", "tags")]
    sort: list[tuple[str, bool]] = []
    for part in raw.split(","):
        name, descending = part.removeprefix("-"), part.startswith("-")
        if name not in known:
            raise Invalid.of(
                FieldError("sort", f"{name!r} is not a field that {shape.name} can be sorted by; there are {', '.join(known)}")
            )
        sort.append((name, descending))
    if len(sort) > 4:
        raise Invalid.of(FieldError("sort", "takes at most four fields"))
    if all(name != "id" for name, _ in sort):
        sort.append(("id", sort[-1][1]))
    return tuple(sort)


def names_of_fields(shape: Shape, raw: str | None) -> frozenset[str] | None:
    """`fields=name,email`; None for all of them."""
    if raw is None:
        return None
    names = frozenset(raw.split(","))
    if unknown := sorted(names - shape.fields.keys()):
        raise Invalid.of(FieldError("fields", f"{unknown[0]!r} is not a field of {shape.name}; it has {', '.join(shape.fields)}"))
    return names


def expansion(shape: Shape, rights: Rights, raw: str | None) -> Expand:
    """`expand=account,account.territory`: one level or two, along references within the service."""
    tree: dict[str, list[str]] = {}
    for path in filter(None, (raw or "").split(",")):
        first, _, second = path.partition(".")
        target = _expandable(shape, rights, first, path)
        tree.setdefault(first, [])
        if second:
            _expandable(target, rights, second, path)
            tree[first].append(second)
    return tuple((first, tuple(inner)) for first, inner in tree.items())


def _expandable(shape: Shape, rights: Rights, name: str, path: str) -> Shape:
    known = [one for one, (_, target) in shape.references.items() if target.split(".")[0] == shape.service]
    target = by_name(shape.references[name][1]) if name in known else None
    if target is None or not rights.allow(f"{target.name}:read"):
        raise Invalid.of(FieldError("expand", f"{path!r} cannot be expanded; {shape.name} has {', '.join(known) or 'nothing to expand'}"))
    return target


def list_statement(shape: Shape, rights: Rights, request: ListRequest) -> Compiled:
    """One page and the row behind it: all of them as a JSON array, how many they are, each key of the page's last row as text, and the count
    if it was asked for. Every row is touched once: `Page` takes the last one off where it is one too many.
    """
    table = shape.table
    where = [*seen(shape.entity, table, rights), *request.filter.conditions(table), *_standing(shape, rights, request)]
    keys = [sa.cast(sortable(shape, table, rights, name)[0], sa.Text()).label(f"_k{n}") for n, (name, _) in enumerate(request.sort)]
    page = (
        sa.select(*projection(shape, table, rights, request.fields, request.expand), *keys)
        .where(*where, *(after(shape, table, rights, request.sort) if request.after is not None else ()))
        .order_by(*ordering(shape, table, rights, request.sort))
        .limit(constant(str(request.limit + 1)))
        .subquery("page")
    )
    shown = sa.select(*[constant(column.name) for column in page.c if not column.name.startswith("_k")]).lateral("x")
    last = [constant(f"(array_agg(page.{key.name}))[{request.limit}]") for key in keys]
    counted = [_count(table, where, request).scalar_subquery()] if request.count != "none" else []
    return compiled(sa.select(sa.func.json_agg(constant("x")), sa.func.count(), *last, *counted).select_from(page, shown))


@dataclass(frozen=True, slots=True)
class Page:
    """What the statement of a list has answered."""

    items: bytes
    cursor: bytes | None
    """Of the page behind it, if there is one."""
    found: int | None
    """How many there are, as far as they were counted."""

    @classmethod
    def of(cls, row: Sequence[bytes | None], request: ListRequest) -> Page:
        """Read its one row."""
        items, rows, *rest = row
        keys, counted = rest[: len(request.sort)], rest[len(request.sort) :]
        found = int(counted[0] or b"0") if counted else None
        if items is None:
            return cls(b"[]", None, found)
        if int(rows or b"0") <= request.limit:
            return cls(items, None, found)
        # the database writes each row on a line of its own, and JSON has no line breaks within a value
        kept = items[: items.rindex(b"\n")].rstrip(b", ") + b"]"
        texts = [None if key is None else key.decode() for key in keys]
        return cls(kept, encode_cursor(msgspec.json.encode(texts), request.sort), found)


def projected(shape: Shape, rights: Rights, request: ListRequest) -> sa.Select[Any]:
    """All rows of a list without pages, in its order, as JSON shows their columns."""
    table = shape.table
    where = [*seen(shape.entity, table, rights), *request.filter.conditions(table), *_standing(shape, rights, request)]
    columns = projection(shape, table, rights, request.fields, ())
    wanted: Any = sa.select(*columns)
    found: sa.Select[Any] = wanted.where(*where).order_by(*ordering(shape, table, rights, request.sort))
    return found


def _standing(shape: Shape, rights: Rights, request: ListRequest) -> list[sa.ColumnElement[bool]]:
    """Conditions that hold for every page: text search, and what is archived."""
    table = shape.table
    conditions: list[sa.ColumnElement[bool]] = []
    if request.searching:
        conditions += says_words(shape, rights)
    if request.archived != "any":
        empty = table.c.archived_at.is_(None)
        conditions.append(empty if request.archived == "false" else sa.not_(empty))
    return conditions


def says_words(shape: Shape, rights: Rights, bound: str = "q") -> list[sa.ColumnElement[bool]]:
    """Text search: the index narrows; what the caller may see decides, or search would tell what is hidden word by word."""
    simple: sa.ColumnElement[Any] = constant("'simple'::regconfig")
    wanted = sa.func.to_tsquery(simple, sa.bindparam(bound, type_=sa.Text()))
    searched = frozenset(name for name, field in shape.fields.items() if field.facts.search)
    hidden = rights.hidden(shape.entity) & searched
    masks = {name: mask for name, mask in rights.masks(shape.entity).items() if name in searched}

    def says(without: frozenset[str]) -> sa.ColumnElement[bool]:
        return constant(search_vector(shape.entity, without=without) or "''::tsvector").op("@@")(wanted)

    conditions: list[sa.ColumnElement[bool]] = [constant(f"{shape.table.schema}.{shape.table.name}.search").op("@@")(wanted)]
    if hidden or masks:
        ways = [says(hidden | masks.keys())]
        for condition in {id(mask): mask for mask in masks.values()}.values():
            ways.append(sa.and_(condition, says(hidden | {name for name, mask in masks.items() if mask is not condition})))
        conditions.append(sa.or_(*ways))
    return conditions


def _count(table: sa.FromClause, where: list[sa.ColumnElement[bool]], request: ListRequest) -> sa.Select[Any]:
    if request.count == "exact":
        return sa.select(sa.func.count()).select_from(table).where(*where)
    some = sa.select(constant("1")).select_from(table).where(*where).limit(constant(str(COUNT_CAP + 1))).subquery("some")
    return sa.select(sa.func.count()).select_from(some)


def sortable(shape: Shape, table: sa.FromClause, rights: Rights, name: str) -> tuple[Any, bool]:
    """A field as lists are sorted by it, and whether it can be null: where it is masked it is, or the order would tell what it says."""
    mask = rights.masks(shape.entity).get(name)
    if mask is None:
        return table.c[name], shape.fields[name].nullable
    return sa.case((on(table, shape.entity, mask), table.c[name])), True


def ordering(shape: Shape, table: sa.FromClause, rights: Rights, sort: tuple[tuple[str, bool], ...]) -> list[Any]:
    """The order of a list, empty values last."""
    order: list[Any] = []
    for name, descending in sort:
        column, nullable = sortable(shape, table, rights, name)
        order.append(column.desc() if descending else column.asc())
        if nullable:
            order[-1] = order[-1].nulls_last()
    return order


def after(
    shape: Shape, table: sa.FromClause, rights: Rights, sort: tuple[tuple[str, bool], ...], prefix: str = ""
) -> list[sa.ColumnElement[bool]]:
    """Where the next page begins: after the keys of the last row seen, bound as `k0`, `n0` (whether it is null), `k1` … behind the prefix."""
    columns = [(*sortable(shape, table, rights, name), descending) for name, descending in sort]
    values = [sa.cast(sa.bindparam(f"{prefix}k{n}"), shape.fields[name].column.type) for n, (name, _) in enumerate(sort)]
    if len({descending for _, _, descending in columns}) == 1 and not any(nullable for _, nullable, _ in columns):
        left, right = sa.tuple_(*[column for column, _, _ in columns]), sa.tuple_(*values)
        return [left < right if columns[0][2] else left > right]
    chain: list[sa.ColumnElement[bool]] = []
    same: list[sa.ColumnElement[bool]] = []
    for n, (column, nullable, descending) in enumerate(columns):
        beyond = column < values[n] if descending else column > values[n]
        if nullable:  # nulls are last in both directions
            was_null = sa.cast(sa.bindparam(f"{prefix}n{n}"), sa.Boolean())
            beyond = sa.and_(sa.not_(was_null), sa.or_(beyond, column.is_(None)))
        chain.append(sa.and_(*same, beyond))
        same.append(column.is_not_distinct_from(values[n]))
    return [sa.or_(*chain)]


def encode_cursor(keys: bytes, sort: tuple[tuple[str, bool], ...]) -> bytes:
    """The cursor of the next page: the order of the list and the keys of its last row."""
    order = ",".join(("-" if descending else "") + name for name, descending in sort)
    return base64.urlsafe_b64encode(order.encode() + b"\n" + keys).rstrip(b"=")


def decode_cursor(raw: str, sort: tuple[tuple[str, bool], ...]) -> tuple[str | None, ...]:
    """The keys in a cursor. Malformed (400) where it is not one of ours, or belongs to a list with another order."""
    try:
        order, _, keys = base64.b64decode(raw.encode("ascii") + b"=" * (-len(raw) % 4), altchars=b"-_", validate=True).partition(b"\n")
        values = msgspec.json.decode(keys, type=tuple[str | None, ...])
    except (ValueError, binascii.Error, msgspec.MsgspecError):
        raise Malformed(reason="The cursor is damaged; use next_cursor of the page before, or leave it out to begin again.") from None
    expected = ",".join(("-" if descending else "") + name for name, descending in sort)
    if any("\0" in value for value in values if value is not None):
        raise Invalid.of(FieldError("cursor", NO_NUL))
    if order != expected.encode() or len(values) != len(sort):
        raise Malformed(reason="The cursor belongs to a list with another order; keep sort as it was, or leave the cursor out.")
    return values
