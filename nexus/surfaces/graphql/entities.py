"""Records by their keys, as a gateway asks a subgraph for them: one statement for each type, however many keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast
from uuid import UUID

import graphql as lib

from nexus.core.problem import FieldError, Invalid
from nexus.surfaces.graphql import names
from nexus.surfaces.graphql.compiling import Compiler
from nexus.surfaces.graphql.given import Binder, arguments, several
from nexus.surfaces.graphql.plans import GIVEN, Disclosed, Gap
from nexus.surfaces.shapes import Shape


class Key(NamedTuple):
    """A record as a gateway names it."""

    type: str
    id: UUID
    given: Mapping[str, Any]
    """All that it says of it."""


Keys = list[Key]
"""In the order in which they were asked for."""


@dataclass(slots=True)
class ByType:
    """What is asked of records of each type, compiled when the first of the type is asked for."""

    compiler: Compiler
    nodes: list[lib.FieldNode]
    keys: Binder
    _made: dict[str, Gap] = field(default_factory=dict[str, Gap])

    def of(self, name: str) -> Gap:
        """The plan for records of a type. Forbidden (403) where the caller may not read them."""
        if name not in self._made:
            shape = cast(Shape, self.compiler.graph[name].source)
            fields = self.compiler.selections.below(name, self.nodes)
            apart = self.compiler.apart()
            gap = self._made[name] = apart.by_ids(shape, fields, 1, self.compiler.graph[name])
            if apart.draft.sensitive:
                shown, asked = tuple(dict.fromkeys(apart.draft.sensitive)), lib.print_ast(self.nodes[0])[:2_000]
                gap.plan.disclosed.append(Disclosed(shape.name, shown, asked))
        return self._made[name]


def by_type(compiler: Compiler, nodes: list[lib.FieldNode], most: int) -> ByType:
    """Read the field `_entities`."""
    known = compiler.graph.possible("_Entity")

    def read(raw: Any) -> Keys:
        wanted = several(raw)
        if len(wanted) > most:
            raise Invalid.of(FieldError("representations", f"are more than {most:,}"))
        return [_key(place, one, known) for place, one in enumerate(wanted)]

    given = arguments(nodes[0], compiler.variables)["representations"]
    read(given.plain())
    return ByType(compiler, nodes, Binder(read, given, "representations"))


def given_for(gap: Gap, keys: Keys) -> dict[str, Any]:
    """The parameters of a plan: ids, and of each record what the plan needs of it. Invalid (422) where that is no text."""
    values: dict[str, Any] = {"ids": tuple(key.id for key in keys)}
    for name in gap.needs:
        given = [key.given.get(names.camel(name)) for key in keys]
        if any(one is not None and not isinstance(one, str) for one in given):
            raise Invalid.of(FieldError(f"representations.{names.camel(name)}", "is text"))
        values[GIVEN + name] = tuple(given)
    return values


def _key(place: int, raw: Any, known: frozenset[str]) -> Key:
    label = f"representations[{place}]"
    members = cast(dict[str, Any], raw) if isinstance(raw, dict) else {}
    name, id = members.get("__typename"), members.get("id")
    if name not in known:
        raise Invalid.of(FieldError(f"{label}.__typename", "is no type with a key here"))
    try:
        return Key(str(name), UUID(str(id)), members)
    except ValueError:
        raise Invalid.of(FieldError(f"{label}.id", "is the id of a record, a UUID")) from None
