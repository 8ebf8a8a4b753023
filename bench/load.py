"""The load: `wrk` where it can be had, else our own small generator; that one also sends at a fixed rate.

Requests come from a file, one a line: method, path and body, separated by tabs. `{n}` in a line becomes a number no other request has.

    python -m bench.load URL FILE --connections 32 --seconds 3 [--rate 2000] [--header "Name: value"]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import uvloop

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Load:
    """What came of sending; times in milliseconds."""

    requests: int
    seconds: float
    errors: int
    p50: float
    p99: float

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds if self.seconds else 0.0


def has_wrk() -> bool:
    """Whether `wrk` is installed."""
    return shutil.which("wrk") is not None


async def send(
    url: str, requests: Path, headers: Mapping[str, str], *, seconds: float, connections: int = 32, rate: float = 0, tag: int = 0
) -> Load:
    """Send the requests of a file for some seconds, as fast as they are answered or at a fixed rate, from a process of its own."""
    named = [f"{name}: {value}" for name, value in headers.items()]
    if has_wrk() and not rate:
        command = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "30s", "-s", str(HERE / "wrk.lua"), url]
        command += ["--", str(requests), str(tag), *named]
    else:
        command = [sys.executable, "-m", "bench.load", url, str(requests), "--connections", str(connections), "--seconds", str(seconds)]
        command += ["--rate", str(rate), "--tag", str(tag), *(part for one in named for part in ("--header", one))]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
    said = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if not said:
        raise RuntimeError(f"the load generator failed: {done.stdout[-500:]} {done.stderr[-1500:]}")
    return Load(**json.loads(said[-1]))


class _Source:
    """The requests as bytes, again and again."""

    def __init__(self, url: str, file: Path, headers: Iterable[str], tag: int) -> None:
        self._lines = [line.split("\t") for line in file.read_text().splitlines()]
        self._head = "".join(f"{one}\r\n" for one in headers)
        self._host = urlsplit(url).netloc
        self._count = tag * 10_000_000
        self._at = 0
        self._made: dict[int, bytes] = {}

    def next(self) -> bytes:
        at, self._at = self._at, (self._at + 1) % len(self._lines)
        if (made := self._made.get(at)) is not None:
            return made
        method, path, *rest = self._lines[at]
        body = rest[0] if rest else ""
        self._count += 1
        number = str(self._count)
        head, path, body = self._head.replace("{n}", number), path.replace("{n}", number), body.replace("{n}", number)
        length = f"Content-Length: {len(body.encode())}\r\nContent-Type: application/json\r\n" if method != "GET" else ""
        raw = f"{method} {path} HTTP/1.1\r\nHost: {self._host}\r\n{head}{length}\r\n{body}".encode()
        if method == "GET":
            self._made[at] = raw
        return raw


class _Connection(asyncio.Protocol):
    def __init__(self, sender: _Sender) -> None:
        self._sender = sender
        self._buffer = b""
        self._began = 0.0
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def send(self, raw: bytes, began: float) -> None:
        self._began = began
        assert self.transport is not None
        self.transport.write(raw)

    def data_received(self, data: bytes) -> None:
        self._buffer = buffer = self._buffer + data if self._buffer else data
        end = buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        at = buffer.lower().find(b"content-length:", 0, end)
        length = int(buffer[at + 15 : buffer.find(b"\r\n", at)]) if at >= 0 else 0
        if len(buffer) < end + 4 + length:
            return
        self._buffer = b""
        self._sender.answered(self, int(buffer[9:12]), time.perf_counter() - self._began)

    def connection_lost(self, error: Exception | None) -> None:
        self._sender.lost()


class _Sender:
    """Keeps the connections busy, or sends at a rate; then latency counts from when a request should have gone out."""

    def __init__(self, source: _Source, rate: float) -> None:
        self._source = source
        self._rate = rate
        self._idle: deque[_Connection] = deque()
        self._due: deque[float] = deque()
        self._taken: list[float] = []
        self._errors = 0
        self._over = False

    async def run(self, host: str, port: int, connections: int, seconds: float) -> Load:
        loop = asyncio.get_running_loop()
        made = [(await loop.create_connection(lambda: _Connection(self), host, port))[1] for _ in range(connections)]
        began = time.perf_counter()
        if self._rate:
            self._idle.extend(made)
            await self._pace(began, seconds)
        else:
            for one in made:
                one.send(self._source.next(), time.perf_counter())
            await asyncio.sleep(seconds)
        self._over = True
        took = time.perf_counter() - began
        times = sorted(self._taken) or [0.0]
        p50, p99 = (times[min(len(times) - 1, int(len(times) * part))] * 1000 for part in (0.5, 0.99))
        return Load(len(self._taken), took, self._errors, p50, p99)

    async def _pace(self, began: float, seconds: float) -> None:
        sent = 0
        while (now := time.perf_counter()) < began + seconds:
            due = int((now - began) * self._rate)
            for _ in range(due - sent):
                self._due.append(began + sent / self._rate)
                sent += 1
            self._drain()
            await asyncio.sleep(0.001)

    def _drain(self) -> None:
        while self._due and self._idle:
            self._idle.popleft().send(self._source.next(), self._due.popleft())

    def answered(self, connection: _Connection, status: int, seconds: float) -> None:
        if self._over:
            return
        self._taken.append(seconds)
        if status >= 400:
            self._errors += 1
        if self._rate:
            self._idle.append(connection)
            self._drain()
        else:
            connection.send(self._source.next(), time.perf_counter())

    def lost(self) -> None:
        if not self._over:
            self._errors += 1


def main(arguments: Any) -> None:
    place = urlsplit(arguments.url)
    sender = _Sender(_Source(arguments.url, arguments.file, arguments.header, arguments.tag), arguments.rate)
    print(json.dumps(asdict(uvloop.run(sender.run(place.hostname or "", place.port or 80, arguments.connections, arguments.seconds)))))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("file", type=Path)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--rate", type=float, default=0)
    parser.add_argument("--tag", type=int, default=0)
    parser.add_argument("--header", action="append", default=[])
    main(parser.parse_args())
