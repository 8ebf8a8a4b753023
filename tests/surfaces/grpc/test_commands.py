"""Commands between processes: what is run over gRPC is what was meant, and a refusal is the problem that was raised."""

from __future__ import annotations

from typing import Any

import grpc
import msgspec
import pytest

from nexus.core.message import Command
from nexus.core.problem import Conflict, FieldError, Invalid, NotFound, PreconditionFailed, Problem, Unavailable
from nexus.core.service import Service
from nexus.services.auth.api import InviteUser
from nexus.services.crm.api import AssignLead, ConvertLead, LeadQualified, QualifyLead
from nexus.services.crm.entities import Lead
from nexus.surfaces.grpc.commands import Wire, problem_of
from nexus.surfaces.openapi.examples import of_type
from tests.surfaces.grpc.conftest import Running


@pytest.fixture(scope="module")
def wire(services: dict[str, Service]) -> Wire:
    return Wire(services.values())


async def run(running: Running, wire: Wire, command: Command[Any]) -> Any:
    """The answer of a command over the wire; the refusal as it was raised."""
    try:
        answer = await running.channel.unary_unary(wire.method(command))(wire.request(command), metadata=running.owner, timeout=30)
    except grpc.aio.AioRpcError as error:
        refused = wire.problem(dict(error.trailing_metadata()).get("grpc-status-details-bin"))
        assert refused is not None
        raise refused from None
    return wire.answer(command, answer)


async def test_a_command_is_run_elsewhere_and_answers_here(running: Running, wire: Wire) -> None:
    lead = await running.tenant.given(Lead(name="Bob", company="Acme"))

    qualified = await run(running, wire, QualifyLead(lead_id=lead.id))
    converted = await run(running, wire, ConvertLead(lead_id=lead.id, make_deal=False))

    assert qualified == LeadQualified(lead_id=lead.id)
    assert (converted.lead_id, converted.deal_id) == (lead.id, None)


async def test_a_refusal_is_the_problem_that_was_raised(running: Running, wire: Wire) -> None:
    lead = await running.tenant.given(Lead(name="Bob"))

    with pytest.raises(Conflict, match="Lead is new: it cannot") as refused:
        await run(running, wire, ConvertLead(lead_id=lead.id, make_deal=False))

    assert type(refused.value).__name__ == "IllegalMove"
    assert refused.value.facts["now"] == "new"
    with pytest.raises(Invalid) as invalid:
        await run(running, wire, InviteUser(name="Ann", email="ANN", roles=["crm.rep"]))
    assert [error.field for error in invalid.value.errors] == ["email"]


def test_every_declared_command_travels_whole(wire: Wire, services: dict[str, Service]) -> None:
    for service in services.values():
        for handler in service.handlers():
            command = msgspec.convert(of_type(handler.command), handler.command)
            schema = wire.schema
            lock, operation = schema.locks[f"nexus.{service.name}.v1"], wire._promised(command)[1]
            codec = schema.codec(lock.package, operation.takes)

            there = codec.json(codec.parsed(wire.request(command)))

            assert msgspec.json.decode(msgspec.json.encode(there), type=handler.command) == command


def test_what_is_left_out_null_and_given_are_three_things(wire: Wire) -> None:
    id = of_type(AssignLead)["lead_id"]
    codec = wire.schema.codec("nexus.crm.v1", "AssignLead")
    for given in ({}, {"team_id": None}, {"team_id": id}, {"team_id": None, "territory_id": id}):
        command = msgspec.convert({"lead_id": id, "owner_id": None, **given}, AssignLead)

        there = codec.json(codec.parsed(wire.request(command)))

        assert msgspec.convert(msgspec.json.decode(msgspec.json.encode(there)), AssignLead) == command


def test_a_service_that_is_not_known_is_a_programming_error(services: dict[str, Service]) -> None:
    with pytest.raises(LookupError):
        Wire([services["auth"]]).method(QualifyLead(lead_id=of_type(QualifyLead)["lead_id"]))


@pytest.mark.parametrize(
    "problem",
    [
        NotFound(kind="lead", id="7"),
        Conflict(reason="It {is} so already."),
        PreconditionFailed(kind="lead", now=3, expected="2"),
        Unavailable(what="The database"),
        Invalid.of(FieldError("name", "is required"), FieldError("rows[3].amount", "is no number")),
    ],
)
def test_a_problem_is_made_again_of_its_body(problem: Problem) -> None:
    again = problem_of(msgspec.json.decode(msgspec.json.encode({**problem.body(), "instance": "/requests/1"}, enc_hook=str)))

    assert type(again) is type(problem)
    assert (
        again.body() == msgspec.to_builtins(problem.body()) | {"errors": problem.facts["errors"]}
        if "errors" in problem.facts
        else problem.body()
    )


def test_a_problem_of_another_process_says_the_same() -> None:
    body = {"type": "/problems/too-{late}", "title": "Too late", "status": 409, "detail": "It is {too} late.", "by": "7 days"}

    stranger = problem_of(body)

    assert (stranger.status, stranger.detail, stranger.facts["by"]) == (409, "It is {too} late.", "7 days")
    assert type(problem_of(body)) is type(stranger)
