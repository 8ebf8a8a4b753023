"""The server: the SDK's own registry and kernel answer each message; here is what they are given, and how HTTP brings a message and takes the answer.

The SDK checks every request and every result against the revision of the protocol that the client speaks. Its HTTP transport is not used:
docs/decisions/0064-tools-for-agents.md says why.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, cast

import anyio
import mcp_types as types
import msgspec
from mcp.server.connection import Connection
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp.server.runner import serve_one
from mcp.shared.dispatcher import CallOptions
from mcp.shared.exceptions import MCPError, NoBackChannelError
from mcp.shared.message import ServerMessageMetadata
from mcp.shared.transport_context import TransportContext
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError

from nexus.core.problem import Problem
from nexus.core.problem import Unavailable as Away
from nexus.core.service import Service
from nexus.engines.oltp import Timeout, Unavailable
from nexus.surfaces.live import Live
from nexus.surfaces.mcp import finding, many
from nexus.surfaces.mcp.catalogue import Catalogue
from nexus.surfaces.mcp.guide import MANNERS
from nexus.surfaces.mcp.invocation import Answered, Call, Invocation, safely, told
from nexus.surfaces.mcp.listening import Listening, Renew
from nexus.surfaces.mcp.listing import Listing
from nexus.surfaces.mcp.prompts import Prompts
from nexus.surfaces.mcp.resources import Resources
from nexus.surfaces.mcp.sealing import Seal
from nexus.surfaces.mcp.session import Session
from nexus.surfaces.mcp.streaming import Sink
from nexus.surfaces.operations import Operations

VERSION: Final = "1.0.0"
INSTRUCTIONS: Final = (
    "The business's own system: everything it keeps and everything that can be done with it, each as a tool that acts as the person whose key this is. "
    "There are many tools: find_tools searches them, describe_tool explains one, call_tool calls it. " + MANNERS
)
_log: Final = logging.getLogger("nexus.mcp")


@dataclass(frozen=True, slots=True)
class Message:
    """One request as the transport brings it: what it says, in which revision, and who says it."""

    id: str | int
    method: str
    params: Mapping[str, Any] | None
    version: str
    client: object
    capabilities: object
    session: Session
    correlation: str
    renew: Renew
    """Who asks, checked again."""
    sink: Sink | None = None
    """Where messages go that come before the answer; None where the client takes none."""


class Agents:
    """Tools, resources and prompts of a process, for any number of agents at once. It remembers nothing of any of them."""

    def __init__(self, operations: Operations, services: Mapping[str, Service], secret: bytes, live: Live | None = None) -> None:
        """`live` tells what changes; without it nobody can listen."""
        self.seal = Seal(secret)
        self.catalogue = Catalogue(operations, services)
        self._operations = operations
        self._listing = Listing(self.catalogue)
        self._invocation = Invocation(operations, self.seal)
        self._resources = Resources(self.catalogue, operations)
        self.listening = None if live is None else Listening(live, self._resources)
        self._prompts = Prompts(self.catalogue, self._resources)
        self._server: Server[dict[str, Any]] = Server(
            "nexus",
            version=VERSION,
            title="NEXUS",
            instructions=INSTRUCTIONS,
            on_list_tools=self._list_tools,
            on_call_tool=self._call_tool,
            on_list_resources=self._list_resources,
            on_list_resource_templates=self._list_templates,
            on_read_resource=self._read_resource,
            on_list_prompts=self._list_prompts,
            on_get_prompt=self._get_prompt,
            on_subscriptions_listen=self._listen,
        )

    async def answer(self, message: Message) -> dict[str, Any]:
        """The result of a message. Raises MCPError with what the protocol says of a fault."""
        connection = Connection.from_envelope(message.version, message.client, message.capabilities)
        exchange = _Exchange(message.id, ServerMessageMetadata(request_context=message), message.sink)
        try:
            return await serve_one(self._server, exchange, message.method, message.params, connection=connection, lifespan_state={})
        except MCPError:
            raise
        except ValidationError:
            raise MCPError(types.INVALID_PARAMS, "Invalid request parameters") from None
        except Exception:
            _log.exception("request %s failed: %s", message.correlation, message.method)
            raise MCPError(types.INTERNAL_ERROR, "Internal error", {"instance": f"/requests/{message.correlation}"}) from None

    async def _list_tools(self, ctx: _Context, params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        with _refusing():
            return self._listing.page(_session(ctx), params.cursor if params else None)

    async def _call_tool(self, ctx: _Context, params: types.CallToolRequestParams) -> Answered:
        message = _message(ctx)
        call = Call(
            name=params.name,
            arguments=params.arguments or {},
            meta=cast(Mapping[str, Any], params.meta or {}),
            correlation=message.correlation,
            asks_people=_asks_people(ctx),
            answers=params.input_responses,
            state=params.request_state,
            progress=None if message.sink is None else message.sink.progress,
        )
        if call.name in finding.NAMES or call.name == many.NAME:
            return await safely(self._find(message.session, call), message.correlation)
        tool = self.catalogue.get(call.name)
        if tool is None:
            raise MCPError(types.INVALID_PARAMS, f"Unknown tool: {call.name[:100]}")
        return await self._invocation.call(message.session, tool, call)

    async def _find(self, session: Session, call: Call) -> Answered:
        if call.name == finding.FIND:
            return told(finding.find(self.catalogue, session, call.arguments))
        if call.name == finding.DESCRIBE:
            return told(finding.describe(self.catalogue, session, call.arguments))
        if call.name == many.NAME:
            return await many.call(self._operations, self.catalogue, session, call)
        use: finding.Use = finding.read(call.arguments, finding.Use)
        tool = finding.known(self.catalogue, use.name)
        return await self._invocation.call(session, tool, dataclasses.replace(call, name=tool.name, arguments=use.arguments))

    async def _listen(self, ctx: _Context, params: types.SubscriptionsListenRequestParams) -> types.SubscriptionsListenResult:
        message = _message(ctx)
        if self.listening is None or message.sink is None:
            raise MCPError(types.INVALID_REQUEST, "Only a client that takes text/event-stream can listen")

        async def tell(notification: types.ServerNotification) -> None:
            await ctx.session.send_notification(notification, related_request_id=message.id)

        with _refusing():
            return await self.listening.listen(message.session, message.renew, params.notifications, message.id, tell)

    async def _list_resources(self, ctx: _Context, params: types.PaginatedRequestParams | None) -> types.ListResourcesResult:
        with _refusing():
            return self._resources.listed(_session(ctx), params.cursor if params else None)

    async def _list_templates(self, ctx: _Context, params: types.PaginatedRequestParams | None) -> types.ListResourceTemplatesResult:
        with _refusing():
            return self._resources.templates(_session(ctx), params.cursor if params else None)

    async def _read_resource(self, ctx: _Context, params: types.ReadResourceRequestParams) -> types.ReadResourceResult:
        with _refusing():
            return await self._resources.read(_session(ctx), params.uri, _message(ctx).correlation)

    async def _list_prompts(self, ctx: _Context, params: types.PaginatedRequestParams | None) -> types.ListPromptsResult:
        return self._prompts.listed(_session(ctx))

    async def _get_prompt(self, ctx: _Context, params: types.GetPromptRequestParams) -> types.GetPromptResult:
        with _refusing():
            return await self._prompts.get(_session(ctx), params.name, params.arguments or {}, _message(ctx).correlation)


_Context = ServerRequestContext[dict[str, Any], Any]


def _message(ctx: _Context) -> Message:
    message = ctx.request
    assert isinstance(message, Message), "every message has come with one"
    return message


def _session(ctx: _Context) -> Session:
    return _message(ctx).session


def _asks_people(ctx: _Context) -> bool:
    """Whether a question in the middle of a call reaches a person: the client says so, and speaks a revision that has such questions."""
    capabilities = ctx.session.client_capabilities
    return ctx.protocol_version in MODERN_PROTOCOL_VERSIONS and capabilities is not None and capabilities.elicitation is not None


@contextmanager
def _refusing() -> Generator[None]:
    """What is not a tool's has no result that could be a refusal: a problem is an error of the protocol, with the problem as its data."""
    try:
        yield
    except Problem as problem:
        raise MCPError(types.INVALID_PARAMS, problem.detail, msgspec.to_builtins(problem.body(), enc_hook=str)) from None
    except (Unavailable, Timeout) as away:
        _log.warning("%s", away)
        raise MCPError(types.INTERNAL_ERROR, Away(what="The database").detail, Away(what="The database").body()) from None


@dataclass(slots=True)
class _Exchange:
    """One request, its one answer, and what may be told before it; nothing can be asked of the client."""

    request_id: str | int
    message_metadata: ServerMessageMetadata
    sink: Sink | None
    cancel_requested: anyio.Event = field(default_factory=anyio.Event)
    transport: TransportContext = field(default_factory=lambda: TransportContext(kind="http", can_send_request=False))
    can_send_request: bool = False

    async def send_raw_request(self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None) -> dict[str, Any]:
        raise NoBackChannelError(method)

    async def notify(self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None) -> None:
        """Tell the client, if it takes anything before the answer."""
        if self.sink is not None:
            await self.sink.notify(method, params)

    async def progress(self, progress: float, total: float | None = None, message: str | None = None) -> None:
        """Tell how far it is, if that was asked for."""
        if self.sink is not None:
            await self.sink.progress(progress, total, message)
