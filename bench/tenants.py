"""`python -m bench tenants`: many tenants in one cell: what each costs, and whether the last one is as fast as the first."""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import sys
import time
from typing import Any

from bench.cli import grounded
from bench.ground import CONTACTS
from bench.measure import median
from bench.processes import cpu, memory
from bench.report import Other, others, out
from bench.sides import BUSINESS, Nexus, Size, ask, defaults
from nexus.services.crm.entities import Contact

STANDBYS = 10


class Tenants:
    """Activates tenants and looks at them."""

    def __init__(self, nexus: Nexus, count: int) -> None:
        self._nexus = nexus
        self._ground = nexus.ground
        self._count = max(1, count - 1 - STANDBYS)  # one is there already, and a cell takes no more than it is made for
        self._made: list[dict[str, Any]] = []

    async def run(self) -> list[Other]:
        """Everything, in the order in which it happens."""
        start = memory(self._nexus.pid)
        size, relations = await self._size(), await self._relations()
        cold = await self._cold()
        await self._nexus.restart({"NEXUS_STANDBY": str(STANDBYS)})
        warm = await self._warm()
        grown, more = await self._size() - size, await self._relations() - relations
        made = len(self._made) + STANDBYS
        found = [
            Other("tenants activated", len(self._made), ""),
            Other("activate cold, first fifth", median(cold[: len(cold) // 5 or 1]), " s"),
            Other("activate cold, last fifth", median(cold[-(len(cold) // 5 or 1) :]), " s"),
            Other("activate from standby, beside all of them", median(warm), " s"),
            Other("relations per tenant", more / made, ""),
            Other("disk per tenant, with its share of the catalogue", grown / made / 1024, " kB"),
        ]
        found += await self._restarted(start)
        for name, tenant in (("first", self._made[0]), ("last", self._made[-1])):
            found.append(Other(f"list 50 of the {name} tenant", await self._list(tenant) * 1000, " ms"))
        return [*found, *await self._everyone(), await self._no_op(), *await self._export(self._made[-1])]

    async def _cold(self) -> list[float]:
        """Tenants whose tables are made when they come."""
        times: list[float] = []
        for n in range(self._count):
            times.append(await self._activate(f"cold-{n}"))
            if n % 50 == 49:
                out.print(f"{n + 1} tenants; the last took {times[-1]:.2f} s", style="dim")
        return times

    async def _warm(self) -> list[float]:
        """Tenants that take over one made in advance."""
        for _ in range(1_200):
            ready = await self._ground.sql("SELECT count(*) FROM nexus_control.standby WHERE state = 'ready'", "nexus")
            if int(str(ready[0][0])) >= STANDBYS:
                break
            await asyncio.sleep(0.1)
        return [await self._activate(f"warm-{n}") for n in range(STANDBYS)]

    async def _activate(self, slug: str) -> float:
        """Seconds; HTTPError where it fails."""
        began = time.perf_counter()
        self._made.append(await self._nexus.activate({**BUSINESS, "name": slug, "slug": slug}))
        return time.perf_counter() - began

    async def _restarted(self, before: int) -> list[Other]:
        """A process that starts beside all these tenants."""
        await self._nexus.restart({"NEXUS_STANDBY": "0"})
        now = memory(self._nexus.pid)
        return [
            Other("ready after a start beside all of them", self._nexus.started, " s"),
            Other("memory of the server then", now / 2**20, " MB", f"{before / 2**20:.0f} MB with one tenant"),
        ]

    async def _list(self, tenant: dict[str, Any]) -> float:
        """The median of a page of a tenant with a thousand contacts."""
        schema = "t_" + tenant["tenant"]["id"].replace("-", "")
        more, values = defaults(Contact, CONTACTS)
        rows = CONTACTS.format(table=f"{schema}.crm_contact", count=1000, more=more, values=values)
        await self._ground.sql(f"{rows}; ANALYZE {schema}.crm_contact", "nexus")
        times: list[float] = []
        for _ in range(60):
            began = time.perf_counter()
            await self._ask(tenant)
            times.append(time.perf_counter() - began)
        return median(times[10:])

    async def _ask(self, tenant: dict[str, Any]) -> None:
        key = {"authorization": f"Bearer {tenant['credentials']['api_key']}"}
        await ask(f"{self._nexus.url}/api/v1/crm/contacts?limit=50&sort=-id", headers=key)

    async def _everyone(self) -> list[Other]:
        """One request of each tenant: what the server and the database's processes keep of them afterwards."""
        used = cpu(self._nexus.pid)
        for tenant in self._made:
            await self._ask(tenant)
        server, database = memory(self._nexus.pid), memory(self._ground.pid)
        spent = (cpu(self._nexus.pid) - used) / len(self._made) * 1000
        note = f"{spent:.1f} ms of the server's CPU per tenant"
        return [
            Other("memory of the server after a request of each", server / 2**20, " MB", note),
            Other("memory of the database then", database / 2**20, " MB"),
        ]

    async def _no_op(self) -> Other:
        """`nexus migrate` with nothing to do."""
        seconds = await self._command("migrate", "--json")
        return Other("nexus migrate, nothing to do", seconds, " s", "with the start of the program")

    async def _export(self, tenant: dict[str, Any]) -> list[Other]:
        """`nexus backup` of one tenant with a thousand contacts, where there is such a command."""
        target = self._nexus.folder / "backup.nexus"
        try:
            seconds = await self._command("backup", tenant["tenant"]["slug"], "--to", str(target))
        except RuntimeError as error:
            return [Other("export of one tenant", float("nan"), "", str(error))]
        return [Other("export of one tenant", seconds, " s", "nexus backup, with the start of the program")]

    async def _command(self, *words: str) -> float:
        environment = {**os.environ, **self._nexus.environment, "NEXUS_PORT": self._nexus.url.rpartition(":")[2]}
        began = time.perf_counter()
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "nexus", *words, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        said, _ = await process.communicate()
        if process.returncode:
            plain = " ".join(re.findall(r"[\w'.:-]+", said.decode()))
            raise RuntimeError(f"nexus {words[0]} ended with {process.returncode}: {plain[-100:]}")
        return time.perf_counter() - began

    async def _size(self) -> int:
        await self._ground.sql("CHECKPOINT")
        return int(str((await self._ground.sql("SELECT pg_database_size('nexus')"))[0][0]))

    async def _relations(self) -> int:
        return int(str((await self._ground.sql("SELECT count(*) FROM pg_class", "nexus"))[0][0]))


async def measure(options: argparse.Namespace) -> None:
    """Start, activate, look, report."""
    async with grounded(options) as ground:
        nexus = Nexus(ground, Size(0, 0, 0))
        try:
            await nexus.start({"NEXUS_STANDBY": "0"})
            others(await Tenants(nexus, options.tenants).run(), f"{options.tenants} tenants in one cell")
        finally:
            nexus.stop()
