"""Text search: parts of addresses and of further ones are found, and what is hidden cannot be found out."""

from __future__ import annotations

import pytest

from nexus.runtime.testing import Harness
from nexus.services.crm.entities import Contact
from nexus.services.crm.terms import FurtherEmail


async def found(crm: Harness, text: str) -> list[str]:
    answered = await crm.api("GET", f"/api/v1/crm/contacts?q={text}&sort=name&count=exact")
    assert answered.status == 200
    assert answered.json()["count"] == len(answered.json()["items"])
    return [item["name"] for item in answered.json()["items"]]


@pytest.fixture
async def crm(tenant: Harness) -> Harness:
    ada = Contact(
        name="Ada Obi", email="ada.obi@lagosfoods.example", more_emails=[FurtherEmail(address="ao-1@other.example", label="work")]
    )
    await tenant.given(ada, Contact(name="Bisi Ade-Ojo", email="bisi@elsewhere.example"))
    return tenant


@pytest.mark.parametrize(
    "text", ["ada.obi@lagosfoods.example", "lagosfoods", "lagosfoods.example", "ada.obi", "obi", "ao-1@other.example", "other.exam", "ADA"]
)
async def test_finds_addresses_whole_and_in_parts(crm: Harness, text: str) -> None:
    assert await found(crm, text) == ["Ada Obi"]


async def test_finds_names_with_a_hyphen_in_every_way_they_are_written(crm: Harness) -> None:
    for text in ("ade-ojo", "ade+ojo", "ojo", "Ade%20Oj"):
        assert await found(crm, text) == ["Bisi Ade-Ojo"]


async def test_the_names_of_json_members_are_no_words(crm: Harness) -> None:
    assert [await found(crm, text) for text in ("address", "label", "verified")] == [[], [], []]


async def test_does_not_tell_what_is_hidden_from_the_caller(crm: Harness) -> None:
    viewer = crm.as_("crm.viewer")

    assert await found(viewer, "ada") == ["Ada Obi"]
    assert [await found(viewer, text) for text in ("lagosfoods", "other", "ada.obi@lagosfoods.example", "elsewhere")] == [[], [], [], []]
    assert await found(crm.as_("crm.viewer", "crm.admin"), "lagosfoods") == ["Ada Obi"]
