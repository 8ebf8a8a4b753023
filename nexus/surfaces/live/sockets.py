"""`/ws`: live events over a WebSocket: any number of subscriptions on one connection, each with a name of the client's.

The client says who it is in the handshake (`Authorization`, or the subprotocol `nexus.token.<key>` beside `nexus.live.v1`, which is what a
browser can send) or in its first message. Messages are JSON objects with a `type`; see docs/surfaces/live.md.
"""

from __future__ import annotations

import asyncio
import functools
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from nexus.core.problem import FieldError, Invalid, Malformed, Problem, TooLarge, Unauthenticated, Unavailable
from nexus.engines.endings import end
from nexus.engines.oltp import Timeout
from nexus.engines.oltp import Unavailable as Away
from nexus.surfaces.calling import Caller
from nexus.surfaces.live.checks import LiveEvent
from nexus.surfaces.live.hub import Live
from nexus.surfaces.live.messages import (
    Ack,
    Auth,
    Ended,
    Heartbeat,
    Mistake,
    Ping,
    Pong,
    Ready,
    Subscribe,
    Subscribed,
    Unsubscribe,
    Unsubscribed,
    asked,
)
from nexus.surfaces.live.problems import Gap, GoingAway, Relocated
from nexus.surfaces.live.subscription import Subscription
from nexus.surfaces.sockets import GOING_AWAY, TOO_BIG, UNSUPPORTED, Gone, Socket, body_of
from nexus.surfaces.wire import decode

__all__ = ["LiveSockets"]

SPOKEN: Final = "nexus.live.v1"
TOKEN: Final = "nexus.token."  # noqa: S105 - the name of the subprotocol that carries one
MOST_SUBSCRIPTIONS: Final = 50
LARGEST: Final = 64 * 1024
MOST_MISTAKES: Final = 20
"""Messages that make no sense, after which the socket ends."""
PATIENCE: Final = 10.0
"""Seconds in which a client that has not said who it is must do so."""


class LiveSockets:
    """The endpoint."""

    def __init__(self, live: Live, authenticate: Callable[[str], Awaitable[Caller]], heartbeat: float) -> None:
        """`heartbeat`: seconds after which a message goes to a subscription on which nothing happens."""
        self._live = live
        self._authenticate = authenticate
        self._heartbeat = heartbeat

    async def __call__(self, socket: Socket) -> None:
        """Serve one socket until it ends."""
        token = _token(socket)
        caller = await self._authenticate(token) if token is not None else None
        await socket.accept(SPOKEN if SPOKEN in socket.offered else None)
        if caller is None:
            token = await _introduced(socket)
            caller = await self._authenticate(token)
        assert token is not None
        session = _Session(socket, self._live, caller, functools.partial(self._authenticate, token), self._heartbeat)
        await session.serve()


def _token(socket: Socket) -> str | None:
    """The credential of the handshake, if it has one."""
    scheme, _, token = socket.headers.get(b"authorization", b"").partition(b" ")
    if scheme:
        if scheme.lower() != b"bearer" or not token:
            raise Unauthenticated(
                reason="Send the header Authorization: Bearer <key>, the subprotocol nexus.token.<key>, or a first message."
            )
        return token.strip().decode("latin-1")
    return next((offered.removeprefix(TOKEN) for offered in socket.offered if offered.startswith(TOKEN)), None)


async def _introduced(socket: Socket) -> str:
    """The credential of the first message. Unauthenticated (401)."""
    try:
        async with asyncio.timeout(PATIENCE):
            said = await socket.receive()
    except TimeoutError:
        raise Unauthenticated(reason=f"Nobody said who it is within {PATIENCE:.0f} seconds.") from None
    message = _read(said)
    if not isinstance(message, Auth):
        raise Unauthenticated(reason='The first message says who it is: {"type":"auth","token":"nx_…"}')
    return message.token


def _read(said: str | bytes) -> Any:
    """A message. Malformed (400), TooLarge (413), Invalid (422)."""
    text = said.encode() if isinstance(said, str) else said
    if len(text) > LARGEST:
        raise TooLarge(what="The message", limit=f"{LARGEST:,} bytes")
    try:
        return decode(asked, text)
    except Malformed as error:
        raise Malformed(reason=error.detail.replace("The body", "The message")) from None


class _Following:
    """One subscription of a socket."""

    def __init__(self, subscription: Subscription, window: int | None) -> None:
        self.subscription = subscription
        self.window = window
        self.unacknowledged: deque[str] = deque()
        self.room = asyncio.Event()
        self.task: asyncio.Task[None] | None = None

    def acknowledge(self, position: str) -> bool:
        """Everything up to a position is handled; False where it has not been sent, or has been acknowledged."""
        if position not in self.unacknowledged:
            return False
        while self.unacknowledged.popleft() != position:
            pass
        self.room.set()
        return True


class _Session:
    """What one client follows."""

    def __init__(self, socket: Socket, live: Live, caller: Caller, renew: Callable[[], Awaitable[Caller]], heartbeat: float) -> None:
        self._socket = socket
        self._live = live
        self._caller = caller
        self._renew = renew
        self._heartbeat = heartbeat
        self._following: dict[str, _Following] = {}
        self._ending: asyncio.Task[None] | None = None
        self._mistakes = 0

    async def serve(self) -> None:
        """Answer messages until the socket ends."""
        await self._say(Ready(tenant=self._caller.tenant.id, heartbeat=self._heartbeat))
        try:
            while True:
                await self._hear(await self._socket.receive())
        finally:
            for one in self._following.values():
                one.subscription.close()
            await end([one.task for one in self._following.values() if one.task is not None])
            if self._ending is not None:
                await self._ending

    async def _hear(self, said: str | bytes) -> None:
        if isinstance(said, bytes):
            await self._socket.close(UNSUPPORTED, "Messages are text: JSON objects with a type.")
            return
        try:
            await self._answer(_read(said))
            self._mistakes = 0
        except TooLarge as error:
            await self._socket.close(TOO_BIG, error.detail)
        except (Away, Timeout):
            await self._mistaken(said, Unavailable(what="The database"))
        except Problem as problem:
            await self._mistaken(said, problem)

    async def _mistaken(self, said: str, problem: Problem) -> None:
        """Tell what is wrong with a message; whoever goes on so is sent away."""
        self._mistakes += 1
        await self._say(Mistake(id=_name_in(said), problem=body_of(problem, self._socket.correlation)))
        if self._mistakes >= MOST_MISTAKES:
            raise Malformed(reason=f"{MOST_MISTAKES} messages in a row made no sense.")

    async def _answer(self, message: Any) -> None:
        match message:
            case Subscribe():
                await self._subscribe(message)
            case Unsubscribe():
                await self._unsubscribe(self._known(message.id), message.id)
            case Ack():
                if not self._known(message.id).acknowledge(message.position):
                    raise Invalid.of(
                        FieldError("position", "is none that waits to be acknowledged; only a subscription with a window waits")
                    )
            case Ping():
                await self._say(Pong(id=message.id))
            case _:
                raise Invalid.of(FieldError("type", "auth is the first message, and only where the handshake did not say who it is"))

    def _known(self, id: str) -> _Following:
        if id not in self._following:
            raise Invalid.of(FieldError("id", f"nothing is followed as {id!r}"))
        return self._following[id]

    async def _subscribe(self, message: Subscribe) -> None:
        if message.id in self._following:
            raise Invalid.of(FieldError("id", f"{message.id!r} is followed already: unsubscribe first, or take another id"))
        if len(self._following) >= MOST_SUBSCRIPTIONS:
            raise Invalid.of(FieldError("id", f"one socket takes {MOST_SUBSCRIPTIONS} subscriptions"))
        subscription = await self._live.subscribe(self._caller, message.topics, message.after, self._renew)
        subscription.on_end = self._ended
        following = self._following[message.id] = _Following(subscription, message.window)
        await self._say(Subscribed(id=message.id, topics=list(subscription.topics), position=subscription.position))
        following.task = asyncio.create_task(self._tell(message.id, following))

    async def _unsubscribe(self, following: _Following, id: str) -> None:
        following.subscription.close()
        await end([following.task] if following.task is not None else [])
        self._following.pop(id, None)
        await self._say(Unsubscribed(id=id, position=following.subscription.position))

    async def _tell(self, id: str, following: _Following) -> None:
        subscription = following.subscription
        try:
            while True:
                events = await subscription.take(self._heartbeat)
                for event in events:
                    await self._send(id, following, event)
                if not events:
                    await self._say(Heartbeat(id=id, position=subscription.position))
        except Gap as why:
            self._following.pop(id, None)
            await self._say(Ended(id=id, problem=body_of(why, self._socket.correlation)))
        except Problem as why:
            self._ended(why)
        except (Away, Timeout):
            self._ended(Unavailable(what="The database"))
        except Gone:
            return

    async def _send(self, id: str, following: _Following, event: LiveEvent) -> None:
        if following.window is not None:
            while len(following.unacknowledged) >= following.window:
                following.room.clear()
                await following.room.wait()
            following.unacknowledged.append(event.id)
        await self._socket.send(_framed(id, event))

    def _ended(self, why: Problem) -> None:
        """A subscription has ended for a reason that ends them all; its task may wait for a client that does not read."""
        if not isinstance(why, Gap) and self._ending is None:
            self._ending = asyncio.create_task(self._close(why))

    async def _close(self, why: Problem) -> None:
        for id, one in list(self._following.items()):
            if isinstance(one.subscription.ended, Relocated):  # each goes on at a position of its own
                await self._say(Ended(id=id, problem=body_of(one.subscription.ended, self._socket.correlation)))
        if isinstance(why, GoingAway):
            await self._socket.close(GOING_AWAY, why.detail)
        else:
            await self._socket.refuse(why)

    async def _say(self, message: msgspec.Struct) -> None:
        await self._socket.send(msgspec.json.encode(message).decode())


def _framed(id: str, event: LiveEvent) -> str:
    """An event as it is sent under a name; the same bytes for all who chose the same."""
    found = event.written.get(id)
    if found is None:
        if len(event.written) > 8:  # everybody has a name of their own
            event.written.clear()
        head = msgspec.json.encode({"type": "event", "id": id, "position": event.id})
        found = event.written[id] = head[:-1] + b',"event":' + event.envelope + b"}"
    return found.decode()


def _name_in(said: str) -> str | None:
    """The id in a message that could not be taken, so that its sender knows which one it was."""
    try:
        read: Any = msgspec.json.decode(said)
    except (msgspec.DecodeError, RecursionError):
        return None
    id: Any = read.get("id") if isinstance(read, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return id[:64] if isinstance(id, str) else None
