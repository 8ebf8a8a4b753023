"""A country and a language are ones that there are, whichever way they come in."""

from __future__ import annotations

import pytest

from nexus.runtime.testing import Harness

PEOPLE = [("leads", {"name": "Ada"}), ("contacts", {"name": "Ada"}), ("accounts", {"name": "Ada"})]


@pytest.mark.parametrize(("path", "body"), PEOPLE, ids=["lead", "contact", "account"])
@pytest.mark.parametrize("code", ["ZZ", "EU", "ng", "N"])
async def test_a_country_that_there_is_not_is_refused(crm: Harness, path: str, body: dict[str, str], code: str) -> None:
    made = await crm.api("POST", f"/api/v1/crm/{path}", {**body, "country": code})
    many = await crm.api("POST", f"/api/v1/crm/{path}/bulk", {"items": [{**body, "country": code}], "mode": "all"})

    assert (made.status, [one["field"] for one in made.json()["errors"]]) == (422, ["country"])
    assert many.status == 422
    assert (await crm.api("GET", f"/api/v1/crm/{path}")).json()["items"] == []


@pytest.mark.parametrize("code", ["NG", "XK", None])
async def test_a_country_that_there_is_is_taken(crm: Harness, code: str | None) -> None:
    made = await crm.api("POST", "/api/v1/crm/contacts", {"name": "Ada", "country": code})
    assert (made.status, made.json()["country"]) == (201, code)
    changed = await crm.api("PATCH", f"/api/v1/crm/contacts/{made.json()['id']}", {"country": "ZZ"}, if_match="*")
    assert (changed.status, changed.json()["errors"][0]["field"]) == (422, "country")


@pytest.mark.parametrize(
    ("language", "status"), [("en", 201), ("en-NG", 201), ("zh-Hant-TW", 201), ("es-419", 201), ("!!!", 422), ("English", 422)]
)
async def test_a_language_has_the_form_of_one(crm: Harness, language: str, status: int) -> None:
    for path in ("leads", "contacts"):
        assert (await crm.api("POST", f"/api/v1/crm/{path}", {"name": "Ada", "language": language})).status == status
