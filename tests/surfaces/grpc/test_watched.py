"""Every call is told of when it ends, however it ends: counted, written down, and its time is its tenant's."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from nexus.core.service import Service
from nexus.gateway.edge import Edge
from nexus.gateway.edge.access_log import AccessLog
from nexus.gateway.edge.flights import Flights
from nexus.runtime.rates import STANDING, Account, Pool
from nexus.runtime.spans import Spans
from nexus.runtime.telemetry import Telemetry
from nexus.runtime.testing import Harness
from nexus.services.crm.entities import Contact, Lead
from nexus.surfaces.calling import Caller
from nexus.surfaces.grpc.ended import Ended
from tests.surfaces.grpc.conftest import Clients, Doors, Running, serving
from tests.surfaces.live.conftest import World, lead, world

__all__ = ["world"]
MINE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACE = ("traceparent", f"00-{MINE}-00f067aa0ba902b7-01")


@dataclass
class Watched:
    """A server, and what is told of its calls."""

    running: Running
    calls: asyncio.Queue[Ended] = field(default_factory=asyncio.Queue)

    async def ended(self) -> Ended:
        """The next call that has ended."""
        async with asyncio.timeout(30):
            return await self.calls.get()


@pytest.fixture
async def watched(world: World, tenant: Harness, services: dict[str, Service], clients: Clients) -> AsyncIterator[Watched]:
    calls: asyncio.Queue[Ended] = asyncio.Queue()
    async with serving(tenant, services, clients, live=world.live, told=calls.put_nowait) as running:
        yield Watched(running, calls)


class Held:
    """Operations that are begun and never answered."""

    def __init__(self, watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun = asyncio.Event()
        monkeypatch.setattr(watched.running.tenant.operations, "ask", self)

    async def __call__(self, *given: Any) -> Any:
        self.begun.set()
        await asyncio.Event().wait()


async def test_a_call_that_is_answered(watched: Watched) -> None:
    running = watched.running

    made = await running.call("crm.Contacts.Create", running.clients.crm.ContactCreate(name="Ann"), ("x-request-id", "r-1"))
    told = await watched.ended()

    assert (told.method, told.name, told.code) == ("/nexus.crm.v1.Contacts/Create", "/nexus.crm.v1.Contacts/Create", "OK")
    assert (told.messages, told.size, told.correlation) == (1, made.ByteSize(), "r-1")
    assert told.caller == running.tenant.caller
    assert told.agent.startswith("grpc-python-asyncio/")
    assert 0 < told.spent <= told.seconds
    assert watched.calls.empty()


async def test_a_call_that_is_refused(watched: Watched) -> None:
    running, crm = watched.running, watched.running.clients.crm
    codes: list[tuple[str, bool]] = []

    for message, who in (
        (crm.ContactCreate(name="Ann", email="nowhere"), running.owner),
        (crm.ContactCreate(name="Ann"), running.as_()),
        (crm.ContactCreate(name="Ann"), [("authorization", "Bearer unknown")]),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await running.call("crm.Contacts.Create", message, who=who)
        told = await watched.ended()
        assert told.code == refused.value.code().name
        assert (told.messages, told.size) == (0, 0)
        codes.append((told.code, told.caller is not None))

    assert codes == [("INVALID_ARGUMENT", True), ("PERMISSION_DENIED", True), ("UNAUTHENTICATED", False)]
    assert await running.tenant.count(Contact) == 0


async def test_a_call_that_fails_by_a_bug(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    async def break_down(*given: Any) -> Any:
        raise RuntimeError("a bug")

    monkeypatch.setattr(watched.running.tenant.operations, "ask", break_down)

    with pytest.raises(grpc.aio.AioRpcError):
        await watched.running.call("crm.Contacts.List", watched.running.clients.nexus.List())

    assert (await watched.ended()).code == "INTERNAL"


async def test_a_call_whose_deadline_passes(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    held = Held(watched, monkeypatch)
    seconds = 1.0
    while not held.begun.is_set():  # on a busy machine a deadline may pass before the server has heard of the call
        seconds *= 2
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await watched.running.call("crm.Contacts.List", watched.running.clients.nexus.List(), timeout=seconds)

    told = await watched.ended()

    assert (error.value.code().name, told.code) == ("DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED")
    assert told.caller == watched.running.tenant.caller


async def test_a_call_whose_caller_goes(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    held = Held(watched, monkeypatch)
    call = watched.running.stub("crm", "Contacts").List(watched.running.clients.nexus.List(), metadata=watched.running.owner, timeout=600)
    async with asyncio.timeout(30):
        await held.begun.wait()
    call.cancel()

    assert (await watched.ended()).code == "CANCELLED"


async def test_a_call_that_the_end_of_the_server_breaks_off(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    held = Held(watched, monkeypatch)
    call = watched.running.stub("crm", "Contacts").List(watched.running.clients.nexus.List(), metadata=watched.running.owner)
    async with asyncio.timeout(30):
        await held.begun.wait()
    await watched.running.server.stop(0)

    assert (await watched.ended()).code == "CANCELLED"
    assert await call.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)


async def test_a_stream_that_is_read_to_its_end(watched: Watched) -> None:
    running = watched.running
    await running.tenant.given(*(Lead(name=f"Lead {n}") for n in range(5)))

    read = [one async for one in running.stub("crm", "Leads").Stream(running.clients.nexus.List(limit=2), metadata=running.owner)]
    told = await watched.ended()

    assert (told.method, told.code, told.messages) == ("/nexus.crm.v1.Leads/Stream", "OK", 5)
    assert told.size == sum(one.ByteSize() for one in read)
    assert 0 < told.spent < told.seconds


async def test_a_stream_that_is_left(watched: Watched) -> None:
    running = watched.running
    await running.tenant.given(*(Lead(name=f"Lead {n}") for n in range(200)))
    call = running.stub("crm", "Leads").Stream(running.clients.nexus.List(limit=1), metadata=running.owner)
    async with asyncio.timeout(30):
        assert (await call.read()).name
    call.cancel()

    told = await watched.ended()

    assert told.code == "CANCELLED"
    assert 0 < told.messages < 200


async def test_a_stream_of_events_costs_what_it_took_to_begin(watched: Watched, world: World) -> None:
    running = watched.running
    call = running.stub("nexus", "Events").Subscribe(running.clients.nexus.Subscribe(topics=["nexus.crm.>"]), metadata=running.owner)
    async with asyncio.timeout(30):
        await call.read()
        await lead(running.tenant, "Bob")
        await world.settled()
        while not (await call.read()).HasField("type"):
            pass
    call.cancel()

    told = await watched.ended()

    assert (told.method, told.code) == ("/nexus.v1.Events/Subscribe", "CANCELLED")
    assert told.messages >= 2
    assert told.caller == running.tenant.caller
    assert told.spent < told.seconds


async def test_a_method_that_is_not_there(watched: Watched) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await watched.running.channel.unary_unary("/nexus.crm.v1.Leads/Explode")(b"", timeout=30)
    told = await watched.ended()

    assert (told.method, told.name, told.code) == ("other", "/nexus.crm.v1.Leads/Explode", "UNIMPLEMENTED")
    assert error.value.code().name == told.code


def counted(telemetry: Telemetry) -> dict[tuple[str, str], float]:
    """How many calls, by method and code."""
    samples = [one for family in telemetry.collect() for one in family.samples if one.name == "nexus_grpc_call_seconds_count"]
    return {(one.labels["method"], one.labels["code"]): one.value for one in samples}


async def test_the_edge_counts_writes_down_and_charges(
    tenant: Harness, services: dict[str, Service], clients: Clients, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    telemetry, account = Telemetry(), Account(uuid4(), Pool(), uuid4(), Pool("acme"))
    log = AccessLog(str(tmp_path / "access.jsonl"), telemetry)
    edge = Edge(telemetry, Flights(0), None, log)
    come_in = Doors.__call__

    async def charged(doors: Doors, token: str) -> Caller:
        STANDING.set(account)
        return await come_in(doors, token)

    monkeypatch.setattr(Doors, "__call__", charged)
    async with serving(tenant, services, clients, told=edge.called) as running:
        await running.call("crm.Contacts.Create", clients.crm.ContactCreate(name="Ngozi"), TRACE, ("x-request-id", "r-1"))
        with pytest.raises(grpc.aio.AioRpcError):
            await running.call("crm.Contacts.Get", clients.nexus.Get(id=str(uuid4())))
    log.close()

    text = (tmp_path / "access.jsonl").read_text()
    made, missed = (json.loads(line) for line in text.splitlines())
    assert (made.pop("ms") > 0, made.pop("bytes") > 0, made.pop("at") != "", made.pop("agent") != "") == (True,) * 4
    assert made == {
        "method": "/nexus.crm.v1.Contacts/Create",
        "code": "OK",
        "messages": 1,
        "request": "r-1",
        "tenant": tenant.caller.tenant.slug,
        "key": tenant.caller.key_id and str(tenant.caller.key_id),
        "trace": MINE,
    }
    assert (missed["method"], missed["code"], missed["messages"], "trace" in missed) == (
        "/nexus.crm.v1.Contacts/Get",
        "NOT_FOUND",
        0,
        False,
    )
    assert "Ngozi" not in text and "owner" not in text, "neither what was sent nor a credential is written down"
    assert counted(telemetry) == {("/nexus.crm.v1.Contacts/Create", "OK"): 1, ("/nexus.crm.v1.Contacts/Get", "NOT_FOUND"): 1}
    assert account.tenant.seconds > 0


async def test_each_call_is_a_part_of_its_trace(tenant: Harness, services: dict[str, Service], clients: Clients) -> None:
    provider, kept, ended = TracerProvider(), InMemorySpanExporter(), list[Ended]()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    spans = Spans(provider.get_tracer("test"))
    async with serving(tenant, services, clients, told=ended.append, traced=spans.call) as running:
        await running.call("crm.Contacts.Create", clients.crm.ContactCreate(name="Ann"), TRACE)
        with pytest.raises(grpc.aio.AioRpcError) as missing:
            await running.call("crm.Contacts.Get", clients.nexus.Get(id=str(uuid4())))
        with pytest.raises(grpc.aio.AioRpcError):
            await running.channel.unary_unary("/nexus.crm.v1.Leads/Explode")(b"", timeout=30)
    provider.shutdown()

    made, missed, nowhere = kept.get_finished_spans()
    assert (made.name, made.kind) == ("nexus.crm.v1.Contacts/Create", SpanKind.SERVER)
    assert made.context is not None
    assert made.parent is not None
    assert (f"{made.context.trace_id:032x}", f"{made.parent.span_id:016x}") == (MINE, "00f067aa0ba902b7")
    assert dict(made.attributes or {}) == {
        "rpc.system": "grpc",
        "rpc.service": "nexus.crm.v1.Contacts",
        "rpc.method": "Create",
        "rpc.grpc.status_code": 0,
        "nexus.request": ended[0].correlation,
    }
    assert missing.value.code() is grpc.StatusCode.NOT_FOUND
    assert [(one.attributes or {}).get("rpc.grpc.status_code") for one in (missed, nowhere)] == [5, 12]
    assert [one.status.status_code for one in (made, missed, nowhere)] == [StatusCode.UNSET, StatusCode.UNSET, StatusCode.ERROR]
    assert "error.type" not in (missed.attributes or {})
