"""Operations on records: list, create, get, patch, archive, delete, restore."""

from __future__ import annotations

from typing import Any, Final

from nexus.core.entity import Entity
from nexus.surfaces.filters import OPERATORS
from nexus.surfaces.openapi import examples, problems, schemas
from nexus.surfaces.openapi.parts import Part, answer, body, parameter, ref
from nexus.surfaces.openapi.schemas import component
from nexus.surfaces.openapi.structs import paragraphs
from nexus.surfaces.reads import MAX_LIMIT, RESERVED
from nexus.surfaces.shapes import Field, Shape, shape_of


def query(name: str, schema: dict[str, Any], text: str, example: Any = None) -> dict[str, Any]:
    """A parameter of the query string."""
    said = {"name": name, "in": "query", "description": text, "schema": schema}
    return said if example is None else said | {"example": example}


def _header(name: str, schema: dict[str, Any], text: str, example: Any, *, required: bool = False) -> dict[str, Any]:
    return {"name": name, "in": "header", "description": text, "required": required, "schema": schema, "example": example}


_WORD: Final = {"type": "string"}
PARAMETERS: Final[dict[str, Any]] = {
    "id": {"name": "id", "in": "path", "required": True, "description": "The record.", "schema": {"type": "string", "format": "uuid"}, "example": examples.ID},
    "Idempotency-Key": _header(
        "Idempotency-Key", {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
        "Makes a repeated request safe: the first result is answered again. The same key with another request is refused.", "order-17",
    ),
    "If-Match": _header("If-Match", _WORD, 'The `ETag` of the record as it was read, or `*` to overwrite whatever is there.', '"1"', required=True),
    "If-None-Match": _header("If-None-Match", _WORD, "The `ETag` that the caller has; 304 where it still holds.", '"0"'),
    "Prefer": _header("Prefer", _WORD, "`return=minimal` answers without a body.", "return=representation"),
    "q": query("q", _WORD, "Text search over the fields that are searched; every word may be the beginning of a longer one."),
    "where": query("where", _WORD, 'Conditions as JSON: `{"or": [{"status": "new"}, {"score": {"gte": 50}}]}`, with `and`, `or`, `not`; at most 50.'),
    "sort": query("sort", {"type": "string", "default": "-id"}, "Up to four fields, descending with a minus."),
    "cursor": query("cursor", _WORD, "`next_cursor` of the page before; leave it out to begin."),
    "limit": query("limit", {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": 50}, "How many records a page holds."),
    "fields": query("fields", _WORD, "Only these fields, comma separated; `id` and `version` are always there."),
    "count": query(
        "count", {"type": "string", "enum": ["none", "exact", "estimated"], "default": "none"},
        "Whether to count all that match; `estimated` stops at 10,001.",
    ),
    "archived": query("archived", {"type": "string", "enum": ["false", "true", "any"], "default": "false"}, "Whether archived records are shown."),
    "dry_run": query("dry_run", {"type": "boolean", "default": False}, "Do all of it, answer as if it were done, and undo it."),
}  # fmt: skip
"""What operations share."""
HEADERS: Final[dict[str, Any]] = {
    "ETag": {"description": "The version of the record, for `If-Match`.", "schema": _WORD, "example": '"1"'},
    "Location": {"description": "Where the new record is.", "schema": {"type": "string", "format": "uri-reference"}},
    "Idempotency-Replayed": {"description": "`true` where this was done before under the same key.", "schema": _WORD},
}


def header(name: str) -> dict[str, Any]:
    """A reference to a response header, by its name."""
    return {name: {"$ref": f"#/components/headers/{name}"}}


def tag_of(shape: Shape) -> str:
    """The heading an entity's operations stand under."""
    return shape.name


def add(part: Part, entity: type[Entity]) -> None:
    """Everything about the records of one entity, but its commands."""
    shape = shape_of(entity)
    part.tags.append({"name": tag_of(shape), "description": paragraphs(entity.__doc__)})
    schemas.add(part, shape)
    record = examples.of_record(shape)
    part.examples[component(shape)] = {"value": record}
    part.examples[component(shape, "Page")] = {"value": {"items": [record], "next_cursor": None}}
    path = f"/api/v1/{shape.service}/{shape.path}"
    part.on(path, "get", _list(part, shape))
    if entity.creatable:
        part.on(path, "post", _create(shape))
    one = f"{path}/{{id}}"
    part.on(one, "get", _get(shape))
    if entity.editable:
        part.on(one, "patch", _patch(shape))
    if entity.removal is not None:
        part.on(one, "delete", _remove(shape))
    if entity.removal == "archive":
        part.on(f"{one}/restore", "post", _restore(shape))


def operation(shape: Shape, verb: str, summary: str, **more: Any) -> dict[str, Any]:
    """The head of an operation; `verb` is also its permission."""
    permission = f"{shape.name}:{ {'list': 'read', 'get': 'read', 'restore': 'archive'}.get(verb, verb) }"
    return {"operationId": f"{shape.name}.{verb}", "tags": [tag_of(shape)], "summary": summary, "x-permission": permission, **more}


def _list(part: Part, shape: Shape) -> dict[str, Any]:
    many = shape.path.replace("_", " ")
    return operation(
        shape,
        "list",
        f"List {many}",
        description=f"A page of {many} that the caller may see, newest first unless `sort` says otherwise. {shape.summary}",
        parameters=[*(parameter(name) for name in shared_of(shape)), *_expand(shape), *filters(part, shape), parameter("If-None-Match")],
        responses={
            "200": answer("One page.", ref(component(shape, "Page")), component(shape, "Page"), header("ETag")),
            "304": {"description": "It is what the caller has."},
            **problems.of_operation("Malformed", "Invalid"),
        },
    )


def shared_of(shape: Shape) -> list[str]:
    """The parameters of a list that all entities have in common."""
    return ["where", *(["q"] if shape.searchable else []), "sort", "cursor", "limit", "fields", "count", "archived"]


def filters(part: Part, shape: Shape) -> list[dict[str, Any]]:
    """A filter for every field that somebody is shown."""
    left_out = {*RESERVED, "where", *schemas.unseen(shape)}
    return [_filter(part, shape, field) for field in shape.fields.values() if field.name not in left_out]


def _filter(part: Part, shape: Shape, field: Field) -> dict[str, Any]:
    if field.facts.kind in ("json", "tags"):
        allowed, schema = ("contains", "null") if field.facts.kind == "tags" else ("null",), {"type": "boolean"}
        name, text = f"{field.name}[null]", f"Whether {field.label.lower()} is empty."
        if field.facts.kind == "tags":
            name, schema, text = f"{field.name}[contains]", {"type": "string"}, "Records that have this tag."
        return query(name, schema, text) | {"x-operators": list(allowed)}
    schema = schemas.value_schema(part, shape, field)
    kept: dict[str, Any] = {key: schema[key] for key in ("type", "format", "enum") if key in schema}
    return query(field.name, kept, f"{field.label} is this; `{field.name}[op]` with another operator.", examples.of_field(field)) | {
        "x-operators": list(OPERATORS)
    }


def _expand(shape: Shape) -> list[dict[str, Any]]:
    known = [name for name, (_, target) in shape.references.items() if target.split(".")[0] == shape.service]
    if not known:
        return []
    return [
        query(
            "expand",
            {"type": "string"},
            f"Records to show in full where they are referred to, two levels deep: {', '.join(known)}.",
            known[0],
        )
    ]


def _create(shape: Shape) -> dict[str, Any]:
    made = answer("Made.", ref(component(shape)), component(shape), header("ETag") | header("Location") | header("Idempotency-Replayed"))
    return operation(
        shape,
        "create",
        f"Create {_a(shape.title)}",
        description=shape.summary,
        parameters=[parameter("dry_run"), parameter("Idempotency-Key"), parameter("Prefer")],
        requestBody=body(ref(component(shape, "Create")), examples.of_create(shape)),
        responses={"201": made, **problems.of_operation("Malformed", "Conflict", "TooLarge", "Invalid")},
    )


def _get(shape: Shape) -> dict[str, Any]:
    found = answer("The record.", ref(component(shape)), component(shape), header("ETag"))
    led = (
        {"301": {"description": "It was merged into the record at `Location`.", "headers": header("Location")}}
        if shape.entity.merges
        else {}
    )
    return operation(
        shape,
        "get",
        f"Get {_a(shape.title)}",
        description=shape.summary,
        parameters=[parameter("id"), parameter("fields"), *_expand(shape), parameter("If-None-Match")],
        responses={
            "200": found,
            **led,
            "304": {"description": "It is what the caller has."},
            **problems.of_operation("Malformed", "NotFound", "Invalid"),
        },
    )


_CHANGED = ("Malformed", "NotFound", "Conflict", "PreconditionFailed", "Invalid", "PreconditionRequired")


def _patch(shape: Shape) -> dict[str, Any]:
    changed = answer("Changed.", ref(component(shape)), component(shape), header("ETag") | header("Idempotency-Replayed"))
    return operation(
        shape,
        "update",
        f"Change {_a(shape.title)}",
        description="Changes the fields that are given, if the record is still as it was read.",
        parameters=[*map(parameter, ("id", "dry_run", "If-Match", "Idempotency-Key", "Prefer"))],
        requestBody=body(ref(component(shape, "Patch")), examples.of_patch(shape)),
        responses={"200": changed, "204": _nothing(), **problems.of_operation(*_CHANGED, "TooLarge")},
    )


def _remove(shape: Shape) -> dict[str, Any]:
    archives = shape.entity.removal == "archive"
    text = "Keeps it out of sight; `restore` brings it back." if archives else "Removes it for good."
    gone = answer(
        "Archived." if archives else "Deleted.", ref(component(shape)), component(shape), header("ETag") | header("Idempotency-Replayed")
    )
    return operation(
        shape,
        "archive" if archives else "delete",
        f"{'Archive' if archives else 'Delete'} {_a(shape.title)}",
        description=text,
        parameters=[*map(parameter, ("id", "dry_run", "If-Match", "Idempotency-Key", "Prefer"))],
        responses={"200": gone, "204": _nothing(), **problems.of_operation(*_CHANGED)},
    )


def _restore(shape: Shape) -> dict[str, Any]:
    back = answer("It is back.", ref(component(shape)), component(shape), header("ETag") | header("Idempotency-Replayed"))
    return operation(
        shape,
        "restore",
        f"Restore {_a(shape.title)}",
        description="Brings an archived record back.",
        parameters=[*map(parameter, ("id", "dry_run", "Idempotency-Key", "Prefer"))],
        responses={"200": back, "204": _nothing(), **problems.of_operation("NotFound", "Conflict", "Invalid")},
    )


def _nothing() -> dict[str, Any]:
    return {"description": "Done; `Prefer: return=minimal` asked for no body."}


def _a(words: str) -> str:
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"
