"""What is asked of a value that Python holds: the answer of a command, a refusal, a record that was just changed."""

from __future__ import annotations

from typing import Any, cast

import graphql as lib

from nexus.surfaces.graphql.model import Graph, Kind, inner
from nexus.surfaces.graphql.selection import Selections
from nexus.surfaces.graphql.sources import Column, Edge, Many, Part


class Projector:
    """Picks what a document asks for."""

    def __init__(self, graph: Graph, selections: Selections) -> None:
        self._graph = graph
        self._selections = selections

    def object(self, kind: Kind, nodes: list[lib.FieldNode], value: dict[str, Any]) -> dict[str, Any]:
        """The fields of an object, key by key. What it leads to and does not hold is null, or an empty page."""
        found: dict[str, Any] = {}
        for key, inside in self._selections.below(kind.name, nodes).items():
            name = inside[0].name.value
            if name == "__typename":
                found[key] = kind.name
                continue
            member = kind.members[name]
            match member.source:
                case Part(part):
                    found[key] = self._value(member.type, inside, value.get(part))
                case Column(field):
                    found[key] = self._value(member.type, inside, value.get(field.name))
                case Many(sole=False):
                    found[key] = self._nothing(self._graph[inner(member.type)], inside)
                case _:
                    found[key] = None
        return found

    def _nothing(self, kind: Kind, nodes: list[lib.FieldNode]) -> dict[str, Any]:
        empty: dict[str, Any] = {"edges": [], "nodes": [], "totalCount": 0, "hasNextPage": False, "hasPreviousPage": False}
        found: dict[str, Any] = {}
        for key, inside in self._selections.below(kind.name, nodes).items():
            name = inside[0].name.value
            if name == "__typename":
                found[key] = kind.name
            elif name == "pageInfo":
                found[key] = self._nothing(self._graph["PageInfo"], inside)
            else:
                found[key] = empty.get(cast(Edge, kind.members[name].source).what)
        return found

    def _value(self, type_: str, nodes: list[lib.FieldNode], value: Any) -> Any:
        if value is None:
            return None
        type_ = type_.removesuffix("!")
        if type_.startswith("["):
            return [self._value(type_[1:-1], nodes, one) for one in cast(list[Any], value)]
        kind = self._graph.get(type_)
        if kind is None or kind.kind == "scalar":
            return value
        if kind.kind == "enum":
            return next((name for name, word in kind.words.items() if word == value), value)
        return self.object(kind, nodes, _members(value))


def _members(value: Any) -> dict[str, Any]:
    """The members of an object or of a struct."""
    if isinstance(value, dict):
        return cast(dict[str, Any], value)
    return {name: getattr(value, name) for name in value.__struct_fields__}
