"""A connection to a process behind the gateway: one request at a time, its parts and those of the answer handed on as they come.

Parsed by httptools, as the server's own side is. Measured against httpx and aiohttp in docs/decisions/0065-services-apart.md.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Final

import httptools

from nexus.surfaces.rest.message import Header

FULL: Final = 256 * 1024
"""Bytes of an answer that may wait to be handed on before the process behind is told to pause."""
SMALL: Final = 64 * 1024
"""Bytes of an answer that is taken whole."""


class LineLost(Exception):
    """The connection ended before the answer was complete."""

    def __init__(self, reason: str, *, begun: bool) -> None:
        super().__init__(reason)
        self.begun = begun
        """Whether a part of the answer had come: if not, the request may never have been read."""


class Line(asyncio.Protocol):
    """One connection. It is free for the next request once `idle` says so."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport
        self.status = 0
        self.headers: list[Header] = []
        self.complete = True
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpResponseParser(self)
        self._head: asyncio.Future[None] | None = None
        self._parts: deque[bytes] = deque()
        self._size = 0
        self._came = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._lost: LineLost | None = None
        self._paused = self._keep = self._bare = self._begun = False

    @property
    def idle(self) -> bool:
        """Whether the next request can use it."""
        return self.complete and self._keep and self._lost is None and not self.transport.is_closing()

    # What is asked

    async def ask(self, head: bytes, body: bytes | AsyncIterator[bytes], *, bare: bool = False) -> None:
        """Send a request and wait for the head of the answer; `bare` where it has no body whatever its head says. Raises LineLost."""
        self._parser = httptools.HttpResponseParser(self)
        self.status, self.headers, self.complete, self._bare = 0, [], False, bare
        self._parts.clear()
        self._size, self._begun, self._keep = 0, False, False
        self._head = self._loop.create_future()
        if isinstance(body, bytes):
            self.transport.write(head + body)
            await self._head
            return
        self.transport.write(head)
        sending = self._loop.create_task(self._send(body))
        try:
            await asyncio.wait((sending, self._head), return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                await sending
            await self._head
        finally:
            if not sending.done():  # the answer came before the end of the body: it will not be read
                sending.cancel()
                await asyncio.gather(sending, return_exceptions=True)
                self._keep = False
            elif not self._head.done():
                self._head.cancel()

    async def _send(self, body: AsyncIterator[bytes]) -> None:
        async for part in body:
            if part:
                self.transport.write(b"%x\r\n%b\r\n" % (len(part), part))
                await self._room.wait()
            if self._lost is not None:
                return
        self.transport.write(b"0\r\n\r\n")

    # What is answered

    async def whole(self) -> bytes | None:
        """The body where it is small and its length is known, else None: `parts` has it."""
        length = next((int(value) for name, value in self.headers if name == b"content-length" and value.isdigit()), None)
        if not self.complete and (length is None or length > SMALL):
            return None
        while not self.complete:
            await self._more()
        return b"".join(self._parts)

    async def parts(self) -> AsyncIterator[bytes]:
        """The body as it comes. Raises LineLost where it ends too soon."""
        while True:
            while self._parts:
                part = self._parts.popleft()
                self._size -= len(part)
                if self._paused and self._size < FULL // 2:
                    self._paused = False
                    self.transport.resume_reading()
                yield part
            if self.complete:
                return
            await self._more()

    async def _more(self) -> None:
        if self._lost is not None:
            raise self._lost
        self._came.clear()
        await self._came.wait()
        if self._lost is not None and not self.complete:
            raise self._lost

    def close(self) -> None:
        """End it, whatever it is doing."""
        self._keep = False
        self.transport.close()

    # What asyncio and httptools tell

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if self.complete:  # nobody asked
            self.close()
            return
        self._begun = True
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._end(f"its answer cannot be read: {error}")
            self.transport.abort()
        self._came.set()

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:
            self.headers = []
            return
        self.status = status
        self._keep = self._parser.should_keep_alive() and not self._bare
        self.complete = self._bare
        if self._head is not None and not self._head.done():
            self._head.set_result(None)

    def on_body(self, body: bytes) -> None:
        self._parts.append(body)
        self._size += len(body)
        if self._size > FULL and not self._paused:
            self._paused = True
            self.transport.pause_reading()

    def on_message_complete(self) -> None:
        if self.status:
            self.complete = True

    def eof_received(self) -> None:
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        if self.status and not self.complete and not self._framed():
            self.complete = True  # an answer of unknown length ends with its connection
        self._end(str(exc) if exc else "it closed the connection")

    def _framed(self) -> bool:
        return any(name in (b"content-length", b"transfer-encoding") for name, _ in self.headers)

    def _end(self, reason: str) -> None:
        if self._lost is None:
            self._lost = LineLost(reason, begun=self._begun)
        if self._head is not None and not self._head.done():
            self._head.set_exception(self._lost)
        self._came.set()
        self._room.set()

    def pause_writing(self) -> None:
        self._room.clear()

    def resume_writing(self) -> None:
        self._room.set()
