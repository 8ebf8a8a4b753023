"""Operations on many records at once: bulk create and bulk change."""

from __future__ import annotations

from typing import Any, Final

from nexus.core.service import Service
from nexus.surfaces.bulk import MAX_ROWS
from nexus.surfaces.openapi import examples, problems
from nexus.surfaces.openapi.parts import Part, answer, body, parameter, ref
from nexus.surfaces.openapi.records import header, operation
from nexus.surfaces.openapi.schemas import component
from nexus.surfaces.shapes import Shape, shape_of

MODE: Final[dict[str, Any]] = {
    "type": "string",
    "enum": ["all", "each"],
    "default": "all",
    "description": "`all`: every record or none. `each`: those that are right, and for every other its problem.",
}
_ROW: Final[dict[str, Any]] = {
    "anyOf": [
        {
            "type": "object",
            "properties": {"id": {"type": "string", "format": "uuid"}, "version": {"type": "integer"}},
            "required": ["id", "version"],
        },
        {"type": "object", "properties": {"problem": ref("Problem")}, "required": ["problem"]},
    ]
}


def add(part: Part, service: Service) -> None:
    """The bulk endpoints of every entity that has them."""
    by_command = {handler.entity for handler in service.handlers() if handler.verb == "create"}
    for entity in service.entities():
        shape = shape_of(entity)
        path = f"/api/v1/{shape.service}/{shape.path}/bulk"
        if entity.creatable and shape.name not in by_command:
            part.on(path, "post", _create(shape))
        if entity.editable:
            part.on(path, "patch", _change(shape))


def _items(schema: dict[str, Any]) -> dict[str, Any]:
    items = {"type": "array", "items": schema, "minItems": 1, "maxItems": MAX_ROWS}
    return {"type": "object", "properties": {"items": items, "mode": MODE}, "required": ["items"], "additionalProperties": False}


def _done(word: str) -> dict[str, Any]:
    counts: dict[str, Any] = {word: {"type": "integer"}, "refused": {"type": "integer"}}
    rows = {"type": "array", "items": _ROW, "description": "One for each row, in the order of the request."}
    return {"type": "object", "properties": {**counts, "items": rows}, "required": [word, "refused", "items"]}


def _many(shape: Shape, verb: str, title: str, description: str, request: dict[str, Any], responses: dict[str, Any]) -> dict[str, Any]:
    made = operation(shape, verb, title, description=description, requestBody=request, responses=responses)
    return made | {"operationId": f"{shape.name}.bulk_{verb}", "parameters": [parameter("Idempotency-Key"), parameter("Prefer")]}


_REFUSED: Final = ("Malformed", "Conflict", "TooLarge", "Invalid")


def _create(shape: Shape) -> dict[str, Any]:
    many = shape.path.replace("_", " ")
    row = {"id": examples.ID, "version": 1}
    shown = answer("All of them.", _done("created"), {"created": 1, "refused": 0, "items": [row]}, header("Idempotency-Replayed"))
    each = answer("With `mode=each`: those that were right.", _done("created"))
    return _many(
        shape,
        "create",
        f"Create many {many}",
        f"Up to {MAX_ROWS:,} {many} in one request, with every rule that holds for one.",
        body(_items(ref(component(shape, "Create"))), {"items": [examples.of_create(shape)], "mode": "all"}),
        {"200": each, "201": shown, **problems.of_operation(*_REFUSED)},
    )


def _change(shape: Shape) -> dict[str, Any]:
    many = shape.path.replace("_", " ")
    own = {
        "id": {"type": "string", "format": "uuid"},
        "version": {"type": ["integer", "null"], "description": "That which was read; null overwrites whatever is there."},
    }
    item: dict[str, Any] = {
        "type": "object",
        "properties": own,
        "required": ["id", "version"],
        "description": f"And the fields of {shape.title} to change.",
    }
    sent = {"items": [{"id": examples.ID, "version": 1, **examples.of_patch(shape)}], "mode": "all"}
    done = answer(
        "Done.",
        _done("updated"),
        {"updated": 1, "refused": 0, "items": [{"id": examples.ID, "version": 2}]},
        header("Idempotency-Replayed"),
    )
    description = (
        f"Up to {MAX_ROWS:,} {many} in one request. Each row names its record, the version that was read, and the fields to change."
    )
    empty = {"description": "Done; `Prefer: return=minimal` asked for no body."}
    return _many(
        shape,
        "update",
        f"Change many {many}",
        description,
        body(_items(item), sent),
        {"200": done, "204": empty, **problems.of_operation(*_REFUSED)},
    )
