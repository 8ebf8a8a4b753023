"""Events as JSON Schema 2020-12: one schema for each version of each topic, of the whole envelope as it is delivered."""

from __future__ import annotations

from typing import Any, Final

from nexus.core.entity import Entity
from nexus.core.message import Event
from nexus.core.policy import ROLES
from nexus.surfaces.live.topics import Topic
from nexus.surfaces.openapi import schemas, structs
from nexus.surfaces.openapi.parts import Part
from nexus.surfaces.shapes import shape_of

__all__ = ["DIALECT", "event_schema", "path_of", "payload"]

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_COMPONENTS: Final = "#/components/schemas/"
_TEXT: Final[dict[str, Any]] = {"type": "string"}


def path_of(topic: Topic, version: int) -> str:
    """Where the schema is served."""
    return f"/schemas/events/{topic.name}/{version}.json"


def event_schema(topic: Topic, version: int) -> dict[str, Any]:
    """The schema that stands alone. KeyError for a version that there is not."""
    if version not in topic.versions:
        raise KeyError(version)
    envelope, parts = payload(topic, version)
    return {"$schema": DIALECT, "$id": path_of(topic, version), **_local(envelope), "$defs": _local(parts)}


def payload(topic: Topic, version: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """The schema of an envelope, and the component schemas that it refers to."""
    ways: list[dict[str, Any]] = []
    parts: dict[str, Any] = {}
    for event in topic.events:
        if event.schema_version == version:
            ways.append(_declared(topic, event, parts))
    if topic.derived and topic.entity is not None and version == 1:
        ways.append(_record(topic.entity, parts))
    data = ways[0] if len(ways) == 1 else {"anyOf": ways}
    return _envelope(topic, version, data), parts


def _declared(topic: Topic, event: type[Event], parts: dict[str, Any]) -> dict[str, Any]:
    schema, named = structs.one(topic.service, event)
    for name, one in named.items():
        parts.setdefault(name, one)
    hidden = _hidden_by_some(topic.entity)
    own = parts.get(schema.get("$ref", "").removeprefix(_COMPONENTS), schema)
    for name, inner in own.get("properties", {}).items():
        if name in hidden:
            own["properties"][name] = schemas.nullable(inner)
    return schema


def _hidden_by_some(entity: type[Entity] | None) -> frozenset[str]:
    """The fields that are null for whom they are hidden from."""
    if entity is None:
        return frozenset()
    return frozenset[str]().union(*(role.hides.get(entity, frozenset[str]()) for role in ROLES.values()))


def _record(entity: type[Entity], parts: dict[str, Any]) -> dict[str, Any]:
    """A whole record, as an event tells it."""
    shape, part = shape_of(entity), Part()
    name = f"{schemas.component(shape)}Told"
    empty = _hidden_by_some(entity) | shape.sensitive
    fields = {one: schemas.described(part, shape, field) for one, field in shape.fields.items()}
    parts.update(part.schemas)
    parts[name] = {
        "type": "object",
        "description": f"{shape.summary} The whole record, as it was then; null where a field is hidden from the caller.",
        "properties": {one: schemas.nullable(schema) if one in empty else schema for one, schema in fields.items()},
        "required": ["id"],
    }
    return {"$ref": f"{_COMPONENTS}{name}"}


def _envelope(topic: Topic, version: int, data: dict[str, Any]) -> dict[str, Any]:
    properties: dict[str, Any] = {
        "specversion": {"const": "1.0", "description": "CloudEvents."},
        "id": {"type": "string", "format": "uuid", "description": "Of the event; the same however often it is delivered."},
        "type": {"const": topic.name},
        "source": {"const": f"/nexus/{topic.service}"},
        "subject": {"type": "string", "format": "uuid", "description": "The id of the record it is about."},
        "time": {"type": "string", "format": "date-time", "description": "When it was asked for."},
        "tenant": {"type": "string", "format": "uuid"},
        "datacontenttype": {"const": "application/json"},
        "schemaversion": {"const": version},
        "actor": _TEXT | {"description": "Who did it: `user:Ada`, `system`."},
        "correlationid": _TEXT | {"description": "The request it began with."},
        "causationid": _TEXT | {"description": "What it followed from, an event or a timer."},
        "changed": _TEXT | {"description": "Of a change: the names of the fields that changed, separated by spaces."},
        "data": data,
    }
    required = ["specversion", "id", "type", "source", "subject", "time", "tenant", "datacontenttype", "schemaversion", "data"]
    return {"title": topic.name, "description": topic.summary, "type": "object", "properties": properties, "required": required}


def _local(value: Any) -> Any:
    """The same with references to its own `$defs`."""
    if isinstance(value, dict):
        known: dict[str, Any] = value  # pyright: ignore[reportUnknownVariableType]
        return {
            name: one.replace(_COMPONENTS, "#/$defs/") if name == "$ref" and isinstance(one, str) else _local(one)
            for name, one in known.items()
        }
    if isinstance(value, list):
        return [_local(one) for one in value]  # pyright: ignore[reportUnknownVariableType]
    return value
