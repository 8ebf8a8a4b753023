"""The ASGI application: reads a request, finds who asks, hands it to its endpoint, and turns refusals into problems."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Mapping, MutableMapping
from typing import Any, Final, Protocol, TypeAlias

from nexus.core.ids import uuid7
from nexus.core.problem import Malformed, NotFound, Problem, TooLarge, Unauthenticated
from nexus.core.problem import Unavailable as Away
from nexus.engines.oltp import PermissionDenied, Timeout, Unavailable
from nexus.surfaces.calling import Caller, Gate
from nexus.surfaces.rest import Rest
from nexus.surfaces.rest.message import PROBLEM, Request, Response, problem
from nexus.surfaces.sockets import BROKEN, GOING_AWAY, Gone, Socket, SocketEndpoint, UpgradeRequired

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

API: Final = "/api/v1/"
PATIENCE: Final = 30.0
"""Seconds in which the next part of a body must come."""
_FAREWELL: Final = 0.5
_CORRELATION = re.compile(rb"^[A-Za-z0-9._:-]{1,128}$")
_PROCESS: Final = uuid7().hex
_numbers: Final = itertools.count(1)
"""A request that brings no id gets that of the process with a number: unique as well, and made in no time."""
_log = logging.getLogger("nexus.app")


def correlation(headers: Mapping[bytes, bytes]) -> str:
    """The id of a request: its own, or one that it is given."""
    given = headers.get(b"x-request-id", b"")
    return given.decode() if _CORRELATION.match(given) else f"{_PROCESS}-{next(_numbers):x}"


class Abandoned(Exception):
    """A stream was stopped in the middle: whoever reads it did not, for too long."""


class Page(Protocol):
    """An endpoint outside the derived API: health, documents, activation. It sees the raw request."""

    async def __call__(self, raw: Raw) -> Response: ...


Mounted: TypeAlias = list[tuple[str, Callable[["Raw"], Awaitable["Response"]]]]
"""Pages by their paths; a path that ends in `/*` is a prefix."""


class Raw:
    """A request before anyone knows who sends it."""

    __slots__ = ("_arrived", "_limit", "_receive", "correlation", "headers", "method", "path", "query")

    def __init__(self, scope: Scope, receive: Receive, limit: int) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.query: bytes = scope["query_string"]
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.correlation = correlation(self.headers)
        self._receive = receive
        self._limit = limit
        self._arrived: bool = scope.get("arrived", False)

    async def body(self, limit: int | None = None) -> bytes:
        """All of the body. TooLarge (413) past the limit, this one or the installation's, without reading the rest."""
        self._limit = min(self._limit, limit or self._limit)
        length = self.headers.get(b"content-length", b"0")
        self._within_limit(int(length) if length.isdigit() else 0)
        message = await (self._receive() if self._arrived else self._next())
        body: bytes = message.get("body", b"")
        self._within_limit(len(body))
        if not message.get("more_body", False):
            return body
        parts, size = [body], len(body)
        async for part in self.chunks():
            parts.append(part)
            size += len(part)
            self._within_limit(size)
        return b"".join(parts)

    def _within_limit(self, size: int) -> None:
        if size > self._limit:
            raise TooLarge(what="The body", limit=f"{self._limit:,} bytes")

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives, of any size."""
        more = True
        while more:
            message = await self._next()
            if message["type"] == "http.disconnect":
                raise Malformed(reason="The connection ended before the body did.")
            more = message.get("more_body", False)
            yield message.get("body", b"")

    async def _next(self) -> MutableMapping[str, Any]:
        """The next part of the body. Malformed (400) where it does not come."""
        try:
            async with asyncio.timeout(PATIENCE):
                return await self._receive()
        except TimeoutError:
            raise Malformed(reason=f"The body stopped coming for {PATIENCE:.0f} seconds.") from None

    def listen(self, receive: Receive) -> None:
        """Whoever has read the body hears elsewhere that the client goes away."""
        self._receive = receive

    async def unless_gone(self, work: Coroutine[Any, Any, None]) -> bool:
        """Do something for as long as the client listens; False where it went away before. Abandoned where somebody stopped it."""
        doing, gone = asyncio.ensure_future(work), asyncio.ensure_future(self._gone())
        try:
            await asyncio.wait((doing, gone), return_when=asyncio.FIRST_COMPLETED)
            if not doing.done():
                return False
            if doing.cancelled():
                raise Abandoned
            await doing
            return True
        finally:
            for task in (doing, gone):
                task.cancel()
            await asyncio.gather(doing, gone, return_exceptions=True)

    async def _gone(self) -> None:
        """Wait for the client to go away: behind the end of the body nothing else comes from a server."""
        for _ in range(2):
            if (await self._receive())["type"] == "http.disconnect":
                return
        await asyncio.Event().wait()  # a caller within the process, which never goes away

    def token(self) -> str:
        """The bearer credential. Unauthenticated (401) without one."""
        scheme, _, token = self.headers.get(b"authorization", b"").partition(b" ")
        if scheme.lower() != b"bearer" or not token:
            raise Unauthenticated(reason="Send the header Authorization: Bearer <key>; activation answered the owner's key.")
        return token.strip().decode("latin-1")


Answer: TypeAlias = Callable[[Raw], Awaitable[Response]]
"""Whatever turns a request into a response."""
Layer: TypeAlias = Callable[[Answer], Answer]
"""What stands around that."""


class App:
    """Everything one process serves on its port."""

    def __init__(
        self,
        rest: Rest | None,
        authenticate: Callable[[str], Awaitable[Caller]] | None,
        pages: Mounted,
        *,
        body_limit: int,
        sockets: Mapping[str, SocketEndpoint] | None = None,
        host: Gate | None = None,
        layers: Iterable[Layer] = (),
        lifespan: Callable[[Receive, Send], Awaitable[None]] | None = None,
    ) -> None:
        """`rest` and `authenticate` are None where pages are all there is."""
        self._rest = rest
        self._authenticate = authenticate
        self._pages = sorted(pages, key=lambda page: -len(page[0]))
        self._exact = {path: page for path, page in pages if not path.endswith("/*")}
        self._body_limit = body_limit
        self._host = host
        self._lifespan = lifespan
        self._endpoints = sockets or {}
        self._sockets: set[Socket] = set()
        self.respond: Answer = self.answer
        """`answer` behind what stands around every request, the last layer outermost: see gateway.edge."""
        for layer in layers:
            self.respond = layer(self.respond)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            if self._lifespan is not None:
                await self._lifespan(receive, send)
            return
        if scope["type"] == "websocket":
            await self._serve_socket(Socket(scope, receive, send, correlation(dict(scope["headers"]))))
            return
        if scope["type"] != "http":
            return
        raw = self.raw(scope, receive)
        with contextlib.suppress(Abandoned):  # the server closes what has not been sent to its end
            await send_response(send, raw, await self.respond(raw))

    async def _serve_socket(self, socket: Socket) -> None:
        """Let the endpoint of its path have it until it ends; a refusal and a bug are told as far as a socket can."""
        self._sockets.add(socket)
        try:
            await self._endpoint(socket.path)(socket)
            await socket.close()
        except Gone:
            return
        except Problem as refusal:
            await socket.refuse(refusal)
        except (Unavailable, Timeout) as away:
            _log.warning("socket %s: %s", socket.correlation, away)
            await socket.refuse(Away(what="The database"))
        except Exception:
            _log.exception("socket %s failed: %s", socket.correlation, socket.path)
            await socket.close(BROKEN, f"Internal error, request {socket.correlation}")
        finally:
            self._sockets.discard(socket)

    def _endpoint(self, path: str) -> SocketEndpoint:
        endpoint = self._endpoints.get(path)
        if endpoint is None:
            raise NotFound(kind="socket", id=path)
        return endpoint

    async def go_away(self) -> None:
        """The process stops: tell whoever has a socket open, without waiting for one who does not read."""
        telling = [asyncio.ensure_future(one.close(GOING_AWAY, "The server stops; connect again.")) for one in list(self._sockets)]
        if telling:
            _, untold = await asyncio.wait(telling, timeout=_FAREWELL)
            for task in untold:
                task.cancel()

    def raw(self, scope: Scope, receive: Receive) -> Raw:
        """A request as ASGI brings it: method, path, query string and headers are what is looked at."""
        return Raw(scope, receive, self._body_limit)

    async def answer(self, raw: Raw) -> Response:
        """The response to a request; a refusal as a problem, a bug as a 500 with the request's id and nothing else."""
        try:
            return await self._dispatch(raw)
        except Problem as refusal:
            return problem(refusal, raw.correlation)
        except (Unavailable, Timeout) as away:
            _log.warning("request %s: %s", raw.correlation, away)
            return problem(Away(what="The database"), raw.correlation)
        except Exception:
            _log.exception("request %s failed: %s %s", raw.correlation, raw.method, raw.path)
            body = b'{"type":"about:blank","title":"Internal error","status":500,"instance":"/requests/%s"}' % raw.correlation.encode()
            return Response(500, body, [PROBLEM])

    async def _dispatch(self, raw: Raw) -> Response:
        if "\0" in raw.path:  # nothing is called so, and no database could be asked for it
            raise NotFound(kind="path", id=raw.path)
        page = self._page(raw.path)
        if page is not None:
            return await page(raw)
        if raw.path in self._endpoints:
            raise UpgradeRequired(path=raw.path)
        if self._rest is None or self._authenticate is None or not raw.path.startswith(API):
            raise NotFound(kind="page", id=raw.path)
        caller = await self._authenticate(raw.token())
        service, _, rest = raw.path[len(API) :].partition("/")
        if not rest:
            raise NotFound(kind="path", id=raw.path)
        reads = raw.method in ("GET", "HEAD", "OPTIONS")
        if self._host is not None:
            caller = await self._host.admit(caller, service, not reads)
        parts = rest.split("/")
        body = b"" if raw.method in ("GET", "HEAD") or self._rest.streams(raw.method, parts) else await raw.body()
        request = Request(raw.method, raw.path, raw.query, raw.headers, body, caller, raw.correlation, raw.chunks)
        try:
            return await self._rest(request, service, parts)
        except PermissionDenied as error:
            raise await self._refusal(caller, error) from error

    async def _refusal(self, caller: Caller, error: PermissionDenied) -> Exception:
        return error if self._host is None else await self._host.refusal(caller, error)

    def _page(self, path: str) -> Callable[[Raw], Awaitable[Response]] | None:
        if (exact := self._exact.get(path)) is not None:
            return exact
        for prefix, page in self._pages:
            if prefix.endswith("/*") and path.startswith(prefix[:-1]):
                return page
        return None


async def send_response(send: Send, raw: Raw, response: Response) -> None:
    """Send a response the way of ASGI."""
    headers = [*response.headers, (b"x-request-id", raw.correlation.encode())]
    if response.stream is None:
        headers.append((b"content-length", str(len(response.body)).encode()))
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if raw.method == "HEAD" else response.body})
        return
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    if raw.method != "HEAD" and not await raw.unless_gone(_pour(send, response.stream)):
        return
    await send({"type": "http.response.body", "body": b""})


async def _pour(send: Send, stream: AsyncIterator[bytes]) -> None:
    """Send a stream's parts. One that fails ends the connection without its end, so that nobody takes a part for the whole."""
    try:
        async for part in stream:
            await send({"type": "http.response.body", "body": part, "more_body": True})
    finally:
        if isinstance(stream, AsyncGenerator):
            await stream.aclose()
