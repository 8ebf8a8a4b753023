"""HTTP: one POST is one message and its answer, in either of the protocol's two ways; and the stream that older clients open beside them.

Clients of the current revision say everything with each request: revision, capabilities and who they are. Older ones say it once, in
`initialize`; what they said is sealed into the session's id that they send from then on, so that any process can go on with it.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

import mcp_types as types
import msgspec
from mcp.shared.exceptions import MCPError
from mcp.shared.inbound import (
    ERROR_CODE_HTTP_STATUS,
    InboundLadderRejection,
    classify_inbound_request,
    unsupported_protocol_version_rejection,
)
from mcp.shared.jsonrpc_dispatcher import progress_token_from_params
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, LATEST_HANDSHAKE_VERSION

from nexus.surfaces.calling import Caller
from nexus.surfaces.mcp.server import Agents, Message
from nexus.surfaces.mcp.session import Agent, Narrowing, Session, agent_of, begun, narrowing_of
from nexus.surfaces.mcp.streaming import Sink, beside, streamed
from nexus.surfaces.rest.message import JSON, Header, Response

LISTEN: Final = "subscriptions/listen"
SESSION: Final = b"mcp-session-id"
UNSAID_VERSION: Final = "2025-03-26"
"""What a client of the older way speaks that does not say it (the specification's own words)."""


@dataclass(frozen=True, slots=True)
class Posted:
    """A request as the server brings it."""

    query: bytes
    headers: Mapping[bytes, bytes]
    body: bytes
    caller: Caller
    correlation: str
    renew: Callable[[], Awaitable[Caller]]
    """Check the credential again."""

    @property
    def streams(self) -> bool:
        """Whether the client takes a stream for an answer."""
        return b"text/event-stream" in self.headers.get(b"accept", b"")


@dataclass(frozen=True, slots=True)
class Chosen:
    """What the request itself takes away of the caller's rights."""

    narrowings: list[Narrowing]
    search_only: bool


class Begun(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a client of the older way said when it began."""

    version: str
    agent: Agent | None = None
    narrowings: tuple[Narrowing, ...] = ()


class _Fault(Exception):
    """A message that cannot be answered as one."""

    def __init__(self, code: int, message: str, data: Any = None, status: int | None = None, id: str | int | None = None) -> None:
        super().__init__(message)
        self.id = id
        self.error = types.ErrorData(code=code, message=message, data=data)
        self.status = status if status is not None else ERROR_CODE_HTTP_STATUS.get(code, 200)


async def respond(agents: Agents, posted: Posted) -> Response:
    """The response to a POST. Raises the Problem that refuses the session itself: what narrows it cannot be read."""
    chosen = Chosen(*narrowing_of(posted.query, posted.headers, agents.catalogue.services))
    try:
        message = _read(posted.body)
    except _Fault as fault:
        return _error(fault.id, fault.error, fault.status)
    token = progress_token_from_params(message.get("params"))
    if not posted.streams or "id" not in message or (token is None and message["method"] != LISTEN):
        return await _answer(agents, posted, message, chosen, None)
    sink = Sink(token)
    return await streamed(_answer(agents, posted, message, chosen, sink), sink)


async def listen(agents: Agents, posted: Posted) -> Response:
    """The stream that a client of the older way opens beside its requests, with GET."""
    chosen = Chosen(*narrowing_of(posted.query, posted.headers, agents.catalogue.services))
    version = posted.headers.get(b"mcp-protocol-version", b"").decode("latin-1")
    if agents.listening is None or not posted.streams or (version and version not in HANDSHAKE_PROTOCOL_VERSIONS):
        return Response(405, b"", [(b"allow", b"POST")])  # the current revision listens by a request
    try:
        before = _before(agents, posted, version)
    except _Fault as fault:
        return _error(None, fault.error, fault.status)
    session, renew = _begun(posted, before.agent, (*before.narrowings, *chosen.narrowings), chosen.search_only)
    return beside(functools.partial(agents.listening.beside, session, renew))


def _begun(
    posted: Posted, agent: Agent | None, narrowings: Iterable[Narrowing], search_only: bool
) -> tuple[Session, Callable[[], Awaitable[Caller]]]:
    """The session, and its caller as it is whenever that is asked: never with more than the session leaves."""
    chosen = list(narrowings)

    async def renew() -> Caller:
        return begun(await posted.renew(), agent, chosen, search_only).caller

    return begun(posted.caller, agent, chosen, search_only), renew


async def _answer(agents: Agents, posted: Posted, message: dict[str, Any], chosen: Chosen, sink: Sink | None) -> Response:
    """The answer to a message, whatever becomes of it."""
    version = posted.headers.get(b"mcp-protocol-version", b"").decode("latin-1")
    current = bool(version) and version not in HANDSHAKE_PROTOCOL_VERSIONS
    try:
        return await (_current if current else _older)(agents, posted, message, version, chosen, sink)
    except _Fault as fault:
        return _error(message.get("id"), fault.error, fault.status)
    except MCPError as error:
        # to an older client 404 says that its session is gone, whatever the body says
        return _error(message.get("id"), error.error, ERROR_CODE_HTTP_STATUS.get(error.code, 200) if current else 200)


def _read(body: bytes) -> dict[str, Any]:
    """One JSON-RPC message: a request or a notification."""
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _Fault(types.PARSE_ERROR, "Parse error") from None
    if not isinstance(found, dict):
        raise _Fault(types.INVALID_REQUEST, "The body is not one JSON-RPC request or notification")
    message = cast(dict[str, Any], found)
    params = message.get("params")
    id = message.get("id")
    known = id if isinstance(id, str | int) and not isinstance(id, bool) else None
    if message.get("jsonrpc") != "2.0" or not isinstance(message.get("method"), str) or not isinstance(params, dict | None):
        raise _Fault(types.INVALID_REQUEST, "The body is not one JSON-RPC request or notification", id=known)
    if "id" in message and known is None:
        raise _Fault(types.INVALID_REQUEST, "The id of a request is a text or a whole number")
    return message


async def _current(agents: Agents, posted: Posted, message: dict[str, Any], version: str, chosen: Chosen, sink: Sink | None) -> Response:
    if "id" not in message:
        if (unsupported := unsupported_protocol_version_rejection(version)) is not None:
            raise _Fault(unsupported.code, unsupported.message, unsupported.data)
        return Response(202)  # nothing that is told here could matter later
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in posted.headers.items()}
    route = classify_inbound_request(message, headers=headers)
    if isinstance(route, InboundLadderRejection):
        raise _Fault(route.code, route.message, route.data)
    session, renew = _begun(posted, agent_of(route.client_info), chosen.narrowings, chosen.search_only)
    result = await agents.answer(
        Message(
            id=message["id"],
            method=message["method"],
            params=message.get("params"),
            version=route.protocol_version,
            client=route.client_info,
            capabilities=route.client_capabilities,
            session=session,
            correlation=posted.correlation,
            renew=renew,
            sink=sink,
        )
    )
    return _result(message["id"], result)


async def _older(agents: Agents, posted: Posted, message: dict[str, Any], version: str, chosen: Chosen, sink: Sink | None) -> Response:
    if "id" not in message:
        return Response(202)
    begins = message["method"] == "initialize"
    before = Begun(version=version or UNSAID_VERSION) if begins else _before(agents, posted, version)
    params: dict[str, Any] = message.get("params") or {}
    if begins:
        asked = params.get("protocolVersion")
        spoken = asked if asked in HANDSHAKE_PROTOCOL_VERSIONS else LATEST_HANDSHAKE_VERSION
        before = Begun(version=spoken, agent=agent_of(params.get("clientInfo")), narrowings=tuple(chosen.narrowings))
    session, renew = _begun(posted, before.agent, (*before.narrowings, *chosen.narrowings), chosen.search_only)
    result = await agents.answer(
        Message(
            id=message["id"],
            method=message["method"],
            params=message.get("params"),
            version=before.version,
            client=None if before.agent is None else msgspec.to_builtins(before.agent),
            capabilities=None,
            session=session,
            correlation=posted.correlation,
            renew=renew,
            sink=sink,
        )
    )
    if not begins:
        return _result(message["id"], result)
    return _result(message["id"], result, (SESSION, agents.seal.close("session", posted.caller, before).encode()))


def _before(agents: Agents, posted: Posted, version: str) -> Begun:
    """What the client said when it began. A session that is none of ours, or another caller's, is not there (404): the client begins again."""
    sealed = posted.headers.get(SESSION)
    if sealed is None:
        return Begun(version=version or UNSAID_VERSION)
    found = agents.seal.open("session", posted.caller, sealed.decode("latin-1"), Begun)
    if found is None:
        raise _Fault(types.INVALID_REQUEST, "Session not found", status=404)
    return msgspec.structs.replace(found, version=version or found.version)


def _result(id: str | int, result: dict[str, Any], *headers: Header) -> Response:
    return Response(200, msgspec.json.encode({"jsonrpc": "2.0", "id": id, "result": result}), [JSON, *headers])


def _error(id: Any, error: types.ErrorData, status: int) -> Response:
    body = {"jsonrpc": "2.0", "id": id, "error": error.model_dump(mode="json", by_alias=True, exclude_none=True)}
    return Response(status, msgspec.json.encode(body), [JSON])
