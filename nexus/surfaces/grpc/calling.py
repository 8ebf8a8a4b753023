"""One call: who asks, how it may be repeated and until when, as its metadata says; how a refusal leaves it, and what is known of it at its end."""

from __future__ import annotations

import re
from time import perf_counter
from typing import Any, Final, Literal, NoReturn, TypeAlias, cast

import grpc

from nexus.core.ids import uuid7_text
from nexus.core.problem import FieldError, Invalid, Problem, Unauthenticated
from nexus.core.trace import TRACE, traceparent
from nexus.surfaces.calling import Caller
from nexus.surfaces.grpc.asks import Asked
from nexus.surfaces.grpc.ended import Ended
from nexus.surfaces.grpc.messages import Schema
from nexus.surfaces.grpc.refusals import code_of, status_of, trailer
from nexus.surfaces.operations import Ask

_CORRELATION: Final = re.compile(r"^[A-Za-z0-9._:-]{1,128}$")
_VERSION: Final = re.compile(r'^(?:W/)?"?(?P<version>\d{1,9}|\*)"?$')
_NEARLY: Final = 0.1
"""The part of a deadline, of at most ten seconds, in which a call that is broken off counts as one whose deadline has passed: the caller sees it pass first."""
Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class Incoming:
    """What comes with a call beside its message, and what becomes of it."""

    __slots__ = ("_began", "_metadata", "_rests", "_waited", "caller", "code", "context", "correlation", "messages", "size")

    def __init__(self, context: Context, began: float) -> None:
        self.context = context
        self.caller: Caller | None = None
        self.messages = self.size = 0
        self.code = grpc.StatusCode.OK
        """The status that it ends with, as far as is known."""
        self._began = began
        self._waited = 0.0
        self._rests: float | None = None
        self._metadata = cast(dict[str, str], dict(context.invocation_metadata() or ()))  # nothing that is asked for here is binary
        given = self._metadata.get("x-request-id")
        self.correlation = given if given is not None and _CORRELATION.match(given) else uuid7_text()
        if (trace := self._metadata.get("traceparent")) is not None:
            TRACE.set(traceparent(trace.encode()))

    def token(self) -> str:
        """The bearer credential. Unauthenticated (401) without one."""
        scheme, _, token = self._metadata.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise Unauthenticated(reason="Send the metadata authorization: Bearer <key>; activation answered the owner's key.")
        return token.strip()

    @property
    def each(self) -> bool:
        """Of many records: whether those are written that are right, whatever the others are. Invalid (422) where that is said otherwise."""
        mode = self._metadata.get("bulk-mode", "all")
        if mode not in ("all", "each"):
            raise Invalid.of(FieldError("bulk-mode", f"is all or each, not {mode!r}"))
        return mode == "each"

    @property
    def overwrites(self) -> bool:
        """Whether a change is meant for whatever is there."""
        return self._metadata.get("if-match", "").strip() == "*"

    def ask(self, asked: Asked, *, many: bool = False) -> Ask:
        """What is asked of an operation, with what the metadata says of it. Invalid (422) names an entry that cannot be."""
        known = self._metadata
        version = _version(known["if-match"]) if "if-match" in known and not many else None
        if asked.version is not None and version not in (None, asked.version):
            raise Invalid.of(FieldError("version", f"is {asked.version}, and if-match says {version}"))
        return Ask(
            id=asked.id,
            query=asked.query,
            body=asked.body,
            key=known.get("idempotency-key"),
            version=asked.version if version is None else version,
            dry_run=_flag(known["dry-run"]) if "dry-run" in known else False,
            correlation=self.correlation,
            many=many,
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

    async def send(self, message: bytes) -> None:
        """Send one of several answers, as soon as the caller takes it."""
        before = perf_counter()
        await self.context.write(message)
        self._waited += perf_counter() - before
        self.messages += 1
        self.size += len(message)

    def waits(self) -> None:
        """From now on, what takes time is that nothing happens."""
        if self._rests is None:
            self._rests = perf_counter()

    async def refuse(self, problem: Problem, schema: Schema) -> NoReturn:
        """End the call with a refusal and its details."""
        status, code = status_of(problem, self.correlation, schema), code_of(problem)
        self.code = code
        await self.context.abort(code, status.message, (trailer(status), ("x-request-id", self.correlation)))

    async def fail(self, code: grpc.StatusCode, message: str) -> NoReturn:
        """End the call with a code alone."""
        self.code = code
        await self.context.abort(code, message, (("x-request-id", self.correlation),))

    def broken_off(self) -> None:
        """The call has been ended from outside: its deadline has passed, its caller has gone, or the process ends."""
        left = cast(float | None, self.context.time_remaining())  # None without a deadline, whatever its annotation says
        whole = 0.0 if left is None else left + perf_counter() - self._began
        passed = left is not None and left <= _NEARLY * min(whole, 10.0)
        self.code = grpc.StatusCode.DEADLINE_EXCEEDED if passed else grpc.StatusCode.CANCELLED

    def ended(self, method: str, name: str) -> Ended:
        """What there is to tell of it now that it has ended."""
        now = perf_counter()
        spent = (now if self._rests is None else self._rests) - self._began - (self._waited if self._rests is None else 0.0)
        agent = self._metadata.get("user-agent", "")
        took = now - self._began
        return Ended(method, name, self.code.name, took, spent, self.messages, self.size, self.correlation, self.caller, agent)


def _version(raw: str) -> int | Literal["*"]:
    found = _VERSION.match(raw.strip())
    if found is None:
        raise Invalid.of(FieldError("if-match", 'is the version of a record, such as 3 or "3", or *'))
    return "*" if found["version"] == "*" else int(found["version"])


def _flag(raw: str) -> bool:
    if raw not in ("true", "false"):
        raise Invalid.of(FieldError("dry-run", f"is true or false, not {raw!r}"))
    return raw == "true"
