"""A lock as a descriptor of protobuf: the file, its messages and services, exactly as protoc reads the .proto file that is checked in."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    ServiceDescriptorProto,
)

from nexus.surfaces.lock.model import Lock, Member, Message, Operation, Words

_F = FieldDescriptorProto
_SCALARS: Final = {"int": _F.TYPE_INT64, "float": _F.TYPE_DOUBLE, "bool": _F.TYPE_BOOL, "bytes": _F.TYPE_BYTES}
"""Everything else is text: ids, exact numbers, days, and JSON for what protobuf has no type for."""
_GOOGLE: Final = {
    "instant": ("google/protobuf/timestamp.proto", ".google.protobuf.Timestamp"),
    "mask": ("google/protobuf/field_mask.proto", ".google.protobuf.FieldMask"),
    "any": ("google/protobuf/any.proto", ".google.protobuf.Any"),
}
_SHARED: Final = "nexus/v1/nexus.proto"
_NAME: Final = re.compile(r"[A-Za-z_]\w*")
_WORD: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def file_name(lock: Lock) -> str:
    """The file's name below `proto/`, as imports spell it."""
    return f"{lock.package.replace('.', '/')}/{lock.service}.proto"


def file_of(lock: Lock) -> FileDescriptorProto:
    """The descriptor of everything that a service promises."""
    made = _File(lock)
    file = FileDescriptorProto(name=file_name(lock), package=lock.package, syntax="proto3")
    file.message_type.extend(made.message(name, message) for name, message in lock.messages.items())
    file.enum_type.extend(_enum(name, words) for name, words in lock.enums.items())
    file.service.extend(made.services())
    file.dependency.extend(sorted(made.imports))
    return file


def camel(name: str) -> str:
    """`external_refs` as nested messages are called: `ExternalRefs`."""
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))


def constant(enum: str, word: str) -> str:
    """A word of an enum as protobuf spells it: `new` of LeadStatus is LEAD_STATUS_NEW."""
    return f"{_WORD.sub('_', enum)}_{re.sub(r'[^A-Za-z0-9]+', '_', word)}".upper()


def wrapped(member: Member) -> bool:
    """Whether a list or mapping lies in a message of its own, because it can be null, which is not the same as empty."""
    return member.null and inner(member.type) is not None


def inner(type_: str) -> str | None:
    """What a list or mapping holds, where protobuf can say it: one level of plain values; None for everything else."""
    if type_[:1] + type_[-1:] not in ("[]", "{}"):
        return None
    held = type_[1:-1]
    return held if held != "json" and _NAME.fullmatch(held) else "text" if type_ == "[json]" else None


def is_map(type_: str) -> bool:
    """Whether it is a mapping that protobuf can say."""
    return type_.startswith("{") and inner(type_) is not None


class _File:
    """A file in the making."""

    def __init__(self, lock: Lock) -> None:
        self._lock = lock
        self.imports: set[str] = set()

    def message(self, name: str, message: Message) -> DescriptorProto:
        made = DescriptorProto(name=name)
        for field, member in message.fields.items():
            self._field(made, f".{self._lock.package}.{name}", field, member)
        gone = sorted(message.reserved.values())
        made.reserved_range.extend(DescriptorProto.ReservedRange(start=number, end=number + 1) for number in gone)
        made.reserved_name.extend(_names_gone(message.reserved, message.fields))
        return made

    def _field(self, parent: DescriptorProto, path: str, name: str, member: Member) -> None:
        if wrapped(member):
            within = parent.nested_type.add(name=camel(name))
            self._field(within, f"{path}.{within.name}", "items", Member(number=1, type=member.type))
            made = self._typed(name, member.number, f"{path}.{within.name}")
        elif is_map(member.type):
            entry = parent.nested_type.add(name=f"{camel(name)}Entry")
            entry.options.map_entry = True
            entry.field.append(self._typed("key", 1, "text"))
            entry.field.append(self._typed("value", 2, inner(member.type) or "text"))
            made = self._typed(name, member.number, f"{path}.{entry.name}")
            made.label = _F.LABEL_REPEATED
        elif (held := inner(member.type)) is not None:
            made = self._typed(name, member.number, held)
            made.label = _F.LABEL_REPEATED
        else:
            made = self._typed(name, member.number, member.type)
        parent.field.append(made)
        if made.label != _F.LABEL_REPEATED and made.type != _F.TYPE_MESSAGE:
            parent.field[-1].proto3_optional = True
            parent.field[-1].oneof_index = len(parent.oneof_decl)
            parent.oneof_decl.add(name=f"_{name}")

    def _typed(self, name: str, number: int, type_: str) -> FieldDescriptorProto:
        made = FieldDescriptorProto(name=name, number=number, label=_F.LABEL_OPTIONAL, json_name=_json_name(name))
        if type_.startswith("."):
            made.type, made.type_name = _F.TYPE_MESSAGE, type_
        elif type_ in _GOOGLE:
            file, made.type_name = _GOOGLE[type_]
            made.type = _F.TYPE_MESSAGE
            self.imports.add(file)
        elif type_ in self._lock.messages:
            made.type, made.type_name = _F.TYPE_MESSAGE, f".{self._lock.package}.{type_}"
        elif type_ in self._lock.enums:
            made.type, made.type_name = _F.TYPE_ENUM, f".{self._lock.package}.{type_}"
        else:
            made.type = _SCALARS.get(type_, _F.TYPE_STRING)
        return made

    def services(self) -> Iterable[ServiceDescriptorProto]:
        found: dict[str, ServiceDescriptorProto] = {}
        for name, operation in self._lock.operations.items():
            group, _, method = operation.grpc.partition("/")
            service = found.setdefault(group, ServiceDescriptorProto(name=group))
            takes, gives = self._type(operation.takes), self._type(operation.gives)
            service.method.add(name=method, input_type=takes, output_type=gives, server_streaming=operation.streams or None)
            if self._made_of(operation) in ("create", "patch"):
                service.method.add(name=f"{method}Many", input_type=takes, output_type=self._type("nexus.Written"), client_streaming=True)
            if name.endswith(".list") and operation.takes == "nexus.List":
                record = inner(self._lock.messages[operation.gives].fields["items"].type)
                service.method.add(name="Stream", input_type=takes, output_type=self._type(str(record)), server_streaming=True)
        return found.values()

    def _made_of(self, operation: Operation) -> str:
        """The kind of what it is asked with."""
        message = self._lock.messages.get(operation.takes)
        return "" if message is None else message.kind

    def _type(self, name: str) -> str:
        if not name.startswith("nexus."):
            return f".{self._lock.package}.{name}"
        self.imports.add(_SHARED)
        return f".nexus.v1.{name.removeprefix('nexus.')}"


def _enum(name: str, words: Words) -> EnumDescriptorProto:
    made = EnumDescriptorProto(name=name)
    made.value.add(name=constant(name, "unspecified"), number=0)
    for word, number in words.numbers.items():
        made.value.add(name=constant(name, word), number=number)
    gone = sorted(words.reserved.values())
    made.reserved_range.extend(EnumDescriptorProto.EnumReservedRange(start=number, end=number) for number in gone)
    made.reserved_name.extend(constant(name, word) for word in _names_gone(words.reserved, words.numbers))
    return made


def _names_gone(reserved: Iterable[str], there: Iterable[str]) -> list[str]:
    """Names that nothing has any more."""
    return sorted({name.partition("~")[0] for name in reserved} - set(there))


def _json_name(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part[:1].upper() + part[1:] for part in rest)
