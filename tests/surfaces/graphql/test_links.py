"""Links between services in GraphQL: both sides lead to each other, in one process and in a subgraph, and neither shows more than a list."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from nexus.core.ids import uuid7
from nexus.links import Exposure, Link
from nexus.services.auth.entities import Team, User
from nexus.services.crm.entities import Lead
from nexus.surfaces.graphql.limits import Limits
from tests.surfaces.graphql.conftest import Graph

USER = """query ($id: ID!, $first: Int) { authUser(id: $id) {
    name leads(first: $first, sort: [NAME_ASC]) { totalCount nodes { name owner { name } } pageInfo { hasNextPage } } } }"""
ENTITIES = """query ($given: [_Any!]!) { _entities(representations: $given) {
    ... on AuthUser { id leads(sort: [NAME_ASC]) { totalCount nodes { name } } } ... on CrmLead { name } } }"""


async def people(graph: Graph) -> tuple[UUID, UUID]:
    """Ann has two leads, Bob has one, and one is nobody's."""
    ann, bob = User(name="Ann", email="ann@example.com"), User(name="Bob", email="bob@example.com")
    await graph.tenant.given(ann, bob)
    owned = [("L1", ann.id), ("L2", ann.id), ("L3", bob.id), ("L4", None)]
    await graph.tenant.given(*[Lead(name=name, email=f"{name}@example.com", owner_id=owner) for name, owner in owned])
    return ann.id, bob.id


def known(*ids: UUID) -> list[dict[str, Any]]:
    return [{"__typename": "AuthUser", "id": str(id)} for id in ids]


async def test_a_user_leads_to_the_leads_and_they_lead_back(graph: Graph) -> None:
    ann, _ = await people(graph)

    with graph.counted() as spent:
        data = await graph.data(USER, id=str(ann), first=1)

    leads = data["authUser"]["leads"]
    assert (leads["totalCount"], leads["nodes"]) == (2, [{"name": "L1", "owner": {"name": "Ann"}}])
    assert leads["pageInfo"] == {"hasNextPage": True}
    assert spent.statements <= 6  # one of each service for each level, however many records


async def test_many_users_cost_what_one_does(graph: Graph) -> None:
    ann, bob = await people(graph)
    query = "query ($ids: [ID!]) { authUsers(filter: { id: { in: $ids } }) { nodes { name leads { totalCount nodes { name } } } } }"

    with graph.counted() as one:
        await graph.data(query, ids=[str(ann)])
    with graph.counted() as two:
        data = await graph.data(query, ids=[str(ann), str(bob)])

    assert {one["name"]: one["leads"]["totalCount"] for one in data["authUsers"]["nodes"]} == {"Ann": 2, "Bob": 1}
    assert one.round_trips == two.round_trips


async def test_the_subgraph_of_who_holds_the_key_answers_for_any_user(graph: Graph) -> None:
    ann, bob = await people(graph)
    nobody = uuid7()

    data = await graph.data(ENTITIES, "/graphql/crm", given=known(ann, bob, nobody))

    assert data["_entities"] == [
        {"id": str(ann), "leads": {"totalCount": 2, "nodes": [{"name": "L1"}, {"name": "L2"}]}},
        {"id": str(bob), "leads": {"totalCount": 1, "nodes": [{"name": "L3"}]}},
        {"id": str(nobody), "leads": {"totalCount": 0, "nodes": []}},
    ]


@pytest.mark.parametrize("role", ["crm.rep", "crm.viewer"])
async def test_a_link_shows_what_a_list_shows(graph: Graph, role: str) -> None:
    ann, bob = await people(graph)
    caller = graph.as_(role, "auth.member", id=ann)
    listed = await caller.data("{ crmLeads { nodes { name owner { id } } } }")

    for user in (ann, bob):
        seen = sorted(one["name"] for one in listed["crmLeads"]["nodes"] if one["owner"] and one["owner"]["id"] == str(user))
        data = await caller.data(USER, id=str(user), first=10)
        assert [one["name"] for one in data["authUser"]["leads"]["nodes"]] == seen
        data = await caller.data(ENTITIES, "/graphql/crm", given=known(user))
        assert [one["name"] for one in data["_entities"][0]["leads"]["nodes"]] == seen


async def test_who_may_read_no_leads_is_refused_them(graph: Graph) -> None:
    ann, _ = await people(graph)
    caller = graph.as_("auth.member", id=ann)

    (error,) = await caller.errors(USER, id=str(ann), first=1)

    assert error["extensions"]["problem"]["permission"] == "crm.lead:read"
    assert (await caller.data("query ($id: ID!) { authUser(id: $id) { name } }", id=str(ann)))["authUser"] == {"name": "Ann"}


async def test_another_tenants_user_leads_to_nothing_here(graph: Graph) -> None:
    await people(graph)

    data = await graph.data(ENTITIES, "/graphql/crm", given=known(uuid7()))

    assert data["_entities"][0]["leads"]["totalCount"] == 0


async def test_where_one_holds_the_key_at_most_it_is_answered_itself(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    only = Link(holder="crm.lead", key="owner_id", to="auth.user", back="only_lead", cardinality="one")
    monkeypatch.setattr("nexus.surfaces.graphql.graph.links", lambda: (only,))
    one = graph.within(Limits(depth=14))  # limits of its own: endpoints that are made now
    _, bob = await people(graph)
    cyd = User(name="Cyd", email="cyd@example.com")
    await graph.tenant.given(cyd)
    query = "query ($ids: [ID!]) { authUsers(filter: { id: { in: $ids } }, sort: [NAME_ASC]) { nodes { name onlyLead { name } } } }"

    data = await one.data(query, ids=[str(bob), str(cyd.id)])
    apart = await one.data(
        "query ($given: [_Any!]!) { _entities(representations: $given) { ... on AuthUser { onlyLead { name } } } }",
        "/graphql/crm",
        given=known(bob, cyd.id),
    )

    assert data["authUsers"]["nodes"] == [{"name": "Bob", "onlyLead": {"name": "L3"}}, {"name": "Cyd", "onlyLead": None}]
    assert apart["_entities"] == [{"onlyLead": {"name": "L3"}}, {"onlyLead": None}]


async def test_a_link_by_another_unique_field_finds_its_records(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    by_email = Link(holder="crm.lead", key="email", to="auth.user", by="email", back="inquiries")
    monkeypatch.setattr("nexus.surfaces.graphql.graph.links", lambda: (by_email,))
    here = graph.within(Limits(depth=13))
    ann = User(name="Ann", email="ann'o@example.com")
    bob = User(name="Bob", email="bob@example.com")
    await graph.tenant.given(ann, bob)
    await graph.tenant.given(Lead(name="L1", email=ann.email), Lead(name="L2", email="other@example.com"))
    query = "query ($ids: [ID!]) { authUsers(filter: { id: { in: $ids } }, sort: [NAME_ASC]) { nodes { name inquiries { totalCount nodes { name } } } } }"
    asked = "query ($given: [_Any!]!) { _entities(representations: $given) { ... on AuthUser { id inquiries { nodes { name } } } } }"
    given = [{"__typename": "AuthUser", "id": str(one.id), "email": one.email} for one in (ann, bob)]

    data = await here.data(query, ids=[str(ann.id), str(bob.id)])
    apart = await here.data(asked, "/graphql/crm", given=given)
    wrong = (await here.post(asked, {"given": [given[0] | {"email": 7}]}, "/graphql/crm")).json()

    found = [("Ann", {"totalCount": 1, "nodes": [{"name": "L1"}]}), ("Bob", {"totalCount": 0, "nodes": []})]
    assert [(one["name"], one["inquiries"]) for one in data["authUsers"]["nodes"]] == found
    assert [one["inquiries"]["nodes"] for one in apart["_entities"]] == [[{"name": "L1"}], []]
    assert wrong["errors"][0]["message"] == "representations.email: is text"


async def test_a_copy_is_answered_by_who_keeps_it_for_who_sees_it(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    copied = Exposure(of="crm.lead.owner_id", copies={"name": "company"})
    monkeypatch.setattr("nexus.surfaces.graphql.graph.exposures", lambda: (copied,))
    here = graph.within(Limits(depth=12))
    ann = User(name="Ann", email="ann@example.com")
    await graph.tenant.given(ann)
    await graph.tenant.given(Lead(name="L1", company="Ann of Lagos", owner_id=ann.id), Lead(name="L2"))
    query = "{ crmLeads(sort: [NAME_ASC]) { nodes { owner { id name } } } }"

    with graph.counted() as spent:
        kept = await here.data(query, "/graphql/crm")
    whole = await here.data(query)

    assert kept["crmLeads"]["nodes"] == [{"owner": {"id": str(ann.id), "name": "Ann of Lagos"}}, {"owner": None}]
    assert spent.statements == 1
    assert whole["crmLeads"]["nodes"][0] == {"owner": {"id": str(ann.id), "name": "Ann"}}  # where both are one, the record itself


async def test_what_may_be_of_several_entities_leads_back_from_each(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    several = Link(holder="crm.lead", key="owner_id", to="auth.party", among=("auth.user", "auth.team"), back="charges")
    monkeypatch.setattr("nexus.surfaces.graphql.graph.links", lambda: (several,))
    here = graph.within(Limits(depth=11))
    ann, _ = await people(graph)
    team = Team(name="Sales", key="sales")
    await graph.tenant.given(team)
    given = [{"__typename": "AuthParty", "id": str(id)} for id in (ann, team.id)]

    data = await here.data(
        "query ($id: ID!) { authUser(id: $id) { charges { totalCount } } authTeams { nodes { charges { totalCount } } } }", id=str(ann)
    )
    apart = await here.data(
        "query ($given: [_Any!]!) { _entities(representations: $given) { ... on AuthParty { id charges { totalCount } } } }",
        "/graphql/crm",
        given=given,
    )

    assert data == {"authUser": {"charges": {"totalCount": 2}}, "authTeams": {"nodes": [{"charges": {"totalCount": 0}}]}}
    assert [one["charges"]["totalCount"] for one in apart["_entities"]] == [2, 0]
