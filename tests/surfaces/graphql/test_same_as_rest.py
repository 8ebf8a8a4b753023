"""Whatever is selected, however nested and by whomever: GraphQL answers the very values, records and order that REST answers."""

from __future__ import annotations

import datetime as dt
import itertools
import os
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nexus.core.policy import ROLES
from nexus.core.service import Service
from nexus.engines.oltp.postgres import Postgres
from nexus.runtime.testing import Harness
from nexus.services.auth.entities import Team, User
from nexus.services.crm.entities import Account, Contact, Deal, DealStage, Lead, Pipeline, Territory
from nexus.surfaces.graphql import names
from nexus.surfaces.graphql.graph import graph_of
from nexus.surfaces.graphql.model import Graph as Types
from nexus.surfaces.graphql.model import Kind, Member, inner
from nexus.surfaces.graphql.sources import Column, Elsewhere, Many, One
from nexus.surfaces.shapes import Shape, shape_of
from tests.surfaces.graphql.conftest import Graph, Site

EXAMPLES = int(os.environ.get("NEXUS_FUZZ", "12")) * 5
START = (Account, Contact, Lead, Deal, DealStage)
CALLERS: list[tuple[str, ...]] = [
    ("auth.owner",),
    ("crm.rep",),
    ("crm.manager",),
    ("crm.viewer",),
    ("crm.rep", "crm.viewer"),
    ("crm.admin",),
]


class World:
    """A tenant whose records belong to several people, and what REST says of each, by caller."""

    def __init__(self, site: Site, tenant: Harness, types: Types, me: UUID, team: UUID, north: UUID) -> None:
        self.site = site
        self.tenant = tenant
        self.types = types
        self.me = me
        self.team = team
        self.north = north
        self.said: dict[Any, Any] = {}

    def __repr__(self) -> str:
        return "World()"

    def caller(self, roles: tuple[str, ...]) -> Graph:
        return Graph(self.site, self.tenant.as_(*roles, id=self.me, teams=(self.team,), territories=(self.north,)))

    async def rest(self, caller: Graph, roles: tuple[str, ...], path: str) -> Any:
        """What REST answers; None where there is nothing for this caller."""
        if (roles, path) not in self.said:
            answered = await caller.tenant.api("GET", path)
            self.said[roles, path] = answered.json() if answered.status == 200 else None
        return self.said[roles, path]


@pytest.fixture(scope="module")
async def world(oltp: Postgres, database: Any, services: dict[str, Service], site: Site) -> AsyncIterator[World]:
    tenant = await Harness.fresh(oltp, database.owner, services.values())
    me, other = User(name="Me", email="me@one.example"), User(name="Other", email="other@one.example")
    team, north = Team(name="Team", key="team"), Territory(name="North", key="north", lineage="")
    north.lineage = f"{north.id}/"
    await tenant.given(me, other)
    await tenant.given(team)
    await tenant.given(north)
    held: list[dict[str, Any]] = [
        {"owner_id": me.id},
        {"owner_id": other.id},
        {"owner_id": other.id, "team_id": team.id},
        {"team_id": team.id},
        {"owner_id": other.id, "territory_id": north.id},
        {},
    ]
    await filled(tenant, held)
    types = graph_of(list(services.values()), tenant.operations, federated=False)
    yield World(site, tenant, types, me.id, team.id, north.id)


async def filled(tenant: Harness, held: list[dict[str, Any]]) -> None:
    """Accounts, contacts, leads and deals of several owners."""
    pipeline = Pipeline(name="Sales", key="sales")
    stages = [DealStage(pipeline_id=pipeline.id, name=f"S{n}", position=n, probability=10 * n) for n in range(2)]
    await tenant.given(pipeline, *stages)
    accounts = [
        Account(name=f"A{n}", tax_id=f"T{n}", street=f"S{n}", currency="NGN", annual_revenue=n, **one) for n, one in enumerate(held)
    ]
    for n, one in enumerate(accounts[1:]):
        one.parent_account_id = accounts[0].id if n % 2 else None
    await tenant.given(accounts[0])
    await tenant.given(*accounts[1:])
    contacts = [
        Contact(name=f"C{n}", email=f"c{n}@x.example", account_id=accounts[n % 4].id, tags=["vip"], **held[n % 6]) for n in range(12)
    ]
    await tenant.given(*contacts)
    await tenant.given(*[Lead(name=f"L{n}", email=f"l{n}@x.example", message="M", **one) for n, one in enumerate(held)])
    now = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
    way: dict[str, Any] = {"pipeline_id": pipeline.id, "currency": "NGN", "opened_at": now, "stage_entered_at": now}
    deals = [
        Deal(
            name=f"D{n}",
            account_id=accounts[n % 5].id,
            contact_id=contacts[n].id,
            stage_id=stages[n % 2].id,
            amount=n,
            **way,
            **held[n % 6],
        )
        for n in range(12)
    ]
    await tenant.given(*deals)


@dataclass
class Wanted:
    """A selection of a record: fields by response key, each with what it selects further."""

    shape: Shape
    fields: dict[str, tuple[Member, Any]]

    def text(self) -> str:
        parts: list[str] = []
        for key, (member, below) in self.fields.items():
            head = f"{key}: {member.name}" if key != member.name else key
            match member.source:
                case Many():
                    page: Page = below
                    parts.append(f"{head}{page.arguments()} {{ totalCount nodes {{ {page.record.text()} }} }}")
                case One() | Elsewhere():
                    parts.append(f"{head} {{ {cast(Wanted, below).text()} }}")
                case _:
                    parts.append(f"{head}{below}")
        return " ".join(parts)


@dataclass
class Page:
    record: Wanted
    first: int
    sort: str
    """A field, in camel case, and the direction."""

    def arguments(self) -> str:
        return f"(first: {self.first}, sort: {self.sort})"

    def query(self) -> str:
        field, _, way = self.sort.rpartition("_")
        return f"limit={self.first}&sort={'-' if way == 'DESC' else ''}{field.lower()}&count=exact"


def records(chance: random.Random, types: Types, kind: Kind, depth: int) -> Wanted:
    """A selection of an entity's record."""
    columns = [one for one in kind.members.values() if isinstance(one.source, Column)]
    leads = [one for one in kind.members.values() if isinstance(one.source, (One, Many, Elsewhere))] if depth else []
    chosen = chance.sample(columns, chance.randint(0, 4)) + chance.sample(leads, chance.randint(0, min(2, len(leads))))
    fields: dict[str, tuple[Member, Any]] = {"id": (kind.members["id"], "")}
    for n, member in enumerate(chosen):
        key = chance.choice([member.name, f"x{n}"])
        if key in fields:
            continue
        of = inner(member.type)
        if isinstance(member.source, Many):
            record = records(chance, types, types[of.removesuffix("Connection")], depth - 1)
            sort = chance.choice(list(types[of.removesuffix("Connection") + "Sort"].words))
            fields[key] = (member, Page(record, chance.randint(1, 4), sort))
        elif isinstance(member.source, (One, Elsewhere)):
            fields[key] = (member, records(chance, types, types[of], depth - 1))
        else:
            fields[key] = (member, _whole(types, member.type))
    return Wanted(cast(Shape, kind.source), fields)


def _whole(types: Types, type_: str) -> str:
    """The selection of all that a structured value holds."""
    kind = types.get(inner(type_))
    if kind is None or kind.kind != "object":
        return ""
    return " { " + " ".join(name + _whole(types, one.type) for name, one in kind.members.items()) + " }"


class Differs(AssertionError):
    """GraphQL and REST disagree."""


async def compare(world: World, caller: Graph, roles: tuple[str, ...], wanted: Wanted, got: dict[str, Any]) -> None:
    """A record as GraphQL answered it against the one of REST."""
    place = f"/api/v1/{wanted.shape.service}/{wanted.shape.path}/{got['id']}"
    record = await world.rest(caller, roles, place)
    assert record is not None, place
    for key, (member, below) in wanted.fields.items():
        match member.source:
            case Column(column):
                assert got[key] == spelt(world.types, member.type, record[column.name]), (place, member.name)
            case One(column, target) | Elsewhere(column, target):
                id = record[column.name]
                there = await world.rest(caller, roles, f"/api/v1/{target.service}/{target.path}/{id}") if id else None
                only_id = isinstance(member.source, Elsewhere) and {one.name for one, _ in below.fields.values()} == {"id"}
                assert (got[key] is not None) == (there is not None or (only_id and id is not None)), (place, member.name)
                if there is not None:
                    await compare(world, caller, roles, below, got[key])
            case Many(shape, by):
                assert by is not None
                await compare_page(world, caller, roles, below, got[key], f"{by.name}={got['id']}&", shape)
            case _:
                raise Differs(member.name)


async def compare_page(
    world: World, caller: Graph, roles: tuple[str, ...], page: Page, got: dict[str, Any], condition: str, shape: Shape
) -> None:
    listed = await world.rest(caller, roles, f"/api/v1/{shape.service}/{shape.path}?{condition}{page.query()}")
    if listed is None:  # who does not see the reference finds nothing by it, and REST does not take it as a filter
        assert got == {"totalCount": 0, "nodes": []}
        return
    assert [one["id"] for one in got["nodes"]] == [one["id"] for one in listed["items"]]
    assert got["totalCount"] == listed["count"]
    for one in got["nodes"]:
        await compare(world, caller, roles, page.record, one)


def spelt(types: Types, type_: str, value: Any) -> Any:
    """A value of REST in GraphQL's spelling."""
    if value is None:
        return None
    type_ = type_.removesuffix("!")
    if type_.startswith("["):
        return [spelt(types, type_[1:-1], one) for one in value]
    kind = types.get(type_)
    if kind is not None and kind.kind == "enum":
        return names.of_word(value)
    if kind is not None and kind.kind == "object":
        return {name: spelt(types, one.type, value.get(one.source.name)) for name, one in kind.members.items()}
    return value


@settings(max_examples=EXAMPLES, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32))
async def test_what_is_selected_is_what_rest_answers(world: World, seed: int) -> None:
    chance = random.Random(seed)
    roles = chance.choice(CALLERS)
    caller = world.caller(roles)
    kind = world.types[names.of_entity(shape_of(chance.choice(START)))]
    member = world.types.query.members[names.camel(f"{cast(Shape, kind.source).service}_{cast(Shape, kind.source).path}")]
    sort = chance.choice(list(world.types[f"{kind.name}Sort"].words))
    page = Page(records(chance, world.types, kind, 3), chance.randint(1, 5), sort)
    query = f"{{ page: {member.name}{page.arguments()} {{ totalCount nodes {{ {page.record.text()} }} }} }}"

    said = (await caller.post(query)).json()

    shape = page.record.shape
    if "errors" in said:  # what the caller may not read at all, or not sort by
        assert all(one["extensions"]["problem"]["status"] in (403, 422) for one in said["errors"]), said
        assert forbidden(roles, page.record) or hidden_sort(roles, page)
        return
    await compare_page(world, caller, roles, page, said["data"]["page"], "", shape)


def forbidden(roles: tuple[str, ...], wanted: Wanted) -> bool:
    """Whether a selection reaches what these roles may not read."""
    from nexus.surfaces.permissions import rights_of

    rights = rights_of(frozenset(roles), frozenset("*"))
    if not rights.allow(f"{wanted.shape.name}:read"):
        return True
    below = [one.record if isinstance(one, Page) else one for _, one in wanted.fields.values()]
    return any(forbidden(roles, one) for one in below if isinstance(one, Wanted))


def hidden_sort(roles: tuple[str, ...], page: Page) -> bool:
    """Whether a page, or one within it, is sorted by what these roles do not see."""
    hidden = frozenset.intersection(*(ROLES[role].hides.get(page.record.shape.entity, frozenset()) for role in roles))
    pages = [one for _, one in page.record.fields.values() if isinstance(one, Page)]
    singles = [one for _, one in page.record.fields.values() if isinstance(one, Wanted)]
    inside = itertools.chain(pages, *[[p for _, p in one.fields.values() if isinstance(p, Page)] for one in singles])
    return page.sort.rpartition("_")[0].lower() in hidden or any(hidden_sort(roles, one) for one in inside)


FILTERS = [
    ("{status: {eq: NEW}}", "status=new"),
    ("{status: {in: [NEW, QUALIFIED]}}", "status[in]=new,qualified"),
    ("{status: {nin: [NEW]}}", "status[nin]=new"),
    ('{name: {ne: "L1"}}', "name[ne]=L1"),
    ('{name: {gt: "L1", lte: "L4"}}', "name[gt]=L1&name[lte]=L4"),
    ('{name: {gte: "L3"}}', "name[gte]=L3"),
    ('{name: {lt: "L3"}}', "name[lt]=L3"),
    ('{email: {contains: "3@X"}}', "email[contains]=3@X"),
    ('{name: {starts: "l"}}', "name[starts]=l"),
    ("{ownerId: {null: true}}", "owner_id[null]=true"),
    ("{ownerId: {null: false}}", "owner_id[null]=false"),
    ('{tags: {contains: "vip"}}', "tags[contains]=vip"),
    ('{or: [{name: {eq: "L1"}}, {not: {status: {eq: NEW}}}]}', 'where={"or":[{"name":"L1"},{"not":{"status":"new"}}]}'),
    ('{and: [{name: {eq: "L1"}}, {version: {gte: 1}}]}', "name=L1&version[gte]=1"),
    ('{createdAt: {gt: "2020-01-01T00:00:00Z"}}', "created_at[gt]=2020-01-01T00:00:00Z"),
    ("{not: {email: {null: true}}}", 'where={"not":{"email":{"null":true}}}'),
]


@pytest.mark.parametrize(("graphql", "rest"), FILTERS)
@pytest.mark.parametrize("roles", CALLERS, ids="+".join)
async def test_every_operator_finds_what_it_finds_in_rest(world: World, roles: tuple[str, ...], graphql: str, rest: str) -> None:
    caller = world.caller(roles)
    said = (await caller.post(f"{{ crmLeads(filter: {graphql}, sort: NAME_ASC) {{ nodes {{ id }} }} }}")).json()
    listed = await world.rest(caller, roles, f"/api/v1/crm/leads?sort=name&{rest}")
    if listed is None:
        assert "errors" in said
        return
    assert said["data"]["crmLeads"]["nodes"] == [{"id": one["id"]} for one in listed["items"]]


@pytest.mark.parametrize("roles", CALLERS, ids="+".join)
async def test_text_search_finds_what_it_finds_in_rest(world: World, roles: tuple[str, ...]) -> None:
    caller = world.caller(roles)
    for words in ("l1", "l", "x.example", "nothing"):
        said = await caller.data("query($q: String) { crmLeads(search: $q) { nodes { id } } }", q=words)
        listed = await world.rest(caller, roles, f"/api/v1/crm/leads?q={words}")
        assert said["crmLeads"]["nodes"] == [{"id": one["id"]} for one in listed["items"]]
    assert (await caller.errors('{ crmLeads(search: "!") { nodes { id } } }'))[0]["message"].startswith("search: ")


async def test_reports_answer_the_rows_of_rest(world: World) -> None:
    caller = world.caller(("auth.owner",))
    said = await caller.data("{ crmPipelineByStage { stageId deals } crmStaleDeals(limit: 3) { stage } }")
    rest = (await world.rest(caller, ("auth.owner",), "/api/v1/crm/reports/pipeline-by-stage"))["items"]
    assert [(one["stageId"], one["deals"]) for one in said["crmPipelineByStage"]] == [(one["stage_id"], one["deals"]) for one in rest]
    for role in ("crm.rep", "crm.viewer"):
        own = world.caller((role,))
        rows = (await own.data("{ crmPipelineByStage { stageId deals } }"))["crmPipelineByStage"]
        rest = (await world.rest(own, (role,), "/api/v1/crm/reports/pipeline-by-stage"))["items"]
        assert [(one["stageId"], one["deals"]) for one in rows] == [(one["stage_id"], one["deals"]) for one in rest]
