"""What the edge of a gateway has besides: it says that it is about to end, and which processes behind it answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client.core import GaugeMetricFamily, Metric

from nexus.gateway.routes import Gateway
from nexus.runtime.app import Answer, Raw
from nexus.surfaces.rest.message import JSON, Response


class Front:
    """Stands before a gateway."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self.draining = False

    def around(self, answer: Answer) -> Answer:
        """The layer that says 503 at `/readyz` once the end has begun."""

        async def respond(raw: Raw) -> Response:
            if self.draining and raw.path == "/readyz":
                return Response(503, b'{"status":"draining"}', [JSON])
            return await answer(raw)

        return respond

    def retired(self, seconds: float, door: Callable[[], None] | None = None) -> Callable[[], float]:
        """What begins the end, also of what else it has a door for, and says for how many seconds requests are still taken."""

        def retire() -> float:
            self.draining = True
            if door is not None:
                door()
            return seconds

        return retire

    def paths(self) -> list[str]:
        """The routes that metrics tell apart: one for each service, as many as there are addresses."""
        return [f"/api/v1/{name}/*" for name in self._gateway.upstreams]

    def collect(self) -> Iterator[Metric]:
        """The circuits."""
        family = GaugeMetricFamily(
            "nexus_gateway_service_up", "Whether requests are handed on to the process of a service", labels=["service"]
        )
        for name, upstream in self._gateway.upstreams.items():
            family.add_metric([name], not upstream.breaker.open)
        yield family
