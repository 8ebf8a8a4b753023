"""The edge of one process, made of its settings, with the work that goes on beside the requests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from functools import partial

from prometheus_client.core import CounterMetricFamily, Metric

from nexus.config import Settings
from nexus.engines.endings import end
from nexus.gateway.edge import Edge
from nexus.gateway.edge.access_log import AccessLog
from nexus.gateway.edge.cors import Cors
from nexus.gateway.edge.flights import Flights
from nexus.runtime.costs import Costs
from nexus.runtime.node import Node
from nexus.runtime.rates import Rates
from nexus.runtime.telemetry import Telemetry
from nexus.runtime.usage import Usage


@asynccontextmanager
async def edge_of(settings: Settings, telemetry: Telemetry, node: Node | None = None) -> AsyncGenerator[Edge]:
    """The edge that the settings ask for, for as long as the context lasts; callers are held to their limits where they are known."""
    origins = settings.origins()
    flights = Flights(settings.request_seconds)
    cors = Cors(origins, credentials=settings.cors_credentials) if origins else None
    log = AccessLog(settings.access_log, telemetry) if settings.access_log else None
    telemetry.sources.append(flights.collect)
    tasks = [asyncio.create_task(flights.keep(), name="edge")]
    if node is not None:
        usage = Usage(settings, node.directory, node.cells.control.oltp)
        node.rates = usage.rates
        telemetry.sources += [Costs(usage.rates).collect, partial(_refused, usage.rates)]
        tasks.append(asyncio.create_task(usage.keep(), name="usage"))
    try:
        yield Edge(telemetry, flights, cors, log)
    finally:
        await end(tasks)
        if log is not None:
            log.close()


def _refused(rates: Rates) -> Iterator[Metric]:
    family = CounterMetricFamily("nexus_requests_refused", "Requests refused because a rate or a quota was used up", labels=["limit"])
    for name in ("key", "tenant", "key-day", "tenant-day"):
        family.add_metric([name], rates.refused.get(name, 0))
    yield family
