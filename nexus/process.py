"""A process: its engines, its node and its server, started in order and stopped in the opposite one."""

from __future__ import annotations

import asyncio
import fcntl
import gc
import logging
import os
import resource
import signal
import socket
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType
from typing import IO, TYPE_CHECKING, Final
from urllib.parse import urlsplit

import msgspec
import uvicorn

from nexus.activation.control import Control
from nexus.activation.platform import Site
from nexus.config import Settings
from nexus.core.service import installed, service_names
from nexus.engines.oltp.embedded import EmbeddedPostgres
from nexus.gateway.edge.front import Front
from nexus.gateway.edge.wiring import edge_of
from nexus.gateway.federation.apart import serve_federation
from nexus.gateway.routes import Gateway
from nexus.gateway.tunnel import Tunnel, tunnel_to
from nexus.runtime.answering_calls import calling
from nexus.runtime.app import App, Layer, Mounted
from nexus.runtime.connection import Connection
from nexus.runtime.databases import attach_cells, open_cells, own_database
from nexus.runtime.identity import Identity, identity_of
from nexus.runtime.node import Node
from nexus.runtime.operator import keep_operator_key
from nexus.runtime.routes import Routes
from nexus.runtime.rpc import PortTaken, rpc_of
from nexus.runtime.telemetry import Telemetry, metrics_page
from nexus.runtime.tracing import Tracing, tracing
from nexus.runtime.websocket import LARGEST, WebSocket
from nexus.surfaces.rest import Rest
from nexus.targets import EVERY, TARGETS, Target, pages, sockets, target_of

if TYPE_CHECKING:
    from nexus.gateway.rpc import Door
    from nexus.surfaces.grpc.server import Server


MOST_FILES: Final = 65_536
"""Open files that a process asks for at most."""


class AlreadyRunning(Exception):
    """Another process serves from this data folder; `url` is where."""

    def __init__(self, url: str, pid: int) -> None:
        super().__init__(f"NEXUS is running already: {url} (process {pid}).")
        self.url = url
        self.pid = pid


class Running(msgspec.Struct, frozen=True):
    """A process that serves from a data folder."""

    pid: int
    url: str
    grpc: str = ""
    """Host and port of gRPC; empty where it is not served."""


@dataclass(frozen=True, slots=True)
class Ready:
    """What a person wants to know once the process serves."""

    url: str
    grpc: str
    """Host and port of gRPC; empty where it is not served."""
    seconds: float
    serves: bool
    """Whether it answers the API and the pages; every process answers about its health."""
    key_file: Path | None
    """Where the operator's key is kept; None where that is another process's folder."""
    new_key: str | None
    """The operator's key, if it was made just now: shown this once."""
    findings: list[str]


@contextmanager
def only_one(settings: Settings) -> Generator[Callable[[str, str], None]]:
    """Hold the data folder; call what is given with the addresses. The kernel lets go of the lock however this process ends."""
    file = settings.folder / "running.json"
    settings.folder.mkdir(parents=True, exist_ok=True)
    with file.open("a+", encoding="utf-8") as lock:
        _hold(lock)

        def say(url: str, grpc: str) -> None:
            lock.truncate(0)
            lock.write(msgspec.json.encode(Running(os.getpid(), url, grpc)).decode())
            lock.flush()

        yield say


def _hold(lock: IO[str]) -> None:
    """Take the lock for good. Raises AlreadyRunning where a process has it; one that only looks who has it is waited for."""
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            pass
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            other = msgspec.json.decode(lock.read() or '{"pid":0,"url":"?"}', type=Running)
            raise AlreadyRunning(other.url, other.pid) from None
        fcntl.flock(lock, fcntl.LOCK_UN)
        time.sleep(0.01)


def _listen(settings: Settings) -> socket.socket:
    try:
        return socket.create_server((settings.host, settings.port), backlog=2048)
    except OSError as error:
        raise PortTaken(f"Port {settings.port} of {settings.host} cannot be used: {error.strerror}. Set NEXUS_PORT to another.") from None


def _many_connections() -> None:
    """As many open files as we may have: each connection is one, and what a shell gives at first ends at a thousand."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


@asynccontextmanager
async def engines(settings: Settings, connections: int | None = None) -> AsyncGenerator[str]:
    """The URL of the first database: the one that was given, or an embedded server for as long as the context lasts.

    `connections` is how many the embedded server takes, where it is not as many as it takes by itself.
    """
    if settings.database_url:
        yield settings.database_url
        return
    server = EmbeddedPostgres(settings.folder / "postgres", settings={"max_connections": str(connections)} if connections else None)
    server.on_restart = lambda code: logging.getLogger("nexus").warning("PostgreSQL ended with %s; starting it again", code)
    await server.start()
    try:
        yield await own_database(server.superuser_url)
    finally:
        await server.stop()


@asynccontextmanager
async def node_of(
    settings: Settings, target: Target = TARGETS["all"], traces: Tracing | None = None
) -> AsyncGenerator[tuple[Node, list[str]]]:
    """A node on its databases, its own work not begun; with what could not be secured there."""
    async with engines(settings) as url:
        cells, findings = await (open_cells(url, settings) if settings.prepare else attach_cells(url, settings))
        services = installed()
        traces = traces or Tracing()
        node = Node(settings, traces.databases(cells), services, target.runs(services))
        traces.commands(node)
        try:
            yield node, findings
        finally:
            await node.stop()


class _Server(uvicorn.Server):
    def __init__(
        self, config: uvicorn.Config, ready: Callable[[], None], drain: Callable[[], float], go_away: Callable[[], Awaitable[None]]
    ) -> None:
        """`drain` is told that the end has come, and says for how many seconds requests are still taken."""
        super().__init__(config)
        self._ready = ready
        self._drain = drain
        self._draining: asyncio.TimerHandle | None = None
        self._go_away = go_away

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """A signal asks the server to end, and only that: uvicorn's own way raises it again before the engines have been stopped."""
        loop = asyncio.get_running_loop()
        for sign in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(sign, self.handle_exit, sign, None)
        yield

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal begins the end, a second one hurries it."""
        seconds = self._drain() if self._draining is None else 0.0
        self._draining = asyncio.get_running_loop().call_later(seconds, super().handle_exit, sig, frame)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Tell those who would stay connected for ever that they cannot, before uvicorn waits for them."""
        await self._go_away()
        await super().shutdown(sockets)


async def serve(settings: Settings, say: Callable[[Ready], None], target: str = "all") -> None:
    """Serve until a signal ends it. Raises AlreadyRunning, PortTaken, and what the engines raise when they cannot start."""
    async with tracing(settings, target) as traces:
        await _serve(settings, say, target, traces)


async def _serve(settings: Settings, say: Callable[[Ready], None], target: str, traces: Tracing) -> None:
    began = time.monotonic()
    _many_connections()
    what = target_of(target, service_names())
    with only_one(settings) as running_at:
        listening = _listen(settings)
        scheme = "https" if settings.tls and not what.routes else "http"
        url = f"{scheme}://{settings.host}:{listening.getsockname()[1]}"
        running_at(url, "")

        def ready(grpc: str = "", made: bool = False, findings: list[str] | None = None) -> None:
            kept = settings.key_file if what.controls and settings.key_file.exists() else None
            key = settings.key_file.read_text().strip() if made else None
            running_at(url, grpc)
            say(Ready(url, grpc, time.monotonic() - began, what.serves, kept, key, findings or []))

        async with identity_of(settings.tls) as identity:
            if what.plans:
                listening.close()  # the gateway of others listens there itself
                await serve_federation(msgspec.structs.replace(settings, port=int(url.rpartition(":")[2])), ready, identity)
                return
            if what.routes:
                async with _routing(settings, traces, identity) as (app, front, tunnel), _door(settings, url) as door:
                    config = configuration(settings, app, tunnel=tunnel)
                    drain = front.retired(settings.drain_seconds, None if door is None else door.retire)
                    told = partial(ready, "" if door is None else door.address)
                    await _Server(config, told, drain, app.go_away).serve(sockets=[listening])
                return
            async with node_of(settings, what, traces) as (node, findings):
                # who answers no operator puts no key in force
                made = what.controls and await keep_operator_key(node.cells, settings.key_file)
                if settings.prepare:
                    await node.migrator.run()
                async with calling(settings, node, identity), _working(settings, node, what, url, traces, identity) as (app, rpc):
                    await _answering(settings, node, app, rpc, identity, listening, lambda grpc: ready(grpc, made, findings))


async def _answering(
    settings: Settings,
    node: Node,
    app: App,
    rpc: Server | None,
    identity: Identity | None,
    listening: socket.socket,
    ready: Callable[[str], None],
) -> None:
    """Serve the application of a node until a signal ends it."""

    def drain() -> float:
        node.draining = True
        if rpc is not None:
            rpc.retire()
        return settings.drain_seconds

    async def go_away() -> None:
        await node.live.go_away()
        await app.go_away()

    gc.collect()
    gc.freeze()  # what is loaded stays: no collection need look at it again
    config = configuration(settings, app, identity)
    await _Server(config, lambda: ready(rpc.address if rpc is not None else ""), drain, go_away).serve(sockets=[listening])


@asynccontextmanager
async def _routing(settings: Settings, traces: Tracing, identity: Identity | None) -> AsyncGenerator[tuple[App, Front, type[Tunnel]]]:
    """The application of a gateway. Its own limit of time is the later one: that of the process behind can say more."""
    limit = settings.request_seconds
    gateway = Gateway(settings.addresses(), patience=limit and limit + 5, tls=None if identity is None else identity.client)
    telemetry, front = Telemetry(), Front(gateway)
    telemetry.sources.append(front.collect)
    mounted: Mounted = [("/metrics", metrics_page(telemetry)), *gateway.pages()]
    telemetry.routes = Routes(None, [*(path for path, _ in mounted), *front.paths()])
    try:
        async with edge_of(msgspec.structs.replace(settings, request_seconds=limit and limit + 10), telemetry) as edge:
            layers = [front.around, edge.around, *traces.layers(telemetry)]
            yield App(None, None, mounted, body_limit=settings.body_limit, layers=layers), front, tunnel_to(gateway)
    finally:
        gateway.close()


@asynccontextmanager
async def _door(settings: Settings, url: str) -> AsyncGenerator[Door | None]:
    """Where a gateway takes calls over gRPC; None where it knows nobody to hand them on to."""
    if not settings.grpc_services:
        yield None
        return
    from nexus.gateway.rpc import door_of  # the library takes its time and memory

    async with door_of(settings, urlsplit(url).port or 0) as door:
        yield door


@asynccontextmanager
async def _working(
    settings: Settings, node: Node, target: Target, url: str, traces: Tracing, identity: Identity | None
) -> AsyncGenerator[tuple[App, Server | None]]:
    """The application of a target and its gRPC, with the work that goes on beside them for as long as the context lasts."""
    control = Control(node, Site(url=settings.public_url.rstrip("/") or url, domain=settings.domain or None), standby=settings.standby)
    telemetry = Telemetry()
    gateway = Gateway(settings.addresses(), patience=settings.request_seconds, tls=None if identity is None else identity.client)

    def application(of: Target, *layers: Layer) -> App:
        rest = node.rest if of.services == EVERY else Rest(node, (one for one in node.services.values() if one.name == of.services))
        mounted = pages(of, node, control, telemetry)
        telemetry.routes = Routes(rest, [path for path, _ in mounted])
        return App(rest, node.authenticate, mounted, body_limit=settings.body_limit, sockets=sockets(of, node), host=node, layers=layers)

    # an activation proves itself through the whole API: that of the processes apart, or all of it in here, also where nobody else is answered
    apart = App(None, None, gateway.pages(), body_limit=settings.body_limit)
    control.serve(apart if gateway.upstreams else application(TARGETS["all"]))
    alone = not settings.database_url
    answered = target.runs(node.services) if target.services else ()
    await node.start(reacts=target.reacts, relays=target.relays, alone=alone)
    if target.tends:
        await control.start(alone=alone)
    try:
        async with (
            edge_of(settings, telemetry, node) as edge,
            rpc_of(settings, node, answered, url, told=edge.called, traced=traces.calls()) as rpc,
        ):
            yield application(target, edge.around, *traces.layers(telemetry)), rpc
    finally:
        await control.stop()
        gateway.close()


def configuration(
    settings: Settings, app: App, identity: Identity | None = None, tunnel: type[asyncio.Protocol] | None = None
) -> uvicorn.Config:
    """How an application is served; with an identity, to those only who have one of the same authority. `tunnel` takes WebSockets elsewhere."""
    return uvicorn.Config(
        app,
        http=Connection,
        ws=tunnel or WebSocket,
        ws_max_size=LARGEST,
        ws_per_message_deflate=False,  # 43 kB a connection, more than all the rest of it
        ws_ping_interval=settings.heartbeat,
        ws_ping_timeout=max(settings.heartbeat, 10.0),
        lifespan="off",
        ssl_context_factory=None if identity is None else lambda config, usual: identity.server,
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,  # nothing here asks for the caller's address
        timeout_graceful_shutdown=10,
    )


def running(settings: Settings) -> Running | None:
    """The process that serves from this data folder now, or None. What it wrote there counts only while it holds the lock."""
    file = settings.folder / "running.json"
    if not file.exists():
        return None
    with file.open(encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return msgspec.json.decode(lock.read() or '{"pid":0,"url":"?"}', type=Running)
    return None
