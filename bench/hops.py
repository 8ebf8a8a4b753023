"""What each hop of running apart costs: a read through the gateway against the same read asked directly, and a command of another service against one in here.

Both are asked one after the other, by one caller, in turns: what is measured is the time that a hop adds, not how much it lets through.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Final

from bench import load
from bench.ground import Ground
from bench.jobs import JOBS, Requests
from bench.measure import median
from bench.processes import Process, cpu, free_port
from bench.report import Other
from bench.sides import Nexus
from nexus.config import Settings
from nexus.core.ids import uuid7_text
from nexus.runtime.call_wire import OverGrpc
from nexus.runtime.databases import attach_cells, passwords
from nexus.runtime.node import Node
from nexus.runtime.statements import Signer
from nexus.services.auth.api import InviteUser
from nexus.surfaces.calling import Caller

HERE: Final = frozenset({"crm"})
AWAY: Final = "auth"


class Hops:
    """Measures them beside the first process of the NEXUS of a run."""

    def __init__(self, nexus: Nexus, ground: Ground, requests: Requests, *, rounds: int, seconds: float) -> None:
        self._nexus = nexus
        self._ground = ground
        self._requests = requests
        self._rounds = rounds
        self._seconds = seconds
        known = passwords(Settings(data=str(nexus.folder)))
        self._shared = {**nexus.environment, "NEXUS_OWNER_PASSWORD": known.owner, "NEXUS_APP_PASSWORD": known.app, "NEXUS_PREPARE": "false"}

    async def run(self) -> list[Other]:
        """Both."""
        return [*await self.gateway(), *await self.call()]

    async def gateway(self) -> list[Other]:
        """A get by one connection."""
        file = self._requests.file(next(job for job in JOBS if job.name == "get one"), "NEXUS", 0)
        behind = ",".join(f"{name}={self._nexus.url}" for name in ("control", "auth", "crm"))
        times: dict[str, list[float]] = {"direct": [], "gateway": []}
        used: list[float] = []
        async with self._process("gateway", {"NEXUS_SERVICES": behind}) as (process, url):
            for n in range(self._rounds + 1):
                for name, where in (("direct", self._nexus.url), ("gateway", url)):
                    before = cpu(process.pid)
                    done = await load.send(where, file, self._nexus.headers, seconds=self._seconds, connections=1)
                    if n:  # the first one warms up
                        times[name].append(done.p50)
                        used += [(cpu(process.pid) - before) / max(1, done.requests) * 1e6] if name == "gateway" else []
        direct, through = median(times["direct"]), median(times["gateway"])
        note = f"{through - direct:.2f} ms for the hop, {median(used):,.0f} µs of the gateway's CPU"
        return [
            Other("get one by one caller, direct", direct, " ms"),
            Other("get one by one caller, through the gateway", through, " ms", note),
            Other("through the gateway, of direct", through / direct, "x"),
        ]

    async def call(self) -> list[Other]:
        """A command of another service, all of it done and undone: where its rules run in the caller's process, and in another one."""
        port = free_port()
        settings = Settings(
            data=str(self._folder("caller")),
            database_url=self._shared["NEXUS_DATABASE_URL"],
            owner_password=self._shared["NEXUS_OWNER_PASSWORD"],
            app_password=self._shared["NEXUS_APP_PASSWORD"],
        )
        cells, _ = await attach_cells(settings.database_url, settings)
        wiring = OverGrpc({AWAY: f"127.0.0.1:{port}"}, Signer(cells, "crm"))
        try:
            async with self._process(AWAY, {"NEXUS_CALL_PORT": str(port)}):
                here, apart = Node(settings, cells), Node(settings, cells, here=HERE)
                apart.calls.elsewhere = wiring
                alone, over = await self._calls(here, apart)
        finally:
            await wiring.close()
            await cells.close()
        return [
            Other("a command of another service, in one process", alone, " ms"),
            Other("a command of another service, over gRPC", over, " ms", f"{over - alone:.2f} ms for the hop"),
            Other("over gRPC, of in one process", over / alone, "x"),
        ]

    async def _calls(self, here: Node, apart: Node) -> tuple[float, float]:
        caller: Caller = await here.authenticate(self._nexus.headers["Authorization"].partition(" ")[2])
        times: dict[Node, list[float]] = {here: [], apart: []}
        end = time.monotonic() + 2 * self._seconds * self._rounds
        while time.monotonic() < end:
            for node, found in times.items():
                invite = InviteUser(name="Ngozi", email=f"{uuid7_text()}@example.com", roles=["auth.member"])
                began = time.perf_counter()
                await node.run(caller, invite, dry_run=True)
                found.append((time.perf_counter() - began) * 1000)
        return median(times[here]), median(times[apart])

    @contextlib.asynccontextmanager
    async def _process(self, target: str, more: dict[str, str]) -> AsyncGenerator[tuple[Process, str]]:
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        given = {**self._shared, **more, "NEXUS_DATA": str(self._folder(target)), "NEXUS_PORT": str(port)}
        process = Process([sys.executable, "-m", "nexus", "serve", "--target", target], given, self._ground.folder / f"{target}.log")
        try:
            await process.ready(f"{url}/healthz")
            yield process, url
        finally:
            process.stop()

    def _folder(self, name: str) -> Path:
        folder = self._ground.folder / f"hop-{name}"
        folder.mkdir(exist_ok=True)
        return folder
