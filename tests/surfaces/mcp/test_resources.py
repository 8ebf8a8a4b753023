"""Records, lists, reports and guides by their addresses; and prompts, with what they are about in them."""

from __future__ import annotations

import json
from uuid import uuid4

import pytest
from mcp.client import Client
from mcp.shared.exceptions import MCPError

from nexus.runtime.testing import Harness
from nexus.services.crm.entities import Contact, Lead
from tests.surfaces.mcp.conftest import Site


async def text(client: Client, uri: str) -> str:
    (contents,) = (await client.read_resource(uri)).contents
    assert contents.uri == uri
    return contents.text  # type: ignore[union-attr,no-any-return]


@pytest.mark.parametrize("mode", ["2026-07-28", "legacy"])
async def test_what_is_read_by_a_tool_is_read_by_an_address(site: Site, tenant: Harness, mode: str) -> None:
    lead = await tenant.given(Lead(name="Bob", city="Jos"))
    await tenant.given(Lead(name="Ada"))
    async with site.client(mode=mode) as client:
        assert json.loads(await text(client, f"nexus://crm/leads/{lead.id}"))["name"] == "Bob"
        assert json.loads(await text(client, f"nexus://crm/leads/{lead.id}?fields=city"))["city"] == "Jos"
        assert len(json.loads(await text(client, "nexus://crm/leads"))["items"]) == 2
        assert len(json.loads(await text(client, "nexus://crm/leads?name=Bob&limit=1"))["items"]) == 1
        assert json.loads(await text(client, "nexus://crm/reports/duplicate-contacts")) == {"items": []}
        guide = await text(client, "nexus://crm")
        assert "# Customers and sales" in guide
        assert "`crm_lead_convert`" in guide
        assert "qualify (" in guide


async def test_they_are_listed_for_who_may_read_them(site: Site, tenant: Harness) -> None:
    async with site.client() as client:
        listed = {one.uri for one in (await client.list_resources()).resources}
        templates = {one.uri_template for one in (await client.list_resource_templates()).resource_templates}
        cursor = (await client.list_resource_templates()).next_cursor
        while cursor is not None:
            page = await client.list_resource_templates(cursor=cursor)
            templates |= {one.uri_template for one in page.resource_templates}
            cursor = page.next_cursor
        assert {"nexus://crm", "nexus://auth", "nexus://crm/leads", "nexus://crm/reports/win-loss"} <= listed
        assert any(one.startswith("nexus://crm/leads/{id}{?fields") for one in templates)
        assert any(one.startswith("nexus://crm/leads{?where,q,sort") for one in templates)
        assert "nexus://crm/reports/win-loss{?by,since,until,pipeline_id}" in templates
        for uri in listed:
            await client.read_resource(uri)
        with pytest.raises(MCPError, match="cursor"):
            await client.list_resources(cursor="x")
    async with site.client("entities=crm.lead") as client:
        listed = {one.uri for one in (await client.list_resources()).resources}
        assert "nexus://crm/leads" in listed
        assert not {"nexus://auth", "nexus://crm/deals"} & listed
        with pytest.raises(MCPError, match=r"limited to crm\.lead"):
            await client.read_resource("nexus://crm/deals")


async def test_what_is_not_there_or_not_theirs_is_refused(site: Site, tenant: Harness) -> None:
    site.let(tenant.as_("auth.member"), "member")
    contact = await tenant.given(Contact(name="Ada"))
    wrong = (
        "nexus://", "nexus://crm/leeds", f"nexus://crm/leads/{uuid4()}", "nexus://crm/leads/x", "file:///etc/passwd", "", "x",
        "nexus://crm/leads/a/b", "nexus://crm/leads#x", "nexus://crm/leads?x=1", "nexus://crm/leads?limit=0", "nexus://sales", "nexus://[",
        "nexus://crm/leads/%00", "nexus://crm/reports/x", "nexus://crm/leads/bulk", "nexus://crm/leads/export",
    )  # fmt: skip
    async with site.client() as client:
        for uri in wrong:
            with pytest.raises(MCPError) as refused:
                await client.read_resource(uri)
            assert refused.value.code == -32602, uri
    async with site.client(token="member") as client:
        with pytest.raises(MCPError, match=r"does not allow crm\.contact:read"):
            await client.read_resource(f"nexus://crm/contacts/{contact.id}")
        assert {one.uri for one in (await client.list_resources()).resources} == {
            "nexus://auth", "nexus://auth/users", "nexus://auth/teams", "nexus://auth/reports/me", "nexus://auth/reports/roles",
        }  # fmt: skip


async def test_prompts_hold_what_they_are_about(site: Site, tenant: Harness) -> None:
    lead = await tenant.given(Lead(name="Bob"))
    async with site.client() as client:
        prompts = {one.name: one for one in (await client.list_prompts()).prompts}
        assert {"auth", "crm", "crm_lead_next", "crm_deal_next", "crm_report_win_loss"} <= set(prompts)
        said = await client.get_prompt("crm", {"task": "Find the largest deal."})
        assert "# Customers and sales" in said.messages[0].content.text  # type: ignore[union-attr]
        assert said.messages[1].content.text == "Find the largest deal."  # type: ignore[union-attr]
        said = await client.get_prompt("crm_lead_next", {"id": str(lead.id)})
        shown = said.messages[0].content
        assert shown.type == "resource"
        assert '"Bob"' in shown.resource.text  # type: ignore[union-attr]
        assert "convert (qualified → converted)" in said.messages[1].content.text  # type: ignore[union-attr]
        said = await client.get_prompt("crm_report_win_loss", {"by": "owner"})
        assert said.messages[0].content.resource.text == '{"items":[]}'  # type: ignore[union-attr]
        for name, arguments, words in (
            ("x", {}, "prompt"), ("crm_lead_next", {}, "id: is required"), ("crm", {"tusk": "x"}, "tusk"), ("crm_lead_next", {"id": "x"}, "no lead x"),
            ("crm_report_win_loss", {"by": "x"}, "by"),
        ):  # fmt: skip
            with pytest.raises(MCPError, match=words):
                await client.get_prompt(name, arguments)
    site.let(tenant.as_("auth.member"), "member")
    async with site.client(token="member") as client:
        assert {one.name for one in (await client.list_prompts()).prompts} == {
            "auth", "auth_user_next", "auth_report_me", "auth_report_roles",
        }  # fmt: skip
