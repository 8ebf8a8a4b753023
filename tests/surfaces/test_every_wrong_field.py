"""A request in which several fields are wrong is told of all of them at once, on every way in, and changes nothing."""

from __future__ import annotations

from typing import Any

import pytest

from nexus.runtime.testing import Harness
from nexus.services.crm.entities import Contact, Lead


def named(answer: Any) -> list[tuple[str, str]]:
    assert answer.status == 422, answer.body
    return [(one["field"], one["message"]) for one in answer.json()["errors"]]


async def test_a_create_names_them_all(tenant: Harness) -> None:
    answer = await tenant.api("POST", "/api/v1/crm/contacts", {"nme": "A", "title": 5, "custom": "x", "version": 3})

    fields = [field for field, _ in named(answer)]
    assert fields == ["nme", "title", "custom", "version", "name"]
    assert dict(named(answer))["name"] == "is required"
    assert "(and 4 more)" in answer.json()["detail"]
    assert await tenant.count(Contact) == 0


async def test_what_only_the_second_look_finds_is_told_together(tenant: Harness) -> None:
    answer = await tenant.api("POST", "/api/v1/crm/contacts", {"name": "A", "phone": "12", "website": "x y", "email": "nobody"})
    assert {"phone", "email"} & {field for field, _ in named(answer)}
    assert await tenant.count(Contact) == 0


async def test_a_change_and_a_command_as_well(tenant: Harness) -> None:
    contact = await tenant.given(Contact(name="A"))
    lead = await tenant.given(Lead(name="L"))
    path = f"/api/v1/crm/contacts/{contact.id}"

    assert [field for field, _ in named(await tenant.api("PATCH", path, {"name": None, "titel": "x", "tags": 4}, if_match="*"))] == [
        "name", "titel", "tags",
    ]  # fmt: skip
    refused = await tenant.api("POST", f"/api/v1/crm/leads/{lead.id}/convert", {"deal_name": 5, "amount": "much", "x": 1})
    assert {field for field, _ in named(refused)} >= {"deal_name", "amount", "x"}
    assert (await tenant.get(Contact, contact.id)).version == 1


@pytest.mark.parametrize("body", [b"[]", b"5", b'"x"', b"null"])
async def test_what_is_no_object_is_one_fault(tenant: Harness, body: bytes) -> None:
    assert len(named(await tenant.api("POST", "/api/v1/crm/contacts", body))) == 1


async def test_a_member_twice_is_read_as_the_last(tenant: Harness) -> None:
    answer = await tenant.api("POST", "/api/v1/crm/contacts", b'{"name":5,"name":"A","title":7}')
    assert [field for field, _ in named(answer)] == ["title"]
    assert await tenant.count(Contact) == 0
