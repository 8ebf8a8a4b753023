"""Mutations: the same door as REST, the same rules, and every refusal an object of its own type."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any
from uuid import uuid4

from nexus.services.crm.entities import Account, Contact, Deal, DealStage, Lead, Pipeline
from nexus.services.crm.terms import LeadStatus
from nexus.surfaces.permissions import rights_of
from tests.surfaces.graphql.conftest import Graph

REFUSAL = "... on Problem { title code: status detail errors { field message } }"
CREATE = f"""mutation($input: CrmLeadCreate!, $key: String) {{ made: crmCreateLead(input: $input, idempotencyKey: $key) {{
  __typename ... on CrmLead {{ id name email status version owner {{ name }} }} {REFUSAL} }} }}"""
UPDATE = f"""mutation($id: ID!, $input: CrmLeadPatch!, $version: Int, $tag: String) {{
  made: crmUpdateLead(id: $id, input: $input, version: $version, ifMatch: $tag) {{
    __typename ... on CrmLead {{ name version }} ... on PreconditionFailed {{ now expected kind }} {REFUSAL} }} }}"""


async def made(graph: Graph, query: str, **variables: Any) -> dict[str, Any]:
    found: dict[str, Any] = (await graph.data(query, **variables))["made"]
    return found


async def test_a_record_is_made_in_one_statement_and_answers_what_was_made(graph: Graph) -> None:
    await made(graph, CREATE, input={"name": "Bob"})
    with graph.counted() as spent:
        said = await made(graph, CREATE, input={"name": "Ada", "email": "ADA@one.example", "estimatedAmount": "12.5", "currency": "NGN"})
    assert said | {"id": ""} == {
        "__typename": "CrmLead",
        "id": "",
        "name": "Ada",
        "email": "ada@one.example",
        "status": "NEW",
        "version": 1,
        "owner": None,
    }
    assert spent.statements == 2  # the owner is looked for, and only because it was asked for
    assert (await graph.tenant.api("GET", f"/api/v1/crm/leads/{said['id']}")).json()["estimated_amount"] == "12.50"


async def test_a_refusal_names_the_argument_and_changes_nothing(graph: Graph) -> None:
    for given, field in (
        ({"name": ""}, "input.name"),
        ({"name": "Ada", "email": "no address"}, "input.email"),
        ({"name": "Ada", "estimatedAmount": "many"}, "input.estimatedAmount"),
        ({"name": "Ada", "sourceId": str(uuid4())}, "input.sourceId"),
        ({"name": "A\0da"}, "input.name"),
    ):
        said = await made(graph, CREATE, input=given)
        assert (said["__typename"], said["code"], said["errors"][0]["field"]) == ("Invalid", 422, field), said
        assert said["detail"].startswith(field)
    assert await graph.tenant.count(Lead) == 0


async def test_a_repetition_under_its_key_is_done_once(graph: Graph) -> None:
    first = await made(graph, CREATE, input={"name": "Ada"}, key="k1")
    assert await made(graph, CREATE, input={"name": "Ada"}, key="k1") == first
    other = await made(graph, CREATE, input={"name": "Bob"}, key="k1")
    assert (other["__typename"], other["code"]) == ("KeyReused", 409)
    by_header = await graph.post(CREATE, {"input": {"name": "Cyd"}}, idempotency_key="h1")
    assert (await graph.post(CREATE, {"input": {"name": "Cyd"}}, idempotency_key="h1")).body == by_header.body
    both = 'mutation { a: crmCreateLead(input: {name: "A"}) { ... on CrmLead { id } } b: crmCreateLead(input: {name: "A"}) { ... on CrmLead { id } } }'
    two = (await graph.post(both, idempotency_key="h2")).json()["data"]
    assert two["a"] != two["b"] and (await graph.post(both, idempotency_key="h2")).json()["data"] == two
    bad = await made(graph, CREATE, input={"name": "Dan"}, key="no spaces here")
    assert (bad["__typename"], bad["errors"][0]["field"]) == ("Invalid", "idempotencyKey")
    assert await graph.tenant.count(Lead) == 4


async def test_many_repetitions_at_once_make_one_record(graph: Graph) -> None:
    answers = await asyncio.gather(*(graph.post(CREATE, {"input": {"name": "Ada"}, "key": "same"}) for _ in range(8)))
    assert len({answer.body for answer in answers}) == 1
    assert await graph.tenant.count(Lead) == 1


async def test_a_change_meets_the_version_that_was_read(graph: Graph) -> None:
    lead = await graph.tenant.given(Lead(name="Ada"))
    assert (await made(graph, UPDATE, id=lead.id, input={"name": "B"}))["title"] == "Precondition required"
    assert await made(graph, UPDATE, id=lead.id, input={"name": "B"}, version=1) == {"__typename": "CrmLead", "name": "B", "version": 2}
    stale = await made(graph, UPDATE, id=lead.id, input={"name": "C"}, version=1)
    assert (stale["__typename"], stale["now"], stale["kind"]) == ("PreconditionFailed", 2, "lead")
    assert (await made(graph, UPDATE, id=lead.id, input={"name": "D"}, tag='"2"'))["version"] == 3
    assert (await made(graph, UPDATE, id=lead.id, input={"name": "E"}, tag="*"))["version"] == 4
    for version, tag in ((4, "*"), (None, "x")):
        wrong = await made(graph, UPDATE, id=lead.id, input={"name": "F"}, version=version, tag=tag)
        assert wrong["errors"][0]["field"] == "ifMatch"
    assert (await graph.tenant.get(Lead, lead.id)).name == "E"
    for id in (str(uuid4()), "no id"):
        assert (await made(graph, UPDATE, id=id, input={"name": "F"}, tag="*"))["__typename"] == "NotFound"


async def test_archive_restore_and_delete(graph: Graph) -> None:
    lead = await graph.tenant.given(Lead(name="Ada"))
    archived = await graph.data(
        "mutation($id: ID!) { made: crmArchiveLead(id: $id, version: 1) { ... on CrmLead { archivedAt version } } }", id=lead.id
    )
    assert archived["made"]["archivedAt"] and archived["made"]["version"] == 2
    assert (await graph.data("{ crmLeads { totalCount } }"))["crmLeads"]["totalCount"] == 0
    assert (await graph.data("{ crmLeads(archived: ONLY) { totalCount } }"))["crmLeads"]["totalCount"] == 1
    restored = await graph.data(
        "mutation($id: ID!) { made: crmRestoreLead(id: $id) { ... on CrmLead { archivedAt version } } }", id=lead.id
    )
    assert restored["made"] == {"archivedAt": None, "version": 3}


async def test_commands_answer_their_own_type_and_their_own_refusals(graph: Graph) -> None:
    await graph.tenant.given(Pipeline(name="Sales", key="sales"))
    lead = await graph.tenant.given(Lead(name="Ada", status=LeadStatus.QUALIFIED))
    convert = f"""mutation($id: ID!, $dry: Boolean) {{ made: crmConvertLead(id: $id, dryRun: $dry) {{
      __typename ... on CrmLeadConverted {{ leadId contactId dealId }} ... on CrmNoStage {{ detail }} {REFUSAL} }} }}"""
    refused = await made(graph, convert, id=lead.id)
    assert (refused["__typename"], refused["code"]) == ("CrmNoStage", 409)
    unknown = await made(graph, convert, id=uuid4())
    assert unknown["__typename"] == "NotFound"
    moved = await made(
        graph,
        f"mutation($id: ID!) {{ made: crmQualifyLead(id: $id) {{ __typename ... on IllegalMove {{ move now }} {REFUSAL} }} }}",
        id=lead.id,
    )
    assert (moved["__typename"], moved["move"], moved["now"]) == ("IllegalMove", "qualify", "qualified")


async def test_a_change_answers_whatever_the_record_leads_to(graph: Graph) -> None:
    account = await graph.tenant.given(Account(name="Acme"))
    await graph.tenant.given(Contact(name="Ada", account_id=account.id))
    query = """mutation($id: ID!) { made: crmUpdateAccount(id: $id, ifMatch: "*", input: {name: "Acme Ltd"}) {
      ... on CrmAccount { name contacts { nodes { name account { name } } } } } }"""
    with graph.counted() as spent:
        said = await made(graph, query, id=account.id)
    assert said == {"name": "Acme Ltd", "contacts": {"nodes": [{"name": "Ada", "account": {"name": "Acme Ltd"}}]}}
    assert spent.statements == 2


async def test_who_may_not_changes_nothing_and_is_told_so(graph: Graph) -> None:
    viewer = graph.as_("crm.viewer")
    said = await made(viewer, CREATE, input={"name": "Ada"})
    assert (said["__typename"], said["code"], said["detail"]) == ("Forbidden", 403, "This credential does not allow crm.lead:create.")
    assert await graph.tenant.count(Lead) == 0


CONVERT = """mutation($id: ID!, $dry: Boolean) { made: crmConvertLead(id: $id, dryRun: $dry) { ... on CrmLeadConverted {
  leadId contactId dealId lead { name status deals { totalCount } } sold: deal { id name owner { id name } lead { name } } account { id } } } }"""


async def _qualified(graph: Graph) -> Lead:
    pipeline = await graph.tenant.given(Pipeline(name="Sales", key="sales"))
    await graph.tenant.given(DealStage(pipeline_id=pipeline.id, name="New", position=0, probability=10))
    return await graph.tenant.given(Lead(name="Ada", email="ada@one.example", status=LeadStatus.QUALIFIED))


async def test_a_command_answers_the_records_that_it_changed_in_one_statement(graph: Graph) -> None:
    lead = await _qualified(graph)
    ids = CONVERT[: CONVERT.index("lead {")] + "} } }"
    with graph.counted() as alone:
        await made(graph, ids, id=lead.id, dry=True)
    with graph.counted() as spent:
        said = await made(graph, CONVERT, id=lead.id)
    assert said["lead"] == {"name": "Ada", "status": "CONVERTED", "deals": {"totalCount": 1}}
    assert said["sold"] == {"id": said["dealId"], "name": said["sold"]["name"], "owner": said["sold"]["owner"], "lead": {"name": "Ada"}}
    assert said["account"] is None and said["leadId"] == str(lead.id)
    assert spent.statements <= alone.statements + 3  # what the dry run did not write, the records, the owner
    stored = (await graph.data("query($id: ID!) { crmDeal(id: $id) { name } }", id=said["dealId"]))["crmDeal"]
    assert stored == {"name": said["sold"]["name"]}


async def test_a_dry_run_has_changed_no_record_that_could_be_read(graph: Graph) -> None:
    lead = await _qualified(graph)
    said = await made(graph, CONVERT, id=lead.id, dry=True)
    assert said["leadId"] == str(lead.id) and said["lead"] is None and said["sold"] is None
    assert await graph.tenant.count(Deal) == 0


async def test_the_records_are_those_that_the_caller_sees(graph: Graph) -> None:
    lead = await _qualified(graph)
    partly = graph.as_("auth.owner")
    scopes = frozenset(("crm.lead:*", "crm.contact:*", "crm.account:*", "crm.deal:create"))
    partly.tenant.caller = replace(partly.tenant.caller, rights=rights_of(frozenset(["auth.owner"]), scopes))
    answered = (await partly.post(CONVERT.replace(" deals { totalCount }", ""), {"id": lead.id})).json()
    said = answered["data"]["made"]
    assert said["dealId"] and said["sold"] is None and said["lead"]["name"] == "Ada"
    assert [(error["path"], error["extensions"]["problem"]["permission"]) for error in answered["errors"]] == [
        (["made", "sold"], "crm.deal:read")
    ]
    assert await graph.tenant.count(Deal) == 1
