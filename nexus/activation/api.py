"""The control plane's API: activate, watch, and the life of tenants. Everything here takes the operator's key.

POST   /api/v1/activate                        201 with the tenant, or 202 with `Prefer: respond-async`; `?dry_run=true` gives the plan
GET    /api/v1/activations/{id}                how it stands; as a stream of events with `Accept: text/event-stream`
GET    /api/v1/activations/{id}/events         that stream
POST   /api/v1/activations/{id}/credentials    the owner's key, once, where the answer of the activation did not carry it
POST   /api/v1/activations/{id}/cancel|retry
GET    /api/v1/tenants, /api/v1/tenants/{slug or id}
POST   /api/v1/tenants/{slug or id}/suspend|resume|archive|purge|rename|limits|owner-key
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final, Protocol, TypeVar
from urllib.parse import parse_qsl
from uuid import UUID

import msgspec

from nexus.activation.activations import Activations
from nexus.activation.platform import Platform
from nexus.activation.store import ActivationRecord
from nexus.activation.tenant_limits import Limits
from nexus.activation.tenants import HOLD_DAYS, STATES, Tenants
from nexus.core.problem import FieldError, Invalid, Malformed, NotFound
from nexus.core.values import Line
from nexus.surfaces.refusals import NO_NUL, TWICE
from nexus.surfaces.rest import MethodNotAllowed
from nexus.surfaces.rest.message import JSON, Header, Response
from nexus.surfaces.wire import decode

STREAM: Final[Header] = (b"content-type", b"text/event-stream")
NO_STORE: Final[Header] = (b"cache-control", b"no-store")
MAX_PAGE: Final = 1000
T = TypeVar("T")


class Raw(Protocol):
    """What is needed of a request: see `nexus.runtime.app.Raw`."""

    method: str
    path: str
    query: bytes
    headers: dict[bytes, bytes]

    async def body(self, limit: int | None = None) -> bytes: ...

    def token(self) -> str: ...


class Reason(msgspec.Struct, forbid_unknown_fields=True):
    """Why."""

    reason: Line


class Resume(msgspec.Struct, forbid_unknown_fields=True):
    reason: Line | None = None


class Archive(msgspec.Struct, forbid_unknown_fields=True):
    reason: Line
    hold_days: float = HOLD_DAYS


class Purge(msgspec.Struct, forbid_unknown_fields=True):
    reason: Line
    force: bool = False


class Rename(msgspec.Struct, forbid_unknown_fields=True):
    slug: str | None = None
    name: Line | None = None
    reason: Line | None = None


class ControlApi:
    """The endpoints, to be mounted at the paths above."""

    def __init__(self, platform: Platform, activations: Activations, tenants: Tenants) -> None:
        self._platform = platform
        self._activations = activations
        self._tenants = tenants

    def pages(self) -> list[tuple[str, Callable[[Any], Awaitable[Response]]]]:
        """What to mount where; a path that ends in `/*` is a prefix."""
        return [
            ("/api/v1/activate", self.activate),
            ("/api/v1/activations/*", self.activation),
            ("/api/v1/tenants", self.tenants),
            ("/api/v1/tenants/*", self.tenant),
        ]

    async def activate(self, raw: Raw) -> Response:
        """Turn a business into a running system."""
        _allow(raw, "POST")
        await self._platform.principals.operator(raw.token())
        given = _parameters(raw, "dry_run")
        body = await raw.body()
        if _flag(given, "dry_run"):
            return _json(200, await self._activations.dry_run(body))
        later = b"respond-async" in raw.headers.get(b"prefer", b"")
        live = _wants_stream(raw)
        asked = await self._activations.ask(body, _key(raw), give=not (later or live))
        if live:
            return self._stream(asked.record.id)
        headers: list[Header] = [(b"idempotency-replayed", b"true")] if asked.replayed else []
        record = asked.record if later else await self._activations.wait(asked.record.id)
        view = await self._activations.view(record, give=not later)
        status = f"/api/v1/activations/{record.id}".encode()
        if not record.settled:
            applied: list[Header] = [(b"preference-applied", b"respond-async")] if later else []
            return _json(202, view, [*headers, *applied, (b"location", status)])
        if record.state != "active":
            raise self._activations.failure(record, view)
        return _json(
            201, view, [*headers, (b"location", f"/api/v1/tenants/{view['tenant']['slug']}".encode()), (b"content-location", status)]
        )

    async def activation(self, raw: Raw) -> Response:
        """One activation: how it stands, its stream, and what may be done with it."""
        await self._platform.principals.operator(raw.token())
        id, _, verb = raw.path.removeprefix("/api/v1/activations/").partition("/")
        found = _id(id, "activation")
        if verb in ("", "events"):
            _allow(raw, "GET")
            record = await self._activations.get(found)
            if verb == "events" or _wants_stream(raw):
                return self._stream(found)
            return _json(200, await self._activations.view(record))
        act: dict[str, Callable[[UUID], Awaitable[ActivationRecord]]] = {
            "cancel": self._activations.cancel,
            "retry": self._activations.retry,
        }
        if verb == "credentials":
            _allow(raw, "POST")
            return _json(200, {"credentials": await self._activations.credentials(found)}, [NO_STORE])
        if verb not in act:
            raise NotFound(kind="path", id=raw.path)
        _allow(raw, "POST")
        return _json(202, await self._activations.view(await act[verb](found)))

    def _stream(self, id: UUID) -> Response:
        return Response(200, headers=[STREAM, NO_STORE, (b"x-accel-buffering", b"no")], stream=self._events(id))

    async def _events(self, id: UUID) -> AsyncIterator[bytes]:
        """Server-sent events: `progress` after each change, and `end` with the whole of it. Never the credential."""
        record: ActivationRecord | None = None
        async for record in self._activations.saga.watch(id):
            steps = [{"name": step.name, "state": step.state, "ms": step.ms} for step in record.steps]
            yield _event("progress", {"id": str(id), "state": record.state, "steps": steps})
        if record is not None:
            yield _event("end", await self._activations.view(record))

    async def tenants(self, raw: Raw) -> Response:
        """The tenants, by slug."""
        _allow(raw, "GET")
        await self._platform.principals.operator(raw.token())
        given = _parameters(raw, "state", "after", "limit")
        limit, state = given.get("limit", "100"), given.get("state")
        if not limit.isascii() or not limit.isdigit() or not 1 <= int(limit[:9]) <= MAX_PAGE:
            raise Invalid.of(FieldError("limit", f"is a number from 1 to {MAX_PAGE}"))
        if state not in (None, *STATES):
            raise Invalid.of(FieldError("state", f"is one of {', '.join(STATES)}"))
        items = await self._tenants.list(state=state, after=given.get("after", ""), limit=int(limit))
        return _json(200, {"items": items, "next_after": items[-1]["slug"] if len(items) == int(limit) else None})

    async def tenant(self, raw: Raw) -> Response:
        """One tenant, and what the operator does with it."""
        await self._platform.principals.operator(raw.token())
        name, _, verb = raw.path.removeprefix("/api/v1/tenants/").partition("/")
        if not verb:
            _allow(raw, "GET")
            return _json(200, await self._tenants.show(name))
        _allow(raw, "POST")
        return _json(200, await self._change(name, verb, await raw.body() or b"{}", raw.path))

    async def _change(self, name: str, verb: str, body: bytes, path: str) -> dict[str, Any]:
        tenants = self._tenants
        match verb:
            case "suspend":
                return await tenants.suspend(name, _read(body, Reason).reason)
            case "resume":
                return await tenants.resume(name, _read(body, Resume).reason)
            case "archive":
                archive = _read(body, Archive)
                if not 0 <= archive.hold_days <= 36_500:
                    raise Invalid.of(FieldError("hold_days", "is a number of days from 0 to 36500"))
                return await tenants.archive(name, archive.reason, archive.hold_days)
            case "purge":
                purge = _read(body, Purge)
                return await tenants.purge(name, purge.reason, force=purge.force)
            case "rename":
                rename = _read(body, Rename)
                return await tenants.rename(name, slug=rename.slug, title=rename.name, reason=rename.reason)
            case "limits":
                return await tenants.limits(name, _read(body, Limits))
            case "owner-key":
                return {"credentials": await tenants.owner_key(name, _read(body, Reason).reason)}
            case _:
                raise NotFound(kind="path", id=path)


def _allow(raw: Raw, only: str) -> None:
    if raw.method != only:
        raise MethodNotAllowed(method=raw.method, allowed=only)


def _parameters(raw: Raw, *known: str) -> dict[str, str]:
    try:
        pairs = parse_qsl(raw.query.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=20)
    except (UnicodeDecodeError, ValueError) as error:
        raise Invalid.of(FieldError("query", f"cannot be read: {error}")) from None
    given: dict[str, str] = {}
    for name, value in pairs:
        if name not in known:
            raise Invalid.of(FieldError(name, f"is not a parameter here; there are {', '.join(known)}"))
        if name in given:
            raise Malformed(reason=TWICE.format(name))
        given[name] = value
        if "\0" in value:
            raise Invalid.of(FieldError(name, NO_NUL))
    return given


def _flag(given: dict[str, str], name: str) -> bool:
    """A parameter that is true or false. Invalid (422) for anything else: whoever writes `dry_run=1` means no activation."""
    if given.get(name, "false") not in ("true", "false"):
        raise Invalid.of(FieldError(name, "is true or false"))
    return given.get(name) == "true"


def _key(raw: Raw) -> str | None:
    key = raw.headers.get(b"idempotency-key")
    if key is None:
        return None
    if not 1 <= len(key) <= 255 or not all(32 < byte < 127 for byte in key):
        raise Invalid.of(FieldError("Idempotency-Key", "is 1 to 255 printable ASCII characters without spaces"))
    return key.decode()


def _wants_stream(raw: Raw) -> bool:
    return b"text/event-stream" in raw.headers.get(b"accept", b"")


def _id(text: str, kind: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise NotFound(kind=kind, id=text) from None


def _read(body: bytes, kind: type[T]) -> T:
    return decode(msgspec.json.Decoder(kind), body)


def _json(status: int, body: Any, headers: list[Header] | None = None) -> Response:
    return Response(status, msgspec.json.encode(body), [JSON, *(headers or [])])


def _event(name: str, data: Any) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), msgspec.json.encode(data))
