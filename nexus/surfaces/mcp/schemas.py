"""Input and output of a tool as JSON Schema, from the same declarations as OpenAPI; whole in itself, and no longer than it must be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

from nexus.surfaces.filters import MAX_LEAVES, OPERATORS
from nexus.surfaces.openapi import schemas as records
from nexus.surfaces.openapi.parts import Part
from nexus.surfaces.operations import Operation
from nexus.surfaces.reads import MAX_LIMIT
from nexus.surfaces.shapes import Shape

PAGE: Final = 20
"""Records of a list where nothing is said: a model reads every one of them."""
CONTROLS: Final[Mapping[str, dict[str, Any]]] = {
    "dry_run": {"type": "boolean", "default": False, "description": "Do nothing, and say what would change and be told."},
    "idempotency_key": {
        "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$",
        "description": "Makes a repeated call safe: the first result is answered again.",
    },
    "confirm_token": {
        "type": "string", "maxLength": 4000,
        "description": "From the refusal of the same call without it: says that what cannot be undone is meant.",
    },
}  # fmt: skip
"""What a tool takes beside its own fields; a field of the same name goes before."""
VERSION: Final[dict[str, Any]] = {
    "anyOf": [{"type": "integer", "minimum": 1, "maximum": 999_999_999}, {"const": "*"}],
    "description": "The `version` of the record as it was read, or `*` to overwrite whatever is there.",
}
_OBJECTS: Final[dict[str, Any]] = {"type": "array", "items": {"type": "object"}}
EFFECTS: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {"changes": _OBJECTS, "events": _OBJECTS, "scheduled": _OBJECTS},
    "required": ["changes", "events", "scheduled"],
}
"""What a dry run says: see surfaces.effects. It stands in every tool that writes, so it is short."""
_LEFT_OUT: Final = frozenset({"examples", "title", "readOnly", "default"})
_REFERENCE: Final = "#/components/schemas/"


def input_of(operation: Operation, shape: Shape | None, part: Part, said: dict[str, Any], *, final: bool) -> dict[str, Any]:
    """What a tool takes; `said` is the operation as OpenAPI describes it."""
    properties: dict[str, Any] = {}
    if operation.on_one:
        title = shape.title if shape is not None else "record"
        properties["id"] = {"type": "string", "format": "uuid", "description": f"The id of the {title}."}
    required = list(properties)
    if operation.kind in ("get", "list"):
        assert shape is not None, "records have a shape"
        properties |= _asked(shape, part) if operation.kind == "list" else _shown(shape)
    elif operation.kind == "report":
        for one in asked_of(said):
            properties[one["name"]] = one["schema"] | ({"description": one["description"]} if "description" in one else {})
            required += [one["name"]] if one["required"] else []
    else:
        body = _body(said, part)
        properties |= body["properties"]
        required += body.get("required", [])
        needs_version = operation.kind in ("update", "archive", "delete")
        if needs_version:
            properties["version"] = VERSION
            required.append("version")
        properties |= {name: one for name, one in CONTROLS.items() if name not in properties and (final or name != "confirm_token")}
    schema = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    return _whole(schema, part, prose=True)


def output_of(operation: Operation, part: Part, said: dict[str, Any]) -> dict[str, Any]:
    """What a tool answers: records and rows as they are, of a write its result and, of a dry run, its effects."""
    answered = next(
        said["responses"][status]["content"]["application/json"]["schema"] for status in ("200", "201") if status in said["responses"]
    )
    if not operation.reads:
        answered = {
            "type": "object",
            "properties": {"dry_run": {"type": "boolean"}, "replayed": {"type": "boolean"}, "result": answered, "effects": EFFECTS},
            "required": ["dry_run", "replayed", "result"],
        }
    return _whole(answered, part, prose=False)


def asked_of(said: dict[str, Any]) -> list[dict[str, Any]]:
    """The parameters of a report's query string, without the form of its answer: a tool answers rows."""
    return [one for one in said["parameters"] if one.get("in") == "query" and one["name"] != "format"]


def _body(said: dict[str, Any], part: Part) -> dict[str, Any]:
    if "requestBody" not in said:
        return {"properties": {}}
    schema: dict[str, Any] = said["requestBody"]["content"]["application/json"]["schema"]
    return _resolved(schema, part)


def _resolved(schema: dict[str, Any], part: Part) -> dict[str, Any]:
    if "$ref" not in schema:
        return schema
    found: dict[str, Any] = part.schemas[schema["$ref"].removeprefix(_REFERENCE)]
    return found


def _shown(shape: Shape) -> dict[str, Any]:
    """Which part of a record to show."""
    expandable = [name for name, (_, target) in shape.references.items() if target.split(".")[0] == shape.service]
    shown: dict[str, Any] = {
        "fields": {
            "type": "array",
            "items": {"type": "string"},
            "minItems": 1,
            "description": f"Only these of {', '.join(shape.fields)}; `id` and `version` are always there.",
        }
    }
    if expandable:
        said = f"References to show in full, two levels deep as `a.b`: {', '.join(expandable)}."
        shown["expand"] = {"type": "array", "items": {"type": "string"}, "description": said}
    return shown


def _asked(shape: Shape, part: Part) -> dict[str, Any]:
    """What a list takes."""
    asked: dict[str, Any] = {"where": _where(shape, part)}
    if shape.searchable:
        asked["q"] = {"type": "string", "description": "Text search; every word may be the beginning of a longer one."}
    return asked | {
        "sort": {
            "type": "array",
            "items": {"type": "string"},
            "minItems": 1,
            "maxItems": 4,
            "description": "Fields to sort by, descending with a minus: `-created_at`. Newest first by default.",
        },
        "limit": {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": PAGE},
        "cursor": {"type": "string", "description": "`next_cursor` of the page before."},
        **_shown(shape),
        "count": {"type": "string", "enum": ["none", "exact", "estimated"], "description": "Whether to count all that match."},
        "archived": {"type": "string", "enum": ["false", "true", "any"], "description": "Whether archived records are shown."},
    }


def _where(shape: Shape, part: Part) -> dict[str, Any]:
    hidden = records.unseen(shape)
    fields = {name: _condition(records.value_schema(part, shape, field)) for name, field in shape.fields.items() if name not in hidden}
    several = {"type": "array", "items": {"type": "object"}, "minItems": 1}
    return {
        "type": "object",
        "description": (
            'Conditions, all of which must hold: {"status": "new", "created_at": {"gte": "2026-01-01T00:00:00Z"}}. '
            f"Operators: {', '.join(OPERATORS)}. Also `and`, `or` (lists of conditions) and `not`; at most {MAX_LEAVES} in all."
        ),
        "properties": fields | {"and": several, "or": several, "not": {"type": "object"}},
        "additionalProperties": False,
    }


def _condition(value: dict[str, Any]) -> dict[str, Any]:
    """A value, or operators with theirs; which values a field takes is said where they are few."""
    kept = {name: value[name] for name in ("type", "enum", "format") if name in value}
    if not kept or kept["type"] in ("array", "object"):
        return {"type": "object"}
    return {"anyOf": [kept, {"type": "object"}]}


def _whole(schema: dict[str, Any], part: Part, *, prose: bool) -> dict[str, Any]:
    """A schema with everything it refers to inside, and without what a model need not read."""
    found: dict[str, Any] = {}
    body: dict[str, Any] = _tidy(_plain(_resolved(schema, part)), found, part, prose)
    return body | {"$defs": found} if found else body


def _tidy(node: Any, found: dict[str, Any], part: Part, prose: bool) -> Any:
    if isinstance(node, list):
        return [_tidy(one, found, part, prose) for one in cast("list[object]", node)]
    if not isinstance(node, dict):
        return node
    given = cast(dict[str, Any], node)
    if isinstance(reference := given.get("$ref"), str) and reference.startswith(_REFERENCE):
        name = reference.removeprefix(_REFERENCE)
        local = name.rpartition(".")[2]
        if local not in found:
            found[local] = {}
            found[local].update(_tidy(_plain(part.schemas[name]), found, part, prose))
        return {"$ref": f"#/$defs/{local}"}
    left_out = _LEFT_OUT if prose else _LEFT_OUT | {"description"}
    return {
        name: _properties(value, found, part, prose) if name == "properties" else _tidy(value, found, part, prose)
        for name, value in given.items()
        if (name not in left_out or (name == "default" and prose)) and not name.startswith("x-")
    }


def _properties(named: dict[str, Any], found: dict[str, Any], part: Part, prose: bool) -> dict[str, Any]:
    return {name: _tidy(value, found, part, prose) for name, value in named.items()}


def _plain(schema: dict[str, Any]) -> dict[str, Any]:
    """A record as it is read: any part of it may have been asked for, and what it refers to is an object."""
    properties: dict[str, Any] = schema.get("properties", {})
    if "version" not in properties or "items" in properties:
        return schema
    loose = {name: {"type": ["object", "null"]} if _refers(one) else one for name, one in properties.items()}
    return schema | {"properties": loose, "required": ["id", "version"]}


def _refers(one: dict[str, Any]) -> bool:
    """Whether a property is there only with `expand`."""
    return str(one.get("description", "")).startswith("Only with `expand=")
