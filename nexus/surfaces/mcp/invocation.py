"""Invocation: one call of a tool, from its arguments to its result; a refusal is a result too, so that the model can read what to change."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Coroutine, Mapping
from typing import Any, Final

import mcp_types as types
import msgspec

from nexus.core.ids import uuid7
from nexus.core.problem import Problem
from nexus.core.problem import Unavailable as Away
from nexus.engines.oltp import Timeout, Unavailable
from nexus.surfaces.effects import Effects
from nexus.surfaces.mcp.arguments import Asked, read
from nexus.surfaces.mcp.catalogue import Tool
from nexus.surfaces.mcp.sealing import Seal, digest
from nexus.surfaces.mcp.session import Session
from nexus.surfaces.operations import Operations
from nexus.surfaces.rest.message import Progress, Response

CONFIRM_SECONDS: Final = 600.0
_ASKED: Final = "confirmation"
"""The name of the question to the person."""
_log: Final = logging.getLogger("nexus.mcp")


class ConfirmationRequired(Problem, status=428):
    """{tool} cannot be undone. Tell the person what it would do; call it again with the same arguments and this confirm_token if they want it."""

    tool: str
    confirm_token: str


class NotConfirmed(Problem, status=403):
    """The person has not confirmed {tool}: nothing was done."""

    tool: str


class ConfirmationStale(Problem, status=422):
    """confirm_token: it is not for this call of {tool} with these arguments, or too old; leave it out to get another."""

    tool: str


class Confirmation(msgspec.Struct, frozen=True, kw_only=True):
    """What has been asked to be confirmed: this tool with these arguments, once."""

    tool: str
    arguments: str
    once: str


@dataclasses.dataclass(frozen=True, slots=True)
class Call:
    """One call, as the protocol brings it."""

    name: str
    arguments: Mapping[str, Any]
    meta: Mapping[str, Any]
    correlation: str
    asks_people: bool = False
    """Whether the client can put a question to a person in the middle of a call."""
    answers: Mapping[str, Any] | None = None
    """What the person answered to the question of the call before."""
    state: str | None = None
    """What that call gave to bring back."""
    progress: Progress | None = None
    """Who wants to know how far it is."""


Answered = types.CallToolResult | types.InputRequiredResult


class Invocation:
    """Calls tools through the operations."""

    def __init__(self, operations: Operations, seal: Seal) -> None:
        self._operations = operations
        self._seal = seal

    async def call(self, session: Session, tool: Tool, call: Call) -> Answered:
        """The result of a call. Raises nothing: see `safely`."""
        return await safely(self._call(session, tool, call), call.correlation)

    async def _call(self, session: Session, tool: Tool, call: Call) -> Answered:
        session.admit(tool)
        asked = read(tool, call.arguments, call.meta, call.correlation)
        if tool.final and not asked.ask.dry_run:
            confirmed = await self._confirmed(session, tool, asked, call)
            if not isinstance(confirmed, Confirmation):
                return confirmed
            # a confirmation is for one time: its own name stands for a key where none is given
            asked = dataclasses.replace(asked, ask=dataclasses.replace(asked.ask, key=asked.ask.key or confirmed.once))
        response = await self._operations.ask(session.speaking(tool.name), tool.operation, asked.ask)
        return done(tool, asked, response)

    async def _confirmed(self, session: Session, tool: Tool, asked: Asked, call: Call) -> Confirmation | Answered:
        token = call.state if call.answers is not None else asked.confirm_token
        if token is None:
            return await self._ask(session, tool, asked, call)
        found = self._seal.open("confirm", session.caller, token, Confirmation)
        if found is None or (found.tool, found.arguments) != (tool.name, digest(asked.own)):
            raise ConfirmationStale(tool=tool.name)
        if call.answers is not None and not _agreed(call.answers):
            raise NotConfirmed(tool=tool.name)
        return found

    async def _ask(self, session: Session, tool: Tool, asked: Asked, call: Call) -> Answered:
        """Say what the call would do, and that it waits for a yes. What would be refused is refused now."""
        effects = Effects()
        rehearsal = dataclasses.replace(asked.ask, dry_run=True, effects=effects, key=None)
        await self._operations.ask(session.speaking(tool.name), tool.operation, rehearsal)
        said = Confirmation(tool=tool.name, arguments=digest(asked.own), once=f"confirmed-{uuid7()}")
        token = self._seal.close("confirm", session.caller, said, CONFIRM_SECONDS)
        if call.asks_people:
            return types.InputRequiredResult(input_requests={_ASKED: _question(tool, effects)}, request_state=token)
        problem = ConfirmationRequired(tool=tool.name, confirm_token=token)
        return refused(problem, call.correlation, {"effects": msgspec.json.decode(effects.body())})


def _question(tool: Tool, effects: Effects) -> types.ElicitRequest:
    changes = [f"{one.entity} {one.id} is {one.change}" for one in effects.changes[:10]]
    more = len(effects.changes) - len(changes)
    told = "; ".join(changes) + (f"; and {more} more" if more > 0 else "")
    params = types.ElicitRequestFormParams(
        message=f"{tool.title}? This cannot be undone. {told}".strip(),
        requested_schema={
            "type": "object",
            "properties": {"confirm": {"type": "boolean", "title": "Do it", "default": False}},
            "required": ["confirm"],
        },
    )
    return types.ElicitRequest(params=params)


def _agreed(answers: Mapping[str, Any]) -> bool:
    answer = answers.get(_ASKED)
    return isinstance(answer, types.ElicitResult) and answer.action == "accept" and (answer.content or {}).get("confirm") is True


def done(tool: Tool, asked: Asked, response: Response) -> types.CallToolResult:
    """What was answered, as the tool's output schema has it."""
    body: Any = msgspec.json.decode(response.body or b"null")
    if not tool.reads:
        replayed = (b"idempotency-replayed", b"true") in response.headers
        body = {"dry_run": asked.ask.dry_run, "replayed": replayed, "result": body}
        if asked.ask.effects is not None:
            body["effects"] = msgspec.json.decode(asked.ask.effects.body())
    return told(body)


def told(body: Any) -> types.CallToolResult:
    """A result, for programs and as text."""
    return types.CallToolResult(content=[types.TextContent(text=msgspec.json.encode(body).decode())], structured_content=body)


def refused(problem: Problem, correlation: str, more: Mapping[str, Any] | None = None) -> types.CallToolResult:
    """A refusal: its sentence and every field that it names, for the model; the whole problem for programs."""
    body: dict[str, Any] = msgspec.to_builtins(problem.body(), enc_hook=str) | {"instance": f"/requests/{correlation}", **(more or {})}
    lines = [f"{body['title']}: {body['detail']}"]
    lines += [f"- {one['field']}: {one['message']}" if one["field"] else f"- {one['message']}" for one in body.get("errors", [])]
    lines += [f"{name}: {msgspec.json.encode(value).decode()}" for name, value in (more or {}).items()]
    if isinstance(problem, ConfirmationRequired):
        lines.append(f"confirm_token: {problem.confirm_token}")
    return types.CallToolResult(content=[types.TextContent(text="\n".join(lines))], structured_content=body, is_error=True)


async def safely(work: Coroutine[Any, Any, Answered], correlation: str) -> Answered:
    """Its result; a refusal as a result too, and a bug as one that says nothing but the request's name."""
    try:
        return await work
    except Problem as problem:
        return refused(problem, correlation)
    except (Unavailable, Timeout) as away:
        _log.warning("request %s: %s", correlation, away)
        return refused(Away(what="The database"), correlation)
    except Exception:
        _log.exception("request %s failed", correlation)
        body = {"type": "about:blank", "title": "Internal error", "status": 500, "instance": f"/requests/{correlation}"}
        text = f"Internal error: it is not known what became of it; the log knows it as {correlation}."
        return types.CallToolResult(content=[types.TextContent(text=text)], structured_content=body, is_error=True)
