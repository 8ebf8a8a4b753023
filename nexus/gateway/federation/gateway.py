"""The gateway process: a Node of ours that plans queries over the services' endpoints, kept alive for as long as it is wanted."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable
from pathlib import Path
from typing import Final

from nexus.gateway.federation.toolbox import Toolbox
from nexus.runtime.identity import Identity
from nexus.surfaces.graphql.limits import Limits
from nexus.surfaces.graphql.records import PAGE
from nexus.surfaces.graphql.refusals import beyond, error_of

PATH: Final = "/graphql"
HEADERS: Final = ("authorization", "x-request-id", "traceparent", "tracestate", "accept-language", "idempotency-key")
"""What a caller sends that the services are told as well: who asks, and under which names the request is followed."""
START: Final = 240.0
"""Seconds in which it must serve: on a machine that has much else to do, thousands of files take their time."""
PROBE: Final = 10.0
"""Seconds between two looks whether the process still answers."""
PATIENCE: Final = 6
"""Looks without an answer after which it is started again."""
_log = logging.getLogger("nexus.federation")


class NoGateway(Exception):
    """The gateway cannot be started; the message has what it said."""


class FederationGateway:
    """A gateway over a supergraph file. `port` 0 takes a free one, which is then kept over restarts."""

    def __init__(
        self,
        toolbox: Toolbox,
        supergraph: Path,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        introspection: bool = True,
        timeout: float = 30.0,
        limits: Limits | None = None,
        identity: Identity | None = None,
    ) -> None:
        """`limits` are those of a request as a whole. With an `identity` it speaks TLS, with the services as with whoever asks it."""
        self._toolbox = toolbox
        self._supergraph = supergraph
        self._host = host
        self._introspection = introspection
        self._timeout = timeout
        self._limits = limits
        self._identity = identity
        self._stopping = False
        self._process: Process | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._telling: asyncio.Task[None] | None = None
        self._last: list[str] = []
        self.port = port
        self.answers = False
        """Whether it serves now."""
        self.on_restart: Callable[[int], None] = lambda code: _log.warning("the federation gateway ended with %s; starting it again", code)

    @property
    def url(self) -> str:
        """Where the graph is asked, once it has been started."""
        return f"{'http' if self._identity is None else 'https'}://{self._host}:{self.port}{PATH}"

    @property
    def pid(self) -> int | None:
        """Of its process, as long as there is one."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    async def start(self) -> None:
        """Start it and wait until it serves. Raises NoGateway."""
        self._stopping = False
        await self._launch()
        self._keeping = asyncio.create_task(self._keep(), name="federation gateway")

    async def stop(self) -> None:
        """End it: requests under way have a few seconds."""
        self._stopping, self.answers = True, False
        keeping, self._keeping = self._keeping, None
        if keeping is not None:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
        if self._process is not None and self._process.returncode is None:
            await _end(self._process)
        if self._telling is not None:
            await self._telling

    async def _launch(self) -> None:
        self._last.clear()
        self._process = process = await asyncio.create_subprocess_exec(
            self._toolbox.node,
            str(self._toolbox.folder / "gateway.mjs"),
            json.dumps(self._configuration()),
            cwd=self._toolbox.folder,
            env=self._toolbox.environment() | {"NODE_ENV": "production"},
            stdin=PIPE,  # never written to: its end, however we end, ends the gateway
            stdout=PIPE,
            stderr=PIPE,
            start_new_session=True,
        )
        self._telling = asyncio.create_task(self._tell(process), name="log of the federation gateway")
        if not (said := await _first_line(process)):
            code = await process.wait()
            await self._telling
            raise NoGateway(f"the federation gateway ended with {code}: {' / '.join(self._last)}")
        self.port = json.loads(said)["port"]
        self.answers = True

    def _configuration(self) -> dict[str, object]:
        return {
            "supergraph": str(self._supergraph.absolute()),
            "host": self._host,
            "port": self.port,
            "path": PATH,
            "introspection": self._introspection,
            "timeout": round(self._timeout * 1000),
            "headers": HEADERS,
            "limits": None if self._limits is None else _told(self._limits),
            "tls": None if self._identity is None else self._identity.files(),
        }

    async def _tell(self, process: Process) -> None:
        """Pass on what it writes, a line at a time."""
        assert process.stderr is not None
        while True:
            try:
                line = await process.stderr.readline()
            except ValueError:  # longer than any line should be
                continue
            if not line:
                return
            text = line.decode(errors="replace").rstrip()
            self._last = [*self._last[-9:], text]
            _log.warning("%s", text)

    async def _keep(self) -> None:
        """Start it again when it dies or answers no more, more slowly each time it fails at once."""
        pause = 0.1
        while True:
            code = await self._ended()
            self.answers = False
            if self._stopping:
                return
            self.on_restart(code)
            try:
                await self._launch()
                pause = 0.1
            except (NoGateway, OSError) as error:
                _log.warning("%s", error)
                await asyncio.sleep(pause)
                pause = min(pause * 2, 10)

    async def _ended(self) -> int:
        """Wait for its end; a process that answers no more is ended."""
        assert self._process is not None
        silent, ending = 0, asyncio.create_task(self._process.wait())
        try:
            while not (await asyncio.wait({ending}, timeout=PROBE))[0]:
                silent = 0 if await self.alive() else silent + 1
                if silent >= PATIENCE:
                    _signal(self._process, signal.SIGKILL)
            return ending.result()
        finally:
            ending.cancel()

    async def alive(self) -> bool:
        """Whether it answers about itself within a while."""
        with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
            async with asyncio.timeout(PROBE):
                reader, writer = await asyncio.open_connection(self._host, self.port, ssl=self._identity and self._identity.client)
                try:
                    writer.write(b"GET /healthz HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\n\r\n")
                    return b" 200 " in await reader.readline()
                finally:
                    writer.transport.abort()
        return False


def _told(limits: Limits) -> dict[str, object]:
    """The limits with what is said where one is passed: the same as a service says."""
    names = ("document", "depth", "aliases", "fields", "rows")
    held: dict[str, object] = {name: {"most": getattr(limits, name), "error": error_of(beyond(name, limits))} for name in names}
    return held | {"page": {"usual": PAGE, "most": limits.page}}


async def _first_line(process: Process) -> bytes:
    """What it says once it listens; nothing where it ended before, or did not get there and was ended."""
    assert process.stdout is not None
    try:
        async with asyncio.timeout(START):
            return await process.stdout.readline()
    except TimeoutError:
        _signal(process, signal.SIGKILL)
        return b""


async def _end(process: Process) -> None:
    _signal(process, signal.SIGTERM)
    try:
        await asyncio.wait_for(process.wait(), 10)
    except TimeoutError:
        _signal(process, signal.SIGKILL)
        await process.wait()


def _signal(process: Process, sign: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process.pid, sign)
