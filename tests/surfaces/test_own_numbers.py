"""Numbers of a tenant's own fields are kept as they were sent, over every way in."""

from __future__ import annotations

import pytest

from nexus.runtime.testing import Harness

LONG = b"0.1000000000000000055511151231257827"
BIG = b"12345678901234567890.5"


@pytest.mark.parametrize("number", [LONG, BIG, b"-3.25", b"7", b"1e5"])
async def test_they_are_exact(tenant: Harness, number: bytes) -> None:
    kept = b"100000" if number == b"1e5" else number
    made = await tenant.api("POST", "/api/v1/crm/contacts", b'{"name":"A","custom":{"x":[%b]}}' % number)
    assert made.status == 201, made.body
    assert b'"x":[' + kept + b"]" in made.body.replace(b" ", b"")
    changed = await tenant.api("PATCH", f"/api/v1/crm/contacts/{made.json()['id']}", b'{"custom":{"y":%b}}' % number, if_match="*")
    assert b'"y":' + kept in changed.body.replace(b" ", b"")
    many = await tenant.api("POST", "/api/v1/crm/contacts/bulk", b'{"items":[{"name":"B","custom":{"z":%b}}]}' % number)
    one = await tenant.api("GET", f"/api/v1/crm/contacts/{many.json()['items'][0]['id']}")
    assert b'"z":' + kept in one.body.replace(b" ", b"")


async def test_they_are_exact_in_a_file(tenant: Harness) -> None:
    file = b'name,custom\nA,"{""n"":12345678901234567890.123,""m"":1.10}"\n'
    sent = await tenant.api("POST", "/api/v1/crm/contacts/import", file, content_type="text/csv")
    assert sent.status < 300, sent.body
    (one,) = (await tenant.api("GET", "/api/v1/crm/contacts")).json()["items"]
    got = await tenant.api("GET", f"/api/v1/crm/contacts/{one['id']}")
    assert b'"n":12345678901234567890.123' in got.body.replace(b" ", b"")
    assert b'"m":1.10' in got.body.replace(b" ", b"")


async def test_what_cannot_be_kept_is_named(tenant: Harness) -> None:
    refused = await tenant.api("POST", "/api/v1/crm/contacts", b'{"name":"A","custom":{"x":1e99999}}')
    assert (refused.status, refused.json()["errors"][0]["field"].partition(".")[0][:6]) == (422, "custom")
