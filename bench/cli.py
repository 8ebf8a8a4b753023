"""The run: ground, sides, jobs in interleaved rounds, report."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import subprocess
import tempfile
from collections.abc import AsyncGenerator
from pathlib import Path

from bench.counts import Count, counts
from bench.ground import Ground
from bench.hops import Hops
from bench.jobs import JOBS, Job, Requests
from bench.limit import Limit, Pgbench, script_of
from bench.live import Live
from bench.load import has_wrk
from bench.measure import Round, Rounds, one_round
from bench.others import Others, at_half
from bench.posting import Posting
from bench.processes import prefer
from bench.report import Demand, Measured, demands, others, out, table
from bench.rpc import unary
from bench.sides import Naive, Nexus, Side, Size

HERE = Path(__file__).parent


class Run:
    """One run of the bench."""

    def __init__(self, options: argparse.Namespace, ground: Ground) -> None:
        self.options = options
        self.ground = ground
        rounds = options.rounds + 1
        self.size = Size(options.contacts, round(options.seconds * 1_200) * rounds, options.tenants)
        self.nexus = Nexus(ground, self.size, os.cpu_count() or 1)
        self.naive = Naive(ground, self.size)
        self.requests = Requests(ground.folder, self.size.contacts, self.size.leads)
        self.demands: list[Demand] = []

    async def run(self) -> None:
        """Start, fill, measure, report."""
        sides: list[Side] = [self.nexus] + ([self.naive] if not self.options.no_naive else [])
        for side in (self.nexus, self.naive)[: len(sides)]:
            out.print(f"starting and filling {side.name} …", style="dim")
            await side.start()
            await side.fill()
        self.pgbench = Pgbench(self.ground, self.nexus.schema)
        await self.pgbench.prepare()
        await self.ground.sql("CHECKPOINT")
        counted = await counts(self.ground, str(self.nexus.folder))
        wanted = [job for job in JOBS if not self.options.only or job.name.split()[0] in self.options.only.split(",")]
        measured = [await self.job(job, sides, counted.get(job.name)) for job in wanted]
        found = await at_half(self.nexus, self.ground, self.requests, measured, self.options.seconds)
        if not self.options.only or "grpc" in self.options.only.split(","):
            found += await unary(
                self.nexus, self.ground, contacts=self.size.contacts, rounds=self.options.rounds, seconds=self.options.seconds
            )
        if not self.options.only or "hops" in self.options.only.split(","):
            hops = Hops(self.nexus, self.ground, self.requests, rounds=self.options.rounds, seconds=self.options.seconds)
            found += await hops.run()
        if not self.options.only or "others" in self.options.only.split(","):
            found += await Others(self.nexus, self.ground, self.options.quick).run()
        if not self.options.only or "live" in self.options.only.split(","):
            found += await Live(self.nexus, self.ground, self.options.quick).run()
        if not self.options.only or "post" in self.options.only.split(","):
            found += await Posting(self.ground, str(self.nexus.folder), self.options.quick).run()
        table(measured)
        others(found)
        demands([*self.demands, *(wanted for one in found if (wanted := one.demand()))])

    async def job(self, job: Job, sides: list[Side], count: Count | None) -> Measured:
        """All rounds of one job, the sides taking turns."""
        results = {side.name: Rounds() for side in sides}
        limits: list[Limit] = []
        script = None if job.once else await script_of(job, self.nexus.schema, self.size.contacts)
        for n in range(self.options.rounds + 1):
            for side in sides:
                done = await self.round(job, side, 1.0 if n == 0 else self.options.seconds)
                if n:  # the first one warms up
                    results[side.name].rounds.append(done)
            if n and script is not None:
                both = [await self.pgbench.run(script, self.options.seconds, clients) for clients in (4, 8)]
                limits.append(max(both, key=lambda one: one.rate))
        naive = results.get("naive")
        self.demand(job, results["NEXUS"], naive, limits, count)
        measured = Measured(job, results["NEXUS"], naive, limits, count)
        out.print(f"{job.name}: {results['NEXUS'].of('rate'):,.0f}/s", style="dim")
        return measured

    async def round(self, job: Job, side: Side, seconds: float) -> Round:
        """One round."""
        most = round(self.options.seconds * 1_200) // len(side.urls)
        files = [self.requests.file(job, side.name, most, n) for n in range(len(side.urls))]
        return await one_round(side, self.ground, files, seconds)

    def demand(self, job: Job, nexus: Rounds, naive: Rounds | None, limits: list[Limit], count: Count | None) -> None:
        """What is demanded of this job."""
        if job.of_limit and limits:
            middle = sorted(one.rate for one in limits)[len(limits) // 2]
            self.demands.append(Demand(f"{job.name}, of the limit", nexus.of("rate") / middle, job.of_limit, True))
        if job.over_naive and naive:
            self.demands.append(Demand(f"{job.name}, over naive", nexus.of("rate") / naive.of("rate"), job.over_naive, True, "x"))
        if job.round_trips and count:
            self.demands.append(Demand(f"{job.name}, round trips", count.round_trips, job.round_trips, False))


@contextlib.asynccontextmanager
async def grounded(options: argparse.Namespace) -> AsyncGenerator[Ground]:
    """A database server in a folder that goes away with it."""
    with tempfile.TemporaryDirectory(prefix="nexus-bench-", dir=options.folder) as folder:
        place = Path(folder)
        place.chmod(0o755)
        ground = Ground(place)
        await ground.start()
        try:
            yield ground
        finally:
            await ground.stop()


async def measure(options: argparse.Namespace) -> None:
    """The jobs."""
    async with grounded(options) as ground:
        run = Run(options, ground)
        try:
            await run.run()
        finally:
            run.nexus.stop()
            run.naive.stop()


def main() -> int:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("what", nargs="?", choices=("jobs", "tenants"), default="jobs", help="the jobs, or many tenants in one cell")
    parser.add_argument("--quick", action="store_true", help="a short run: fewer rows, one round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3, help="of each round")
    parser.add_argument("--contacts", type=int, default=100_000)
    parser.add_argument("--tenants", type=int, help="other businesses in the cell (20), or how many to make (500)")
    parser.add_argument(
        "--only",
        default="",
        help="first words of jobs, with commas: get,list; grpc, hops, live, post; others: bulk, import, reaction, activation",
    )
    parser.add_argument("--no-naive", action="store_true")
    parser.add_argument("--folder", help="where the database lies (a real disk, reachable for nobody where you are root)")
    options = parser.parse_args()
    many = options.what == "tenants"
    if options.quick:
        options.rounds, options.seconds, options.contacts = 1, 2, 20_000
    if options.tenants is None:
        options.tenants = {(True, False): 500, (True, True): 10, (False, False): 20, (False, True): 3}[many, options.quick]
    prepare()
    if many:
        from bench import tenants

        asyncio.run(tenants.measure(options))
    else:
        asyncio.run(measure(options))
    return 0


def prepare() -> None:
    """The load generator, and a priority that others on this machine do not push aside."""
    if not has_wrk():
        subprocess.run([str(HERE / "system-parts")], check=False)
    if not has_wrk():
        out.print(
            "wrk is not here and cannot be installed: our own generator sends instead; it costs more CPU beside the servers", style="yellow"
        )
    prefer(os.getpid())
