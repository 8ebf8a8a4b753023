"""What callers are told of a value that does not fit says what would."""

from __future__ import annotations

from typing import Any

import pytest

from nexus.runtime.testing import Harness


@pytest.mark.parametrize(
    ("path", "body", "field", "message"),
    [
        ("crm/contacts", {"name": "Ada", "email": "ada"}, "email", "is not an e-mail address, such as ada@example.com"),
        ("crm/contacts", {"name": ""}, "name", "must not be empty"),
        ("crm/contacts", {"name": "   "}, "name", "must not be empty"),
        ("crm/leads", {"name": "\u00a0\t"}, "name", "must not be empty"),
        ("crm/activities", {"subject": "x", "attendees": [{"email": "ada@example.com", "name": " "}]}, "attendees[0].name", "must not be empty"),
        ("crm/contacts", {"name": "x" * 201}, "name", "is at most 200 characters long"),
        ("crm/contacts", {"name": "Ada", "country": "Nigeria"}, "country", "is at most 2 characters long"),
        ("crm/contacts", {"name": "Ada", "country": "ng"}, "country", "is not of the form NG"),
        ("crm/leads", {"name": "Ada", "website": "ada.example"}, "website", "is not of the form https://example.com"),
        ("crm/leads", {"name": "Ada", "priority": "soon"}, "priority", "'soon' is none of urgent, high, normal, low"),
        ("crm/deals", {"name": "A", "currency": "Naira"}, "currency", "is not an ISO 4217 code, such as NGN"),
        (
            "crm/activities",
            {"subject": "x", "attendees": [{"email": "Ada@Example.com"}]},
            "attendees[0].email",
            "is not an e-mail address in lower case, such as ada@example.com",
        ),
        ("crm/contacts", {"name": "Ada", "phone": "12"}, "phone", None),
    ],
)
async def test_a_refusal_says_what_would_fit(tenant: Harness, path: str, body: Any, field: str, message: str | None) -> None:
    refused = await tenant.api("POST", f"/api/v1/{path}", body)

    assert refused.status == 422
    (error,) = refused.json()["errors"]
    assert error["field"] == field
    assert "regex" not in error["message"]
    if message is not None:
        assert error["message"] == message


async def test_a_parameter_of_a_report_says_it_too(tenant: Harness) -> None:
    refused = await tenant.api("GET", "/api/v1/crm/reports/win-loss?by=mood")

    assert refused.json()["errors"] == [{"field": "by", "message": "'mood' is none of competitor, owner, reason, source"}]


async def test_spaces_alone_say_nothing_wherever_text_is_taken(tenant: Harness) -> None:
    made = (await tenant.api("POST", "/api/v1/crm/contacts", {"name": " Ada  Obi "})).json()
    assert made["name"] == " Ada  Obi "
    place = f"/api/v1/crm/contacts/{made['id']}"
    patched = await tenant.api("PATCH", place, {"name": "  "}, if_match="*")
    many = await tenant.api("POST", "/api/v1/crm/contacts/bulk", {"items": [{"name": "Bob"}, {"name": " "}]})
    changed = await tenant.api("PATCH", "/api/v1/crm/contacts/bulk", {"items": [{"id": made["id"], "version": 1, "name": " "}]})
    taken = await tenant.api("POST", "/api/v1/crm/contacts/import", b"name,city\n  ,Lagos\n", content_type="text/csv")
    command = await tenant.api("POST", "/api/v1/auth/teams", {"name": " ", "key": "a"})

    assert [one.json()["errors"] for one in (patched, many, changed, command)] == [
        [{"field": field, "message": "must not be empty"}] for field in ("name", "items[1].name", "items[0].name", "name")
    ]
    assert (taken.json()["created"], taken.json()["failed"]) == (0, 1)
    assert (await tenant.api("GET", place)).json() == made
