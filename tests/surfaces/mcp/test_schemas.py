"""Schemas keep their word: each takes its example and whatever the rules take, and what is answered fits what was said it would be."""

from __future__ import annotations

import os
from typing import Any

import jsonschema
import msgspec
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from nexus.core.service import Service, installed
from nexus.runtime.testing import Harness
from nexus.services.auth.entities import Team, User
from nexus.services.crm.entities import Account, Contact, Deal, DealStage, Lead, LostReason, Pipeline
from nexus.surfaces.mcp.catalogue import Catalogue, Tool
from nexus.surfaces.mcp.invocation import Call, Invocation
from nexus.surfaces.mcp.sealing import Seal
from nexus.surfaces.mcp.session import begun
from nexus.surfaces.operations import Operations
from nexus.surfaces.rest import Rest
from nexus.surfaces.rest.actions import body_type
from nexus.surfaces.wire import wire_of
from tests.surfaces.hostile import fitting

EXAMPLES = int(os.environ.get("NEXUS_FUZZ", "12"))
SERVICES = installed()
CATALOGUE = Catalogue(Operations(Rest(None, SERVICES.values()), None, SERVICES.values()), SERVICES)  # type: ignore[arg-type]


def fits(value: Any, schema: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator(schema).validate(value)


@pytest.mark.parametrize("tool", list(CATALOGUE), ids=lambda tool: tool.name)
def test_a_schema_is_one_and_takes_its_own_example(tool: Tool) -> None:
    for schema in (tool.input_schema, tool.output_schema):
        jsonschema.Draft202012Validator.check_schema(schema)
        assert schema["type"] == "object"
        assert "#/components" not in str(schema)
    fits(tool.example, tool.input_schema)
    assert tool.input_schema["additionalProperties"] is False
    assert len(tool.name) <= 64
    assert tool.title
    assert tool.description


def takes(tool: Tool) -> Any:
    operation = tool.operation
    if operation.handler is not None:
        return body_type(operation.handler)
    assert operation.entity is not None
    wire = wire_of(operation.entity)
    return wire.Create if operation.kind == "create" else wire.Patch


WRITES = [tool for tool in CATALOGUE if tool.operation.kind in ("create", "update", "command")]


@settings(max_examples=EXAMPLES * 25, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_what_the_rules_take_the_schema_takes(data: st.DataObject) -> None:
    tool = data.draw(st.sampled_from(WRITES))
    sent = msgspec.json.encode(data.draw(fitting(takes(tool))))
    try:
        msgspec.json.decode(sent, type=takes(tool))
    except msgspec.ValidationError:
        assume(False)
    body = msgspec.json.decode(sent)
    fits({**{name: value for name, value in tool.example.items() if name in ("id", "version")}, **body}, tool.input_schema)


async def world(tenant: Harness) -> dict[str, str]:
    """A record of each kind that examples refer to, by what refers to it."""
    pipeline = Pipeline(name="Sales", key="sales")
    stage = DealStage(pipeline_id=pipeline.id, name="New", position=0, probability=10)
    account, contact, lead = Account(name="A", currency="NGN"), Contact(name="C", email="c@example.com"), Lead(name="L")
    team, reason = Team(name="T", key="t"), LostReason(name="R")
    await tenant.given(pipeline, stage, account, contact, lead, team, reason)
    now = tenant.caller.cause().now
    deal = Deal(name="D", pipeline_id=pipeline.id, stage_id=stage.id, currency="NGN", opened_at=now, stage_entered_at=now)
    await tenant.given(deal)
    user = await tenant.given(User(name="U", email="u@example.com"))
    records = (pipeline, account, contact, lead, team, deal, user)
    found = {type(one).__name__.lower(): str(one.id) for one in records}
    return found | {
        "stage": str(stage.id),
        "deal_stage": str(stage.id),
        "reason": str(reason.id),
        "lost_reason": str(reason.id),
        "owner": found["user"],
    }


async def test_what_is_answered_fits_what_was_said(tenant: Harness, services: dict[str, Service]) -> None:
    ids = await world(tenant)
    invocation = Invocation(tenant.operations, Seal(b"x"))
    session = begun(tenant.caller, None, [], False)
    done: set[str] = set()
    for tool in Catalogue(tenant.operations, services):
        arguments = with_ids(tool, ids) | ({} if tool.reads else {"dry_run": True})
        answered = await invocation.call(session, tool, Call(tool.name, arguments, {}, "test"))
        found = answered.model_dump(by_alias=True, mode="json")
        assert found["structuredContent"].get("status", 0) != 500, (tool.name, found)
        if not found["isError"]:
            fits(found["structuredContent"], tool.output_schema)
            done.add(tool.operation.kind)
            done.add(tool.name)
    assert {"get", "list", "create", "update", "archive", "command", "report"} <= done
    assert len(done) > 100, sorted(done)


def with_ids(tool: Tool, ids: dict[str, str]) -> dict[str, Any]:
    entity = tool.operation.entity.entity_name().split(".")[1] if tool.operation.entity is not None else ""
    found = {**tool.example, **({"version": "*"} if "version" in tool.example else {})}
    for name in found:
        key = entity if name == "id" else name.removesuffix("_id")
        if (name == "id" or name.endswith("_id")) and key in ids:
            found[name] = ids[key]
    return found
