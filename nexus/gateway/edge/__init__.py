"""The edge: what stands around every request over HTTP, whoever answers it, and hears of every call over gRPC.

    request ──> traces ──> time limit ──> CORS ──> App.answer ──> limits told, unchanged, compressed ──> counted, logged ──> response

Each part is a file of its own and does nothing where its setting is off; what a plain request passes through costs it well under a microsecond.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from nexus.core.problem import TookTooLong
from nexus.core.trace import TRACE, traceparent
from nexus.gateway.edge.access_log import AccessLog
from nexus.gateway.edge.bodies import LEAST, shaped
from nexus.gateway.edge.cors import Cors
from nexus.gateway.edge.flights import Flights
from nexus.runtime.app import Answer, Raw
from nexus.runtime.rates import STANDING
from nexus.runtime.telemetry import Telemetry
from nexus.surfaces.grpc.ended import Ended
from nexus.surfaces.rest.message import Response, problem

__all__ = ["Edge"]


@dataclass(frozen=True, slots=True)
class Edge:
    """What a process puts around its application."""

    telemetry: Telemetry
    flights: Flights
    cors: Cors | None = None
    log: AccessLog | None = None

    def called(self, call: Ended) -> None:
        """A call over gRPC has ended: it is counted and written down, and what it took is its tenant's."""
        if (standing := STANDING.get()) is not None:
            standing.tenant.seconds += call.spent
        self.telemetry.called(call.method, call.code, call.seconds)
        if self.log is not None:
            self.log.called(call)

    def around(self, answer: Answer) -> Answer:
        """The application behind this edge."""
        clock, flights, cors, observe, log = time.perf_counter, self.flights, self.cors, self.telemetry.observe, self.log
        task_of, loop = asyncio.current_task, asyncio.get_running_loop()

        async def respond(raw: Raw) -> Response:
            began = clock()
            flights.under_way[raw] = (began, task_of(loop))
            given = raw.headers.get(b"traceparent")
            mine = traceparent(given) if given is not None and TRACE.get() is None else None
            if mine is not None:
                TRACE.set(mine)
            try:
                response = await answer(raw) if cors is None else cors.preflight(raw) or await answer(raw)
            except asyncio.CancelledError:
                if not flights.given_up(raw):
                    raise
                response = problem(TookTooLong(seconds=flights.limit), raw.correlation)
            finally:
                del flights.under_way[raw]
            if response.stream is not None or len(response.body) >= LEAST or b"if-none-match" in raw.headers:
                response = await shaped(raw, response)
            if cors is not None:
                cors.allow(raw, response)
            if mine is not None:
                response.headers = [*(one for one in response.headers if one[0] != b"traceparent"), (b"traceparent", mine.encode())]
            seconds = clock() - began
            if (standing := STANDING.get()) is not None:
                STANDING.set(None)
                standing.tenant.seconds += seconds
                response.headers = [*response.headers, *standing.headers()]
            observe(raw.method, raw.path, response.status, seconds)
            if log is not None:
                log.write(raw, response, seconds)
            if mine is not None:
                TRACE.set(None)  # a caller within the process goes on in the same task
            return response

        return respond
