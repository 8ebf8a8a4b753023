"""Selection sets: what is asked of a value, in the order of the document, fragments put in their places and equal keys together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import graphql as lib

from nexus.surfaces.graphql.documents import Document
from nexus.surfaces.graphql.given import value_of
from nexus.surfaces.graphql.model import Graph

Fields = dict[str, list[lib.FieldNode]]
"""What is asked by response key; several nodes are one field whose selections add up."""


class Selections:
    """Reads the selection sets of one document with one set of variables."""

    def __init__(self, graph: Graph, document: Document, variables: Mapping[str, Any]) -> None:
        self._graph = graph
        self._fragments = document.fragments
        self._variables = variables

    def of(self, kind: str, sets: Iterable[lib.SelectionSetNode | None]) -> Fields:
        """What is asked of a value of an object type."""
        found: Fields = {}
        seen: set[str] = set()
        for one in sets:
            if one is not None:
                self._collect(kind, one, found, seen)
        return found

    def below(self, kind: str, nodes: Iterable[lib.FieldNode]) -> Fields:
        """What is asked of the value of a field."""
        return self.of(kind, [node.selection_set for node in nodes])

    def _collect(self, kind: str, node: lib.SelectionSetNode, found: Fields, seen: set[str]) -> None:
        for one in node.selections:
            if not self._included(one):
                continue
            if isinstance(one, lib.FieldNode):
                found.setdefault(one.alias.value if one.alias else one.name.value, []).append(one)
            elif isinstance(one, lib.InlineFragmentNode):
                if one.type_condition is None or kind in self._graph.possible(one.type_condition.name.value):
                    self._collect(kind, one.selection_set, found, seen)
            elif isinstance(one, lib.FragmentSpreadNode) and one.name.value not in seen:
                seen.add(one.name.value)
                fragment = self._fragments[one.name.value]
                if kind in self._graph.possible(fragment.type_condition.name.value):
                    self._collect(kind, fragment.selection_set, found, seen)

    def _included(self, node: lib.SelectionNode) -> bool:
        for one in node.directives or ():
            name = one.name.value
            if name in ("skip", "include"):
                said = next(argument for argument in one.arguments or () if argument.name.value == "if")
                if bool(value_of(said.value, self._variables).value) == (name == "skip"):
                    return False
        return True
