"""The operations are what REST offers, asked by name."""

from __future__ import annotations

from uuid import uuid4

import msgspec
import pytest

from nexus.core.problem import Forbidden, Invalid, KeyReused, NotFound, PreconditionFailed, PreconditionRequired
from nexus.core.service import installed
from nexus.runtime.testing import Harness
from nexus.services.crm.entities import Contact, Lead
from nexus.surfaces.openapi import document
from nexus.surfaces.operations import Ask, Operations

FILES = {"bulk", "import", "export", "imports", "document"}
"""What is about many rows at once, and REST's alone."""


@pytest.fixture
def operations(tenant: Harness) -> Operations:
    return tenant.operations


def test_every_path_of_rest_has_an_operation(operations: Operations) -> None:
    paths = document(installed().values())["paths"]
    offered = {
        (method.upper(), path)
        for path, methods in paths.items()
        for method in methods
        if method in ("get", "post", "patch", "delete") and not FILES & set(path.split("/"))
    }

    assert {(one.method, f"/api/v1/{one.service}/{one.path}") for one in operations} == offered


async def test_a_record_is_made_read_changed_archived_and_brought_back(tenant: Harness, operations: Operations) -> None:
    caller = tenant.caller
    made = await operations.ask(caller, operations["crm.contact.create"], Ask(body=b'{"name":"Ann"}'))
    record = msgspec.json.decode(made.body)
    id = record["id"]
    read = await operations.ask(caller, operations["crm.contact.get"], Ask(id=id, query=[("fields", "id,name")]))
    changed = await operations.ask(caller, operations["crm.contact.update"], Ask(id=id, version=1, body=b'{"name":"Anna"}'))
    gone = await operations.ask(caller, operations["crm.contact.archive"], Ask(id=id, version=2))
    back = await operations.ask(caller, operations["crm.contact.restore"], Ask(id=id))
    listed = await operations.ask(caller, operations["crm.contact.list"], Ask(query=[("name", "Anna")]))

    assert (made.status, msgspec.json.decode(read.body)) == (201, {"id": id, "name": "Ann", "version": 1})
    assert [msgspec.json.decode(one.body)["version"] for one in (changed, gone, back)] == [2, 3, 4]
    assert [one["id"] for one in msgspec.json.decode(listed.body)["items"]] == [id]


async def test_a_command_and_a_report_answer(tenant: Harness, operations: Operations) -> None:
    lead = await tenant.given(Lead(name="Bob"))

    tried = await operations.ask(tenant.caller, operations["crm.lead.qualify"], Ask(id=lead.id, dry_run=True))
    assert (await tenant.get(Lead, lead.id)).status == "new"
    done = await operations.ask(tenant.caller, operations["crm.lead.qualify"], Ask(id=lead.id))
    report = await operations.ask(tenant.caller, operations["crm.report.pipeline-by-stage"], Ask())

    assert (tried.status, done.status, report.status) == (200, 200, 200)
    assert (await tenant.get(Lead, lead.id)).status == "qualified"


async def test_a_merged_record_is_read_as_its_survivor(tenant: Harness, operations: Operations) -> None:
    winner, loser = Contact(name="Ann"), Contact(name="Anne")
    await tenant.given(winner, loser)
    body = msgspec.json.encode({"others": [str(loser.id)]})
    await operations.ask(tenant.caller, operations["crm.contact.merge"], Ask(id=winner.id, body=body))

    read = await operations.ask(tenant.caller, operations["crm.contact.get"], Ask(id=loser.id))

    assert msgspec.json.decode(read.body)["id"] == str(winner.id)


async def test_refusals_are_those_of_rest(tenant: Harness, operations: Operations) -> None:
    create, update = operations["crm.contact.create"], operations["crm.contact.update"]
    caller = tenant.caller
    ann = await tenant.given(Contact(name="Ann"))

    with pytest.raises(Invalid, match="name"):
        await operations.ask(caller, create, Ask(body=b'{"name":""}'))
    with pytest.raises(PreconditionRequired):
        await operations.ask(caller, update, Ask(id=ann.id, body=b'{"name":"B"}'))
    with pytest.raises(PreconditionFailed):
        await operations.ask(caller, update, Ask(id=ann.id, version=7, body=b'{"name":"B"}'))
    with pytest.raises(NotFound):
        await operations.ask(caller, operations["crm.contact.get"], Ask(id=uuid4()))
    for id in ("../leads/export", "export", "imports", "bulk", "import", "", None):
        with pytest.raises(NotFound):
            await operations.ask(caller, operations["crm.contact.get"], Ask(id=id))
        with pytest.raises(NotFound):
            await operations.ask(caller, update, Ask(id=id, version="*", body=b'{"items":[]}'))
    with pytest.raises(Forbidden):
        await operations.ask(tenant.as_().caller, create, Ask(body=b'{"name":"Ann"}'))
    await operations.ask(caller, create, Ask(key="once", body=b'{"name":"C"}'))
    with pytest.raises(KeyReused):
        await operations.ask(caller, create, Ask(key="once", body=b'{"name":"D"}'))

    assert [one.name for one in await tenant.list(Contact)] == ["Ann", "C"]


def test_a_caller_is_offered_what_the_rights_allow(tenant: Harness, operations: Operations) -> None:
    offered = {one.needs for one in operations.of(tenant.as_("crm.viewer").caller)}

    assert "crm.lead:read" in offered
    assert not [needs for needs in offered if not needs.endswith(":read")]
    assert operations.of(tenant.as_().caller) == []
