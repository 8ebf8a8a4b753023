"""Streaming: what goes to a client before its answer does, as server-sent events on the response to its own request."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping
from typing import Any, Final

import mcp_types as types
import msgspec

from nexus.surfaces.rest.message import Header, Response

HEADERS: Final[list[Header]] = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]
TICK: Final = 1.0
"""Seconds of silence after which whoever asked for progress is told that the work goes on."""
QUIET: Final = 15.0
"""Seconds of silence after which a comment keeps the connection open."""
LINGER: Final = 5.0
"""Seconds in which a client that does not read may still take the end."""
_WAITING: Final = 64
"""Messages that wait to be sent before whoever makes them waits too."""
_COMMENT: Final = b": nothing yet\n\n"


class Sink:
    """Where messages go that come before the answer."""

    def __init__(self, token: types.ProgressToken | None) -> None:
        self._token = token
        self._frames: asyncio.Queue[bytes] = asyncio.Queue(_WAITING)
        self._began = time.monotonic()
        self._counted = False
        """Whether the work says itself how far it is."""

    async def notify(self, method: str, params: Mapping[str, Any] | None) -> None:
        """Tell the client something."""
        said = {"jsonrpc": "2.0", "method": method} | ({} if params is None else {"params": params})
        await self._frames.put(framed(msgspec.json.encode(said)))

    async def progress(self, progress: float, total: float | None = None, message: str | None = None) -> None:
        """Tell how far the work is, if that was asked for."""
        if self._token is None:
            return
        self._counted = True
        said: dict[str, Any] = {"progressToken": self._token, "progress": progress, "total": total, "message": message}
        await self.notify("notifications/progress", {name: value for name, value in said.items() if value is not None})

    async def next(self) -> bytes:
        """What is to be sent next; a sign of life where nothing is for a while."""
        ticks = self._token is not None and not self._counted
        try:
            async with asyncio.timeout(TICK if ticks else QUIET):
                return await self._frames.get()
        except TimeoutError:
            return self._tick() if ticks else _COMMENT

    def left(self) -> bytes:
        """Everything that has not been sent."""
        return b"".join(self._frames.get_nowait() for _ in range(self._frames.qsize()))

    def _tick(self) -> bytes:
        seconds = round(time.monotonic() - self._began, 1)
        said = {"progressToken": self._token, "progress": seconds, "message": f"at work for {seconds:.0f} s"}
        return framed(msgspec.json.encode({"jsonrpc": "2.0", "method": "notifications/progress", "params": said}))


def framed(message: bytes) -> bytes:
    """A message as it stands in the stream."""
    return b"event: message\ndata: %b\n\n" % message


async def streamed(work: Coroutine[Any, Any, Response], sink: Sink) -> Response:
    """The response as it is where nothing comes before it; otherwise a stream that ends with it."""
    working = asyncio.ensure_future(work)
    first = asyncio.ensure_future(sink.next())
    try:
        await asyncio.wait((working, first), return_when=asyncio.FIRST_COMPLETED)
    except BaseException:
        await _ended(working, first)
        raise
    if not first.done():
        await _ended(first)
        return working.result()
    return Response(200, b"", list(HEADERS), _told(working, first.result(), sink))


def beside(tell: Callable[[Callable[[types.ServerNotification], Awaitable[None]]], Awaitable[None]]) -> Response:
    """A stream of what somebody tells, for as long as they do."""
    sink = Sink(None)

    async def send(notification: types.ServerNotification) -> None:
        said = notification.model_dump(by_alias=True, mode="json", exclude_none=True)
        await sink.notify(said["method"], said.get("params"))

    async def work() -> Response:
        await tell(send)
        return Response(200)

    return Response(200, b"", list(HEADERS), _told(work(), _COMMENT, sink))


async def _told(work: Coroutine[Any, Any, Response] | asyncio.Future[Response], first: bytes, sink: Sink) -> AsyncGenerator[bytes]:
    working = asyncio.ensure_future(work)
    own, loop = asyncio.current_task(), asyncio.get_running_loop()
    alarms: list[asyncio.TimerHandle] = []
    if own is not None:  # it may wait for a client that does not read
        working.add_done_callback(lambda _: alarms.append(loop.call_later(LINGER, own.cancel)))
    following: asyncio.Future[bytes] | None = None
    try:
        yield first
        while not working.done():
            following = asyncio.ensure_future(sink.next())
            await asyncio.wait((working, following), return_when=asyncio.FIRST_COMPLETED)
            if following.done():
                yield following.result()
            else:
                await _ended(following)
        answer = working.result().body
        yield sink.left() + (framed(answer) if answer else b"")
    finally:
        await _ended(working, *([] if following is None else [following]))
        for alarm in alarms:
            alarm.cancel()


async def _ended(*tasks: asyncio.Future[Any]) -> None:
    """End them, whatever they are doing."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
