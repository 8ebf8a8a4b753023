"""The jobs that are no load of small requests: bulk, import, activation, reaction, and the tail at half of the maximum."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Any, Final

from bench.ground import Ground
from bench.jobs import JOBS, NEW, Requests
from bench.measure import median, one_round
from bench.report import Measured, Other
from bench.sides import BUSINESS, Nexus

CONTACTS: Final = "/api/v1/crm/contacts"


class Others:
    """Measures them on the NEXUS of a run, one after the other."""

    def __init__(self, nexus: Nexus, ground: Ground, quick: bool) -> None:
        self._nexus = nexus
        self._ground = ground
        self._repeat = 1 if quick else 3
        self._quick = quick

    async def run(self) -> list[Other]:
        """All of them."""
        found = [await self.bulk(), *await self.importing(), await self.reaction(), await self.standby()]
        await self._nexus.restart({"NEXUS_STANDBY": "0"})
        found.append(await self.cold())
        return found

    async def bulk(self) -> Other:
        """10,000 contacts in one request, all or nothing, with journal, events, audit and every check."""
        count = 10_000
        rates: list[float] = []
        for n in range(self._repeat):
            items = [{**NEW, "email": f"bulk.{n}.{row}@example.com"} for row in range(count)]
            body = json.dumps({"items": items, "mode": "all"}).encode()
            status, seconds = await self._post(f"{CONTACTS}/bulk", body, {"idempotency-key": f"bulk-{n}", "prefer": "return=minimal"})
            assert status < 300, f"bulk answered {status}"
            await self._nexus.settle()
            rates.append(count / seconds)
        return Other("bulk create 10,000", median(rates), " rows/s", wanted=10_000, at_least=True)

    async def importing(self) -> list[Other]:
        """A CSV of 100,000 contacts."""
        count = 10_000 if self._quick else 100_000
        head = "name,email,phone,title,city,country\n"
        rows = (f"Ada Obi {n},import.{n}@example.com,+234{7000000000 + n},Buyer,Lagos,NG\n" for n in range(count))
        body = (head + "".join(rows)).encode()
        status, seconds = await self._post(f"{CONTACTS}/import", body, {"content-type": "text/csv", "idempotency-key": "import"})
        if status >= 400:
            return [Other(f"import {count:,}", float("nan"), " rows/s", f"not there: the API answers {status}")]
        await self._nexus.settle()
        return [Other(f"import {count:,} from CSV", count / seconds, " rows/s")]

    async def reaction(self) -> Other:
        """From the commit of a new lead to the first statement of the reaction to it, with nothing else going on."""
        await self._nexus.settle()
        count = 20 if self._quick else 60
        for n in range(count):
            body = json.dumps({"name": f"Idle {n}", "email": f"idle.{n}@example.com"}).encode()
            status, _ = await self._post("/api/v1/crm/leads", body, {"idempotency-key": f"reaction-{n}"})
            assert status == 201, f"a lead answered {status}"
            await asyncio.sleep(0.05)
        await self._nexus.settle()
        await asyncio.sleep(0.5)
        schema = self._nexus.schema
        rows = await self._ground.sql(
            f"SELECT extract(epoch FROM min(i.at) - min(pg_xact_commit_timestamp(k.xmin)))::float * 1000 FROM {schema}.nexus_idempotency k"
            " JOIN nexus_cell.event e ON e.subject = (k.body::json->>'id')::uuid AND e.topic LIKE '%.lead.created'"
            f" JOIN {schema}.nexus_inbox i ON i.event_id = (e.envelope::json->>'id')::uuid WHERE k.key LIKE 'reaction-%' GROUP BY k.key",
            "nexus",
        )
        times = [float(str(row[0])) for row in rows]
        return Other("commit to reaction, idle", median(times), " ms", f"{len(times)} of {count} leads", wanted=5)

    async def standby(self) -> Other:
        """Activation that claims a tenant made in advance."""
        times: list[float] = []
        for n in range(3 * self._repeat):
            for _ in range(600):
                ready = await self._ground.sql("SELECT count(*) FROM nexus_control.standby WHERE state = 'ready'", "nexus")
                if int(str(ready[0][0])) >= 2:
                    break
                await asyncio.sleep(0.1)
            times.append(await self._activate(f"standby-{n}"))
        return Other("activate from standby", median(times), " s", wanted=0.3)

    async def cold(self) -> Other:
        """Activation that makes all tables."""
        times = [await self._activate(f"cold-{n}") for n in range(1 + 2 * self._repeat)]
        return Other("activate cold", median(times), " s", wanted=2)

    async def _activate(self, slug: str) -> float:
        began = time.perf_counter()
        await self._nexus.activate({**BUSINESS, "name": slug, "slug": slug})
        return time.perf_counter() - began

    async def _post(self, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, float]:
        own = {"content-type": "application/json", "authorization": self._nexus.headers["Authorization"], **headers}

        def send() -> int:
            request = urllib.request.Request(self._nexus.url + path, body, own, method="POST")
            try:
                with urllib.request.urlopen(request, timeout=300) as answer:
                    answer.read()
                    return int(answer.status)
            except urllib.error.HTTPError as refused:
                return refused.code

        began = time.perf_counter()
        status = await asyncio.to_thread(send)
        return status, time.perf_counter() - began


async def at_half(nexus: Nexus, ground: Ground, requests: Requests, measured: list[Measured], seconds: float) -> list[Other]:
    """The tail of each job when half of what it can do is asked of it."""
    found: list[Other] = []
    rates: dict[str, Any] = {one.job.name: one.nexus.of("rate") for one in measured}
    for job in _loads():
        if job.name in rates:
            half = rates[job.name] / 2
            done = await one_round(nexus, ground, requests.file(job, "NEXUS", 0), seconds, rate=half)
            found.append(Other(f"{job.name}, p99 at half of the maximum", done.p99, " ms", f"{half:,.0f}/s", wanted=100))
    return found


def _loads() -> Iterator[Any]:
    return (job for job in JOBS if not job.once)
