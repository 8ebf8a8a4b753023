"""What makes a graph a subgraph of Apollo Federation 2: its text, and its records by their keys."""

from __future__ import annotations

from typing import Final

from nexus.surfaces.graphql.model import Argument, Graph, Kind, Member
from nexus.surfaces.graphql.sources import Entities, Sdl

PERSONAL: Final = "https://nexus.invalid/personal/v1.0"
"""What the directive of our own is called by, which says whose fields hold personal data, and of which kind; composed like those of federation."""
SPECIFICATION: Final = "https://specs.apollo.dev/federation/v2.7"
IMPORTS: Final = (
    "@key",
    "@shareable",
    "@external",
    "@provides",
    "@requires",
    "@tag",
    "@inaccessible",
    "@override",
    "@interfaceObject",
    "@composeDirective",
)


def add(graph: Graph) -> None:
    """The fields and types by which a gateway asks a subgraph."""
    graph.federated = True
    graph.add(Kind(name="_Any", kind="scalar", doc="A record as a gateway names it: its type and its key.", origin="_Any"))
    service = graph.add(Kind(name="_Service", kind="object", doc="What a subgraph says of itself.", origin="_Service"))
    service.add(Member(name="sdl", type="String!", doc="Its schema.", source=Sdl()))
    graph.query.add(Member(name="_service", type="_Service!", doc="What this subgraph says of itself.", source=Sdl()))
    keyed = tuple(kind.name for kind in graph if kind.kind == "object" and resolvable(kind))
    if keyed:
        graph.add(Kind(name="_Entity", kind="union", doc="A record that has a key.", of=keyed, origin="_Entity"))
        asked = Argument(name="representations", type="[_Any!]!")
        graph.query.add(Member(name="_entities", type="[_Entity]!", doc="Records by their keys.", source=Entities(), arguments=(asked,)))


def resolvable(kind: Kind) -> bool:
    """Whether a subgraph answers records of a type by their keys."""
    return any(one.name == "key" and one.arguments.get("resolvable", True) for one in kind.directives)
