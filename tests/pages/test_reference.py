"""The reference: every operation has its place, in HTML that reads without a script, and with one it can be searched and tried."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import httpx
import pytest
from playwright.async_api import Browser, expect

from nexus.core.service import Service
from nexus.gateway.pages.documents import api_document
from tests.pages.conftest import Served

FORM = {
    "do": "activate",
    "name": "Reference Bakery",
    "industry": "restaurant",
    "country": "NG",
    "owner.name": "Ade",
    "owner.email": "ade@example.com",
}


class Links(HTMLParser):
    """The ids and links of a page, and whether its elements are closed in order."""

    VOID = frozenset({"meta", "link", "input", "img", "br"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.hrefs: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        assert self._open == [], self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        self.ids += [known["id"] or ""] if "id" in known else []
        self.hrefs += [known["href"] or ""] if tag == "a" and "href" in known else []
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag, tag


@pytest.fixture(scope="module")
async def pages(site: Served, services: dict[str, Service]) -> dict[str, Links]:
    """Every page of the reference, by its path."""
    async with httpx.AsyncClient(base_url=site.url, timeout=60) as client:
        found: dict[str, Links] = {}
        for path in ["/docs", *(f"/docs/{tag['name']}" for tag in api_document(services)["tags"])]:
            answer = await client.get(path)
            assert answer.status_code == 200, path
            assert "default-src 'none'" in answer.headers["content-security-policy"]
            assert not re.search(r"<script(?![^>]*src=)|<style|\sstyle=|\son\w+=", answer.text), path
            found[path] = Links(answer.text)
        return found


def test_every_operation_is_there_once(pages: dict[str, Links], services: dict[str, Service]) -> None:
    for item in api_document(services)["paths"].values():
        for operation in item.values():
            page = pages[f"/docs/{operation['tags'][0]}"]
            assert page.ids.count(operation["operationId"]) == 1


def test_every_link_leads_somewhere(pages: dict[str, Links]) -> None:
    for path, page in pages.items():
        assert len(page.ids) == len(set(page.ids)), path
        for href in page.hrefs:
            target, _, anchor = href.partition("#")
            target = target or path
            if not target.startswith("/docs"):
                assert target in ("/openapi.json", "/openapi.json?service=crm", "/asyncapi.json", "/problems") or target.startswith(
                    "/problems/"
                ), href
                continue
            assert target in pages, f"{path}: {href}"
            assert not anchor or anchor in pages[target].ids, f"{path}: {href}"


async def test_its_first_calls_go_to_this_installation(site: Served) -> None:
    async with httpx.AsyncClient(base_url=site.url) as client:
        text = (await client.get("/docs")).text

    assert f"export NEXUS={site.url} KEY=" in text


async def test_it_reads_without_a_script(site: Served) -> None:
    async with httpx.AsyncClient(base_url=site.url, timeout=60) as client:
        text = (await client.get("/docs/crm.lead")).text
        assert "Turn a qualified lead into a contact, an account and a deal" in text
        assert "Moved by commands alone." in text
        assert 'href="/problems/illegal-move"' in text
        assert "curl -X POST &quot;$NEXUS/api/v1/crm/leads/" in text
        tag = (await client.get("/docs/crm.lead")).headers["etag"]
        assert (await client.get("/docs/crm.lead", headers={"if-none-match": tag})).status_code == 304
        assert (await client.get("/docs/nothing")).status_code == 404
        index: list[dict[str, Any]] = (await client.get("/docs/index.json")).json()
        assert {"method": "POST", "path": "/api/v1/activate", "href": "/docs/activation#activation.activate"}.items() <= index[0].items()


@pytest.mark.parametrize("width", [1280, 390])
async def test_it_is_searched_and_tried_in_a_browser(browser: Browser, site: Served, width: int) -> None:
    async with httpx.AsyncClient(base_url=site.url, timeout=60) as client:
        made = await client.post("/", data=FORM | {"operator_key": site.operator, "name": f"Reference Bakery {width}"})
    found = re.search(r'value="(nx_[^"]+)"', made.text)
    assert found is not None
    context = await browser.new_context(viewport={"width": width, "height": 844})
    page = await context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    await page.goto(f"{site.url}/docs")
    await page.keyboard.press("/")
    await expect(page.locator("#search")).to_be_focused()
    await page.keyboard.type("list leads")
    await page.locator("#found a", has_text="/api/v1/crm/leads").first.click()
    await expect(page.get_by_role("heading", name="Lead", exact=True)).to_be_visible()
    operation = page.locator("section[id='crm.lead.list']")
    await operation.get_by_text("Try it").click()
    await operation.get_by_role("button", name="Send").click()
    await expect(operation.locator("output")).to_contain_text("A key is needed")
    await page.get_by_label("Key for trying out").fill(found[1])
    await operation.get_by_label("query").fill("limit=1")
    await operation.get_by_role("button", name="Send").click()
    await expect(operation.locator("output")).to_contain_text("200 in")
    create = page.locator("section[id='crm.lead.create']")
    await create.get_by_text("Try it").click()
    await create.get_by_role("button", name="Send").click()
    await expect(create.locator("output")).to_contain_text("201 in")
    assert await page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert await page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])") == '[{},{},""]'
    assert found[1] not in page.url
    await context.close()
    assert said == []
