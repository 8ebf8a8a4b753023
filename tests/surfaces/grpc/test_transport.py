"""What goes on around a call: deadlines, cancelled calls, draining, compression, limits, health and reflection."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from nexus.core.service import Service
from nexus.engines.oltp import Oltp, Statement
from nexus.runtime.testing import Harness
from nexus.services.crm.entities import Contact, Lead
from nexus.surfaces.grpc.calls import COMPRESSED
from nexus.surfaces.grpc.descriptors import file_of
from nexus.surfaces.lock import promised
from nexus.surfaces.operations import Ask, Operation
from tests.surfaces.grpc.conftest import PATIENCE, Clients, Running, serving

Code = grpc.StatusCode
SLEEPING = Statement("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT count(*) FROM generate_series%' AND state = 'active'")


class Slow:
    """Operations that ask the database something that takes as long as it is given, and say when they do."""

    def __init__(self, running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
        self._oltp: Oltp = running.tenant.operations._rest._host.oltp("test")  # type: ignore[union-attr]
        self._ask = running.tenant.operations.ask
        self.asked, self.ended = asyncio.Event(), asyncio.Event()
        self.slow = Statement("SELECT count(*) FROM generate_series(1, 100000000000)")
        monkeypatch.setattr(running.tenant.operations, "ask", self)

    async def __call__(self, caller: Any, operation: Operation, ask: Ask) -> Any:
        self.asked.set()
        try:
            await self._oltp.run(caller.schema, (self.slow, []), lane="slow")
        finally:
            self.ended.set()

    async def at_work(self) -> int:
        """How many such questions the database is working on."""
        (result,) = await self._oltp.run(None, (SLEEPING, []))
        return int(result.rows[0][0] or b"0")


@pytest.fixture
def slow(running: Running, monkeypatch: pytest.MonkeyPatch) -> Slow:
    return Slow(running, monkeypatch)


async def test_a_deadline_ends_the_call_and_the_work(running: Running, slow: Slow) -> None:
    seconds = 0.5
    while not slow.asked.is_set():  # on a busy machine a deadline may pass before the server has heard of the call
        seconds *= 2
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await running.call("crm.Contacts.List", running.clients.nexus.List(), timeout=seconds)
    async with asyncio.timeout(20):
        await slow.ended.wait()
        while await slow.at_work():
            await asyncio.sleep(0.05)

    assert error.value.code() is Code.DEADLINE_EXCEEDED


async def test_a_call_that_is_cancelled_ends_the_work(running: Running, slow: Slow) -> None:
    call = running.stub("crm", "Contacts").List(running.clients.nexus.List(), metadata=running.owner, timeout=30)
    async with asyncio.timeout(20):
        await slow.asked.wait()
        call.cancel()
        await slow.ended.wait()
        while await slow.at_work():
            await asyncio.sleep(0.05)

    assert call.cancelled()


async def test_a_stream_that_is_left_ends(running: Running) -> None:
    await running.tenant.given(*(Lead(name=f"Lead {n}") for n in range(20)))
    call = running.stub("crm", "Leads").Stream(running.clients.nexus.List(limit=1), metadata=running.owner, timeout=30)

    async for one in call:
        assert one.name
        call.cancel()
        break

    assert await call.code() is Code.CANCELLED
    assert (await running.call("crm.Leads.List", running.clients.nexus.List(limit=1))).HasField("next_cursor")


async def test_what_is_being_answered_is_answered_when_the_server_ends(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    ask, asked, go = running.tenant.operations.ask, asyncio.Event(), asyncio.Event()

    async def held(*given: Any) -> Any:
        asked.set()
        await go.wait()
        return await ask(*given)

    monkeypatch.setattr(running.tenant.operations, "ask", held)
    async with asyncio.timeout(30):
        call = asyncio.create_task(running.call("crm.Contacts.Create", running.clients.crm.ContactCreate(name="Ann")))
        await asked.wait()
        stopping = asyncio.create_task(running.server.stop(20))
        health = health_pb2_grpc.HealthStub(running.channel)
        with pytest.raises(grpc.aio.AioRpcError) as late:
            while True:  # a call that came before the end was heard of is answered
                assert (await health.Check(health_pb2.HealthCheckRequest(), timeout=5)).status
        go.set()
        made = await call
        await stopping

    assert made.name == "Ann"
    assert late.value.code() in (Code.UNAVAILABLE, Code.CANCELLED)  # one that comes at that very moment is begun and given up
    assert await running.tenant.count(Contact) == 1


async def test_health_says_of_every_service_whether_it_serves(running: Running) -> None:
    health = health_pb2_grpc.HealthStub(running.channel)

    async def says(service: str) -> int:
        return int((await health.Check(health_pb2.HealthCheckRequest(service=service), timeout=30)).status)

    serving_ = [await says(name) for name in ("", "nexus.crm.v1.Leads", "nexus.auth.v1.Reports")]
    with pytest.raises(grpc.aio.AioRpcError) as unknown:
        await says("nexus.crm.v1.Nothing")
    running.server.retire()
    async with asyncio.timeout(20):
        while await says("nexus.crm.v1.Leads") == health_pb2.HealthCheckResponse.SERVING:
            await asyncio.sleep(0.01)

    assert serving_ == [health_pb2.HealthCheckResponse.SERVING] * 3
    assert unknown.value.code() is Code.NOT_FOUND
    assert await says("") == health_pb2.HealthCheckResponse.NOT_SERVING
    assert await running.call("crm.Leads.List", running.clients.nexus.List()) is not None  # who is still here is answered


async def test_reflection_tells_the_descriptors_of_the_lock(running: Running, services: dict[str, Service]) -> None:
    def ask() -> tuple[list[str], dict[str, Any], Any]:
        with grpc.insecure_channel(running.server.address) as channel:
            told = ProtoReflectionDescriptorDatabase(channel)
            pool = DescriptorPool(told)
            files = {}
            for name in services:
                file = pool.FindFileByName(f"nexus/{name}/v1/{name}.proto")
                files[name] = type(file_of(promised(services[name]))).FromString(file.serialized_pb)
            return list(told.get_services()), files, pool.FindServiceByName("nexus.crm.v1.Leads")

    names, files, leads = await asyncio.to_thread(ask)

    assert {"nexus.crm.v1.Leads", "nexus.auth.v1.Users", "grpc.health.v1.Health"} <= set(names)
    assert files == {name: file_of(promised(service)) for name, service in services.items()}
    assert leads.methods_by_name["Convert"].input_type.full_name == "nexus.crm.v1.ConvertLead"


async def test_reflection_is_asked_in_version_1_too(running: Running) -> None:
    """As official libraries ask: with the messages of that version, made here of what it tells of itself."""
    schema = running.server.schema
    request, response = (schema.type(f"grpc.reflection.v1.ServerReflection{name}") for name in ("Request", "Response"))
    ask: Any = running.channel.stream_stream(
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=response.FromString,  # type: ignore[attr-defined]
    )

    asked = [
        request(list_services=""),
        request(file_containing_symbol="grpc.reflection.v1.ServerReflection"),
        request(file_by_filename="no"),
    ]
    listed, told, missing = [one async for one in ask(iter(asked), timeout=PATIENCE)]

    names = {one.name for one in listed.list_services_response.service}
    assert {"nexus.crm.v1.Leads", "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"} <= names
    files = [FileDescriptorProto.FromString(data) for data in told.file_descriptor_response.file_descriptor_proto]
    assert [file.package for file in files] == ["grpc.reflection.v1"]
    assert missing.error_response.error_code == Code.NOT_FOUND.value[0]


@pytest.mark.parametrize("asked", [grpc.Compression.NoCompression, grpc.Compression.Gzip, grpc.Compression.Deflate])
async def test_large_answers_are_compressed_and_so_may_requests_be(running: Running, asked: grpc.Compression) -> None:
    crm, text = running.clients.crm, "All work and no play. " * 400

    made = await running.call("crm.Contacts.Create", crm.ContactCreate(name="Ann", description=text), compression=asked)
    await running.tenant.given(*(Contact(name=f"Ann {n}", description=text) for n in range(5)))
    page = await running.call("crm.Contacts.List", running.clients.nexus.List())

    assert made.description == text.strip() or made.description == text
    assert len(page.items) == 6
    assert page.ByteSize() > COMPRESSED


async def test_a_message_that_is_too_large_is_refused(running: Running) -> None:
    crm = running.clients.crm

    with pytest.raises(grpc.aio.AioRpcError) as error:
        await running.call("crm.Contacts.Create", crm.ContactCreate(name="Ann", description="x" * (1 << 20)))
    with pytest.raises(grpc.aio.AioRpcError) as packed:  # small on the wire, and as large
        await running.call(
            "crm.Contacts.Create", crm.ContactCreate(name="Ann", description="x" * (1 << 22)), compression=grpc.Compression.Gzip
        )

    assert (error.value.code(), packed.value.code()) == (Code.RESOURCE_EXHAUSTED, Code.RESOURCE_EXHAUSTED)
    assert await running.tenant.count(Contact) == 0


async def test_a_caller_that_takes_no_compression_gets_none(tenant: Harness, services: dict[str, Service], clients: Clients) -> None:
    plain = [("grpc.compression_enabled_algorithms_bitset", 1)]
    async with serving(tenant, services, clients, options=plain) as running:
        await tenant.given(*(Contact(name=f"Ann {n}", description="x" * 8_000) for n in range(5)))

        assert len((await running.call("crm.Contacts.List", clients.nexus.List())).items) == 5


async def test_a_method_that_is_not_there_is_not_implemented(running: Running) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await running.channel.unary_unary("/nexus.crm.v1.Leads/Explode")(b"", metadata=running.owner, timeout=30)

    assert error.value.code() is Code.UNIMPLEMENTED
