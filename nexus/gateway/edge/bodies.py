"""Bodies on their way out: not sent again where the caller has them, and compressed where it can read that."""

from __future__ import annotations

import asyncio
import gzip
import importlib
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any, Final, Protocol

from nexus.runtime.app import Raw
from nexus.surfaces.rest.message import Header, Response

LEAST: Final = 1024
"""Bytes from which compressing pays: below, head and packet weigh more than what it saves."""
ASIDE: Final = 256 * 1024
"""Bytes from which it is done beside the event loop."""
_LEVEL: Final = 4
_TEXTS: Final = (
    b"application/json",
    b"application/x-ndjson",
    b"application/problem+json",
    b"application/javascript",
    b"application/graphql",
)
_VARY: Final[Header] = (b"vary", b"accept-encoding")


class Stream(Protocol):
    """A compressor fed part by part."""

    def compress(self, data: bytes, /) -> bytes: ...

    def flush(self) -> bytes: ...


def _gzip() -> Stream:
    return zlib.compressobj(_LEVEL, zlib.DEFLATED, 31)


def _zstd() -> tuple[Callable[[bytes], bytes], Callable[[], Stream]] | None:
    """Zstandard, where Python has it (3.14 and later)."""
    try:
        module: Any = importlib.import_module("compression.zstd")
    except ModuleNotFoundError:
        return None
    return module.compress, module.ZstdCompressor


_whole: dict[bytes, Callable[[bytes], bytes]] = {b"gzip": lambda body: gzip.compress(body, _LEVEL, mtime=0)}
_parts: dict[bytes, Callable[[], Stream]] = {b"gzip": _gzip}
if (found := _zstd()) is not None:
    _whole, _parts = {b"zstd": found[0]} | _whole, {b"zstd": found[1]} | _parts


async def shaped(raw: Raw, response: Response) -> Response:
    """A response as this caller should get it."""
    if response.status == 200 and raw.method in ("GET", "HEAD") and (known := raw.headers.get(b"if-none-match")) is not None:
        tag = header(response, b"etag")
        if tag is not None and matches(known, tag):
            return Response(304, b"", [one for one in response.headers if one[0] in (b"etag", b"cache-control", b"vary")])
    if response.stream is None and len(response.body) < LEAST:
        return response
    kind = header(response, b"content-type") or b""
    if not _compressible(kind) or header(response, b"content-encoding") is not None:
        return response
    response.headers = [*response.headers, _VARY]
    coding = chosen(raw.headers.get(b"accept-encoding"))
    if coding is not None:
        await _compress(response, coding)
    return response


async def _compress(response: Response, coding: bytes) -> None:
    if response.stream is not None:
        response.stream = _squeezed(response.stream, _parts[coding]())
    elif len(response.body) >= ASIDE:
        response.body = await asyncio.to_thread(_whole[coding], response.body)
    else:
        response.body = _whole[coding](response.body)
    response.headers = [_weak(one) for one in response.headers] + [(b"content-encoding", coding)]


async def _squeezed(stream: AsyncIterator[bytes], by: Stream) -> AsyncGenerator[bytes]:
    try:
        async for part in stream:
            if squeezed := by.compress(part):
                yield squeezed
        yield by.flush()
    finally:
        if isinstance(stream, AsyncGenerator):
            await stream.aclose()


def chosen(accepted: bytes | None) -> bytes | None:
    """The coding to use: of ours, the one that the caller likes best, the better one among equals; None for as it is."""
    if not accepted:
        return None
    weights: dict[bytes, float] = {}
    for one in accepted.lower().split(b","):
        name, _, parameter = one.partition(b";")
        weights[name.strip()] = _weight(parameter)
    best, most = None, 0.0
    for coding in _whole:
        weight = weights.get(coding, weights.get(b"*", 0.0))
        if weight > most:
            best, most = coding, weight
    return best if most >= weights.get(b"identity", 0.0) else None


def _weight(parameter: bytes) -> float:
    name, _, value = parameter.partition(b"=")
    if name.strip() != b"q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0


def _compressible(kind: bytes) -> bool:
    """Text, but not a stream of events: each of them must be readable at once."""
    name = kind.partition(b";")[0].strip()
    return name != b"text/event-stream" and (name.startswith(b"text/") or name in _TEXTS or name.endswith((b"+json", b"+xml")))


def _weak(one: Header) -> Header:
    """A tag of these very bytes is one of the same content once they are compressed."""
    return (b"etag", b"W/" + one[1]) if one[0] == b"etag" and not one[1].startswith(b"W/") else one


def header(response: Response, name: bytes) -> bytes | None:
    """A header of a response."""
    return next((value for key, value in response.headers if key == name), None)


def matches(known: bytes, tag: bytes) -> bool:
    """Whether If-None-Match names this tag; strong and weak ones are alike here (RFC 9110, 13.1.2)."""
    plain = tag.removeprefix(b"W/")
    return known.strip() == b"*" or any(one.strip().removeprefix(b"W/") == plain for one in known.split(b","))
