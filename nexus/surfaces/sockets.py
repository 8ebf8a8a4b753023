"""WebSockets as surfaces see them, free of any web server: text comes and goes, and an end has a code that says why."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any, Final

import msgspec

from nexus.core.problem import Problem
from nexus.surfaces.rest.message import problem

NORMAL: Final = 1000
GOING_AWAY: Final = 1001
UNSUPPORTED: Final = 1003
LOST: Final = 1006
"""Never sent: how it is told that a connection has ended without a code."""
TOO_BIG: Final = 1009
BROKEN: Final = 1011
LINGER: Final = 5.0
"""Seconds in which a client must take so much of what it was sent that it can be told the end."""
REFUSED: Final = 4000
"""A refusal ends a socket with this and its status: 4401, 4403, 4422."""
_REASON: Final = 123
"""Bytes that fit beside a close code."""


class Gone(Exception):
    """The socket has ended, from whichever side; `code` says why."""

    def __init__(self, code: int) -> None:
        super().__init__(f"the socket has ended with {code}")
        self.code = code


class UpgradeRequired(Problem, status=426):
    """{path} is a WebSocket: open it with ws:// or wss://."""

    path: str


class Socket:
    """One socket, from the request that opens it to its end. One task receives; any may send or close."""

    __slots__ = ("_cut", "_receive", "_send", "correlation", "ended", "headers", "offered", "open", "path", "query")

    def __init__(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
        send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
        correlation: str,
    ) -> None:
        self.path: str = scope["path"]
        self.query: bytes = scope["query_string"]
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.offered: Sequence[str] = scope.get("subprotocols", ())
        """The subprotocols that the client would speak, the one it likes best first."""
        self.correlation = correlation
        self.open = False
        """Accepted and not ended."""
        self.ended: int | None = None
        """The code with which it has ended."""
        self._receive = receive
        self._send = send
        self._cut: Callable[[], None] = scope.get("extensions", {}).get("cut") or (lambda: None)

    async def accept(self, subprotocol: str | None = None) -> None:
        """Open it, speaking one of the subprotocols that were offered. Raises Gone."""
        await self._next_of("websocket.connect")
        headers = [(b"x-request-id", self.correlation.encode())]
        await self._say({"type": "websocket.accept", "subprotocol": subprotocol, "headers": headers})
        self.open = True

    async def receive(self) -> str | bytes:
        """The next message. Raises Gone."""
        message = await self._next_of("websocket.receive")
        said: str | bytes = message["bytes"] if message.get("text") is None else message["text"]
        return said

    async def send(self, text: str) -> None:
        """Send a message, once the client has taken most of what was sent before. Raises Gone."""
        await self._say({"type": "websocket.send", "text": text})

    async def close(self, code: int = NORMAL, reason: str = "") -> None:
        """End it; nothing happens where it has ended. A client that does not read for long is cut off without having been told."""
        if not self.open:
            return
        self.open, self.ended = False, code
        short = reason.encode()[:_REASON].decode(errors="ignore")
        try:
            async with asyncio.timeout(LINGER):
                await self._send({"type": "websocket.close", "code": code, "reason": short})
        except TimeoutError:
            self._cut()
        except OSError:  # the client was quicker
            return

    async def refuse(self, refusal: Problem) -> None:
        """Say no: with a response of HTTP where it is not open yet, else by ending it with 4000 and the status."""
        if self.ended is not None:
            return
        if self.open:
            await self.close(REFUSED + refusal.status, refusal.detail)
            return
        self.ended = REFUSED + refusal.status
        response = problem(refusal, self.correlation)
        headers = [*response.headers, (b"x-request-id", self.correlation.encode())]
        await self._send({"type": "websocket.http.response.start", "status": response.status, "headers": headers})
        await self._send({"type": "websocket.http.response.body", "body": response.body})

    async def _next_of(self, kind: str) -> MutableMapping[str, Any]:
        if self.ended is not None:
            raise Gone(self.ended)
        message = await self._receive()
        if message["type"] == kind:
            return message
        self.open, self.ended = False, self.ended or int(message.get("code") or NORMAL)
        raise Gone(self.ended)

    async def _say(self, message: dict[str, Any]) -> None:
        if self.ended is not None:
            raise Gone(self.ended)
        try:
            await self._send(message)
        except OSError:  # uvicorn's way to say that the client has gone
            self.open, self.ended = False, self.ended or LOST
            raise Gone(self.ended) from None
        except RuntimeError:  # somebody closed it while this waited for its turn
            if self.ended is None:
                raise
            raise Gone(self.ended) from None


def body_of(refusal: Problem, correlation: str) -> dict[str, Any]:
    """A refusal as a part of a message, plain values all through."""
    body: dict[str, Any] = msgspec.json.decode(problem(refusal, correlation).body)
    return body


SocketEndpoint = Callable[[Socket], Awaitable[None]]
"""What answers the sockets of a path. A Problem that it raises refuses the socket or ends it; when it returns, the socket ends."""
