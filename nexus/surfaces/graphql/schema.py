"""The graph as the reference library knows it: for validation, variables and introspection; no data ever goes through it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final, cast

import graphql as lib

from nexus.surfaces.graphql.model import Graph, Kind, Member

_BUILT_IN: Final[dict[str, Any]] = {
    "Int": lib.GraphQLInt,
    "Float": lib.GraphQLFloat,
    "String": lib.GraphQLString,
    "Boolean": lib.GraphQLBoolean,
    "ID": lib.GraphQLID,
}
_LARGEST: Final = 2**63


def _text(value: Any) -> Any:
    if not isinstance(value, str):
        raise lib.GraphQLError(f"is text, not {value!r:.40}")
    return value


def _number_or_text(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise lib.GraphQLError(f"is an exact number as text, not {value!r:.40}")
    return value


def _large(value: Any) -> Any:
    whole = int(value) if isinstance(value, float) and math.isfinite(value) and value.is_integer() else value
    if isinstance(whole, bool) or not isinstance(whole, int) or not -_LARGEST <= whole < _LARGEST:
        raise lib.GraphQLError(f"is a whole number of 64 bits, not {value!r:.40}")
    return whole


def _any(value: Any) -> Any:
    return value


_PARSED: Final[dict[str, Callable[[Any], Any]]] = {
    "Decimal": _number_or_text,
    "DateTime": _text,
    "Date": _text,
    "UUID": _text,
    "BigInt": _large,
}


class _Made:
    """Makes the library's types of one graph, each once."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._types: dict[str, Any] = dict(_BUILT_IN)

    def named(self, name: str) -> Any:
        if name not in self._types:
            kind = self._graph[name]
            self._types[name] = getattr(self, kind.kind)(kind)
        return self._types[name]

    def type(self, text: str) -> Any:
        """`[CrmDeal!]!` as a type."""
        if text.endswith("!"):
            return lib.GraphQLNonNull(self.type(text[:-1]))
        if text.startswith("["):
            return lib.GraphQLList(self.type(text[1:-1]))
        return self.named(text)

    def object(self, kind: Kind) -> Any:
        def interfaces() -> Any:
            return [self.named(name) for name in kind.of]

        return lib.GraphQLObjectType(kind.name, lambda: self._fields(kind), interfaces=interfaces, description=kind.doc or None)

    def interface(self, kind: Kind) -> Any:
        return lib.GraphQLInterfaceType(kind.name, lambda: self._fields(kind), description=kind.doc or None)

    def union(self, kind: Kind) -> Any:
        return lib.GraphQLUnionType(kind.name, lambda: [self.named(name) for name in kind.of], description=kind.doc or None)

    def enum(self, kind: Kind) -> Any:
        return lib.GraphQLEnumType(kind.name, {word: word for word in kind.words}, description=kind.doc or None)

    def scalar(self, kind: Kind) -> Any:
        return lib.GraphQLScalarType(kind.name, description=kind.doc or None, parse_value=_PARSED.get(kind.name, _any))

    def input(self, kind: Kind) -> Any:
        def fields() -> Any:
            members = kind.members.values()
            return {one.name: lib.GraphQLInputField(self.type(one.type), description=one.doc or None) for one in members}

        return lib.GraphQLInputObjectType(kind.name, fields, description=kind.doc or None)

    def _fields(self, kind: Kind) -> Any:
        return {member.name: self._field(member) for member in kind.members.values()}

    def _field(self, member: Member) -> Any:
        arguments = {
            one.name: lib.GraphQLArgument(self.type(one.type), description=one.doc or None, default_value=_default(one.default))
            for one in member.arguments
        }
        return lib.GraphQLField(self.type(member.type), args=arguments, description=member.doc or None)


def _default(text: str | None) -> Any:
    if text is None:
        return lib.Undefined
    return lib.value_from_ast_untyped(lib.parse_value(text))


def schema_of(graph: Graph) -> lib.GraphQLSchema:
    """The schema of a graph."""
    made = _Made(graph)
    roots = [made.named(kind.name) if kind.members else None for kind in (graph.query, graph.mutation, graph.subscription)]
    every = [made.named(kind.name) for kind in graph]
    return lib.GraphQLSchema(cast(Any, roots[0]), roots[1], roots[2], types=every, description=f"NEXUS: {graph.title}")


__all__ = ["schema_of"]
