"""Listing: the tools page by page, first those that find others, then one service after the other; only what the caller may use."""

from __future__ import annotations

import functools
from typing import Final

import mcp_types as types

from nexus.core.problem import FieldError, Invalid
from nexus.surfaces.mcp import finding, many
from nexus.surfaces.mcp.catalogue import Catalogue, Tool
from nexus.surfaces.mcp.session import Session

PAGE: Final = 40
"""Tools of one page; a page never mixes services."""


class Listing:
    """The pages of `tools/list`. A cursor says where a page begins: a service, and how many of its tools were before."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def page(self, session: Session, cursor: str | None) -> types.ListToolsResult:
        """One page. Invalid (422) for a cursor that is none of ours."""
        services = [name for name in self._catalogue.services if self._of(session, name)]
        if cursor is None:
            following = f"{services[0]}:0" if services and not session.search_only else None
            return types.ListToolsResult(tools=[*finding.definitions(self._catalogue), many.definition()], next_cursor=following)
        service, _, place = cursor.partition(":")
        if service not in self._catalogue.services or not place.isascii() or not place.isdigit() or len(place) > 6:
            raise Invalid.of(FieldError("cursor", "is not a nextCursor of this list"))
        tools, first = self._of(session, service), int(place)
        shown = tools[first : first + PAGE]
        later = [name for name in services if services.index(name) > services.index(service)] if service in services else []
        following = f"{service}:{first + PAGE}" if first + PAGE < len(tools) else f"{later[0]}:0" if later else None
        return types.ListToolsResult(tools=[definition(tool) for tool in shown], next_cursor=following)

    def _of(self, session: Session, service: str) -> list[Tool]:
        return [tool for tool in self._catalogue if tool.operation.service == service and session.admits(tool)]


@functools.lru_cache(maxsize=4096)
def definition(tool: Tool) -> types.Tool:
    """A tool as the protocol shows it."""
    return types.Tool(
        name=tool.name,
        title=tool.title,
        description=tool.description,
        input_schema=tool.input_schema,
        output_schema=tool.output_schema,
        annotations=types.ToolAnnotations(
            title=tool.title,
            read_only_hint=tool.reads,
            destructive_hint=tool.destructive,
            idempotent_hint=tool.reads or tool.idempotent,
            open_world_hint=False,
        ),
        _meta={"nexus/service": tool.operation.service, "nexus/permission": tool.operation.needs, "nexus/cannotBeUndone": tool.final},
    )
