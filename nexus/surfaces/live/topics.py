"""The topics that there are, worked out from the declarations, and the patterns that pick them."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, get_type_hints
from uuid import UUID

import msgspec

from nexus.core.entity import Entity
from nexus.core.message import Event
from nexus.core.problem import FieldError, Forbidden, Invalid
from nexus.core.service import Service
from nexus.engines.event_log.patterns import Patterns, topic_of
from nexus.surfaces.permissions import Rights
from nexus.surfaces.shapes import by_name, shape_of

__all__ = ["MOST_PATTERNS", "Topic", "readable", "topics_of", "wanted"]

MOST_PATTERNS: Final = 50
LONGEST_PATTERN: Final = 200
ABOUT: Final = "record_entity"
"""The field of an event that may be about records of any kind: `crm.lead`."""
_REST: Final = (">", "**")
_TENANT: Final = 2
"""The segment that is the tenant: nexus.crm.{tenant}.deal.won."""
_DERIVED: Final = {
    "created": "There is a new {title}.",
    "updated": "The {title} was changed; `changed` of the envelope names the fields.",
    "archived": "The {title} was put out of sight.",
    "restored": "The {title} that was archived is back.",
    "deleted": "The {title} is gone; the event says what it was.",
}


@dataclass(frozen=True)
class Topic:
    """One kind of event."""

    name: str
    """`crm.deal.won`"""
    summary: str
    entity: type[Entity] | None
    """Whose records it is about; None where the noun is no entity: then the event itself may say."""
    events: tuple[type[Event], ...] = ()
    """Declared contracts, one per version."""
    derived: bool = False
    """Whether the platform tells it of every record, whole, unless a command says it in its own words."""

    @property
    def service(self) -> str:
        return self.name.split(".", 1)[0]

    @property
    def pattern(self) -> str:
        """The topic for any tenant: `nexus.crm.*.deal.won`."""
        service, rest = self.name.split(".", 1)
        return f"nexus.{service}.*.{rest}"

    @property
    def needs(self) -> str:
        """The permission to be told of it."""
        return f"{self.name.rsplit('.', 1)[0]}:read"

    @functools.cached_property
    def carried(self) -> Mapping[str, tuple[type[Entity], str]]:
        """Fields of its data that are another record's, with whose they are."""
        return {name: found for event in self.events for name, found in carried(event).items()}

    @property
    def about_any(self) -> bool:
        """Whether each event names the kind of its record."""
        return self.entity is None and any(ABOUT in event.__struct_fields__ for event in self.events)

    @property
    def versions(self) -> list[int]:
        """The versions in which its data may come, oldest first."""
        return sorted({*(event.schema_version for event in self.events), *((1,) if self.derived else ())})


@functools.cache
def carried(event: type[Event]) -> Mapping[str, tuple[type[Entity], str]]:
    """The fields that an event declares as another record's (`core.message.of`). LookupError where it names none that there is."""
    found: dict[str, tuple[type[Entity], str]] = {}
    for name, hint in get_type_hints(event, include_extras=True).items():
        for one in getattr(hint, "__metadata__", ()):
            whose = (one.extra or {}).get("of") if isinstance(one, msgspec.Meta) else None
            if whose is not None:
                noun, _, field = str(whose).rpartition(".")
                shape = by_name(noun)
                if shape is None or field not in shape.fields:
                    raise LookupError(f"{event.__name__}.{name} is said to be {whose}, which there is not")
                found[name] = shape.entity, field
    return found


def _declared(service: Service) -> dict[str, list[type[Event]]]:
    """The events of a service's contracts by type."""
    found: dict[str, list[type[Event]]] = {}

    def visit(kind: type[Event]) -> Iterator[type[Event]]:
        for one in kind.__subclasses__():
            if f"{one.__module__}.".startswith(f"{service.package}.api."):
                yield one
            yield from visit(one)

    for event in visit(Event):
        found.setdefault(event.topic, []).append(event)
    return found


def _verbs(entity: type[Entity]) -> list[str]:
    return [verb for verb in _DERIVED if entity.removal == "archive" or verb not in ("archived", "restored")]


def topics_of(services: Iterable[Service]) -> dict[str, Topic]:
    """Every topic by its type: what happens to each entity's records, and what the services tell beside it."""
    found: dict[str, Topic] = {}
    for service in services:
        declared = _declared(service)
        entities = {entity.entity_name(): entity for entity in service.entities()}
        for name, entity in entities.items():
            for verb in _verbs(entity):
                events = declared.pop(f"{name}.{verb}", [])
                derived = _DERIVED[verb].format(title=shape_of(entity).title)
                found[f"{name}.{verb}"] = Topic(f"{name}.{verb}", _summary(events) or derived, entity, _by_version(events), derived=True)
        for type_, events in declared.items():
            found[type_] = Topic(type_, _summary(events), entities.get(type_.rsplit(".", 1)[0]), _by_version(events))
    return dict(sorted(found.items()))


def _by_version(events: Sequence[type[Event]]) -> tuple[type[Event], ...]:
    return tuple(sorted(events, key=lambda event: event.schema_version))


def _summary(events: Sequence[type[Event]]) -> str:
    return " ".join((events[-1].__doc__ or "").split()) if events else ""


def readable(topic: Topic, rights: Rights | None) -> bool:
    """Whether these rights let anything of a topic through; which of the events is decided when they come."""
    if rights is None:
        return True
    return rights.any_of(topic.service) if topic.about_any else rights.allow(topic.needs)


def wanted(patterns: Sequence[str], tenant: UUID, topics: Mapping[str, Topic], rights: Rights | None) -> tuple[str, ...]:
    """Patterns as the log reads them, narrowed to a tenant, each once.

    Invalid (422) names the one that is none, that no topic here matches, or that names another tenant; Forbidden (403) where the caller may
    read nothing of what one picks.
    """
    if not 1 <= len(patterns) <= MOST_PATTERNS:
        raise Invalid.of(FieldError("topics", f"takes 1 to {MOST_PATTERNS} patterns such as nexus.crm.*.deal.>"))
    own: list[str] = []
    for at, pattern in enumerate(patterns):
        own.append(_own(pattern, tenant, f"topics[{at}]"))
        picked = _picked(own[-1], pattern, tenant, topics, f"topics[{at}]")
        if not any(readable(topic, rights) for topic in picked):
            raise Forbidden(permission=picked[0].needs)
    return tuple(dict.fromkeys(own))


def _own(pattern: str, tenant: UUID, field: str) -> str:
    """The pattern with the tenant in its place."""
    segments = pattern.split(".")
    if len(pattern) > LONGEST_PATTERN:
        raise Invalid.of(FieldError(field, f"is longer than {LONGEST_PATTERN} characters"))
    try:
        Patterns([pattern])
    except ValueError as error:
        raise Invalid.of(FieldError(field, f"{error}; a pattern is a topic such as nexus.crm.*.deal.won, or nexus.crm.>")) from None
    if segments[-1] in _REST and len(segments) <= _TENANT + 1:
        return ".".join([*(segments[:-1] + ["*"] * _TENANT)[:_TENANT], str(tenant), ">"])
    if len(segments) <= _TENANT or segments[_TENANT] not in ("*", str(tenant)):
        raise Invalid.of(FieldError(field, f"{pattern!r}: the third segment is the business, * or {tenant}"))
    return ".".join([*segments[:_TENANT], str(tenant), *segments[_TENANT + 1 :]])


def _picked(own: str, given: str, tenant: UUID, topics: Mapping[str, Topic], field: str) -> list[Topic]:
    """The topics that a pattern matches, at least one."""
    matcher = Patterns([own])
    found = [topic for topic in topics.values() if matcher.matches(topic_of(topic.name, tenant))]
    if not found:
        near = difflib.get_close_matches(own.replace(str(tenant), "*"), [topic.pattern for topic in topics.values()], 1)
        raise Invalid.of(FieldError(field, f"no topic here matches {given!r}{f'; did you mean {near[0]}?' if near else ''}"))
    return found
