"""Who is responsible for a record, and what an account is part of."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nexus.core import Forbidden, Invalid, NotFound, uuid7
from nexus.runtime.testing import Harness
from nexus.services.crm.api import (
    AssignAccount,
    AssignContact,
    AssignDeal,
    AssignLead,
    BulkReassign,
    CreateTerritory,
    OwnerChanged,
    ParentSet,
    Reassigned,
    SetParentAccount,
)
from nexus.services.crm.entities import Account, Contact, Deal, Lead
from nexus.services.crm.rules.trees import OwnAncestor
from nexus.services.crm.terms import DealStatus, LeadStatus
from nexus.services.crm.tests.conftest import Sales
from nexus.surfaces.permissions import rights_of

AT = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)


def deal(sales: Sales, **fields: Any) -> Deal:
    stages = {"pipeline_id": sales.pipeline.id, "stage_id": sales.new.id, "opened_at": AT, "stage_entered_at": AT}
    return Deal(**{"name": "Rice", "currency": "NGN", **stages, **fields})


async def test_assigns_each_kind_of_record(crm: Harness, sales: Sales) -> None:
    me, team = uuid7(), uuid7()
    account, contact, lead, one = Account(name="A"), Contact(name="C"), Lead(name="L"), deal(sales, team_id=team)
    await crm.given(account, contact, lead, one)

    await crm.run(AssignAccount(account_id=account.id, owner_id=me, team_id=team))
    await crm.run(AssignContact(contact_id=contact.id, owner_id=me))
    await crm.run(AssignLead(lead_id=lead.id, owner_id=me))
    await crm.run(AssignDeal(deal_id=one.id, owner_id=me))

    assert crm.emitted == [
        OwnerChanged(record_id=account.id, record_entity="crm.account", to_owner_id=me, team_id=team),
        OwnerChanged(record_id=contact.id, record_entity="crm.contact", to_owner_id=me),
        OwnerChanged(record_id=lead.id, record_entity="crm.lead", to_owner_id=me),
        OwnerChanged(record_id=one.id, record_entity="crm.deal", to_owner_id=me, team_id=team),
    ]
    assert [event.subject for event in crm.emitted] == [account.id, contact.id, lead.id, one.id]
    assert (await crm.get(Account, account.id)).owner_id == (await crm.get(Deal, one.id)).owner_id == me


async def test_assigns_to_nobody_and_leaves_the_team(crm: Harness) -> None:
    was, team = uuid7(), uuid7()
    lead = await crm.given(Lead(name="L", owner_id=was, team_id=team))

    done = await crm.run(AssignLead(lead_id=lead.id, owner_id=None))
    again = await crm.run(AssignLead(lead_id=lead.id, owner_id=None))

    assert done == OwnerChanged(record_id=lead.id, record_entity="crm.lead", from_owner_id=was, to_owner_id=None, team_id=team)
    assert again.from_owner_id is None
    assert crm.emitted == [done], "what is so already is no news"
    now = await crm.get(Lead, lead.id)
    assert (now.owner_id, now.team_id, now.version) == (None, team, 2)


async def test_nobody_assigns_what_they_do_not_see(crm: Harness) -> None:
    rep = crm.as_("crm.rep")
    lead = await crm.given(Lead(name="L", owner_id=uuid7()))

    with pytest.raises(NotFound):
        await rep.run(AssignLead(lead_id=lead.id, owner_id=rep.caller.actor.id))
    with pytest.raises(Forbidden):
        await crm.as_("crm.viewer").run(AssignLead(lead_id=lead.id, owner_id=None))
    assert ((await crm.get(Lead, lead.id)).version, rep.emitted) == (1, [])


async def test_hands_over_what_is_worked_on_and_leaves_what_is_done_with(crm: Harness, sales: Sales) -> None:
    one, other = uuid7(), uuid7()
    gone = Account(name="Gone", owner_id=one)
    await crm.given(Account(name="A", owner_id=one), Account(name="B", owner_id=other), Contact(name="C", owner_id=one), gone)
    await crm.given(*[Lead(name=status, owner_id=one, status=status) for status in LeadStatus])
    closed = {"closed_at": AT, "status": DealStatus.WON}
    await crm.given(deal(sales, owner_id=one), deal(sales, owner_id=one, **closed))
    await crm.api("DELETE", f"/api/v1/crm/accounts/{gone.id}", if_match="*")

    done = await crm.run(BulkReassign(from_owner_id=one, to_owner_id=other))

    assert done == Reassigned(accounts=1, contacts=1, leads=5, deals=1, more=False)
    left = {lead.status for lead in await crm.list(Lead) if lead.owner_id == one}
    assert left == {LeadStatus.CONVERTED, LeadStatus.DISQUALIFIED}
    assert await crm.count(Deal, Deal.owner_id == one) == await crm.count(Account, Account.owner_id == one) == 1
    assert len(crm.emitted) == 8
    assert all(isinstance(event, OwnerChanged) and event.from_owner_id == one and event.to_owner_id == other for event in crm.emitted)
    assert {lead.version for lead in await crm.list(Lead)} == {1, 2}


async def test_hands_over_some_at_a_time_and_says_that_more_are_waiting(crm: Harness) -> None:
    one, other = uuid7(), uuid7()
    await crm.given(*[Lead(name=f"L{n}", owner_id=one) for n in range(5)], Account(name="A", owner_id=one))
    ask = BulkReassign(from_owner_id=one, to_owner_id=other, kinds=("lead",), limit=2)

    answers = [await crm.run(ask) for _ in range(4)]

    assert [(done.leads, done.more) for done in answers] == [(2, True), (2, True), (1, False), (0, False)]
    assert await crm.count(Account, Account.owner_id == one) == 1


async def test_hands_over_what_the_caller_sees_and_nothing_else(crm: Harness) -> None:
    team, one, other = uuid7(), uuid7(), uuid7()
    await crm.given(Lead(name="Ours", owner_id=one, team_id=team), Lead(name="Theirs", owner_id=one, team_id=uuid7()))
    manager = crm.as_("crm.manager", teams=(team,))

    done = await manager.run(BulkReassign(from_owner_id=one, to_owner_id=other))

    assert (done.leads, done.more) == (1, False)
    assert {lead.name: lead.owner_id for lead in await crm.list(Lead)} == {"Ours": other, "Theirs": one}


async def test_refuses_hand_overs_that_are_none(crm: Harness) -> None:
    one = uuid7()
    lead = await crm.given(Lead(name="L", owner_id=one))

    for limit in (0, 1001, -1):
        with pytest.raises(Invalid, match="limit: is from 1 to 1000"):
            await crm.run(BulkReassign(from_owner_id=one, to_owner_id=uuid7(), limit=limit))
    with pytest.raises(Invalid, match="to_owner_id: is the same person"):
        await crm.run(BulkReassign(from_owner_id=one, to_owner_id=one))
    with pytest.raises(Forbidden):
        await crm.as_("crm.rep", id=one).run(BulkReassign(from_owner_id=one, to_owner_id=uuid7()))
    assert ((await crm.get(Lead, lead.id)).version, crm.emitted) == (1, [])


async def test_hands_over_only_kinds_that_the_caller_may_assign(crm: Harness) -> None:
    one, other = uuid7(), uuid7()
    await crm.given(Lead(name="L", owner_id=one), Account(name="A", owner_id=one))
    manager = crm.as_("crm.manager", id=one)
    key = frozenset({"crm.account:*", "crm.lead:read"})
    manager.caller = dataclasses.replace(manager.caller, rights=rights_of(frozenset({"crm.manager"}), key))

    with pytest.raises(Forbidden, match=r"crm\.contact:assign"):
        await manager.run(BulkReassign(from_owner_id=one, to_owner_id=other))
    with pytest.raises(Forbidden, match=r"crm\.lead:assign"):
        await manager.run(BulkReassign(from_owner_id=one, to_owner_id=other, kinds=("account", "lead")))
    assert await crm.count(Account, Account.owner_id == one) == 1

    done = await manager.run(BulkReassign(from_owner_id=one, to_owner_id=other, kinds=("account",)))
    assert (done.accounts, done.leads) == (1, 0)


async def test_a_team_and_a_territory_are_given_and_taken_away(crm: Harness) -> None:
    west, team = (await crm.run(CreateTerritory(name="West"))).territory_id, uuid7()
    crm.emitted.clear()
    lead = await crm.given(Lead(name="L"))

    await crm.run(AssignLead(lead_id=lead.id, owner_id=None, team_id=team, territory_id=west))
    await crm.run(AssignLead(lead_id=lead.id, owner_id=None))
    await crm.run(AssignLead(lead_id=lead.id, owner_id=None, team_id=None))
    answer = await crm.api("POST", f"/api/v1/crm/leads/{lead.id}/assign", {"owner_id": None, "territory_id": None})

    of: dict[str, Any] = {"record_id": lead.id, "record_entity": "crm.lead"}
    assert crm.emitted == [
        OwnerChanged(**of, team_id=team, territory_id=west),
        OwnerChanged(**of, territory_id=west),
        OwnerChanged(**of),
    ]
    assert (answer.status, (await crm.get(Lead, lead.id)).territory_id) == (200, None)


async def test_refuses_a_territory_that_is_none(crm: Harness) -> None:
    lead = await crm.given(Lead(name="L"))
    answer = await crm.api("POST", f"/api/v1/crm/leads/{lead.id}/assign", {"owner_id": None, "territory_id": str(uuid7())})
    assert (answer.status, answer.json()["errors"][0]["field"]) == (422, "territory_id")
    assert ((await crm.get(Lead, lead.id)).version, crm.emitted) == (1, [])


@pytest.mark.parametrize("kind", ["accounts", "contacts", "leads"])
async def test_who_is_responsible_is_changed_by_assign_and_in_no_other_way(crm: Harness, kind: str) -> None:
    here, someone = f"/api/v1/crm/{kind}", str(uuid7())
    made = await crm.api("POST", here, {"name": "A", "owner_id": someone, "team_id": someone, "external_refs": {"s": "1"}})
    assert (made.status, made.json()["owner_id"], made.json()["team_id"]) == (201, someone, someone)
    id = made.json()["id"]

    for field in ("owner_id", "team_id", "territory_id"):
        patched = await crm.api("PATCH", f"{here}/{id}", {field: None}, if_match="*")
        assert (patched.status, patched.json()["errors"][0]["field"]) == (422, field)
        many = await crm.api("PATCH", f"{here}/bulk", {"items": [{"id": id, field: None}]})
        assert (many.status, many.json()["errors"][0]["field"]) == (422, f"items[0].{field}")

    other = str(uuid7())
    rows = [{"external_refs": {"s": str(n)}, "name": f"B{n}", "owner_id": other} for n in (1, 2)]
    body = b"".join(msgspec.json.encode(row) + b"\n" for row in rows)
    done = await crm.api("POST", f"{here}/import?mode=upsert&match=external_refs.s", body, content_type="application/x-ndjson")
    assert (done.json()["updated"], done.json()["created"], done.json()["ignored"]) == (1, 1, [])
    kept = (await crm.api("GET", f"{here}?sort=name&fields=name,owner_id")).json()["items"]
    assert [(one["name"], one["owner_id"]) for one in kept] == [("B1", someone), ("B2", other)]

    again = await crm.api("POST", f"{here}/import?mode=update&match=external_refs.s", body, content_type="application/x-ndjson")
    assert (again.json()["unchanged"], again.json()["ignored"]) == (2, ["owner_id"])


async def test_hand_overs_at_once_move_each_record_once(crm: Harness) -> None:
    one, heirs = uuid7(), [uuid7() for _ in range(4)]
    await crm.given(*[Lead(name=f"L{n}", owner_id=one) for n in range(8)])

    done = await asyncio.gather(*[crm.run(BulkReassign(from_owner_id=one, to_owner_id=heir, limit=3)) for heir in heirs])

    leads = await crm.list(Lead)
    assert sum(answer.leads for answer in done) == sum(lead.owner_id != one for lead in leads) == len(crm.emitted)
    assert all(lead.version == 1 + (lead.owner_id != one) for lead in leads)


async def accounts(crm: Harness, *names: str) -> list[Account]:
    made = [Account(name=name) for name in names]
    await crm.given(*made)
    return made


async def test_an_account_becomes_part_of_another_and_of_none(crm: Harness) -> None:
    a, b = await accounts(crm, "A", "B")

    done = await crm.run(SetParentAccount(account_id=a.id, parent_account_id=b.id))
    await crm.run(SetParentAccount(account_id=a.id, parent_account_id=b.id))
    undone = await crm.run(SetParentAccount(account_id=a.id))

    assert crm.emitted == [done, undone] == [ParentSet(account_id=a.id, parent_account_id=b.id), ParentSet(account_id=a.id)]
    now = await crm.get(Account, a.id)
    assert (now.parent_account_id, now.version) == (None, 3)


async def test_refuses_circles_and_what_is_not_there(crm: Harness) -> None:
    a, b, c = await accounts(crm, "A", "B", "C")
    await crm.run(SetParentAccount(account_id=a.id, parent_account_id=b.id))
    await crm.run(SetParentAccount(account_id=b.id, parent_account_id=c.id))
    crm.emitted.clear()

    for below in (a, b, c):
        with pytest.raises(OwnAncestor, match=f"The account would be part of itself: {below.name} lies below it"):
            await crm.run(SetParentAccount(account_id=c.id, parent_account_id=below.id))
    with pytest.raises(NotFound):
        await crm.run(SetParentAccount(account_id=c.id, parent_account_id=uuid7()))
    with pytest.raises(NotFound):
        await crm.as_("crm.manager").run(SetParentAccount(account_id=c.id))
    with pytest.raises(Forbidden):
        await crm.as_("crm.rep").run(SetParentAccount(account_id=c.id))

    assert ((await crm.get(Account, c.id)).version, crm.emitted) == (1, [])


def circles(parents: dict[Any, Any]) -> bool:
    """Whether somebody is above itself."""
    for start in parents:
        at, steps = parents[start], 0
        while at is not None and steps <= len(parents):
            at, steps = parents[at], steps + 1
        if at is not None:
            return True
    return False


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moves=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=6, max_size=14))
async def test_whoever_moves_at_once_nothing_is_part_of_itself(crm: Harness, moves: list[tuple[int, int]]) -> None:
    made = await accounts(crm, *"ABCDEF")

    results = await asyncio.gather(
        *[crm.run(SetParentAccount(account_id=made[low].id, parent_account_id=made[high].id)) for low, high in moves],
        return_exceptions=True,
    )

    assert {type(one).__name__ for one in results} <= {"ParentSet", "OwnAncestor"}
    parents = {one.id: one.parent_account_id for one in await crm.list(Account)}
    assert not circles(parents)
