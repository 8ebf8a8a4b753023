"""The start page without a script: a form, its errors beside the fields, and a page that says where to go."""

from __future__ import annotations

import re
from html import escape, unescape
from urllib.parse import urlencode

import httpx
import pytest

from nexus import countries
from nexus.activation.presets import catalogue
from nexus.services.finance.charts import plain_names
from tests.pages.conftest import Served

FORM = {
    "do": "activate",
    "name": "Plain Bakery",
    "industry": "restaurant",
    "country": "NG",
    "owner.name": "Ade",
    "owner.email": "ade@example.com",
}
POLICY = "default-src 'none'"


async def post(site: Served, fields: dict[str, str], **headers: str) -> httpx.Response:
    async with httpx.AsyncClient(base_url=site.url, timeout=60) as client:
        sent = {"content-type": "application/x-www-form-urlencoded", "accept": "text/html", **headers}
        return await client.post("/", content=urlencode(fields), headers=sent)


async def get(site: Served, path: str, **headers: str) -> httpx.Response:
    async with httpx.AsyncClient(base_url=site.url, timeout=60) as client:
        return await client.get(path, headers=headers)


def error(page: httpx.Response, field: str) -> str:
    found = re.search(rf'id="error-{re.escape(field)}">([^<]*)<', page.text)
    assert found is not None
    return unescape(found[1])


async def test_the_form_offers_every_industry_country_and_chart(site: Served) -> None:
    page = await get(site, "/")
    assert page.status_code == 200
    for code, name in plain_names().items():
        assert f'<option value="{code}">{escape(name)}</option>' in page.text
    for key in catalogue.industries():
        assert f'<option value="{key}">' in page.text
    for code in countries.codes():
        assert f'<option value="{code}">' in page.text


async def test_pages_are_strict_and_hold_nothing_inline_or_from_elsewhere(site: Served) -> None:
    for path in ("/", "/problems", "/problems/invalid"):
        page = await get(site, path, accept="text/html")
        assert page.headers["content-security-policy"].startswith(POLICY), path
        assert page.headers["x-content-type-options"] == "nosniff"
        assert not re.search(r"<script(?![^>]*src=)|<style|\sstyle=|\son\w+=", page.text), path
        assert not re.search(r'(?:src|href)="(?!/|#|http://127\.0\.0\.1)', page.text), path
    assert "no-store" in (await get(site, "/")).headers["cache-control"]


async def test_files_are_served_by_name_and_nothing_else_is(site: Served) -> None:
    style = await get(site, "/assets/page.css")
    assert (style.status_code, style.headers["content-type"]) == (200, "text/css; charset=utf-8")
    same = await get(site, "/assets/page.css", **{"if-none-match": style.headers["etag"]})
    assert same.status_code == 304
    for path in ("/assets/nothing.css", "/assets/../answers.py", "/assets/%2e%2e/answers.py", "/assets/"):
        assert (await get(site, path)).status_code == 404, path


async def test_a_form_without_a_script_activates(site: Served) -> None:
    done = await post(site, FORM | {"operator_key": site.operator})
    assert done.status_code == 201
    assert "no-store" in done.headers["cache-control"]
    assert "Plain Bakery" in done.text and "is running" in done.text
    assert site.operator not in done.text
    key = re.search(r'id="key" readonly spellcheck="false" value="(nx_[^"]+)"', done.text)
    assert key is not None
    leads = await get(site, "/api/v1/crm/leads", authorization=f"Bearer {key[1]}")
    assert leads.status_code == 200


async def test_a_chart_that_is_not_the_usual_one_is_planted(site: Served) -> None:
    done = await post(site, FORM | {"operator_key": site.operator, "country": "DE", "slug": "skr-vier", "chart": "de_skr04"})
    assert done.status_code == 201
    key = re.search(r'id="key" readonly spellcheck="false" value="(nx_[^"]+)"', done.text)
    assert key is not None
    accounts = await get(site, "/api/v1/finance/accounts?code=4400", authorization=f"Bearer {key[1]}")
    assert [one["root_type"] for one in accounts.json()["items"]] == ["income"]  # the usual one, SKR03, has something else under it

    foreign = await post(site, FORM | {"operator_key": site.operator, "country": "NG", "slug": "skr-ng", "chart": "de_skr04"})
    assert (foreign.status_code, bool(error(foreign, "chart"))) == (422, True)


async def test_refusals_stand_beside_their_fields_and_the_key_is_never_sent_back(site: Served) -> None:
    wrong = {"name": "", "country": "", "owner.email": "nowhere", "operator_key": site.operator, "slug": "No Slug!"}
    page = await post(site, FORM | wrong)
    assert page.status_code == 422
    assert error(page, "country").startswith("Is required: use ISO 3166-1 alpha-2")
    assert error(page, "owner.email").startswith("'nowhere' is no e-mail address")
    assert error(page, "name") and error(page, "slug")
    assert 'value="nowhere"' in page.text and "<details open>" in page.text
    assert site.operator not in page.text


async def test_without_the_operators_key_nothing_happens(site: Served) -> None:
    for key in ("", "nxop_wrong"):
        page = await post(site, FORM | {"operator_key": key, "name": "Keyless"})
        assert page.status_code == 401
        assert error(page, "operator_key") == "This is not the operator's key of this installation."
        assert 'value="Keyless"' in page.text
    listed = await get(site, "/api/v1/tenants?after=keyless", authorization=f"Bearer {site.operator}")
    assert all(one["slug"] != "keyless" for one in listed.json()["items"])


async def test_a_name_that_is_taken_comes_back_with_another(site: Served) -> None:
    fields = FORM | {"operator_key": site.operator, "name": "Twice Bakery"}
    assert (await post(site, fields)).status_code == 201
    again = await post(site, fields)
    assert again.status_code == 409
    assert error(again, "slug") == "The slug twice-bakery is taken; twice-bakery-2 may be free."
    assert 'value="twice-bakery-2"' in again.text


async def test_a_sentence_fills_the_form_in(site: Served) -> None:
    sentence = "A bakery called Ade <b> in Lagos with 12 people"
    page = await post(site, {"do": "suggest", "describe": sentence})
    assert page.status_code == 200
    assert '<option value="restaurant" selected>' in page.text and '<option value="NG" selected>' in page.text
    assert '<option value="10-49" selected>' in page.text
    assert "<b> in Lagos" not in page.text and "&lt;b&gt; in Lagos" in page.text
    told = await post(site, {"do": "suggest", "describe": sentence}, accept="application/json")
    assert (told.json()["industry"], told.json()["country"]) == ("restaurant", "NG")
    nothing = await post(site, {"do": "suggest", "describe": "hello"})
    assert "Nothing in it says what the business does or where." in nothing.text


@pytest.mark.parametrize("body", [b"\xff\xfe", b"a=%ff", b"&" * 60 + b"=", b"name=" + b"x" * 2000, b"name=" + b"x" * 70_000])
async def test_what_is_no_form_is_refused(site: Served, body: bytes) -> None:
    async with httpx.AsyncClient(base_url=site.url) as client:
        answer = await client.post("/", content=body, headers={"content-type": "application/x-www-form-urlencoded"})
        assert answer.status_code in (400, 401, 413, 422)
        json = await client.post("/", json={"name": "x"})
        assert (json.status_code, json.json()["type"]) == (400, "/problems/malformed")
        assert (await client.put("/")).status_code == 405
