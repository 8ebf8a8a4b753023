"""What links say of single fields: directives of federation where services are composed, and what is left out where they are one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from nexus.links import Exposure
from nexus.surfaces.graphql import names
from nexus.surfaces.graphql.model import Directive, Graph
from nexus.surfaces.graphql.records import Records
from nexus.surfaces.graphql.sources import Stub
from nexus.surfaces.shapes import Shape, by_name


def expose(records: Records, exposures: Iterable[Exposure], *, federated: bool) -> None:
    """Apply what is said of the fields of the graph's own records."""
    for one in exposures:
        shape = by_name(one.entity)
        if shape is None or shape.service not in records.services:
            continue
        if one.internal:
            _unsearchable(records.graph, shape, one.field)
        kind = records.graph[names.of_entity(shape)]
        for name in {names.camel(one.field), names.camel(one.field.removesuffix("_id"))} & kind.members.keys():
            if one.internal and not federated:
                del kind.members[name]
            elif federated:
                member = kind.members[name]
                kind.members[name] = replace(member, directives=(*member.directives, *_directives(one)))
                if one.copies and isinstance(source := member.source, Stub):
                    _copied(records, shape, one, name, source)


def _directives(one: Exposure) -> Iterable[Directive]:
    yield from (Directive("tag", {"name": label}) for label in one.labels)
    if one.internal:
        yield Directive("inaccessible")
    if one.moved_from is not None:
        yield Directive("override", {"from": one.moved_from})


def _unsearchable(graph: Graph, shape: Shape, field: str) -> None:
    """What nobody finds nobody filters or sorts by, which would tell of it."""
    of = names.of_entity(shape)
    graph[f"{of}Filter"].members.pop(names.camel(field), None)
    for way in ("ASC", "DESC"):
        graph[f"{of}Sort"].words.pop(f"{names.camel_upper(field)}_{way}", None)


def _copied(records: Records, shape: Shape, one: Exposure, name: str, source: Stub) -> None:
    """A reference answers those fields of the other's record of which there are copies here."""
    kind = records.known(source.target)
    copies = {records.external(kind, source.target.fields[theirs]): shape.fields[own] for theirs, own in one.copies.items()}
    members = records.graph[names.of_entity(shape)].members
    provides = Directive("provides", {"fields": " ".join(copies)})
    members[name] = replace(members[name], source=replace(source, copies=copies), directives=(*members[name].directives, provides))
