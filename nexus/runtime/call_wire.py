"""Calls between services of different processes, over gRPC: one method that takes an encoded call and a statement of the caller.

It is no surface for others: it listens on a port of its own, and under mTLS where the installation has certificates.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, Final, NoReturn, cast

import grpc
import msgspec

from nexus.core.problem import Problem
from nexus.core.trace import TRACE
from nexus.runtime.call import Sent, Unreachable, refused, under_deadline
from nexus.runtime.identity import Identity
from nexus.runtime.node import Node
from nexus.runtime.statements import Signer, Verifier
from nexus.surfaces.calling import Caller

METHOD: Final = "/nexus.calls.v1.Calls/Call"
STATEMENT: Final = "nexus-caller-bin"
GRACE: Final = 10.0
"""Seconds in which calls under way may end when the process does."""
_OPTIONS: Final = (
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),
    ("grpc.max_send_message_length", 64 * 1024 * 1024),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 2000),  # in which a connection must be made: less, and who is busy counts as away
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.enable_http_proxy", 0),
    ("grpc.so_reuseport", 0),
)
_sent: Final = msgspec.json.Decoder(Sent)
_log = logging.getLogger("nexus.calls")
Context = grpc.aio.ServicerContext[Any, Any]


class ServiceFailed(Exception):
    """A service that was called met a bug of its own."""


class OverGrpc:
    """The wiring to services of other processes."""

    def __init__(self, addresses: Mapping[str, str], signer: Signer, identity: Identity | None = None) -> None:
        """`addresses` are `host:port` by the names of services."""
        self._addresses = addresses
        self._signer = signer
        self._identity = identity
        self._channels: dict[str, grpc.aio.Channel] = {}
        self._old: list[grpc.aio.Channel] = []
        if identity is not None:
            identity.on_renewal(self._renew)

    async def __call__(self, caller: Caller, sent: Sent, seconds: float) -> bytes:
        """The encoded answer. Raises Unreachable, TimeoutError, ServiceFailed."""
        data = msgspec.json.encode(sent)
        statement = await self._signer.state(caller, sent.service, data)
        channel: Any = self._channel(sent.service)
        ask = channel.unary_unary(METHOD)
        try:
            answer: bytes = await ask(data, timeout=seconds, metadata=((STATEMENT, statement),))
        except grpc.aio.AioRpcError as error:
            _raise(sent.service, error)
        return answer

    def _channel(self, service: str) -> grpc.aio.Channel:
        channel = self._channels.get(service)
        if channel is None:
            if service not in self._addresses:
                raise Unreachable("no address of it is known here (NEXUS_CALLS)")
            channel = self._channels[service] = self._connected(self._addresses[service])
        return channel

    def _connected(self, address: str) -> grpc.aio.Channel:
        if self._identity is None:
            return grpc.aio.insecure_channel(address, options=_OPTIONS)
        key, certificate = self._identity.pair()
        credentials = grpc.ssl_channel_credentials(self._identity.authority(), key, certificate)
        return grpc.aio.secure_channel(address, credentials, options=_OPTIONS)

    def _renew(self) -> None:
        """The next call makes a connection under the new certificate; calls under way end on the old one."""
        self._old += self._channels.values()
        self._channels = {}

    async def close(self) -> None:
        """End all connections."""
        for channel in (*self._old, *self._channels.values()):
            await channel.close()


def _raise(service: str, error: grpc.aio.AioRpcError) -> NoReturn:
    match error.code():
        case grpc.StatusCode.DEADLINE_EXCEEDED:
            raise TimeoutError from error
        case grpc.StatusCode.UNAVAILABLE | grpc.StatusCode.CANCELLED | grpc.StatusCode.UNIMPLEMENTED:
            raise Unreachable(_plain(error.details() or "")) from error
        case _:
            raise ServiceFailed(f"{service}: {error.details()}") from error


def _plain(details: str) -> str:
    """What the library says, short of its addresses."""
    if "onnection refused" in details:
        return "nobody listens there"
    if "andshak" in details or "ertificate" in details or "SSL" in details:
        return "the certificates do not fit"
    return "the connection to it ended"


class CallServer:
    """Answers the calls of other processes for the services that run here."""

    def __init__(self, node: Node, verifier: Verifier) -> None:
        self._node = node
        self._verifier = verifier
        self._server: grpc.aio.Server | None = None

    async def start(self, address: str, identity: Identity | None = None) -> int:
        """Listen on `host:port`; the port. Raises RuntimeError where nobody can."""
        self._server = server = grpc.aio.server(options=_OPTIONS)
        handler: grpc.RpcMethodHandler[Any, Any] = grpc.unary_unary_rpc_method_handler(self._call)
        service, _, method = METHOD[1:].partition("/")
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {method: handler}),))
        port = server.add_insecure_port(address) if identity is None else server.add_secure_port(address, _credentials(identity))
        await server.start()
        return port

    async def stop(self) -> None:
        """Take no more calls, and wait for those under way."""
        if self._server is not None:
            await self._server.stop(GRACE)

    async def _call(self, data: bytes, context: Context) -> bytes:
        try:
            sent = _sent.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"This is no call: {error}")
        if sent.service not in self._node.here:
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, f"The service {sent.service} does not run here.")
        TRACE.set(sent.trace)
        left = cast(float | None, context.time_remaining())
        try:
            async with asyncio.timeout(
                left
            ):  # nothing is begun or committed for who has given up: the library may hear of it later than we
                with under_deadline(left):
                    return await self._answer(data, sent, context)
        except TimeoutError:
            await context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, "The deadline of the call has passed.")
        except Problem as refusal:
            return refused(refusal)
        except asyncio.CancelledError:
            raise
        except Exception:
            _log.exception("the call %s of %s failed", sent.correlation, sent.command)
            await context.abort(grpc.StatusCode.INTERNAL, f"Internal error, request {sent.correlation}")
        raise AssertionError("a call that was ended goes no further")

    async def _answer(self, data: bytes, sent: Sent, context: Context) -> bytes:
        metadata: dict[str, str | bytes] = dict(context.invocation_metadata() or ())
        statement = metadata.get(STATEMENT, b"")
        caller = await self._verifier.caller(statement if isinstance(statement, bytes) else b"", sent.service, data)
        return await self._node.answer(caller, sent)


def _credentials(identity: Identity) -> grpc.ServerCredentials:
    """Of a server that shows the newest certificate and takes nobody without one."""

    def configuration() -> grpc.ServerCertificateConfiguration:
        return grpc.ssl_server_certificate_configuration([identity.pair()], identity.authority())

    shown = identity.renewals

    def renewed() -> Any:
        """The newest, or None where that is shown already."""
        nonlocal shown
        if identity.renewals == shown:
            return None
        shown = identity.renewals
        return configuration()

    return grpc.dynamic_ssl_server_credentials(configuration(), renewed, require_client_authentication=True)
