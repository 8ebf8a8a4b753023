"""What a careless or hostile client sends: requests to every route there is, nearly right or not at all, for hypothesis to draw."""

from __future__ import annotations

import datetime as dt
import enum
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, cast
from urllib.parse import quote
from uuid import UUID

import msgspec
from hypothesis import strategies as st
from msgspec import inspect as shape_of

from nexus.core.service import installed
from nexus.surfaces.calling import Host
from nexus.surfaces.imports.asked import PARAMETERS
from nexus.surfaces.rest import Rest
from nexus.surfaces.rest.actions import body_type

DEEP: Any = None
for _ in range(300):
    DEEP = [DEEP]

TEXTS = (
    "", " ", "\0", "a\0b", "\u2028", "\ufffe", "🦊" * 100, "x" * 300, "x" * 25_000, "'; DROP TABLE crm_lead; --", "{s}", "{0}", "%(x)s", "$1", ":me", "%",
    "%00", "\\", '"', "1e400", "-1e400", "1e999999999", "NaN", "Infinity", "-0", "1_000", "٣", "0x10", "2026-02-30", "0001-01-01", "9999-12-31",
    "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-01-01T00:00:00", "infinity", "epoch", "null", "true", "NGN", "nx_secret",
    "a@b", "00000000-0000-0000-0000-000000000000", "http://", "../../etc/passwd", "<script>", "\ud7ff", "\r\nset-cookie: a=b",
)  # fmt: skip
NUMBERS = (0, -1, 1, 10**9, 2**31, 2**63, -(2**63) - 1, 2**64, 10**30, 0.1, 1e308, -1e308, 5e-324)
OTHER = (None, True, False, [], {}, [[]], {"": None}, {"a\0": 1}, {"a": "\0"}, [None], DEEP, list(range(60)), {"id": 1})

hostile = st.one_of(st.sampled_from(TEXTS), st.sampled_from(NUMBERS), st.sampled_from(OTHER))
bodies = st.one_of(
    st.sampled_from([
        b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b"\xef\xbb\xbf{}", b'{"name":"\\ud800"}', b'{"name":"\x00"}', b"[" * 100_000, b'{"a":' * 5000,
        b'{"name":"a","name":"b"}', b'{"name":1e400}', b'{"custom":{"n":1e400}}', b'{"custom":{"n":123456789012345678901234567890}}', b"NaN",
        b'{"items":[]}', b'{"items":[null,1,{}]}', b'{"items":{}}', b"a=b&c=d", b"\x00", b'{"__proto__":{}}', b'{"name":"x"}{"name":"y"}', b"{} ,",
    ]),
    hostile.map(msgspec.json.encode),
)  # fmt: skip


SLOTS = 40
"""Ids in what is drawn stand for records that are there when it is sent: the n-th of them."""
slots = st.integers(0, SLOTS - 1).map(lambda n: UUID(int=0xABC << 100 | n))
_SLOT = re.compile(r"0000abc0-0000-0000-0000-0000000000([0-9a-f]{2})")


def filled(text: str, ids: Sequence[UUID]) -> str:
    """With real ids in the place of those that stand for them."""
    return _SLOT.sub(lambda found: str(ids[int(found[1], 16) % len(ids)]), text)


FAR = ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00")
"""Moments before the first year and after the last one."""
PLAIN: dict[type[Any], st.SearchStrategy[Any]] = {
    shape_of.DateTimeType: st.one_of(st.datetimes(timezones=st.just(dt.UTC)), st.sampled_from(FAR)),
    shape_of.DateType: st.dates(),
    shape_of.TimeType: st.times(),
    shape_of.BoolType: st.booleans(),
    shape_of.FloatType: st.floats(allow_nan=False, allow_infinity=False),
}


def fitting(type_: Any) -> st.SearchStrategy[Any]:
    """Values that a type takes."""
    return _fitting(shape_of.type_info(type_))


def _fitting(known: Any) -> st.SearchStrategy[Any]:
    match known:
        case shape_of.StrType(pattern=str(pattern)):
            return st.from_regex(pattern, fullmatch=True).map(lambda text: text[:190])
        case shape_of.StrType():
            return st.text(min_size=known.min_length or 0, max_size=min(known.max_length or 30, 30))
        case shape_of.IntType():
            return st.integers(max(known.ge or -(2**62), -(2**62)), min(known.le or 2**62, 2**62))
        case shape_of.UUIDType():
            return st.one_of(slots, slots, st.uuids())
        case shape_of.DecimalType():
            return st.decimals(-(10**6), 10**12, places=2)
        case shape_of.DateTimeType() | shape_of.DateType() | shape_of.TimeType() | shape_of.BoolType() | shape_of.FloatType():
            return PLAIN[type(known)]
        case shape_of.EnumType():
            return st.sampled_from([one.value for one in known.cls])
        case shape_of.LiteralType():
            return st.sampled_from(known.values)
        case shape_of.ListType() | shape_of.SetType() | shape_of.FrozenSetType() | shape_of.VarTupleType():
            return st.lists(_fitting(known.item_type), min_size=known.min_length or 0, max_size=3)
        case shape_of.DictType():
            return st.dictionaries(st.text(max_size=8), _fitting(known.value_type), max_size=3)
        case shape_of.UnionType():
            return st.one_of(*[_fitting(one) for one in known.types])
        case shape_of.Metadata():
            return _fitting(known.type)
        case shape_of.StructType():
            required = {one.encode_name: _fitting(one.type) for one in known.fields if one.required}
            optional = {one.encode_name: _fitting(one.type) for one in known.fields if not one.required}
            return st.fixed_dictionaries(required, optional=optional)
        case shape_of.NoneType():
            return st.none()
        case _:
            return st.recursive(st.one_of(st.none(), st.booleans(), st.text(max_size=5)), lambda one: st.lists(one, max_size=2))


@dataclass(frozen=True)
class Operation:
    """A method of a path, `{id}` in it, with what it takes."""

    method: str
    path: str
    needs: str
    """The permission it takes."""
    body: Any = None
    fields: tuple[str, ...] = ()
    """What a query string may name."""

    @property
    def takes_a_file(self) -> bool:
        return self.path.endswith(("/import", "/resume"))

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def operations(rest: Rest) -> Iterator[Operation]:
    """Everything that the services of a process can be asked."""
    for (service, path), collection in rest.collections.items():
        yield from _of_records(rest, service, path)
        place, name = f"/api/v1/{service}/{path}", collection.records.shape.name
        for verb, action in collection.on_one.items():
            yield Operation("POST", f"{place}/{{id}}/{verb}", f"{name}:{verb}", body_type(action.handler))
        for verb, action in collection.on_all.items():
            yield Operation("POST", f"{place}/{verb}", f"{name}:{verb}", body_type(action.handler))
    for (service, name), report in rest.reports.items():
        fields = tuple(report.answer.query.__struct_fields__)
        yield Operation("GET", f"/api/v1/{service}/reports/{name}", report.answer.needs, None, fields)


def _of_records(rest: Rest, service: str, path: str) -> Iterator[Operation]:
    """What is derived for every entity."""
    collection = rest.collections[service, path]
    place, records, bulk = f"/api/v1/{service}/{path}", collection.records, collection.bulk.reader
    name, fields, removal = records.shape.name, tuple(records.shape.fields), records.entity.removal
    create = body_type(collection.create.handler) if collection.create else records.wire.Create
    for method, below, verb, body in (
        ("GET", (), "read", None),
        ("GET", ("{id}",), "read", None),
        ("POST", (), "create", create),
        ("PATCH", ("{id}",), "update", records.wire.Patch),
        ("DELETE", ("{id}",), removal, None),
        ("POST", ("{id}", "restore"), removal, None),
        ("POST", ("bulk",), "create", bulk.Create),
        ("PATCH", ("bulk",), "update", bulk.Change),
    ):
        if method in rest.methods(service, [path, *below]):
            yield Operation(method, "/".join((place, *below)), f"{name}:{verb}", body, fields if method == "GET" else ())
    yield Operation("GET", f"{place}/export", f"{name}:export", None, (*fields, "format", "formulas"))
    yield Operation("POST", f"{place}/import", f"{name}:import", create, PARAMETERS)
    for method, below, asked in (
        ("GET", "imports", ()),
        ("GET", "imports/{id}", ()),
        ("GET", "imports/{id}/rows", ("outcome",)),
        ("POST", "imports/{id}/resume", ()),
        ("POST", "imports/{id}/undo", ()),
    ):
        yield Operation(method, f"{place}/{below}", f"{name}:import", None, asked)


def encoded(value: Any) -> bytes:
    """A body as JSON, whatever is in it."""
    return msgspec.json.encode(value, enc_hook=_plain)


def _plain(value: Any) -> Any:
    if isinstance(value, enum.Enum):
        return value.value
    return str(value) if isinstance(value, (UUID, Decimal)) else None


def body_of(operation: Operation) -> st.SearchStrategy[bytes]:
    """Right bodies, bodies with some members that are wrong, and what is no such body at all."""
    if operation.takes_a_file:
        return _file_of(operation)
    if operation.body is None:
        return st.one_of(st.just(b""), bodies)
    right = fitting(operation.body)
    names = [one.encode_name for one in msgspec.structs.fields(operation.body)] or ["x"]
    spoilt = st.builds(
        lambda body, wrong: {**body, **wrong},
        right,
        st.dictionaries(st.one_of(st.sampled_from(names), st.sampled_from(TEXTS)), hostile, max_size=3),
    )
    return st.one_of(right.map(encoded), spoilt.map(encoded), spoilt.map(encoded), bodies)


def _file_of(operation: Operation) -> st.SearchStrategy[bytes]:
    """Lines of JSON, tables whose header is right or nearly, and what is neither."""
    names = [one.encode_name for one in msgspec.structs.fields(operation.body)] if operation.body else []
    rows = fitting(operation.body).map(encoded) if operation.body else bodies
    spoilt = st.dictionaries(st.sampled_from([*names, "id", "version", "x"]), hostile, max_size=4).map(encoded)
    cell = st.sampled_from([*TEXTS, "[]", "{}", '["a"]', "'=1+1", '"', '"a""b"', 'a"b', "a\nb"]).map(lambda text: text[:2000])
    header = st.lists(st.sampled_from([*names, "id", "Name", "external_refs.x", "custom.a", "created_at", "x", ""]), min_size=1, max_size=5)
    table = st.tuples(header, st.lists(st.lists(cell, max_size=5), max_size=4)).map(
        lambda drawn: "\n".join(",".join(line) for line in (drawn[0], *drawn[1])).encode("utf-8", "surrogatepass")
    )
    return st.one_of(st.lists(st.one_of(rows, spoilt, bodies), max_size=4).map(b"\n".join), table, table, bodies)


FILES = ("application/x-ndjson", "text/csv", "text/csv; charset=utf-8", "application/json")
ASKED = (
    *[("mode", word) for word in ("create", "update", "upsert")],
    *[("match", word) for word in ("id", "name", "email", "external_refs.x", "secret_hash", "custom")],
    *[("dry_run", "true"), ("on_error", "stop"), ("dedupe", "none"), ("dedupe", "email"), ("tag", "false"), ("empty", "null")],
    *[("encoding", "latin-1"), ("encoding", "windows-1252"), ("delimiter", ";"), ("delimiter", "\0"), ("map", "x:name"), ("map", "Name:")],
    *[("format", "csv"), ("formulas", "raw"), ("outcome", "failed"), ("outcome", "kept")],
)
"""Parameters of files that are right for some of them."""


OPERATORS = (
    "",
    "[eq]",
    "[ne]",
    "[gt]",
    "[gte]",
    "[lt]",
    "[lte]",
    "[in]",
    "[nin]",
    "[null]",
    "[contains]",
    "[starts]",
    "[like]",
    "[]",
    "[[",
    "[eq][eq]",
)
TREES = (
    "{", "[]", "null", "1", '{"or":[]}', '{"and":[{}]}', '{"not":{}}', '{"not":[]}', '{"or":[{"id":null}]}', '{"id":{"in":"x"}}', '{"id":{"in":[]}}',
    '{"id":{"in":{}}}', '{"version":{"gt":1e400}}', '{"version":99999999999999999999}', '{"version":true}', '{"name":{"contains":null}}', '{"a":{}}',
    '{"name":{"starts":["\\u0000"]}}', '{"tags":{"contains":"\\u0000"}}', '{"not":' * 20 + "{}" + "}" * 20, '{"or":[' + '{"version":1},' * 80 + "{}]}",
)  # fmt: skip


@st.composite
def query_of(draw: st.DrawFn, operation: Operation) -> str:
    """A query string: filters on real fields with any operator and value, and every parameter with any value."""
    values = st.sampled_from(TEXTS).map(lambda text: text[:2000])
    names = st.sampled_from(operation.fields or ("x",))
    filters = st.tuples(st.builds(str.__add__, names, st.sampled_from(OPERATORS)), values)
    reserved = st.tuples(
        st.sampled_from(["q", "sort", "cursor", "limit", "fields", "expand", "count", "archived", "dry_run", "x", ""]), values
    )
    good = st.one_of(
        st.tuples(
            st.just("sort"), st.lists(st.builds(str.__add__, st.sampled_from(["", "-"]), names), min_size=1, max_size=5).map(",".join)
        ),
        st.tuples(st.just("fields"), st.lists(names, min_size=1).map(",".join)),
        st.tuples(st.just("expand"), st.lists(names, min_size=1).map(lambda some: ",".join(name.removesuffix("_id") for name in some))),
        st.tuples(st.just("count"), st.sampled_from(["exact", "estimated", "none"])),
        st.tuples(st.just("limit"), st.sampled_from(["1", "500", "501", "9" * 30, "٣", "-1"])),
        st.tuples(st.just("where"), st.sampled_from(TREES)),
        *([st.sampled_from(ASKED)] * 6 if "import" in operation.path or "export" in operation.path else []),
    )
    pairs = draw(st.lists(st.one_of(filters, reserved, good), max_size=5))
    if draw(st.integers(0, 30)) == 0:
        pairs = pairs * 60
    text = "&".join(f"{quote(name, safe='[]')}={quote(value, errors='surrogatepass')}" for name, value in pairs)
    return text + draw(st.sampled_from(["", "", "", "&", "&&=", "=%zz", "&name=%ff", "&name=%ed%a0%80", "?", "&a;b", "#x"]))


HEADERS: dict[str, tuple[str, ...]] = {
    "if_match": ("*", '"1"', '"2"', "1", "", '"', "W/*", '"x"', '"1", "2"', "9" * 30, "é", '"-1"'),
    "if_none_match": ('"1"', "*", "é"),
    "idempotency_key": ("k1", "k2", "", "a b", "é", "x" * 300, "'; --"),
    "prefer": ("return=minimal", "return=representation", "é", "respond-async"),
    "content_type": ("application/json", "text/plain", "application/x-www-form-urlencoded", "é", ""),
    "x_request_id": ("r-1", "a b", "x" * 200, "é"),
}
headers = st.fixed_dictionaries({}, optional={name: st.sampled_from(values) for name, values in HEADERS.items()})


OPERATIONS = list(operations(Rest(cast(Host, None), installed().values())))
