"""Responses for browsers: HTML under a strict policy, files that may be kept, and nothing that was not made here."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Final

from nexus.core.problem import NotFound
from nexus.surfaces.rest import MethodNotAllowed
from nexus.surfaces.rest.message import JSON, Header, Response

STATIC: Final = Path(__file__).parent / "static"
_KINDS: Final = {".css": b"text/css; charset=utf-8", ".js": b"text/javascript; charset=utf-8", ".svg": b"image/svg+xml"}
POLICY: Final = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; "
    b"base-uri 'none'; frame-ancestors 'none'"
)
"""Nothing from elsewhere, nothing inline."""
SAFE: Final[list[Header]] = [
    (b"content-security-policy", POLICY),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
]
NO_STORE: Final[Header] = (b"cache-control", b"no-store")


def html(text: str, status: int = 200, *more: Header) -> Response:
    """A page."""
    return Response(status, text.encode(), [(b"content-type", b"text/html; charset=utf-8"), *SAFE, *more])


def unchanged(headers: dict[bytes, bytes], tag: bytes) -> Response | None:
    """304 where the caller has this version."""
    return Response(304, b"", [(b"etag", tag)]) if headers.get(b"if-none-match") == tag else None


def kept(body: bytes, kind: bytes, headers: dict[bytes, bytes]) -> Response:
    """Something that changes with a new version of NEXUS only: asked for again with its tag."""
    tag = b'"' + hashlib.sha256(body).hexdigest()[:16].encode() + b'"'
    same = unchanged(headers, tag)
    return same or Response(200, body, [(b"content-type", kind), (b"etag", tag), (b"cache-control", b"no-cache"), *SAFE])


def json(body: bytes, headers: dict[bytes, bytes]) -> Response:
    """A JSON document, asked for again with its tag."""
    return kept(body, JSON[1], headers)


@cache
def _static() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in STATIC.iterdir() if path.suffix in _KINDS}


def asset(name: str, headers: dict[bytes, bytes]) -> Response:
    """A style or a script. NotFound (404)."""
    if name not in _static():
        raise NotFound(kind="asset", id=name)
    return kept(_static()[name], _KINDS[Path(name).suffix], headers)


def only(method: str, *allowed: str) -> None:
    """MethodNotAllowed (405) for another method."""
    if method not in allowed:
        raise MethodNotAllowed(method=method, allowed=" and ".join(allowed))


def wants_html(headers: dict[bytes, bytes]) -> bool:
    """Whether a browser asks, and not a program."""
    return b"text/html" in headers.get(b"accept", b"")
