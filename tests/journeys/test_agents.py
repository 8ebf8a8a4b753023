"""Tools for agents with the official client, in one process and through the gateway: the tools of every service, progress, and what has changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import mcp_types as types
import pytest
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.client.subscriptions import ResourceUpdated

from tests.journeys.conftest import Business
from tests.process.conftest import PATIENCE

ME = types.Implementation(name="journey", version="1")


@asynccontextmanager
async def client_of(nexus: Business, **options: Any) -> AsyncIterator[Client]:
    headers = {"authorization": f"Bearer {nexus.token}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=PATIENCE) as http,
        Client(streamable_http_client(f"{nexus.url}/mcp", http_client=http), client_info=ME, cache=None, **options) as client,
    ):
        yield client


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_every_operation_of_every_service_is_a_tool(nexus: Business, mode: str) -> None:
    """What OpenAPI has of records, commands and reports, the agent has as well."""

    async def named() -> set[str]:
        async with client_of(nexus, mode=mode) as client:
            found: set[str] = set()
            cursor: str | None = None
            while True:
                page = await client.list_tools(cursor=cursor)
                found |= {tool.name for tool in page.tools}
                cursor = page.next_cursor
                if cursor is None:
                    return found

    tools = asyncio.run(named())

    for service in ("auth", "crm", "loyalty"):
        status, document = nexus.ask("GET", f"/openapi.json?service={service}")
        assert status == 200
        said = {one["operationId"] for path in document["paths"].values() for one in path.values()}
        kinds = ("bulk", "export", "import")
        wanted = {
            name.replace(".reports.", ".report.").replace(".", "_").replace("-", "_")
            for name in said
            if not any(kind in name for kind in kinds)
        }
        assert wanted - tools == set(), service
    assert {"find_tools", "describe_tool", "call_tool", "call_many"} < tools


def test_each_service_answers_and_what_they_do_is_told_by_their_names(nexus: Business) -> None:
    async def work() -> tuple[Any, Any, Any]:
        async with client_of(nexus) as client:
            item = await client.call_tool("loyalty_item_create", {"name": "A wafer"})
            lead = await client.call_tool("crm_lead_create", {"name": "An agent's"})
            keys = await client.call_tool("auth_api_key_list", {})
            return item, lead, keys

    item, lead, keys = asyncio.run(work())

    assert not (item.is_error or lead.is_error or keys.is_error)
    assert nexus.told("loyalty.item.created", item.structured_content["result"]["id"])["actor"] == "user:Ade"
    assert nexus.told("crm.lead.created", lead.structured_content["result"]["id"])["actor"] == "user:Ade"


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_progress_comes_through(nexus: Business, mode: str) -> None:
    heard: list[tuple[float, float | None]] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        heard.append((progress, total))

    async def work() -> Any:
        items = [{"name": f"{mode} {n}"} for n in range(600)]
        async with client_of(nexus, mode=mode) as client:
            return await client.call_tool("call_many", {"name": "crm_contact_create", "items": items}, progress_callback=hear)

    assert asyncio.run(work()).structured_content["created"] == 600
    assert heard == [(500, 600)]


def test_a_client_is_told_what_has_changed(nexus: Business) -> None:
    """Of records and lists it names; of nothing else, and of nobody else's."""
    lead = nexus.api("POST", "crm/leads", {"name": "Watched"})
    other = nexus.api("POST", "crm/leads", {"name": "Not watched"})
    one, every = f"nexus://crm/leads/{lead['id']}", "nexus://crm/competitors"

    async def listen() -> list[str]:
        found: list[str] = []
        wanted = [one, every, "nexus://crm", "nexus://crm/reports/win-loss", "nexus://none/of/these"]
        async with asyncio.timeout(PATIENCE), client_of(nexus) as client, client.listen(resource_subscriptions=wanted) as told:
            assert told.honored.resource_subscriptions == [one, every]
            await asyncio.to_thread(nexus.api, "POST", f"crm/leads/{other['id']}/qualify", {})
            await asyncio.to_thread(nexus.api, "POST", f"crm/leads/{lead['id']}/qualify", {})
            found.append(await next_uri(told))
            await asyncio.to_thread(nexus.api, "POST", "crm/competitors", {"name": "Rival"})
            while found[-1] == one:
                found.append(await next_uri(told))
        return found

    assert set(asyncio.run(listen())) == {one, every}


async def next_uri(told: Any) -> str:
    event = await anext(aiter(told))
    assert isinstance(event, ResourceUpdated)
    return event.uri


def test_an_older_client_opens_its_stream(nexus: Business) -> None:
    begin = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "Old", "version": "1"}}
    headers = {"authorization": f"Bearer {nexus.token}", "accept": "application/json, text/event-stream"}
    with httpx2.Client(headers=headers, timeout=PATIENCE) as http:
        url = f"{nexus.url}/mcp"
        begun = http.post(url, json={"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": begin})
        session = {"mcp-session-id": begun.headers["mcp-session-id"], "mcp-protocol-version": "2025-06-18"}
        with http.stream("GET", url, headers=session | {"accept": "text/event-stream"}) as stream:
            assert (stream.status_code, stream.headers["content-type"]) == (200, "text/event-stream")
            assert next(stream.iter_text()).startswith(": ")
        stranger = {"mcp-session-id": "x", "accept": "text/event-stream"}
        assert http.get(url, headers=stranger).status_code == 404
        current = {"mcp-protocol-version": "2026-07-28", "accept": "text/event-stream"}
        assert http.get(url, headers=current).status_code == 405
        assert http.get(url, headers={"accept": "application/json"}).status_code == 405
        assert http.delete(url).status_code == 405
