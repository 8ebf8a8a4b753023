"""A running server with the tools of every service, and the official client of the protocol in front of it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2
import mcp_types as types
import msgspec
import pytest
import uvicorn
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client

from nexus.core.problem import Unauthenticated
from nexus.core.service import Service
from nexus.engines.oltp import Statement
from nexus.gateway.agents import AgentsPage
from nexus.runtime.app import App
from nexus.runtime.connection import Connection
from nexus.runtime.testing import Harness
from nexus.surfaces.calling import Caller

SECRET = b"what only the processes know"
ME = types.Implementation(name="Test Agent", version="7")
_JOURNAL = Statement("SELECT audit FROM nexus_cell.journal WHERE tenant = $1 ORDER BY seq DESC")


class Running(uvicorn.Server):
    """A server that says when it is ready, and that no signal ends."""

    def __init__(self, app: App) -> None:
        config = uvicorn.Config(
            app, http=Connection, ws="none", lifespan="off", access_log=False, log_config=None, timeout_graceful_shutdown=2
        )
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    def install_signal_handlers(self) -> None:
        """None."""


@dataclass
class Site:
    """Servers of one installation: each is as good as another."""

    tenant: Harness
    callers: dict[str, Caller] = field(default_factory=dict[str, Caller])
    addresses: list[str] = field(default_factory=list[str])

    async def authenticate(self, token: str) -> Caller:
        if token not in self.callers:
            raise Unauthenticated(reason="This credential is not in force.")
        return self.callers[token]

    def let(self, harness: Harness, token: str) -> str:
        """Give somebody a key."""
        self.callers[token] = harness.caller
        return token

    def client(
        self, query: str = "", *, token: str = "owner", at: int = 0, headers: dict[str, str] | None = None, **options: Any
    ) -> AbstractAsyncContextManager[Client]:
        """A client that has connected."""
        return self._client(f"{self.addresses[at]}/mcp{'?' + query if query else ''}", token, headers or {}, options)

    @asynccontextmanager
    async def _client(self, url: str, token: str, headers: dict[str, str], options: dict[str, Any]) -> AsyncIterator[Client]:
        sent = {"authorization": f"Bearer {token}", **headers}
        async with (
            httpx2.AsyncClient(headers=sent, timeout=120) as http,
            Client(streamable_http_client(url, http_client=http), **{"client_info": ME, "cache": None} | options) as client,
        ):
            yield client

    async def post(self, body: Any, *, token: str = "owner", query: str = "", **headers: str) -> httpx2.Response:
        """A message by hand."""
        sent = body if isinstance(body, bytes) else msgspec.json.encode(body)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with httpx2.AsyncClient(timeout=120) as http:
            return await http.post(
                f"{self.addresses[0]}/mcp{query}",
                content=sent,
                headers={
                    "authorization": f"Bearer {token}",
                    "content-type": "application/json",
                    "accept": "application/json, text/event-stream",
                }
                | named,
            )

    async def audits(self) -> list[dict[str, Any]]:
        """What has been journalled of this tenant, the newest first."""
        (result,) = await self.tenant._oltp.run(None, (_JOURNAL, [self.tenant.caller.schema.encode()]))
        return [msgspec.json.decode(row[0] or b"{}") for row in result.rows]


Serve = Callable[[Harness], Awaitable[Site]]


@pytest.fixture
async def site(tenant: Harness, services: dict[str, Service]) -> AsyncIterator[Site]:
    """Two processes' worth of servers on one tenant, whose owner's key is `owner`."""
    made = Site(tenant)
    made.let(tenant, "owner")
    servers: list[tuple[Running, asyncio.Task[None]]] = []
    for _ in range(2):
        page = AgentsPage(tenant.operations, services, made.authenticate, SECRET)
        app = App(tenant._app._rest, made.authenticate, [("/mcp", page)], body_limit=1 << 20)
        listening = socket.create_server(("127.0.0.1", 0))
        server = Running(app)
        servers.append((server, asyncio.create_task(server.serve(sockets=[listening]))))
        await asyncio.wait_for(server.ready.wait(), 30)
        made.addresses.append(f"http://127.0.0.1:{listening.getsockname()[1]}")
    yield made
    for server, task in servers:
        server.should_exit = True
        await asyncio.wait_for(task, 30)


async def every(client: Client) -> list[types.Tool]:
    """All tools, page by page."""
    found: list[types.Tool] = []
    cursor: str | None = None
    while True:
        page = await client.list_tools(cursor=cursor)
        found += page.tools
        cursor = page.next_cursor
        if cursor is None:
            return found


def problem(result: types.CallToolResult) -> dict[str, Any]:
    """The refusal that a call was answered with."""
    assert result.is_error
    found: dict[str, Any] = result.structured_content
    assert found["title"] in result.content[0].text  # type: ignore[union-attr]
    return found


async def call(client: Client, tool: str, /, **arguments: Any) -> Any:
    """What a tool answers."""
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content
    assert msgspec.json.decode(result.content[0].text) == result.structured_content  # type: ignore[union-attr]
    return result.structured_content
