"""Who sees what: one condition for get, list, count, expand, change and command, held against a plain reading of the rules record by record."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeAlias
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nexus.core import NotFound, uuid7
from nexus.runtime.testing import Harness
from nexus.services.crm.api import AssignAccount, AssignContact, AssignDeal, AssignLead, OwnerChanged
from nexus.services.crm.entities import (
    Account,
    AccountContact,
    Activity,
    CallLog,
    Contact,
    ConversionRecord,
    Deal,
    Lead,
    Quote,
    StageChange,
    Territory,
)
from nexus.services.crm.terms import DealStatus, Direction
from nexus.services.crm.tests.conftest import Sales

AT = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
Kind: TypeAlias = type[Account] | type[Contact] | type[Lead] | type[Deal]
USERS = [uuid7() for _ in range(3)]
TEAMS = [uuid7() for _ in range(2)]
PATHS = {Account: "accounts", Contact: "contacts", Lead: "leads", Deal: "deals"}


@dataclass(frozen=True)
class Place:
    """Where a record belongs; places of the tree are numbers, 0 above 1 above 2, and 3 apart."""

    owner: UUID | None
    team: UUID | None
    territory: int | None
    maker: UUID


@dataclass(frozen=True)
class Person:
    """Who looks."""

    id: UUID
    roles: tuple[str, ...]
    teams: tuple[UUID, ...]
    covers: tuple[int, ...]

    def sees(self, place: Place) -> bool:
        """The rules of policies.py in plain words, for one record."""
        if {"crm.admin", "crm.viewer", "auth.owner"} & set(self.roles):
            return True
        in_team = place.team in self.teams
        unowned = place.owner is None and (place.maker == self.id or in_team)
        covered = any(mine == place.territory or mine < (place.territory or 0) < 3 for mine in self.covers if mine < 3) or (
            3 in self.covers and place.territory == 3
        )
        return place.owner == self.id or unowned or covered or ("crm.manager" in self.roles and in_team)


users = st.sampled_from(USERS)
places = st.builds(
    Place, owner=st.none() | users, team=st.none() | st.sampled_from(TEAMS), territory=st.none() | st.integers(0, 3), maker=users
)
people = st.builds(
    Person,
    id=users,
    roles=st.sampled_from([("crm.rep",), ("crm.manager",), ("crm.rep", "crm.manager"), ("crm.viewer",), ("crm.admin",), ("auth.owner",)]),
    teams=st.lists(st.sampled_from(TEAMS), unique=True).map(tuple),
    covers=st.lists(st.integers(0, 3), unique=True).map(tuple),
)


async def market(crm: Harness) -> list[UUID]:
    """The ids of the places, made once for a tenant."""
    there = await crm.list(Territory)
    if not there:
        top = Territory(name="0", lineage="")
        top.lineage = f"{top.id}/"
        tree = [top]
        for name in ("1", "2"):
            below = Territory(name=name, parent_id=tree[-1].id, lineage="")
            below.lineage = f"{tree[-1].lineage}{below.id}/"
            tree.append(below)
        apart = Territory(name="3", lineage="")
        apart.lineage = f"{apart.id}/"
        await crm.given(*tree, apart)
        there = [*tree, apart]
    return [one.id for one in sorted(there, key=lambda one: one.name)]


def record(kind: Kind, place: Place, territories: list[UUID], sales: Sales) -> Account | Contact | Lead | Deal:
    stages = {"pipeline_id": sales.pipeline.id, "stage_id": sales.new.id, "opened_at": AT, "stage_entered_at": AT, "currency": "NGN"}
    more: dict[str, Any] = stages if kind is Deal else {}
    where = None if place.territory is None else territories[place.territory]
    return kind(name="R", owner_id=place.owner, team_id=place.team, territory_id=where, **more)


def looking(crm: Harness, person: Person, territories: list[UUID]) -> Harness:
    return crm.as_(*person.roles, id=person.id, teams=person.teams, territories=tuple(territories[one] for one in person.covers))


ASSIGN: dict[Any, Any] = {
    Account: lambda id: AssignAccount(account_id=id, owner_id=None),
    Contact: lambda id: AssignContact(contact_id=id, owner_id=None),
    Lead: lambda id: AssignLead(lead_id=id, owner_id=None),
    Deal: lambda id: AssignDeal(deal_id=id, owner_id=None),
}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kind=st.sampled_from(list(PATHS)), where=st.lists(places, min_size=4, max_size=7), who=st.lists(people, min_size=2, max_size=4))
async def test_every_way_to_a_record_agrees_with_the_rules(
    crm: Harness, sales: Sales, kind: Kind, where: list[Place], who: list[Person]
) -> None:
    territories = await market(crm)
    made = [(record(kind, place, territories, sales), place) for place in where]
    for one, place in made:
        await crm.as_("crm.admin", id=place.maker).given(one)
    links: list[dict[str, Any]] = [{f"{kind.__name__.lower()}_id": one.id} for one, _ in made]
    about = [Activity(subject="About", **link) for link in links]
    await crm.as_("crm.admin", id=uuid7()).given(*about)

    for person in who:
        await _agrees(looking(crm, person, territories), person, kind, made, about)


async def _agrees(caller: Harness, person: Person, kind: Kind, made: list[tuple[Any, Place]], about: list[Activity]) -> None:
    path = f"/api/v1/crm/{PATHS[kind]}"
    seen = {str(one.id) for one, place in made if person.sees(place)}
    listed = (await caller.api("GET", f"{path}?id[in]={','.join(str(one.id) for one, _ in made)}&count=exact&fields=id")).json()
    assert {item["id"] for item in listed["items"]} == seen
    assert listed["count"] == len(seen)

    for one, _ in made:
        expected = 200 if str(one.id) in seen else 404
        assert (await caller.api("GET", f"{path}/{one.id}")).status == expected
        if person.roles != ("crm.viewer",):
            assert (await caller.api("PATCH", f"{path}/{one.id}", {"tags": ["seen"]}, if_match="*")).status == expected
            await _commands_agree(caller, ASSIGN[kind](one.id), expected == 200)

    reference = f"{kind.__name__.lower()}_id"
    of = f"/api/v1/crm/activities?id[in]={','.join(str(one.id) for one in about)}"
    hanging = (await caller.api("GET", f"{of}&expand={reference.removesuffix('_id')}")).json()["items"]
    assert {item[reference] for item in hanging} == seen
    assert {item[reference.removesuffix("_id")]["id"] for item in hanging} == seen


async def _commands_agree(caller: Harness, command: Any, seen: bool) -> None:
    try:
        assert isinstance(await caller.run(command, dry_run=True), OwnerChanged) and seen
    except NotFound:
        assert not seen


async def test_what_hangs_on_a_record_is_seen_with_it(crm: Harness, sales: Sales) -> None:
    rep = crm.as_("crm.rep", id=USERS[0])
    seen: dict[type[Any], list[UUID]] = {}
    for owner in (USERS[0], USERS[1]):
        lead, account, contact = Lead(name="L", owner_id=owner), Account(name="A", owner_id=owner), Contact(name="C", owner_id=owner)
        deal = record(Deal, Place(owner, None, None, owner), [], sales)
        numbers: dict[str, Any] = {"from_number": "+2348031234567", "to_number": "+2348031234568", "direction": Direction.INBOUND}
        moved: dict[str, Any] = {"from_stage_id": sales.new.id, "to_stage_id": sales.proposal.id}
        hanging = [
            Quote(deal_id=deal.id, number=1, currency="NGN"),
            StageChange(
                deal_id=deal.id,
                from_status=DealStatus.OPEN,
                to_status=DealStatus.OPEN,
                entered_at=AT,
                left_at=AT,
                seconds=Decimal(0),
                **moved,
            ),
            AccountContact(account_id=account.id, contact_id=contact.id),
            ConversionRecord(lead_id=lead.id, converted_at=AT),
            CallLog(provider="x", provider_call_id=str(owner), started_at=AT, lead_id=lead.id, **numbers),
            Activity(subject="About", account_id=account.id),
        ]
        await crm.given(lead, account, contact, deal, *hanging)
        for one in hanging:
            seen.setdefault(type(one), []).append(one.id)

    for kind, (mine, theirs) in seen.items():
        listed = await rep.api("GET", f"/api/v1/crm/{kind.path()}?count=exact")
        assert ([item["id"] for item in listed.json()["items"]], listed.json()["count"]) == ([str(mine)], 1), kind
        assert (await rep.api("GET", f"/api/v1/crm/{kind.path()}/{mine}")).status == 200
        assert (await rep.api("GET", f"/api/v1/crm/{kind.path()}/{theirs}")).status == 404


async def test_what_is_expanded_is_seen_or_not_there(crm: Harness) -> None:
    rep = crm.as_("crm.rep", id=USERS[0])
    top = await crm.given(Account(name="Top", owner_id=USERS[0], tax_id="T"))
    hidden = await crm.given(Account(name="Hidden", owner_id=USERS[1], parent_account_id=top.id))
    below = await crm.given(Account(name="Below", owner_id=USERS[0], parent_account_id=top.id))
    await crm.given(Contact(name="A", owner_id=USERS[0], account_id=hidden.id), Contact(name="B", owner_id=USERS[0], account_id=below.id))

    answered = await rep.api("GET", "/api/v1/crm/contacts?sort=name&expand=account,account.parent_account")

    a, b = answered.json()["items"]
    assert (a["account_id"], a["account"]) == (str(hidden.id), None)
    assert (b["account"]["name"], b["account"]["parent_account"]["name"], b["account"]["parent_account"]["tax_id"]) == (
        "Below",
        "Top",
        None,
    )


MASKS = [
    ("crm.rep", "accounts", {"tax_id": "T-1", "annual_revenue": "5.00"}),
    (
        "crm.viewer",
        "accounts",
        {"tax_id": "T-1", "annual_revenue": "5.00", "phone": "+2348031234567", "street": "Marina 1", "postal_code": "101233"},
    ),
    ("crm.viewer", "contacts", {"email": "ada@one.example", "phone": "+2348031234567"}),
    ("crm.viewer", "leads", {"email": "ada@one.example", "phone": "+2348031234567", "message": "Hello"}),
]


@pytest.mark.parametrize(("role", "path", "values"), MASKS, ids=lambda one: one if isinstance(one, str) else "")
async def test_what_is_hidden_is_null_and_can_neither_be_filtered_nor_sorted(
    crm: Harness, role: str, path: str, values: dict[str, str]
) -> None:
    owner = USERS[0]
    made = (await crm.api("POST", f"/api/v1/crm/{path}", {"name": "Ada", "owner_id": str(owner), **values})).json()
    assert {name: made[name] for name in values} == values
    caller = crm.as_(role, id=owner)

    one = (await caller.api("GET", f"/api/v1/crm/{path}/{made['id']}?fields=name,{','.join(values)}")).json()
    (listed,) = (await caller.api("GET", f"/api/v1/crm/{path}")).json()["items"]
    for name, value in values.items():
        assert one[name] is listed[name] is None
        tree = f'{{"not":{{"{name}":{{"gt":"{value[:1]}"}}}}}}'
        for query in (
            f"{name}={value[1:]}",
            f"{name}[null]=false",
            f"{name}[starts]=a",
            f"sort={name}",
            f"sort=name,-{name}",
            f"where={tree}",
        ):
            refused = await caller.api("GET", f"/api/v1/crm/{path}?{query}")
            assert refused.status == 422, query
            assert value not in refused.body.decode()
    assert one["name"] == "Ada"


async def test_what_is_hidden_cannot_be_written(crm: Harness) -> None:
    rep = crm.as_("crm.rep", id=USERS[0])
    account = await crm.given(Account(name="Home", owner_id=USERS[0], tax_id="T-1"))
    path = f"/api/v1/crm/accounts/{account.id}"

    created = await rep.api("POST", "/api/v1/crm/accounts", {"name": "New", "tax_id": "T-2"})
    patched = [await rep.api("PATCH", path, {"name": "X", "tax_id": value}, if_match="*") for value in ("T-3", None)]

    assert [one.status for one in (created, *patched)] == [422, 422, 422]
    assert {one.json()["errors"][0]["field"] for one in (created, *patched)} == {"tax_id"}
    assert (await crm.count(Account), (await crm.get(Account, account.id)).tax_id, (await crm.get(Account, account.id)).version) == (
        1,
        "T-1",
        1,
    )
    allowed = await rep.api("PATCH", path, {"name": "Homes"}, if_match="*")
    assert (allowed.status, allowed.json()["name"], allowed.json()["tax_id"]) == (200, "Homes", None)
    made = await rep.api("POST", "/api/v1/crm/accounts", {"name": "New"})
    assert (made.status, made.json()["tax_id"]) == (201, None)


async def test_a_second_role_shows_what_it_does_not_hide(crm: Harness) -> None:
    await crm.given(Contact(name="Ada", email="ada@one.example", owner_id=USERS[0]))
    both = crm.as_("crm.viewer", "crm.rep", id=USERS[0])

    (found,) = (await both.api("GET", "/api/v1/crm/contacts?email=ada@one.example")).json()["items"]
    assert found["email"] == "ada@one.example"


async def test_whoever_has_no_role_sees_nothing(crm: Harness) -> None:
    await crm.given(Contact(name="Ada"))

    for nobody in (crm.as_(), crm.as_("auth.member"), crm.as_("crm.none")):
        for path in ("contacts", "accounts", "leads", "deals", "activities", "redirects", "territories", "reports/duplicate-contacts"):
            assert (await nobody.api("GET", f"/api/v1/crm/{path}")).status == 403
