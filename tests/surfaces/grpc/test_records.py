"""Records over gRPC: made, read, listed, changed, archived and brought back, exactly as REST has them."""

from __future__ import annotations

from uuid import UUID, uuid4

import grpc
import msgspec
import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from nexus.services.crm.entities import Account, Contact, Lead
from tests.surfaces.grpc.conftest import Running


async def test_a_record_is_made_read_changed_archived_and_brought_back(running: Running) -> None:
    crm, shared = running.clients.crm, running.clients.nexus

    made = await running.call(
        "crm.Contacts.Create", crm.ContactCreate(name="Ann", phone="0803 123 4567", tags=["vip"], external_refs={"erp": "7"})
    )
    read = await running.call("crm.Contacts.Get", shared.Get(id=made.id))
    change = crm.ContactPatch(id=made.id, title="CEO", update_mask=FieldMask(paths=["title", "phone", "tags"]))
    changed = await running.call("crm.Contacts.Update", change, ("if-match", "1"))
    gone = await running.call("crm.Contacts.Archive", shared.Change(id=made.id), ("if-match", '"2"'))
    back = await running.call("crm.Contacts.Restore", shared.Change(id=made.id))

    assert (made.name, made.phone, list(made.tags), dict(made.external_refs), made.version) == (
        "Ann",
        "+2348031234567",
        ["vip"],
        {"erp": "7"},
        1,
    )
    assert read == made
    assert (changed.title, changed.HasField("phone"), list(changed.tags), changed.name, changed.version) == ("CEO", False, [], "Ann", 2)
    assert (gone.HasField("archived_at"), back.HasField("archived_at"), back.version) == (True, False, 4)
    stored = await running.tenant.get(Contact, UUID(made.id))
    assert (stored.title, stored.phone, stored.version) == ("CEO", None, 4)


async def test_without_a_mask_what_is_set_is_changed(running: Running) -> None:
    crm = running.clients.crm
    ann = await running.tenant.given(Contact(name="Ann", title="CEO"))

    changed = await running.call("crm.Contacts.Update", crm.ContactPatch(id=str(ann.id), name="Anna"), ("if-match", "*"))

    assert (changed.name, changed.title) == ("Anna", "CEO")


async def test_a_list_filters_sorts_pages_and_counts(running: Running) -> None:
    shared = running.clients.nexus
    await running.tenant.given(*(Lead(name=f"Lead {n}", score=n) for n in range(5)))
    asked = shared.List(
        filters=[shared.Filter(field="score", operator="gte", value="1")], sort="score", limit=3, count="exact", fields=["name", "score"]
    )

    first = await running.call("crm.Leads.List", asked)
    asked.cursor = first.next_cursor
    second = await running.call("crm.Leads.List", asked)

    assert ([one.score for one in first.items], first.count, first.HasField("next_cursor")) == ([1, 2, 3], 4, True)
    assert ([one.name for one in second.items], second.HasField("next_cursor")) == (["Lead 4"], False)
    assert not first.items[0].HasField("status")
    tree = shared.List(where='{"or": [{"score": 0}, {"name": "Lead 3"}]}', sort="score")
    assert [one.score for one in (await running.call("crm.Leads.List", tree)).items] == [0, 3]


async def test_all_records_come_as_a_stream(running: Running) -> None:
    shared = running.clients.nexus
    await running.tenant.given(*(Lead(name=f"Lead {n}", score=n) for n in range(25)))
    call = running.stub("crm", "Leads").Stream(shared.List(sort="-score", limit=7), metadata=running.owner, timeout=30)

    found = [one.score async for one in call]

    assert found == list(range(24, -1, -1))
    assert await call.code() is grpc.StatusCode.OK


async def test_a_reference_is_shown_in_full_when_asked(running: Running) -> None:
    shared = running.clients.nexus
    account = await running.tenant.given(Account(name="Acme"))
    contact = await running.tenant.given(Contact(name="Ann", account_id=account.id))

    read = await running.call("crm.Contacts.Get", shared.Get(id=str(contact.id), expand=["account"]))
    plain = await running.call("crm.Contacts.Get", shared.Get(id=str(contact.id), fields=["name"]))

    assert (read.account.name, read.account_id) == ("Acme", str(account.id))
    assert (plain.HasField("account"), plain.HasField("account_id"), plain.name, plain.version) == (False, False, "Ann", 1)


async def test_a_command_answers_its_event(running: Running) -> None:
    crm = running.clients.crm
    lead = await running.tenant.given(Lead(name="Bob", company="Acme"))

    tried = await running.call("crm.Leads.Qualify", crm.QualifyLead(lead_id=str(lead.id)), ("dry-run", "true"))
    assert (await running.tenant.get(Lead, lead.id)).status == "new"
    await running.call("crm.Leads.Qualify", crm.QualifyLead(lead_id=str(lead.id)))
    converted = await running.call("crm.Leads.Convert", crm.ConvertLead(lead_id=str(lead.id), make_deal=False))

    assert tried.lead_id == str(lead.id)
    (contact,) = await running.tenant.list(Contact)
    assert (converted.lead_id, converted.contact_id, converted.HasField("deal_id")) == (str(lead.id), str(contact.id), False)


async def test_a_report_answers_rows(running: Running) -> None:
    crm = running.clients.crm

    rows = await running.call("crm.Reports.PipelineByStage", crm.PipelineByStage())
    rest = await running.tenant.api("GET", "/api/v1/crm/reports/pipeline-by-stage")

    assert [(row.stage, row.deals, row.amount) for row in rows.items] == [
        (row["stage"], row["deals"], row["amount"]) for row in rest.json()["items"]
    ]


async def test_a_key_answers_what_it_answered_the_first_time(running: Running) -> None:
    crm = running.clients.crm
    stub = running.stub("crm", "Contacts")
    metadata = [*running.owner, ("idempotency-key", "once")]

    first = stub.Create(crm.ContactCreate(name="Ann"), metadata=metadata, timeout=30)
    made = await first
    again = stub.Create(crm.ContactCreate(name="Ann"), metadata=metadata, timeout=30)

    assert await again == made
    assert dict(await again.trailing_metadata()).get("idempotency-replayed") == "true"
    assert dict(await first.trailing_metadata()).get("etag") == '"1"'
    assert await running.tenant.count(Contact) == 1


async def test_a_merged_record_is_read_as_its_survivor(running: Running) -> None:
    crm, shared = running.clients.crm, running.clients.nexus
    ann, anne = Contact(name="Ann"), Contact(name="Anne")
    await running.tenant.given(ann, anne)
    await running.call("crm.Contacts.Merge", crm.MergeContacts(contact_id=str(ann.id), others=[str(anne.id)]))

    assert (await running.call("crm.Contacts.Get", shared.Get(id=str(anne.id)))).id == str(ann.id)


@pytest.mark.parametrize("emptied", [True, False])
async def test_null_is_told_from_left_out(running: Running, emptied: bool) -> None:
    crm, team = running.clients.crm, uuid4()
    lead = await running.tenant.given(Lead(name="Bob", team_id=team))
    command = crm.AssignLead(lead_id=str(lead.id), nulls=FieldMask(paths=["team_id"] if emptied else []))

    await running.call("crm.Leads.Assign", command)

    assert (await running.tenant.get(Lead, lead.id)).team_id == (None if emptied else team)


async def test_what_is_no_shape_of_protobuf_travels_as_json(running: Running) -> None:
    crm, shared = running.clients.crm, running.clients.nexus
    custom = '{"big":12345678901234567890,"exact":0.1,"none":null,"deep":[{"a":[]}]}'

    made = await running.call("crm.Contacts.Create", crm.ContactCreate(name="Ann", custom=custom))
    read = await running.call("crm.Contacts.Get", shared.Get(id=made.id, fields=["custom"]))

    assert msgspec.json.decode(read.custom) == msgspec.json.decode(custom)
    assert "12345678901234567890" in read.custom
