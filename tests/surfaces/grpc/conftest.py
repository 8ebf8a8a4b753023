"""A gRPC server over a tenant, and clients that protoc makes of the .proto files which are checked in."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import grpc
import pytest

import nexus
from nexus.core.problem import Unauthenticated
from nexus.core.service import Service
from nexus.runtime.testing import Harness
from nexus.surfaces.calling import Caller
from nexus.surfaces.grpc.server import Server
from nexus.surfaces.lock import promised

PROTO = Path(__file__).parents[3] / "proto"
PATIENCE = 30.0
"""Seconds that a call of a test may take at most."""


class Clients:
    """The modules that protoc wrote: messages and stubs."""

    def __getattr__(self, name: str) -> ModuleType:
        """`clients.crm`: the messages of a service; `clients.crm_grpc`: its stubs."""
        service, _, grpc_ = name.partition("_")
        package = "nexus.v1" if service == "nexus" else f"nexus.{service}.v1"
        return importlib.import_module(f"{package}.{service}_pb2{'_grpc' if grpc_ else ''}")


@pytest.fixture(scope="session")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clients]:
    """What a caller has who compiled the files."""
    place = tmp_path_factory.mktemp("clients")
    names = [str(path.relative_to(PROTO)) for path in sorted(PROTO.rglob("*.proto"))]
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTO}", f"--python_out={place}", f"--grpc_python_out={place}", *names]
    subprocess.run(command, check=True)
    nexus.__path__.append(str(place / "nexus"))  # the files' packages begin as ours does
    yield Clients()
    nexus.__path__.remove(str(place / "nexus"))


@dataclass
class Doors:
    """Who may come in: tokens with the callers that they stand for."""

    tokens: dict[str, Caller] = field(default_factory=dict)

    async def __call__(self, token: str) -> Caller:
        if token not in self.tokens:
            raise Unauthenticated(reason="This key is not in force.")
        return self.tokens[token]

    def let_in(self, token: str, caller: Caller) -> list[tuple[str, str]]:
        """The metadata of a caller."""
        self.tokens[token] = caller
        return [("authorization", f"Bearer {token}")]


@dataclass
class Running:
    """A server with a client that is connected to it as the tenant's owner."""

    tenant: Harness
    server: Server
    channel: grpc.aio.Channel
    doors: Doors
    clients: Clients
    owner: list[tuple[str, str]]

    def stub(self, service: str, group: str) -> Any:
        """`stub("crm", "Leads")`"""
        return getattr(getattr(self.clients, f"{service}_grpc"), f"{group}Stub")(self.channel)

    async def call(
        self, method: str, message: Any, *metadata: tuple[str, str], who: list[tuple[str, str]] | None = None, **how: Any
    ) -> Any:
        """`await running.call("crm.Leads.Get", message)`, as the owner unless another is named."""
        service, group, name = method.split(".")
        stub = getattr(self.stub(service, group), name)
        return await stub(message, metadata=[*(self.owner if who is None else who), *metadata], timeout=how.pop("timeout", PATIENCE), **how)

    def as_(self, *roles: str) -> list[tuple[str, str]]:
        """The metadata of another person of the tenant."""
        return self.doors.let_in(f"role-{'-'.join(roles)}", self.tenant.as_(*roles).caller)


@asynccontextmanager
async def serving(tenant: Harness, services: dict[str, Service], clients: Clients, **options: Any) -> AsyncIterator[Running]:
    """A server over a tenant for as long as the context lasts."""
    doors = Doors()
    locks = [promised(service) for service in services.values()]
    own = {name: options.pop(name) for name in ("live", "heartbeat", "told", "traced") if name in options}
    server = Server(tenant.operations, doors, locks, body_limit=1 << 20, **own)
    await server.start("127.0.0.1", 0)
    async with grpc.aio.insecure_channel(server.address, **options) as channel:
        yield Running(tenant, server, channel, doors, clients, doors.let_in("owner", tenant.caller))
    await server.stop(0)


@pytest.fixture
async def running(tenant: Harness, services: dict[str, Service], clients: Clients) -> AsyncIterator[Running]:
    """A server over a fresh tenant."""
    async with serving(tenant, services, clients) as made:
        yield made
