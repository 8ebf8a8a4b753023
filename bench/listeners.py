"""Many listeners in one process: `python -m bench.listeners PORT KEY COUNT sse|ws TOPIC`.

It says `ready` once all are told that they follow, then one line for each event that all have got: its record and the moments of receipt.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
import resource
import struct
import sys
import time
from typing import cast

import uvloop

_EVENT = re.compile(rb'"subject":"([0-9a-f-]{36})"')
_ROOM = asyncio.Semaphore(64)


def frame(message: object) -> bytes:
    """A text frame of a client, masked with zeros."""
    data = json.dumps(message).encode()
    size = struct.pack("!BB", 0x81, 0x80 | len(data)) if len(data) < 126 else struct.pack("!BBH", 0x81, 0x80 | 126, len(data))
    return size + bytes(4) + data


class Everybody:
    """What all of them have heard."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.got: dict[str, list[float]] = {}

    def heard(self, subject: str, at: float) -> None:
        times = self.got.setdefault(subject, [])
        times.append(at)
        if len(times) == self.count:
            print(json.dumps({"subject": subject, "times": self.got.pop(subject)}), flush=True)


class Listener(asyncio.Protocol):
    """One connection."""

    def __init__(self, everybody: Everybody, opening: bytes, then: bytes, begun: bytes) -> None:
        self._everybody = everybody
        self._opening = opening
        self._then = then
        self._begun = begun
        self._before = b""
        self.following: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is one, though not by its class
        self.transport.write(self._opening)

    def data_received(self, data: bytes) -> None:
        at = time.time()
        if not self.following.done():
            self._before += data
            if self._then and b"101 Switching" in self._before:
                assert self.transport is not None
                self.transport.write(self._then)
                self._then = b""
            if self._begun in self._before:
                self.following.set_result(None)
                self._before = b""
            return
        for subject in _EVENT.findall(data):
            self._everybody.heard(subject.decode(), at)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.following.done():
            self.following.set_exception(ConnectionError(self._before.decode(errors="replace") or repr(error)))


def words(kind: str, key: str, topic: str) -> tuple[bytes, bytes, bytes]:
    """What a listener sends to begin with, what it sends once it is let in, and what it is told when it follows."""
    head = f"Host: bench\r\nAuthorization: Bearer {key}\r\n"
    if kind == "sse":
        return f"GET /api/v1/stream?topics={topic} HTTP/1.1\r\n{head}\r\n".encode(), b"", b"\nid: "
    nonce = base64.b64encode(bytes(16)).decode()
    upgrade = f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {nonce}\r\n"
    return f"GET /ws HTTP/1.1\r\n{head}{upgrade}\r\n".encode(), frame({"type": "subscribe", "id": "a", "topics": [topic]}), b'"subscribed"'


async def main(port: int, key: str, count: int, kind: str, topic: str) -> None:
    """Connect all, and listen until the input ends."""
    everybody, said = Everybody(count), words(kind, key, topic)
    loop = asyncio.get_running_loop()

    async def connect() -> Listener:
        async with _ROOM:
            _, one = await loop.create_connection(lambda: Listener(everybody, *said), "127.0.0.1", port)
            await one.following
        return one

    listeners = await asyncio.gather(*(connect() for _ in range(count)))
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    for one in listeners:
        assert one.transport is not None
        one.transport.abort()


if __name__ == "__main__":
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    uvloop.run(main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4], sys.argv[5]))
