"""The control plane of one process: activations, tenants and the tenants made in advance, wired to the node they run in."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

import msgspec

from nexus.activation.activations import Activations
from nexus.activation.api import ControlApi
from nexus.activation.platform import Api, Platform, Site
from nexus.activation.presets import compose
from nexus.activation.saga import LEASE, Saga
from nexus.activation.standby import Standby
from nexus.activation.steps import Step
from nexus.activation.tenants import Tenants
from nexus.countries import country, covered
from nexus.engines.endings import end
from nexus.runtime.node import Node
from nexus.surfaces.rest.message import Response


class Asgi(Protocol):
    """An ASGI application."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...


class Control:
    """What a process adds to its node so that it can activate. Give `serve` the application before the first activation."""

    def __init__(
        self,
        node: Node,
        site: Site,
        *,
        standby: int = 0,
        plan: Sequence[Step] | None = None,
        lease: float = LEASE,
        owner: str | None = None,
    ) -> None:
        self._app: Asgi | None = None
        self.platform = Platform(
            cells=node.cells,
            directory=node.directory,
            principals=node.principals,
            services=node.services,
            migrator=node.migrator,
            host=node,
            api=in_process(lambda: self._app),
            site=site,
            wanted=self._taken,
        )
        node.on_commit(lambda work: node.principals.told(work.tenant.id, work.emitted))
        self.saga = Saga(self.platform, plan=plan, lease=lease, owner=owner)
        self.standby = Standby(self.platform, standby, self.saga.store.owner)
        self.activations = Activations(self.platform, self.saga)
        self.tenants = Tenants(self.platform)
        self.api = ControlApi(self.platform, self.activations, self.tenants)
        self._tasks: list[asyncio.Task[None]] = []

    def _taken(self) -> None:
        self.standby.taken()

    def pages(self) -> list[tuple[str, Callable[[Any], Awaitable[Response]]]]:
        """The endpoints of the control plane."""
        return self.api.pages()

    def serve(self, app: Asgi) -> None:
        """The application through which the proof of an activation speaks to the API."""
        self._app = app

    async def start(self, *, alone: bool = False) -> None:
        """Go on with what an earlier process left, and keep the pool filled; `alone` where no other process can serve these databases."""
        await self.saga.recover(alone=alone)
        await self.tenants.recover()
        self._tasks = [asyncio.create_task(self.saga.keep(), name="activations")]
        self._tasks.append(asyncio.create_task(asyncio.to_thread(warm), name="presets"))
        self._tasks.append(asyncio.create_task(self.standby.keep(), name="standby"))

    async def stop(self) -> None:
        """End the background work; activations under way go on at the next start."""
        await end(self._tasks)
        self._tasks.clear()
        await self.saga.stop()


def warm() -> None:
    """Read what every activation reads, so that the first one need not wait for it."""
    for code in covered():
        compose("general", code, (), "2-9", country(code).languages.business)


def in_process(app: Callable[[], Asgi | None]) -> Api:
    """A client of an ASGI application in the same process: real requests, no socket."""

    async def ask(method: str, path: str, token: str, body: Any) -> tuple[int, Any]:
        served = app()
        if served is None:
            raise RuntimeError("the control plane has been given no application to prove activations with")
        path, _, query = path.partition("?")
        headers = [
            (b"authorization", b"Bearer " + token.encode()),
            (b"content-type", b"application/json"),
            (b"accept", b"application/json"),
            *([(b"if-match", b"*")] if method in ("PATCH", "DELETE") else []),
        ]
        scope = {"type": "http", "method": method, "path": path, "query_string": query.encode(), "headers": headers}
        sent = b"" if body is None else msgspec.json.encode(body)
        status, parts = 0, list[bytes]()

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": sent, "more_body": False}

        async def send(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            else:
                parts.append(message.get("body", b""))

        await served(scope, receive, send)
        answer = b"".join(parts)
        return status, msgspec.json.decode(answer) if answer else None

    return ask
