"""An application of a few pages behind an edge, asked by a client that others wrote."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from nexus.config import Settings
from nexus.core.trace import TRACE
from nexus.gateway.edge import Edge
from nexus.gateway.edge.wiring import edge_of
from nexus.runtime.app import App, Raw
from nexus.runtime.routes import Routes
from nexus.runtime.telemetry import Telemetry
from nexus.surfaces.calling import Caller
from nexus.surfaces.rest import Rest
from nexus.surfaces.rest.message import JSON, Response, tag_of

LONG = b'{"items":[' + b",".join(b'{"name":"Ngozi Okafor","n":%d}' % n for n in range(200)) + b"]}"
PARTS = [b"%d,Ngozi,ngozi@example.com\r\n" % n * 50 for n in range(20)]


@dataclass
class Site:
    """The application, its edge, and what its pages have seen."""

    app: App
    edge: Edge
    client: httpx.AsyncClient
    telemetry: Telemetry
    traces: list[str | None]
    go: asyncio.Event

    async def ask(self, method: str, path: str, **headers: str) -> httpx.Response:
        return await self.client.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})


@dataclass
class _Pages:
    traces: list[str | None] = field(default_factory=list)
    go: asyncio.Event = field(default_factory=asyncio.Event)
    closed: bool = False

    async def short(self, raw: Raw) -> Response:
        self.traces.append(TRACE.get())
        return Response(200, b'{"name":"Ngozi"}', [JSON, (b"etag", b'"3"')])

    async def long(self, raw: Raw) -> Response:
        return Response(200, LONG, [JSON, tag_of(LONG)])

    async def record(self, raw: Raw) -> Response:
        return Response(200, LONG, [JSON, (b"etag", b'"3"')])

    async def picture(self, raw: Raw) -> Response:
        return Response(200, b"\0" * 5000, [(b"content-type", b"image/png")])

    async def table(self, raw: Raw) -> Response:
        async def parts() -> AsyncIterator[bytes]:
            for part in PARTS:
                yield part

        return Response(200, b"", [(b"content-type", b"text/csv; charset=utf-8")], stream=parts())

    async def events(self, raw: Raw) -> Response:
        async def parts() -> AsyncIterator[bytes]:
            yield b"event: one\ndata: {}\n\n"

        return Response(200, b"", [(b"content-type", b"text/event-stream")], stream=parts())

    async def slow(self, raw: Raw) -> Response:
        await self.go.wait()
        return Response(200, b"{}", [JSON])

    async def broken(self, raw: Raw) -> Response:
        raise RuntimeError("a bug")


async def _nobody(token: str) -> Caller:
    raise AssertionError("no page here asks who it is")


Make = Callable[..., Any]


@asynccontextmanager
async def site_of(**settings: Any) -> AsyncIterator[Site]:
    """The application behind the edge that these settings ask for."""
    pages, telemetry = _Pages(), Telemetry()
    names = ("short", "long", "record", "picture", "table", "events", "slow", "broken")
    mounted = [*((f"/{name}", getattr(pages, name)) for name in names), ("/api/v1/activate", pages.slow)]
    telemetry.routes = Routes(None, [path for path, _ in mounted])
    async with edge_of(Settings(**settings), telemetry) as edge:
        app = App(Rest(None, []), _nobody, mounted, body_limit=1 << 20, layers=[edge.around])  # type: ignore[arg-type]
        transport = httpx.ASGITransport(app, raise_app_exceptions=True)
        async with httpx.AsyncClient(transport=transport, base_url="http://nexus") as client:
            yield Site(app, edge, client, telemetry, pages.traces, pages.go)


@pytest.fixture
async def make() -> AsyncIterator[Make]:
    """Makes sites, and lets go of them after the test."""
    async with AsyncExitStack() as stack:

        async def one(**settings: Any) -> Site:
            return await stack.enter_async_context(site_of(**settings))

        yield one
