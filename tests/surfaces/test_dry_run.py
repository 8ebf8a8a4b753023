"""A dry run does everything, says what that was, and leaves no trace of it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from nexus.core.problem import Problem
from nexus.engines.oltp import Statement
from nexus.runtime.testing import Harness
from nexus.services.crm.entities import Account, Contact, Deal, DealStage, Lead, Pipeline
from nexus.services.crm.terms import LeadStatus
from nexus.surfaces.effects import Effects
from nexus.surfaces.operations import Ask

_ROWS = Statement("SELECT count(*) FROM nexus_cell.journal WHERE audit LIKE '%' || $1 || '%'")


async def tried(tenant: Harness, name: str, **ask: Any) -> tuple[Any, Effects]:
    effects = Effects()
    body = msgspec.json.encode(ask.pop("body", {}))
    operation = tenant.operations[name]
    answer = await tenant.operations.ask(tenant.caller, operation, Ask(body=body, dry_run=True, effects=effects, **ask))
    assert answer.status in (200, 201)
    return msgspec.json.decode(answer.body), effects


async def journalled(tenant: Harness) -> int:
    (result,) = await tenant._oltp.run(None, (_ROWS, [str(tenant.caller.tenant.id).encode()]))
    return int(result.rows[0][0] or 0)


async def test_a_create_says_what_it_would_make(tenant: Harness) -> None:
    made, effects = await tried(tenant, "crm.lead.create", body={"name": "Bob", "email": "bob@example.com"})
    (change,) = effects.changes
    assert (change.entity, change.change, change.before) == ("crm.lead", "created", None)
    assert change.after is not None
    assert (change.after["name"], change.after["email"], str(change.id)) == ("Bob", "bob@example.com", made["id"])
    (told,) = effects.events
    assert (told.topic, told.subject) == ("crm.lead.created", change.id)
    assert "crm.score_the_lead" in told.heard_by
    assert await tenant.count(Lead) == 0


async def test_a_change_says_what_would_differ(tenant: Harness) -> None:
    lead = await tenant.given(Lead(name="Bob", city="Lagos"))
    shown, effects = await tried(tenant, "crm.lead.update", id=lead.id, version=1, body={"city": "Jos", "name": "Bob"})
    (change,) = effects.changes
    assert (change.change, change.fields, change.before, change.after) == ("updated", ["city"], {"city": "Lagos"}, {"city": "Jos"})
    assert shown["city"] == "Jos"
    assert [told.topic for told in effects.events] == ["crm.lead.updated"]
    kept = await tenant.get(Lead, lead.id)
    assert (kept.city, kept.version) == ("Lagos", 1)


async def test_archiving_and_restoring_and_deleting_say_so(tenant: Harness) -> None:
    lead = await tenant.given(Lead(name="Bob"))
    _, effects = await tried(tenant, "crm.lead.archive", id=lead.id, version="*")
    assert [(one.change, one.fields) for one in effects.changes] == [("archived", ["archived_at"])]
    assert (await tenant.get(Lead, lead.id)).archived_at is None
    await tenant.operations.ask(tenant.caller, tenant.operations["crm.lead.archive"], Ask(id=lead.id, version="*"))
    _, effects = await tried(tenant, "crm.lead.restore", id=lead.id)
    assert [one.change for one in effects.changes] == ["restored"]
    assert (await tenant.get(Lead, lead.id)).archived_at is not None


async def test_a_command_says_every_record_and_event(tenant: Harness) -> None:
    pipeline = Pipeline(name="Sales", key="sales")
    await tenant.given(pipeline, DealStage(pipeline_id=pipeline.id, name="New", position=0, probability=10))
    lead = await tenant.given(Lead(name="Bob", company="Bob Ltd", email="bob@example.com", status=LeadStatus.QUALIFIED))
    before = await journalled(tenant)
    answer, effects = await tried(tenant, "crm.lead.convert", id=lead.id, body={"amount": "500.00", "currency": "NGN"})
    changes = {one.entity: one for one in effects.changes}
    assert {name: one.change for name, one in changes.items() if name != "crm.conversion_record"} == {
        "crm.contact": "created",
        "crm.account": "created",
        "crm.deal": "created",
        "crm.lead": "updated",
    }
    assert changes["crm.lead"].before is not None
    assert changes["crm.lead"].before["status"] == "qualified"
    assert changes["crm.deal"].after is not None
    assert changes["crm.deal"].after["amount"] == "500.00"
    topics = {told.topic: told for told in effects.events}
    assert topics["crm.lead.converted"].subject == lead.id
    assert "crm.contact.created" in topics
    assert answer["lead_id"] == str(lead.id)
    for kind in (Contact, Account, Deal):
        assert await tenant.count(kind) == 0
    assert (await tenant.get(Lead, lead.id)).status is LeadStatus.QUALIFIED
    assert await journalled(tenant) == before


async def test_a_refusal_is_the_same(tenant: Harness) -> None:
    lead = await tenant.given(Lead(name="Bob"))
    with pytest.raises(Problem, match="Lead is new: it cannot convert"):
        await tried(tenant, "crm.lead.convert", id=lead.id)
    with pytest.raises(Problem, match="at version 1"):
        await tried(tenant, "crm.lead.update", id=lead.id, version=7, body={"city": "Jos"})


async def test_what_the_caller_does_not_see_is_named_without_its_values(tenant: Harness) -> None:
    pipeline = Pipeline(name="Sales", key="sales")
    await tenant.given(pipeline, DealStage(pipeline_id=pipeline.id, name="New", position=0, probability=10))
    rep = tenant.as_("crm.rep")
    me = rep.caller.actor.id
    theirs = await tenant.given(Contact(name="Bob", email="bob@example.com", owner_id=tenant.caller.actor.id))
    lead = await tenant.given(Lead(name="Bob", email="bob@example.com", phone="+2348031234567", owner_id=me, status=LeadStatus.QUALIFIED))
    _, effects = await tried(rep, "crm.lead.convert", id=lead.id, body={"amount": "5.00", "currency": "NGN"})
    for change in effects.changes:
        if change.id == theirs.id:
            assert (change.before, change.after) == (None, None)
        if change.entity == "crm.account":
            assert not {"tax_id", "annual_revenue"} & set(change.fields)
    assert any(change.entity == "crm.lead" and change.before for change in effects.changes)


async def test_rest_takes_dry_runs_of_records_too(tenant: Harness) -> None:
    tried = await tenant.api("POST", "/api/v1/crm/leads?dry_run=true", {"name": "Bob"})
    assert (tried.status, tried.json()["name"]) == (201, "Bob")
    lead = await tenant.given(Lead(name="Ada"))
    assert (await tenant.api("PATCH", f"/api/v1/crm/leads/{lead.id}?dry_run=true", {"name": "Eve"}, if_match='"1"')).status == 200
    assert (await tenant.api("DELETE", f"/api/v1/crm/leads/{lead.id}?dry_run=true", if_match="*")).status == 200
    assert (await tenant.api("POST", f"/api/v1/crm/leads/{lead.id}/qualify?dry_run=maybe", {})).status == 422
    kept = await tenant.list(Lead)
    assert [(one.name, one.version, one.archived_at) for one in kept] == [("Ada", 1, None)]
