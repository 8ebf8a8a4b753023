"""GraphQL over HTTP: GET and POST, both media types with their status codes, persisted documents; `/graphql` and `/graphql/{service}`."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, Protocol, cast
from urllib.parse import parse_qsl

import msgspec

from nexus.core.problem import Malformed, NotFound, Problem
from nexus.core.problem import Unavailable as Away
from nexus.core.service import Service
from nexus.engines.oltp import Timeout, Unavailable
from nexus.surfaces.calling import Caller, Gate, Host
from nexus.surfaces.graphql.limits import Limits
from nexus.surfaces.live import GoingAway, Live
from nexus.surfaces.live.sse import FAREWELL, LINGER
from nexus.surfaces.operations import Operations
from nexus.surfaces.rest.message import Response

if TYPE_CHECKING:
    from nexus.surfaces.graphql.listening import Listening
    from nexus.surfaces.graphql.persisted import Persisted
    from nexus.surfaces.graphql.refusals import Refused
    from nexus.surfaces.graphql.service import Answered, Asked, Endpoint

__all__ = ["Raw", "Web"]

JSON: Final = "application/json"
GRAPHQL: Final = "application/graphql-response+json"
_TYPES: Final = {media: (b"content-type", f"{media}; charset=utf-8".encode()) for media in (JSON, GRAPHQL)}
_COMPLETE: Final = b"event: complete\ndata:\n\n"
_MEMBERS: Final[dict[str, tuple[type, str]]] = {
    "query": (str, "text"),
    "operationName": (str, "text"),
    "documentId": (str, "text"),
    "variables": (dict, "an object"),
    "extensions": (dict, "an object"),
}
"""What a request has, and what each is said to be where it is something else."""
BODY: Final = 1024 * 1024
"""Bytes of a request: a document and its variables."""


class Raw(Protocol):
    """A request as it comes, before anyone knows who sends it."""

    method: str
    path: str
    query: bytes
    headers: dict[bytes, bytes]
    correlation: str

    async def body(self, limit: int | None = None) -> bytes: ...

    def token(self) -> str: ...


class Unacceptable(Problem, status=406):
    """Answers are {offered}; the header Accept allows neither."""

    offered: str


class NotJson(Problem, status=415):
    """A request is application/json, not {given}."""

    given: str


class BadMethod(Problem, status=405):
    """{method} is not possible here; there are {allowed}."""

    method: str
    allowed: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the endpoints are made of."""

    services: Mapping[str, Service]
    operations: Operations
    host: Host
    gate: Gate | None
    authenticate: Callable[[str], Awaitable[Caller]]
    limits: Limits
    live: Live | None = None
    heartbeat: float = 20.0
    """Seconds after which a sign of life goes over a stream on which nothing happens."""


class Web:
    """The pages `/graphql` and `/graphql/*`. An endpoint is made when it is first asked, so that nobody else waits for it."""

    _door: ModuleType
    """`service`, once an endpoint is there: what it takes is not loaded before, and not looked up again for each request."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._endpoints: dict[str, Endpoint] = {}
        self._persisted: Persisted | None = None
        self._making = asyncio.Lock()

    async def endpoint(self, name: str) -> Endpoint:
        """The endpoint of one service as a subgraph, or with an empty name that of all. NotFound (404) where there is none such."""
        found = self._endpoints.get(name)
        if found is None:
            if name and name not in self._parts.services:
                raise NotFound(kind="service", id=name)
            async with self._making:
                if name not in self._endpoints:
                    self._endpoints[name] = await asyncio.to_thread(self._made, name)
            found = self._endpoints[name]
        return found

    def _made(self, name: str) -> Endpoint:
        from nexus.surfaces.graphql import service
        from nexus.surfaces.graphql.persisted import Persisted, read_list

        self._door = service
        parts, limits = self._parts, self._parts.limits
        if self._persisted is None:
            self._persisted = Persisted(read_list(limits.listed) if limits.listed else {}, only=limits.only_listed)
        services = [parts.services[name]] if name else list(parts.services.values())
        return service.Endpoint(services, parts.operations, parts.host, parts.gate, limits, federated=bool(name), live=parts.live)

    async def __call__(self, raw: Raw) -> Response:
        """Answer a request."""
        accept = raw.headers.get(b"accept", b"").decode("latin-1")
        streamed = streams(accept)
        media = JSON if streamed else accepted(accept)
        try:
            if media is None:
                raise Unacceptable(offered=f"{JSON} and {GRAPHQL}")
            if streamed:
                return await self._streamed(raw)
            return _response(await self._answer(raw), media)
        except Problem as error:
            return _problem(error, media or JSON)
        except (Unavailable, Timeout):
            return _problem(Away(what="The database"), media or JSON)

    async def authenticate(self, token: str) -> Caller:
        """The caller that a token stands for."""
        return await self._parts.authenticate(token)

    async def over_stream(
        self,
        caller: Caller,
        name: str,
        payload: Mapping[str, Any],
        correlation: str,
        renew: Callable[[], Awaitable[Caller]],
        reads: bool = False,
    ) -> bytes | Listening:
        """A request that came over a stream: a response, or a subscription. Raises the Problem that refuses it."""
        endpoint = await self.endpoint(name)
        try:
            asked, _ = self._asked(payload, None, correlation)
            listening = await endpoint.listen(caller, asked, renew)
            return listening if listening is not None else (await endpoint.answer(caller, asked, reads=reads)).body
        except self._door.Refused as refused:
            return self._refusal(refused).body

    def errors(self, error: Problem) -> list[dict[str, Any]]:
        """A refusal as errors."""
        from nexus.surfaces.graphql.refusals import error_of

        return [error_of(error)]

    async def _streamed(self, raw: Raw) -> Response:
        """GraphQL over server-sent events, in the mode of distinct connections."""
        token = raw.token()
        caller = await self._parts.authenticate(token)
        given = _from_query(raw.query) if raw.method != "POST" else await _from_body(raw)
        renew = functools.partial(self._parts.authenticate, token)
        name = raw.path.removeprefix("/graphql").strip("/")
        found = await self.over_stream(caller, name, given, raw.correlation, renew, reads=raw.method != "POST")
        headers = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-store"), (b"x-accel-buffering", b"no")]
        return Response(200, b"", headers, stream=_once(found) if isinstance(found, bytes) else _told(found, self._parts.heartbeat))

    async def _answer(self, raw: Raw) -> Answered:
        if raw.method not in ("GET", "HEAD", "POST"):
            raise BadMethod(method=raw.method, allowed="GET, HEAD, POST")
        caller = await self._parts.authenticate(raw.token())
        endpoint = await self.endpoint(raw.path.removeprefix("/graphql").strip("/"))
        given = _from_query(raw.query) if raw.method != "POST" else await _from_body(raw)
        try:
            asked, extensions = self._asked(given, raw.headers.get(b"idempotency-key"), raw.correlation)
            answered = await endpoint.answer(caller, asked, reads=raw.method != "POST")
        except self._door.Refused as refused:
            return self._refusal(refused)
        assert self._persisted is not None, "an endpoint is there"
        if answered.understood:
            self._persisted.keep(asked.query, extensions)
        return answered

    def _refusal(self, refused: Refused) -> Answered:
        answered: Answered = self._door.refusal(refused)
        return answered

    def _asked(self, given: Mapping[str, Any], key: bytes | None, correlation: str) -> tuple[Asked, Mapping[str, Any]]:
        for name, value in given.items():
            if value is not None and (known := _MEMBERS.get(name)) is not None and not isinstance(value, known[0]):
                raise Malformed(reason=f"{name}: is {known[1]}.")
        extensions: Mapping[str, Any] = given.get("extensions") or {}
        assert self._persisted is not None, "an endpoint is there"
        asked = self._door.Asked(
            query=self._persisted.text(given.get("query"), given.get("documentId"), extensions),
            operation=given.get("operationName") or None,
            variables=given.get("variables") or {},
            key=key.decode("latin-1") if key is not None else None,
            correlation=correlation,
        )
        return asked, extensions


def streams(header: str) -> bool:
    """Whether an answer is wanted as server-sent events."""
    return "text/" in header.lower() and any(part.partition(";")[0].strip().lower() == "text/event-stream" for part in header.split(","))


async def _once(response: bytes) -> AsyncGenerator[bytes]:
    yield _framed(response) + _COMPLETE


async def _told(listening: Listening, heartbeat: float) -> AsyncGenerator[bytes]:
    """The events of a subscription; a refusal that ends it is the last."""
    from nexus.surfaces.graphql.refusals import error_of

    own, loop = asyncio.current_task(), asyncio.get_running_loop()
    alarms: list[asyncio.TimerHandle] = []

    def ended(why: Problem) -> None:
        if own is not None:  # it may wait for a client that does not read
            alarms.append(loop.call_later(FAREWELL if isinstance(why, GoingAway) else LINGER, own.cancel))

    listening.subscription.on_end = ended
    try:
        yield b": listening\n\n"
        while True:
            responses = await listening.take(heartbeat)
            yield b"".join(map(_framed, responses)) if responses else b": nothing yet\n\n"
    except Problem as why:
        yield _framed(msgspec.json.encode({"errors": [error_of(why)]}, enc_hook=str)) + _COMPLETE
    except (Unavailable, Timeout):
        yield _framed(msgspec.json.encode({"errors": [error_of(Away(what="The database"))]})) + _COMPLETE
    finally:
        listening.subscription.close()
        for alarm in alarms:
            alarm.cancel()


def _framed(response: bytes) -> bytes:
    # the database writes line ends between records; within JSON they are only room
    return b"event: next\ndata: " + response.replace(b"\n", b" ") + b"\n\n"


def accepted(header: str) -> str | None:
    """The media type to answer in; None where neither may be. The one with the greater weight wins, application/json where nothing decides."""
    if header in ("", "*/*", JSON) or not header.strip():
        return JSON
    weights = {JSON: 0.0, GRAPHQL: 0.0}
    order: dict[str, int] = {}
    for place, part in enumerate(header.split(",")):
        type_, *parameters = (one.strip().lower() for one in part.split(";"))
        weight = 1.0
        for one in parameters:
            if one.startswith("q="):
                try:
                    weight = float(one[2:])
                except ValueError:
                    weight = 0.0
        for name in (JSON, GRAPHQL) if type_ in ("*/*", "application/*") else (type_,):
            if name in weights and weight > weights[name]:
                weights[name] = weight
                order.setdefault(name, place)
    best = max(weights, key=lambda name: (weights[name], -order.get(name, 99)))
    return best if weights[best] > 0 else None


def _from_query(query: bytes) -> dict[str, Any]:
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=50)
    except (UnicodeDecodeError, ValueError) as error:
        raise Malformed(reason=f"The query string cannot be read: {error}") from None
    given: dict[str, Any] = {}
    for name, value in pairs:
        if name in given:
            raise Malformed(reason=f"{name}: is given twice.")
        given[name] = value
    for name in ("variables", "extensions"):
        if given.get(name):
            given[name] = _json(given[name].encode(), name)
        elif name in given:
            del given[name]
    return given


async def _from_body(raw: Raw) -> dict[str, Any]:
    if (type_ := raw.headers.get(b"content-type", b"")) != b"application/json":
        _is_json(type_.decode("latin-1"))
    read = _json(await raw.body(BODY), "")
    if isinstance(read, list):
        raise Malformed(reason="Requests are not taken in batches: send each on its own, over one connection.")
    if not isinstance(read, dict):
        raise Malformed(reason="A request is a JSON object with query, operationName, variables and extensions.")
    return cast(dict[str, Any], read)


def _is_json(header: str) -> None:
    """Refused where a Content-Type is not that of JSON in UTF-8."""
    type_, _, parameters = header.partition(";")
    if type_.strip().lower() != JSON:
        raise NotJson(given=type_.strip() or "what has no Content-Type")
    charset = parameters.lower().replace(" ", "").replace('"', "").partition("charset=")[2].partition(";")[0]
    if charset not in ("", "utf-8", "utf8"):
        raise NotJson(given=f"text in {charset}")


def _json(text: bytes, name: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(reason=f"{name or 'The body'}: is not valid JSON in UTF-8: {error}") from None


def _response(answered: Answered, media: str) -> Response:
    status = answered.status
    if media == JSON and status in (400, 403, 404, 422):
        status = 200  # of this type the status tells of the transport alone; see the specification of GraphQL over HTTP
    headers = [_TYPES[media], (b"vary", b"accept")]
    if status == 405:
        headers.append((b"allow", b"POST"))
    return Response(status, answered.body, headers)


def _problem(error: Problem, media: str) -> Response:
    """A request that is none, or not for this caller: errors in GraphQL's form, and the status says so in either type."""
    from nexus.surfaces.graphql.refusals import error_of

    headers = [_TYPES[media], (b"vary", b"accept")]
    if error.status == 401:
        headers.append((b"www-authenticate", b'Bearer realm="nexus"'))
    if error.status == 405:
        headers.append((b"allow", str(error.facts["allowed"]).encode()))
    if error.status == 503:
        headers.append((b"retry-after", b"1"))
    return Response(error.status, msgspec.json.encode({"errors": [error_of(error)]}, enc_hook=str), headers)
