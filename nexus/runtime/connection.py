"""A connection of the HTTP server: uvicorn's, with a short way for what nearly every request is.

A request of HTTP/1.1 without a body, or with a small one that has arrived, whose response is one piece, needs neither ASGI's messages nor an
object of its own for each of them: its response is written at once. Everything else goes uvicorn's way: streams, chunked or large bodies, `Expect`, requests
sent before the last one is answered. Measured in docs/decisions/0020-hot-path.md.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final, cast
from urllib.parse import unquote

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from nexus.runtime.app import Abandoned, App, Raw, Receive, Send, send_response
from nexus.surfaces.rest.message import Response

__all__ = ["Connection"]

SMALL: Final = 64 * 1024
"""Bytes of a body that is waited for before the request begins."""
HEAD: Final = 64 * 1024
"""Bytes of a head that come after the piece it begins in."""
ARRIVAL: Final = 30.0
"""Seconds in which a request must have come, so that nobody holds connections by sending nothing, or a byte now and then."""


class _Brief(RequestResponseCycle):
    """Stands where uvicorn keeps the request that is being answered, so that it queues what comes after it."""

    message_event = asyncio.Event()  # nobody waits for it

    def __init__(self, keep_alive: bool) -> None:
        self.response_complete = False
        self.disconnected = False
        self.keep_alive = keep_alive


class Connection(HttpToolsProtocol):
    """One connection of a client."""

    app: Any
    cycle: Any
    parser: Any
    scope: Any
    _brief: _Brief | None = None
    """The request whose body is still coming, if it goes the short way."""
    _parts: list[bytes]
    _idle_since: float | None = None
    """When the last response was complete; None while there is something to answer."""
    _arriving: bool = False
    """A request has begun to come and cannot be begun to be answered yet."""
    _begun: float | None = None
    """When that was, once it has come in more than one piece."""
    _coming: int = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait(self.loop.time() + ARRIVAL)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._arriving:
            self._still_arriving(len(data))

    def _still_arriving(self, size: int) -> None:
        if self._begun is None:
            self._begun, self._coming = self.loop.time(), 0
        else:
            self._coming += size
        if self._coming > HEAD + SMALL and not self.transport.is_closing():
            self.send_400_response("The head of the request is too large.")
        else:
            self._wait(self._begun + ARRIVAL)

    def _wait(self, until: float) -> None:
        """Close the connection at that time, unless a request has come."""
        self._idle_since = until - self.timeout_keep_alive
        task = self.timeout_keep_alive_task
        if task is None or task.when() > until:
            if task is not None:
                task.cancel()
            self.timeout_keep_alive_task = self.loop.call_at(until, self.timeout_keep_alive_handler)

    def on_message_begin(self) -> None:
        self._arriving = True
        self.url = b""
        self.headers = []
        self.expect_100_continue = False

    def on_headers_complete(self) -> None:
        size = self._size()
        if size is None or not isinstance(self.app, App) or not (self.cycle is None or self.cycle.response_complete):
            self._long_way()
            return
        self.cycle = brief = _Brief(self.parser.should_keep_alive())
        if size:
            self._brief, self._parts = brief, []
        else:
            self._begin(brief, b"")

    def _size(self) -> int | None:
        """How long the body is; None for a request that takes the long way."""
        size = 0
        for name, value in self.headers:
            if name == b"content-length":
                if not value.isdigit() or len(value) > 8:
                    return None
                size = int(value)
            elif name in (b"transfer-encoding", b"upgrade", b"expect"):
                return None
        return size if size <= SMALL and self.url[:1] == b"/" and self.parser.get_http_version() == "1.1" else None

    def _long_way(self) -> None:
        self._arriving, self._begun = False, None
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expects
        self.headers.extend(headers)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if self._brief is not None:
            self._parts.append(body)
        elif not isinstance(self.cycle, _Brief):
            super().on_body(body)

    def on_message_complete(self) -> None:
        if self._brief is not None:
            brief, self._brief = self._brief, None
            self._begin(brief, b"".join(self._parts))
        elif not isinstance(self.cycle, _Brief):
            super().on_message_complete()

    def _begin(self, brief: _Brief, body: bytes) -> None:
        self._arriving, self._begun = False, None
        path, _, query = self.url.partition(b"?")
        scope = {
            "method": self.parser.get_method().decode("ascii"),
            "path": unquote(path.decode("ascii")),
            "query_string": query,
            "headers": self.headers,
            "arrived": True,
        }

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        task = self.loop.create_task(self._answer(brief, scope, receive))
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)

    async def _answer(self, brief: _Brief, scope: dict[str, Any], receive: Any) -> None:
        app: App = self.app
        raw = app.raw(scope, receive)
        response = await app.respond(raw)
        try:
            if response.stream is None:
                self._finish(brief, raw, response)
            else:
                await self._stream(brief, scope, raw, response)
        except Abandoned:
            self.transport.abort()
        except Exception:
            self.logger.exception("a response could not be sent: %s %s", raw.method, raw.path)
            self.transport.close()

    def _finish(self, brief: _Brief, raw: Raw, response: Response) -> None:
        brief.response_complete = True
        if brief.disconnected or self.transport.is_closing():
            return
        self.transport.write(self._written(brief, raw, response))
        if not brief.keep_alive:
            self.transport.close()
        self.on_response_complete()

    def _written(self, brief: _Brief, raw: Raw, response: Response) -> bytes:
        """The response as it goes over the wire."""
        headers = [*self.server_state.default_headers, *response.headers, (b"x-request-id", raw.correlation.encode())]
        if response.status not in (204, 304):
            headers.append((b"content-length", b"%d" % len(response.body)))
        if not brief.keep_alive:
            headers.append((b"connection", b"close"))
        head = b"".join([b"%b: %b\r\n" % header for header in headers])
        if head.count(b"\n") != len(headers) or head.count(b"\r") != len(headers) or b"\0" in head:
            raise RuntimeError("a header of a response holds the end of a line")
        body = b"" if raw.method == "HEAD" or response.status in (204, 304) else response.body
        return b"".join((STATUS_LINE[response.status], head, b"\r\n", body))

    # The time that an idle connection is kept: uvicorn sets and cancels a timer for each request, here one is looked at when it ends.

    def _unset_keepalive_if_required(self) -> None:
        self._idle_since = None

    def on_response_complete(self) -> None:
        if self.pipeline or self.transport.is_closing():
            super().on_response_complete()
            return
        self.server_state.total_requests += 1
        self.flow.resume_reading()
        self._wait(self.loop.time() + self.timeout_keep_alive if self._begun is None else self._begun + ARRIVAL)

    def timeout_keep_alive_handler(self) -> None:
        self.timeout_keep_alive_task = None
        answering = self._brief is None and self.cycle is not None and not self.cycle.response_complete
        if self._idle_since is None or answering:
            return
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self.timeout_keep_alive_task = self.loop.call_later(left, self.timeout_keep_alive_handler)
        else:
            super().timeout_keep_alive_handler()

    async def _stream(self, brief: _Brief, scope: dict[str, Any], raw: Raw, response: Response) -> None:
        """Hand over to uvicorn's own way in the middle: it knows how to wait for a slow reader and how to notice one that is gone."""
        cycle = RequestResponseCycle(
            scope=cast(Any, scope),
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=brief.keep_alive,
            on_response=self.on_response_complete,
        )
        cycle.more_body = False
        cycle.disconnected = brief.disconnected
        if self.cycle is brief:  # nothing has been sent behind it
            self.cycle = cycle
        raw.listen(cast(Receive, cycle.receive))
        await send_response(cast(Send, cycle.send), raw, response)
