"""The start page in a real browser: the steps happen before one's eyes, and the key that is copied works."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
from playwright.async_api import Browser, Page, expect

from tests.pages.conftest import Served

WIDTHS = {"desktop": (1280, 860), "phone": (390, 844)}
STEPS = ["validate", "preset", "allocate", "roles", "events", "seed", "copilots", "dns", "verify", "active"]


@pytest.fixture(params=WIDTHS)
async def page(request: pytest.FixtureRequest, browser: Browser, site: Served) -> AsyncIterator[Page]:
    """The start page, at the width of a desk and of a phone; what it says in the console fails the test."""
    width, height = WIDTHS[request.param]
    context = await browser.new_context(viewport={"width": width, "height": height}, permissions=["clipboard-read", "clipboard-write"])
    opened = await context.new_page()
    said: list[str] = []
    opened.on("console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None)
    opened.on("pageerror", lambda error: said.append(str(error)))
    await opened.goto(site.url)
    yield opened
    await context.close()
    assert [line for line in said if "the server responded with a status of 4" not in line] == []


async def fill(page: Page, site: Served, name: str) -> None:
    await page.get_by_label("Business name").fill(name)
    await page.get_by_label("Industry").select_option("restaurant")
    await page.get_by_label("Country").select_option("NG")
    await page.get_by_label("Name", exact=True).fill("Ade")
    await page.get_by_label("E-mail").fill("ade@example.com")
    await page.get_by_label("Operator key").fill(site.operator)


async def no_wider_than_the_screen(page: Page) -> None:
    assert await page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


async def test_a_business_is_activated_and_its_key_works(page: Page, site: Served) -> None:
    width = page.viewport_size["width"] if page.viewport_size else 0
    await no_wider_than_the_screen(page)
    await fill(page, site, f"Browser Bakery {width}")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await page.locator("#submit").click()

    await expect(page.get_by_role("heading", name=f"Browser Bakery {width} is running")).to_be_visible()
    states = await page.locator("#steps li").evaluate_all("items => items.map((item) => [item.dataset.name, item.dataset.state])")
    assert states == [[step, "done"] for step in STEPS]
    times = await page.locator("#steps li .time").all_text_contents()
    assert all(time.endswith(("ms", " s")) for time in times), times
    assert "created a lead" in await page.locator("#proof li").all_text_contents()
    await no_wider_than_the_screen(page)

    await page.locator("[data-copy='key']").click()
    await expect(page.locator("[data-copy='key']")).to_have_text("Copied")
    key = await page.evaluate("navigator.clipboard.readText()")
    assert key == await page.locator("#key").input_value() and key.startswith("nx_")
    async with httpx.AsyncClient(base_url=site.url, headers={"authorization": f"Bearer {key}"}) as owner:
        assert (await owner.post("/api/v1/crm/leads", json={"name": "Ada Obi"})).status_code == 201
        assert (await owner.get("/api/v1/crm/leads")).json()["items"][0]["name"] == "Ada Obi"
    curl = await page.locator("#curl").text_content()
    assert curl is not None and key in curl and f"{site.url}/api/v1/crm/leads" in curl

    assert site.operator not in " ".join(asked)
    assert await page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])") == '[{},{},""]'
    assert site.operator not in await page.content()
    assert await page.locator("#operator_key").input_value() == ""


async def test_what_is_missing_and_what_is_wrong_is_said_beside_the_field(page: Page, site: Served) -> None:
    await page.locator("#submit").click()
    await expect(page.locator("#error-name")).to_have_text("Give the business a name.")
    await expect(page.get_by_label("Business name")).to_be_focused()
    await expect(page.get_by_label("Business name")).to_have_attribute("aria-invalid", "true")

    await fill(page, site, "Wrong Bakery")
    await page.get_by_label("Operator key").fill("nxop_wrong")
    await page.locator("#submit").click()
    await expect(page.locator("#error-operator_key")).to_have_text("This is not the operator's key of this installation.")
    await expect(page.locator("#error-name")).to_have_text("")

    await page.get_by_label("Operator key").fill(site.operator)
    await page.get_by_text("More, all optional").click()
    await page.get_by_label("Name in addresses").fill("No Slug!")
    await page.locator("#submit").click()
    await expect(page.locator("#error-slug")).to_contain_text("slug")
    await expect(page.get_by_label("Name in addresses")).to_be_focused()
    await no_wider_than_the_screen(page)


async def test_a_sentence_fills_the_form_in(page: Page) -> None:
    await page.get_by_label("Describe it in a sentence").fill("A bakery called Ade in Lagos with 12 people that delivers")
    await page.get_by_role("button", name="Fill in from the sentence").click()
    await expect(page.locator("#told-list")).to_contain_text("industry: Restaurant (“bakery”)")
    await expect(page.get_by_label("Business name")).to_have_value("Ade")
    await expect(page.get_by_label("Industry")).to_have_value("restaurant")
    await expect(page.get_by_label("Country")).to_have_value("NG")


async def test_the_enter_key_activates_and_never_only_fills_in(page: Page) -> None:
    await page.get_by_label("Business name").fill("Enter Bakery")
    await page.get_by_label("Business name").press("Enter")
    await expect(page.locator("#error-country")).to_have_text("Choose where it is.")


async def test_a_failed_activation_says_where_and_lets_one_try_again(page: Page, site: Served) -> None:
    await fill(page, site, "Failing Bakery")
    end = (
        'event: progress\ndata: {"id": "x", "state": "running", "steps": [{"name": "seed", "state": "running", "ms": null}]}\n\n'
        'event: end\ndata: {"id": "x", "state": "rolled_back", "failed_step": "seed", "reason": "no room", '
        '"steps": [{"name": "seed", "state": "failed", "ms": 3}]}\n\n'
    )
    await page.route("**/api/v1/activate", lambda route: route.fulfill(status=200, content_type="text/event-stream", body=end))
    await page.locator("#submit").click()
    await expect(page.get_by_role("alert")).to_have_text("It failed at “Plant what it starts with” and was undone: no room")
    await expect(page.get_by_label("Business name")).to_have_value("Failing Bakery")
    await expect(page.locator("#submit")).to_be_enabled()
