"""Resources: records, lists and reports by address: `nexus://crm/leads/{id}`, `nexus://crm/leads{?q,limit}`, `nexus://crm/reports/win-loss`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit
from uuid import UUID

import mcp_types as types

from nexus.core.problem import FieldError, Invalid, NotFound
from nexus.surfaces.mcp.catalogue import Catalogue, Tool
from nexus.surfaces.mcp.guide import guide
from nexus.surfaces.mcp.session import Session
from nexus.surfaces.operations import Ask, Operations

SCHEME: Final = "nexus"
PAGE: Final = 50
_JSON: Final = "application/json"
_TEXT: Final = "text/markdown"


class Resources:
    """What can be read by an address, by whoever may read it by a tool."""

    def __init__(self, catalogue: Catalogue, operations: Operations) -> None:
        self._catalogue = catalogue
        self._operations = operations

    def listed(self, session: Session, cursor: str | None) -> types.ListResourcesResult:
        """Guides of the services, lists of records, and reports that need nothing told."""
        found = list(self._resources(session))
        first = _place(cursor, len(found))
        following = str(first + PAGE) if first + PAGE < len(found) else None
        return types.ListResourcesResult(resources=found[first : first + PAGE], next_cursor=following)

    def templates(self, session: Session, cursor: str | None) -> types.ListResourceTemplatesResult:
        """Records by id, lists with their conditions, and reports with their parameters."""
        found = list(self._templates(session))
        first = _place(cursor, len(found))
        following = str(first + PAGE) if first + PAGE < len(found) else None
        return types.ListResourceTemplatesResult(resource_templates=found[first : first + PAGE], next_cursor=following)

    async def read(self, session: Session, uri: str, correlation: str) -> types.ReadResourceResult:
        """What is at an address. NotFound (404) where nothing is, Forbidden (403) where it is not for this caller."""
        service, parts, query = _taken_apart(uri)
        if not parts:
            if service not in self._catalogue.services or not any(self._admitted(session, service)):
                raise NotFound(kind="resource", id=uri[:200])
            return _contents(uri, _TEXT, guide(self._catalogue, session, service))
        tool, id = self._tool(uri, service, parts)
        session.admit(tool)
        ask = Ask(id=id, query=query, correlation=correlation)
        response = await self._operations.ask(session.speaking(tool.name), tool.operation, ask)
        return _contents(uri, _JSON, response.body.decode())

    def found(self, uri: str) -> tuple[Tool, UUID | None] | None:
        """The tool that reads an address without conditions, and the id of the record; None where nothing is read there."""
        try:
            service, parts, query = _taken_apart(uri)
            tool, id = self._tool(uri, service, parts or [""])
            return None if query else (tool, None if id is None else UUID(id))
        except (NotFound, ValueError):
            return None

    def _tool(self, uri: str, service: str, parts: list[str]) -> tuple[Tool, str | None]:
        """The tool that reads an address, and the id of the record."""
        for tool in self._catalogue:
            operation = tool.operation
            if operation.service != service or not operation.reads:
                continue
            if operation.kind == "get" and parts[0] == operation.path.partition("/")[0] and len(parts) == 2:
                return tool, parts[1]
            if operation.kind in ("list", "report") and "/".join(parts) == operation.path:
                return tool, None
        raise NotFound(kind="resource", id=uri[:200])

    def _admitted(self, session: Session, service: str) -> Iterator[Tool]:
        return (tool for tool in self._catalogue if tool.operation.service == service and tool.reads and session.admits(tool))

    def _resources(self, session: Session) -> Iterator[types.Resource]:
        for name, service in self._catalogue.services.items():
            tools = list(self._admitted(session, name))
            if tools:
                title = f"{service.title}: what there is"
                yield types.Resource(uri=f"{SCHEME}://{name}", name=name, title=title, description=title, mime_type=_TEXT)
            for tool in tools:
                needs_more = bool(tool.input_schema["required"])
                if tool.operation.kind in ("list", "report") and not needs_more:
                    yield types.Resource(
                        uri=_address(tool), name=tool.operation.name, title=tool.title, description=tool.description, mime_type=_JSON
                    )

    def _templates(self, session: Session) -> Iterator[types.ResourceTemplate]:
        for name in self._catalogue.services:
            for tool in self._admitted(session, name):
                properties = ",".join(_parameters(tool))
                yield types.ResourceTemplate(
                    uri_template=_address(tool) + (f"{{?{properties}}}" if properties else ""),
                    name=tool.operation.name,
                    title=tool.title,
                    description=tool.description,
                    mime_type=_JSON,
                )


def _parameters(tool: Tool) -> list[str]:
    """What an address may say behind the question mark."""
    return [name for name in tool.input_schema["properties"] if name != "id"]


def _address(tool: Tool) -> str:
    return f"{SCHEME}://{tool.operation.service}/{tool.operation.path}"


def record_address(tool: Tool, id: str) -> str:
    """The address of one record, by the tool that gets it."""
    return _address(tool).replace("{id}", id)


def _taken_apart(uri: str) -> tuple[str, list[str], list[tuple[str, str]]]:
    """Service, path and query of an address. NotFound (404) where it is none."""
    try:
        parts = urlsplit(uri)
        query = parse_qsl(parts.query, keep_blank_values=True, errors="strict", max_num_fields=100)
    except ValueError:
        raise NotFound(kind="resource", id=uri[:200]) from None
    if parts.scheme != SCHEME or parts.fragment:
        raise NotFound(kind="resource", id=uri[:200])
    return parts.netloc, [unquote(one) for one in parts.path.split("/") if one], query


def _contents(uri: str, kind: str, text: str) -> types.ReadResourceResult:
    return types.ReadResourceResult(contents=[types.TextResourceContents(uri=uri, mime_type=kind, text=text)])


def _place(cursor: str | None, there: int) -> int:
    if cursor is None:
        return 0
    if not cursor.isascii() or not cursor.isdigit() or len(cursor) > 6 or int(cursor) > there:
        raise Invalid.of(FieldError("cursor", "is not a nextCursor of this list"))
    return int(cursor)
