"""Refusals in their exact words: what a client that got something wrong is told."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from nexus.runtime.testing import Harness
from nexus.services.auth.entities import Team
from nexus.services.crm.entities import Account, Contact

TEAMS = "/api/v1/auth/teams"
SORTABLE = "id, name, key, created_at, created_by, updated_at, updated_by, version, archived_at"
ACCOUNTS = "/api/v1/crm/accounts"
DEEP = b'{"name":"A","key":"a","custom":{"a":' + b"[" * 5_000 + b"]" * 5_000 + b"}}"


@pytest.mark.parametrize(
    ("body", "status", "detail"),
    [
        (b"", 400, "The body is empty: it takes JSON, such as {}"),
        (b"\xff", 400, "The body is not valid JSON in UTF-8: JSON is malformed: invalid character (byte 0)"),
        (b'{"name":"\xff"}', 400, None),
        (b'{"name":"\\ud800","key":"a"}', 400, None),
        (b'{"name":"A"}', 422, "key: is required"),
        (b'{"name":"A","key":"A b"}', 422, None),
        (b'{"name":"A","key":"a","kye":1}', 422, "kye: there is no such field"),
        (b'{"name":"A","key":"a","version":1}', 422, "version: is set by the platform, and cannot be given here"),
        (b'{"name":["A"],"key":"a"}', 422, "name: is text, not a list"),
        (b'{"name":null,"key":"a"}', 422, "name: is text, not null"),
        (b'{"name":"","key":"a"}', 422, "name: must not be empty"),
        (b'{"name":"A","key":"a","tags":["x",7]}', 422, "tags[1]: is text, not a whole number"),
        (b'{"name":"A\\u0000","key":"a"}', 422, "name: text cannot hold the character U+0000; leave it out"),
        (b'{"name":"A","key":"a","custom":{"x":{"y\\u0000":1}}}', 422, "custom.x: text cannot hold the character U+0000; leave it out"),
        (b'{"name":"A","key":"a"} {}', 400, None),
        (b"[1]", 422, "is an object, not a list"),
        (DEEP, 400, None),
    ],
)
async def test_a_body_that_does_not_fit(tenant: Harness, body: bytes, status: int, detail: str | None) -> None:
    refused = await tenant.api("POST", TEAMS, body)
    assert refused.status == status, refused.body
    assert refused.json()["type"] == ("/problems/malformed" if status == 400 else "/problems/invalid")
    if detail is not None:
        assert refused.json()["detail"] == detail
    assert await tenant.count(Team) == 0


async def test_of_two_members_with_one_name_the_last_one_counts(tenant: Harness) -> None:
    made = await tenant.api("POST", TEAMS, b'{"name":"A","key":"a","name":"B"}')
    assert (made.status, made.json()["name"]) == (201, "B")


async def test_a_body_past_the_limit_is_refused_without_reading_it(tenant: Harness) -> None:
    for body, named in ((b" " * ((32 << 20) + 1), {}), (b"{}", {"content_length": str(1 << 40)})):
        refused = await tenant.api("POST", TEAMS, body, **named)
        assert (refused.status, refused.json()["detail"]) == (413, "The body is larger than the limit of 33,554,432 bytes.")


async def test_a_body_of_a_get_is_not_looked_at(tenant: Harness) -> None:
    assert (await tenant.api("GET", TEAMS, b"\xff" * 100)).status == 200


@pytest.mark.parametrize("tag", ["", "x", '"x"', '"1", "2"', '"-1"', "9" * 10, "é", '"1.5"'])
async def test_an_if_match_that_is_no_etag(tenant: Harness, tag: str) -> None:
    team = await tenant.given(Team(name="A", key="a"))
    refused = await tenant.api("PATCH", f"{TEAMS}/{team.id}", {"name": "B"}, if_match=tag)
    assert (refused.status, refused.json()["detail"]) == (422, 'If-Match: is the ETag of a record, such as "3", or *')
    assert (await tenant.get(Team, team.id)).name == "A"


async def test_etags_are_compared_and_not_needed_to_read(tenant: Harness) -> None:
    team = await tenant.given(Team(name="A", key="a"))
    place = f"{TEAMS}/{team.id}"
    fresh = await tenant.api("GET", place, if_none_match='"1"')
    assert (fresh.status, fresh.body, fresh.headers["etag"]) == (304, b"", '"1"')
    assert (await tenant.api("GET", place, if_none_match='"2"')).status == 200
    missing = await tenant.api("PATCH", place, {"name": "B"})
    assert (missing.status, missing.json()["type"]) == (428, "/problems/precondition-required")
    stale = await tenant.api("PATCH", place, {"name": "B"}, if_match='"7"')
    assert (stale.status, stale.json()["now"], stale.json()["kind"]) == (412, 1, "team")
    assert (await tenant.api("DELETE", place)).status == 428
    assert (await tenant.api("DELETE", place, if_match='"7"')).status == 412
    assert (await tenant.get(Team, team.id)).version == 1


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("limit=501", "limit: is a whole number from 1 to 500"),
        ("count=maybe", "count: is one of none, exact, estimated, not 'maybe'"),
        ("archived=1", "archived: is one of false, true, any, not '1'"),
        ("sort=name,,key", f"sort: '' is not a field that auth.team can be sorted by; there are {SORTABLE}"),
        ("sort=name;DROP TABLE x", f"sort: 'name;DROP TABLE x' is not a field that auth.team can be sorted by; there are {SORTABLE}"),
        ("sort=a,b,c", f"sort: 'a' is not a field that auth.team can be sorted by; there are {SORTABLE}"),
        ("version[gt]=x", "version[gt]: is a whole number, not text"),
        ("tags=x", "tags: can be filtered by contains and null only"),
        ('where={"or":{}}', "where.or: takes a list of conditions"),
        ("name[or]=1", "name[or]: is not an operator; there are eq, ne, gt, gte, lt, lte, in, nin, null, contains, starts"),
    ],
)
async def test_a_query_string_that_does_not_fit(tenant: Harness, query: str, detail: str) -> None:
    refused = await tenant.api("GET", f"{TEAMS}?{query}")
    assert (refused.status, refused.json()["detail"]) == (422, detail)


async def test_absurd_query_strings(tenant: Harness) -> None:
    many = await tenant.api("GET", TEAMS + "?" + "&".join("name=x" for _ in range(101)))
    assert (many.status, many.json()["type"]) == (400, "/problems/malformed")
    fifty = await tenant.api("GET", TEAMS + "?" + "&".join("name=x" for _ in range(51)))
    assert (fifty.status, fifty.json()["detail"]) == (422, "where: has more than 50 conditions")
    assert (await tenant.api("GET", f"{TEAMS}?name[in]={','.join('x' * 10 for _ in range(2_000))}")).json()["items"] == []
    assert (await tenant.api("GET", f"{TEAMS}?q={'a%20' * 500}")).status == 200
    assert (await tenant.api("GET", f"{TEAMS}?name=%ed%a0%80")).status == 400


@pytest.mark.parametrize(
    "path",
    [
        "",
        "x",
        "auth",
        "auth/",
        "auth//teams",
        "auth/teams/",
        "auth/teams//restore",
        "auth/Teams",
        "auth/é",
        "auth/teams/🦊",
        "auth/teams/1/2/3",
    ],
)
async def test_a_path_that_is_not_there(tenant: Harness, path: str) -> None:
    refused = await tenant.api("GET", f"/api/v1/{path}")
    assert refused.status in (404, 405)
    assert refused.headers["content-type"] == "application/problem+json"


async def test_amounts_are_exact_strings_and_numbers_are_read_from_their_text(tenant: Harness) -> None:
    for sent, kept in (
        (b'"5"', "5.00"),
        (b"5", "5.00"),
        (b"0.1", "0.10"),
        (b'"99999999999999999999.99"', "99999999999999999999.99"),
        (b"1e2", "100.00"),
    ):
        made = await tenant.api("POST", ACCOUNTS, b'{"name":"A","currency":"NGN","annual_revenue":%b}' % sent)
        assert (made.status, made.json().get("annual_revenue")) == (201, kept), made.body
        assert (await tenant.api("GET", made.headers["location"])).json()["annual_revenue"] == kept
    yen = await tenant.api("POST", ACCOUNTS, {"name": "A", "currency": "JPY", "annual_revenue": "5"})
    assert yen.json()["annual_revenue"] == "5"
    stored = {one.annual_revenue for one in await tenant.list(Account)}
    assert Decimal("99999999999999999999.99") in stored


async def test_a_reference_to_nowhere_and_one_that_holds(tenant: Harness) -> None:
    refused = await tenant.api("POST", "/api/v1/crm/contacts", {"name": "A", "account_id": str(uuid4())})
    assert (refused.status, refused.json()["detail"]) == (422, "account_id: there is no account with this id")
    assert await tenant.count(Contact) == 0


async def test_custom_numbers_are_what_json_says_they_are(tenant: Harness) -> None:
    custom: dict[str, Any] = {"n": 1.5, "big": 2**53, "list": [1, None, True, {"a": "b"}]}
    made = await tenant.api("POST", TEAMS, {"name": "A", "key": "a", "custom": custom})
    assert made.json()["custom"] == custom
    huge = await tenant.api("POST", TEAMS, b'{"name":"B","key":"b","custom":{"n":1e400}}')
    assert huge.status in (400, 422)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("version=99999999999999999999", "version"),
        ("name=A&version[in]=1,99999999999999999999", "version[in]"),
        ('where={"or":[{"name":"A"},{"annual_revenue":{"gt":"1e999999"}}]}', "annual_revenue[gt]"),
        ("name=%00", "name"),
        ("name[starts]=a%00", "name[starts]"),
        ('where={"tags":{"contains":"\\u0000"}}', "tags[contains]"),
    ],
)
async def test_a_value_that_only_the_database_refuses_is_named(tenant: Harness, query: str, field: str) -> None:
    for path in (ACCOUNTS, f"{ACCOUNTS}/export"):
        refused = await tenant.api("GET", f"{path}?{query}")
        assert (refused.status, [error["field"] for error in refused.json()["errors"]]) == (422, [field]), refused.body


async def test_a_rule_over_several_fields_is_told_under_the_first(tenant: Harness) -> None:
    quota = {"period_start": "2026-01-01", "period_end": "2026-03-31", "amount": "1", "currency": "NGN"}
    refused = await tenant.api("POST", "/api/v1/crm/quotas", quota)
    assert (refused.status, refused.json()["errors"]) == (
        422,
        [{"field": "owner_id", "message": "breaks the rule: owner or team or territory"}],
    )
