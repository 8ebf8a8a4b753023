"""gRPC through the gateway: each call handed on to the process of its service, messages unread, in both directions as they come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, NoReturn, TypeAlias, cast

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from nexus.config import Settings
from nexus.core.problem import ServiceUnavailable
from nexus.runtime.rpc import GRACE, PortTaken, ports

_HERE: Final = frozenset({"user-agent", "te", "content-type"})
"""Metadata that speaks of one connection; what begins with `grpc-` does as well."""
_OPTIONS: Final = (
    ("grpc.max_send_message_length", -1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 2000),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.enable_http_proxy", 0),
    ("grpc.so_reuseport", 0),
)
Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class Door(grpc.GenericRpcHandler):
    """Hands calls on. The deadline goes with them, and who goes away ends the work behind."""

    def __init__(self, addresses: Mapping[str, str], body_limit: int) -> None:
        """`addresses` are `host:port` by the names of services."""
        self._addresses = addresses
        self._options = [*_OPTIONS, ("grpc.max_receive_message_length", -1)]
        self._channels: dict[str, grpc.aio.Channel] = {}
        self._server = grpc.aio.server(options=[*_OPTIONS, ("grpc.max_receive_message_length", body_limit)])
        self._health = health.aio.HealthServicer()
        self._retiring: asyncio.Task[None] | None = None
        self.address = ""
        """Where it listens, once it does."""

    async def start(self, host: str, *wanted: int) -> None:
        """Listen on the first of these ports that can be had. Raises OSError."""
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        self._server.add_generic_rpc_handlers((self,))
        place = f"[{host}]" if ":" in host else host
        for port in wanted:
            try:
                self.address = f"{place}:{self._server.add_insecure_port(f'{place}:{port}')}"
                break
            except RuntimeError:
                continue
        else:
            raise OSError(f"Port {wanted[-1]} of {host} cannot be used for gRPC.")
        await self._server.start()
        await self._health.set("", health_pb2.HealthCheckResponse.SERVING)

    def retire(self) -> None:
        """Tell who looks after the process's health that nobody new should come; calls are still handed on."""
        if self._retiring is None:
            self._retiring = asyncio.create_task(self._health.enter_graceful_shutdown(), name="grpc retires")

    async def stop(self, seconds: float) -> None:
        """Take no new calls, and give those that are under way this long."""
        self.retire()
        await self._server.stop(seconds)
        for channel in self._channels.values():
            await channel.close()

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any] | None:
        """What hands a call on; None where no service could have such a method."""
        method = handler_call_details.method
        package = method[1:].rpartition("/")[0].rpartition(".")[0].split(".")
        if package[:1] != ["nexus"]:
            return None
        name = next(iter(self._addresses)) if package == ["nexus", "v1"] and self._addresses else package[1] if len(package) > 1 else ""

        async def hand_on(requests: AsyncIterator[bytes], context: Context) -> None:
            await self._hand_on(name, method, requests, context)

        return grpc.stream_stream_rpc_method_handler(hand_on)

    async def _hand_on(self, name: str, method: str, requests: AsyncIterator[bytes], context: Context) -> None:
        if name not in self._addresses:
            await _away(context, name, "the gateway has no address for it (NEXUS_GRPC_SERVICES)")
        channel = self._channels.get(name)
        if channel is None:
            channel = self._channels[name] = grpc.aio.insecure_channel(self._addresses[name], options=self._options)
        given = [(key, value) for key, value in context.invocation_metadata() or () if key not in _HERE and not key.startswith("grpc-")]
        left = cast(float | None, context.time_remaining())
        call = cast(Any, channel).stream_stream(method)(requests, metadata=given, timeout=left)
        try:
            async for message in cast(AsyncIterator[bytes], call):
                await context.write(message)
        except grpc.aio.AioRpcError:
            pass  # its status is told below, as any other
        finally:
            if not call.done():
                call.cancel()
        trailing = tuple(await call.trailing_metadata() or ())
        code, details = await call.code(), await call.details()
        if code is grpc.StatusCode.UNAVAILABLE and not trailing:  # nobody there has said so
            await _away(context, name, "nobody listens there, or the connection to it ended")
        context.set_trailing_metadata(trailing)
        if code is not grpc.StatusCode.OK:
            await context.abort(code, details or "", trailing)


async def _away(context: Context, name: str, reason: str) -> NoReturn:
    await context.abort(grpc.StatusCode.UNAVAILABLE, ServiceUnavailable(service=name, reason=f"{reason}.").detail)


@asynccontextmanager
async def door_of(settings: Settings, port: int) -> AsyncGenerator[Door]:
    """The door of a gateway beside HTTP at `port`, for as long as the context lasts. Raises PortTaken."""
    door = Door(settings.grpc_addresses(), settings.body_limit)
    try:
        await door.start(settings.host, *ports(settings, port))
    except OSError as error:
        raise PortTaken(f"{error} Set NEXUS_GRPC_PORT to another.") from None
    try:
        yield door
    finally:
        await door.stop(GRACE)
