"""GraphQL over WebSocket: the protocol graphql-transport-ws, at `/graphql`; queries and mutations go over it as well as subscriptions."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

from nexus.core.problem import Problem, Unauthenticated
from nexus.engines.oltp import Timeout, Unavailable
from nexus.surfaces.calling import Caller
from nexus.surfaces.graphql.http import Web
from nexus.surfaces.sockets import Gone, Socket

if TYPE_CHECKING:
    from nexus.surfaces.graphql.listening import Listening

PROTOCOL: Final = "graphql-transport-ws"
PATIENCE: Final = 10.0
"""Seconds in which a client must say who it is."""
MOST: Final = 100
"""Operations of one socket at a time."""


class Bad(Exception):
    """What the client said ends the socket, with a code of the protocol."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


class GraphSockets:
    """The endpoint."""

    def __init__(self, web: Web) -> None:
        self._web = web

    async def __call__(self, socket: Socket) -> None:
        """Serve one socket until it ends."""
        await socket.accept(PROTOCOL if PROTOCOL in socket.offered else None)
        if PROTOCOL not in socket.offered:
            await socket.close(4406, "Subprotocol not acceptable")
            return
        session = _Session(self._web, socket)
        try:
            await session.serve()
        except Bad as bad:
            await socket.close(bad.code, bad.reason)
        except Gone:
            return
        finally:
            await session.end()


class _Session:
    """What one socket has under way."""

    def __init__(self, web: Web, socket: Socket) -> None:
        self._web = web
        self._socket = socket
        self._running: dict[str, asyncio.Task[None]] = {}
        self._token = ""
        self._caller: Caller | None = None

    async def serve(self) -> None:
        """Take messages until the client goes away."""
        try:
            async with asyncio.timeout(PATIENCE):
                await self._introduced(_read(await self._socket.receive()))
        except TimeoutError:
            raise Bad(4408, "Connection initialisation timeout") from None
        while True:
            await self._hear(_read(await self._socket.receive()))

    async def _introduced(self, message: dict[str, Any]) -> None:
        if message["type"] != "connection_init":
            raise Bad(4401, "Unauthorized")
        payload = message.get("payload")
        given = cast(dict[str, Any], payload) if isinstance(payload, dict) else {}
        members = {name.lower(): value for name, value in given.items()}
        said = members.get("authorization") or self._socket.headers.get(b"authorization", b"").decode("latin-1")
        scheme, _, token = str(said).partition(" ")
        try:
            if scheme.lower() != "bearer" or not token:
                raise Unauthenticated(reason="connection_init takes a payload with Authorization: Bearer <key>.")
            self._token = token.strip()
            self._caller = await self._web.authenticate(self._token)
        except Problem as refusal:
            raise Bad(4403, refusal.detail) from None
        await self._say({"type": "connection_ack"})

    async def _hear(self, message: dict[str, Any]) -> None:
        match message["type"]:
            case "ping":
                await self._say({"type": "pong"})
            case "pong":
                return
            case "connection_init":
                raise Bad(4429, "Too many initialisation requests")
            case "complete" if isinstance(message.get("id"), str):
                if (task := self._running.pop(message["id"], None)) is not None:
                    task.cancel()
            case "subscribe" if isinstance(id := message.get("id"), str) and id and isinstance(message.get("payload"), dict):
                if id in self._running:
                    raise Bad(4409, f"Subscriber for {id} already exists")
                if len(self._running) >= MOST:
                    raise Bad(4429, f"More than {MOST} operations at a time")
                self._running[id] = asyncio.create_task(self._operation(id, message["payload"]), name=f"graphql {id}")
            case _:
                raise Bad(4400, "Invalid message")

    async def _operation(self, id: str, payload: dict[str, Any]) -> None:
        """One operation, until it is complete."""
        assert self._caller is not None
        path = self._socket.path.removeprefix("/graphql").strip("/")
        renew = functools.partial(self._web.authenticate, self._token)
        try:
            found = await self._web.over_stream(self._caller, path, payload, self._socket.correlation, renew)
            if isinstance(found, bytes):
                await self._next(id, found)
            else:
                await self._follow(id, found)
        except Problem as error:
            await self._say({"type": "error", "id": id, "payload": self._web.errors(error)})
        except (Unavailable, Timeout):
            await self._say(
                {"type": "error", "id": id, "payload": [{"message": "The database is not available right now; try again shortly."}]}
            )
        except Gone:
            return
        else:
            await self._say({"type": "complete", "id": id})
        finally:
            if self._running.get(id) is asyncio.current_task():
                del self._running[id]

    async def _follow(self, id: str, listening: Listening) -> None:
        async with listening.subscription:
            async for response in listening.responses():
                await self._next(id, response)

    def _next(self, id: str, response: bytes) -> Awaitable[None]:
        return self._say({"type": "next", "id": id, "payload": msgspec.Raw(response)})

    async def _say(self, message: dict[str, Any]) -> None:
        await self._socket.send(msgspec.json.encode(message, enc_hook=str).decode())

    async def end(self) -> None:
        """End what is under way."""
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _read(said: str | bytes) -> dict[str, Any]:
    try:
        message = msgspec.json.decode(said)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        message = None
    if not isinstance(message, dict) or not isinstance(cast(dict[str, Any], message).get("type"), str):
        raise Bad(4400, "Invalid message")
    return cast(dict[str, Any], message)
