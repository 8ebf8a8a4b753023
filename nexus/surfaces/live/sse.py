"""`/api/v1/stream`: live events as server-sent events, which any HTTP client can read and which resume by themselves."""

from __future__ import annotations

import asyncio
import functools
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Final, Protocol
from urllib.parse import parse_qsl

import msgspec

from nexus.core.problem import FieldError, Invalid, Malformed, Problem, Unavailable
from nexus.engines.oltp import Timeout
from nexus.engines.oltp import Unavailable as Away
from nexus.surfaces.calling import Caller
from nexus.surfaces.live.checks import LiveEvent
from nexus.surfaces.live.hub import Live
from nexus.surfaces.live.problems import GoingAway, Relocated
from nexus.surfaces.live.subscription import Subscription
from nexus.surfaces.rest import MethodNotAllowed
from nexus.surfaces.rest.message import Header, Response
from nexus.surfaces.sockets import body_of

__all__ = ["LINGER", "Stream"]

LINGER: Final = 5.0
"""Seconds in which a client that does not read may still take what it is told last; then the connection is cut."""
FAREWELL: Final = 0.3
"""The same while the server stops."""
_RETRY: Final = (1_000, 3_000)
"""Milliseconds after which a client comes again, spread so that not all come at once."""
_HEADERS: Final[list[Header]] = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]


class Asked(Protocol):
    """What is read of a request: see `nexus.runtime.app.Raw`."""

    method: str
    query: bytes
    headers: dict[bytes, bytes]
    correlation: str

    def token(self) -> str: ...


class Stream:
    """The endpoint."""

    def __init__(self, live: Live, authenticate: Callable[[str], Awaitable[Caller]], heartbeat: float) -> None:
        """`heartbeat`: seconds after which a comment goes over a stream on which nothing happens."""
        self._live = live
        self._authenticate = authenticate
        self._heartbeat = heartbeat

    async def __call__(self, raw: Asked) -> Response:
        """`?topics=nexus.crm.*.deal.>,…` from now on, or after `Last-Event-ID` (`?after=` where that cannot be sent)."""
        if raw.method not in ("GET", "HEAD"):
            raise MethodNotAllowed(method=raw.method, allowed="GET and HEAD")
        token = raw.token()
        caller = await self._authenticate(token)
        topics, after = _asked(raw.query)
        field = "after"
        if last := raw.headers.get(b"last-event-id", b"").decode("latin-1"):
            after, field = last, "Last-Event-ID"
        renew = functools.partial(self._authenticate, token)
        subscription = await self._live.subscribe(caller, topics, after, renew, field)
        return Response(200, b"", list(_HEADERS), stream=self._told(subscription, raw.correlation))

    async def _told(self, subscription: Subscription, correlation: str) -> AsyncGenerator[bytes]:
        own, loop = asyncio.current_task(), asyncio.get_running_loop()
        alarms: list[asyncio.TimerHandle] = []

        def ended(why: Problem) -> None:
            if own is not None:  # it may wait for a client that does not read
                alarms.append(loop.call_later(FAREWELL if isinstance(why, GoingAway) else LINGER, own.cancel))

        subscription.on_end = ended
        try:
            yield b"retry: %d\n: following %b\nid: %b\n\n" % (
                random.randint(*_RETRY),  # noqa: S311 - nobody gains by guessing it
                " ".join(subscription.topics).encode(),
                subscription.position.encode(),
            )
            while True:
                if events := await subscription.take(self._heartbeat):
                    yield b"".join(map(framed, events))
                else:
                    yield b": nothing yet\nid: %b\n\n" % subscription.position.encode()
        except Problem as why:
            yield _end(why, correlation)
        except (Away, Timeout):
            yield _end(Unavailable(what="The database"), correlation)
        finally:
            subscription.close()
            for alarm in alarms:
                alarm.cancel()


def framed(event: LiveEvent) -> bytes:
    """An event as it stands in the stream."""
    found = event.written.get("sse")
    if found is None:
        found = event.written["sse"] = b"id: %b\ndata: %b\n\n" % (event.id.encode(), event.envelope)
    return found


def _end(why: Problem, correlation: str) -> bytes:
    retry = random.randint(*_RETRY)  # noqa: S311 - nobody gains by guessing it
    onwards = b"id: %b\n" % why.after.encode() if isinstance(why, Relocated) and why.after else b""  # what reads this comes again with it
    return b"retry: %d\n%bevent: end\ndata: %b\n\n" % (retry, onwards, msgspec.json.encode(body_of(why, correlation)))


def _asked(query: bytes) -> tuple[list[str], str | None]:
    """The patterns and the position. Malformed (400), Invalid (422)."""
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=60)
    except (UnicodeDecodeError, ValueError) as error:
        raise Malformed(reason=f"The query string cannot be read: {error}") from None
    topics: list[str] = []
    after: str | None = None
    for name, value in pairs:
        if name == "topics":
            topics += value.split(",")
        elif name == "after" and after is None:
            after = value
        else:
            raise Invalid.of(
                FieldError(name, "is given twice" if name == "after" else "is not a parameter here; there are topics and after")
            )
    return topics, after
