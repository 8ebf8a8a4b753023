"""Idempotency-Key: every write with one is done once, and answered each time what it was answered first."""

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
import pytest

from nexus.runtime.testing import Answered, Harness
from nexus.services.auth.entities import ApiKey, Team, User
from nexus.services.auth.terms import UserStatus
from nexus.services.crm.entities import Lead
from nexus.surfaces.calling import STORED, Key
from nexus.surfaces.sql import call

TEAMS = "/api/v1/auth/teams"
Write = Callable[[str], Awaitable[Answered]]


async def _writes(tenant: Harness) -> dict[str, Write]:
    """Every kind of write, to be sent with a key."""
    patched, gone, back = await tenant.given(Team(name="P", key="p")), await tenant.given(Team(name="G", key="g")), Team(name="R", key="r")
    await tenant.given(back)
    await tenant.api("DELETE", f"{TEAMS}/{back.id}", if_match="*")
    lead = await tenant.given(Lead(name="Bob"))
    return {
        "create": lambda key: tenant.api("POST", TEAMS, {"name": "C", "key": "c"}, idempotency_key=key),
        "patch": lambda key: tenant.api("PATCH", f"{TEAMS}/{patched.id}", {"name": "PP"}, if_match='"1"', idempotency_key=key),
        "archive": lambda key: tenant.api("DELETE", f"{TEAMS}/{gone.id}", if_match='"1"', idempotency_key=key),
        "restore": lambda key: tenant.api("POST", f"{TEAMS}/{back.id}/restore", idempotency_key=key),
        "command": lambda key: tenant.api("POST", f"/api/v1/crm/leads/{lead.id}/contact", {}, idempotency_key=key),
        "bulk": lambda key: tenant.api("POST", f"{TEAMS}/bulk", {"items": [{"name": "B", "key": "b"}]}, idempotency_key=key),
    }


async def _journalled(tenant: Harness) -> int:
    import sqlalchemy as sa

    count = sa.text("SELECT count(*) FROM nexus_cell.journal WHERE tenant = :tenant").bindparams(tenant=tenant.caller.schema)
    (found,) = await tenant._oltp.run(None, call(count))
    return int(found.rows[0][0] or 0)


async def test_a_repetition_of_any_write_is_answered_alike_and_done_once(tenant: Harness) -> None:
    for name, write in (await _writes(tenant)).items():
        first = await write(name)
        before = await _journalled(tenant)
        again = await write(name)
        assert first.status in (200, 201), (name, first.body)
        assert (again.status, again.body, again.headers.get("etag")) == (first.status, first.body, first.headers.get("etag")), name
        assert "idempotency-replayed" not in first.headers
        assert again.headers["idempotency-replayed"] == "true"
        assert await _journalled(tenant) == before, name


async def test_two_of_any_write_at_once_have_one_effect(tenant: Harness) -> None:
    for name, write in (await _writes(tenant)).items():
        before = await _journalled(tenant)
        answers = await asyncio.gather(*[write(name) for _ in range(5)])
        assert {(answer.status, answer.body) for answer in answers} == {(answers[0].status, answers[0].body)}, name
        assert answers[0].status in (200, 201), (name, answers[0].body)
        assert sum("idempotency-replayed" in answer.headers for answer in answers) == 4
        assert await _journalled(tenant) == before + 1, name


async def test_a_key_stands_for_one_request_of_one_caller(tenant: Harness) -> None:
    made = await tenant.api("POST", TEAMS, {"name": "A", "key": "a"}, idempotency_key="k")
    for method, path, body in (
        ("POST", TEAMS, {"name": "B", "key": "b"}),
        ("PATCH", made.headers["location"], {"name": "B"}),
        ("DELETE", made.headers["location"], None),
        ("POST", f"{TEAMS}/bulk", {"items": [{"name": "B", "key": "b"}]}),
        ("POST", "/api/v1/crm/leads", {"name": "B"}),
    ):
        refused = await tenant.api(method, path, body, idempotency_key="k", if_match="*")
        assert (refused.status, refused.json()["type"]) == (409, "/problems/key-reused"), path
    other = await tenant.as_("auth.owner").api("POST", TEAMS, {"name": "B", "key": "b"}, idempotency_key="k")
    assert other.status == 201
    assert [team.name for team in await tenant.list(Team)] == ["A", "B"]


async def test_what_was_refused_may_be_sent_again_under_its_key(tenant: Harness) -> None:
    assert (await tenant.api("POST", TEAMS, {"name": "A"}, idempotency_key="k")).status == 422
    assert (await tenant.api("POST", TEAMS, {"name": "A", "key": "a"}, idempotency_key="k")).status == 201
    lead = await tenant.given(Lead(name="Bob"))
    refused = await tenant.api("POST", f"/api/v1/crm/leads/{lead.id}/recycle", {}, idempotency_key="r")
    assert refused.status in (409, 422)
    assert (await tenant.api("POST", f"/api/v1/crm/leads/{lead.id}/contact", {}, idempotency_key="r")).status == 200


@pytest.mark.parametrize("key", ["", "a b", "é", "x" * 256, "a\tb"])
async def test_a_key_is_plain_text(tenant: Harness, key: str) -> None:
    refused = await tenant.api("POST", TEAMS, {"name": "A", "key": "a"}, idempotency_key=key)
    assert (refused.status, refused.json()["errors"][0]["field"]) == (422, "Idempotency-Key")
    assert await tenant.count(Team) == 0


async def test_a_secret_is_answered_once_and_never_kept(tenant: Harness) -> None:
    me = await tenant.given(User(name="Me", email="me@example.com", status=UserStatus.ACTIVE, roles=["auth.owner"]))
    mine = tenant.as_("auth.owner", id=me.id)
    body = {"name": "Key"}
    first = await mine.api("POST", "/api/v1/auth/api_keys", body, idempotency_key="k")
    again = await mine.api("POST", "/api/v1/auth/api_keys", body, idempotency_key="k")

    assert first.status == 201
    assert first.json()["token"].startswith("nx_")
    assert again.json() == {**first.json(), "token": None}
    assert await mine.count(ApiKey) == 1
    (kept,) = await tenant._oltp.run(tenant.caller.schema, (STORED, Key("k", b"").arguments(mine.caller.actor)))
    assert first.json()["token"].encode() not in msgspec.json.encode([str(value) for value in kept.rows[0]])


async def test_minimal_answers_have_no_body_but_all_the_rest(tenant: Harness) -> None:
    made = await tenant.api("POST", TEAMS, {"name": "A", "key": "a"}, prefer="return=minimal", idempotency_key="k")
    assert (made.status, made.body, made.headers["etag"], made.headers["preference-applied"]) == (201, b"", '"1"', "return=minimal")
    again = await tenant.api("POST", TEAMS, {"name": "A", "key": "a"}, idempotency_key="k")
    assert (again.json()["name"], again.headers["location"]) == ("A", made.headers["location"])
    changed = await tenant.api("PATCH", made.headers["location"], {"name": "B"}, if_match='"1"', prefer="return=minimal")
    assert (changed.status, changed.body, changed.headers["etag"]) == (204, b"", '"2"')
    assert (await tenant.api("POST", f"{TEAMS}/bulk", {"items": [{"name": "A", "key": "z"}]}, prefer="return=minimal")).body == b""
