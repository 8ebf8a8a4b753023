"""Tools as the official client sees them: listed, found, described and called; the client checks every result against its schema."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from mcp.shared.exceptions import MCPError

from nexus.runtime.testing import Harness
from nexus.services.auth.entities import Team
from nexus.services.crm.entities import Account, Contact, Deal, DealStage, Lead, Pipeline
from nexus.services.crm.terms import LeadStatus
from tests.surfaces.mcp.conftest import Site, call, every, problem

FINDERS = {"find_tools", "describe_tool", "call_tool", "call_many"}


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_every_operation_is_a_tool(site: Site, tenant: Harness, mode: str) -> None:
    async with site.client(mode=mode) as client:
        tools = {tool.name: tool for tool in await every(client)}
    names = {operation.name.replace(".", "_").replace("-", "_") for operation in tenant.operations}
    assert set(tools) == names | FINDERS
    convert = tools["crm_lead_convert"]
    assert convert.title == "Turn a qualified lead into a contact, an account and a deal"
    assert convert.description is not None
    assert "The contact is found by address" in convert.description
    assert convert.meta is not None
    assert convert.meta["nexus/permission"] == "crm.lead:convert"


async def test_the_hints_say_what_a_tool_may_do(site: Site) -> None:
    async with site.client() as client:
        hints = {tool.name: tool.annotations for tool in await every(client)}

    def said(name: str) -> tuple[bool | None, bool | None, bool | None]:
        one = hints[name]
        assert one is not None
        assert one.open_world_hint is False
        return one.read_only_hint, one.destructive_hint, one.idempotent_hint

    assert said("crm_lead_get") == said("crm_lead_list") == said("crm_report_win_loss") == (True, False, True)
    assert said("crm_lead_create") == said("crm_deal_create") == (False, False, False)
    assert said("crm_lead_update") == said("crm_lead_archive") == (False, True, True)
    assert said("crm_lead_restore") == said("crm_lead_qualify") == (False, False, True)
    assert said("crm_contact_merge") == (False, True, False)
    assert said("auth_user_deactivate") == said("crm_quote_accept") == (False, True, True)
    assert said("crm_account_contact_delete") == (False, True, True)
    assert said("find_tools") == (True, False, True)


async def test_the_first_page_finds_the_rest_and_no_page_mixes_services(site: Site) -> None:
    async with site.client() as client:
        page = await client.list_tools()
        assert {tool.name for tool in page.tools} == FINDERS
        while page.next_cursor is not None:
            page = await client.list_tools(cursor=page.next_cursor)
            assert len({tool.name.split("_")[0] for tool in page.tools}) == 1
            assert len(page.tools) <= 40
        for cursor in ("", "x", "crm:", "crm:-1", "crm:٣", "crm:9999999", ":0"):
            with pytest.raises(MCPError, match="cursor"):
                await client.list_tools(cursor=cursor)
        assert (await client.list_tools(cursor="crm:99999")).tools == []
    async with site.client("tools=search") as client:
        assert {tool.name for tool in await every(client)} == FINDERS
        assert (await call(client, "call_tool", name="crm_lead_list", arguments={"limit": 1}))["items"] == []


async def test_only_what_the_caller_may_use_is_there(site: Site, tenant: Harness) -> None:
    site.let(tenant.as_("crm.viewer"), "viewer")
    site.let(tenant.as_(), "nobody")
    async with site.client(token="viewer") as client:
        tools = await every(client)
        assert {tool.name for tool in tools} - FINDERS
        assert all(tool.annotations is not None and tool.annotations.read_only_hint for tool in tools if tool.name not in FINDERS)
        assert (await call(client, "find_tools", query="convert a lead", kind="command"))["tools"] == []
        refused = problem(await client.call_tool("crm_lead_create", {"name": "Bob"}))
        assert (refused["status"], refused["permission"]) == (403, "crm.lead:create")
        assert problem(await client.call_tool("describe_tool", {"name": "crm_lead_create"}))["status"] == 403
    async with site.client(token="nobody") as client:
        assert {tool.name for tool in await every(client)} == FINDERS
        assert (await call(client, "find_tools"))["found"] == 0
    assert await tenant.count(Lead) == 0


async def test_a_record_is_made_read_listed_changed_archived_and_restored(site: Site, tenant: Harness) -> None:
    async with site.client() as client:
        await every(client)
        made = await call(client, "crm_lead_create", name="Bob", email="Bob@Example.com", estimated_amount="5.00", currency="NGN")
        id = made["result"]["id"]
        assert (made["dry_run"], made["replayed"], made["result"]["email"]) == (False, False, "bob@example.com")
        read = await call(client, "crm_lead_get", id=id)
        assert (read["city"], read["estimated_amount"], read["version"]) == (None, "5.00", 1)
        assert await call(client, "crm_lead_get", id=id, fields=["name"]) == {"id": id, "version": 1, "name": "Bob"}
        changed = await call(client, "crm_lead_update", id=id, version=1, city="Jos")
        assert (changed["result"]["city"], changed["result"]["version"]) == ("Jos", 2)
        page = await call(client, "crm_lead_list", where={"city": "Jos", "estimated_amount": {"gte": "5"}}, count="exact")
        assert ([one["id"] for one in page["items"]], page["count"], page["next_cursor"]) == ([id], 1, None)
        assert (await call(client, "crm_lead_archive", id=id, version="*"))["result"]["archived_at"]
        assert (await call(client, "crm_lead_list"))["items"] == []
        assert (await call(client, "crm_lead_restore", id=id))["result"]["archived_at"] is None
    assert (await tenant.list(Lead))[0].version == 4


async def test_a_list_goes_on_where_it_ended(site: Site, tenant: Harness) -> None:
    await tenant.given(*[Team(name=f"T{n}", key=f"t{n}") for n in range(25)])
    seen: list[str] = []
    async with site.client() as client:
        page = await call(client, "auth_team_list", sort=["name"])
        while True:
            seen += [one["name"] for one in page["items"]]
            if page["next_cursor"] is None:
                break
            page = await call(client, "auth_team_list", sort=["name"], cursor=page["next_cursor"])
    assert seen == sorted(f"T{n}" for n in range(25))


async def test_commands_and_reports_are_called(site: Site, tenant: Harness) -> None:
    pipeline = Pipeline(name="Sales", key="sales")
    await tenant.given(pipeline, DealStage(pipeline_id=pipeline.id, name="New", position=0, probability=10))
    lead = await tenant.given(Lead(name="Bob", company="Bob Ltd", status=LeadStatus.QUALIFIED))
    async with site.client() as client:
        await every(client)
        done = await call(client, "crm_lead_convert", id=str(lead.id), amount="500", currency="NGN")
        deal = await call(client, "crm_deal_get", id=done["result"]["deal_id"], expand=["account", "stage"])
        assert (deal["amount"], deal["account"]["name"], deal["stage"]["name"]) == ("500.00", "Bob Ltd", "New")
        rows = await call(client, "crm_report_pipeline_by_stage", pipeline_id=str(pipeline.id))
        assert len(rows["items"]) == 1
        assert (await call(client, "auth_report_me"))["items"] == []
    assert (await tenant.get(Lead, lead.id)).status is LeadStatus.CONVERTED


async def test_a_dry_run_says_what_would_happen_and_changes_nothing(site: Site, tenant: Harness) -> None:
    pipeline = Pipeline(name="Sales", key="sales")
    await tenant.given(pipeline, DealStage(pipeline_id=pipeline.id, name="New", position=0, probability=10))
    lead = await tenant.given(Lead(name="Bob", status=LeadStatus.QUALIFIED))
    async with site.client() as client:
        await every(client)
        tried = await call(client, "crm_lead_convert", id=str(lead.id), dry_run=True)
        assert tried["dry_run"] is True
        assert {"crm.lead": "updated", "crm.contact": "created", "crm.deal": "created"}.items() <= {
            one["entity"]: one["change"] for one in tried["effects"]["changes"]
        }.items()
        assert "crm.lead.converted" in [one["topic"] for one in tried["effects"]["events"]]
        changed = await call(client, "crm_lead_update", id=str(lead.id), version=1, city="Jos", dry_run=True)
        assert changed["effects"]["changes"][0]["after"] == {"city": "Jos"}
        await call(client, "crm_lead_archive", id=str(lead.id), version=1, dry_run=True)
        await call(client, "crm_contact_create", name="A", dry_run=True)
        beside = await client.call_tool("crm_contact_create", {"name": "B"}, meta={"nexus/dryRun": True})
        assert beside.structured_content["dry_run"] is True
    for kind in (Contact, Account, Deal):
        assert await tenant.count(kind) == 0
    kept = await tenant.get(Lead, lead.id)
    assert (kept.status, kept.version, kept.archived_at) == (LeadStatus.QUALIFIED, 1, None)


REFUSED: list[tuple[str, dict[str, Any], int, str | None]] = [
    ("crm_lead_create", {}, 422, "name"),
    ("crm_lead_create", {"name": "B", "emial": "x"}, 422, "emial"),
    ("crm_lead_create", {"name": "B", "email": "x"}, 422, "email"),
    ("crm_lead_create", {"name": "B", "status": "new"}, 422, "status"),
    ("crm_lead_create", {"name": "B", "dry_run": "yes"}, 422, "dry_run"),
    ("crm_lead_create", {"name": "B", "idempotency_key": "a b"}, 422, "idempotency_key"),
    ("crm_lead_create", {"name": "B", "confirm_token": "x"}, 422, "confirm_token"),
    ("crm_lead_get", {}, 422, "id"),
    ("crm_lead_get", {"id": "x"}, 404, None),
    ("crm_lead_get", {"id": str(uuid4()), "field": ["name"]}, 422, "field"),
    ("crm_lead_get", {"id": str(uuid4()), "fields": ["x"]}, 422, "fields"),
    ("crm_lead_list", {"where": {"x": 1}}, 422, "x"),
    ("crm_lead_list", {"where": "name"}, 422, "where"),
    ("crm_lead_list", {"limit": 501}, 422, "limit"),
    ("crm_lead_list", {"limit": "5"}, 422, "limit"),
    ("crm_lead_list", {"cursor": "x"}, 400, None),
    ("crm_lead_update", {"id": str(uuid4()), "city": "Jos"}, 422, "version"),
    ("crm_lead_update", {"id": str(uuid4()), "city": "Jos", "version": "1"}, 422, "version"),
    ("crm_lead_update", {"city": "Jos", "version": 1}, 422, "id"),
    ("crm_lead_update", {"id": str(uuid4()), "city": "Jos", "version": 1}, 404, None),
    ("crm_lead_archive", {"id": str(uuid4()), "version": 1, "name": "B"}, 422, "name"),
    ("crm_lead_convert", {"id": str(uuid4()), "amount": "x"}, 422, "amount"),
    ("crm_lead_convert", {"id": str(uuid4()), "lead_id": str(uuid4())}, 422, "lead_id"),
    ("crm_lead_convert", {"id": 7}, 422, "id"),
    ("crm_report_win_loss", {"by": "x"}, 422, "by"),
    ("crm_report_win_loss", {"bye": "owner"}, 422, "bye"),
    ("crm_report_win_loss", {"by": ["owner"]}, 422, "by"),
    ("find_tools", {"service": "x"}, 422, "service"),
    ("find_tools", {"limit": 0}, 422, "limit"),
    ("describe_tool", {}, 422, "name"),
    ("describe_tool", {"name": "crm_lead_explode"}, 404, None),
    ("call_tool", {"name": "crm_lead_explode"}, 404, None),
    ("call_tool", {"name": "crm_lead_create", "arguments": {"name": ""}}, 422, "name"),
]


async def test_what_does_not_fit_is_refused_by_name_and_changes_nothing(site: Site, tenant: Harness) -> None:
    async with site.client() as client:
        for name, arguments, status, field in REFUSED:
            refused = await client.call_tool(name, arguments)
            said = problem(refused)
            assert said["status"] == status, (name, arguments, said)
            if field is not None:
                assert [one["field"] for one in said["errors"]] == [field], (name, arguments, said)
                assert field in refused.content[0].text  # type: ignore[union-attr]
        with pytest.raises(MCPError, match="Unknown tool"):
            await client.call_tool("crm_lead_explode", {})
    assert await tenant.count(Lead) == 0


async def test_the_rules_refuse_as_they_do_everywhere(site: Site, tenant: Harness) -> None:
    lead = await tenant.given(Lead(name="Bob"))
    async with site.client() as client:
        said = problem(await client.call_tool("crm_lead_convert", {"id": str(lead.id)}))
        assert (said["type"], said["detail"]) == ("/problems/illegal-move", "Lead is new: it cannot convert.")
        stale = problem(await client.call_tool("crm_lead_update", {"id": str(lead.id), "version": 3, "city": "Jos"}))
        assert (stale["status"], stale["now"]) == (412, 1)
    rest = await tenant.api("POST", f"/api/v1/crm/leads/{lead.id}/convert", {})
    assert {name: value for name, value in said.items() if name != "instance"} == {
        name: value for name, value in rest.json().items() if name != "instance"
    }


async def test_tools_are_found_by_what_they_do(site: Site) -> None:
    async with site.client() as client:

        async def first(query: str, **more: Any) -> str:
            found = await call(client, "find_tools", query=query, **more)
            name: str = found["tools"][0]["name"]
            return name

        assert await first("convert lead") == "crm_lead_convert"
        assert await first("invite a user") == "auth_user_invite"
        assert await first("create a contact") == "crm_contact_create"
        assert await first("list deals") == "crm_deal_list"
        assert await first("why are deals lost", kind="report") == "crm_report_win_loss"
        assert await first("team", service="auth", kind="create") == "auth_team_create"
        assert (await call(client, "find_tools", query="zebra xylophone"))["tools"] == []
        everything: list[str] = []
        offset: int | None = 0
        while offset is not None:
            page = await call(client, "find_tools", limit=50, offset=offset)
            everything += [one["name"] for one in page["tools"]]
            offset = page["next_offset"]
        assert len(everything) == len(set(everything)) == page["found"]
        said = await call(client, "describe_tool", name="crm_lead_convert")
        assert said["input_schema"]["required"] == ["id"]
        assert "no-stage" in [one["code"] for one in said["refusals"]]
        assert (await call(client, "describe_tool", name="crm.lead.convert")) == said
