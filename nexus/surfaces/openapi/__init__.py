"""OpenAPI 3.1, derived: one document that says everything the declarations say, for people, clients and generators.

schemas.py      an entity's fields as JSON Schema
structs.py      commands, answers and values as JSON Schema
examples.py     an example for everything, which fits its schema
problems.py     the refusals: what each operation may answer instead, read from the rules themselves
records.py      operations on records
many.py         operations on many records at once
files.py        imports and exports
actions.py      commands and reports
documents.py    files that records are given out as
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from nexus.core.service import Service
from nexus.surfaces.openapi import actions, documents, files, many, problems, records
from nexus.surfaces.openapi.parts import Part
from nexus.surfaces.openapi.structs import paragraphs

__all__ = ["Part", "document", "service_part"]

VERSION: Final = "1.0.0"
INTRODUCTION: Final = """
Everything this installation can be asked, derived from the same declarations as its tables and permissions.

**Credentials.** A tenant's API takes its API key as `Authorization: Bearer <key>`; activation answers the owner's. Tenants themselves are
made and kept with the operator's key, sent in the same way.

**Writes.** Send an `Idempotency-Key` with a write that may be repeated: the first result is kept for a day and answered again. A change of a
record needs `If-Match` with the `ETag` it was read with. `Prefer: return=minimal` leaves the body out.

**Lists** come in pages with `next_cursor`. Any field filters: `?status=new`, `?amount[gte]=100`, `?city[in]=Lagos,Accra`,
`?name[contains]=ade`, `?email[null]=true`; the operators are `eq ne gt gte lt lte in nin null contains starts`.

**Refusals** are RFC 9457 problems (`application/problem+json`) whose `errors` name the fields. Exact numbers, money among them, travel as
strings, so that no client rounds them.
"""


def service_part(service: Service) -> Part:
    """What one service adds to the document."""
    part = Part()
    for entity in service.entities():
        records.add(part, entity)
    many.add(part, service)
    files.add(part, service)
    actions.add(part, service)
    documents.add(part, service)
    return part


def document(services: Iterable[Service] | dict[str, Service], *more: Part, url: str = "/") -> dict[str, Any]:
    """The OpenAPI 3.1 document of some services and further parts, such as the control plane's."""
    chosen: list[Service] = [*(services.values() if isinstance(services, dict) else services)]
    parts = [*more, *(service_part(service) for service in chosen)]
    tags: list[dict[str, Any]] = [tag for part in parts for tag in part.tags]
    schemas: dict[str, Any] = {name: schema for part in parts for name, schema in part.schemas.items()}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "NEXUS",
            "version": VERSION,
            "summary": "One call turns a business into a running system.",
            "description": paragraphs(INTRODUCTION),
        },
        "servers": [{"url": url}],
        "security": [{"tenantKey": []}],
        "tags": tags,
        "paths": {path: item for part in parts for path, item in part.paths.items()},
        "components": {
            "schemas": problems.SCHEMAS | schemas,
            "examples": {name: example for part in parts for name, example in part.examples.items()},
            "responses": problems.responses(),
            "parameters": records.PARAMETERS,
            "headers": records.HEADERS,
            "securitySchemes": SECURITY,
        },
    }


SECURITY: Final[dict[str, Any]] = {
    "tenantKey": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key of a tenant: of its owner, or one made with `POST /api/v1/auth/api_keys`.",
    },
    "operatorKey": {
        "type": "http",
        "scheme": "bearer",
        "description": "The key of whoever runs this installation; made on the first start.",
    },
}
