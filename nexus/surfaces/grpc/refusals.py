"""Refusals as gRPC tells them: a status code by the problem's status, and google.rpc details that say what the problem says.

Every refusal carries ErrorInfo (the problem's code, its `type` and its facts) and `nexus.v1.Problem` (all of it as JSON, for callers of ours), and beside them
what fits: BadRequest for fields, PreconditionFailure for what must hold first, ResourceInfo for what is not there, RetryInfo for what may be tried again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import grpc
import msgspec
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import (  # pyright: ignore[reportMissingTypeStubs]
    BadRequest,
    ErrorInfo,
    PreconditionFailure,
    RequestInfo,
    ResourceInfo,
    RetryInfo,
)
from google.rpc.status_pb2 import Status  # pyright: ignore[reportMissingTypeStubs]

from nexus.core.problem import AlreadyExists, Invalid, NotFound, Problem
from nexus.surfaces.grpc.messages import Schema

DETAILS: Final = "grpc-status-details-bin"
DOMAIN: Final = "nexus"
_Code = grpc.StatusCode

CODES: Final[Mapping[int, grpc.StatusCode]] = {
    400: _Code.INVALID_ARGUMENT,
    401: _Code.UNAUTHENTICATED,
    403: _Code.PERMISSION_DENIED,
    404: _Code.NOT_FOUND,
    405: _Code.UNIMPLEMENTED,
    406: _Code.INVALID_ARGUMENT,
    408: _Code.RESOURCE_EXHAUSTED,
    409: _Code.FAILED_PRECONDITION,
    410: _Code.OUT_OF_RANGE,
    412: _Code.ABORTED,
    413: _Code.RESOURCE_EXHAUSTED,
    415: _Code.INVALID_ARGUMENT,
    422: _Code.INVALID_ARGUMENT,
    426: _Code.FAILED_PRECONDITION,
    428: _Code.FAILED_PRECONDITION,
    429: _Code.RESOURCE_EXHAUSTED,
    500: _Code.INTERNAL,
    501: _Code.UNIMPLEMENTED,
    503: _Code.UNAVAILABLE,
    504: _Code.DEADLINE_EXCEEDED,
    508: _Code.INTERNAL,
}
"""The code of each status of a problem; ALREADY_EXISTS is the one of AlreadyExists."""

_LONGEST: Final = 500
"""Bytes of a sentence: a status travels in headers, and who calls may take no more than 8 kB of them."""
_ROOM: Final = 4_000
"""Bytes of details that are sent; the fields that come first are told, and what does not fit is left out."""


def code_of(problem: Problem) -> grpc.StatusCode:
    """The code of a refusal; that of a status that nobody has named yet by its hundreds."""
    if isinstance(problem, AlreadyExists):
        return _Code.ALREADY_EXISTS
    known = CODES.get(problem.status)
    if known is not None:
        return known
    return _Code.FAILED_PRECONDITION if problem.status < 500 else _Code.INTERNAL


def status_of(problem: Problem, correlation: str, schema: Schema) -> Status:
    """The whole status of a refusal, as large as headers may be."""
    code = code_of(problem)
    made = Status(code=code.value[0], message=_short(problem.detail))
    room = _ROOM
    for detail in _details(problem, correlation, schema):
        packed = Packed()
        packed.Pack(detail)
        if packed.ByteSize() <= room:
            made.details.append(packed)
            room -= packed.ByteSize()
    return made


def _details(problem: Problem, correlation: str, schema: Schema) -> Iterator[Message]:
    """The details, the most telling first."""
    body = problem.body()
    facts = {name: value if isinstance(value, str) else _json(value) for name, value in body.items() if name not in ("detail", "errors")}
    reason = problem.code().replace("-", "_").upper()
    yield ErrorInfo(reason=reason, domain=DOMAIN, metadata={name: _short(value, 200) for name, value in facts.items()})
    yield RequestInfo(request_id=correlation)
    if isinstance(problem, Invalid):
        yield _fields(problem)
    if problem.status in (409, 412, 428):
        what = PreconditionFailure.Violation(type=reason, subject=_short(str(problem.facts.get("kind", "")), 100))
        yield PreconditionFailure(violations=[what])
    if isinstance(problem, NotFound):
        yield ResourceInfo(resource_type=_short(problem.kind, 100), resource_name=_short(problem.id, 100))
    if problem.status in (429, 503):
        yield RetryInfo(retry_delay=Duration(seconds=int(problem.facts.get("retry_after", 1))))
    yield schema.codec("nexus.v1", "Problem").type(json=_whole(problem, correlation))


def _fields(problem: Invalid) -> BadRequest:
    """The fields that are wrong, as many as there is room for."""
    made, room = BadRequest(), _ROOM // 4
    for error in problem.errors:
        one = BadRequest.FieldViolation(field=_short(error.field, 100), description=_short(error.message, 200))
        room -= one.ByteSize()
        if room < 0:
            break
        made.field_violations.append(one)
    return made


def _whole(problem: Problem, correlation: str) -> str:
    """The problem as REST tells it; where that is too large, with what is long cut short and the first errors only."""
    body = {**problem.body(), "instance": f"/requests/{correlation}"}
    text = _json(body)
    if len(text.encode()) <= _ROOM // 2:
        return text
    if isinstance(problem, Invalid):
        body["errors"] = [{"field": one.field, "message": one.description} for one in _fields(problem).field_violations]
    return _json({name: _short(value, 200) if isinstance(value, str) else value for name, value in body.items()})


def _short(text: str, most: int = _LONGEST) -> str:
    """A text of at most so many bytes, without what is no letter of UTF-8."""
    raw = text.encode("utf-8", "replace")
    return raw.decode() if len(raw) <= most else raw[: most - 4].decode("utf-8", "ignore") + " …"


def _json(value: Any) -> str:
    return msgspec.json.encode(value, enc_hook=str).decode().encode("utf-8", "replace").decode()


def trailer(status: Status) -> tuple[str, bytes]:
    """The header that carries a status with its details."""
    return DETAILS, status.SerializeToString()


def body_of(details: bytes | None, schema: Schema) -> dict[str, Any] | None:
    """The body of the problem in the details that a caller of ours got back; None where there is none."""
    if not details:
        return None
    kind = schema.codec("nexus.v1", "Problem").type
    for detail in Status.FromString(details).details:
        if detail.type_url.rpartition("/")[2] == "nexus.v1.Problem":
            body: dict[str, Any] = msgspec.json.decode(kind.FromString(detail.value).json)
            return body
    return None
