"""Requests under way: how many, and which take too long and are given up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any, Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from nexus.runtime.app import Raw

LOOK: Final = 0.5
"""Seconds between looks at what is under way: so much later than its limit a request may be given up."""
_PATIENT: Final = ("/api/v1/activat",)
_PATIENT_ENDS: Final = ("/import", "/resume", "/undo")
"""What may take its time: it is long by nature, tells its progress, and can be gone on with."""


class Flights:
    """One look at all of them every half second, instead of a timer for each: a request costs two entries in a table."""

    def __init__(self, limit: float) -> None:
        self.limit: Final = limit
        """Seconds in which a request must be answered; 0 for no limit. A stream must have begun by then."""
        self.under_way: Final[dict[Raw, tuple[float, asyncio.Task[Any] | None]]] = {}
        """When each began, and the task that answers it; the oldest first."""
        self.late = 0.0
        """Seconds by which the last look came late: how long something has kept the event loop from everything else."""
        self.over = 0
        """How many have been given up."""
        self._given_up: set[Raw] = set()

    async def keep(self) -> None:
        """Look, for ever."""
        clock = time.perf_counter
        while True:
            due = clock() + LOOK
            await asyncio.sleep(LOOK)
            self.late = max(0.0, clock() - due)
            self.look(clock())

    def collect(self) -> Iterator[Metric]:
        """How many there are, and how late the event loop was."""
        yield GaugeMetricFamily("nexus_http_in_flight", "Requests that are being answered", value=len(self.under_way))
        yield GaugeMetricFamily("nexus_event_loop_late_seconds", "How late the event loop came to its last look", value=self.late)
        yield CounterMetricFamily("nexus_requests_given_up", "Requests that took longer than their limit", value=self.over)

    def look(self, now: float) -> None:
        """Give up what has been under way for longer than the limit."""
        if not self.limit:
            return
        for raw, (began, task) in list(self.under_way.items()):
            if began + self.limit > now:
                return
            if task is not None and raw not in self._given_up and not patient(raw):
                self._given_up.add(raw)
                self.over += 1
                task.cancel()

    def given_up(self, raw: Raw) -> bool:
        """Whether the cancellation that has come is ours; it is over then."""
        if raw not in self._given_up:
            return False
        self._given_up.discard(raw)
        task = asyncio.current_task()
        return task is None or task.uncancel() == 0


def patient(raw: Raw) -> bool:
    """Whether a request may take its time."""
    return raw.path.startswith(_PATIENT) or (raw.method == "POST" and raw.path.endswith(_PATIENT_ENDS))
