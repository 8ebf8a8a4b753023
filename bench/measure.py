"""One round of a job on a side, and the medians of several."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench import load
from bench.ground import Ground
from bench.processes import cpu
from bench.sides import Side


@dataclass(frozen=True, slots=True)
class Round:
    """What one round measured. CPU in microseconds per request, times in milliseconds."""

    rate: float
    p50: float
    p99: float
    server: float
    database: float
    errors: int


@dataclass(slots=True)
class Rounds:
    """The rounds of one job on one side; every figure is the median."""

    rounds: list[Round] = field(default_factory=list[Round])

    def of(self, name: str) -> float:
        """The median of a figure."""
        return statistics.median(getattr(one, name) for one in self.rounds)

    @property
    def errors(self) -> int:
        """Of all rounds."""
        return sum(one.errors for one in self.rounds)


_tag = 0


async def one_round(
    side: Side, ground: Ground, requests: Path | list[Path], seconds: float, *, connections: int = 32, rate: float = 0
) -> Round:
    """Load a side for some seconds; the work that requests leave behind (the relay's) is waited for and counted."""
    global _tag
    _tag += 1
    server, database = sum(map(cpu, side.pids)), cpu(ground.pid)
    share = len(side.urls)
    parts = requests if isinstance(requests, list) else [requests] * share
    sent = await asyncio.gather(
        *(
            load.send(url, parts[n], side.headers, seconds=seconds, connections=connections // share, rate=rate / share, tag=_tag * 10 + n)
            for n, url in enumerate(side.urls)
        )
    )
    await side.settle()
    count = max(1, sum(done.requests for done in sent)) / 1e6
    used = (sum(map(cpu, side.pids)) - server) / count, (cpu(ground.pid) - database) / count
    middle, tail = statistics.mean(done.p50 for done in sent), max(done.p99 for done in sent)
    return Round(sum(done.rate for done in sent), middle, tail, used[0], used[1], sum(done.errors for done in sent))


def median(values: Sequence[float]) -> float:
    """The middle one; not a number where there are none."""
    return statistics.median(values) if values else float("nan")
