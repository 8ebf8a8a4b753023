"""Refusals over gRPC: the code of each status, and details that say which field, which record and what must hold first."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, PreconditionFailure, RequestInfo, ResourceInfo, RetryInfo
from grpc_status import rpc_status

from nexus.core.problem import FieldError, Invalid, NotFound, Problem, TooManyRequests, Unavailable
from nexus.engines import oltp as engine
from nexus.services.crm.entities import Contact, Lead
from nexus.surfaces.grpc.refusals import CODES, code_of, status_of
from tests.surfaces.grpc.conftest import Running

Code = grpc.StatusCode


class Refused:
    """What a call was refused with."""

    def __init__(self, error: grpc.aio.AioRpcError, running: Running) -> None:
        self.code = error.code()
        self.message = error.details()
        self.metadata = dict(error.trailing_metadata())
        status = rpc_status.from_call(error)
        assert status is not None
        assert (status.code, status.message) == (self.code.value[0], self.message)
        self.details: dict[str, Any] = {}
        kinds: list[type[Message]] = [
            BadRequest,
            ErrorInfo,
            PreconditionFailure,
            RequestInfo,
            ResourceInfo,
            RetryInfo,
            running.clients.nexus.Problem,
        ]
        for packed in status.details:
            for kind in kinds:
                if packed.Is(kind.DESCRIPTOR):
                    self.details[kind.DESCRIPTOR.name] = made = kind()
                    packed.Unpack(made)
        assert len(self.details) == len(status.details)

    @property
    def fields(self) -> dict[str, str]:
        return {one.field: one.description for one in self.details["BadRequest"].field_violations}


async def refused(running: Running, method: str, message: Any, *metadata: tuple[str, str], who: Any = None) -> Refused:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await running.call(method, message, *metadata, who=who)
    return Refused(error.value, running)


async def test_a_field_that_does_not_fit_is_named(running: Running) -> None:
    crm = running.clients.crm

    found = await refused(running, "crm.Contacts.Create", crm.ContactCreate(name="Ann", email="ann"))

    assert found.code is Code.INVALID_ARGUMENT
    assert found.fields == {"email": "is not an e-mail address, such as ada@example.com"}
    assert found.details["ErrorInfo"].reason == "INVALID"
    assert (found.details["ErrorInfo"].domain, found.details["ErrorInfo"].metadata["type"]) == ("nexus", "/problems/invalid")
    assert found.details["RequestInfo"].request_id == found.metadata["x-request-id"]
    rest = await running.tenant.api("POST", "/api/v1/crm/contacts", {"name": "Ann", "email": "ann"})
    ours = json.loads(found.details["Problem"].json)
    assert {**ours, "instance": ""} == {**rest.json(), "instance": ""}
    assert await running.tenant.count(Contact) == 0


async def test_what_must_be_given_is_named(running: Running) -> None:
    crm, shared = running.clients.crm, running.clients.nexus

    for method, message, field in (
        ("crm.Contacts.Create", crm.ContactCreate(), "name"),
        ("crm.Contacts.Get", shared.Get(), "id"),
        ("crm.Leads.Qualify", crm.QualifyLead(), "lead_id"),
        ("crm.Contacts.List", shared.List(filters=[shared.Filter(value="1")]), "filters[0].field"),
        ("crm.Contacts.List", shared.List(filters=[shared.Filter(field="name")]), "filters[0].value"),
        ("crm.Reports.ForecastAgainstQuota", crm.ForecastAgainstQuota(period_start="2026-01-01"), "period_end"),
    ):
        found = await refused(running, method, message)
        assert (found.code, found.fields) == (Code.INVALID_ARGUMENT, {field: "is required"})


async def test_what_is_not_there_is_named(running: Running) -> None:
    shared, id = running.clients.nexus, str(uuid4())

    found = await refused(running, "crm.Contacts.Get", shared.Get(id=id))
    other = await refused(running, "crm.Contacts.Get", shared.Get(id="../leads"))

    assert (found.code, other.code) == (Code.NOT_FOUND, Code.NOT_FOUND)
    assert (found.details["ResourceInfo"].resource_type, found.details["ResourceInfo"].resource_name) == ("contact", id)


async def test_a_change_of_what_has_changed_is_aborted(running: Running) -> None:
    crm = running.clients.crm
    ann = await running.tenant.given(Contact(name="Ann"))
    change = crm.ContactPatch(id=str(ann.id), name="Anna")

    stale = await refused(running, "crm.Contacts.Update", change, ("if-match", "7"))
    blind = await refused(running, "crm.Contacts.Update", change)
    wrong = await refused(running, "crm.Contacts.Update", change, ("if-match", "seven"))

    assert (stale.code, blind.code, wrong.code) == (Code.ABORTED, Code.FAILED_PRECONDITION, Code.INVALID_ARGUMENT)
    (violation,) = stale.details["PreconditionFailure"].violations
    assert (violation.type, violation.subject) == ("PRECONDITION_FAILED", "contact")
    assert stale.details["ErrorInfo"].metadata["now"] == "1"
    assert list(wrong.fields) == ["if-match"]
    assert (await running.tenant.get(Contact, ann.id)).name == "Ann"


async def test_a_rule_that_says_no_is_a_failed_precondition_with_its_facts(running: Running) -> None:
    crm = running.clients.crm
    lead = await running.tenant.given(Lead(name="Bob"))

    found = await refused(running, "crm.Leads.Convert", crm.ConvertLead(lead_id=str(lead.id)))

    assert (found.code, found.message) == (Code.FAILED_PRECONDITION, "Lead is new: it cannot convert.")
    info = found.details["ErrorInfo"]
    assert (info.reason, info.metadata["entity"], info.metadata["move"], info.metadata["status"]) == (
        "ILLEGAL_MOVE",
        "Lead",
        "convert",
        "409",
    )
    assert (await running.tenant.get(Lead, lead.id)).status == "new"


async def test_a_value_that_is_taken_already_exists(running: Running) -> None:
    crm = running.clients.crm
    await running.call("crm.Territories.Create", crm.CreateTerritory(name="North", key="north"))

    found = await refused(running, "crm.Territories.Create", crm.CreateTerritory(name="South", key="north"))

    assert found.code is Code.ALREADY_EXISTS
    assert found.details["ErrorInfo"].metadata["field"] == "key"


async def test_who_may_not_is_refused_and_told_nothing(running: Running) -> None:
    crm, shared = running.clients.crm, running.clients.nexus
    ann = await running.tenant.given(Contact(name="Ann"))

    nobody = await refused(running, "crm.Contacts.Get", shared.Get(id=str(ann.id)), who=[])
    stranger = await refused(running, "crm.Contacts.Get", shared.Get(id=str(ann.id)), who=[("authorization", "Bearer wrong")])
    basic = await refused(running, "crm.Contacts.Get", shared.Get(id=str(ann.id)), who=[("authorization", "Basic owner")])
    reader = await refused(running, "crm.Contacts.Create", crm.ContactCreate(name="Bob"), who=running.as_("crm.viewer"))

    assert [one.code for one in (nobody, stranger, basic)] == [Code.UNAUTHENTICATED] * 3
    assert reader.code is Code.PERMISSION_DENIED
    assert reader.details["ErrorInfo"].metadata["permission"] == "crm.contact:create"
    assert await running.tenant.count(Contact) == 1


async def test_metadata_that_cannot_be_is_named(running: Running) -> None:
    crm = running.clients.crm

    key = await refused(running, "crm.Contacts.Create", crm.ContactCreate(name="Ann"), ("idempotency-key", "a b"))
    dry = await refused(running, "crm.Contacts.Create", crm.ContactCreate(name="Ann"), ("dry-run", "yes"))
    await running.call("crm.Contacts.Create", crm.ContactCreate(name="Ann"), ("idempotency-key", "once"))
    again = await refused(running, "crm.Contacts.Create", crm.ContactCreate(name="Bob"), ("idempotency-key", "once"))

    assert (list(key.fields), list(dry.fields), again.code) == (["Idempotency-Key"], ["dry-run"], Code.FAILED_PRECONDITION)
    assert await running.tenant.count(Contact) == 1


async def test_a_request_id_goes_there_and_back(running: Running) -> None:
    shared = running.clients.nexus
    metadata = [*running.owner, ("x-request-id", "mine-7")]
    call = running.stub("crm", "Contacts").List(shared.List(), metadata=metadata, timeout=30)

    await call
    found = await refused(running, "crm.Contacts.Get", shared.Get(id="x"), ("x-request-id", "mine-8"))

    assert dict(await call.trailing_metadata())["x-request-id"] == "mine-7"
    assert found.details["RequestInfo"].request_id == "mine-8"


@pytest.mark.parametrize(("error", "code"), [(engine.Unavailable("gone"), Code.UNAVAILABLE), (engine.Timeout("late"), Code.UNAVAILABLE)])
async def test_a_database_that_is_away_may_be_asked_again(
    running: Running, monkeypatch: pytest.MonkeyPatch, error: Exception, code: Code
) -> None:
    async def away(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(running.tenant.operations, "ask", away)

    found = await refused(running, "crm.Contacts.List", running.clients.nexus.List())

    assert found.code is code
    assert found.details["RetryInfo"].retry_delay.seconds == 1


async def test_a_bug_tells_nothing_but_the_request(
    running: Running, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("the password is 7")

    monkeypatch.setattr(running.tenant.operations, "ask", broken)

    with pytest.raises(grpc.aio.AioRpcError) as error:
        await running.call("crm.Contacts.List", running.clients.nexus.List(), ("x-request-id", "mine-9"))

    assert (error.value.code(), error.value.details()) == (Code.INTERNAL, "Internal error, request mine-9")
    assert "the password is 7" in caplog.text


def every_problem(kind: type[Problem] = Problem) -> list[type[Problem]]:
    return [one for below in kind.__subclasses__() for one in (below, *every_problem(below))]


def test_every_status_of_a_problem_has_a_code() -> None:
    assert {kind.status for kind in every_problem() if kind.__module__.startswith("nexus.")} <= CODES.keys()
    assert Code.UNKNOWN not in CODES.values()


def test_a_status_nobody_has_named_has_the_code_of_its_hundreds() -> None:
    early, broken = type("Early", (Problem,), {"status": 425}), type("Broken", (Problem,), {"status": 507})

    assert (code_of(early()), code_of(broken())) == (Code.FAILED_PRECONDITION, Code.INTERNAL)


@pytest.mark.parametrize(
    "problem",
    [
        Invalid.of(*(FieldError(f"rows[{n}].name", "é" * 500) for n in range(1000))),
        NotFound(kind="lead", id="x" * 100_000),
        NotFound(kind="\U0001f600" * 5_000, id="é"),
        TooManyRequests(limit="key", who="This key", most="7", retry_after=5),
        Unavailable(what="\n\r\x00" * 1_000),
    ],
    ids=["many fields", "long", "wide", "late", "control"],
)
def test_a_status_is_never_larger_than_headers_may_be(running: Running, problem: Problem) -> None:
    status = status_of(problem, "1", running.server.schema)

    assert status.ByteSize() < 5_000
    assert len(status.details) >= 2
    assert len(status.message.encode()) <= 500
