"""gRPC through a gateway: what the process behind says, and what is said where it is away."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from nexus.core.service import Service
from nexus.gateway.rpc import Door
from nexus.runtime.testing import Harness
from nexus.services.crm.entities import Contact, Lead
from nexus.surfaces.grpc.refusals import body_of
from tests.surfaces.grpc.conftest import PATIENCE, Clients, Running, clients, serving

__all__ = ["clients"]
Code = grpc.StatusCode


@contextlib.asynccontextmanager
async def through(running: Running, addresses: dict[str, str]) -> AsyncIterator[Door]:
    """A door before a server; what is called goes through it as long as the context lasts."""
    door, direct = Door(addresses, 1 << 20), running.channel
    await door.start("127.0.0.1", 0)
    async with grpc.aio.insecure_channel(door.address) as channel:
        running.channel = channel
        yield door
        running.channel = direct
    await door.stop(0)


@pytest.fixture
async def running(tenant: Harness, services: dict[str, Service], clients: Clients) -> AsyncIterator[Running]:
    """A server behind a door."""
    async with serving(tenant, services, clients) as made, through(made, {"crm": made.server.address}):
        yield made


async def test_a_call_is_answered_with_all_that_goes_with_it(running: Running) -> None:
    stub = running.stub("crm", "Contacts")
    call = stub.Create(running.clients.crm.ContactCreate(name="Ann"), metadata=[*running.owner, ("x-request-id", "r-1")], timeout=PATIENCE)

    made, told = await call, dict(await call.trailing_metadata())

    assert made.name == "Ann"
    assert told["x-request-id"] == "r-1"
    assert await running.tenant.count(Contact) == 1


async def test_a_refusal_keeps_its_details(running: Running) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as missing:
        await running.call("crm.Contacts.Get", running.clients.nexus.Get(id=str(uuid4())))

    body = body_of(dict(missing.value.trailing_metadata() or ()).get("grpc-status-details-bin"), running.server.schema)  # type: ignore[arg-type]
    assert (missing.value.code(), body and body["type"]) == (Code.NOT_FOUND, "/problems/not-found")
    assert missing.value.details() == body["detail"]  # type: ignore[index]


async def test_streams_go_both_ways(running: Running) -> None:
    crm = running.clients.crm
    rows = [crm.LeadCreate(name=f"Lead {n}") for n in range(20)]

    done = await running.stub("crm", "Leads").CreateMany(iter(rows), metadata=running.owner, timeout=PATIENCE)
    read = [
        one async for one in running.stub("crm", "Leads").Stream(running.clients.nexus.List(limit=7, sort="name"), metadata=running.owner)
    ]

    assert done.written == len(read) == 20
    assert await running.tenant.count(Lead) == 20


async def test_who_goes_ends_the_work_behind(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def held(*given: Any) -> Any:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    monkeypatch.setattr(running.tenant.operations, "ask", held)
    call = running.stub("crm", "Contacts").List(running.clients.nexus.List(), metadata=running.owner, timeout=600)
    async with asyncio.timeout(30):
        await begun.wait()
        call.cancel()
        await ended.wait()

    assert call.cancelled()


async def test_a_deadline_goes_with_the_call(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    left: list[float | None] = []

    async def noted(data: bytes, context: Any) -> bytes:
        left.append(context.time_remaining())
        return b""

    method = "/nexus.crm.v1.Contacts/List"
    monkeypatch.setitem(running.server.calls.handlers, method, grpc.unary_unary_rpc_method_handler(noted))
    for seconds in (500, None):
        await running.channel.unary_unary(method)(b"", timeout=seconds)

    assert left[0] is not None and 0 < left[0] <= 500
    assert left[1] is None


async def test_who_is_away_is_named(running: Running) -> None:
    await running.server.stop(0)

    with pytest.raises(grpc.aio.AioRpcError) as away:
        await running.call("crm.Contacts.List", running.clients.nexus.List())
    async with through(running, {}):
        with pytest.raises(grpc.aio.AioRpcError) as unknown:
            await running.call("crm.Contacts.List", running.clients.nexus.List())

    assert away.value.code() is unknown.value.code() is Code.UNAVAILABLE
    assert (away.value.details() or "").startswith("The service crm does not answer at the moment: nobody listens there")
    assert "NEXUS_GRPC_SERVICES" in (unknown.value.details() or "")


async def test_what_is_no_method_of_ours_is_not_implemented(running: Running) -> None:
    found: list[Code] = []
    for method in ("/nexus.crm.v1.Leads/Explode", "/elsewhere.Service/Call", "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"):
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await running.channel.unary_unary(method)(b"", metadata=running.owner, timeout=PATIENCE)
        found.append(error.value.code())

    assert found == [Code.UNIMPLEMENTED] * 3


async def test_its_health_is_its_own(running: Running) -> None:
    async with through(running, {}) as door:
        health = health_pb2_grpc.HealthStub(running.channel)

        async def says() -> int:
            return int((await health.Check(health_pb2.HealthCheckRequest(), timeout=PATIENCE)).status)

        before = await says()
        door.retire()
        async with asyncio.timeout(30):
            while await says() == before:
                await asyncio.sleep(0.01)

        assert before == health_pb2.HealthCheckResponse.SERVING
