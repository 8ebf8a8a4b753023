"""Every tool for every role answers what REST answers, to one's own records and to another tenant's."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import msgspec
import pytest
from mcp.client import Client

from nexus.core.policy import ROLES
from nexus.core.service import Service
from nexus.engines.oltp.postgres import Postgres
from nexus.runtime.testing import Harness
from nexus.services.crm.entities import Contact
from nexus.surfaces.operations import Operation
from tests.surfaces.mcp.conftest import Site


async def by_tool(client: Client, operation: Operation, id: str) -> tuple[int, Any]:
    arguments: dict[str, Any] = {"id": id} if operation.on_one else {}
    if operation.method in ("PATCH", "DELETE"):
        arguments["version"] = "*"
    result = await client.call_tool(operation.name.replace(".", "_").replace("-", "_"), arguments)
    said = result.structured_content
    if result.is_error and said["type"] == "/problems/confirmation-required":
        return 200, None  # it would be done
    return (said["status"], plain(said)) if result.is_error else (200, None)


async def by_rest(caller: Harness, operation: Operation, id: str) -> tuple[int, Any]:
    named = {"if_match": "*"} if operation.method in ("PATCH", "DELETE") else {}
    body = None if operation.method == "GET" else {}
    path = f"/api/v1/{operation.service}/{operation.path.replace('{id}', id)}"
    answer = await caller.api(operation.method, path, body, **named)
    return (answer.status, plain(answer.json())) if answer.status >= 400 else (200, None)


def plain(problem: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in problem.items() if name != "instance"}


@pytest.mark.parametrize("role", [*sorted(ROLES), ""])
async def test_a_role_is_answered_the_same_by_tools_and_by_rest(
    site: Site, tenant: Harness, role: str, oltp: Postgres, database: Any, services: dict[str, Service]
) -> None:
    caller = tenant.as_(*filter(None, [role]))
    site.let(caller, "one")
    other = await Harness.fresh(oltp, database.owner, services.values())
    theirs, nowhere = str((await other.given(Contact(name="Theirs"))).id), str(uuid4())
    async with site.client(token="one", mode="2026-07-28") as client:
        for operation in tenant.operations:
            tool = await by_tool(client, operation, nowhere)
            assert tool == await by_rest(caller, operation, nowhere), operation.name
            if operation.on_one and role in ("auth.owner", "crm.rep"):
                foreign = await by_tool(client, operation, theirs)
                assert msgspec.json.encode(foreign) == msgspec.json.encode(tool).replace(nowhere.encode(), theirs.encode()), operation.name
    kept = await other.get(Contact, (await other.list(Contact))[0].id)
    assert (kept.name, kept.version) == ("Theirs", 1)


async def test_two_tenants_never_meet(site: Site, tenant: Harness, oltp: Postgres, database: Any, services: dict[str, Service]) -> None:
    other = await Harness.fresh(oltp, database.owner, services.values())
    site.let(other, "theirs")
    async with site.client() as ours, site.client(token="theirs") as theirs:
        for client, name in ((ours, "Ours"), (theirs, "Theirs")):
            done = await client.call_tool("crm_contact_create", {"name": name, "idempotency_key": "one"})
            assert done.structured_content["replayed"] is False
        for client, name in ((ours, "Ours"), (theirs, "Theirs")):
            page = (await client.call_tool("crm_contact_list", {})).structured_content
            assert [one["name"] for one in page["items"]] == [name]
            read = await client.read_resource("nexus://crm/contacts")
            assert name in read.contents[0].text  # type: ignore[union-attr]


async def test_no_key_no_tools(site: Site, tenant: Harness) -> None:
    for token in ("x", "nx_1"):
        answer = await site.post({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}, token=token)
        assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")
        assert answer.headers["www-authenticate"].startswith("Bearer")
