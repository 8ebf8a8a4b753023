"""Metrics: what a scrape says, read by the parsers of Prometheus' own library."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from nexus.config import Settings
from nexus.core.trace import TRACE
from nexus.gateway.edge.wiring import edge_of
from nexus.runtime.app import App
from nexus.runtime.costs import OTHERS, Costs
from nexus.runtime.rates import Pool, Rates
from nexus.runtime.routes import Routes
from nexus.runtime.telemetry import Telemetry, metrics_page
from tests.activation.conftest import Installation, Open, control_database, open_installation

__all__ = ["control_database", "open_installation"]
SPAN = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
async def nexus(open_installation: Open) -> AsyncIterator[Installation]:
    async with open_installation() as installation:
        yield installation


async def _scrape(nexus: Installation, key: str) -> tuple[str, str]:
    """What is said, as text and as OpenMetrics, once somebody has asked for a few things under a trace."""
    node, telemetry = nexus.node, Telemetry()
    mounted = [("/metrics", metrics_page(telemetry, node)), *nexus.control.pages()]
    telemetry.routes = Routes(node.rest, [path for path, _ in mounted])
    telemetry.exemplars = True
    async with edge_of(Settings(key_rate=0.3, tenant_rate=0), telemetry, node) as edge:
        app = App(node.rest, node.authenticate, mounted, body_limit=1 << 20, host=node, layers=[edge.around])
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://nexus") as client:
            TRACE.set(SPAN)
            for method in ("GET", "GET", "GET", "GET", "INVENTED"):
                await client.request(method, f"/api/v1/auth/users/{uuid4()}", headers={"authorization": f"Bearer {key}"})
            TRACE.set(None)
            text = await client.get("/metrics")
            exemplars = await client.get("/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"})
    node.rates = None
    return text.text, exemplars.text


def _values(text: str, name: str, *labels: str) -> dict[tuple[str, ...], float]:
    """The samples of one name, by some of their labels."""
    samples = [sample for family in parse_text(text) for sample in family.samples if sample.name == name]
    return {tuple(sample.labels[label] for label in labels): sample.value for sample in samples}


async def test_a_scrape_says_who_asked_for_what_and_what_waits(nexus: Installation) -> None:
    status, made = await nexus.activate("scraped")
    assert status == 201

    text, exemplars = await _scrape(nexus, made["credentials"]["api_key"])

    counted = _values(text, "nexus_http_request_seconds_count", "method", "route", "status")
    assert counted[("GET", "/api/v1/auth/users/{id}", "404")] == 3
    assert counted[("GET", "/api/v1/auth/users/{id}", "429")] == 1
    assert counted[("OTHER", "/api/v1/auth/users/{id}", "429")] == 1
    assert _values(text, "nexus_database_up", "cell") == {("c0",): 1}
    assert _values(text, "process_cpu_seconds_total")[()] > 0
    assert _values(text, "nexus_requests_refused_total", "limit") == {("key",): 2, ("tenant",): 0, ("key-day",): 0, ("tenant-day",): 0}
    assert _values(text, "nexus_tenant_requests_total", "tenant") == {("scraped",): 3, (OTHERS,): 0}
    samples = [sample for family in parse_openmetrics(exemplars) for sample in family.samples]
    traced = {sample.exemplar.labels["trace_id"] for sample in samples if sample.exemplar is not None}
    assert traced == {SPAN[3:35]}


def _costs(costs: Costs) -> dict[str, float]:
    requests, _ = costs.collect()
    return {sample.labels["tenant"]: sample.value for sample in requests.samples}


def test_the_dearest_tenants_are_named_and_no_series_falls_while_it_is_there() -> None:
    rates = Rates.__new__(Rates)
    rates.tenants, rates._accounts = {}, {}
    costs = Costs(rates, named=2)
    ids: list[UUID] = [uuid4() for _ in range(5)]
    for at, id in enumerate(ids):
        rates.tenants[id] = Pool(f"tenant-{at}")
    before: dict[str, float] = {}
    for turn in range(1, 30):
        for at, id in enumerate(ids):
            pool = rates.tenants[id]
            pool.total += 1 + (at * turn) % 7
            pool.seconds += (1 + (at * turn) % 7) / 100
        now = _costs(costs)
        assert len(now) <= 3
        assert all(now[name] >= before[name] for name in now if name in before and (name == OTHERS or name in before))
        assert now[OTHERS] >= before.get(OTHERS, 0)
        before = now
