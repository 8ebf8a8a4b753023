"""What callers are told of a value that does not fit says what would."""

from __future__ import annotations

from typing import Any

import pytest

from nexus.runtime.testing import Harness

ID = "0197a3c2-5d1e-7c3a-9b0f-2f6d8e4a1c77"
STATUS = "new, contacted, nurturing, qualified, converted, disqualified, recycled"
MOMENT = "is not a moment with its offset, such as 2026-03-31T09:30:00Z"


@pytest.mark.parametrize(
    ("path", "body", "field", "message"),
    [
        ("crm/contacts", {"name": "Ada", "email": "ada"}, "email", "is not an e-mail address, such as ada@example.com"),
        ("crm/contacts", {"name": ""}, "name", "must not be empty"),
        ("crm/contacts", {"name": "   "}, "name", "must not be empty"),
        ("crm/leads", {"name": "\u00a0\t"}, "name", "must not be empty"),
        (
            "crm/activities",
            {"subject": "x", "attendees": [{"email": "ada@example.com", "name": " "}]},
            "attendees[0].name",
            "must not be empty",
        ),
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
        ("crm/contacts", {"name": 7}, "name", "is text, not a whole number"),
        ("crm/contacts", {"name": "Ada", "title": ["x"]}, "title", "is text or null, not a list"),
        ("crm/contacts", {"name": "Ada", "account_id": "x"}, "account_id", f"is not an id, such as {ID}"),
        ("crm/deals", {"name": "A", "expected_close": "31.3.2026"}, "expected_close", "is not a day, such as 2026-03-31"),
        ("crm/deals", {"name": "A", "amount": "much"}, "amount", "is not a number, such as 1250.00"),
        ("crm/deals", {"name": "A", "probability": 101}, "probability", "is at most 100"),
        ("crm/activities", {"subject": "x", "due_at": "2026-03-31"}, "due_at", MOMENT),
        ("crm/activities", {"subject": "x", "due_at": "2026-03-31T09:30:00"}, "due_at", MOMENT),
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


@pytest.mark.parametrize(
    ("query", "field", "message"),
    [
        ("status=hot", "status", f"'hot' is none of {STATUS}"),
        ("status[in]=new,hot", "status[in]", f"'hot' is none of {STATUS}"),
        ("owner_id=me", "owner_id", f"is not an id, such as {ID}"),
        ("created_at[gte]=yesterday", "created_at[gte]", MOMENT),
        ("owner_id[null]=perhaps", "owner_id[null]", "is true or false, not text"),
        ("score[gt]=much", "score[gt]", "is a whole number, not text"),
    ],
)
async def test_a_filter_says_what_would_fit(tenant: Harness, query: str, field: str, message: str) -> None:
    refused = await tenant.api("GET", f"/api/v1/crm/leads?{query}")

    assert (refused.status, refused.json()["errors"]) == (422, [{"field": field, "message": message}])


@pytest.mark.parametrize(
    ("path", "field", "message"),
    [
        (
            "crm/leads",
            "status",
            "is set by commands (contact, nurture, qualify, convert, unconvert, disqualify, recycle), and cannot be given here",
        ),
        ("crm/leads", "score", "is set by commands, and cannot be given here"),
        ("crm/leads", "created_at", "is set by the platform, and cannot be given here"),
        ("crm/leads", "mood", "there is no such field"),
    ],
)
async def test_a_field_that_is_shown_and_cannot_be_given_says_who_sets_it(tenant: Harness, path: str, field: str, message: str) -> None:
    made = await tenant.api("POST", f"/api/v1/{path}", {"name": "A", field: "x"})
    patched = await tenant.api("PATCH", f"/api/v1/{path}/{ID}", {field: "x"}, if_match="*")
    many = await tenant.api("PATCH", f"/api/v1/{path}/bulk", {"items": [{"id": ID, "version": 1, field: "x"}]})

    said = {"field": field, "message": message}
    assert [one.json()["errors"] for one in (made, patched, many)] == [[said], [said], [said | {"field": f"items[0].{field}"}]]


async def test_what_a_command_makes_says_in_a_patch_who_sets_its_state(tenant: Harness) -> None:
    refused = await tenant.api("PATCH", f"/api/v1/crm/deals/{ID}", {"status": "won"}, if_match="*")

    message = "is set by commands (move_stage, set_lines, win, lose, reopen), and cannot be given here"
    assert refused.json()["errors"] == [{"field": "status", "message": message}]


async def test_what_is_given_once_says_so_in_a_patch(tenant: Harness) -> None:
    refused = await tenant.api("PATCH", f"/api/v1/crm/leads/{ID}", {"owner_id": ID}, if_match="*")

    assert refused.json()["errors"] == [{"field": "owner_id", "message": "is given when the record is made, and cannot be changed here"}]


async def test_a_change_of_nothing_is_refused_and_makes_no_version(tenant: Harness) -> None:
    made = (await tenant.api("POST", "/api/v1/crm/contacts", {"name": "Ada"})).json()
    place = f"/api/v1/crm/contacts/{made['id']}"
    patched = await tenant.api("PATCH", place, {}, if_match="*")
    many = await tenant.api("PATCH", "/api/v1/crm/contacts/bulk", {"items": [{"id": made["id"], "version": 1}]})

    message = "nothing is given to change; give at least one field"
    assert (patched.status, patched.json()["errors"]) == (422, [{"field": "", "message": message}])
    assert (many.status, many.json()["errors"]) == (422, [{"field": "items[0]", "message": message}])
    assert (await tenant.api("GET", place)).json() == made


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("GET", "crm/leads?limit=5&limit=6", "limit"),
        ("GET", "crm/leads?sort=name&sort=-id", "sort"),
        ("GET", f"crm/leads/{ID}?fields=name&fields=email", "fields"),
        ("GET", "crm/leads/export?format=csv&format=ndjson", "format"),
        ("POST", f"crm/leads/{ID}/qualify?dry_run=true&dry_run=false", "dry_run"),
        ("POST", "crm/leads/import?tag=false&tag=true", "tag"),
        ("GET", "crm/reports/win-loss?by=owner&by=source", "by"),
    ],
)
async def test_a_parameter_that_is_given_twice_is_refused(tenant: Harness, method: str, path: str, name: str) -> None:
    refused = await tenant.api(method, f"/api/v1/{path}", content_type="application/x-ndjson")

    assert (refused.status, refused.json()["detail"]) == (400, f"The parameter {name} is given twice.")


async def test_conditions_may_be_given_twice_and_then_both_hold(tenant: Harness) -> None:
    for name in ("Ada", "Adaora", "Bola"):
        await tenant.api("POST", "/api/v1/crm/leads", {"name": name})
    found = await tenant.api("GET", "/api/v1/crm/leads?name[contains]=a&name[contains]=ora")

    assert [one["name"] for one in found.json()["items"]] == ["Adaora"]


async def test_a_map_may_be_given_column_by_column(tenant: Harness) -> None:
    file = b"Full name,Town,Remark\nAda,Lagos,x\n"
    place = "/api/v1/crm/contacts/import?map=Full%20name:name&map=Town:city&map=Remark:"
    done = await tenant.api("POST", place, file, content_type="text/csv")
    (one,) = (await tenant.api("GET", "/api/v1/crm/contacts")).json()["items"]

    assert (done.json()["created"], one["name"], one["city"]) == (1, "Ada", "Lagos")
