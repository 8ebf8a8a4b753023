"""Whatever is sent, no answer is an internal error, and every refusal says what to change."""

from __future__ import annotations

import os
from typing import Any

import httpx2
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nexus.runtime.testing import Harness
from nexus.services.crm.entities import Contact, Lead
from nexus.surfaces.mcp.catalogue import Catalogue
from tests.surfaces.hostile import NUMBERS, OTHER, TEXTS, bodies
from tests.surfaces.mcp.conftest import Site

EXAMPLES = int(os.environ.get("NEXUS_FUZZ", "12"))
CURRENT = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {"elicitation": {}},
    "io.modelcontextprotocol/clientInfo": {"name": "x", "version": "1"},
}
values = st.one_of(st.sampled_from(TEXTS), st.sampled_from(NUMBERS), st.sampled_from(OTHER))
METHODS = (
    "tools/call", "tools/list", "resources/read", "resources/list", "resources/templates/list", "prompts/get", "prompts/list", "initialize",
    "ping", "server/discover", "logging/setLevel", "completion/complete", "subscriptions/listen", "x", "", "\0", "rpc.discover",
)  # fmt: skip


def answered(answer: httpx2.Response) -> Any:
    assert answer.status_code < 500, answer.text
    if not answer.content:
        return None
    said = answer.json()
    if "error" in said:
        assert said["error"]["code"] != -32603, said
        assert said["error"]["message"]
    result = said.get("result", {})
    if result.get("isError"):
        assert result["structuredContent"]["status"] < 500, result
        assert result["content"][0]["text"]
    return said


def sent(method: str, params: Any, *, name: str | None = None) -> tuple[bytes, dict[str, str]]:
    """A request of the current revision."""
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": CURRENT}}
    headers = {"mcp_protocol_version": "2026-07-28", "mcp_method": method}
    return msgspec.json.encode(body), headers | ({"mcp_name": name} if name is not None else {})


@settings(max_examples=EXAMPLES * 25, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(data=st.data())
async def test_no_arguments_are_answered_with_an_internal_error(site: Site, tenant: Harness, data: st.DataObject) -> None:
    tool = data.draw(st.sampled_from(list(catalogue(tenant))))
    arguments: dict[str, Any] = dict(tool.example) if data.draw(st.booleans()) else {}
    names = st.sampled_from([*tool.input_schema["properties"], "x", "", "a\0", "__proto__", "id", "lead_id"])
    for name, value in data.draw(st.lists(st.tuples(names, values), max_size=4)):
        arguments[name] = value
    if "id" in arguments and data.draw(st.booleans()):
        arguments["id"] = await known(tenant)
    if data.draw(st.booleans()):
        inner = {"name": tool.name, "arguments": arguments}
        called, arguments = ("call_tool", inner)
    else:
        called = tool.name
    body, headers = sent("tools/call", {"name": called, "arguments": arguments}, name=called)
    answered(await site.post(body, **headers))


def catalogue(tenant: Harness) -> Catalogue:
    if not hasattr(tenant, "_catalogue"):
        tenant._catalogue = Catalogue(tenant.operations, {one.name: one for one in tenant._services})  # type: ignore[attr-defined]
    found: Catalogue = tenant._catalogue  # type: ignore[attr-defined]
    return found


async def known(tenant: Harness) -> str:
    there = await tenant.list(Lead) or [await tenant.given(Lead(name="Bob"))]
    return str(there[0].id)


@settings(max_examples=EXAMPLES * 12, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(data=st.data())
async def test_no_message_is_answered_with_an_internal_error(site: Site, data: st.DataObject) -> None:
    if data.draw(st.booleans()):
        answered(await site.post(data.draw(bodies)))
        return
    params = data.draw(
        st.one_of(values, st.dictionaries(st.sampled_from(["name", "arguments", "uri", "cursor", "_meta", "protocolVersion"]), values))
    )
    body: dict[str, Any] = {"jsonrpc": data.draw(st.sampled_from(["2.0", "1.0", 2, None])), "id": data.draw(values), "params": params}
    body["method"] = data.draw(st.one_of(st.sampled_from(METHODS), values))
    headers: dict[str, str] = {}
    if data.draw(st.booleans()):
        headers["mcp_protocol_version"] = data.draw(st.sampled_from(["2026-07-28", "2025-06-18", "2024-11-05", "1999-01-01", "x", ""]))
    if data.draw(st.booleans()):
        headers["mcp_method"] = data.draw(st.sampled_from(["tools/call", "x"]))
    if isinstance(params, dict) and headers.get("mcp_protocol_version") == "2026-07-28":
        body["params"] = {**params, "_meta": CURRENT}
    answered(await site.post(msgspec.json.encode(body), **headers))


async def test_methods_and_origins(site: Site) -> None:
    address = f"{site.addresses[0]}/mcp"
    key = {"authorization": "Bearer owner"}
    begin = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    async with httpx2.AsyncClient(timeout=120) as http:
        for method in ("GET", "DELETE", "PUT", "HEAD", "OPTIONS"):
            answer = await http.request(method, address, headers=key)
            assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
        for origin, status in ((site.addresses[0], 200), ("http://evil.example", 403), ("null", 403), ("x", 403)):
            answer = await http.post(address, json=begin, headers={**key, "origin": origin})
            assert answer.status_code == status, origin
        assert (await http.post(address, content=b"x" * (1 << 20) + b"y", headers=key)).status_code == 413
        batch = await http.post(address, json=[begin, begin], headers=key)
        assert (batch.status_code, batch.json()["error"]["code"]) == (400, -32600)


@pytest.mark.parametrize("version", ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"])
async def test_every_older_revision_is_spoken(site: Site, tenant: Harness, version: str) -> None:
    await tenant.given(Contact(name="Ada"))
    begin = {"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}
    begun = await site.post({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": begin})
    assert begun.json()["result"]["protocolVersion"] == version
    call = {"jsonrpc": "2.0", "id": "a", "method": "tools/call", "params": {"name": "crm_contact_list"}}
    answer = await site.post(call, mcp_session_id=begun.headers["mcp-session-id"], mcp_protocol_version=version)
    assert answer.json()["id"] == "a"
    assert '"Ada"' in answer.json()["result"]["content"][0]["text"]
    for method, code in (("completion/complete", -32602), ("logging/setLevel", -32602), ("x", -32601), ("server/discover", -32601)):
        unknown = await site.post({"jsonrpc": "2.0", "id": 2, "method": method}, mcp_session_id=begun.headers["mcp-session-id"])
        assert (unknown.status_code, unknown.json()["error"]["code"]) == (200, code)  # 404 would say that the session is gone
