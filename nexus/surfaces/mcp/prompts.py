"""Prompts: where a person may begin, for each service, for each record that has a life of its own, and for each report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import quote

import mcp_types as types

from nexus.core.flow import FLOWS
from nexus.core.problem import FieldError, Invalid, NotFound
from nexus.surfaces.mcp.catalogue import Catalogue, Tool
from nexus.surfaces.mcp.guide import guide, moves, tool_prefix
from nexus.surfaces.mcp.resources import Resources, record_address
from nexus.surfaces.mcp.session import Session

_TASK: Final = types.PromptArgument(name="task", description="What is to be done, in your own words.", required=False)


class Prompts:
    """The prompts of what the caller may use."""

    def __init__(self, catalogue: Catalogue, resources: Resources) -> None:
        self._catalogue = catalogue
        self._resources = resources

    def listed(self, session: Session) -> types.ListPromptsResult:
        """All of them; there are few."""
        return types.ListPromptsResult(prompts=[prompt for prompt, _ in self._prompts(session)])

    async def get(self, session: Session, name: str, arguments: Mapping[str, str], correlation: str) -> types.GetPromptResult:
        """One prompt with its arguments. NotFound (404), and Invalid (422) for an argument that is missing or not there."""
        found = next(((one, tool) for one, tool in self._prompts(session) if one.name == name), None)
        if found is None:
            raise NotFound(kind="prompt", id=name[:100])
        prompt, tool = found
        known = {one.name: one for one in prompt.arguments or []}
        for given in arguments:
            if given not in known:
                raise Invalid.of(FieldError(given, f"is not an argument here; there are {', '.join(known) or 'none'}"))
        for one in known.values():
            if one.required and not arguments.get(one.name):
                raise Invalid.of(FieldError(one.name, "is required"))
        messages = await self._messages(session, name, tool, arguments, correlation)
        return types.GetPromptResult(description=prompt.description, messages=messages)

    def _prompts(self, session: Session) -> Iterator[tuple[types.Prompt, Tool | None]]:
        """Each with the tool that reads what it is about."""
        for name, service in self._catalogue.services.items():
            tools = [tool for tool in self._catalogue if tool.operation.service == name and session.admits(tool)]
            if not tools:
                continue
            title = f"Work in {service.title.lower()}"
            said = f"What {service.title.lower()} holds and what can be done there, and then a task."
            yield types.Prompt(name=name, title=title, description=said, arguments=[_TASK]), None
            for tool in tools:
                if tool.operation.kind == "get" and _has_flow(tool):
                    yield _of_record(tool), tool
                if tool.operation.kind == "report":
                    yield _of_report(tool), tool

    async def _messages(
        self, session: Session, name: str, tool: Tool | None, arguments: Mapping[str, str], correlation: str
    ) -> list[types.PromptMessage]:
        if tool is None:
            task = arguments.get("task") or "Ask me what I want to do."
            return [_says(guide(self._catalogue, session, name)), _says(task)]
        if tool.operation.kind == "report":
            address = f"nexus://{tool.operation.service}/{tool.operation.path}"
            query = "&".join(f"{key}={quote(value, safe='')}" for key, value in arguments.items())
            read = await self._resources.read(session, f"{address}?{query}" if query else address, correlation)
            return [
                _shows(read),
                _says(f"These are the rows of the report “{tool.title}”. Say what stands out, and what I should do about it."),
            ]
        read = await self._resources.read(session, record_address(tool, arguments["id"]), correlation)
        return [_shows(read), _says(_next(self._catalogue, session, tool))]


def _has_flow(tool: Tool) -> bool:
    return any(flow.column.class_ is tool.operation.entity for flow in FLOWS)


def _of_record(tool: Tool) -> types.Prompt:
    title = tool.shape.title if tool.shape is not None else "record"
    return types.Prompt(
        name=f"{tool_prefix(tool)}_next",
        title=f"What next for this {title}?",
        description=f"A {title} as it is, and how it may go on from there.",
        arguments=[types.PromptArgument(name="id", description=f"The id of the {title}.", required=True)],
    )


def _of_report(tool: Tool) -> types.Prompt:
    required = tool.input_schema["required"]
    arguments = [
        types.PromptArgument(name=name, description=one.get("description"), required=name in required)
        for name, one in tool.input_schema["properties"].items()
    ]
    return types.Prompt(name=tool.name, title=f"Explain: {tool.title}", description=tool.description, arguments=arguments)


def _next(catalogue: Catalogue, session: Session, tool: Tool) -> str:
    entity = tool.operation.entity
    assert entity is not None, "a record has an entity"
    own = [one for one in catalogue if one.operation.entity is entity and one.operation.kind == "command" and session.admits(one)]
    lines = ["How it may go on:", *(f"- {text}" for text in moves(entity)), "", "Tools for that:"]
    lines += [f"- `{one.name}`: {one.title}." for one in own] or ["- none that I may use."]
    return "\n".join([*lines, "", "Propose the next step and why. Try it with `dry_run` first, and do it once I say so."])


def _says(text: str) -> types.PromptMessage:
    return types.PromptMessage(role="user", content=types.TextContent(text=text))


def _shows(read: types.ReadResourceResult) -> types.PromptMessage:
    (contents,) = read.contents
    return types.PromptMessage(role="user", content=types.EmbeddedResource(resource=contents))
