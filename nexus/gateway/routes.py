"""The gateway: which process answers which path, its own health, and that of all behind it."""

from __future__ import annotations

import asyncio
import http
import ssl
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from nexus.core.problem import Problem, ServiceUnavailable
from nexus.gateway.line import LineLost
from nexus.gateway.pages.explorer import opens
from nexus.gateway.upstream import Upstream
from nexus.runtime.app import API, Mounted, Raw
from nexus.surfaces.rest.message import JSON, Response

CONTROL: Final = "control"
"""The process that answers whatever belongs to no service: activation, tenants, pages, and surfaces that span services."""
GRAPHQL: Final = "graphql"
"""The process that plans GraphQL over the services."""
_LOOK: Final = 2.0
"""Seconds in which a process that is well says so."""


class Gateway:
    """Hands each request on to the process that answers it."""

    def __init__(self, addresses: Mapping[str, str], *, patience: float, tls: ssl.SSLContext | None = None) -> None:
        """`addresses` are base URLs by the name of a service, of `control` or of `graphql`."""
        self.upstreams = {name: Upstream(name, url, patience=patience, tls=tls) for name, url in addresses.items()}

    def pages(self) -> Mounted:
        """Everything, as pages of an application."""
        return [("/healthz", self._lives), ("/readyz", self._ready), ("/*", self._hand_on)]

    def upstream(self, path: str) -> Upstream:
        """The process that answers a path. ServiceUnavailable (503) where the settings name none."""
        name = self._name(path)
        if (found := self.upstreams.get(name)) is None:
            raise ServiceUnavailable(service=name, reason="the gateway has no address for it (NEXUS_SERVICES).")
        return found

    def _name(self, path: str) -> str:
        if path.startswith(API):
            service = path[len(API) :].partition("/")[0]
            return service if service in self.upstreams else CONTROL
        if path == "/graphql":
            return GRAPHQL if GRAPHQL in self.upstreams else CONTROL
        service = path.removeprefix("/graphql/")
        return service if service in self.upstreams else CONTROL

    async def _hand_on(self, raw: Raw) -> Response:
        return await (self.upstreams[CONTROL] if CONTROL in self.upstreams and opens(raw) else self.upstream(raw.path)).hand_on(raw)

    async def _lives(self, raw: Raw) -> Response:
        return Response(200, b'{"status":"ok"}', [JSON])

    async def _ready(self, raw: Raw) -> Response:
        """200 as long as anybody behind is ready, `degraded` where not all are: one that is away must not take the others with it."""
        found = dict(zip(self.upstreams, await asyncio.gather(*map(health, self.upstreams.values())), strict=True))
        away = {name: trouble for name, trouble in found.items() if trouble is not None}
        status = "ready" if not away else "degraded" if len(away) < len(found) else "not ready"
        said: dict[str, Any] = {"status": status, "services": {name: trouble or "ok" for name, trouble in found.items()}}
        return Response(503 if status == "not ready" else 200, msgspec.json.encode(said), [JSON])

    def close(self) -> None:
        """End the idle connections to all of them."""
        for upstream in self.upstreams.values():
            upstream.close()


async def health(upstream: Upstream, path: str = "/readyz") -> str | None:
    """What is amiss with a process, or None."""
    try:
        async with asyncio.timeout(_LOOK):
            answer = await upstream.look(Look(path))
    except TimeoutError:
        return f"it has not answered within {_LOOK:.0f} seconds"
    except (Problem, LineLost) as away:
        return str(away.facts["reason"] if isinstance(away, ServiceUnavailable) else away)
    return None if answer.status == 200 else answer.body.decode(errors="replace") or http.HTTPStatus(answer.status).phrase


class Look(Raw):
    """A request of the gateway's own."""

    def __init__(self, path: str) -> None:
        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        scope = {"method": "GET", "path": path, "query_string": b"", "headers": [(b"host", b"gateway")]}
        super().__init__(scope, receive, 1024)
