"""WebSockets through the gateway: the bytes of both sides handed on as they come, unread, from the opening of the handshake to the end."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgspec

from nexus.core.problem import Problem, ServiceUnavailable
from nexus.gateway.routes import Gateway
from nexus.gateway.upstream import CONNECT

HEAD: Final = 64 * 1024
"""Bytes that may come before the process behind has been reached."""


class Tunnel(asyncio.Protocol):
    """One client. Made by the server once a request asks for an upgrade, which is the first thing that it gets."""

    def __init__(self, config: Any, server_state: Any, app_state: Any, _loop: asyncio.AbstractEventLoop | None = None) -> None:
        self.transport: asyncio.Transport
        self._state = server_state
        self._far: _Far | None = None
        self._early = bytearray()
        self._reaching: asyncio.Task[None] | None = None

    gateway: Gateway

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport = transport
        self._state.connections.add(self)

    def data_received(self, data: bytes) -> None:
        if self._far is not None:
            self._far.transport.write(data)
            return
        self._early += data
        if len(self._early) > HEAD:
            self.transport.abort()
        elif self._reaching is None:
            self._reaching = asyncio.get_running_loop().create_task(self._reach(bytes(data).split(b" ", 2)[1]))

    async def _reach(self, target: bytes) -> None:
        try:
            upstream = self.gateway.upstream(target.partition(b"?")[0].decode("latin-1"))
            try:
                async with asyncio.timeout(CONNECT):
                    loop = asyncio.get_running_loop()
                    _, far = await loop.create_connection(lambda: _Far(self), upstream.host, upstream.port, ssl=upstream.tls)
            except (OSError, TimeoutError) as error:
                upstream.breaker.failed()
                raise ServiceUnavailable(service=upstream.name, reason="nobody listens there.") from error
        except Problem as problem:
            self._refuse(problem)
            return
        self._far = far
        far.transport.write(bytes(self._early))
        self._early.clear()

    def _refuse(self, problem: Problem) -> None:
        body = msgspec.json.encode(problem.body(), enc_hook=str)
        head = b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\nconnection: close\r\nretry-after: 1\r\n"
        self.transport.write(head + b"content-length: %d\r\n\r\n" % len(body) + body)
        self.transport.close()

    def pause_writing(self) -> None:
        if self._far is not None:
            self._far.transport.pause_reading()

    def resume_writing(self) -> None:
        if self._far is not None:
            self._far.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self._state.connections.discard(self)
        if self._reaching is not None:
            self._reaching.cancel()
        if self._far is not None:
            self._far.transport.close()

    def shutdown(self) -> None:
        """The server stops: the process behind is told by the end of its connection."""
        self.transport.close()


class _Far(asyncio.Protocol):
    """The other end."""

    def __init__(self, near: Tunnel) -> None:
        self.transport: asyncio.Transport
        self._near = near

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._near.transport.write(data)

    def pause_writing(self) -> None:
        self._near.transport.pause_reading()

    def resume_writing(self) -> None:
        self._near.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self._near.transport.close()


def tunnel_to(gateway: Gateway) -> type[Tunnel]:
    """The class of the tunnels of this gateway, as the server makes them."""
    return type("GatewayTunnel", (Tunnel,), {"gateway": gateway})
