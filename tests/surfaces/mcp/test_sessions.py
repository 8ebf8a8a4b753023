"""A session narrows its caller's rights, is held by no process, and repeats nothing."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from nexus.runtime.testing import Harness
from nexus.services.crm.entities import Account, Contact, Deal, Lead
from tests.surfaces.mcp.conftest import Site, call, every, problem

READS = {"get", "list", "report"}


async def names(site: Site, query: str = "", **headers: str) -> set[str]:
    async with site.client(query, headers=headers) as client:
        return {tool.name for tool in await every(client)} - {"find_tools", "describe_tool", "call_tool", "call_many"}


async def test_a_session_can_be_narrowed_by_its_address_and_by_headers(site: Site, tenant: Harness) -> None:
    kinds = {operation.name.replace(".", "_").replace("-", "_"): operation for operation in tenant.operations}
    every_one = set(kinds)
    reads = {name for name, operation in kinds.items() if operation.kind in READS}
    crm = {name for name in every_one if name.startswith("crm_")}
    leads = {name for name, operation in kinds.items() if operation.needs.startswith("crm.lead:")}
    assert await names(site) == every_one
    assert await names(site, "read_only=true") == await names(site, **{"nexus-read-only": "true"}) == reads
    assert await names(site, "services=crm") == await names(site, **{"Nexus-Services": "crm"}) == crm
    assert await names(site, "entities=crm.lead") == leads
    assert await names(site, "entities=crm.lead&read_only=true") == leads & reads
    assert await names(site, "services=auth&entities=crm.lead") == set()
    assert await names(site, "services=crm", **{"nexus-services": "auth,crm"}) == crm
    assert await names(site, "read_only=false&max_amount=NGN:5") == every_one


async def test_what_is_taken_away_cannot_be_called(site: Site, tenant: Harness) -> None:
    lead = await tenant.given(Lead(name="Bob"))
    async with site.client("read_only=true") as client:
        for name, arguments in (("crm_lead_create", {"name": "B"}), ("crm_lead_qualify", {"id": str(lead.id)})):
            assert problem(await client.call_tool(name, arguments))["detail"].endswith("it only reads.")
            assert problem(await client.call_tool("call_tool", {"name": name, "arguments": arguments}))["status"] == 403
            assert problem(await client.call_tool(name, {**arguments, "dry_run": True}))["status"] == 403
        assert (await call(client, "crm_lead_get", id=str(lead.id)))["name"] == "Bob"
        await call(client, "crm_report_duplicate_contacts")
    async with site.client("entities=crm.lead") as client:
        refused = problem(await client.call_tool("crm_deal_create", {"name": "D"}))
        assert "limited to crm.lead" in refused["detail"]
        expanded = await client.call_tool("crm_lead_get", {"id": str(lead.id), "expand": ["converted_account"]})
        assert problem(expanded)["errors"][0]["field"] == "expand"
        found = await call(client, "find_tools", query="deal")
        assert {one["name"] for one in found["tools"]} <= await names(site, "entities=crm.lead")
    assert [(one.name, one.status.value) for one in await tenant.list(Lead)] == [("Bob", "new")]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("readonly=true", "readonly"), ("read_only=yes", "read_only"), ("read_only=", "read_only"), ("services=sales", "services"),
        ("services=", "services"), ("entities=crm.leed", "entities"), ("max_amount=500", "max_amount"), ("max_amount=XXQ:5", "max_amount"),
        ("max_amount=NGN:-5", "max_amount"), ("max_amount=NGN:5,NGN:6", "max_amount"), ("tools=none", "tools"), ("key=nx_1", "key"),
    ],
)  # fmt: skip
async def test_a_word_that_is_misspelt_opens_nothing(site: Site, query: str, field: str) -> None:
    answer = await site.post({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}, query=f"?{query}")
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)
    if field != "key":
        name, _, value = query.partition("=")
        headers = {f"nexus_{name}": value}
        again = await site.post({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}, **headers)
        assert again.status_code == (200 if name == "readonly" else 422)


async def test_no_amount_above_the_limit_is_written(site: Site, tenant: Harness) -> None:
    async with site.client("max_amount=NGN:500,USD:3") as client:
        for tool, arguments, field in (
            ("crm_account_create", {"name": "A", "annual_revenue": "501", "currency": "NGN"}, "annual_revenue"),
            ("crm_account_create", {"name": "A", "annual_revenue": "4", "currency": "USD"}, "annual_revenue"),
            ("crm_account_create", {"name": "A", "annual_revenue": "1", "currency": "EUR"}, "annual_revenue"),
            ("crm_account_create", {"name": "A", "annual_revenue": "501", "currency": "NGN", "dry_run": True}, "annual_revenue"),
        ):
            refused = problem(await client.call_tool(tool, arguments))
            assert (refused["type"], [one["field"] for one in refused["errors"]]) == ("/problems/over-limit", [field])
        made = await call(client, "crm_account_create", name="A", annual_revenue="500", currency="NGN")
        id = made["result"]["id"]
        refused = problem(await client.call_tool("crm_account_update", {"id": id, "version": 1, "annual_revenue": "500.01"}))
        assert refused["errors"][0]["field"] == "annual_revenue"
        made = problem(await client.call_tool("auth_api_key_create", {"name": "K", "scopes": ["*"]}))
        assert made["status"] == 422  # a key knows no such limit
    assert [str(one.annual_revenue) for one in await tenant.list(Account)] == ["500.00"]
    assert await tenant.count(Deal) == 0


async def test_an_older_client_is_served_by_any_process_and_stays_narrowed(site: Site, tenant: Harness) -> None:
    begin = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "Old Agent", "version": "1"}}
    begun = await site.post({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": begin}, query="?read_only=true")
    assert begun.status_code == 200
    assert begun.json()["result"]["protocolVersion"] == "2025-06-18"
    session = begun.headers["mcp-session-id"]
    told = await site.post({"jsonrpc": "2.0", "method": "notifications/initialized"}, mcp_session_id=session)
    assert (told.status_code, told.content) == (202, b"")
    site.addresses.reverse()  # the next request reaches another process, and says nothing of read_only
    create = {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "crm_lead_create", "arguments": {"name": "B"}}}
    refused = await site.post(create, mcp_session_id=session, mcp_protocol_version="2025-06-18")
    assert refused.json()["result"]["structuredContent"]["detail"].endswith("it only reads.")
    for stranger in (session[:-2], "x", session + "A"):
        assert (await site.post(create, mcp_session_id=stranger)).status_code == 404
    site.let(tenant.as_("auth.owner"), "other")
    assert (await site.post(create, mcp_session_id=session, token="other")).status_code == 404
    assert await tenant.count(Lead) == 0


async def test_a_repeated_call_has_one_effect(site: Site, tenant: Harness) -> None:
    async with site.client() as client, site.client(at=1) as elsewhere:
        arguments = {"name": "Bob", "idempotency_key": "k1"}
        answers = await asyncio.gather(*[call(one, "crm_contact_create", **arguments) for one in (client, elsewhere) * 4])
        assert len({answer["result"]["id"] for answer in answers}) == 1
        assert sorted(answer["replayed"] for answer in answers) == [False] + [True] * 7
        beside = await client.call_tool("crm_contact_create", {"name": "Bob"}, meta={"nexus/idempotencyKey": "k1"})
        assert beside.structured_content["replayed"] is True
        other = problem(await client.call_tool("crm_contact_create", {**arguments, "name": "Eve"}))
        assert other["type"] == "/problems/key-reused"
        lead = await tenant.given(Lead(name="L"))
        for replayed in (False, True):
            done = await call(client, "crm_lead_qualify", id=str(lead.id), idempotency_key="k2")
            assert done["replayed"] is replayed
    assert await tenant.count(Contact) == 1


async def test_many_agents_at_once(site: Site, tenant: Harness) -> None:
    async def work(number: int) -> None:
        async with site.client(at=number % 2, mode="legacy" if number % 3 == 0 else "auto") as client:
            made = await call(client, "crm_contact_create", name=f"C{number}")
            id = made["result"]["id"]
            tries = [client.call_tool("crm_contact_update", {"id": id, "version": 1, "city": f"T{n}"}) for n in range(4)]
            done = [not one.is_error for one in await asyncio.gather(*tries)]
            assert done.count(True) == 1

    await asyncio.gather(*[work(number) for number in range(8)])
    assert sorted(one.version for one in await tenant.list(Contact)) == [2] * 8


async def test_audit_says_tool_agent_and_person(site: Site, tenant: Harness) -> None:
    async with site.client() as client:
        lead = (await call(client, "crm_lead_create", name="Bob"))["result"]["id"]
        await call(client, "crm_lead_qualify", id=lead)
        await call(client, "call_tool", name="crm_lead_disqualify", arguments={"id": lead, "reason_id": await reason(site)})
    async with site.client(mode="legacy") as client:
        await call(client, "crm_lead_update", id=lead, version="*", city="Jos")
    owner = tenant.caller
    rows = [row for row in await site.audits() if row.get("entity_id") == lead and "tool" in row]
    assert [(row["command"], row["tool"]) for row in reversed(rows)] == [
        ("crm.lead:create", "crm_lead_create"),
        ("crm.lead:qualify", "crm_lead_qualify"),
        ("crm.lead:disqualify", "crm_lead_disqualify"),
        ("crm.lead:update", "crm_lead_update"),
    ]
    for row in rows:
        assert row["agent"] == {"name": "Test Agent", "version": "7"}
        assert (row["actor"], row["actor_id"]) == (owner.actor.name, str(owner.actor.id))


async def reason(site: Site) -> str:
    async with site.client() as client:
        made = await call(client, "crm_lost_reason_create", name="No need")
    found: str = made["result"]["id"]
    return found


async def test_an_agent_that_does_not_say_its_name_is_known_by_its_key(site: Site, tenant: Harness) -> None:
    import dataclasses

    site.callers["named"] = dataclasses.replace(tenant.caller, key_name="Sales bot")
    sent = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "crm_contact_create", "arguments": {"name": "B"}}}
    answer = await site.post(sent, token="named")
    assert answer.json()["result"]["structuredContent"]["result"]["name"] == "B"
    assert (await site.audits())[0]["agent"] == {"key": "Sales bot"}
    strange: dict[str, Any] = {"name": "\u0000\u2028🦊" + "x" * 500, "version": 7}
    begin = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": strange | {"version": "\r\n"}}
    begun = await site.post({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": begin})
    again = await site.post(sent, mcp_session_id=begun.headers["mcp-session-id"])
    assert again.status_code == 200
    assert (await site.audits())[0]["agent"]["name"] == ("\u2028" + "x" * 99)
    assert msgspec.json.encode(strange)
