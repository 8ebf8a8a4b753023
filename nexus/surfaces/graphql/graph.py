"""The graph of some services: of all of a process as one endpoint, or of one as a subgraph that a gateway composes."""

from __future__ import annotations

from collections.abc import Sequence

from nexus.core.service import Service
from nexus.links import exposures, links
from nexus.surfaces.graphql import changes, events, exposing, federation, problems, reports
from nexus.surfaces.graphql.model import Graph, Kind
from nexus.surfaces.graphql.records import Records, shared
from nexus.surfaces.graphql.values import SCALARS
from nexus.surfaces.operations import Operations
from nexus.surfaces.shapes import shape_of

__all__ = ["graph_of"]


def graph_of(services: Sequence[Service], operations: Operations, *, federated: bool) -> Graph:
    """Everything that some services can be asked. TypeError where two declarations would have one name."""
    graph = Graph(" ".join(service.name for service in services))
    for name, doc in SCALARS.items():
        graph.add(Kind(name=name, kind="scalar", doc=doc, origin=name))
    shared(graph)
    problems.add(graph)
    records = Records(graph, [service.name for service in services])
    shapes = [shape_of(entity) for service in services for entity in service.entities()]
    for shape in shapes:
        records.add(shape)
    records.lead(shapes)
    records.link(links())
    for service in services:
        reports.add(graph, service)
        changes.add(graph, records, service, operations)
        events.add(graph, records, service)
    exposing.expose(records, exposures(), federated=federated)
    if federated:
        federation.add(graph)
    return graph
