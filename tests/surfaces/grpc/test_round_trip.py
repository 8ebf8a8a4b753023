"""JSON becomes a message and the message the same JSON again, for every message of every service."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any, Final

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nexus.core.service import installed
from nexus.surfaces.grpc.asked import shared
from nexus.surfaces.grpc.descriptors import inner, is_map
from nexus.surfaces.grpc.messages import Codec, Schema
from nexus.surfaces.lock import Lock, Member, promised
from nexus.surfaces.lock.model import NULLS

SCHEMA: Final = Schema([shared(), *(promised(service) for service in installed().values())])
MESSAGES: Final = [(lock.package, name) for lock in SCHEMA.locks.values() for name in lock.messages]
EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
TEXT: Final = st.text(max_size=12)
JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**25), 10**25) | TEXT,
    lambda inner_: st.lists(inner_, max_size=3) | st.dictionaries(TEXT, inner_, max_size=3),
)
SCALARS: Final[dict[str, st.SearchStrategy[Any]]] = {
    "text": TEXT,
    "uuid": st.uuids().map(str),
    "decimal": st.decimals(allow_nan=False, allow_infinity=False, places=4).map(str),
    "int": st.integers(-(2**63), 2**63 - 1),
    "bool": st.booleans(),
    "date": st.dates().map(str),
    "instant": st.integers(-62_000_000_000_000_000, 253_000_000_000_000_000).map(
        lambda n: (EPOCH + dt.timedelta(microseconds=n)).isoformat()
    ),
}


def values(lock: Lock, type_: str, depth: int) -> st.SearchStrategy[Any]:
    """Values that JSON of this type has."""
    held = inner(type_)
    if type_ in SCALARS:
        return SCALARS[type_]
    if type_ in lock.enums:
        return st.sampled_from(list(lock.enums[type_].numbers))
    if type_ in lock.messages:
        return records(lock, type_, depth + 1)
    if type_.startswith("words("):
        return st.sampled_from(type_[6:-1].split())
    if held is None or type_ == "[json]":
        return st.lists(JSON, max_size=2) if type_ == "[json]" else JSON.filter(lambda value: value is not None)
    one = values(lock, held, depth)
    return st.dictionaries(TEXT, one, max_size=2) if is_map(type_) else st.lists(one, max_size=2)


@st.composite
def records(draw: st.DrawFn, lock: Lock, name: str, depth: int = 0) -> dict[str, Any]:
    """JSON of a message: some of its fields, some of them null."""
    found: dict[str, Any] = {}
    for field, member in lock.messages[name].fields.items():
        if member.type in ("mask", "any") or (depth > 2 and _holds_messages(lock, member)):
            continue
        if draw(st.integers(0, 3)):
            found[field] = None if member.null and not draw(st.integers(0, 2)) else draw(values(lock, member.type, depth))
    return found


def _holds_messages(lock: Lock, member: Member) -> bool:
    return (inner(member.type) or member.type) in lock.messages


def plain(lock: Lock, name: str, record: dict[str, Any]) -> dict[str, Any]:
    """A record as far as a message tells it: null is left out, and so is an empty list that cannot be null; moments are moments."""
    found: dict[str, Any] = {}
    for field, value in record.items():
        member = lock.messages[name].fields[field]
        if value is None or (value in ([], {}) and inner(member.type) is not None and not member.null):
            continue
        found[field] = _plain(lock, member.type, value)
    return found


def _plain(lock: Lock, type_: str, value: Any) -> Any:
    if type_ in lock.messages:
        return plain(lock, type_, value)
    if type_ == "instant":
        return dt.datetime.fromisoformat(value)
    held = inner(type_)
    if held is None or type_ == "[json]":
        return value
    if is_map(type_):
        return {key: _plain(lock, held, one) for key, one in value.items()}
    return [_plain(lock, held, one) for one in value]


def again(codec: Codec, record: dict[str, Any]) -> dict[str, Any]:
    """A record after it has been a message on the wire."""
    data = codec.message(msgspec.json.encode(record)).SerializeToString()
    read: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(codec.json(codec.parsed(data))))
    return read


@pytest.mark.parametrize(("package", "name"), MESSAGES, ids=[f"{package}.{name}" for package, name in MESSAGES])
def test_json_and_message_are_the_same(package: str, name: str) -> None:
    lock, codec = SCHEMA.locks[package], SCHEMA.codec(package, name)

    @settings(max_examples=12, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(records(lock, name))
    def check(record: dict[str, Any]) -> None:
        read = {field: value for field, value in again(codec, record).items() if field != NULLS}

        assert plain(lock, name, read) == plain(lock, name, record)

    check()


def test_exact_numbers_and_moments_lose_nothing() -> None:
    codec = SCHEMA.codec("nexus.crm.v1", "Deal")
    amount, moment = "12345678901234567890.123456789", "2026-11-24T17:08:42.123456+01:00"

    read = again(codec, {"amount": amount, "created_at": moment, "version": 2**53 + 1})

    assert Decimal(read["amount"]) == Decimal(amount)
    assert dt.datetime.fromisoformat(read["created_at"]) == dt.datetime.fromisoformat(moment)
    assert read["version"] == 2**53 + 1
