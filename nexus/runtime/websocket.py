"""A WebSocket connection of the HTTP server: uvicorn's, with an end for a client that has stopped reading."""

from __future__ import annotations

import asyncio
from typing import Final

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

__all__ = ["LARGEST", "WebSocket"]

LARGEST: Final = 1 << 20
"""Bytes of the largest message that is taken; a longer one ends the socket with 1009."""
LINGER: Final = 10.0
"""Seconds in which what was sent last, the close code among it, must be taken."""
STOPPING: Final = 1.0
"""The same while the server stops."""


class WebSocket(WebSocketsSansIOProtocol):
    """One socket of a client. A transport that is closed waits until everything has been taken, which may be never: so it is cut in the end."""

    _cutting: asyncio.TimerHandle | None = None

    def _cut_in(self, seconds: float) -> None:
        if self._cutting is not None:
            self._cutting.cancel()
        self._cutting = self.loop.call_later(seconds, self.transport.abort)

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        self._cut_in(LINGER)

    async def run_asgi(self) -> None:
        self.scope["extensions"]["cut"] = self.transport.abort  # type: ignore[assignment]
        await super().run_asgi()
        if not self.disconnected:
            self._cut_in(LINGER)

    def shutdown(self) -> None:
        super().shutdown()
        self._cut_in(STOPPING)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._cutting is not None:
            self._cutting.cancel()
            self._cutting = None
