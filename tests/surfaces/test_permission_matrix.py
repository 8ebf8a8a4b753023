"""Who may do what: every role against every operation, and against every record, its own tenant's and another's."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from itertools import combinations
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from nexus.core.ids import uuid7
from nexus.core.policy import ROLES
from nexus.core.service import Service
from nexus.engines.oltp.postgres import Postgres
from nexus.runtime.testing import Answered, Harness
from nexus.services.crm.entities import Account, Contact, Deal, DealStage, Lead, Pipeline, Territory
from tests.surfaces.hostile import OPERATIONS, Operation

NARROWED = {"accounts": "account", "contacts": "contact", "leads": "lead", "deals": "deal"}


def may(role: str, permission: str) -> bool:
    """What a role's patterns say of a permission, worked out another way than the platform does."""
    service, entity, verb = permission.replace(":", ".").split(".")
    for pattern in ROLES[role].may:
        things, _, verbs = pattern.partition(":")
        parts = things.split(".")
        if pattern == "*" or (
            verbs in ("*", verb) and (parts == ["*"] or (parts[0] == service and (len(parts) == 1 or parts[1] in ("*", entity))))
        ):
            return True
    return False


def facts(answer: Answered) -> dict[str, Any]:
    """A refusal without what names the request."""
    return {name: value for name, value in answer.json().items() if name != "instance"}


async def ask(caller: Harness, operation: Operation, id: str) -> Answered:
    body = None if operation.method == "GET" else {}
    named = {"if_match": "*"} if operation.method in ("PATCH", "DELETE") else {}
    return await caller.api(operation.method, operation.path.replace("{id}", id), body, **named)


@pytest.mark.parametrize("role", sorted(ROLES))
async def test_an_operation_is_open_to_those_whose_role_says_so_and_to_nobody_else(tenant: Harness, role: str) -> None:
    caller = tenant.as_(role)
    there = (await tenant.given(Contact(name="There"))).id
    for operation in OPERATIONS:
        answer = await ask(caller, operation, str(uuid4()))
        assert answer.status < 500, operation
        if may(role, operation.needs):
            assert answer.status != 403 or answer.json()["permission"] != operation.needs, operation
            continue
        assert (answer.status, answer.json()["permission"]) == (403, operation.needs), operation
        assert facts(await ask(caller, operation, str(there))) == facts(answer)  # whether it exists or not


async def test_a_caller_without_a_role_may_do_nothing(tenant: Harness) -> None:
    nobody = tenant.as_()
    for operation in OPERATIONS:
        assert (await ask(nobody, operation, str(uuid4()))).status == 403, operation


@dataclass
class Firm:
    """A tenant whose records belong to several people, teams and territories."""

    tenant: Harness
    me: UUID
    team: UUID
    north: UUID


@pytest.fixture
async def firm(tenant: Harness) -> Firm:
    me, team = uuid7(), uuid7()
    north = Territory(name="North", key="north", lineage="")
    north.lineage = f"{north.id}/"
    pipeline = Pipeline(name="Sales", key="sales")
    stage = DealStage(pipeline_id=pipeline.id, name="New", position=0, probability=10)
    await tenant.given(north, pipeline, stage)
    held: list[dict[str, Any]] = [
        {"owner_id": me},
        {"owner_id": uuid7()},
        {"owner_id": uuid7(), "team_id": team},
        {"team_id": team},
        {"owner_id": uuid7(), "territory_id": north.id},
        {},
    ]
    accounts = [Account(name=f"A{n}", tax_id=f"T{n}", street=f"S{n}", **one) for n, one in enumerate(held)]
    contacts = [Contact(name=f"C{n}", email=f"c{n}@one.example", account_id=accounts[-n].id, **one) for n, one in enumerate(held)]
    leads = [Lead(name=f"L{n}", email=f"l{n}@one.example", message=f"M{n}", **one) for n, one in enumerate(held)]
    await tenant.given(*accounts)
    await tenant.given(*contacts)
    await tenant.given(*leads)
    now = dt.datetime.now(dt.UTC)
    way: dict[str, Any] = {"pipeline_id": pipeline.id, "stage_id": stage.id, "currency": "NGN", "opened_at": now, "stage_entered_at": now}
    await tenant.given(*[Deal(name=f"D{n}", account_id=accounts[n].id, **way, **one) for n, one in enumerate(held)])
    return Firm(tenant, me, team, north.id)


@pytest.mark.parametrize("role", sorted(name for name in ROLES if may(name, "crm.contact:read")))
async def test_get_list_count_filter_expand_patch_bulk_and_commands_agree_on_what_is_seen(firm: Firm, role: str) -> None:
    caller = firm.tenant.as_(role, id=firm.me, teams=(firm.team,), territories=(firm.north,))
    nowhere = str(uuid4())
    for path, entity in NARROWED.items():
        place = f"/api/v1/crm/{path}"
        everything = [one["id"] for one in (await firm.tenant.api("GET", f"{place}?limit=500")).json()["items"]]
        listed = (await caller.api("GET", f"{place}?limit=500&count=exact")).json()
        seen = {one["id"] for one in listed["items"]}
        assert listed["count"] == len(seen)
        missing = facts(await caller.api("GET", f"{place}/{nowhere}"))
        for id in everything:
            got = await caller.api("GET", f"{place}/{id}")
            assert (got.status == 200) == (id in seen), (path, id)
            if id not in seen:
                assert msgspec.json.encode(facts(got)).decode() == msgspec.json.encode(missing).decode().replace(nowhere, id)
            filtered = (await caller.api("GET", f"{place}?id={id}&count=exact")).json()
            assert (len(filtered["items"]), filtered["count"]) == ((1, 1) if id in seen else (0, 0))
            await _agrees_on_writes(caller, place, f"crm.{entity}:update", role, id, id in seen)
        if may(role, f"crm.{entity}:update"):
            rows = [{"id": id, "version": None, "tags": ["seen"]} for id in everything]
            done = (await caller.api("PATCH", f"{place}/bulk", {"items": rows, "mode": "each"})).json() if rows else {"items": []}
            assert {item["id"] for item in done["items"] if "id" in item} == seen


async def _agrees_on_writes(caller: Harness, place: str, needs: str, role: str, id: str, seen: bool) -> None:
    patched = await caller.api("PATCH", f"{place}/{id}", {"tags": ["seen"]}, if_match="*")
    assert patched.status == (403 if not may(role, needs) else 200 if seen else 404)
    archive = needs.replace(":update", ":archive")
    if not seen:
        gone = await caller.api("DELETE", f"{place}/{id}", if_match="*")
        assert gone.status == (404 if may(role, archive) else 403)


async def test_what_is_expanded_is_what_is_seen(firm: Firm) -> None:
    for role in sorted(name for name in ROLES if may(name, "crm.contact:read")):
        caller = firm.tenant.as_(role, id=firm.me, teams=(firm.team,), territories=(firm.north,))
        accounts = {one["id"] for one in (await caller.api("GET", "/api/v1/crm/accounts?limit=500")).json()["items"]}
        contacts = (await caller.api("GET", "/api/v1/crm/contacts?limit=500&expand=account")).json()["items"]
        assert contacts
        for contact in contacts:
            assert (contact["account"] is not None) == (contact["account_id"] in accounts)
            hidden = ROLES[role].hides.get(Account, frozenset())
            assert contact["account"] is None or all(contact["account"][name] is None for name in hidden)


@pytest.mark.parametrize("role", sorted(ROLES))
async def test_hidden_fields_are_null_and_can_be_neither_filtered_nor_sorted_nor_written(firm: Firm, role: str) -> None:
    caller = firm.tenant.as_(role, id=firm.me, teams=(firm.team,), territories=(firm.north,))
    for kind, names in ROLES[role].hides.items():
        place = f"/api/v1/{kind.service()}/{kind.path()}"
        for name in sorted(names):
            for query in (f"{name}=x", f"{name}[null]=false", f"sort={name}", f'where={{"not":{{"{name}":{{"null":true}}}}}}'):
                assert (await caller.api("GET", f"{place}?{query}")).status in (403, 422), (kind, query)
        for one in (await caller.api("GET", place)).json().get("items", []):
            assert all(one[name] is None for name in names)


PAIRS = list(combinations(sorted(name for name in ROLES if may(name, "crm.contact:read")), 2))


@pytest.mark.parametrize("pair", PAIRS, ids="+".join)
async def test_two_roles_show_what_either_shows_and_nothing_more(firm: Firm, pair: tuple[str, str]) -> None:
    async def shown(path: str, *roles: str) -> dict[str, dict[str, Any]]:
        caller = firm.tenant.as_(*roles, id=firm.me, teams=(firm.team,), territories=(firm.north,))
        return {one["id"]: one for one in (await caller.api("GET", f"/api/v1/crm/{path}?limit=500")).json()["items"]}

    for path in NARROWED:
        either = [await shown(path, role) for role in pair]
        wanted: dict[str, dict[str, Any]] = {}
        for one in either:
            for id, record in one.items():
                wanted[id] = {name: value if value is not None else wanted.get(id, {}).get(name) for name, value in record.items()}
        assert await shown(path, *pair) == wanted, path


async def test_another_tenant_is_as_good_as_nowhere(tenant: Harness, oltp: Postgres, database: Any, services: dict[str, Service]) -> None:
    other = await Harness.fresh(oltp, database.owner, services.values())
    theirs = str((await other.given(Contact(name="Theirs"))).id)
    nowhere = str(uuid4())
    for operation in OPERATIONS:
        if "{id}" in operation.path:
            here, there = await ask(tenant, operation, nowhere), await ask(tenant, operation, theirs)
            assert (here.status, here.status >= 400) == (there.status, True), operation
            assert facts(there) == msgspec.json.decode(msgspec.json.encode(facts(here)).replace(nowhere.encode(), theirs.encode()))
    account = str((await other.given(Account(name="Theirs"))).id)
    refused = await tenant.api("POST", "/api/v1/crm/contacts", {"name": "A", "account_id": account})
    assert (refused.status, refused.json()["errors"][0]["field"]) == (422, "account_id")
    assert (await other.api("GET", f"/api/v1/crm/contacts/{theirs}")).json()["version"] == 1


async def test_a_reference_to_what_one_does_not_see_is_one_to_nowhere(firm: Firm) -> None:
    rep = firm.tenant.as_("crm.rep", id=firm.me)
    hidden = next(one for one in await firm.tenant.list(Account) if one.name == "A1")
    mine = next(one for one in await firm.tenant.list(Contact) if one.owner_id == firm.me)
    own = next(one for one in await firm.tenant.list(Account) if one.owner_id == firm.me)
    contacts = "/api/v1/crm/contacts"
    for id in (str(hidden.id), str(uuid4())):
        made = await rep.api("POST", contacts, {"name": "A", "account_id": id}, idempotency_key=id)
        changed = await rep.api("PATCH", f"{contacts}/{mine.id}", {"account_id": id, "city": "Jos"}, if_match="*", idempotency_key=id + "x")
        many = await rep.api("POST", f"{contacts}/bulk", {"items": [{"name": "A", "account_id": id}]})
        each = await rep.api("PATCH", f"{contacts}/bulk", {"items": [{"id": str(mine.id), "version": None, "account_id": id}]})
        assert [answer.status for answer in (made, changed, many, each)] == [422] * 4
        assert made.json()["errors"] == changed.json()["errors"] == [{"field": "account_id", "message": "there is no account with this id"}]
        assert (
            many.json()["errors"]
            == each.json()["errors"]
            == [{"field": "items[0].account_id", "message": "there is no account with this id"}]
        )
    assert await firm.tenant.count(Contact, Contact.name == "A") == 0
    assert (await firm.tenant.get(Contact, mine.id)).version == 1
    assert (await rep.api("POST", contacts, {"name": "B", "account_id": str(own.id)})).status == 201
    assert (await rep.api("PATCH", f"{contacts}/{mine.id}", {"account_id": str(own.id)}, if_match='"1"')).status == 200
    assert (await rep.api("PATCH", f"{contacts}/{mine.id}", {"city": "Jos"}, if_match='"2"')).status == 200
