"""Measures of the process itself, and of what waits in its databases."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from typing import Any, Final

from prometheus_client import ProcessCollector
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import CollectorRegistry

from nexus import __version__
from nexus.engines.oltp import DatabaseError, Oltp, Statement, Timeout, Unavailable

SEEN: Final = 10_000
"""Journal rows that are counted; more is as bad."""
PATIENCE: Final = 2.0
"""Seconds after which a database counts as away."""
_WAITING: Final = Statement(
    "SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(at)), 0)"
    f" FROM (SELECT at FROM nexus_cell.journal ORDER BY seq LIMIT {SEEN}) j"
)
_process: Final = ProcessCollector(registry=CollectorRegistry(auto_describe=False))


def of_process() -> Iterator[Metric]:
    """Which version runs, and its CPU, memory and files."""
    yield InfoMetricFamily("nexus_build", "The version that runs", value={"version": __version__})
    yield from _process.collect()


async def of_cells(databases: Iterable[tuple[str, Oltp]]) -> list[Metric]:
    """Whether each database answers, and what waits there to be moved into the log."""
    up = GaugeMetricFamily("nexus_database_up", "Whether the database of a cell answers", labels=["cell"])
    rows = GaugeMetricFamily("nexus_relay_waiting_rows", "Journal rows not yet in the event log, 10,000 at most", labels=["cell"])
    lag = GaugeMetricFamily("nexus_relay_lag_seconds", "Age of the oldest journal row not yet in the event log", labels=["cell"])
    known = list(databases)
    for (cell, _), found in zip(known, await asyncio.gather(*(_waiting(oltp) for _, oltp in known)), strict=True):
        up.add_metric([cell], found is not None)
        if found is not None:
            rows.add_metric([cell], int(found[0]))
            lag.add_metric([cell], max(0.0, float(found[1])))
    return [up, rows, lag]


async def _waiting(oltp: Oltp) -> Any:
    try:
        (result,) = await oltp.run(None, (_WAITING, []), timeout=PATIENCE)
    except (Unavailable, Timeout, DatabaseError):
        return None
    return result.rows[0]
