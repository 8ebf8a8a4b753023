"""The catalogue: every operation of the services as a tool, with its words, its schemas, and what a host should know before it lets a model use it."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from nexus.core.flow import FLOWS
from nexus.core.service import Service
from nexus.surfaces.mcp.schemas import CONTROLS, asked_of, input_of, output_of
from nexus.surfaces.openapi import service_part
from nexus.surfaces.openapi.examples import ID
from nexus.surfaces.openapi.parts import Part
from nexus.surfaces.operations import Operation, Operations
from nexus.surfaces.shapes import Shape, shape_of

LONGEST: Final = 64
"""Characters of a name that every model's provider takes; they take no dot either."""
_PLACEHOLDER: Final = re.compile(r"^\{\w+\}$")
_OVERWRITES: Final = frozenset({"update", "archive", "delete"})


@dataclass(frozen=True, slots=True)
class Refusal:
    """A problem that a tool may answer."""

    code: str
    status: int
    says: str


@dataclass(frozen=True, eq=False)
class Tool:
    """One tool. Its schemas are made on first use and kept."""

    name: str
    """As models call it: `crm_lead_convert`."""
    operation: Operation
    title: str
    description: str
    example: dict[str, Any]
    """Arguments that fit, with ids that lead nowhere."""
    final: bool
    """What it does cannot be undone: it takes a confirmation."""
    destructive: bool
    idempotent: bool
    _part: Part = field(repr=False)
    _said: dict[str, Any] = field(repr=False)

    @property
    def reads(self) -> bool:
        return self.operation.reads

    @property
    def shape(self) -> Shape | None:
        return None if self.operation.entity is None else shape_of(self.operation.entity)

    @functools.cached_property
    def input_schema(self) -> dict[str, Any]:
        made = input_of(self.operation, self.shape, self._part, self._said, final=self.final)
        return made | {"examples": [self.example]}

    @functools.cached_property
    def output_schema(self) -> dict[str, Any]:
        return output_of(self.operation, self._part, self._said)

    @functools.cached_property
    def controls(self) -> frozenset[str]:
        """Which of the arguments are no fields of its own."""
        if self.reads:
            return frozenset()
        properties = self.input_schema["properties"]
        return frozenset(name for name, said in CONTROLS.items() if properties.get(name, {}).get("description") == said["description"])

    @functools.cached_property
    def words(self) -> str:
        """What a search looks at."""
        return f"{self.name.replace('_', ' ')} {self.title} {self.description}".lower()

    def refusals(self) -> Iterator[Refusal]:
        """The problems of its own rules, as OpenAPI has them."""
        for status, response in self._said["responses"].items():
            media = response.get("content", {}).get("application/problem+json", {})
            for code, one in media.get("examples", {}).items():
                says = one["value"]["detail"] if _PLACEHOLDER.match(one["summary"]) else one["summary"]
                yield Refusal(code, int(status), says)


class Catalogue:
    """All tools of a process, in the order of services and entities."""

    def __init__(self, operations: Operations, services: Mapping[str, Service]) -> None:
        self.services = dict(services)
        self._by_name: dict[str, Tool] = {}
        parts = {name: service_part(service) for name, service in self.services.items()}
        said = {name: _operations(part) for name, part in parts.items()}
        for operation in operations:
            tool = _tool(operation, parts[operation.service], said[operation.service][operation.name])
            if tool.name in self._by_name or len(tool.name) > LONGEST:
                raise TypeError(f"{operation.name} makes no tool: {tool.name} is taken or longer than {LONGEST} characters")
            self._by_name[tool.name] = tool

    def __iter__(self) -> Iterator[Tool]:
        return iter(self._by_name.values())

    def __len__(self) -> int:
        return len(self._by_name)

    def get(self, name: str) -> Tool | None:
        """The tool of this name; also by the name of its operation, `crm.lead.convert`."""
        return self._by_name.get(name) or self._by_name.get(tool_name(name))


def tool_name(operation: str) -> str:
    """`crm_lead_convert` of `crm.lead.convert`."""
    return operation.replace(".", "_").replace("-", "_")


def _operations(part: Part) -> dict[str, dict[str, Any]]:
    """What OpenAPI says of every operation, by its name."""
    found = (operation for path in part.paths.values() for operation in path.values())
    return {one["operationId"].replace(".reports.", ".report."): one for one in found}


def _tool(operation: Operation, part: Part, said: dict[str, Any]) -> Tool:
    moves = _moves(operation)
    handler = operation.handler
    final = operation.kind == "delete" or (handler is not None and (handler.command.final or moves == "into an end"))
    return Tool(
        name=tool_name(operation.name),
        operation=operation,
        title=said["summary"],
        description=_description(operation, said),
        example=_example(operation, said),
        final=final,
        destructive=final or operation.kind in _OVERWRITES,
        idempotent=operation.kind in _OVERWRITES or operation.kind == "restore" or moves is not None,
        _part=part,
        _said=said,
    )


def _moves(operation: Operation) -> str | None:
    """Whether a command is a move of its record's flow that cannot be made twice, and whether any move leads on from there."""
    handler = operation.handler
    if handler is None:
        return None
    for flow in FLOWS:
        move = flow.moves.get(handler.verb)
        if flow.column.class_ is operation.entity and move is not None and move.ends not in move.starts:
            return "onwards" if any(move.ends in other.starts for other in flow.moves.values()) else "into an end"
    return None


def _description(operation: Operation, said: dict[str, Any]) -> str:
    text = str(said.get("description", "")) or str(said["summary"])
    title = str(said["summary"])
    return text if text.startswith(title) else f"{title}. {text}"


def _example(operation: Operation, said: dict[str, Any]) -> dict[str, Any]:
    example: dict[str, Any] = {"id": ID} if operation.on_one else {}
    if operation.kind == "list":
        return example | {"limit": 5}
    if operation.kind == "report":
        return example | {one["name"]: one["example"] for one in asked_of(said) if one["required"]}
    if "requestBody" in said:
        example |= said["requestBody"]["content"]["application/json"]["example"]
    return example | ({"version": 1} if operation.kind in _OVERWRITES else {})
