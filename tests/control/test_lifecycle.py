"""Suspend, resume, archive, purge, rename: what each does, and what each refuses."""

from __future__ import annotations

import pytest

from tests.activation.conftest import Installation, Open


async def _active(nexus: Installation, slug: str) -> tuple[str, str]:
    """A tenant's id and its owner's key."""
    status, answer = await nexus.activate(slug)
    assert status == 201, answer
    return answer["tenant"]["id"], answer["credentials"]["api_key"]


async def _me(nexus: Installation, key: str) -> tuple[int, str]:
    status, answer = await nexus.ask("GET", "/api/v1/auth/reports/me", token=key)
    return status, answer.get("type", "")


async def test_a_suspended_tenants_key_is_refused_with_the_reason(nexus: Installation) -> None:
    _, key = await _active(nexus, "to-suspend")

    status, tenant = await nexus.ask("POST", "/api/v1/tenants/to-suspend/suspend", {"reason": "The bill is open"})

    assert (status, tenant["state"], tenant["reason"]) == (200, "suspended", "The bill is open")
    assert tenant["can"] == ["resume", "archive", "rename"]
    refused, problem = await nexus.ask("GET", "/api/v1/auth/reports/me", token=key)
    assert (refused, problem["type"]) == (403, "/problems/tenant-suspended")
    assert problem["detail"] == "Ade Bakery is suspended: The bill is open"

    status, tenant = await nexus.ask("POST", "/api/v1/tenants/to-suspend/resume", {})
    assert (status, tenant["state"], tenant["reason"]) == (200, "active", None)
    assert await _me(nexus, key) == (200, "")


@pytest.mark.parametrize(
    ("verb", "body", "state"),
    [("resume", {}, "active"), ("purge", {"reason": "no more"}, "active"), ("purge", {"reason": "no more", "force": True}, "active")],
)
async def test_a_move_that_does_not_start_here_is_refused(nexus: Installation, verb: str, body: dict[str, object], state: str) -> None:
    slug = f"no-{verb}-{len(body)}"
    _, key = await _active(nexus, slug)

    status, problem = await nexus.ask("POST", f"/api/v1/tenants/{slug}/{verb}", body)

    assert (status, problem["type"], problem["now"]) == (409, "/problems/illegal-move", state)
    assert (await nexus.ask("GET", f"/api/v1/tenants/{slug}"))[1]["state"] == state
    assert await _me(nexus, key) == (200, "")


async def test_a_suspension_needs_a_reason(nexus: Installation) -> None:
    _, key = await _active(nexus, "no-reason")

    status, problem = await nexus.ask("POST", "/api/v1/tenants/no-reason/suspend", {})

    assert (status, problem["errors"]) == (422, [{"field": "reason", "message": "is required"}])
    assert await _me(nexus, key) == (200, "")


async def test_an_archived_tenant_is_held_and_can_come_back(nexus: Installation) -> None:
    _, key = await _active(nexus, "to-archive")

    status, tenant = await nexus.ask("POST", "/api/v1/tenants/to-archive/archive", {"reason": "closed", "hold_days": 7})

    assert (status, tenant["state"], tenant["can"]) == (200, "archived", ["resume", "purge", "rename"])
    assert tenant["hold_until"] is not None
    assert await _me(nexus, key) == (403, "/problems/tenant-archived")
    status, problem = await nexus.ask("POST", "/api/v1/tenants/to-archive/purge", {"reason": "now"})
    assert (status, problem["type"]) == (409, "/problems/on-hold")
    assert (await nexus.ask("POST", "/api/v1/tenants/to-archive/resume", {}))[1]["state"] == "active"
    assert await _me(nexus, key) == (200, "")


async def test_a_purge_leaves_nothing(open_installation: Open) -> None:
    async with open_installation() as nexus:
        before = await nexus.traces()
        id, key = await _active(nexus, "to-purge")
        schema = f"t_{id.replace('-', '')}"
        await nexus.ask("POST", "/api/v1/tenants/to-purge/archive", {"reason": "closed", "hold_days": 0})

        status, tenant = await nexus.ask("POST", "/api/v1/tenants/to-purge/purge", {"reason": "asked for"})

        assert (status, tenant["state"], tenant["can"], tenant["name"]) == (200, "purged", [], "to-purge")
        # but for what the operator did, in the platform's own audit: an archive and a purge
        assert await nexus.traces() == before | {"journal": before["journal"] + 2}
        assert await nexus.rows("SELECT count(*) FROM pg_namespace WHERE nspname = %s", schema) == [(0,)]
        assert await nexus.rows("SELECT count(*) FROM pg_roles WHERE rolname = %s", schema) == [(0,)]
        assert (await _me(nexus, key))[0] == 401
        for table in ("journal", "event", "audit", "audit_head", "dead_letter"):
            assert await nexus.rows(f"SELECT count(*) FROM nexus_cell.{table} WHERE tenant = %s", schema) == [(0,)]
        (said,) = (await nexus.rows("SELECT coalesce(json_agg(a), '[]')::text FROM nexus_control.activation a WHERE tenant_id = %s", id))[0]
        assert "ade@example.com" not in said
        assert (await nexus.activate("to-purge"))[0] == 201  # the slug is free again


async def test_a_purge_that_a_crash_interrupted_is_finished_at_the_next_start(open_installation: Open) -> None:
    async with open_installation() as nexus:
        id, _ = await _active(nexus, "half-purged")
        await nexus.rows("UPDATE nexus_control.tenant SET state = 'purging' WHERE id = %s RETURNING 1", id)
    async with open_installation() as nexus:
        await nexus.control.start(alone=True)

        assert (await nexus.ask("GET", f"/api/v1/tenants/{id}"))[1]["state"] == "purged"
        assert await nexus.rows("SELECT count(*) FROM pg_namespace WHERE nspname = %s", f"t_{id.replace('-', '')}") == [(0,)]


async def test_a_renamed_tenant_keeps_its_key_and_gives_its_slug_back(nexus: Installation) -> None:
    id, key = await _active(nexus, "old-name")

    status, tenant = await nexus.ask("POST", "/api/v1/tenants/old-name/rename", {"slug": "new-name", "name": "New Name Ltd"})

    assert (status, tenant["id"], tenant["slug"], tenant["name"]) == (200, id, "new-name", "New Name Ltd")
    assert await _me(nexus, key) == (200, "")
    assert (await nexus.ask("GET", "/api/v1/tenants/old-name"))[0] == 404
    changes = await nexus.rows("SELECT command, was, became FROM nexus_control.tenant_change WHERE tenant_id = %s ORDER BY id", id)
    assert changes[-1] == ("rename", {"slug": "old-name", "name": "Ade Bakery"}, {"slug": "new-name", "name": "New Name Ltd"})


async def test_a_name_that_is_taken_or_bad_is_refused(nexus: Installation) -> None:
    await _active(nexus, "first-name")
    await _active(nexus, "second-name")

    taken, problem = await nexus.ask("POST", "/api/v1/tenants/first-name/rename", {"slug": "second-name"})
    bad, _ = await nexus.ask("POST", "/api/v1/tenants/first-name/rename", {"slug": "No Slug"})
    nothing, _ = await nexus.ask("POST", "/api/v1/tenants/first-name/rename", {})

    assert (taken, problem["type"], bad, nothing) == (409, "/problems/slug-taken", 422, 422)
    assert (await nexus.ask("GET", "/api/v1/tenants/first-name"))[1]["slug"] == "first-name"


async def test_every_change_is_written_down_with_its_reason(nexus: Installation) -> None:
    id, _ = await _active(nexus, "written-down")
    await nexus.ask("POST", "/api/v1/tenants/written-down/suspend", {"reason": "The bill is open"})
    await nexus.ask("POST", "/api/v1/tenants/written-down/resume", {"reason": "It was paid"})

    rows = await nexus.rows(
        "SELECT command, became ->> 'state', reason FROM nexus_control.tenant_change WHERE tenant_id = %s ORDER BY id", id
    )

    assert rows == [
        ("activate", "active", None),
        ("suspend", "suspended", "The bill is open"),
        ("resume", "active", "It was paid"),
    ]


async def test_a_lost_owner_key_is_replaced_by_the_operator(nexus: Installation) -> None:
    _, lost = await _active(nexus, "lost-key")

    status, given = await nexus.ask("POST", "/api/v1/tenants/lost-key/owner-key", {"reason": "The owner lost it"})

    assert status == 200
    assert await _me(nexus, given["credentials"]["api_key"]) == (200, "")
    assert await _me(nexus, lost) == (200, "")  # the old one is the owner's to revoke


async def test_the_list_goes_on_where_it_ended(nexus: Installation) -> None:
    for slug in ("list-a", "list-b", "list-c"):
        await _active(nexus, slug)

    _, first = await nexus.ask("GET", "/api/v1/tenants?after=list-&limit=2")
    _, second = await nexus.ask("GET", f"/api/v1/tenants?after={first['next_after']}&limit=1")
    status, _ = await nexus.ask("GET", "/api/v1/tenants?limit=0")

    assert [one["slug"] for one in first["items"]] == ["list-a", "list-b"]
    assert [one["slug"] for one in second["items"]] == ["list-c"]
    assert status == 422


@pytest.mark.parametrize(("query", "field"), [("state=nope", "state"), ("after=%00", "after"), ("state=%00", "state")])
async def test_lists_refuse_what_no_tenant_has(nexus: Installation, query: str, field: str) -> None:
    status, problem = await nexus.ask("GET", f"/api/v1/tenants?{query}")
    assert (status, [error["field"] for error in problem["errors"]]) == (422, [field])


async def test_no_tenant_is_named_by_what_cannot_be_a_name(nexus: Installation) -> None:
    for method, path in (("GET", "\0"), ("POST", "\0/resume"), ("POST", "\0/owner-key")):
        status, _ = await nexus.ask(method, f"/api/v1/tenants/{path}", {"reason": "x"} if method == "POST" else None)
        assert status == 404


async def test_an_operators_key_that_was_replaced_is_forgotten(nexus: Installation) -> None:
    from nexus.core.problem import Unauthenticated
    from nexus.core.tokens import new_operator_key, operator_hash
    from nexus.runtime.principals import Principals

    elsewhere = Principals(nexus.cells, nexus.node.directory, ttl=0)
    key = new_operator_key()
    await nexus.rows("INSERT INTO nexus_control.operator (key_hash, kept_in) VALUES (%s, 'a test') RETURNING 1", operator_hash(key))
    await elsewhere.operator(key)
    await nexus.rows("DELETE FROM nexus_control.operator WHERE kept_in = 'a test' RETURNING 1")
    with pytest.raises(Unauthenticated):
        await elsewhere.operator(key)
    await elsewhere.operator(nexus.operator)
