"""Telemetry: what the process counts, and the page that Prometheus reads. Counting costs a request two additions; the rest is done when asked."""

from __future__ import annotations

import dataclasses
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, cast

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar

from nexus.core.trace import TRACE
from nexus.engines.oltp import Unavailable
from nexus.runtime.app import Page, Raw
from nexus.runtime.measures import of_cells, of_process
from nexus.runtime.node import Node
from nexus.runtime.routes import Routes
from nexus.surfaces.rest.message import Response

BOUNDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""Upper bounds of the latency buckets, in seconds."""
_GAUGES: Final = ("in_flight", "connections")
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PATCH", "PUT", "DELETE", "OPTIONS"})

_openmetrics: Final = cast(Callable[[Collector], bytes], getattr(openmetrics, "generate_latest"))  # noqa: B009 - it has no types


class Telemetry:
    """Counts the requests of one process."""

    def __init__(self, routes: Routes | None = None) -> None:
        self.routes = routes or Routes()
        self.exemplars = False
        """Whether the newest trace of each bucket is kept, for scrapes that ask for OpenMetrics."""
        self.sources: list[Callable[[], Iterable[Metric]]] = []
        """Whoever counts something else."""
        self._requests: dict[tuple[str, str, int], list[float]] = {}
        self._traced: dict[tuple[str, str, int, int], Exemplar] = {}
        self._calls: dict[tuple[str, str], list[float]] = {}

    def observe(self, method: str, path: str, status: int, seconds: float) -> None:
        """One request has been answered."""
        key = (method, self.routes.of(path), status)
        counts = self._requests.get(key)
        if counts is None:
            counts = self._first(method, key[1], status)
        bucket = bisect_left(BOUNDS, seconds)
        counts[bucket] += 1
        counts[-1] += seconds
        if self.exemplars and (trace := TRACE.get()) is not None:
            self._traced[*key, bucket] = Exemplar({"trace_id": trace[3:35], "span_id": trace[36:52]}, seconds, time.time())

    def called(self, method: str, code: str, seconds: float) -> None:
        """One call over gRPC has ended."""
        counts = self._calls.get((method, code))
        if counts is None:
            counts = self._calls.setdefault((method, code), [0.0] * (len(BOUNDS) + 2))
        counts[bisect_left(BOUNDS, seconds)] += 1
        counts[-1] += seconds

    def _first(self, method: str, route: str, status: int) -> list[float]:
        """Where such a request is counted. A method that nobody knows counts with its like, so that nobody fills the table with inventions."""
        key = (method if method in _METHODS else "OTHER", route, status)
        return self._requests.setdefault(key, [0.0] * (len(BOUNDS) + 2))

    def collect(self) -> Iterator[Metric]:
        """Requests by method, route and status and calls by method and code, with their latency."""
        family = HistogramMetricFamily("nexus_http_request_seconds", "Time to answer a request", labels=["method", "route", "status"])
        for (method, route, status), counts in sorted(self._requests.items()):
            traced = [self._traced.get((method, route, status, at)) for at in range(len(BOUNDS) + 1)]
            family.add_metric([method, route, str(status)], _buckets(counts, traced), sum_value=counts[-1])
        yield family
        calls = HistogramMetricFamily("nexus_grpc_call_seconds", "Time from the beginning of a call to its end", labels=["method", "code"])
        for (method, code), counts in sorted(self._calls.items()):
            calls.add_metric([method, code], _buckets(counts, [None] * (len(BOUNDS) + 1)), sum_value=counts[-1])
        yield calls
        for source in self.sources:
            yield from source()


def _buckets(counts: list[float], traced: list[Exemplar | None]) -> list[Any]:
    """Counts as the library writes them: each bucket with all that is below it."""
    total, found = 0.0, list[Any]()
    for bound, count, trace in zip((*map(str, BOUNDS), "+Inf"), counts, traced, strict=False):
        total += count
        found.append((bound, total, trace))
    return found


class _Page(Collector):
    """Everything of one look, for the library to write down."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    def collect(self) -> Iterable[Metric]:
        return self._families


def metrics_page(telemetry: Telemetry, node: Node | None = None) -> Page:
    """`/metrics` in the text format of Prometheus; of the requests alone where a process has no databases."""

    async def metrics(raw: Raw) -> Response:
        families = [*of_process(), *telemetry.collect()]
        if node is not None:
            families += [*_engines(node), *_relays(node), *await _backlog(node), *await _live(node)]
            families += await of_cells((name, cell.oltp) for name, cell in node.cells.items())
        return _written(families, raw.headers.get(b"accept", b""))

    return metrics


def _written(families: Iterable[Metric], accepted: bytes) -> Response:
    """In the text format of Prometheus, or in OpenMetrics for whom prefers that: only there exemplars have a place."""
    if b"application/openmetrics-text" in accepted:
        return Response(200, _openmetrics(_Page(families)), [(b"content-type", openmetrics.CONTENT_TYPE_LATEST.encode())])
    return Response(200, generate_latest(_Page(families)), [(b"content-type", CONTENT_TYPE_PLAIN_0_0_4.encode())])


def _engines(node: Node) -> Iterator[Metric]:
    """What the connections to each database have done."""
    stats = {name: getattr(cell.oltp, "stats", None) for name, cell in node.cells.items()}
    known = {name: dataclasses.asdict(one) for name, one in stats.items() if one is not None}
    fields = list(next(iter(known.values()))) if known else []
    for field in fields:
        kind = GaugeMetricFamily if field in _GAUGES else CounterMetricFamily
        family = kind(f"nexus_database_{field}", f"Of the pool of a cell's database: {field.replace('_', ' ')}", labels=["cell"])
        for name, values in known.items():
            family.add_metric([name], values[field])
        yield family


def _relays(node: Node) -> Iterator[Metric]:
    """What this process has moved from the journal, and what its followers have done."""
    for field in ("moves", "rows", "events", "entries", "refused", "failures"):
        family = CounterMetricFamily(f"nexus_relay_{field}", f"Of the relay since start: {field}", labels=["cell"])
        for name, relay in node.relays.items():
            family.add_metric([name], getattr(relay.stats, field))
        yield family
    for field in ("events", "done", "retries", "dead", "lost"):
        family = CounterMetricFamily(
            f"nexus_reaction_{field}", f"Of the reactions of a service since start: {field}", labels=["cell", "service"]
        )
        for cell, follower in node.followers:
            family.add_metric([cell, follower.group.name], getattr(follower.stats, field))
        yield family


async def _live(node: Node) -> list[Metric]:
    """Who follows live events here, what they were told, why they were sent away, and how far behind the log they are told."""
    following = GaugeMetricFamily("nexus_live_subscriptions", "Subscriptions to live events", labels=["cell"])
    told = CounterMetricFamily("nexus_live_delivered", "Events put into the queues of subscribers", labels=["cell"])
    lag = GaugeMetricFamily("nexus_live_lag_events", "Events of the log that subscribers have not been told yet", labels=["cell"])
    for cell, tail in node.live.tails.items():
        following.add_metric([cell], node.live.following(cell))
        told.add_metric([cell], tail.delivered)
        try:
            lag.add_metric([cell], await tail.lag())
        except Unavailable:
            continue
    ended = CounterMetricFamily(
        "nexus_live_ended", "Subscriptions that the server has ended; too-slow: for backpressure", labels=["reason"]
    )
    for reason, count in {"too-slow": 0, **node.live.ends}.items():
        ended.add_metric([reason], count)
    return [following, told, lag, ended]


async def _backlog(node: Node) -> list[Metric]:
    """What waits: events that a service has not handled, dead letters, timers. A database that is away is left out."""
    lag = GaugeMetricFamily("nexus_consumer_lag_events", "Events of the log not yet behind a consumer group", labels=["cell", "service"])
    dead = GaugeMetricFamily("nexus_dead_letters", "Dead letters that wait for a redrive", labels=["cell", "service"])
    for cell, follower in node.followers:
        try:
            lag.add_metric([cell, follower.group.name], await follower.group.lag())
        except Unavailable:
            continue
    for cell, letters in node.letters.items():
        try:
            for group, count in (await letters.waiting()).items():
                dead.add_metric([cell, group], count)
        except Unavailable:
            continue
    timers = GaugeMetricFamily("nexus_timers", "Commands that wait for their time, and those given up", labels=["cell", "state"])
    for cell, timekeeper in node.timekeepers.items():
        try:
            for state, count in (await timekeeper.counts()).items():
                timers.add_metric([cell, state], count)
        except Unavailable:
            continue
    return [lag, dead, timers]
