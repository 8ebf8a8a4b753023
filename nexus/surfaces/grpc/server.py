"""The gRPC server of a process: every operation as a method, beside health and reflection, answered through the same door as REST."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from typing import Any, Final, TypeAlias, cast

import grpc
import msgspec
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2

from nexus.core.problem import Problem
from nexus.core.problem import Unavailable as Away
from nexus.engines.oltp import Timeout, Unavailable
from nexus.surfaces.calling import Caller
from nexus.surfaces.grpc.asked import shared
from nexus.surfaces.grpc.asks import Asked, Method, from_page
from nexus.surfaces.grpc.calling import Context, Incoming
from nexus.surfaces.grpc.descriptors import file_of
from nexus.surfaces.grpc.events import NAME, Events
from nexus.surfaces.grpc.messages import Schema
from nexus.surfaces.live import Live
from nexus.surfaces.lock import Lock
from nexus.surfaces.operations import Operations
from nexus.surfaces.rest.message import Response

COMPRESSED: Final = 16 * 1024
"""Bytes of an answer from which on it is compressed, if the caller takes that."""
_log = logging.getLogger("nexus.grpc")

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"


class Calls(grpc.GenericRpcHandler):
    """Every method by its name."""

    def __init__(self, schema: Schema, operations: Operations, authenticate: Callable[[str], Awaitable[Caller]]) -> None:
        self._schema = schema
        self._operations = operations
        self._authenticate = authenticate
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
            self.handlers[method.name] = self._unary(method)
            if method.operation.kind == "list":
                stream = method.name.rpartition("/")[0] + "/Stream"
                self.handlers[stream] = self._stream(method)

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Handler | None:
        """The handler of a call; None, which the library answers with UNIMPLEMENTED, where there is no such method."""
        return self.handlers.get(handler_call_details.method)

    def _unary(self, method: Method) -> Handler:
        async def unary(data: bytes, context: Context) -> bytes:
            incoming = Incoming(context)
            try:
                caller = await self._authenticate(incoming.token())
                response = await self._operations.ask(caller, method.operation, incoming.ask(method.ask(data)))
                answer = method.answer(response.body)
            except Exception as error:
                return await self._refuse(incoming, method.name, error)
            incoming.finish(response.headers, reads=method.operation.reads)
            if len(answer) >= COMPRESSED:
                context.set_compression(grpc.Compression.Gzip)
            return answer

        return grpc.unary_unary_rpc_method_handler(unary)

    def _stream(self, method: Method) -> Handler:
        async def stream(data: bytes, context: Context) -> AsyncGenerator[bytes]:
            incoming = Incoming(context)
            try:
                caller = await self._authenticate(incoming.token())
                asked: Asked | None = method.ask(data)
                while asked is not None:
                    response = await self._operations.ask(caller, method.operation, incoming.ask(asked))
                    asked, page = _after(asked, response), cast(Any, method.gives.message(response.body))
                    for record in page.items:
                        yield record.SerializeToString()
            except Exception as error:
                await self._refuse(incoming, method.name, error)
            incoming.finish([], reads=True)

        return grpc.unary_stream_rpc_method_handler(stream)

    def follow(self, events: Events) -> None:
        """The stream of events."""

        async def subscribe(data: bytes, context: Context) -> AsyncGenerator[bytes]:
            incoming = Incoming(context)
            try:
                async for one in events.subscribe(incoming, data):
                    yield one
            except Exception as error:
                await self._refuse(incoming, NAME, error)

        self.handlers[NAME] = grpc.unary_stream_rpc_method_handler(subscribe)

    async def _refuse(self, incoming: Incoming, method: str, error: Exception) -> bytes:
        """End a call that failed: with the refusal, or as a bug with the call's id and nothing else."""
        match error:
            case Problem():
                await incoming.refuse(error, self._schema)
            case Unavailable() | Timeout():
                _log.warning("call %s: %s", incoming.correlation, error)
                await incoming.refuse(Away(what="The database"), self._schema)
            case _:
                _log.error("call %s failed: %s", incoming.correlation, method, exc_info=error)
                await incoming.fail(grpc.StatusCode.INTERNAL, f"Internal error, request {incoming.correlation}")
        raise AssertionError("a call that was ended goes no further")


def _after(asked: Asked, response: Response) -> Asked | None:
    """The page after a page; None behind the last one."""
    cursor = msgspec.json.decode(response.body, type=_Cursor).next_cursor
    return None if cursor is None else from_page(asked, cursor)


class _Cursor(msgspec.Struct):
    next_cursor: str | None


class Server:
    """A gRPC server on one port. The library itself cancels what it has begun once a deadline is over or the caller has gone."""

    def __init__(
        self,
        operations: Operations,
        authenticate: Callable[[str], Awaitable[Caller]],
        locks: Iterable[Lock],
        *,
        body_limit: int,
        live: Live | None = None,
        heartbeat: float = 20.0,
    ) -> None:
        locks = list(locks)
        self.schema = Schema([shared(), *locks])
        self.calls = Calls(self.schema, operations, authenticate)
        for lock in locks:
            self.calls.add(lock)
        if live is not None:
            self.calls.follow(Events(self.schema, live, authenticate, heartbeat))
        options = [
            ("grpc.so_reuseport", 0),  # or another process could listen on the same port, and get half of the calls
            ("grpc.max_receive_message_length", body_limit),
            ("grpc.max_send_message_length", -1),
        ]
        self._server = grpc.aio.server(options=options)
        self._server.add_generic_rpc_handlers((self.calls,))
        self._health = health.aio.HealthServicer()
        self._retiring: asyncio.Task[None] | None = None
        self.port = 0
        self.address = ""
        """Where it listens, once it does."""
        told = [shared(), *locks] if live is not None else locks
        self._services = [f"{lock.package}.{service.name}" for lock in told for service in file_of(lock).service]

    async def start(self, host: str, *ports: int) -> None:
        """Listen on the first of these ports that can be had. Raises OSError."""
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        for known in (health_pb2, reflection_pb2):
            self.schema.pool.AddSerializedFile(known.DESCRIPTOR.serialized_pb)
        own = [health.SERVICE_NAME, reflection.SERVICE_NAME]
        reflection.enable_server_reflection([*self._services, *own], self._server, self.schema.pool)
        self.port = self._listen(host, ports)
        self.address = f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"
        await self._server.start()
        for name in ("", *self._services):
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)

    def _listen(self, host: str, ports: Sequence[int]) -> int:
        for port in ports:
            try:
                return self._server.add_insecure_port(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
            except RuntimeError:
                continue
        raise OSError(f"Port {ports[-1]} of {host} cannot be used for gRPC.")

    def retire(self) -> None:
        """Tell who looks after the process's health that nobody new should come; calls are still answered."""
        if self._retiring is None:
            self._retiring = asyncio.create_task(self._health.enter_graceful_shutdown(), name="grpc retires")

    async def stop(self, seconds: float) -> None:
        """Take no new calls, and give those that are being answered this long."""
        self.retire()
        await self._server.stop(seconds)
