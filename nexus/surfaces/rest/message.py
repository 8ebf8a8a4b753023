"""Requests and responses, free of any web server, and the problems they become."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec

from nexus.core.problem import FieldError, Invalid, Malformed, PreconditionRequired, Problem
from nexus.surfaces.calling import Caller, Key, Outcome
from nexus.surfaces.effects import Effects
from nexus.surfaces.refusals import TWICE

MAX_PARAMETERS: Final = 100
Header = tuple[bytes, bytes]
JSON: Final[Header] = (b"content-type", b"application/json")
PROBLEM: Final[Header] = (b"content-type", b"application/problem+json")


Progress = Callable[[int, int], Awaitable[None]]
"""Told how many of how many are done."""


@dataclass(slots=True)
class Request:
    """One request, its body read or, for a stream, readable through `chunks`."""

    method: str
    path: str
    query: bytes
    headers: dict[bytes, bytes]
    body: bytes
    caller: Caller
    correlation: str
    chunks: Callable[[], AsyncIterator[bytes]] | None = None
    effects: Effects | None = None
    """Where a dry run says what it would do; REST itself does not show it."""
    progress: Progress | None = None
    """Who wants to know how far it is."""

    def pairs(self) -> list[tuple[str, str]]:
        """The query string, decoded. Malformed (400) where it is not UTF-8 or holds more than 100 parameters."""
        if not self.query:
            return []
        try:
            text = self.query.decode("ascii")
            if "%" in text or "+" in text:
                return parse_qsl(text, keep_blank_values=True, strict_parsing=False, errors="strict", max_num_fields=MAX_PARAMETERS)
            parts = text.split("&")
            if len(parts) > MAX_PARAMETERS:
                raise ValueError("Max number of fields exceeded")
            return [(name, value) for name, _, value in (part.partition("=") for part in parts if part)]
        except (UnicodeDecodeError, ValueError) as error:
            raise Malformed(reason=f"The query string cannot be read: {error}") from None

    def parameters(self, *known: str, lists: tuple[str, ...] = ()) -> dict[str, str]:
        """The query string where only these names are allowed, each once; `lists` of them more often: what they say is joined by commas."""
        given: dict[str, str] = {}
        for name, value in self.pairs():
            if name not in known:
                raise Invalid.of(FieldError(name, f"is not a parameter here; there are {', '.join(known) or 'none'}"))
            if name not in given:
                given[name] = value
            elif name in lists:
                given[name] += f",{value}"
            else:
                raise Malformed(reason=TWICE.format(name))
        return given

    def dry_run(self) -> bool:
        """`?dry_run=true`, of what takes no other parameter. Invalid (422) where it is neither true nor false."""
        given = self.parameters("dry_run").get("dry_run", "false")
        if given not in ("true", "false"):
            raise Invalid.of(FieldError("dry_run", f"is one of false, true, not {given!r}"))
        return given == "true"

    def key(self) -> Key | None:
        """The Idempotency-Key with the digest of this request. Invalid (422) where it is not 1 to 255 printable ASCII characters."""
        raw = self.headers.get(b"idempotency-key")
        if raw is None:
            return None
        if not 1 <= len(raw) <= 255 or not all(32 < byte < 127 for byte in raw):
            raise Invalid.of(FieldError("Idempotency-Key", "is 1 to 255 printable ASCII characters without spaces"))
        digest = hashlib.sha256(b"\n".join((self.method.encode(), self.path.encode(), self.query, self.body))).digest()
        return Key(raw.decode(), digest)

    def version(self, kind: str) -> bytes | None:
        """The version in If-Match; None for `*`. PreconditionRequired (428) without the header."""
        raw = self.headers.get(b"if-match")
        if raw is None:
            raise PreconditionRequired(kind=kind)
        tag = raw.strip().removeprefix(b"W/").strip(b'"')
        if tag == b"*":
            return None
        if not tag.isdigit() or len(tag) > 9:
            raise Invalid.of(FieldError("If-Match", 'is the ETag of a record, such as "3", or *'))
        return tag

    @property
    def minimal(self) -> bool:
        """Whether the caller wants no body back (RFC 7240)."""
        return b"return=minimal" in self.headers.get(b"prefer", b"")


@dataclass(slots=True)
class Response:
    """What to send: a body, or a stream of them."""

    status: int
    body: bytes = b""
    headers: list[Header] = field(default_factory=list[Header])
    stream: AsyncIterator[bytes] | None = None


Endpoint = Callable[[Request], Awaitable[Response]]


def tag_of(body: bytes) -> Header:
    """A weak tag of what has no version of its own: a digest, for which most processors have an instruction."""
    return (b"etag", b'W/"%b"' % hashlib.sha1(body, usedforsecurity=False).hexdigest()[:24].encode())


def problem(error: Problem, correlation: str) -> Response:
    """A refusal as RFC 9457 has it."""
    body: dict[str, Any] = {**error.body(), "instance": f"/requests/{correlation}"}
    headers: list[Header] = [PROBLEM]
    if error.status == 401:
        headers.append((b"www-authenticate", b'Bearer realm="nexus"'))
    if error.status == 405:
        headers.append((b"allow", str(error.facts["allowed"]).encode()))
    if error.status in (429, 503):
        headers.append((b"retry-after", str(error.facts.get("retry_after", 1)).encode()))
    return Response(error.status, msgspec.json.encode(body, enc_hook=str), headers)


def stored(outcome: Outcome, location: str, minimal: bool) -> Response:
    """The response of a write, the first time or replayed."""
    headers: list[Header] = [JSON]
    if "etag" in outcome.headers:
        headers.append((b"etag", f'"{outcome.headers["etag"]}"'.encode()))
    if "id" in outcome.headers and outcome.status == 201:
        headers.append((b"location", f"{location}/{outcome.headers['id']}".encode()))
    if outcome.replayed:
        headers.append((b"idempotency-replayed", b"true"))
    if minimal:
        headers.append((b"preference-applied", b"return=minimal"))
        return Response(204 if outcome.status == 200 else outcome.status, b"", headers)
    return Response(outcome.status, outcome.body, headers)
