"""`nexus up` as a person starts it: a process of its own, on a port and in a folder of its own."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest

LEAST = {"name": "Ade Bakery", "industry": "restaurant", "country": "NG", "owner": {"name": "Ade", "email": "ade@example.com"}}
ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 180.0
"""Seconds after which a test gives up; nothing is expected to take them."""


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def alive(pid: int) -> bool:
    """Whether the process is there and no zombie."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def below(pid: int) -> list[int]:
    """The processes that this one has started, and theirs."""
    parents: dict[int, list[int]] = {}
    for place in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(place.read_text().rpartition(")")[2].split()[1])
        except FileNotFoundError:
            continue
        parents.setdefault(parent, []).append(int(place.parent.name))
    found: list[int] = []
    waiting = [pid]
    while waiting:
        children = parents.get(waiting.pop(), [])
        found += children
        waiting += children
    return found


def interruptible() -> None:
    """In a new process, before its program: heed Ctrl-C also where whoever started the tests does not (`make test &`, nohup)."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def until(holds: Callable[[], bool], what: str) -> None:
    """Wait for something another process does."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > deadline:
            raise AssertionError(f"it never came to be that {what}")
        time.sleep(0.02)


N = TypeVar("N", bound="Nexus")


@dataclass
class Nexus:
    """One `nexus up`."""

    folder: Path
    port: int
    prefix: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = None
    cwd: Path = ROOT
    token: str = ""
    """The key of the business that a fixture has activated."""
    log: Path = field(init=False)

    def __post_init__(self) -> None:
        self.log = self.folder / "output.txt"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def key(self) -> str:
        return (self.folder / "data" / "operator.key").read_text().strip()

    @property
    def said(self) -> str:
        return self.log.read_text()

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def environment(self, **more: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("NEXUS_")}
        return kept | {"NEXUS_PORT": str(self.port), "NEXUS_DATA": str(self.folder / "data"), "NEXUS_STANDBY": "1"} | more

    def launch(self, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
        """Start the command, in a session of its own, its output in a file."""
        with self.log.open("wb") as out:
            return subprocess.Popen(
                [*self.prefix, sys.executable, "-m", "nexus", *(arguments or ("up",))],
                env=self.environment(**environment),
                cwd=self.cwd,
                stdout=out,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                preexec_fn=interruptible,  # noqa: PLW1509 - what is ignored stays ignored across exec
            )

    def start(self, *arguments: str, **environment: str) -> Nexus:
        """Start it and wait until it is ready."""
        self.process = self.launch(*arguments, **environment)
        until(lambda: self.ready() or (self.process is not None and self.process.poll() is not None), "it is ready")
        assert self.process.poll() is None, self.said
        return self

    def ready(self) -> bool:
        try:
            status, said = self.ask("GET", "/readyz")
            return status == 200 and said["status"] == "ready"  # a gateway answers also while it is degraded
        except OSError:
            return False

    def stop(self, sign: signal.Signals = signal.SIGTERM) -> int:
        """Send the signal and wait for the end; the exit code."""
        assert self.process is not None
        self.process.send_signal(sign)
        return self.process.wait(PATIENCE)

    def ask(
        self, method: str, path: str, body: Any = None, *, token: str | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        """A request over the wire. Raises OSError where nobody answers, or not to the end."""
        sent = None if body is None else json.dumps(body).encode()
        given = {"authorization": f"Bearer {token}"} if token else {}
        request = urllib.request.Request(f"{self.url}{path}", sent, given | (headers or {}), method=method)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return answer.status, json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or b"null")
        except http.client.HTTPException as error:
            raise ConnectionError(str(error)) from error

    def text(self, path: str, accept: str = "*/*") -> tuple[int, str]:
        """What is answered as text."""
        request = urllib.request.Request(f"{self.url}{path}", headers={"accept": accept})
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return answer.status, answer.read().decode()

    def activate(self, **more: Any) -> str:
        """A business; its owner's key."""
        status, answer = self.ask("POST", "/api/v1/activate", LEAST | more, token=self.key)
        assert status == 201, answer
        key: str = answer["credentials"]["api_key"]
        return key


@contextmanager
def place(folder: Path, kind: type[N] = Nexus) -> Iterator[N]:
    """Not started yet; whatever it started is gone afterwards."""
    for one in (folder, *folder.parents):  # the server's own user must be able to enter
        if one.stat().st_uid == os.geteuid() and one.stat().st_mode & 0o005 != 0o005:
            one.chmod(one.stat().st_mode | 0o055)
    made = kind(folder, free_port())
    yield made
    if made.process is not None and made.process.poll() is None:
        made.stop(signal.SIGKILL)
    leftover = made.folder / "data" / "postgres" / "data" / "postmaster.pid"
    if leftover.exists():
        pid = int(re.match(r"\d+", leftover.read_text())[0])  # type: ignore[index]
        until(lambda: not alive(pid), "the database of the test has ended")


@pytest.fixture
def nexus(tmp_path: Path) -> Iterator[Nexus]:
    """One for this test."""
    with place(tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nexus]:
    """One whose services run in processes of their own, with a business, for the tests of a module; a signal ends all of it."""
    with place(tmp_path_factory.mktemp("apart")) as made:
        made.start("up", "--apart")
        until(lambda: "Ctrl-C stops it" in made.said, "it says so")
        made.token = made.activate()
        yield made
        started = below(made.pid)
        assert made.stop(signal.SIGTERM) == 0
        assert [pid for pid in started if alive(pid)] == []
        assert "Traceback" not in made.said
