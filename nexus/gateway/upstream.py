"""A process behind the gateway: its connections, kept open; its circuit; and a request handed on to it, body and answer as they come."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from typing import Final
from urllib.parse import quote, urlsplit

from nexus.core.problem import ServiceTooSlow, ServiceUnavailable
from nexus.gateway.breaker import Breaker
from nexus.gateway.edge.flights import patient
from nexus.gateway.line import Line, LineLost
from nexus.runtime.app import Raw
from nexus.surfaces.rest.message import Header, Response

CONNECT: Final = 2.0
"""Seconds in which a connection must be made."""
REST: Final = 3.0
"""Seconds after which an idle connection is not used again: less than the other side keeps it."""
IDLE: Final = 64
"""Idle connections kept."""
_HERE: Final = frozenset(
    (b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"te", b"trailer", b"transfer-encoding", b"upgrade")
)
"""Headers that speak of one connection."""
_NOT_ON: Final = _HERE | {b"expect", b"content-length", b"x-request-id"}
_NOT_BACK: Final = _HERE | {b"content-length", b"x-request-id", b"date", b"server"}
_SAFE_TO_REPEAT: Final = frozenset(("GET", "HEAD", "OPTIONS", "PUT", "DELETE"))


class Upstream:
    """One process, by the name of what it serves."""

    def __init__(self, name: str, url: str, *, patience: float, tls: ssl.SSLContext | None = None) -> None:
        """`patience` is how long the head of an answer is waited for, in seconds; 0 for ever. What takes long by nature is waited for anyhow."""
        parts = urlsplit(url)
        self.name = name
        self.url = url
        self.breaker = Breaker()
        self.host = parts.hostname or ""
        self.port = parts.port or (443 if parts.scheme == "https" else 80)
        self.tls = tls if parts.scheme == "https" else None
        self._patience = patience
        self._idle: list[tuple[float, Line]] = []

    async def look(self, raw: Raw) -> Response:
        """The answer to a question about its health, whatever the circuit says; one that comes closes it."""
        response = await self._tried(raw, request_head(raw, 0), b"")
        self.breaker.succeeded()
        return response

    async def hand_on(self, raw: Raw) -> Response:
        """The answer of the process. ServiceUnavailable (503) and ServiceTooSlow (504) name it."""
        if not self.breaker.admit():
            raise ServiceUnavailable(service=self.name, reason="it is being started again, or out of reach. Try again in a moment.")
        try:
            body, length = await self._body(raw)
            response = await self._tried(raw, request_head(raw, length), body)
        except LineLost as error:
            self.breaker.failed()
            raise ServiceUnavailable(service=self.name, reason=f"{error}.") from error
        except (ServiceTooSlow, ServiceUnavailable):
            self.breaker.failed()
            raise
        except BaseException:
            self.breaker.given_up()
            raise
        self.breaker.succeeded()
        return response

    async def _body(self, raw: Raw) -> tuple[bytes | AsyncIterator[bytes], int | None]:
        """The body with its length, or as a stream."""
        length = raw.headers.get(b"content-length", b"")
        if b"transfer-encoding" in raw.headers or (length.isdigit() and int(length) > 64 * 1024):
            return raw.chunks(), None
        body = await raw.body()
        return body, len(body)

    async def _tried(self, raw: Raw, head: bytes, body: bytes | AsyncIterator[bytes]) -> Response:
        """Ask; once more on a new connection where an old one had been closed, if that can do nothing twice."""
        line, fresh = await self._line()
        try:
            return await self._ask(line, raw, head, body)
        except LineLost as lost:
            repeatable = isinstance(body, bytes) and (raw.method in _SAFE_TO_REPEAT or b"idempotency-key" in raw.headers)
            if fresh or lost.begun or not repeatable:
                raise
        return await self._ask(await self._connect(), raw, head, body)

    async def _ask(self, line: Line, raw: Raw, head: bytes, body: bytes | AsyncIterator[bytes]) -> Response:
        try:
            async with asyncio.timeout(None if patient(raw) or not isinstance(body, bytes) else self._patience or None):
                await line.ask(head, body, bare=raw.method == "HEAD")
                whole = None if raw.method == "HEAD" else await line.whole()
        except TimeoutError:
            line.close()
            raise ServiceTooSlow(service=self.name, seconds=self._patience) from None
        except BaseException:
            line.close()
            raise
        headers: list[Header] = [header for header in line.headers if header[0] not in _NOT_BACK]
        if whole is not None:
            self._free(line)
            return Response(line.status, whole, headers)
        headers += [header for header in line.headers if header[0] == b"content-length"]
        return Response(line.status, b"", headers, self._stream(line))

    async def _stream(self, line: Line) -> AsyncIterator[bytes]:
        try:
            async for part in line.parts():
                yield part
        finally:
            if line.complete:
                self._free(line)
            else:
                line.close()

    async def _line(self) -> tuple[Line, bool]:
        """A connection, and whether it is a new one."""
        while self._idle:
            since, line = self._idle.pop()
            if line.idle and time.monotonic() - since < REST:
                return line, False
            line.close()
        return await self._connect(), True

    async def _connect(self) -> Line:
        try:
            async with asyncio.timeout(CONNECT):
                _, line = await asyncio.get_running_loop().create_connection(Line, self.host, self.port, ssl=self.tls)
        except (OSError, TimeoutError) as error:
            why = "nobody listens there" if isinstance(error, ConnectionRefusedError) else str(error) or "no connection in time"
            raise ServiceUnavailable(service=self.name, reason=f"{why}.") from error
        return line

    def _free(self, line: Line) -> None:
        if line.idle and len(self._idle) < IDLE:
            self._idle.append((time.monotonic(), line))
        else:
            line.close()

    def close(self) -> None:
        """End the idle connections."""
        for _, line in self._idle:
            line.close()
        self._idle.clear()


def request_head(raw: Raw, length: int | None) -> bytes:
    """The head of the request as it goes on: what speaks of the connection to us stays here."""
    target = quote(raw.path, safe="/:@!$&'()*+,;=~-._").encode() + (b"?" + raw.query if raw.query else b"")
    lines = [b"%b %b HTTP/1.1" % (raw.method.encode(), target)]
    lines += [b"%b: %b" % header for header in raw.headers.items() if header[0] not in _NOT_ON]
    lines.append(b"x-request-id: " + raw.correlation.encode())
    if length is None:
        lines.append(b"transfer-encoding: chunked")
    elif length or raw.method not in ("GET", "HEAD"):
        lines.append(b"content-length: %d" % length)
    return b"\r\n".join((*lines, b"", b""))
