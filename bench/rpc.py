"""gRPC: getting one record against an empty method of the same library, asked by the same client, in turns.

    python -m bench.rpc empty                      serves an empty method; says its address
    python -m bench.rpc load ADDRESS METHOD FILE   calls it for some seconds; says how often, as JSON

FILE holds requests, one a line, as base64.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import itertools
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import grpc
import uvloop

from bench.ground import Ground, contact_id
from bench.measure import median
from bench.processes import cpu, prefer
from bench.report import Other
from bench.sides import Nexus

CONNECTIONS: Final = 32
EMPTY: Final = "/bench.Empty/Call"
GET: Final = "/nexus.crm.v1.Contacts/Get"


async def unary(nexus: Nexus, ground: Ground, *, contacts: int, rounds: int, seconds: float) -> list[Other]:
    """The calls a second of both, and the one of the other."""
    requests = ground.folder / "grpc.txt"
    ids = [contact_id(n) for n in random.Random(3).sample(range(1, contacts + 1), min(2_000, contacts))]
    requests.write_text("\n".join(base64.b64encode(b"\x0a" + bytes([len(id)]) + id.encode()).decode() for id in ids) + "\n")
    where = json.loads((nexus.folder / "running.json").read_text())["grpc"]
    key = {"authorization": nexus.headers["Authorization"]}
    empty, other = _start()
    try:
        rates: dict[str, list[float]] = {GET: [], EMPTY: []}
        used: dict[str, list[float]] = {GET: [], EMPTY: []}
        for n in range(rounds + 1):
            for method, address, pid in ((GET, where, nexus.pid), (EMPTY, other, empty.pid)):
                before = cpu(pid)
                calls, took = await _load(address, method, requests, key, 1.0 if n == 0 else seconds)
                if n:  # the first one warms up
                    rates[method].append(calls / took)
                    used[method].append((cpu(pid) - before) / calls * 1e6)
    finally:
        empty.terminate()
        empty.wait()
    note = "{:,.0f} µs of the server's CPU"
    got, nothing = median(rates[GET]), median(rates[EMPTY])
    return [
        Other("gRPC get one", got, "/s", note.format(median(used[GET]))),
        Other("gRPC empty method", nothing, "/s", note.format(median(used[EMPTY]))),
        Other("gRPC get one, of an empty method", got / nothing, "", wanted=0.7, at_least=True),
    ]


def _start() -> tuple[subprocess.Popen[str], str]:
    """An empty method in a process of its own, and its address."""
    made = subprocess.Popen([sys.executable, "-m", "bench.rpc", "empty"], stdout=subprocess.PIPE, text=True, start_new_session=True)
    prefer(made.pid)
    assert made.stdout is not None
    return made, made.stdout.readline().strip()


async def _load(address: str, method: str, requests: Path, metadata: Mapping[str, str], seconds: float) -> tuple[int, float]:
    command = [sys.executable, "-m", "bench.rpc", "load", address, method, str(requests), "--seconds", str(seconds)]
    command += [part for name, value in metadata.items() for part in ("--metadata", f"{name}: {value}")]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
    said = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if not said:
        raise RuntimeError(f"the calls failed: {done.stdout[-500:]} {done.stderr[-1500:]}")
    found = json.loads(said[-1])
    return found["calls"], found["seconds"]


class _Empty(grpc.GenericRpcHandler):
    """One method that answers nothing."""

    async def _call(self, data: bytes, context: Any) -> bytes:
        return b""

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        return grpc.unary_unary_rpc_method_handler(self._call)


async def serve() -> None:
    """An empty method, until somebody ends it."""
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((_Empty(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"127.0.0.1:{port}", flush=True)
    await server.wait_for_termination()


async def load(options: argparse.Namespace) -> None:
    """Call from several callers, each as soon as it is answered."""
    prefer(os.getpid())
    lines = itertools.cycle([base64.b64decode(line) for line in Path(options.file).read_text().splitlines()])
    metadata = [tuple(one.split(": ", 1)) for one in options.metadata]
    calls = 0
    async with grpc.aio.insecure_channel(options.address) as channel:
        method = channel.unary_unary(options.method)
        await method(next(lines), metadata=metadata)
        end = time.perf_counter() + options.seconds

        async def caller() -> None:
            nonlocal calls
            while time.perf_counter() < end:
                await method(next(lines), metadata=metadata)
                calls += 1

        began = time.perf_counter()
        await asyncio.gather(*(caller() for _ in range(CONNECTIONS)))
        print(json.dumps({"calls": calls, "seconds": time.perf_counter() - began}))


def main() -> None:
    """Serve, or load."""
    parser = argparse.ArgumentParser(prog="python -m bench.rpc", description=__doc__)
    parser.add_argument("what", choices=("empty", "load"))
    parser.add_argument("address", nargs="?")
    parser.add_argument("method", nargs="?")
    parser.add_argument("file", nargs="?")
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--metadata", action="append", default=[])
    options = parser.parse_args()
    uvloop.run(serve() if options.what == "empty" else load(options))


if __name__ == "__main__":
    main()
