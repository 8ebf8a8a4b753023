"""`nexus up --apart`: every service in a process of its own behind a gateway, watched, started again and ended together. A rehearsal of the cluster."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import ssl
import sys
import time
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from nexus.config import Settings
from nexus.core.service import service_names
from nexus.engines.endings import end
from nexus.engines.oltp.embedded import die_with_parent
from nexus.gateway.federation.apart import missing
from nexus.gateway.routes import CONTROL, GRAPHQL, health
from nexus.gateway.upstream import Upstream
from nexus.process import Ready, engines, node_of, only_one
from nexus.runtime.authority import LIFE, Authority
from nexus.runtime.databases import passwords
from nexus.runtime.identity import Identity
from nexus.runtime.operator import keep_operator_key
from nexus.runtime.rpc import PortTaken
from nexus.runtime.rpc import ports as rpc_ports

GATEWAY: Final = "gateway"
RELAY: Final = "relay"
LOCAL: Final = "local"
"""The setting of TLS under which we make the certificates."""
CONNECTIONS: Final = 300
"""That the embedded database takes: each process has its own."""
STEADY: Final = 10.0
"""Seconds after which a process that has lived so long is started again at once when it ends."""
PAUSES: Final = (0.1, 5.0)
"""Seconds before a process that ended is started again: the first time, and at most; twice as long each time in between."""
LOOK: Final = 2.0
MISSED: Final = 5
"""Looks in a row that find no answer, after which a process is taken to hang and is killed."""
LEAVE: Final = 20.0
"""Seconds in which a process that was asked to end must have done so."""


class PartFailed(Exception):
    """A process ended before it was ready."""


@dataclass(frozen=True, slots=True)
class Part:
    """One process: its name, its command, what is set for it, and where it answers."""

    name: str
    command: Sequence[str]
    environment: dict[str, str]
    url: str


class Keeper:
    """Keeps one part running."""

    def __init__(self, part: Part, say: Callable[[str, str], None], tls: ssl.SSLContext | None = None) -> None:
        self.part = part
        self.ready = asyncio.Event()
        self._say = say
        self._process: asyncio.subprocess.Process | None = None
        self._upstream = Upstream(part.name, part.url, patience=LOOK, tls=tls)
        self._ending = False

    async def run(self) -> None:
        """Start it, again whenever it ends, until `end`. Raises PartFailed where it never became ready."""
        pause = PAUSES[0]
        while not self._ending:
            began = time.monotonic()
            code = await self._once()
            if self._ending:
                return
            if not self.ready.is_set():
                raise PartFailed(f"The process {self.part.name} ended with {code} before it was ready.")
            pause = PAUSES[0] if time.monotonic() - began > STEADY else min(pause * 2, PAUSES[1])
            self._say(self.part.name, f"ended with {code}; it is started again in {pause:.1f} s")
            await asyncio.sleep(pause)

    async def _once(self) -> int:
        """From its start to its end: the exit code."""
        self._process = process = await asyncio.create_subprocess_exec(
            *self.part.command,
            env=self.part.environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C reaches us alone, and we end them in their order
            preexec_fn=die_with_parent,
        )
        watching = asyncio.create_task(self._watch(process))
        try:
            await self._repeat(process)
            return await process.wait()
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    async def _repeat(self, process: asyncio.subprocess.Process) -> None:
        """Say what it says, until it says no more."""
        assert process.stdout is not None
        while line := await _line(process.stdout):
            self._say(self.part.name, line.decode(errors="replace").rstrip())

    async def _watch(self, process: asyncio.subprocess.Process) -> None:
        """Notice when it is ready, and kill it where it hangs."""
        while (await health(self._upstream)) is not None:  # noqa: ASYNC110 - another process sets no event
            await asyncio.sleep(0.05)
        self.ready.set()
        missed = 0
        while missed < MISSED:
            await asyncio.sleep(LOOK)
            missed = 0 if await health(self._upstream, "/healthz") is None else missed + 1
        self._say(self.part.name, "does not answer any more; it is killed")
        process.kill()

    async def end(self) -> None:
        """Ask it to end, and make it where it does not."""
        self._ending = True
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(LEAVE):
                await process.wait()
        except TimeoutError:
            self.kill()
            await process.wait()

    def kill(self) -> None:
        """End it now."""
        self._ending = True
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()


async def _line(out: asyncio.StreamReader) -> bytes:
    """The next line, or a part of one that is too long to be kept; nothing at the end."""
    try:
        return await out.readuntil()
    except asyncio.IncompleteReadError as error:
        return error.partial
    except asyncio.LimitOverrunError as error:
        return await out.read(error.consumed)


async def serve_apart(settings: Settings, say: Callable[[Ready], None], log: Callable[[str, str], None]) -> None:
    """Serve until a signal ends it. `log` gets each line that a process says, with its name.

    Raises AlreadyRunning, PortTaken, PartFailed, and what the engines raise when they cannot start.
    """
    began = time.monotonic()
    with only_one(settings) as running_at, contextlib.ExitStack() as held:
        if unplanned := await asyncio.to_thread(missing, settings):
            log(GRAPHQL, f"is answered by {CONTROL}, for {unplanned}")
        names = (*service_names(), CONTROL, RELAY, *(() if unplanned else (GRAPHQL,)))
        ports = {name: held.enter_context(_reserved(settings.host, 0)) for name in names}
        ports[GATEWAY] = held.enter_context(_reserved(settings.host, settings.port))
        calls, rpcs = ({name: held.enter_context(_reserved(settings.host, 0)) for name in service_names()} for _ in range(2))
        rpcs[GATEWAY] = _one_of(held, settings.host, rpc_ports(settings, ports[GATEWAY]))
        url, grpc = f"http://{settings.host}:{ports[GATEWAY]}", f"{settings.host}:{rpcs[GATEWAY]}"
        async with engines(settings, CONNECTIONS) as database:
            made, findings = await _prepared(msgspec.structs.replace(settings, database_url=database))
            parts = plan(settings, database, ports, calls, rpcs)
            async with certified(settings, parts) as identity:
                keepers = [Keeper(part, log, None if identity is None else identity.client) for part in parts]
                running_at(url, grpc)

                def ready() -> None:
                    key = settings.key_file.read_text().strip() if made else None
                    say(Ready(url, grpc, time.monotonic() - began, True, settings.key_file, key, findings))

                async with _ended_by_signal(keepers) as signalled:
                    await _keep(keepers, ready, signalled)


@asynccontextmanager
async def certified(settings: Settings, parts: Sequence[Part]) -> AsyncGenerator[Identity | None]:
    """Ours, with a certificate for every part, renewed in time for as long as the context lasts; None where they speak without TLS."""
    if not settings.tls:
        yield None
        return
    folders = {part.name: Path(part.environment["NEXUS_TLS"]) for part in parts}
    ours = settings.folder / "apart" / "supervisor" if settings.tls == LOCAL else Path(settings.tls)
    if settings.tls != LOCAL:
        yield Identity(ours)
        return
    authority = Authority(settings.folder / "authority")

    def issue() -> None:
        for name, folder in (folders | {"supervisor": ours}).items():
            authority.issue(name, settings.host, folder)

    async def renew() -> None:
        while True:
            await asyncio.sleep(LIFE.total_seconds() / 2)
            await asyncio.to_thread(issue)
            identity.look()

    issue()
    identity = Identity(ours)
    renewing = asyncio.create_task(renew(), name="certificates")
    try:
        yield identity
    finally:
        await end([renewing])


def plan(settings: Settings, database: str, ports: dict[str, int], calls: dict[str, int], rpcs: dict[str, int]) -> list[Part]:
    """The processes, in the order in which they end; `ports` are where they answer, `calls` where services answer each other, `rpcs` where gRPC is."""
    known = passwords(settings)
    inner = "https" if settings.tls else "http"
    urls = {name: f"{'http' if name == GATEWAY else inner}://{settings.host}:{port}" for name, port in ports.items()}
    behind = ",".join(f"{name}={url}" for name, url in urls.items() if name not in (GATEWAY, RELAY))
    shared = {
        "database_url": database,
        "owner_password": known.owner,
        "app_password": known.app,
        "operator_key": str(settings.key_file),
        "public_url": settings.public_url or urls[GATEWAY],
        "services": behind,
        "grpc_services": ",".join(f"{name}={settings.host}:{port}" for name, port in rpcs.items() if name != GATEWAY),
        "calls": ",".join(f"{name}={settings.host}:{port}" for name, port in calls.items()),
        "prepare": "false",
    }
    order = (GATEWAY, CONTROL, *(name for name in urls if name not in (GATEWAY, CONTROL, RELAY)), RELAY)
    parts: list[Part] = []
    for name in order:
        folder = settings.folder / "apart" / name
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        own = {
            "data": str(folder),
            "host": settings.host,
            "port": str(ports[name]),
            "call_port": str(calls.get(name, 0)),
            "grpc_port": str(rpcs.get(name, 0)),
        }
        own["tls"] = str(folder / "tls") if settings.tls == LOCAL else settings.tls
        command = [sys.executable, "-m", "nexus", "serve", f"--target={name}", "--quiet"]
        parts.append(Part(name, command, _environment(settings, shared | own), urls[name]))
    return parts


def _environment(settings: Settings, own: dict[str, str]) -> dict[str, str]:
    """Ours, with every setting given as a variable: a process reads no file of settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("NEXUS_")}
    given = {
        name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in msgspec.structs.asdict(settings).items()
    }
    return kept | {"PYTHONUNBUFFERED": "1"} | {f"NEXUS_{name.upper()}": value for name, value in (given | own).items()}


async def _prepared(settings: Settings) -> tuple[bool, list[str]]:
    """Make the databases fit for every process: roles, tables, versions, the operator's key; whether that is new, and what is not as safe as it could be."""
    async with node_of(settings) as (node, findings):
        made = await keep_operator_key(node.cells, settings.key_file)
        await node.migrator.run()
        return made, findings


@contextlib.contextmanager
def _reserved(host: str, port: int) -> Generator[int]:
    """A port that is ours: bound and not listened on, so that nobody else is given it, and our process may listen there."""
    with socket.socket() as place:
        place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            place.bind((host, port))
        except OSError as error:
            raise PortTaken(f"Port {port} of {host} cannot be used: {error.strerror}. Set NEXUS_PORT to another.") from None
        found: int = place.getsockname()[1]
        yield found


def _one_of(held: contextlib.ExitStack, host: str, ports: Sequence[int]) -> int:
    """The first of these ports that can be had, reserved."""
    for port in ports[:-1]:
        with contextlib.suppress(PortTaken):
            return held.enter_context(_reserved(host, port))
    return held.enter_context(_reserved(host, ports[-1]))


@asynccontextmanager
async def _ended_by_signal(keepers: Sequence[Keeper]) -> AsyncGenerator[asyncio.Event]:
    """An event that a signal sets; a second signal kills what still runs."""
    signalled = asyncio.Event()

    def told() -> None:
        if signalled.is_set():
            for keeper in keepers:
                keeper.kill()
        signalled.set()

    loop = asyncio.get_running_loop()
    for sign in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(sign, told)
    try:
        yield signalled
    finally:
        for sign in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(sign)


async def _keep(keepers: Sequence[Keeper], ready: Callable[[], None], signalled: asyncio.Event) -> None:
    """Run all of them until the signal, or until one fails at its start; then end them, the gateway first."""
    running = [asyncio.create_task(keeper.run(), name=keeper.part.name) for keeper in keepers]
    told = asyncio.create_task(_tell(keepers, ready))
    stop = asyncio.create_task(signalled.wait())
    try:
        done, _ = await asyncio.wait((*running, stop), return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            await task
    finally:
        told.cancel()
        stop.cancel()
        first, *others = keepers
        await first.end()
        await asyncio.gather(*(keeper.end() for keeper in others))
        for task in running:
            task.cancel()
        await asyncio.gather(told, stop, *running, return_exceptions=True)


async def _tell(keepers: Sequence[Keeper], ready: Callable[[], None]) -> None:
    await asyncio.gather(*(keeper.ready.wait() for keeper in keepers))
    ready()
