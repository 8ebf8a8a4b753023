"""Many records as a client's stream: written together or each for itself, under the rules that REST's batches have."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from typing import Any
from uuid import uuid4

import grpc
import pytest

from nexus.services.crm.entities import Contact, Lead
from nexus.surfaces.bulk import MAX_ROWS
from nexus.surfaces.grpc import many
from nexus.surfaces.grpc.refusals import body_of
from tests.surfaces.grpc.conftest import PATIENCE, Running

Code = grpc.StatusCode
EACH = ("bulk-mode", "each")
WHATEVER = ("if-match", "*")


async def send(running: Running, method: str, rows: Iterable[Any], *metadata: tuple[str, str], who: Any = None) -> Any:
    """`await send(running, "Contacts.CreateMany", rows)`"""
    group, name = method.split(".")
    stub = getattr(running.stub("crm", group), name)
    return await stub(iter(rows), metadata=[*(running.owner if who is None else who), *metadata], timeout=PATIENCE)


async def refused(running: Running, method: str, rows: Iterable[Any], *metadata: tuple[str, str], who: Any = None) -> tuple[Code, Any]:
    """The code and the problem."""
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await send(running, method, rows, *metadata, who=who)
    details = dict(error.value.trailing_metadata() or ()).get("grpc-status-details-bin")
    return error.value.code(), body_of(details, running.server.schema)  # type: ignore[arg-type]


def people(running: Running, *names: str, **more: Any) -> list[Any]:
    return [running.clients.crm.ContactCreate(name=name, **more) for name in names]


async def test_all_are_made_in_order(running: Running) -> None:
    done = await send(running, "Contacts.CreateMany", people(running, *(f"Ann {n}" for n in range(1_200))))

    assert (done.written, done.refused, len(done.rows)) == (1_200, 0, 1_200)
    assert {row.version for row in done.rows} == {1}
    last = await running.call("crm.Contacts.Get", running.clients.nexus.Get(id=done.rows[-1].id))
    assert last.name == "Ann 1199"
    assert await running.tenant.count(Contact) == 1_200


async def test_one_that_is_wrong_refuses_all_and_is_named(running: Running) -> None:
    rows = [*people(running, "Ann"), *people(running, "Bob", email="nowhere"), *people(running, "Cy", country="ZZZ")]

    code, problem = await refused(running, "Contacts.CreateMany", rows)

    assert (code, problem["status"]) == (Code.INVALID_ARGUMENT, 422)
    assert {error["field"] for error in problem["errors"]} == {"items[1].email", "items[2].country"}
    assert await running.tenant.count(Contact) == 0


async def test_each_for_itself_tells_what_became_of_it(running: Running) -> None:
    rows = [*people(running, "Ann"), *people(running, "Bob", email="nowhere"), *people(running, "Cy")]

    done = await send(running, "Contacts.CreateMany", rows, EACH)

    assert (done.written, done.refused) == (2, 1)
    assert [row.HasField("problem") for row in done.rows] == [False, True, False]
    problem = json.loads(done.rows[1].problem.json)
    assert (problem["status"], [error["field"] for error in problem["errors"]]) == (422, ["items[1].email"])
    assert await running.tenant.count(Contact) == 2


async def test_many_are_changed_at_their_versions(running: Running) -> None:
    crm = running.clients.crm
    made = (await send(running, "Contacts.CreateMany", people(running, "Ann", "Bob", title="Buyer"))).rows
    rows = [
        crm.ContactPatch(id=made[0].id, version=1, title="Owner"),
        crm.ContactPatch(id=made[1].id, version=1, update_mask={"paths": ["title"]}),
    ]

    done = await send(running, "Contacts.UpdateMany", rows)
    stale = await send(running, "Contacts.UpdateMany", [*rows[:1], crm.ContactPatch(id=made[1].id, version=2, title="Cook")], EACH)

    assert [(row.id, row.version) for row in done.rows] == [(made[0].id, 2), (made[1].id, 2)]
    assert (stale.written, stale.refused, json.loads(stale.rows[0].problem.json)["status"]) == (1, 1, 412)
    ann, bob = [await running.call("crm.Contacts.Get", running.clients.nexus.Get(id=row.id)) for row in made]
    assert (ann.title, ann.version, bob.title, bob.version) == ("Owner", 2, "Cook", 3)


async def test_a_change_says_its_version_or_that_it_overwrites(running: Running) -> None:
    made = (await send(running, "Contacts.CreateMany", people(running, "Ann"))).rows[0]
    rows = [running.clients.crm.ContactPatch(id=made.id, title="Owner")]

    code, problem = await refused(running, "Contacts.UpdateMany", rows)
    done = await send(running, "Contacts.UpdateMany", rows, WHATEVER)

    assert (code, [error["field"] for error in problem["errors"]]) == (Code.INVALID_ARGUMENT, ["items[0].version"])
    assert (done.written, done.rows[0].version) == (1, 2)


async def test_one_change_may_say_its_version_in_the_message(running: Running) -> None:
    crm, made = running.clients.crm, await running.tenant.given(Lead(name="Bob"))

    changed = await running.call("crm.Leads.Update", crm.LeadPatch(id=str(made.id), version=1, title="Cook"))
    with pytest.raises(grpc.aio.AioRpcError) as stale:
        await running.call("crm.Leads.Update", crm.LeadPatch(id=str(made.id), version=1, title="Baker"))
    with pytest.raises(grpc.aio.AioRpcError) as both:
        await running.call("crm.Leads.Update", crm.LeadPatch(id=str(made.id), version=2, title="Baker"), ("if-match", "1"))

    assert (changed.title, changed.version) == ("Cook", 2)
    assert (stale.value.code(), both.value.code()) == (Code.ABORTED, Code.INVALID_ARGUMENT)
    assert (await running.call("crm.Leads.Get", running.clients.nexus.Get(id=str(made.id)))).title == "Cook"


async def test_what_is_repeated_with_its_key_is_done_once(running: Running) -> None:
    key = ("idempotency-key", str(uuid4()))

    first = await send(running, "Contacts.CreateMany", people(running, "Ann", "Bob"), key)
    again = await send(running, "Contacts.CreateMany", people(running, "Ann", "Bob"), key)
    code, _ = await refused(running, "Contacts.CreateMany", people(running, "Cy"), key)

    assert first == again
    assert code is Code.FAILED_PRECONDITION
    assert await running.tenant.count(Contact) == 2


async def test_who_may_not_make_one_may_not_make_many(running: Running) -> None:
    code, _ = await refused(running, "Contacts.CreateMany", people(running, "Ann"), who=running.as_())
    stranger, _ = await refused(running, "Contacts.CreateMany", people(running, "Ann"), who=[("authorization", "Bearer no")])

    assert (code, stranger) == (Code.PERMISSION_DENIED, Code.UNAUTHENTICATED)
    assert await running.tenant.count(Contact) == 0


async def test_none_and_too_many_are_refused(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    empty, nothing = await refused(running, "Contacts.CreateMany", [])
    large, _ = await refused(running, "Contacts.CreateMany", people(running, *(["Ann"] * 3), description="x" * 500_000))
    monkeypatch.setattr(many, "MAX_ROWS", 3)
    rows, limit = await refused(running, "Contacts.CreateMany", people(running, *(["Ann"] * 4)))
    mode, _ = await refused(running, "Contacts.CreateMany", people(running, "Ann"), ("bulk-mode", "some"))

    assert MAX_ROWS == 10_000
    assert (empty, [error["field"] for error in nothing["errors"]]) == (Code.INVALID_ARGUMENT, ["items"])
    assert (large, rows, mode) == (Code.RESOURCE_EXHAUSTED, Code.RESOURCE_EXHAUSTED, Code.INVALID_ARGUMENT)
    assert "3 rows" in limit["detail"]
    assert await running.tenant.count(Contact) == 0


async def test_a_row_that_cannot_be_read_is_named(running: Running) -> None:
    call: Any = running.channel.stream_unary("/nexus.crm.v1.Contacts/CreateMany")
    good = people(running, "Ann")[0].SerializeToString()
    found: list[str] = []

    for wrong in (b"\xff\xff", b"\xf8\x7f\x01"):  # no message; a field that nobody knows
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await call(iter([good, wrong]), metadata=[*running.owner, EACH], timeout=PATIENCE)
        assert error.value.code() is Code.INVALID_ARGUMENT
        details = dict(error.value.trailing_metadata() or ()).get("grpc-status-details-bin")
        found.append(json.dumps(body_of(details, running.server.schema)))  # type: ignore[arg-type]

    assert all("items[1]" in problem for problem in found)
    assert await running.tenant.count(Contact) == 0


async def test_what_is_broken_off_is_not_done(running: Running) -> None:
    sent = asyncio.Event()

    async def rows() -> AsyncIterator[Any]:
        yield people(running, "Ann")[0]
        sent.set()
        await asyncio.Event().wait()

    call = running.stub("crm", "Contacts").CreateMany(rows(), metadata=running.owner, timeout=600)
    async with asyncio.timeout(30):
        await sent.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call

    assert await running.tenant.count(Contact) == 0


async def test_rows_that_stop_coming_are_not_waited_for(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(many, "PATIENCE", 0.0)

    async def rows() -> AsyncIterator[Any]:
        yield people(running, "Ann")[0]
        await asyncio.Event().wait()

    with pytest.raises(grpc.aio.AioRpcError) as error:
        await running.stub("crm", "Contacts").CreateMany(rows(), metadata=running.owner, timeout=PATIENCE)

    assert error.value.code() is Code.INVALID_ARGUMENT
    assert "stopped coming" in (error.value.details() or "")
    assert await running.tenant.count(Contact) == 0
