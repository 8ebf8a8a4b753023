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
