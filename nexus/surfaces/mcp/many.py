"""Many at once: one tool that makes or changes up to ten thousand records of a kind, as the bulk requests of REST do."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import mcp_types as types
import msgspec

from nexus.core.problem import FieldError, Invalid
from nexus.surfaces.bulk import MAX_ROWS
from nexus.surfaces.mcp import finding
from nexus.surfaces.mcp.catalogue import Catalogue
from nexus.surfaces.mcp.invocation import Call, told
from nexus.surfaces.mcp.session import Session
from nexus.surfaces.operations import Ask, Operations

NAME: Final = "call_many"


class Many(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Call one tool for many records."""

    name: str
    items: Annotated[list[dict[str, Any]], msgspec.Meta(min_length=1, max_length=MAX_ROWS)]
    mode: Literal["all", "each"] = "all"
    idempotency_key: Annotated[str, msgspec.Meta(min_length=1, max_length=255, pattern="^[!-~]+$")] | None = None


async def call(operations: Operations, catalogue: Catalogue, session: Session, call: Call) -> types.CallToolResult:
    """What became of each. Invalid (422) for a tool that is none of records one by one, and whatever the tool refuses."""
    asked: Many = finding.read(call.arguments, Many)
    tool = finding.known(catalogue, asked.name)
    session.admit(tool)
    if tool.operation.kind not in ("create", "update"):
        raise Invalid.of(FieldError("name", f"{tool.name} is called for one record at a time; there are creates and updates that are not"))
    ask = Ask(
        body=msgspec.json.encode({"items": asked.items, "mode": asked.mode}),
        key=asked.idempotency_key,
        correlation=call.correlation,
        many=True,
        progress=call.progress,
    )
    response = await operations.ask(session.speaking(tool.name), tool.operation, ask)
    return told(msgspec.json.decode(response.body))


def definition() -> types.Tool:
    """The tool as the protocol shows it."""
    properties: dict[str, Any] = {
        "name": {"type": "string", "description": "A tool that creates or updates one record: `crm_lead_create`, `crm_lead_update`."},
        "items": {
            "type": "array",
            "items": {"type": "object"},
            "minItems": 1,
            "maxItems": MAX_ROWS,
            "description": "The arguments for each record, as describe_tool says; an update's with `id` and `version` (null overwrites whatever is there).",
        },
        "mode": {
            "type": "string",
            "enum": ["all", "each"],
            "default": "all",
            "description": "`all`: every record or none. `each`: those that are right; each of the others says what is wrong.",
        },
        "idempotency_key": {"type": "string", "description": "Makes a repeated call safe: the first result is answered again."},
    }
    return types.Tool(
        name=NAME,
        title="Create or update many records",
        description="Create or update up to ten thousand records of a kind in one call. Ask for progress to be told how far it is.",
        input_schema={"type": "object", "properties": properties, "required": ["name", "items"], "additionalProperties": False},
        output_schema={"type": "object"},
        annotations=types.ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=False, open_world_hint=False),
    )
