"""The command line as a person and a program use it: real commands, beside a real server and without one."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from typer.testing import CliRunner

from nexus.cli import app
from nexus.engines.oltp.embedded import running_url
from tests.process.conftest import PATIENCE, ROOT, Nexus, alive, below, free_port, interruptible, until

OWNER = ("--owner-name", "Ade", "--owner-email", "ade@example.com")


@dataclass(frozen=True)
class Said:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Cli:
    """Commands on one data folder."""

    nexus: Nexus

    @property
    def data(self) -> Path:
        return self.nexus.folder / "data"

    def environment(self, **more: str) -> dict[str, str]:
        return self.nexus.environment(NEXUS_STANDBY="0", **more)

    def __call__(self, *arguments: str, stdin: str = "", **environment: str) -> Said:
        """Run a command to its end, in this process, which spares it from loading everything again."""
        kept = {name: None for name in os.environ if name.startswith("NEXUS_")}
        given = kept | {name: value for name, value in self.environment(**environment).items() if name.startswith("NEXUS_")}
        done = CliRunner().invoke(app, list(arguments), input=stdin, env=given)
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exc_info
        return Said(done.exit_code, done.stdout, done.stderr)

    def process(self, *arguments: str, stdin: str = "", **environment: str) -> Said:
        """Run a command to its end as a process of its own, its output no terminal."""
        done = subprocess.run(
            [sys.executable, "-m", "nexus", *arguments],
            env=self.environment(**environment),
            cwd=ROOT,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=PATIENCE * 2,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Said(done.returncode, done.stdout, done.stderr)

    def activate(self, slug: str, *arguments: str) -> Any:
        """A business; its activation."""
        said = self("activate", "--name", slug.replace("-", " "), "--slug", slug, "--country", "NG", *OWNER, "--json", *arguments)
        assert said.code == 0, said
        return said.json()

    def state(self, slug: str) -> str:
        """As the server that runs says."""
        return str(self.nexus.ask("GET", f"/api/v1/tenants/{slug}", token=self.nexus.key)[1]["state"])

    def slugs(self) -> set[str]:
        """As the server that runs says."""
        return {one["slug"] for one in self.nexus.ask("GET", "/api/v1/tenants?limit=500", token=self.nexus.key)[1]["items"]}

    @contextmanager
    def superuser(self) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
        """Who may do anything to the database, also what nobody should."""
        url = make_conninfo(running_url(self.data / "postgres"), dbname="nexus")
        with psycopg.connect(url, autocommit=True) as connection:
            yield connection

    @contextmanager
    def terminal(self, *arguments: str) -> Iterator[Terminal]:
        """A command on a terminal."""
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, "-m", "nexus", *arguments],
            env=self.environment(TERM="xterm", COLUMNS="120", NO_COLOR="1"),
            cwd=ROOT,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=_on_a_terminal,  # noqa: PLW1509 - so that Ctrl-C is a signal
        )
        os.close(theirs)
        try:
            yield Terminal(process, ours)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            os.close(ours)


def _on_a_terminal() -> None:
    interruptible()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@dataclass
class Terminal:
    """What a person sees and types."""

    process: subprocess.Popen[bytes]
    ours: int
    seen: str = ""
    read: int = 0

    def until(self, text: str) -> None:
        """Read on until this is on the screen, after what was read before."""
        deadline = time.monotonic() + PATIENCE
        while (at := self.seen.find(text, self.read)) < 0:
            if time.monotonic() > deadline or not self.more(deadline):
                raise AssertionError(f"never saw {text!r} in {self.seen[self.read :]!r}")
        self.read = at + len(text)

    def more(self, deadline: float) -> bool:
        """Read what comes; False at the end."""
        if not select.select([self.ours], [], [], max(0.0, deadline - time.monotonic()))[0]:
            return False
        try:
            text = os.read(self.ours, 65536)
        except OSError:  # Linux says so when the last process has left the terminal
            return False
        self.seen += text.decode(errors="replace")
        return bool(text)

    def answer(self, prompt: str, text: str) -> None:
        self.until(prompt)
        os.write(self.ours, f"{text}\n".encode())

    def interrupt(self, prompt: str) -> None:
        """Press Ctrl-C at a prompt that waits for a key: a signal that comes just before it reads is heeded with the next key only."""
        self.until(prompt)
        looks = 0

        def waits() -> bool:
            nonlocal looks
            looks = looks + 1 if "\nState:\tS" in Path(f"/proc/{self.process.pid}/status").read_text() else 0
            return looks > 20

        until(waits, "it waits for a key")
        self.process.send_signal(signal.SIGINT)

    def end(self) -> int:
        """The exit code, once everything has been read."""
        deadline = time.monotonic() + PATIENCE
        while self.more(deadline):
            pass
        return self.process.wait(PATIENCE)


def reachable(folder: Path) -> Path:
    """Let the database's own user through."""
    for place in (folder, *folder.parents):
        if place.stat().st_uid == os.geteuid() and place.stat().st_mode & 0o005 != 0o005:
            place.chmod(place.stat().st_mode | 0o055)
    return folder


def ended(nexus: Nexus) -> None:
    """Stop it, and see that nothing it started is left."""
    started = below(nexus.pid)
    code = nexus.stop(signal.SIGTERM)
    until(lambda: not any(alive(pid) for pid in started), "everything it started has ended")
    assert code == 0, nexus.said


@pytest.fixture(scope="session")
def cli(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    """Commands beside a server that all tests share; each takes slugs of its own."""
    nexus = Nexus(reachable(tmp_path_factory.mktemp("served")), free_port()).start()
    yield Cli(nexus)
    ended(nexus)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    """Commands on a data folder that nothing serves from."""
    folder = reachable(tmp_path_factory.mktemp("alone"))
    yield Cli(Nexus(folder, free_port()))
    left = folder / "data" / "postgres" / "data" / "postmaster.pid"
    assert not left.exists(), "a command left its database running"
