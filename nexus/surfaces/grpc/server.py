"""The gRPC server of a process: every operation as a method, beside health and reflection."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from nexus.surfaces.calling import Caller
from nexus.surfaces.grpc.asked import shared
from nexus.surfaces.grpc.calls import Calls, Traced
from nexus.surfaces.grpc.descriptors import file_of
from nexus.surfaces.grpc.ended import Told
from nexus.surfaces.grpc.events import Events
from nexus.surfaces.grpc.messages import Schema
from nexus.surfaces.grpc.reflecting import reflect
from nexus.surfaces.live import Live
from nexus.surfaces.lock import Lock
from nexus.surfaces.operations import Operations


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
        told: Told | None = None,
        traced: Traced | None = None,
    ) -> None:
        """`told` hears of every call that has ended; `traced` makes each a part of a trace."""
        locks = list(locks)
        self.schema = Schema([shared(), *locks])
        self.calls = Calls(self.schema, operations, authenticate, body_limit, told, traced)
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
        shown = [shared(), *locks] if live is not None else locks
        self._services = [f"{lock.package}.{service.name}" for lock in shown for service in file_of(lock).service]

    async def start(self, host: str, *ports: int) -> None:
        """Listen on the first of these ports that can be had. Raises OSError."""
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        self.schema.pool.AddSerializedFile(health_pb2.DESCRIPTOR.serialized_pb)
        reflect(self._server, [*self._services, health.SERVICE_NAME], self.schema.pool)
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
