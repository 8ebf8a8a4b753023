"""Events as subscriptions: a field for each topic of a service, what it tells, and the record as it is when it is told."""

from __future__ import annotations

from nexus.core.service import Service
from nexus.surfaces.graphql import names, told
from nexus.surfaces.graphql.model import Argument, Graph, Kind, Member
from nexus.surfaces.graphql.records import Records
from nexus.surfaces.graphql.sources import Listen, Now, Part
from nexus.surfaces.graphql.values import Values
from nexus.surfaces.live import Topic
from nexus.surfaces.live.topics import topics_of
from nexus.surfaces.shapes import shape_of


def add(graph: Graph, records: Records, service: Service) -> None:
    """The topics of a service."""
    for topic in topics_of([service]).values():
        if topic.service == service.name:
            _add(graph, records, topic)


def _add(graph: Graph, records: Records, topic: Topic) -> None:
    field = names.camel(topic.name.replace(".", "_"))
    kind = graph.add(Kind(name=f"{field[:1].upper()}{field[1:]}Event", kind="object", doc=topic.summary, origin=f"{topic.name} (event)"))
    kind.add(Member(name="id", type="String!", doc="Where to go on after it: what `after` takes.", source=Part("position")))
    kind.add(Member(name="time", type="DateTime!", doc="When it happened.", source=Part("time")))
    kind.add(Member(name="subject", type="ID!", doc="The id of the record it is about.", source=Part("subject")))
    kind.add(Member(name="actor", type="String", doc="Who did it.", source=Part("actor")))
    kind.add(Member(name="correlationId", type="String", doc="The request it came from.", source=Part("correlationid")))
    kind.add(Member(name="changed", type="String", doc="The fields that were changed, separated by spaces.", source=Part("changed")))
    kind.add(Member(name="data", type=_data(graph, records, topic), doc="What the event tells.", source=Part("data")))
    if topic.entity is not None:
        shape = shape_of(topic.entity)
        kind.add(Member(name="record", type=names.of_entity(shape), doc="The record as it is now, for whom sees it.", source=Now(shape)))
    after = Argument(name="after", type="String", doc="The id of an event: what has happened since is told first.")
    graph.subscription.add(Member(name=field, type=f"{kind.name}!", doc=topic.summary, source=Listen(topic), arguments=(after,)))


def _data(graph: Graph, records: Records, topic: Topic) -> str:
    """A declared event of one version has a type; a record as it was, or one of several versions, is JSON."""
    if topic.derived or len(topic.versions) != 1 or not topic.events:
        return "JSON"
    name = Values(graph).object(topic.events[-1])
    told.lead(records, graph[name], topic.events[-1])
    return name
