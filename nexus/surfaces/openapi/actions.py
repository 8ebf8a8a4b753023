"""Commands and reports: what can be asked beyond records, with its docstring, its request, its answer and its own refusals."""

from __future__ import annotations

from typing import Any

import msgspec
import sqlalchemy as sa

from nexus.core.message import Answer, Handler
from nexus.core.service import Service
from nexus.surfaces.openapi import examples, problems, structs
from nexus.surfaces.openapi.parts import Part, answer, body, parameter
from nexus.surfaces.openapi.records import header, operation, query
from nexus.surfaces.openapi.structs import paragraphs, summary
from nexus.surfaces.permissions import rights_of
from nexus.surfaces.rest.actions import body_type
from nexus.surfaces.shapes import Shape, shape_of
from nexus.surfaces.spreadsheets import MEDIA

_NOBODY = rights_of(frozenset[str](), frozenset[str]())
_FORMAT = query(
    "format",
    {"type": "string", "enum": list(MEDIA.values()), "default": "json"},
    "A table as CSV, as a workbook or as pages. Without it the Accept header says.",
)


def add(part: Part, service: Service) -> None:
    """Everything a service can be asked beyond the records it keeps."""
    shapes = {shape.name: shape for shape in map(shape_of, service.entities())}
    for handler in service.handlers():
        path, made = _path(shapes[handler.entity], handler), _command(part, service, shapes[handler.entity], handler)
        part.on(path, "post", made)
    for one in service.answers():
        part.on(f"/api/v1/{service.name}/reports/{one.name}", "get", _report(part, service, one))
    if service.answers():
        part.tags.append(
            {"name": f"{service.name} reports", "description": f"Questions to {service.title} that are answered by one statement."}
        )


def _path(shape: Shape, handler: Handler) -> str:
    path = f"/api/v1/{shape.service}/{shape.path}"
    if handler.verb == "create":
        return path
    return f"{path}/{{id}}/{handler.verb}" if handler.target_field is not None else f"{path}/{handler.verb}"


def _command(part: Part, service: Service, shape: Shape, handler: Handler) -> dict[str, Any]:
    command, asked, answered = handler.command, body_type(handler), handler.command.answer_type()
    (request, response), named = structs.components(service.name, [asked, answered])
    docs = structs.field_docs(command)
    for name, inner in named.get(f"{service.name}.{asked.__name__}", {}).get("properties", {}).items():
        if name in docs:
            inner["description"] = docs[name]
    part.schemas.update(named)
    status, creates = ("201", True) if handler.verb == "create" else ("200", False)
    targeted = handler.target_field is not None
    known = ("Malformed", *(["NotFound"] if targeted or _refers(asked) else []), "Conflict", "TooLarge", "Invalid")
    headers = header("Idempotency-Replayed") | (header("Location") if creates else {})
    done = answer("Made." if creates else "Done.", response, examples.of_answer(answered), headers)
    return operation(
        shape,
        handler.verb,
        summary(command.__doc__),
        description=paragraphs(command.__doc__),
        parameters=[*([parameter("id")] if targeted else []), parameter("dry_run"), parameter("Idempotency-Key"), parameter("Prefer")],
        requestBody=body(request, _example(shape, asked), required=any(field.required for field in msgspec.structs.fields(asked))),
        responses={
            status: done,
            "204": {"description": "Done; `Prefer: return=minimal` asked for no body."},
            **problems.of_operation(*known, own=problems.raised_by(handler.run)),
        },
    )


def _example(shape: Shape, asked: Any) -> dict[str, Any]:
    """An example of a command's body; what is also a field of the record has that field's example."""
    found: dict[str, Any] = examples.of_type(asked)
    own = {name: shape.fields[name] for name in found if name in shape.fields and shape.fields[name].facts.example is not None}
    return found | {name: examples.of_field(field) for name, field in own.items()}


def _refers(asked: Any) -> bool:
    """Whether a body names records, which may not be there."""
    return any(name.endswith(("_id", "_ids")) for name in asked.__struct_fields__)


def _report(part: Part, service: Service, one: Answer) -> dict[str, Any]:
    rows = _rows(part, one)
    schema = {"type": "object", "properties": {"items": {"type": "array", "items": rows}}, "required": ["items"]}
    return {
        "operationId": f"{service.name}.reports.{one.name}",
        "tags": [f"{service.name} reports"],
        "summary": summary(one.query.__doc__),
        "description": paragraphs(one.query.__doc__),
        "x-permission": one.needs,
        "parameters": [*_parameters(part, service, one), _FORMAT, parameter("If-None-Match")],
        "responses": {
            "200": _as_files(answer("The rows.", schema)),
            "304": {"description": "It is what the caller has."},
            **problems.of_operation("Malformed", "Invalid", own=problems.raised_by(one.select)),
        },
    }


def _as_files(shown: dict[str, Any]) -> dict[str, Any]:
    """An answer that is also there as the files of spreadsheets."""
    files = {media: {"schema": {"type": "string", "format": "binary"}} for media in MEDIA if media not in shown["content"]}
    return shown | {"content": shown["content"] | files}


def _parameters(part: Part, service: Service, one: Answer) -> list[dict[str, Any]]:
    docs, found = structs.field_docs(one.query), list[dict[str, Any]]()
    for field in msgspec.structs.fields(one.query):
        schema, named = structs.one(service.name, field.type)
        part.schemas.update(named)
        said: dict[str, Any] = {"name": field.encode_name, "in": "query", "required": field.required, "schema": schema}
        if field.name in docs:
            said["description"] = docs[field.name]
        if field.required:
            said["example"] = examples.of_type(field.type, field.name)
        found.append(said)
    return found


def _rows(part: Part, one: Answer) -> dict[str, Any]:
    """What a row of a report holds, from the columns of its statement; an object where it takes parameters to know them."""
    columns = {str(column.name): _column(column.type) for column in columns_of(one)}
    return {"type": "object", "properties": columns, "required": list(columns)} if columns else {"type": "object"}


def columns_of(one: Answer) -> list[sa.ColumnElement[Any]]:
    """The columns of a report's rows; none where it takes parameters to know them."""
    try:
        question = msgspec.convert(examples.of_type(one.query), one.query, strict=False)
        return list(one.select(question, _NOBODY).selected_columns)
    except (msgspec.ValidationError, LookupError, TypeError, ValueError):
        return []


def _column(kind: Any) -> dict[str, Any]:
    names: dict[str, dict[str, Any]] = {
        "Uuid": {"type": ["string", "null"], "format": "uuid"},
        "DateTime": {"type": ["string", "null"], "format": "date-time"},
        "Date": {"type": ["string", "null"], "format": "date"},
        "Boolean": {"type": ["boolean", "null"]},
        "Integer": {"type": ["integer", "null"]},
        "BigInteger": {"type": ["integer", "null"]},
        "Text": {"type": ["string", "null"]},
        "Exact": {"type": ["string", "null"]},
        "String": {"type": ["string", "null"]},
        "Enum": {"type": ["string", "null"]},
        "Numeric": {"type": ["number", "null"]},
        "ARRAY": {"type": ["array", "null"], "items": {"type": "string"}},
    }
    return names.get(type(kind).__name__, {})
