"""The values of messages: how each type of the lock is turned from JSON into what protobuf has, and back."""

from __future__ import annotations

import base64
import datetime as dt
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec

from nexus.core.problem import FieldError, Invalid
from nexus.surfaces.grpc.descriptors import inner, is_map, wrapped
from nexus.surfaces.lock.model import Lock, Member

if TYPE_CHECKING:
    from nexus.surfaces.grpc.messages import Schema

Into: TypeAlias = Callable[[Any], Any]
"""From a value as the JSON decoder reads it to what a message is made of; None is left out."""
From: TypeAlias = Callable[[Any, str], Any]
"""From a value of a message, at a path, to JSON. Invalid (422) names the path."""

EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_SECONDS: Final = range(-62_135_596_800, 253_402_300_800)
"""The years 1 to 9999."""
_PLAIN: Final = {"text", "uuid", "decimal", "date", "int", "bool"}
_MAPPING: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Values:
    """The values of one lock's messages."""

    def __init__(self, schema: Schema, lock: Lock) -> None:
        self._schema = schema
        self._lock = lock

    def read_as(self, member: Member) -> Any:
        """The type that the JSON decoder reads: moments as such, unread what a codec reads or nobody looks into, everything else as it is."""
        type_ = member.type
        held = inner(type_) or type_
        if held == "instant":
            return dict[str, dt.datetime] | None if is_map(type_) else list[dt.datetime] | None if held != type_ else dt.datetime | None
        if type_ == "[json]":
            return list[msgspec.Raw] | None
        known = held in _PLAIN or held in _OWN or held in self._lock.enums or held.startswith("words(")
        return Any if known else msgspec.Raw

    def into(self, member: Member) -> Into | None:
        """How a value becomes what a message is made of; None where it is that already."""
        if wrapped(member):
            within = self.into(msgspec.structs.replace(member, null=False)) or _same
            return lambda value: None if value == _NULL else {"items": within(value)}
        type_ = member.type
        held = inner(type_) or type_
        if held in self._lock.messages:
            return self._messages(held, type_)
        one = _text_of if type_ == "[json]" else self._one_into(held)
        if one is None or held == type_:
            return one
        return _each_value(one) if is_map(type_) else _each(one)

    def _messages(self, name: str, type_: str) -> Into:
        codec = self._schema.codec(self._lock.package, name)
        if name == type_:
            return lambda raw: None if raw == _NULL else codec.message(raw)
        if is_map(type_):
            return lambda raw: {key: codec.message(value) for key, value in _MAPPING.decode(raw).items()}
        return lambda raw: codec.several(raw) if raw != _NONE else []

    def _one_into(self, type_: str) -> Into | None:
        if type_ in _PLAIN or type_.startswith("words("):
            return None
        if type_ in _OWN:
            return _OWN[type_][0]
        if type_ in self._lock.enums:
            numbers = self._lock.enums[type_].numbers
            return lambda word: numbers.get(word, 0)
        return _text_of

    def out_of(self, member: Member) -> From:
        """How a value of a message becomes JSON."""
        if wrapped(member):
            within = self.out_of(msgspec.structs.replace(member, null=False))
            return lambda value, path: within(value.items, path)
        type_ = member.type
        held = inner(type_)
        if held is None:
            return self._one_out(type_)
        one = _json if type_ == "[json]" else self._one_out(held)
        if is_map(type_):
            return lambda value, path: {key: one(value[key], f"{path}.{key}") for key in sorted(value)}
        return lambda value, path: [one(each, f"{path}[{place}]") for place, each in enumerate(value)]

    def _one_out(self, type_: str) -> From:
        if type_ in self._lock.messages:
            return self._schema.codec(self._lock.package, type_).json
        if type_ in self._lock.enums:
            words = {number: word for word, number in self._lock.enums[type_].numbers.items()}
            return lambda value, path: _word(words, value, path)
        if type_ in _PLAIN or type_.startswith("words("):
            return lambda value, path: value
        return _OWN[type_][1] if type_ in _OWN else _json


_NULL: Final = msgspec.Raw(b"null")
_NONE: Final = msgspec.Raw(b"[]")


def _same(value: Any) -> Any:
    return value


def _each(one: Into) -> Into:
    return lambda value: [one(each) for each in value]


def _each_value(one: Into) -> Into:
    return lambda value: {key: one(each) for key, each in value.items()}


def _text_of(raw: msgspec.Raw) -> str | None:
    """JSON as text, exactly as the database wrote it."""
    return None if raw == _NULL else bytes(raw).decode()


def _json(text: str, path: str) -> msgspec.Raw:
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Invalid.of(FieldError(path, f"is not valid JSON: {error}")) from None
    return msgspec.Raw(text.encode())


def _word(words: Mapping[int, str], number: int, path: str) -> str:
    if (word := words.get(number)) is None:
        raise Invalid.of(FieldError(path, f"{number} is none of {', '.join(f'{word} ({known})' for known, word in words.items())}"))
    return word


def timestamp(moment: dt.datetime) -> dict[str, int]:
    """A moment as a Timestamp is made of."""
    since = moment - EPOCH
    return {"seconds": since.days * 86_400 + since.seconds, "nanos": since.microseconds * 1_000}


def _moment(value: Any, path: str) -> str:
    """A Timestamp as RFC 3339; what is below a microsecond is cut off, as the database has none of it."""
    if value.seconds not in _SECONDS or not 0 <= value.nanos < 1_000_000_000:
        raise Invalid.of(FieldError(path, "is not a moment of the years 1 to 9999"))
    return (EPOCH + dt.timedelta(seconds=value.seconds, microseconds=value.nanos // 1_000)).isoformat()


def _number(value: float, path: str) -> float:
    if not math.isfinite(value):
        raise Invalid.of(FieldError(path, "is not a number"))
    return value


_OWN: Final[Mapping[str, tuple[Into | None, From]]] = {
    "instant": (timestamp, _moment),
    "float": (None, _number),
    "bytes": (base64.b64decode, lambda value, path: base64.b64encode(value).decode()),
    "mask": (None, lambda value, path: list(value.paths)),
}
