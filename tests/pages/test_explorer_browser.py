"""The GraphQL page in a real browser: a query is typed, sent with a key in its headers, and answered; nothing comes from elsewhere."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from playwright.async_api import Browser, Page, Route, expect

from nexus.gateway.federation.toolbox import Toolbox
from nexus.gateway.pages.explorer import Explorer
from tests.pages.conftest import Served

ASKED = "{ crmLeads { totalCount nodes { name } } }"


@pytest.fixture
async def page(browser: Browser) -> AsyncIterator[Page]:
    """A window; what it says in the console fails the test."""
    context = await browser.new_context()
    opened = await context.new_page()
    said: list[str] = []
    opened.on("console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None)
    opened.on("pageerror", lambda error: said.append(str(error)))
    yield opened
    await context.close()
    assert [line for line in said if "the server responded with a status of 4" not in line] == []


@pytest.fixture
async def key(site: Served) -> str:
    """The key of a business with one lead."""
    async with httpx.AsyncClient(base_url=site.url, timeout=60) as client:
        business = {
            "name": f"Graph {uuid4().hex}",
            "industry": "restaurant",
            "country": "NG",
            "owner": {"name": "Ade", "email": "ade@example.com"},
        }
        headers = {"authorization": f"Bearer {site.operator}", "prefer": "wait=60"}
        made = (await client.post("/api/v1/activate", json=business, headers=headers)).json()
        found: str = made["credentials"]["api_key"]
        lead = await client.post("/api/v1/crm/leads", json={"name": "Ada Obi"}, headers={"authorization": f"Bearer {found}"})
        assert lead.status_code == 201
    return found


async def write(page: Page, editor: str, text: str) -> None:
    """Put a text in the place of what an editor holds."""
    await page.locator(f"{editor} .graphiql-editor:not(.hidden) > .CodeMirror").click()
    await page.keyboard.press("Control+A")
    await page.keyboard.press("Delete")
    await page.keyboard.insert_text(text)


async def test_a_query_is_typed_and_answered(page: Page, site: Served, key: str, toolbox: Toolbox) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await page.goto(f"{site.url}/graphql")
    await write(page, ".graphiql-editor-tool", json.dumps({"Authorization": f"Bearer {key}"}))
    await write(page, ".graphiql-query-editor", ASKED)
    await page.get_by_role("button", name="Execute query").click()
    await expect(page.locator(".result-window")).to_contain_text("Ada Obi")

    await page.get_by_role("button", name="Show Documentation Explorer").click()
    await expect(page.locator(".graphiql-doc-explorer")).to_contain_text("CrmLeadConnection")
    assert all(url.startswith((site.url, "data:")) for url in asked), asked
    assert key not in await page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])")


async def test_a_subscription_that_is_refused_says_why(page: Page, site: Served, toolbox: Toolbox) -> None:
    await page.goto(f"{site.url}/graphql")
    await write(page, ".graphiql-editor-tool", json.dumps({"Authorization": "Bearer wrong"}))
    await write(page, ".graphiql-query-editor", "subscription { crmLeadCreated { subject } }")
    await page.get_by_role("button", name="Execute query").click()
    await expect(page.locator(".result-window")).to_contain_text("UNAUTHENTICATED")


async def test_without_the_packages_a_plain_form_says_so_and_works(page: Page, site: Served, key: str, tmp_path: Path) -> None:
    bare = Explorer(tmp_path).page()

    async def without(route: Route) -> None:
        if route.request.method == "GET":
            headers = {name.decode(): value.decode() for name, value in bare.headers}
            await route.fulfill(status=200, headers=headers, body=bare.body)
        else:
            await route.continue_()

    await page.route("**/graphql", without)
    await page.goto(f"{site.url}/graphql")
    await expect(page.locator("#missing")).to_contain_text("tools.node_parts")
    await page.get_by_label("Query").fill(ASKED)
    await page.get_by_label("Headers").fill(json.dumps({"Authorization": f"Bearer {key}"}))
    await page.get_by_role("button", name="Run").click()
    await expect(page.locator("#response")).to_contain_text("Ada Obi")
    await page.get_by_label("Headers").fill("{")
    await page.get_by_role("button", name="Run").click()
    await expect(page.locator("#response")).to_contain_text("Variables and headers are JSON")
