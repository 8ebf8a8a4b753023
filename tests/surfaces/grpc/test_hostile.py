"""Hostile input over gRPC: whatever comes, the answer is a refusal that says what is wrong, never an internal error, and nothing is half done."""

from __future__ import annotations

import random
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc.error_details_pb2 import BadRequest
from grpc_status import rpc_status

from nexus.core.service import Service
from nexus.runtime.testing import Harness
from nexus.services.crm.entities import Contact, Lead
from nexus.surfaces.grpc.asks import Method
from tests.surfaces.grpc.conftest import Running

Code = grpc.StatusCode
BUGS = {Code.INTERNAL, Code.UNKNOWN, Code.DATA_LOSS}
_F = FieldDescriptor
TEXTS = [
    "",
    " ",
    "x",
    "null",
    "-1",
    "1e400",
    "NaN",
    "{}",
    "[[[",
    "\0",
    "é\u202e",
    "' OR 1=1 --",
    "2026-02-30",
    "a" * 5_000,
    "*",
    "../..",
    "00000000-0000-0000-0000-000000000000",
]
NUMBERS = [0, 1, -1, 2**31, -(2**31) - 1, 2**53 + 1, 2**63 - 1, -(2**63)]


async def answer(running: Running, method: str, data: bytes, *metadata: tuple[str, str]) -> grpc.aio.AioRpcError | bytes:
    """What a method answers to some bytes; of a stream all of it."""
    try:
        if method.endswith("/Stream"):
            stream = running.channel.unary_stream(method)(data, metadata=[*running.owner, *metadata], timeout=30)
            return b"".join([part async for part in stream])
        return await running.channel.unary_unary(method)(data, metadata=[*running.owner, *metadata], timeout=30)
    except grpc.aio.AioRpcError as error:
        return error


def code(found: grpc.aio.AioRpcError | bytes) -> grpc.StatusCode:
    return found.code() if isinstance(found, grpc.aio.AioRpcError) else Code.OK


def methods(running: Running) -> list[str]:
    return sorted(running.server.calls.handlers)


def filled(chance: random.Random, message: Any, depth: int = 0) -> Any:
    """A message with nonsense in its fields."""
    for field in message.DESCRIPTOR.fields:
        if chance.random() < 0.4 or depth > 3:
            continue
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            continue
        count = chance.choice([0, 1, 3]) if field.is_repeated else 1
        for _ in range(count):
            value = _value(chance, field)
            target = getattr(message, field.name)
            if field.type == _F.TYPE_MESSAGE:
                filled(chance, target.add() if field.is_repeated else target, depth + 1)
            elif field.is_repeated:
                target.append(value)
            else:
                setattr(message, field.name, value)
    return message


def _value(chance: random.Random, field: FieldDescriptor) -> Any:
    match field.type:
        case _F.TYPE_STRING:
            return chance.choice(TEXTS)
        case _F.TYPE_INT64:
            return chance.choice(NUMBERS)
        case _F.TYPE_INT32 | _F.TYPE_ENUM:
            return chance.choice([0, 1, 99, 2**31 - 1, -1])
        case _F.TYPE_BOOL:
            return chance.random() < 0.5
        case _F.TYPE_DOUBLE:
            return chance.choice([0.0, float("nan"), float("inf")])
        case _:
            return b"\xff"


@pytest.mark.parametrize("seed", range(3))
async def test_any_bytes_are_refused_or_read(running: Running, seed: int) -> None:
    chance = random.Random(seed)
    for method in methods(running):
        found = await answer(running, method, chance.randbytes(chance.choice([1, 3, 20, 200])), ("dry-run", "true"))
        assert code(found) not in BUGS, f"{method}: {found}"


@pytest.mark.parametrize("seed", range(3))
async def test_any_values_are_refused_or_taken(running: Running, seed: int) -> None:
    chance, schema = random.Random(seed), running.server.schema
    ids = [str((await running.tenant.given(Lead(name="Bob"))).id), str((await running.tenant.given(Contact(name="Ann"))).id)]
    texts = [*TEXTS, *ids]
    for method, operation in asked_with(running):
        message = filled(chance, schema.type(operation.takes.type.DESCRIPTOR.full_name)())
        for field in message.DESCRIPTOR.fields:
            if field.name.endswith("id") and field.type == _F.TYPE_STRING and not field.is_repeated and chance.random() < 0.7:
                setattr(message, field.name, chance.choice(texts))
        found = await answer(running, method, message.SerializeToString(), ("if-match", "*"))
        assert code(found) not in BUGS, f"{method}: {message} {found}"


def asked_with(running: Running) -> list[tuple[str, Method]]:
    """Every unary method with what it is asked with."""
    return [(name, method) for name, method in sorted(running.server.calls.methods.items())]


async def test_a_field_that_nobody_knows_is_refused_by_its_number(running: Running) -> None:
    crm = running.clients.crm
    known = crm.CreateDeal(name="Engine", lines=[crm.DealLine(name="x")]).SerializeToString()
    outer = known + b"\xa2\x06\x01x"  # field 100
    deep = crm.DealLine().SerializeToString() + b"\xa2\x06\x01x"
    within = crm.CreateDeal(name="Engine").SerializeToString() + bytes([10 << 3 | 2, len(deep)]) + deep

    for data, field in ((outer, "100"), (within, "lines.100")):
        found = await answer(running, "/nexus.crm.v1.Deals/Create", data)
        assert isinstance(found, grpc.aio.AioRpcError)
        assert found.code() is Code.INVALID_ARGUMENT
        assert violations(found) == {field: "there is no such field"}


def violations(error: grpc.aio.AioRpcError) -> dict[str, str]:
    status, found = rpc_status.from_call(error), BadRequest()
    assert status is not None
    for packed in status.details:
        if packed.Is(BadRequest.DESCRIPTOR):
            packed.Unpack(found)
    return {one.field: one.description for one in found.field_violations}


async def test_text_that_is_none_and_a_field_of_another_kind_are_refused(running: Running) -> None:
    for data in (b"\x0a\x02\xff\xfe", b"\x0a\xff\xff\xff\xff\x0f", b"\x0a\x05ab", b"\x00", b"\x0b\x0b\x0b"):
        found = await answer(running, "/nexus.crm.v1.Contacts/Create", data)
        assert code(found) is Code.INVALID_ARGUMENT
        assert isinstance(found, grpc.aio.AioRpcError)
        assert "The request is no ContactCreate" in (found.details() or "")
    other = await answer(running, "/nexus.crm.v1.Contacts/Create", b"\x08\x01")  # name as a number: another field of that number
    assert code(other) is Code.INVALID_ARGUMENT
    assert await running.tenant.count(Contact) == 0


async def test_values_that_fit_the_message_and_not_the_field_are_named(running: Running) -> None:
    crm, shared = running.clients.crm, running.clients.nexus
    lead = await running.tenant.given(Lead(name="Bob"))
    late = Timestamp(seconds=2**40)
    cases: list[tuple[str, Any, str]] = [
        ("Contacts/Create", crm.ContactCreate(name="Ann", custom="{"), "custom"),
        ("Contacts/Create", crm.ContactCreate(name="Ann", custom="[1]"), "custom"),
        ("Contacts/Create", crm.ContactCreate(name="A\0"), "name"),
        ("Contacts/Create", crm.ContactCreate(name="Ann", tags=["x" * 61]), "tags[0]"),
        ("Leads/Create", crm.LeadCreate(name="Ann", priority=77), "priority"),
        ("Leads/Create", crm.LeadCreate(name="Ann", priority=0), "priority"),
        ("Activities/Schedule", crm.ScheduleMeeting(subject="x", starts_at=late), "starts_at"),
        ("Activities/Schedule", crm.ScheduleMeeting(subject="x", starts_at=Timestamp(nanos=-1)), "starts_at"),
        ("Contacts/List", shared.List(where="{"), "where"),
        ("Contacts/List", shared.List(filters=[shared.Filter(field="nope", value="1")]), "nope"),
        ("Contacts/List", shared.List(limit=0), "limit"),
        ("Contacts/List", shared.List(limit=-5), "limit"),
        ("Contacts/List", shared.List(sort="nope"), "sort"),
        ("Contacts/List", shared.List(fields=["nope"]), "fields"),
        ("Contacts/List", shared.List(expand=["nope"]), "expand"),
        ("Leads/Assign", crm.AssignLead(lead_id=str(lead.id), nulls={"paths": ["owner_id"]}), "nulls"),
        ("Leads/Update", crm.LeadPatch(id=str(lead.id), update_mask={"paths": ["status"]}), "update_mask"),
    ]
    for method, message, field in cases:
        found = await answer(running, f"/nexus.crm.v1.{method}", message.SerializeToString(), ("if-match", "*"))
        assert isinstance(found, grpc.aio.AioRpcError), f"{method}: {message}"
        assert (found.code(), list(violations(found))) == (Code.INVALID_ARGUMENT, [field]), f"{method}: {message} {found}"
    assert await running.tenant.count(Contact) == 0
    assert await running.tenant.count(Lead) == 1


async def test_metadata_of_any_kind_is_no_internal_error(running: Running, services: dict[str, Service], tenant: Harness) -> None:
    shared = running.clients.nexus
    hostile = [
        ("authorization", "Bearer " + "x" * 4_000),
        ("authorization", "Bearer owner, Bearer other"),
        ("authorization", "bearer"),
        ("x-request-id", "x" * 2_000),
        ("traceparent", "00-00-00-00"),
        ("if-match", '"9999999999999"'),
        ("idempotency-key", ""),
        ("idempotency-key", "x" * 256),
        ("anything-bin", b"\xff\x00"),
    ]
    for entry in hostile:
        found = await answer(running, "/nexus.crm.v1.Contacts/List", shared.List().SerializeToString(), entry)  # type: ignore[arg-type]
        assert code(found) not in BUGS, f"{entry}: {found}"
