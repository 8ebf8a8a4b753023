"""What is refused leaves no trace."""

from __future__ import annotations

from typing import Any

import pytest

from tests.activation.conftest import LEAST, Installation


async def _activations(nexus: Installation) -> int:
    return int((await nexus.rows("SELECT count(*) FROM nexus_control.activation"))[0][0])


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"name": ""}, ["name"]),
        ({"country": "XX"}, ["country"]),
        ({"owner": {"name": "Ade", "email": "nowhere"}}, ["owner.email"]),
        ({"industry": "wizardry", "currency": "???"}, ["industry", "currency"]),
        ({"slug": "Not A Slug"}, ["slug"]),
        ({"slug": "admin"}, ["slug"]),
        ({"colour": "red"}, ["colour"]),
        ({"modules": ["nonsense"]}, ["modules[0]"]),
    ],
)
async def test_a_business_that_cannot_be_names_every_wrong_field(nexus: Installation, change: dict[str, Any], fields: list[str]) -> None:
    before, activations = await nexus.traces(), await _activations(nexus)

    status, problem = await nexus.ask("POST", "/api/v1/activate", {**LEAST, **change})

    assert status == 422, problem
    assert [error["field"] for error in problem["errors"]] == fields
    assert await nexus.traces() == before
    assert await _activations(nexus) == activations


async def test_a_taken_slug_is_refused_with_another(nexus: Installation) -> None:
    await nexus.activate("taken")
    before, activations = await nexus.traces(), await _activations(nexus)

    status, problem = await nexus.activate("taken", name="Another")

    assert (status, problem["type"], problem["suggestion"]) == (409, "/problems/slug-taken", "taken-2")
    assert await nexus.traces() == before
    assert await _activations(nexus) == activations


async def test_a_key_used_for_another_body_is_refused(nexus: Installation) -> None:
    import msgspec

    from nexus.core.problem import KeyReused

    first = await nexus.control.activations.ask(msgspec.json.encode({**LEAST, "slug": "key-one"}), "one-key", give=False)
    await nexus.control.activations.wait(first.record.id)
    before = await nexus.traces()

    with pytest.raises(KeyReused):
        await nexus.control.activations.ask(msgspec.json.encode({**LEAST, "slug": "key-two"}), "one-key", give=False)

    assert await nexus.traces() == before


@pytest.mark.parametrize("body", [b"{", b"[1]", b'"x"', b"\xff", b"{}"])
async def test_what_is_no_business_at_all_is_told_so(nexus: Installation, body: bytes) -> None:
    from nexus.core.problem import Problem

    activations = await _activations(nexus)

    with pytest.raises(Problem) as refused:
        await nexus.control.activations.ask(body, None, give=False)

    assert refused.value.status in (400, 422)
    assert await _activations(nexus) == activations


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/v1/activate"),
        ("GET", "/api/v1/tenants"),
        ("GET", "/api/v1/tenants/anything"),
        ("POST", "/api/v1/tenants/anything/purge"),
        ("GET", "/api/v1/activations/00000000-0000-7000-8000-000000000000"),
    ],
)
async def test_everything_here_takes_the_operators_key(nexus: Installation, method: str, path: str) -> None:
    _, answer = await nexus.activate(f"owner-{abs(hash((method, path)))}")
    owner = answer["credentials"]["api_key"]

    assert (await nexus.ask(method, path, LEAST, token="nxo_" + "a" * 43))[0] == 401
    assert (await nexus.ask(method, path, LEAST, token=owner))[0] == 401


@pytest.mark.parametrize("said", ["1", "yes", "", "True"])
async def test_a_dry_run_that_is_said_otherwise_activates_nothing(nexus: Installation, said: str) -> None:
    before = await _activations(nexus)
    status, problem = await nexus.ask("POST", f"/api/v1/activate?dry_run={said}", {**LEAST, "slug": "said-otherwise"})
    assert (status, [error["field"] for error in problem["errors"]]) == (422, ["dry_run"])
    assert await _activations(nexus) == before


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("GET", "/api/v1/tenants?limit=%C2%B2", None, "limit"),
        ("GET", "/api/v1/tenants?limit=" + "9" * 5000, None, "limit"),
        ("GET", "/api/v1/tenants?state=%00", None, "state"),
        ("GET", "/api/v1/tenants?state=asleep", None, "state"),
        ("GET", "/api/v1/tenants?after=%00", None, "after"),
        ("GET", "/api/v1/tenants/%00", None, None),
        ("POST", "/api/v1/tenants/%00/suspend", {"reason": "x"}, None),
        ("POST", "/api/v1/activate", {**LEAST, "describe": "a\0b"}, "describe"),
        ("POST", "/api/v1/activate?dry_run=true", {**LEAST, "describe": "a\0b"}, "describe"),
        ("POST", "/api/v1/activate", {**LEAST, "owner": {**LEAST["owner"], "phone": "\0"}}, "owner.phone"),
    ],
)
async def test_what_the_database_could_not_be_asked_is_refused_before(
    nexus: Installation, method: str, path: str, body: Any, field: str | None
) -> None:
    before = await nexus.traces()
    status, said = await nexus.ask(method, path.replace("%00", "\0") if field is None else path, body)
    assert status == (404 if field is None else 422), said
    assert field is None or [error["field"] for error in said["errors"]] == [field]
    assert await nexus.traces() == before
