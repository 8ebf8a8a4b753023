"""The page of tools for agents: `/mcp`. What answers is loaded by the first request that needs it."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Mapping
from typing import Final
from urllib.parse import urlsplit

from nexus.core.problem import Problem
from nexus.core.service import Service
from nexus.runtime.app import Raw
from nexus.surfaces.calling import Caller
from nexus.surfaces.live import Live
from nexus.surfaces.operations import Operations
from nexus.surfaces.rest.message import Response

PATH: Final = "/mcp"


class ForeignPage(Problem, status=403):
    """The pages of {origin} may not call this; NEXUS_CORS_ORIGINS names those that may."""

    origin: str


Answering = Callable[[Raw, Caller, bytes], Awaitable[Response]]


class AgentsPage:
    """Answers `/mcp` for the operations of a process. `secret` is known to every process of the installation and to nobody else."""

    def __init__(
        self,
        operations: Operations,
        services: Mapping[str, Service],
        authenticate: Callable[[str], Awaitable[Caller]],
        secret: bytes,
        origins: frozenset[str] = frozenset(),
        live: Live | None = None,
    ) -> None:
        self._operations = operations
        self._services = services
        self._authenticate = authenticate
        self._secret = secret
        self._origins = origins
        self._live = live
        self._loading: asyncio.Task[Answering] | None = None

    async def __call__(self, raw: Raw) -> Response:
        """The answer to one message. ForeignPage (403) where a page of another origin sends it."""
        self._own_page(raw)
        caller = await self._authenticate(raw.token())
        if raw.method not in ("POST", "GET"):
            return Response(405, b"", [(b"allow", b"POST")])
        body = await raw.body() if raw.method == "POST" else b""
        answer = await self._loaded()
        return await answer(raw, caller, body)

    def _own_page(self, raw: Raw) -> None:
        """What a browser sends says which page it comes from: only ours, and those that the settings name, may use a person's key."""
        origin = raw.headers.get(b"origin")
        if origin is None:
            return
        said = origin.decode("latin-1")
        host = raw.headers.get(b"host", b"").decode("latin-1")
        if urlsplit(said).netloc != host and said not in self._origins and "*" not in self._origins:
            raise ForeignPage(origin=said[:200])

    async def _loaded(self) -> Answering:
        """What answers, loaded in a thread so that nobody else waits meanwhile."""
        if self._loading is None or (self._loading.done() and self._loading.exception() is not None):
            self._loading = asyncio.create_task(asyncio.to_thread(self._load), name="tools for agents")
        return await asyncio.shield(self._loading)

    def _load(self) -> Answering:
        from nexus.surfaces.mcp.http import Posted, listen, respond
        from nexus.surfaces.mcp.server import Agents

        agents = Agents(self._operations, self._services, self._secret, self._live)

        async def answer(raw: Raw, caller: Caller, body: bytes) -> Response:
            renew = functools.partial(self._authenticate, raw.token())
            posted = Posted(raw.query, raw.headers, body, caller, raw.correlation, renew)
            return await (respond if raw.method == "POST" else listen)(agents, posted)

        return answer
