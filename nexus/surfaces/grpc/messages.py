"""Messages and JSON: what REST takes and answers as protobuf has it, and back, without loss.

Numbers that are exact, ids and days are text in both. A moment is a Timestamp, an enum a number, and what protobuf has no type for is JSON as text.
What is null is left out; a message's `nulls` names it where leaving it out says something else.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast

import msgspec
from google.protobuf import any_pb2, field_mask_pb2, timestamp_pb2
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.unknown_fields import UnknownFieldSet

from nexus.core.problem import FieldError, Invalid, Malformed
from nexus.surfaces.grpc.descriptors import file_of, inner, is_map
from nexus.surfaces.grpc.values import From, Into, Values
from nexus.surfaces.lock.model import NULLS, Lock


class Schema:
    """All messages of some locks, with their codecs."""

    def __init__(self, locks: Iterable[Lock]) -> None:
        self.pool = DescriptorPool()
        self.locks = {lock.package: lock for lock in locks}
        for known in (timestamp_pb2, field_mask_pb2, any_pb2):
            self.pool.AddSerializedFile(known.DESCRIPTOR.serialized_pb)
        for lock in self.locks.values():
            self.pool.AddSerializedFile(file_of(lock).SerializeToString())
        self._codecs: dict[str, Codec] = {}

    def codec(self, package: str, name: str) -> Codec:
        """The codec of a message of a package; `nexus.Get` is one of those that all share."""
        if name.startswith("nexus."):
            package, name = "nexus.v1", name.removeprefix("nexus.")
        full = f"{package}.{name}"
        if full not in self._codecs:
            self._codecs[full] = Codec(self, self.locks[package], name)
        return self._codecs[full]

    def type(self, full: str) -> Callable[..., Message]:
        """The class of a message by its full name."""
        return GetMessageClass(self.pool.FindMessageTypeByName(full))


class Codec:
    """One message: read from bytes or from JSON, and turned into either."""

    def __init__(self, schema: Schema, lock: Lock, name: str) -> None:
        self._schema = schema
        self._lock = lock
        self.fields = lock.messages[name].fields
        self.type: Any = schema.type(f"{lock.package}.{name}")
        self._name = name
        self._values = Values(schema, lock)

    def parsed(self, data: bytes) -> Message:
        """The message in some bytes. Malformed (400) where they are none, Invalid (422) where it has a field that nobody knows."""
        try:
            message: Message = self.type.FromString(data)
        except DecodeError as error:
            raise Malformed(reason=f"The request is no {self._name}: {str(error) or 'it cannot be read'}.") from None
        size = message.ByteSize()
        message.DiscardUnknownFields()
        if message.ByteSize() != size:
            raise Invalid.of(FieldError(_unknown(self.type.FromString(data), ""), "there is no such field"))
        return message

    def json(self, message: Message, path: str = "") -> dict[str, Any]:
        """What a message says, as JSON values; a list that must be given is there although it is empty. Invalid (422) names what cannot be."""
        found: dict[str, Any] = {}
        for descriptor, value in message.ListFields():
            name = descriptor.name
            found[name] = self._from[name](value, f"{path}.{name}" if path else name)
        for name, empty in self._needed:
            found.setdefault(name, empty)
        if NULLS in found:
            self._nulls(found, path)
        return found

    def empty(self, name: str) -> Any:
        """What a field is changed to when it is named and not set."""
        type_ = self.fields[name].type
        return None if self.fields[name].null or inner(type_) is None else {} if is_map(type_) else []

    def _nulls(self, found: dict[str, Any], path: str) -> None:
        for name in found.pop(NULLS):
            if name not in self.fields or not self.fields[name].kept or name in found:
                raise Invalid.of(FieldError(f"{path}.{NULLS}".strip("."), f"{name!r} cannot be null here"))
            found[name] = None

    def message(self, data: bytes) -> Message:
        """The message that some JSON of ours is."""
        return self._made(self.decoder.decode(data))

    def several(self, data: bytes) -> list[Message]:
        """The messages that a JSON array of ours holds."""
        return [self._made(one) for one in self.array.decode(data)]

    def _made(self, record: Any) -> Message:
        """A message from what the decoder read."""
        values: dict[str, Any] = {}
        for name, convert in self._into:
            value = getattr(record, name)
            if value is not None and convert is not None:
                value = convert(value)
            if value is not None:
                values[name] = value
        made: Message = self.type(**values)
        return made

    @functools.cached_property
    def decoder(self) -> msgspec.json.Decoder[Any]:
        """Reads one record of ours."""
        return msgspec.json.Decoder(self._struct)

    @functools.cached_property
    def array(self) -> msgspec.json.Decoder[Any]:
        """Reads several."""
        return msgspec.json.Decoder(list[self._struct])  # type: ignore[name-defined]

    @functools.cached_property
    def _struct(self) -> Any:
        members: list[Any] = [(name, self._values.read_as(member), msgspec.field(default=None)) for name, member in self.fields.items()]
        return msgspec.defstruct(f"{self._name}Read", members)

    @functools.cached_property
    def _into(self) -> list[tuple[str, Into | None]]:
        return [(name, self._values.into(member)) for name, member in self.fields.items()]

    @functools.cached_property
    def _from(self) -> dict[str, From]:
        return {name: self._values.out_of(member) for name, member in self.fields.items()}

    @functools.cached_property
    def _needed(self) -> list[tuple[str, Any]]:
        """What a message leaves out and JSON does not: the empty list, mapping or null that must be given."""
        found: list[tuple[str, Any]] = []
        for name, member in self.fields.items():
            if member.required and (member.null or inner(member.type) is not None):
                found.append((name, None if member.null else {} if is_map(member.type) else []))
        return found


def _unknown(message: Message, path: str) -> str:
    """Where the first field is that the message does not have: its number, behind the names that lead to it."""
    for field in cast(Iterable[Any], UnknownFieldSet(message)):
        return f"{path}{field.field_number}"
    for descriptor, value in message.ListFields():
        for one in _several(value):
            if isinstance(one, Message) and (found := _unknown(one, f"{path}{descriptor.name}.")):
                return found
    return ""


def _several(value: Any) -> list[object]:
    """The values of a list or mapping, or the one that it is."""
    if isinstance(value, Mapping):
        return list(cast(Mapping[str, object], value).values())
    return list(cast(Sequence[object], value)) if isinstance(value, Sequence) and not isinstance(value, str | bytes) else [value]
