"""Finding tools: three tools through which a model reaches all the others without having read any of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final, get_args

import mcp_types as types
import msgspec

from nexus.core.problem import FieldError, Invalid, NotFound
from nexus.surfaces.mcp.catalogue import Catalogue, Tool
from nexus.surfaces.mcp.session import Session
from nexus.surfaces.operations import Kind
from nexus.surfaces.wire import field_error

FIND: Final = "find_tools"
DESCRIBE: Final = "describe_tool"
CALL: Final = "call_tool"
NAMES: Final = frozenset({FIND, DESCRIBE, CALL})
_WORD: Final = re.compile(r"[a-z0-9]+")
_USELESS: Final = frozenset("a an the of to for and or in on with by is are be what which how do does i my all".split())

_FOUND: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "tools": {"type": "array", "items": {"type": "object"}},
        "found": {"type": "integer"},
        "next_offset": {"type": ["integer", "null"]},
    },
    "required": ["tools", "found", "next_offset"],
}


class Find(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Search the tools that may be used here by what they do."""

    query: Annotated[str, msgspec.Meta(max_length=500)] = ""
    service: str | None = None
    kind: Kind | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=50)] = 10
    offset: Annotated[int, msgspec.Meta(ge=0, le=10_000)] = 0


class Describe(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Everything about one tool."""

    name: str


class Use(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Call a tool by its name."""

    name: str
    arguments: dict[str, Any] = {}


def read(arguments: Mapping[str, Any], into: type[Any]) -> Any:
    """The arguments of one of the three. Invalid (422) names the one that does not fit."""
    try:
        return msgspec.convert(dict(arguments), into)
    except msgspec.ValidationError as error:
        raise Invalid.of(field_error(error, into)) from None


def find(catalogue: Catalogue, session: Session, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The tools that fit a query best."""
    asked: Find = read(arguments, Find)
    if asked.service is not None and asked.service not in catalogue.services:
        raise Invalid.of(FieldError("service", f"{asked.service!r} is none of {', '.join(catalogue.services)}"))
    candidates = [
        tool
        for tool in catalogue
        if session.admits(tool) and asked.service in (None, tool.operation.service) and asked.kind in (None, tool.operation.kind)
    ]
    words = [word for word in _WORD.findall(asked.query.lower()) if word not in _USELESS]
    ranked = sorted(candidates, key=lambda tool: -_fits(tool, words)) if words else candidates
    found = [tool for tool in ranked if not words or _fits(tool, words) > 0]
    page = found[asked.offset : asked.offset + asked.limit]
    left = len(found) - asked.offset - len(page)
    return {"tools": [brief(tool) for tool in page], "found": len(found), "next_offset": asked.offset + len(page) if left > 0 else None}


def _fits(tool: Tool, words: Iterable[str]) -> float:
    """How well a tool fits: its name weighs most, then its title, then its description; a word may be the beginning of a longer one."""
    name, title = _WORD.findall(tool.name), _WORD.findall(tool.title.lower())
    all_ = _WORD.findall(tool.words)
    score = 0.0
    for word in words:
        score += 6 * _in(word, name) + 3 * _in(word, title) + _in(word, all_)
    return score - 0.001 * len(name)


def _in(word: str, words: list[str]) -> float:
    if word in words:
        return 1.0
    stem = word[:-1] if len(word) > 3 and word.endswith("s") else word
    return 0.6 if len(stem) > 2 and any(other.startswith(stem) for other in words) else 0.0


def brief(tool: Tool) -> dict[str, Any]:
    """What a model needs to choose a tool."""
    return {
        "name": tool.name,
        "title": tool.title,
        "service": tool.operation.service,
        "kind": tool.operation.kind,
        "read_only": tool.reads,
        "cannot_be_undone": tool.final,
        "arguments": [name for name in tool.input_schema["properties"] if name not in tool.controls],
    }


def describe(catalogue: Catalogue, session: Session, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Everything about one tool: what it takes and answers, and what it may refuse."""
    tool = known(catalogue, read(arguments, Describe).name)
    session.admit(tool)
    return brief(tool) | {
        "description": tool.description,
        "permission": tool.operation.needs,
        "input_schema": tool.input_schema,
        "output_schema": tool.output_schema,
        "example": tool.example,
        "refusals": [{"code": one.code, "status": one.status, "says": one.says} for one in tool.refusals()],
    }


def known(catalogue: Catalogue, name: str) -> Tool:
    """The tool of that name. NotFound (404) where there is none."""
    tool = catalogue.get(name)
    if tool is None:
        raise NotFound(kind="tool", id=name[:100])
    return tool


def definitions(catalogue: Catalogue) -> list[types.Tool]:
    """The three as the protocol shows them."""
    asked = {
        "query": {
            "type": "string",
            "maxLength": 500,
            "description": "Words for what is to be done, such as `convert lead`; empty for all.",
        },
        "service": {"type": "string", "enum": list(catalogue.services), "description": "Only tools of this service."},
        "kind": {"type": "string", "enum": list(get_args(Kind)), "description": "Only tools that do this."},
        "limit": {"type": "integer", "minimum": 1, "maximum": 50, "default": 10},
        "offset": {"type": "integer", "minimum": 0, "maximum": 10_000, "default": 0},
    }
    name = {"type": "string", "description": "As find_tools answers it: `crm_lead_convert`."}
    return [
        _definition(
            FIND,
            "Find tools",
            "Search the tools of this business by what they do. Begin here; then describe_tool says what one takes and call_tool calls it.",
            asked,
            [],
            _FOUND,
        ),
        _definition(DESCRIBE, "Describe a tool", "What one tool takes, answers and may refuse, with an example.", {"name": name}, ["name"]),
        _definition(
            CALL,
            "Call a tool",
            "Call any tool by its name with its arguments, also one that is not listed.",
            {"name": name, "arguments": {"type": "object", "description": "As describe_tool says."}},
            ["name"],
            reads=False,
        ),
    ]


def _definition(
    name: str,
    title: str,
    description: str,
    properties: dict[str, Any],
    required: list[str],
    output: dict[str, Any] | None = None,
    *,
    reads: bool = True,
) -> types.Tool:
    return types.Tool(
        name=name,
        title=title,
        description=description,
        input_schema={"type": "object", "properties": properties, "required": required, "additionalProperties": False},
        output_schema=output or {"type": "object"},
        annotations=types.ToolAnnotations(read_only_hint=reads, destructive_hint=not reads, idempotent_hint=reads, open_world_hint=False),
    )
