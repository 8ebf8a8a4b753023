"""The guide of a service: what it keeps, how that may change and what can be done, as one text for a model, for what the caller may use."""

from __future__ import annotations

import importlib
from collections.abc import Iterator

from nexus.core.entity import Entity
from nexus.core.flow import FLOWS
from nexus.surfaces.mcp.catalogue import Catalogue, Tool
from nexus.surfaces.mcp.session import Session
from nexus.surfaces.openapi.structs import paragraphs
from nexus.surfaces.shapes import shape_of

MANNERS = (
    "Read before you change: a change names the `version` that was read. Amounts and other exact numbers are texts. "
    "`dry_run` says what a call would do. What cannot be undone asks to be confirmed by the person first. "
    "A refusal names the field that is wrong: mend that and call again."
)


def guide(catalogue: Catalogue, session: Session, service: str) -> str:
    """The guide as Markdown."""
    found = catalogue.services[service]
    about = paragraphs(importlib.import_module(found.package).__doc__).split("\n\n")[0]
    tools = [tool for tool in catalogue if tool.operation.service == service and session.admits(tool)]
    lines = [f"# {found.title}", "", about, "", MANNERS, "", "## Records", ""]
    lines += list(_records(tools))
    reports = [tool for tool in tools if tool.operation.kind == "report"]
    if reports:
        lines += ["", "## Reports", "", *(f"- `{tool.name}`: {tool.title}." for tool in reports)]
    return "\n".join(lines) + "\n"


def _records(tools: list[Tool]) -> Iterator[str]:
    by_entity: dict[type[Entity], list[Tool]] = {}
    for tool in tools:
        if tool.operation.entity is not None:
            by_entity.setdefault(tool.operation.entity, []).append(tool)
    for entity, own in by_entity.items():
        shape = shape_of(entity)
        commands = [tool for tool in own if tool.operation.kind == "command"]
        plain = [tool.operation.kind for tool in own if tool.operation.kind != "command"]
        yield f"- **{shape.title}** (`{tool_prefix(own[0])}_…`: {', '.join(plain)}). {shape.summary}"
        yield from (f"    - {text}" for text in moves(entity))
        yield from (f"    - `{tool.name}`: {tool.title}{' (cannot be undone)' if tool.final else ''}." for tool in commands)


def tool_prefix(tool: Tool) -> str:
    """What the tools of an entity begin with: `crm_lead`."""
    entity = tool.operation.entity
    return "" if entity is None else entity.entity_name().replace(".", "_")


def moves(entity: type[Entity]) -> Iterator[str]:
    """How the state of an entity may change, a sentence for each of its flows."""
    for flow in FLOWS:
        if flow.column.class_ is entity:
            arrows = [f"{move.name} ({', '.join(sorted(move.starts))} → {move.ends})" for move in flow.moves.values()]
            yield f"`{flow.column.key}` changes by {'; '.join(arrows)}."
