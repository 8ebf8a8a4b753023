"""What each tenant costs, as counters for Prometheus: those that cost most by name, everybody else together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from prometheus_client.core import CounterMetricFamily, Metric

from nexus.runtime.rates import Pool, Rates

NAMED: Final = 20
"""Tenants that have series of their own."""
OTHERS: Final = "others"


@dataclass(slots=True)
class _Cost:
    requests: int = 0
    seconds: float = 0.0

    def add(self, requests: int, seconds: float) -> None:
        self.requests += requests
        self.seconds += seconds


class Costs:
    """Keeps who is named between two looks. A series only grows for as long as it is there: what a tenant has cost before stays with the others."""

    def __init__(self, rates: Rates, named: int = NAMED) -> None:
        self._rates = rates
        self._most = named
        self._named: dict[UUID, _Cost] = {}
        self._others = _Cost()
        self._seen: dict[UUID, _Cost] = {}

    def collect(self) -> Iterator[Metric]:
        """Requests and seconds by tenant."""
        self._rates.accounts()
        pools = self._rates.tenants
        self._choose(pools)
        for id, pool in pools.items():
            seen = self._seen.setdefault(id, _Cost())
            self._named.get(id, self._others).add(pool.total - seen.requests, pool.seconds - seen.seconds)
            seen.requests, seen.seconds = pool.total, pool.seconds
        requests = CounterMetricFamily("nexus_tenant_requests", "Requests of a tenant", labels=["tenant"])
        seconds = CounterMetricFamily("nexus_tenant_seconds", "Time that answering a tenant took", labels=["tenant"])
        for name, cost in [*((pools[id].name, cost) for id, cost in self._named.items()), (OTHERS, self._others)]:
            requests.add_metric([name], cost.requests)
            seconds.add_metric([name], cost.seconds)
        yield from (requests, seconds)

    def _choose(self, pools: dict[UUID, Pool]) -> None:
        dearest = sorted(pools, key=lambda id: (pools[id].seconds, pools[id].total), reverse=True)[: self._most]
        self._named = {id: self._named.get(id) or _Cost() for id in dearest}
        self._seen = {id: cost for id, cost in self._seen.items() if id in pools}
