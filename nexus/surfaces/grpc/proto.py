"""A descriptor as the text of a .proto file, with the words of the declarations as its comments."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from textwrap import wrap
from typing import Final

from google.protobuf.descriptor_pb2 import DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto

_F = FieldDescriptorProto
_SCALARS: Final = {_F.TYPE_INT64: "int64", _F.TYPE_DOUBLE: "double", _F.TYPE_BOOL: "bool", _F.TYPE_BYTES: "bytes", _F.TYPE_STRING: "string"}
WIDTH: Final = 120

Docs = Mapping[str, str]
"""What is said of `Lead`, `Lead.email`, `LeadStatus`, `Leads`, `Leads.Convert`."""


def text_of(file: FileDescriptorProto, docs: Docs) -> str:
    """The .proto file that protoc reads as this descriptor."""
    made = _Text(file, docs)
    return "\n".join(made.lines()) + "\n"


class _Text:
    def __init__(self, file: FileDescriptorProto, docs: Docs) -> None:
        self._file = file
        self._docs = docs
        self._prefix = f".{file.package}."

    def lines(self) -> Iterator[str]:
        yield "// Derived from the declarations of the service: python -m tools.surfaces writes it. Numbers come from surfaces.lock."
        yield ""
        yield 'syntax = "proto3";'
        yield ""
        yield f"package {self._file.package};"
        if self._file.dependency:
            yield ""
        for name in self._file.dependency:
            yield f'import "{name}";'
        for service in self._file.service:
            yield ""
            yield from self._comment(service.name, "")
            yield f"service {service.name} {{"
            for method in service.method:
                yield from self._comment(f"{service.name}.{method.name}", "  ")
                sends, streams = ("stream " if one else "" for one in (method.client_streaming, method.server_streaming))
                near = {one.name for one in service.method}
                takes, gives = self._type(method.input_type, near), self._type(method.output_type, near)
                yield f"  rpc {method.name}({sends}{takes}) returns ({streams}{gives});"
            yield "}"
        for message in self._file.message_type:
            yield ""
            yield from self._comment(message.name, "")
            yield from self._message(message, f"{self._prefix}{message.name}", "")
        for enum in self._file.enum_type:
            yield ""
            yield from self._comment(enum.name, "")
            yield from self._enum(enum)

    def _comment(self, name: str, indent: str) -> Iterator[str]:
        for paragraph in self._docs.get(name, "").splitlines():
            yield from (
                f"{indent}// {line}" for line in wrap(paragraph, WIDTH - len(indent) - 3, break_long_words=False, break_on_hyphens=False)
            )

    def _type(self, name: str, near: Collection[str] = ()) -> str:
        """The name of a type, in full where something near by is called the same."""
        short = name.removeprefix(self._prefix)
        return name if short in near else short.removeprefix(".")

    def _message(self, message: DescriptorProto, path: str, indent: str) -> Iterator[str]:
        if not message.field and not message.reserved_range:
            yield f"{indent}message {message.name} {{}}"
            return
        yield f"{indent}message {message.name} {{"
        within = indent + "  "
        for line in _reserved([one.start for one in message.reserved_range], list(message.reserved_name)):
            yield within + line
        nested = {one.name: one for one in message.nested_type}
        for field in message.field:
            own = nested.get(field.type_name.removeprefix(f"{path}."))
            yield from self._comment(f"{message.name}.{field.name}", within)
            if own is None:
                kind = self._named(field, nested)
            elif own.options.map_entry:
                kind = f"map<string, {self._named(own.field[1], nested)}>"
            else:
                yield from self._message(own, field.type_name, within)
                kind = own.name
            repeated = field.label == _F.LABEL_REPEATED and not kind.startswith("map<")
            label = "repeated " if repeated else "optional " if field.proto3_optional else ""
            yield f"{within}{label}{kind} {field.name} = {field.number};"
        yield f"{indent}}}"

    def _named(self, field: FieldDescriptorProto, near: Collection[str]) -> str:
        return _SCALARS.get(field.type) or self._type(field.type_name, near)

    def _enum(self, enum: EnumDescriptorProto) -> Iterator[str]:
        yield f"enum {enum.name} {{"
        for line in _reserved([one.start for one in enum.reserved_range], list(enum.reserved_name)):
            yield f"  {line}"
        for value in enum.value:
            yield f"  {value.name} = {value.number};"
        yield "}"


def _reserved(numbers: list[int], names: list[str]) -> Iterator[str]:
    if numbers:
        yield f"reserved {', '.join(map(str, numbers))};"
    if names:
        quoted = ", ".join(f'"{name}"' for name in names)
        yield f"reserved {quoted};"
