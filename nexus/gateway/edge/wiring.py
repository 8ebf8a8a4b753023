"""The edge of one process, made of its settings, with the work that goes on beside the requests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from nexus.config import Settings
from nexus.engines.endings import end
from nexus.gateway.edge import Edge
from nexus.gateway.edge.access_log import AccessLog
from nexus.gateway.edge.cors import Cors
from nexus.gateway.edge.flights import Flights
from nexus.runtime.node import Node
from nexus.runtime.telemetry import Telemetry
from nexus.runtime.usage import Usage


@asynccontextmanager
async def edge_of(settings: Settings, telemetry: Telemetry, node: Node | None = None) -> AsyncGenerator[Edge]:
    """The edge that the settings ask for, for as long as the context lasts; callers are held to their limits where they are known."""
    origins = settings.origins()
    flights = Flights(settings.request_seconds)
    cors = Cors(origins, credentials=settings.cors_credentials) if origins else None
    log = AccessLog(settings.access_log, telemetry) if settings.access_log else None
    tasks = [asyncio.create_task(flights.keep(), name="edge")]
    if node is not None:
        usage = Usage(settings, node.directory, node.cells.control.oltp)
        node.rates = usage.rates
        tasks.append(asyncio.create_task(usage.keep(), name="usage"))
    try:
        yield Edge(telemetry, flights, cors, log)
    finally:
        await end(tasks)
        if log is not None:
            log.close()
