"""The gRPC server of a node: started beside HTTP, and imported only then, because the library takes its time and memory."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from nexus.config import Settings
from nexus.runtime.node import Node

if TYPE_CHECKING:
    from nexus.surfaces.grpc.calls import Traced
    from nexus.surfaces.grpc.ended import Told
    from nexus.surfaces.grpc.server import Server

GRACE: Final = 10.0
"""Seconds that calls may still take when the process ends."""
LAST: Final = 65_535


class PortTaken(Exception):
    """Somebody else listens on the port."""


@asynccontextmanager
async def rpc_of(
    settings: Settings, node: Node, services: Collection[str], url: str, *, told: Told | None = None, traced: Traced | None = None
) -> AsyncGenerator[Server | None]:
    """The operations of these services over gRPC for as long as the context lasts, beside HTTP at `url`; None where there are none.

    `told` hears of every call that has ended; `traced` makes each a part of a trace.

    Raises PortTaken.
    """
    if not services:
        yield None
        return
    from nexus.surfaces.grpc.server import Server
    from nexus.surfaces.lock import promised

    locks = [promised(service) for name, service in node.services.items() if name in services]
    server = Server(
        node.operations,
        node.authenticate,
        locks,
        body_limit=settings.body_limit,
        live=node.live,
        heartbeat=settings.heartbeat,
        told=told,
        traced=traced,
    )
    try:
        await server.start(settings.host, *ports(settings, urlsplit(url).port or LAST))
    except OSError as error:
        raise PortTaken(f"{error} Set NEXUS_GRPC_PORT to another.") from None
    try:
        yield server
    finally:
        await server.stop(GRACE)


def ports(settings: Settings, port: int) -> list[int]:
    """The ports to try: the one that is set, else the one after HTTP's where that was set too, and a free one."""
    if settings.grpc_port >= 0:
        return [settings.grpc_port]
    return [port + 1, 0] if settings.port and port < LAST else [0]
