"""Types of commands, answers and structured fields: msgspec's as GraphQL's, once as what is answered and once as what is given."""

from __future__ import annotations

import enum
from typing import Any, Final, cast

import msgspec
from msgspec import inspect as seen

from nexus.surfaces.graphql import names
from nexus.surfaces.graphql.model import SHAREABLE, Graph, Kind, Member
from nexus.surfaces.graphql.sources import Part
from nexus.surfaces.openapi.structs import field_docs, paragraphs

SCALARS: Final = {
    "Decimal": 'An exact number as text, so that no client rounds it: "1250.00". A number is taken too.',
    "DateTime": 'A moment with its offset, RFC 3339: "2026-03-31T09:30:00Z".',
    "Date": 'A calendar day: "2026-03-31".',
    "UUID": "A UUID that is not the id of a record.",
    "BigInt": "A whole number of 64 bits.",
    "JSON": "Any JSON value.",
}
"""The scalars beyond GraphQL's own, with what they are."""
_PLAIN: Final[dict[type[Any], str]] = {
    seen.BoolType: "Boolean",
    seen.FloatType: "Float",
    seen.StrType: "String",
    seen.UUIDType: "ID",
    seen.DecimalType: "Decimal",
    seen.DateTimeType: "DateTime",
    seen.DateType: "Date",
    seen.TimeType: "String",
    seen.TimeDeltaType: "String",
    seen.BytesType: "String",
    seen.LiteralType: "String",
}
_SMALL: Final = 2**31


def whole(lowest: float | None, highest: float | None) -> str:
    """The type of a whole number between two bounds: GraphQL's Int has 32 bits."""
    return "Int" if lowest is not None and highest is not None and lowest >= -_SMALL and highest < _SMALL else "BigInt"


def enumeration(graph: Graph, of: type[enum.Enum]) -> str:
    """The type of an enumeration."""
    name = names.of_class(of)
    if name not in graph or graph[name].origin != _origin(of):
        words = {names.of_word(str(one.value)): str(one.value) for one in of}
        graph.add(Kind(name=name, kind="enum", doc=paragraphs(of.__doc__), words=words, origin=_origin(of)))
    return name


class Values:
    """The types of values in one graph."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph

    def answered(self, kind: Any) -> str:
        """The type of a value that is answered, with its exclamation mark unless it may be null."""
        return self._type(seen.type_info(kind), given=False)

    def given(self, kind: Any) -> str:
        """The type of a value that is given."""
        return self._type(seen.type_info(kind), given=True)

    def _type(self, info: Any, *, given: bool) -> str:
        while isinstance(info, seen.Metadata):
            info = info.type
        if isinstance(info, seen.UnionType):
            rest = [one for one in info.types if not isinstance(one, seen.NoneType)]
            inner = self._type(rest[0], given=given) if len(rest) == 1 else "JSON!"
            return inner.removesuffix("!") if len(rest) < len(info.types) else inner
        if isinstance(info, (seen.ListType, seen.SetType, seen.FrozenSetType, seen.VarTupleType)):
            return f"[{self._type(info.item_type, given=given)}]!"
        if isinstance(info, seen.IntType):
            return whole(info.ge if info.ge is not None else info.gt, info.le if info.le is not None else info.lt) + "!"
        if isinstance(info, seen.EnumType):
            return enumeration(self._graph, info.cls) + "!"
        if isinstance(info, seen.StructType):
            return (self.input(info.cls) if given else self.object(info.cls)) + "!"
        return _PLAIN.get(cast(Any, type(info)), "JSON") + "!"

    def object(self, struct: type[Any]) -> str:
        """The type of a struct that is answered."""
        name = names.of_class(struct)
        if name in self._graph and self._graph[name].origin == _origin(struct):
            return name
        made = self._graph.add(
            Kind(name=name, kind="object", doc=paragraphs(struct.__doc__), origin=_origin(struct), directives=(SHAREABLE,))
        )
        docs = field_docs(struct)
        for field in msgspec.structs.fields(struct):
            type_ = self.answered(field.type)
            if not field.required:  # what was kept before the member was there has none
                type_ = type_.removesuffix("!")
            source = Part(field.encode_name)
            made.add(Member(name=names.camel(field.encode_name), type=type_, doc=docs.get(field.name, ""), source=source))
        if not made.members:
            made.add(Member(name="done", type="Boolean", doc="Nothing is told beyond that it is done.", source=Part("done")))
        return name

    def input(self, struct: type[Any], name: str | None = None) -> str:
        """The type of a struct that is given."""
        name = name or names.of_class(struct) + "Input"
        if name in self._graph and self._graph[name].origin == _origin(struct):
            return name
        made = self._graph.add(Kind(name=name, kind="input", doc=paragraphs(struct.__doc__), origin=_origin(struct)))
        docs = field_docs(struct)
        for field in msgspec.structs.fields(struct):
            type_ = self.given(field.type)
            if not field.required:
                type_ = type_.removesuffix("!")
            source = Part(field.encode_name)
            made.add(Member(name=names.camel(field.encode_name), type=type_, doc=docs.get(field.name, ""), source=source))
        return name


def _origin(kind: type[Any]) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"
