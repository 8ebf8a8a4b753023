"""Operations on files: imports, with what became of each row, and exports as streams."""

from __future__ import annotations

from typing import Any, Final

from nexus.core.service import Service
from nexus.surfaces.imports.asked import PARAMETERS
from nexus.surfaces.openapi import problems
from nexus.surfaces.openapi.parts import Part, answer, parameter, ref
from nexus.surfaces.openapi.records import operation
from nexus.surfaces.openapi.structs import paragraphs
from nexus.surfaces.rest.exports import Exports
from nexus.surfaces.rest.imports import OUTCOMES, Imports
from nexus.surfaces.shapes import Shape, shape_of

_WORDS: Final[dict[str, tuple[dict[str, Any], str]]] = {
    "mode": ({"type": "string", "enum": ["create", "update", "upsert"], "default": "create"}, "What a row does."),
    "match": (
        {"type": "string", "default": "id"},
        "What a row's record is found by when it may be there: `id`, a field, or `external_refs.<source>`.",
    ),
    "dry_run": ({"type": "boolean", "default": False}, "Say what would become of each row, and keep none."),
    "on_error": ({"type": "string", "enum": ["skip", "stop"], "default": "skip"}, "What a wrong row does to the rest."),
    "dedupe": ({"type": "string"}, "The keys, comma separated, by which a new row that is known already is left out; `none` for no key."),
    "map": ({"type": "string"}, "Columns and their fields where the names differ: `Full name:name,Mail:email`."),
    "delimiter": ({"type": "string", "default": ","}, "Of CSV: one character, or `comma`, `semicolon`, `tab`, `pipe`."),
    "encoding": ({"type": "string", "enum": ["utf-8", "windows-1252", "latin-1"], "default": "utf-8"}, "Of the file."),
    "empty": ({"type": "string", "enum": ["keep", "null"], "default": "keep"}, "What an empty cell says of a record that is there."),
    "formulas": (
        {"type": "string", "enum": ["escaped", "raw"], "default": "escaped"},
        "Whether text that a spreadsheet takes for a formula is marked.",
    ),
    "tag": ({"type": "boolean", "default": True}, "Whether new records are tagged with the import."),
}
_COUNTS: Final = ("rows", "created", "updated", "unchanged", "duplicates", "failed", "alike", "undone", "kept", "last_row", "bytes")
SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "description": "An import: how far it has come, and what became of its rows.",
    "properties": {
        "id": {"type": "string", "format": "uuid"},
        "entity": {"type": "string"},
        "state": {"type": "string"},
        "dry_run": {"type": "boolean"},
        "mode": {"type": "string"},
        **{name: {"type": "integer"} for name in _COUNTS},
    },
    "required": ["id", "entity", "state"],
}
_FILE: Final[dict[str, Any]] = {
    "required": True,
    "content": {
        "text/csv": {"schema": {"type": "string"}, "example": "name\nAda Obi\n"},
        "application/x-ndjson": {"schema": {"type": "string"}, "example": '{"name": "Ada Obi"}\n'},
    },
}
_LINES: Final[dict[str, Any]] = {"application/x-ndjson": {"schema": {"type": "string"}}}


def add(part: Part, service: Service) -> None:
    """The imports and the export of every entity."""
    for entity in service.entities():
        shape = shape_of(entity)
        part.schemas.setdefault("Import", SCHEMA)
        path = f"/api/v1/{shape.service}/{shape.path}"
        part.on(f"{path}/import", "post", _start(shape))
        one = f"{path}/imports/{{id}}"
        recent = {"type": "object", "properties": {"items": {"type": "array", "items": ref("Import")}}, "required": ["items"]}
        part.on(f"{path}/imports", "get", _about(shape, "imports", Imports.list, {"200": answer("The imports.", recent)}))
        shown = {"200": answer("The import.", ref("Import"))}
        part.on(one, "get", _about(shape, "import_status", Imports.get, shown, "NotFound", parameters=[parameter("id")]))
        rows = {"200": {"description": "One line for each row.", "content": _LINES}}
        outcome = {"name": "outcome", "in": "query", "description": "Only these.", "schema": {"type": "string", "enum": list(OUTCOMES)}}
        part.on(f"{one}/rows", "get", _about(shape, "import_rows", Imports.rows, rows, "NotFound", parameters=[parameter("id"), outcome]))
        resumed = _about(shape, "import_resume", Imports.resume, shown, "Malformed", "NotFound", "Conflict", parameters=[parameter("id")])
        part.on(f"{one}/resume", "post", resumed | {"requestBody": _FILE})
        part.on(
            f"{one}/undo", "post", _about(shape, "import_undo", Imports.undo, shown, "NotFound", "Conflict", parameters=[parameter("id")])
        )
        part.on(f"{path}/export", "get", _export(shape))


def _about(
    shape: Shape, name: str, method: Any, responses: dict[str, Any], *refused: str, parameters: list[dict[str, Any]] | None = None
) -> dict[str, Any]:
    """An operation in the words of its endpoint."""
    text = paragraphs(method.__doc__)
    head = f"{text.split('. ')[0].rstrip('.')} ({shape.path.replace('_', ' ')})"
    known = {**responses, **problems.of_operation(*refused, "Invalid")}
    made = operation(shape, "import", head, description=text, parameters=parameters or [], responses=known)
    return made | {"operationId": f"{shape.name}.{name}"}


def _start(shape: Shape) -> dict[str, Any]:
    many = shape.path.replace("_", " ")
    asked = [{"name": name, "in": "query", "description": _WORDS[name][1], "schema": _WORDS[name][0]} for name in PARAMETERS]
    done = answer("Done, with what became of the rows.", ref("Import"))
    return operation(
        shape,
        "import",
        f"Import {many} from a file",
        description=f"{paragraphs(Imports.start.__doc__)} The file is CSV with a header, or one JSON object on each line, of any size.",
        parameters=[*asked, parameter("Idempotency-Key")],
        requestBody=_FILE,
        responses={"200": done, **problems.of_operation("Malformed", "Conflict", "Invalid")},
    )


def _export(shape: Shape) -> dict[str, Any]:
    many = shape.path.replace("_", " ")
    form = {"name": "format", "in": "query", "schema": {"type": "string", "enum": ["ndjson", "csv"], "default": "ndjson"}}
    formulas = {"name": "formulas", "in": "query", "description": _WORDS["formulas"][1], "schema": _WORDS["formulas"][0]}
    shared = ["where", *(["q"] if shape.searchable else []), "sort", "fields", "archived"]
    files = _LINES | {"text/csv": {"schema": {"type": "string"}}}
    return operation(
        shape,
        "export",
        f"Export {many}",
        description=f"{paragraphs(Exports.__call__.__doc__)} Every filter of the list is one of the export.",
        parameters=[form, formulas, *(parameter(name) for name in shared)],
        responses={
            "200": {"description": "A file, one record on each line.", "content": files},
            **problems.of_operation("Malformed", "Invalid"),
        },
    )
