"""What cannot be undone is asked for first: by the person where the client can ask, by a token otherwise; and is done once."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import mcp_types as types
import pytest

from nexus.runtime.testing import Harness
from nexus.services.crm.entities import Contact
from nexus.surfaces.mcp import invocation
from tests.surfaces.mcp.conftest import Site, call, problem


async def twins(tenant: Harness) -> tuple[str, str]:
    one = await tenant.given(Contact(name="Ada", city="Lagos"))
    two = await tenant.given(Contact(name="Ada O.", email="ada@example.com"))
    return str(one.id), str(two.id)


def answering(action: str, **content: Any) -> tuple[Any, list[str]]:
    asked: list[str] = []

    async def answer(context: Any, params: types.ElicitRequestParams) -> types.ElicitResult:
        asked.append(params.message)
        return types.ElicitResult(action=action, content=content or None)  # type: ignore[arg-type]

    return answer, asked


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_token_stands_for_a_yes(site: Site, tenant: Harness, mode: str) -> None:
    one, two = await twins(tenant)
    async with site.client(mode=mode) as client:
        refused = await client.call_tool("crm_contact_merge", {"id": one, "others": [two]})
        said = problem(refused)
        assert (said["status"], said["type"]) == (428, "/problems/confirmation-required")
        assert {"archived", "deleted", "updated"} & {change["change"] for change in said["effects"]["changes"]}
        assert said["confirm_token"] in refused.content[0].text  # type: ignore[union-attr]
        assert await tenant.count(Contact) == 2
        arguments = {"id": one, "others": [two], "confirm_token": said["confirm_token"]}
        done = await call(client, "crm_contact_merge", **arguments)
        assert (done["dry_run"], done["replayed"]) == (False, False)
        again = await call(client, "crm_contact_merge", **arguments)
        assert (again["replayed"], again["result"]) == (True, done["result"])
    kept = await tenant.get(Contact, UUID(one))
    assert (kept.email, kept.version) == ("ada@example.com", 2)


async def test_a_token_is_for_one_caller_one_tool_and_these_arguments(site: Site, tenant: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = await twins(tenant)
    other = tenant.as_("auth.owner")
    site.let(other, "other")
    async with site.client() as client, site.client(token="other") as second, site.client(at=1) as elsewhere:

        async def token() -> str:
            said = problem(await client.call_tool("crm_contact_merge", {"id": one, "others": [two]}))
            given: str = said["confirm_token"]
            return given

        async def stale(who: Any, tool: str, **arguments: Any) -> None:
            assert problem(await who.call_tool(tool, arguments))["type"] == "/problems/confirmation-stale"

        given = await token()
        await stale(second, "crm_contact_merge", id=one, others=[two], confirm_token=given)
        await stale(client, "crm_contact_merge", id=two, others=[one], confirm_token=given)
        await stale(client, "crm_account_merge", id=one, others=[two], confirm_token=given)
        for damaged in (given[:-1], given + "A", "A" * 80, "", "é", given.swapcase()):
            await stale(client, "crm_contact_merge", id=one, others=[two], confirm_token=damaged)
        monkeypatch.setattr(invocation, "CONFIRM_SECONDS", -1.0)
        await stale(client, "crm_contact_merge", id=one, others=[two], confirm_token=await token())
        assert await tenant.count(Contact) == 2
        await call(elsewhere, "crm_contact_merge", id=one, others=[two], confirm_token=given)  # any process knows it


async def test_the_person_is_asked_where_the_client_can(site: Site, tenant: Harness) -> None:
    one, two = await twins(tenant)
    answer, asked = answering("accept", confirm=True)
    async with site.client(mode="2026-07-28", elicitation_callback=answer) as client:
        done = await call(client, "crm_contact_merge", id=one, others=[two])
        assert done["result"]["contact_id"] == one
    assert len(asked) == 1
    assert "cannot be undone" in asked[0]
    assert two in asked[0]


@pytest.mark.parametrize(("action", "content"), [("decline", {}), ("cancel", {}), ("accept", {"confirm": False}), ("accept", {})])
async def test_anything_but_a_yes_is_a_no(site: Site, tenant: Harness, action: str, content: dict[str, Any]) -> None:
    one, two = await twins(tenant)
    answer, asked = answering(action, **content)
    async with site.client(mode="2026-07-28", elicitation_callback=answer) as client:
        refused = problem(await client.call_tool("call_tool", {"name": "crm_contact_merge", "arguments": {"id": one, "others": [two]}}))
        assert refused["type"] == "/problems/not-confirmed"
    assert len(asked) == 1
    assert [found.version for found in await tenant.list(Contact)] == [1, 1]


async def test_what_would_be_refused_is_not_asked_for(site: Site, tenant: Harness) -> None:
    one, _ = await twins(tenant)
    answer, asked = answering("accept", confirm=True)
    async with site.client(mode="2026-07-28", elicitation_callback=answer) as client:
        refused = problem(await client.call_tool("crm_contact_merge", {"id": one, "others": [one]}))
        assert refused["status"] in (409, 422)
    assert asked == []


async def test_a_dry_run_needs_no_yes(site: Site, tenant: Harness) -> None:
    one, two = await twins(tenant)
    async with site.client() as client:
        tried = await call(client, "crm_contact_merge", id=one, others=[two], dry_run=True)
        assert tried["effects"]["changes"]
    assert await tenant.count(Contact) == 2
