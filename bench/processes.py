"""Processes of a run: started in a session of their own, stopped with their children, their CPU read from the kernel's accounts."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def tree(pid: int) -> list[int]:
    """A process and all below it."""
    parents: dict[int, list[int]] = {}
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            with contextlib.suppress(OSError):
                fields = (place / "stat").read_text().rpartition(")")[2].split()
                parents.setdefault(int(fields[1]), []).append(int(place.name))
    found = [pid]
    for one in found:
        found += parents.get(one, [])
    return found


def cpu(pid: int) -> float:
    """Seconds of CPU, user and system, that a process tree has used, with children that have ended."""
    ticks = 0
    for one in tree(pid):
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(int(field) for field in fields[11:15])
    return ticks / TICK


def memory(pid: int) -> int:
    """Bytes that only this process tree has in memory, and its share of what several have (proportional set size)."""
    total = 0
    for one in tree(pid):
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{one}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
    return total


def prefer(pid: int) -> None:
    """Give a session more of the machine than others have (Linux groups processes by session; root only): a quiet run on a busy machine.

    With BENCH_REALTIME set it runs before everybody else: only then is what is measured on a busy machine not that machine's other work.
    """
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/autogroup").write_text("-12")
        if os.environ.get("BENCH_REALTIME"):
            for one in tree(pid):
                os.sched_setscheduler(one, os.SCHED_RR, os.sched_param(1))


class Process:
    """One server of a run."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self.log = log
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                command, env={**os.environ, **environment}, stdout=out, stderr=out, stdin=subprocess.DEVNULL, start_new_session=True
            )
        self.pid = self._process.pid
        prefer(self.pid)

    async def ready(self, url: str, seconds: float = 60) -> None:
        """Until it answers there."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            with contextlib.suppress(OSError, urllib.error.URLError), await asyncio.to_thread(urllib.request.urlopen, url, None, 5):
                return
            await asyncio.sleep(0.05)
        raise RuntimeError(f"{url} does not answer: {self.log.read_text()[-3000:]}")

    def stop(self) -> None:
        """Ask it to end; make it, if it does not."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(self.pid, signal.SIGKILL)
                self._process.wait()
