"""A gateway in front of a server that does what a test wants, both on real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from typing import Any

import httpx
import pytest
import uvicorn

from nexus.config import Settings
from nexus.gateway.routes import Gateway
from nexus.gateway.tunnel import tunnel_to
from nexus.process import configuration
from nexus.runtime.app import App

Answer = Callable[[Any, Any, Any], Awaitable[None]]


class QuietServer(uvicorn.Server):
    """A server within a test: nobody's signals are its own."""

    def capture_signals(self) -> Any:
        return nullcontext()


@asynccontextmanager
async def served(app: Any, tunnel: Any = None) -> AsyncGenerator[tuple[str, uvicorn.Server]]:
    """The address of an application on a free port, and its server."""
    config = (
        configuration(Settings(), app, tunnel=tunnel)
        if isinstance(app, App)
        else uvicorn.Config(app, lifespan="off", log_config=None, timeout_graceful_shutdown=2)
    )
    config.port = 0
    server = QuietServer(config)
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.005)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}", server
    finally:
        server.should_exit = True
        await task


class Front:
    """A client of a gateway before one service called `crm`."""

    def __init__(self, client: httpx.AsyncClient, gateway: Gateway, server: uvicorn.Server) -> None:
        self.client = client
        self.gateway = gateway
        self.server = server

    @property
    def upstream(self) -> Any:
        return self.gateway.upstreams["crm"]


@asynccontextmanager
async def fronted(url: str, patience: float = 5.0) -> AsyncGenerator[Front]:
    gateway = Gateway({"crm": url, "control": url}, patience=patience)
    async with (
        served(App(None, None, gateway.pages(), body_limit=1 << 20), tunnel_to(gateway)) as (front, server),
        httpx.AsyncClient(base_url=front, timeout=20) as client,
    ):
        yield Front(client, gateway, server)
    gateway.close()


@pytest.fixture
async def front() -> AsyncIterator[Callable[..., Any]]:
    """`await front(app)` gives a client of a gateway before this application."""
    async with AsyncExitStack() as stack:

        async def make(app: Any, patience: float = 5.0) -> Front:
            url, _ = await stack.enter_async_context(served(app))
            return await stack.enter_async_context(fronted(url, patience))

        yield make
