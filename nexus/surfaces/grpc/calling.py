"""One call: who asks, how it may be repeated and until when, as its metadata says; and how a refusal leaves it."""

from __future__ import annotations

import re
from typing import Any, Final, Literal, NoReturn, TypeAlias

import grpc

from nexus.core.ids import uuid7
from nexus.core.problem import FieldError, Invalid, Problem, Unauthenticated
from nexus.core.trace import TRACE, traceparent
from nexus.surfaces.grpc.asks import Asked
from nexus.surfaces.grpc.messages import Schema
from nexus.surfaces.grpc.refusals import code_of, status_of, trailer
from nexus.surfaces.operations import Ask

_CORRELATION: Final = re.compile(r"^[A-Za-z0-9._:-]{1,128}$")
_VERSION: Final = re.compile(r'^(?:W/)?"?(?P<version>\d{1,9}|\*)"?$')
Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class Incoming:
    """What comes with a call beside its message."""

    __slots__ = ("_metadata", "context", "correlation")

    def __init__(self, context: Context) -> None:
        self.context = context
        self._metadata: dict[str, str] = {}
        for name, value in context.invocation_metadata() or ():
            self._metadata[name] = value if isinstance(value, str) else ""
        given = self._metadata.get("x-request-id", "")
        self.correlation = given if _CORRELATION.match(given) else str(uuid7())
        if (trace := self._metadata.get("traceparent")) is not None:
            TRACE.set(traceparent(trace.encode()))

    def token(self) -> str:
        """The bearer credential. Unauthenticated (401) without one."""
        scheme, _, token = self._metadata.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise Unauthenticated(reason="Send the metadata authorization: Bearer <key>; activation answered the owner's key.")
        return token.strip()

    def ask(self, asked: Asked) -> Ask:
        """What is asked of an operation, with what the metadata says of it. Invalid (422) names an entry that cannot be."""
        known = self._metadata
        return Ask(
            id=asked.id,
            query=asked.query,
            body=asked.body,
            key=known.get("idempotency-key"),
            version=_version(known["if-match"]) if "if-match" in known else None,
            dry_run=_flag(known["dry-run"]) if "dry-run" in known else False,
            correlation=self.correlation,
        )

    def finish(self, headers: list[tuple[bytes, bytes]], *, reads: bool) -> None:
        """What goes with an answer: the call's id, the record's version, and whether it was answered before.

        A read has none of it unless its caller named the call: trailing metadata costs as much as half of an empty call.
        """
        if reads and "x-request-id" not in self._metadata:
            return
        told = [("x-request-id", self.correlation)]
        told += [(name.decode(), value.decode()) for name, value in headers if name in (b"etag", b"idempotency-replayed")]
        self.context.set_trailing_metadata(tuple(told))

    async def refuse(self, problem: Problem, schema: Schema) -> NoReturn:
        """End the call with a refusal and its details."""
        status = status_of(problem, self.correlation, schema)
        await self.context.abort(code_of(problem), status.message, (trailer(status), ("x-request-id", self.correlation)))

    async def fail(self, code: grpc.StatusCode, message: str) -> NoReturn:
        """End the call with a code alone."""
        await self.context.abort(code, message, (("x-request-id", self.correlation),))


def _version(raw: str) -> int | Literal["*"]:
    found = _VERSION.match(raw.strip())
    if found is None:
        raise Invalid.of(FieldError("if-match", 'is the version of a record, such as 3 or "3", or *'))
    return "*" if found["version"] == "*" else int(found["version"])


def _flag(raw: str) -> bool:
    if raw not in ("true", "false"):
        raise Invalid.of(FieldError("dry-run", f"is true or false, not {raw!r}"))
    return raw == "true"
