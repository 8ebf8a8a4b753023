"""Live events: what idle listeners cost, and how soon a thousand of them hear of one event."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator
from typing import Final

from bench.ground import Ground
from bench.processes import memory
from bench.report import Other
from bench.sides import Nexus, ask

IDLE: Final = 5_000
CROWD: Final = 1_000
TOPIC: Final = "nexus.crm.*.competitor.created"
KINDS: Final = {"sse": "server-sent events", "ws": "WebSockets"}


class Live:
    """Measures them on the first process of the NEXUS of a run."""

    def __init__(self, nexus: Nexus, ground: Ground, quick: bool) -> None:
        self._nexus = nexus
        self._ground = ground
        self._events = 10 if quick else 40
        self._made = 0

    async def run(self) -> list[Other]:
        """All of it, over each protocol."""
        found: list[Other] = []
        for kind in KINDS:
            await self._nexus.restart({"NEXUS_HEARTBEAT": "600", "NEXUS_STANDBY": "0"})
            found.append(await self.crowd(kind))
            found.append(await self.idle(kind))
        return found

    async def crowd(self, kind: str) -> Other:
        """From the commit of one event to its receipt by each of many, nothing else going on."""
        late: list[float] = []
        async with self._listening(kind, CROWD) as listeners:
            for n in range(self._events + 3):
                subject = await self._happen()
                times = await self._receipts(listeners, subject)
                if n >= 3:
                    committed = await self._committed(subject)
                    late += [(at - committed) * 1000 for at in times]
                await asyncio.sleep(0.2)
        late.sort()
        note = f"p50 {late[len(late) // 2]:.0f} ms, last {late[-1]:.0f} ms, {self._events} events"
        return Other(f"one event to {CROWD:,} by {KINDS[kind]}, p99", late[len(late) * 99 // 100], " ms", note, wanted=100)

    async def idle(self, kind: str) -> Other:
        """The memory that connections take on which nothing happens."""
        before = memory(self._nexus.pid)
        async with self._listening(kind, IDLE):
            await asyncio.sleep(1.0)
            taken = (memory(self._nexus.pid) - before) / 1e6
        note = f"{taken * 1000 / IDLE:.1f} kB each; the process has {before / 1e6:.0f} MB without them"
        return Other(f"{IDLE:,} idle {KINDS[kind]}", taken, " MB", note, wanted=300)

    @contextlib.asynccontextmanager
    async def _listening(self, kind: str, count: int) -> AsyncGenerator[Process]:
        key, port = self._nexus.headers["Authorization"].removeprefix("Bearer "), self._nexus.url.rpartition(":")[2]
        command = [sys.executable, "-m", "bench.listeners", port, key, str(count), kind, TOPIC]
        child = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, limit=1 << 20)
        assert child.stdout is not None
        assert child.stdin is not None
        try:
            async with asyncio.timeout(120):
                said = await child.stdout.readline()
            assert said == b"ready\n", said
            yield child
        finally:
            child.stdin.close()
            await child.wait()

    async def _happen(self) -> str:
        self._made += 1
        own = {"authorization": self._nexus.headers["Authorization"]}
        made: str = (await ask(f"{self._nexus.url}/api/v1/crm/competitors", "POST", {"name": f"Rival {self._made}"}, own))["id"]
        return made

    async def _receipts(self, listeners: Process, subject: str) -> list[float]:
        assert listeners.stdout is not None
        async with asyncio.timeout(60):
            told = json.loads(await listeners.stdout.readline())
        assert told["subject"] == subject
        times: list[float] = told["times"]
        return times

    async def _committed(self, subject: str) -> float:
        text = f"SELECT extract(epoch FROM pg_xact_commit_timestamp(xmin))::float FROM {self._nexus.schema}.crm_competitor WHERE id = '{subject}'"
        return float(str((await self._ground.sql(text, "nexus"))[0][0]))


__all__ = ["Live"]
