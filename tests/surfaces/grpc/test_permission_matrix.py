"""Who may do what over gRPC: every role against every operation, here and in another tenant, has the answer that REST gives."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import grpc
import pytest

from nexus.core.policy import ROLES
from nexus.core.service import Service
from nexus.engines.oltp.postgres import Postgres
from nexus.runtime.testing import Harness
from nexus.services.crm.entities import Contact
from nexus.surfaces.grpc.asks import Method
from nexus.surfaces.grpc.refusals import CODES, body_of
from tests.surfaces.grpc.conftest import Running

Code = grpc.StatusCode


async def over_rest(caller: Harness, method: Method, id: str) -> tuple[int, str]:
    """The status, and of a refusal its type."""
    operation = method.operation
    named = {"if_match": "*"} if operation.kind in ("update", "archive", "delete") else {}
    says = method.takes.json(method.takes.type()) if operation.kind in ("create", "command") else {}  # by leaving everything out
    body = None if operation.reads else says
    answer = await caller.api(operation.method, f"/api/v1/{operation.service}/{operation.path.replace('{id}', id)}", body, **named)
    return answer.status, answer.json()["type"] if answer.status >= 400 else ""


async def over_grpc(running: Running, who: list[tuple[str, str]], method: Method, id: str) -> tuple[grpc.StatusCode, str]:
    message = method.takes.type()
    if method.operation.on_one:
        handler = method.operation.handler
        setattr(message, handler.target_field if handler and handler.target_field else "id", id)
    call = running.channel.unary_unary(method.name)(message.SerializeToString(), metadata=[*who, ("if-match", "*")], timeout=30)
    code = await call.code()
    if code is Code.OK:
        return code, ""
    body = body_of(dict(await call.trailing_metadata()).get("grpc-status-details-bin"), running.server.schema)
    return code, body["type"] if body else ""


def expected(status: int, type_: str) -> tuple[grpc.StatusCode, str]:
    if type_ == "/problems/already-exists":
        return Code.ALREADY_EXISTS, type_
    return (CODES[status] if status >= 400 else Code.OK), type_


@pytest.mark.parametrize("role", ["", *sorted(ROLES)])
async def test_a_role_is_answered_as_rest_answers_it(running: Running, role: str) -> None:
    roles = [role] if role else []
    caller = running.tenant.as_(*roles)
    who = running.doors.let_in("asked", caller.caller)
    for method in running.server.calls.methods.values():
        nowhere = str(uuid4())
        wanted = expected(*await over_rest(caller, method, nowhere))
        assert await over_grpc(running, who, method, nowhere) == wanted, method.name


async def test_another_tenant_is_as_good_as_nowhere(running: Running, oltp: Postgres, database: Any, services: dict[str, Service]) -> None:
    other = await Harness.fresh(oltp, database.owner, services.values())
    theirs = str((await other.given(Contact(name="Theirs"))).id)
    nowhere = str(uuid4())
    for method in running.server.calls.methods.values():
        if method.operation.on_one:
            here = await over_grpc(running, running.owner, method, nowhere)
            assert await over_grpc(running, running.owner, method, theirs) == here, method.name
            assert here[0] is not Code.OK, method.name
    assert (await other.api("GET", f"/api/v1/crm/contacts/{theirs}")).json()["version"] == 1


async def test_nobody_is_let_in_without_a_key(running: Running) -> None:
    for method in running.server.calls.handlers:
        call = running.channel.unary_stream(method)(b"", timeout=30) if method.endswith(("/Stream", "/Subscribe")) else None
        code = await (call if call is not None else running.channel.unary_unary(method)(b"", timeout=30)).code()
        assert code is Code.UNAUTHENTICATED, method
