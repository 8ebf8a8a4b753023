"""Calls: every operation as a method of gRPC, answered through the same door as REST; and how each call ends, whoever ends it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from time import perf_counter
from typing import Any, Final, TypeAlias, cast

import grpc
import msgspec

from nexus.core.problem import Problem
from nexus.core.problem import Unavailable as Away
from nexus.engines.oltp import Timeout, Unavailable
from nexus.surfaces.calling import Caller
from nexus.surfaces.grpc.asks import Asked, Method, from_page
from nexus.surfaces.grpc.calling import Context, Incoming
from nexus.surfaces.grpc.ended import NOBODYS, Told
from nexus.surfaces.grpc.events import NAME, Events
from nexus.surfaces.grpc.many import Many
from nexus.surfaces.grpc.messages import Schema
from nexus.surfaces.lock import Lock
from nexus.surfaces.operations import Operations
from nexus.surfaces.rest.message import Response

COMPRESSED: Final = 16 * 1024
"""Bytes of an answer from which on it is compressed, if the caller takes that."""
_LONGEST: Final = 200
"""Characters of a method's name that are written down where there is no such method."""
_log = logging.getLogger("nexus.grpc")

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Work: TypeAlias = Callable[[Incoming, Any], Awaitable[bytes]]
"""What a method does with its request, or with the iterator of several: it returns its answer, or sends several and returns none."""
Traced: TypeAlias = Callable[[str, Work], Work]
"""Makes of what a method does a part of a trace."""


class Calls(grpc.GenericRpcHandler):
    """Every method by its name."""

    def __init__(
        self,
        schema: Schema,
        operations: Operations,
        authenticate: Callable[[str], Awaitable[Caller]],
        body_limit: int,
        told: Told | None = None,
        traced: Traced | None = None,
    ) -> None:
        self._schema = schema
        self._operations = operations
        self._authenticate = authenticate
        self._body_limit = body_limit
        self._told = told
        self._traced = traced
        self.handlers: dict[str, Handler] = {}
        self.methods: dict[str, Method] = {}
        """Those with one answer."""

    def add(self, lock: Lock) -> None:
        """The methods of a service, as far as this process runs what they ask."""
        for name, promised in lock.operations.items():
            if name not in self._operations:
                continue
            method = Method(self._schema, lock, self._operations[name], promised)
            self.methods[method.name] = method
            self.handlers[method.name] = grpc.unary_unary_rpc_method_handler(self._behaviour(method.name, self._one(method)))
            if method.operation.kind in ("create", "update"):
                many = Many(self._schema, method, self._body_limit)
                self.handlers[many.name] = grpc.stream_unary_rpc_method_handler(self._behaviour(many.name, self._many(method, many)))
            if method.operation.kind == "list":
                stream = method.name.rpartition("/")[0] + "/Stream"
                self.handlers[stream] = grpc.unary_stream_rpc_method_handler(self._behaviour(stream, self._several(method)))

    def follow(self, events: Events) -> None:
        """The stream of events."""

        async def subscribe(incoming: Incoming, data: bytes) -> bytes:
            async with aclosing(events.subscribe(incoming, data)) as told:
                async for one in told:
                    incoming.waits()
                    await incoming.send(one)
            return b""

        self.handlers[NAME] = grpc.unary_stream_rpc_method_handler(self._behaviour(NAME, subscribe))

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Handler | None:
        """The handler of a call: where there is no such method, one that says so. None for what the library answers itself."""
        name = handler_call_details.method
        if (known := self.handlers.get(name)) is not None:
            return known
        return None if name.startswith("/grpc.") else self._nowhere(name)

    def _nowhere(self, name: str) -> Handler:
        async def refuse(incoming: Incoming, data: bytes) -> bytes:
            await incoming.fail(grpc.StatusCode.UNIMPLEMENTED, "Method not found!")
            return b""

        behave = self._behaviour(NOBODYS, refuse, name[:_LONGEST])

        async def nowhere(requests: Any, context: Context) -> None:
            await behave(b"", context)

        return grpc.stream_stream_rpc_method_handler(nowhere)

    def _one(self, method: Method) -> Work:
        async def one(incoming: Incoming, data: bytes) -> bytes:
            caller = incoming.caller = await self._authenticate(incoming.token())
            response = await self._operations.ask(caller, method.operation, incoming.ask(method.ask(data)))
            answer = method.answer(response.body)
            incoming.finish(response.headers, reads=method.operation.reads)
            return _whole(incoming, answer)

        return one

    def _many(self, method: Method, many: Many) -> Work:
        async def several(incoming: Incoming, requests: AsyncIterator[bytes]) -> bytes:
            caller = incoming.caller = await self._authenticate(incoming.token())
            body = await many.body(requests, each=incoming.each, overwrites=incoming.overwrites)
            response = await self._operations.ask(caller, method.operation, incoming.ask(Asked(body=body), many=True))
            incoming.finish(response.headers, reads=False)
            return _whole(incoming, many.answer(response.body))

        return several

    def _several(self, method: Method) -> Work:
        async def several(incoming: Incoming, data: bytes) -> bytes:
            caller = incoming.caller = await self._authenticate(incoming.token())
            asked: Asked | None = method.ask(data)
            while asked is not None:
                response = await self._operations.ask(caller, method.operation, incoming.ask(asked))
                asked, page = _after(asked, response), cast(Any, method.gives.message(response.body))
                for record in page.items:
                    await incoming.send(record.SerializeToString())
            incoming.finish([], reads=True)
            return b""

        return several

    def _behaviour(self, method: str, work: Work, name: str | None = None) -> Callable[[Any, Context], Awaitable[bytes]]:
        """What the library calls: the work, its refusals as statuses, and its end told to whoever hears of it."""
        told, refuse, name = self._told, self._refuse, name or method

        async def run(incoming: Incoming, data: Any) -> bytes:
            try:
                return await work(incoming, data)
            except Exception as error:
                return await refuse(incoming, name, error)
            except asyncio.CancelledError:
                incoming.broken_off()
                raise
            finally:
                if told is not None:
                    told(incoming.ended(method, name))

        steps = run if self._traced is None else self._traced(method, run)

        async def behave(data: Any, context: Context) -> bytes:
            return await steps(Incoming(context, perf_counter()), data)

        return behave

    async def _refuse(self, incoming: Incoming, method: str, error: Exception) -> bytes:
        """End a call that failed: with the refusal, or as a bug with the call's id and nothing else."""
        match error:
            case grpc.aio.AbortError():  # it has been ended
                raise error
            case Problem():
                await incoming.refuse(error, self._schema)
            case Unavailable() | Timeout():
                _log.warning("call %s: %s", incoming.correlation, error)
                await incoming.refuse(Away(what="The database"), self._schema)
            case _:
                _log.error("call %s failed: %s", incoming.correlation, method, exc_info=error)
                await incoming.fail(grpc.StatusCode.INTERNAL, f"Internal error, request {incoming.correlation}")
        raise AssertionError("a call that was ended goes no further")


def _whole(incoming: Incoming, answer: bytes) -> bytes:
    """The one answer of a call, compressed where it is large."""
    incoming.messages, incoming.size = 1, len(answer)
    if len(answer) >= COMPRESSED:
        incoming.context.set_compression(grpc.Compression.Gzip)
    return answer


def _after(asked: Asked, response: Response) -> Asked | None:
    """The page after a page; None behind the last one."""
    cursor = msgspec.json.decode(response.body, type=_Cursor).next_cursor
    return None if cursor is None else from_page(asked, cursor)


class _Cursor(msgspec.Struct):
    next_cursor: str | None
