"""The access log: a line of JSON for each request and each call, without secrets and without what was searched for."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import sys
from typing import IO, Any, Final

import msgspec

from nexus.core.trace import TRACE
from nexus.runtime.app import Raw
from nexus.runtime.telemetry import Telemetry
from nexus.surfaces.grpc.ended import Ended
from nexus.surfaces.rest.message import Response

_HELD: Final = 500
"""Lines that are written at once at the latest."""
_PAUSE: Final = 0.2
"""Seconds after which a line is written at the latest."""
_NAMES: Final = 20
_log: Final = logging.getLogger("nexus.edge")


class AccessLog:
    """Writes to a file, or to standard output as `-`. Lines are held for a moment, so that a busy process writes many at once."""

    def __init__(self, where: str, telemetry: Telemetry) -> None:
        self._out: IO[str] = sys.stdout if where == "-" else open(where, "a", encoding="utf-8")  # noqa: SIM115 - closed by `close`
        self._telemetry = telemetry
        self._lines: list[bytes] = []
        self._due: asyncio.TimerHandle | None = None

    def write(self, raw: Raw, response: Response, seconds: float) -> None:
        """Note one request."""
        said: dict[str, Any] = {
            "at": dt.datetime.now(dt.UTC),
            "method": raw.method,
            "path": raw.path[:500],
            "route": self._telemetry.routes.of(raw.path),
            "status": response.status,
            "ms": round(seconds * 1000, 3),
            "bytes": None if response.stream is not None else len(response.body),
            "request": raw.correlation,
        }
        if raw.query:
            said["parameters"] = _names(raw.query)
        self._add(said, raw.headers.get(b"user-agent", b"").decode("latin-1"))

    def called(self, call: Ended) -> None:
        """Note one call over gRPC."""
        said: dict[str, Any] = {
            "at": dt.datetime.now(dt.UTC),
            "method": call.name,
            "code": call.code,
            "ms": round(call.seconds * 1000, 3),
            "messages": call.messages,
            "bytes": call.size,
            "request": call.correlation,
        }
        if call.caller is not None:
            said |= {"tenant": call.caller.tenant.slug, "key": call.caller.key_id}
        self._add(said, call.agent)

    def _add(self, said: dict[str, Any], agent: str) -> None:
        if (trace := TRACE.get()) is not None:
            said["trace"] = trace[3:35]
        if agent:
            said["agent"] = agent[:200]
        self._lines.append(msgspec.json.encode(said))
        if len(self._lines) >= _HELD:
            self.flush()
        elif self._due is None:
            self._due = asyncio.get_running_loop().call_later(_PAUSE, self.flush)

    def flush(self) -> None:
        """Write what is held. A log that cannot be written is said once for each time, and nobody's request fails for it."""
        if self._due is not None:
            self._due.cancel()
            self._due = None
        lines, self._lines = self._lines, []
        if not lines:
            return
        try:
            self._out.write((b"\n".join(lines) + b"\n").decode())
            self._out.flush()
        except OSError as error:
            _log.warning("%d lines of the access log are lost: %s", len(lines), error)

    def close(self) -> None:
        """Write what is held, and let go of the file."""
        self.flush()
        if self._out is not sys.stdout:
            self._out.close()


def _names(query: bytes) -> list[str]:
    """The names of the parameters; their values are the caller's."""
    parts = query.split(b"&", _NAMES)[:_NAMES]
    return [part.partition(b"=")[0][:50].decode("latin-1") for part in parts if part]
