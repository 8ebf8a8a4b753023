"""The calls of one process: to services of other processes, and from them, for as long as it runs."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from nexus.config import Settings
from nexus.runtime.identity import Identity
from nexus.runtime.node import Node


@asynccontextmanager
async def calling(settings: Settings, node: Node, identity: Identity | None) -> AsyncGenerator[None]:
    """Calls to services of other processes, and from them, as the settings say."""
    if not settings.calls and not settings.call_port:
        yield
        return
    from nexus.runtime.call_wire import CallServer, OverGrpc  # gRPC takes long to load, and one process needs none of it
    from nexus.runtime.statements import Signer, Verifier

    wiring = OverGrpc(settings.callees(), Signer(node.cells, ",".join(sorted(node.here))), identity)
    server = CallServer(node, Verifier(node.cells, node.directory, node.principals))
    node.calls.elsewhere = wiring
    try:
        if settings.call_port:
            await server.start(f"{settings.host}:{settings.call_port}", identity)
        yield
    finally:
        await server.stop()
        await wiring.close()
