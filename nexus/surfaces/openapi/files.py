"""Files: imports and exports of every entity."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from nexus.core.entity import Entity
from nexus.core.service import Service
from nexus.surfaces.imports.asked import DELIMITERS
from nexus.surfaces.openapi import examples, problems
from nexus.surfaces.openapi.parts import Part, answer, parameter, ref
from nexus.surfaces.openapi.records import filters, header, operation, query, shared_of
from nexus.surfaces.openapi.schemas import nullable
from nexus.surfaces.rest.imports import OUTCOMES
from nexus.surfaces.shapes import Shape, shape_of

_WORD: Final[dict[str, Any]] = {"type": "string"}
_COUNT: Final[dict[str, Any]] = {"type": "integer"}
_AT: Final[dict[str, Any]] = {"type": "string", "format": "date-time"}
_ID: Final[dict[str, Any]] = {"type": "string", "format": "uuid"}
IMPORT: Final[dict[str, Any]] = {
    "type": "object",
    "description": "An import: how far it has come, and what became of its rows.",
    "properties": {
        "id": _ID,
        "entity": _WORD,
        "state": {"type": "string", "enum": ["running", "interrupted", "stopped", "done", "undoing", "undone"]},
        "dry_run": {"type": "boolean"},
        "mode": {"type": "string", "enum": ["create", "update", "upsert"]},
        **dict.fromkeys(("rows", "created", "updated", "unchanged"), _COUNT),
        "duplicates": _COUNT | {"description": "Rows that were left out, because what they are about is known."},
        "failed": _COUNT | {"description": "Rows that were refused; `…/rows?outcome=failed` says why."},
        "alike": _COUNT | {"description": "Rows that were made although they are like others."},
        "undone": _COUNT | {"description": "Rows that were taken back."},
        "kept": _COUNT | {"description": "Rows that were not taken back, because their records have changed since."},
        "ignored": {"type": "array", "items": _WORD, "description": "Columns that only the system sets."},
        "stopped_by": {"description": "The row that stopped it, with what was wrong; null where none did."},
        "last_row": _COUNT,
        "bytes": _COUNT,
        "by": nullable(_ID),
        "started_at": _AT,
        "progress_at": nullable(_AT),
        "ended_at": nullable(_AT),
    },
    "required": ["id", "entity", "state", "dry_run", "mode", "rows"],
}
_SHOWN: Final[dict[str, Any]] = {
    "id": examples.ID, "entity": "crm.contact", "state": "done", "dry_run": False, "mode": "create", "rows": 3, "created": 2, "updated": 0,
    "unchanged": 0, "duplicates": 0, "failed": 1, "alike": 0, "undone": 0, "kept": 0, "ignored": [], "stopped_by": None, "last_row": 3, "bytes": 217,
    "by": examples.ID, "started_at": "2026-03-01T09:00:00Z", "progress_at": "2026-03-01T09:00:01Z", "ended_at": "2026-03-01T09:00:01Z",
}  # fmt: skip
_IMPORT_ID: Final[dict[str, Any]] = {
    "name": "id",
    "in": "path",
    "required": True,
    "description": "The import.",
    "schema": _ID,
    "example": examples.ID,
}


def add(part: Part, service: Service) -> None:
    """The export of every entity, and the imports of those that can be made or changed."""
    by_command = {handler.entity for handler in service.handlers() if handler.verb == "create"}
    part.schemas["Import"] = IMPORT
    for entity in service.entities():
        shape = shape_of(entity)
        path = f"/api/v1/{shape.service}/{shape.path}"
        part.on(f"{path}/export", "get", _export(part, shape))
        modes = _modes(entity, entity.creatable and shape.name not in by_command)
        if modes:
            one = f"{path}/imports/{{id}}"
            part.on(f"{path}/import", "post", _import(shape, modes))
            part.on(f"{path}/imports", "get", _imports(shape))
            part.on(one, "get", _status(shape))
            part.on(f"{one}/rows", "get", _rows(shape))
            part.on(f"{one}/resume", "post", _resume(shape))
            part.on(f"{one}/undo", "post", _undo(shape))


def _modes(entity: type[Entity], creatable: bool) -> list[str]:
    known = {"create": creatable, "update": entity.editable, "upsert": creatable and entity.editable}
    return [mode for mode, possible in known.items() if possible]


def _many(shape: Shape) -> str:
    return shape.path.replace("_", " ")


def _files(description: str, example: dict[str, Any] | None = None) -> dict[str, Any]:
    """A body or an answer that is a file of either kind; `example` is a row of it."""
    lines: dict[str, Any] = {"schema": _WORD}
    table: dict[str, Any] = {"schema": _WORD}
    if example is not None:
        lines["example"] = msgspec.json.encode(example).decode() + "\n"
        plain = {name: str(value) for name, value in example.items() if isinstance(value, (str, int)) and not isinstance(value, bool)}
        table["example"] = ",".join(plain) + "\n" + ",".join(f'"{value}"' for value in plain.values()) + "\n"
    return {"description": description, "content": {"application/x-ndjson": lines, "text/csv": table}}


def _asked(shape: Shape, name: str, summary: str, verb: str, description: str, **more: Any) -> dict[str, Any]:
    made = operation(shape, verb, summary, description=description, **more)
    return made | {"operationId": f"{shape.name}.{name}"}


def _export(part: Part, shape: Shape) -> dict[str, Any]:
    own = [
        query("format", {"type": "string", "enum": ["ndjson", "csv"], "default": "ndjson"}, "One JSON object per line, or a table."),
        query("formulas", {"type": "string", "enum": ["escaped", "raw"], "default": "escaped"}, "Whether a text that a spreadsheet would run gets a `'` before it."),
    ]  # fmt: skip
    shared = [parameter(name) for name in shared_of(shape) if name not in ("cursor", "limit", "count")]
    return _asked(
        shape,
        "export",
        f"Export {_many(shape)}",
        "export",
        f"All {_many(shape)} that the list would show, as a stream of what they are at one moment. It takes the permission to read as well.",
        parameters=[*own, *shared, *filters(part, shape)],
        responses={"200": _files("The file."), **problems.of_operation("Malformed", "Invalid")},
    )


def _import(shape: Shape, modes: list[str]) -> dict[str, Any]:
    row = examples.of_create(shape) if "create" in modes else {"id": examples.ID}
    file = _files("A JSON object per line, or a table whose first line names fields or their labels.", row) | {"required": True}
    done = answer(
        "The file is done; rows that were refused are counted.", ref("Import"), _SHOWN, header("Location") | header("Idempotency-Replayed")
    )
    return _asked(
        shape,
        "import",
        f"Import {_many(shape)}",
        "import",
        f"Takes in a file of {_many(shape)} of any size, with every rule that holds for one. A row that is wrong is reported and left out. "
        "It takes the permissions to create or to change as well, as `mode` says.",
        parameters=[*_parameters(shape, modes), parameter("Idempotency-Key")],
        requestBody=file,
        responses={"200": done, **problems.of_operation("Malformed", "Conflict", "Invalid")},
    )


def _parameters(shape: Shape, modes: list[str]) -> list[dict[str, Any]]:
    alike = list(shape.entity.alike)
    words: list[tuple[str, list[str], str]] = [
        ("mode", modes, "Whether rows are new, change what is there, or either."),
        ("dry_run", ["false", "true"], "Judge every row and write none."),
        ("on_error", ["skip", "stop"], "Whether a row that is wrong is left out, or ends the import there."),
        ("encoding", ["utf-8", "windows-1252", "latin-1"], "Of a CSV file."),
        ("empty", ["keep", "null"], "What an empty cell says of a record that is there: nothing, or that the field is empty now."),
        ("formulas", ["escaped", "raw"], "Whether the `'` before a text that a spreadsheet would run is taken off again."),
        ("tag", ["true", "false"], "Whether records get the tag `import:<id>`."),
    ]
    texts = [
        query(
            "match", _WORD | {"default": "id"}, "What the record of a row is found by: `id`, `external_refs.<source>` or a field of text."
        ),
        query("map", _WORD, "Which column is which field: `Column:field,Other column:field`; nothing behind the colon leaves it out."),
        query("delimiter", _WORD | {"default": ","}, f"One character, or one of {', '.join(DELIMITERS)}."),
    ]
    if alike:
        first = f"By which of {', '.join(alike)} a new row that is known is left out, comma separated, or `none`."
        texts.append(query("dedupe", _WORD | {"default": alike[0]}, first))
    default = [
        query(name, {"type": "string", "enum": some, "default": some[0]}, text)
        for name, some, text in words
        if "create" in modes or name != "mode"
    ]
    if "create" not in modes:
        default.append(query("mode", {"type": "string", "enum": modes}, words[0][2], modes[0]) | {"required": True})
    return [*default, *texts]


def _imports(shape: Shape) -> dict[str, Any]:
    schema = {"type": "object", "properties": {"items": {"type": "array", "items": ref("Import")}}, "required": ["items"]}
    return _asked(
        shape,
        "imports",
        f"List imports of {_many(shape)}",
        "import",
        "The last fifty, the newest first.",
        parameters=[],
        responses={"200": answer("The imports.", schema, {"items": [_SHOWN]}), **problems.of_operation("Malformed", "Invalid")},
    )


def _status(shape: Shape) -> dict[str, Any]:
    return _asked(
        shape,
        "import_status",
        f"Get an import of {_many(shape)}",
        "import",
        "How far it has come, also while it runs.",
        parameters=[_IMPORT_ID],
        responses={"200": answer("The import.", ref("Import"), _SHOWN), **problems.of_operation("NotFound")},
    )


def _rows(shape: Shape) -> dict[str, Any]:
    return _asked(
        shape,
        "import_rows",
        f"Get the rows of an import of {_many(shape)}",
        "import",
        "What became of every row, as NDJSON: its number in the file, its outcome, its record, and what was wrong with it.",
        parameters=[_IMPORT_ID, query("outcome", {"type": "string", "enum": list(OUTCOMES)}, "Only these rows.")],
        responses={
            "200": {"description": "The rows.", "content": {"application/x-ndjson": {"schema": _WORD}}},
            **problems.of_operation("Malformed", "NotFound", "Invalid"),
        },
    )


def _resume(shape: Shape) -> dict[str, Any]:
    return _asked(
        shape,
        "import_resume",
        f"Resume an import of {_many(shape)}",
        "import",
        "Goes on with an import that was cut off or stopped: send the same file again; what is done is passed over.",
        parameters=[_IMPORT_ID],
        requestBody=_files("The same file.") | {"required": True},
        responses={"200": answer("Done.", ref("Import"), _SHOWN), **problems.of_operation("Malformed", "NotFound", "Conflict", "Invalid")},
    )


def _undo(shape: Shape) -> dict[str, Any]:
    return _asked(
        shape,
        "import_undo",
        f"Undo an import of {_many(shape)}",
        "import",
        "Takes back what it made and what it changed, unless that was changed since. It takes the permissions to remove and to change as well.",
        parameters=[_IMPORT_ID],
        responses={
            "200": answer("Undone.", ref("Import"), _SHOWN),
            **problems.of_operation("Malformed", "NotFound", "Conflict", "Invalid"),
        },
    )
