"""Documents: the files that records are given out as."""

from __future__ import annotations

from nexus.core.service import Service
from nexus.surfaces.openapi import problems
from nexus.surfaces.openapi.parts import Part, parameter
from nexus.surfaces.openapi.records import operation, query
from nexus.surfaces.openapi.structs import paragraphs, summary
from nexus.surfaces.shapes import shape_of


def add(part: Part, service: Service) -> None:
    """The documents of a service."""
    for one in service.documents():
        shape = shape_of(one.entity)
        words = [f"`{name}`: {form.title}" for name, form in one.forms.items()]
        form = query(
            "format",
            {"type": "string", "enum": list(one.forms), "default": next(iter(one.forms))},
            f"{'; '.join(words)}. Without it the Accept header says.",
        )
        content = {form.media: {"schema": {"type": "string", "format": "binary"}} for form in one.forms.values()}
        made = operation(
            shape,
            "read",
            summary(one.summary),
            description=paragraphs(one.summary),
            parameters=[parameter("id"), form, parameter("If-None-Match")],
            responses={
                "200": {"description": "The file.", "content": content},
                "304": {"description": "It is what the caller has."},
                **problems.of_operation("Malformed", "NotFound", "Conflict", "Invalid", own=problems.raised_by(one.write)),
            },
        )
        part.on(f"/api/v1/{shape.service}/{shape.path}/{{id}}/{one.name}", "get", made | {"operationId": f"{shape.name}.{one.name}"})
