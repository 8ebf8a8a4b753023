"""Queries: what REST answers, GraphQL answers, however nested, in one statement."""

from __future__ import annotations

from typing import Any

import pytest

from nexus.services.auth.entities import User
from nexus.services.crm.entities import Account, Contact
from tests.surfaces.graphql.conftest import Graph

NESTED = """query Three($filter: CrmAccountFilter, $first: Int = 2) {
  crmAccounts(first: $first, filter: $filter, sort: [NAME_ASC]) {
    totalCount
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    edges { cursor node { id name kind: __typename contacts(first: 1, sort: NAME_DESC, filter: {name: {ne: "C9"}}) {
      totalCount pageInfo { hasNextPage } nodes { ...Person } } } }
  }
}
fragment Person on CrmContact { name account { name } ... on CrmContact { deals { edges { node { id } } } } }"""


async def firm(graph: Graph, accounts: int = 3, contacts: int = 2) -> list[Account]:
    """Accounts with contacts, in the order of their names."""
    made = [Account(name=f"Acme {n}") for n in range(accounts)]
    await graph.tenant.given(*made)
    await graph.tenant.given(*[Contact(name=f"C{n}", account_id=one.id) for one in made for n in range(contacts)])
    return made


async def test_three_levels_with_pages_filters_orders_and_fragments_are_one_statement(graph: Graph) -> None:
    await firm(graph)
    await graph.data(NESTED, filter={"name": {"starts": "acme"}})

    with graph.counted() as spent:
        said = await graph.data(NESTED, filter={"name": {"starts": "acme"}})

    assert (spent.round_trips, spent.statements) == (1, 1)
    page = said["crmAccounts"]
    assert page["totalCount"] == 3
    assert [edge["node"]["name"] for edge in page["edges"]] == ["Acme 0", "Acme 1"]
    assert page["pageInfo"] == {
        "hasNextPage": True,
        "hasPreviousPage": False,
        "startCursor": page["edges"][0]["cursor"],
        "endCursor": page["edges"][1]["cursor"],
    }
    first = page["edges"][0]["node"]
    assert first["kind"] == "CrmAccount"
    assert first["contacts"] == {
        "totalCount": 2,
        "pageInfo": {"hasNextPage": True},
        "nodes": [{"name": "C1", "account": {"name": "Acme 0"}, "deals": {"edges": []}}],
    }


async def test_pages_lead_to_one_another_in_both_directions(graph: Graph) -> None:
    await firm(graph, accounts=5, contacts=1)
    query = """query($first: Int, $after: String, $last: Int, $before: String, $sort: [CrmAccountSort!]) {
      crmAccounts(first: $first, after: $after, last: $last, before: $before, sort: $sort) {
        nodes { name } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"""
    for sort in (["NAME_ASC"], ["NAME_DESC"], ["PHONE_ASC", "NAME_DESC"], ["PHONE_DESC", "NAME_ASC"], []):
        whole = [one["name"] for one in (await graph.data(query, first=100, sort=sort))["crmAccounts"]["nodes"]]
        seen: list[str] = []
        place: dict[str, Any] = {"first": 2}
        for _ in range(3):
            page = (await graph.data(query, sort=sort, **place))["crmAccounts"]
            seen += [one["name"] for one in page["nodes"]]
            place = {"first": 2, "after": page["pageInfo"]["endCursor"]}
        assert seen == whole and not page["pageInfo"]["hasNextPage"]
        assert page["pageInfo"]["hasPreviousPage"]

        back: list[str] = []
        place = {"last": 2}
        for _ in range(3):
            page = (await graph.data(query, sort=sort, **place))["crmAccounts"]
            back = [one["name"] for one in page["nodes"]] + back
            place = {"last": 2, "before": page["pageInfo"]["startCursor"]}
        assert back == whole and not page["pageInfo"]["hasPreviousPage"]


async def test_a_record_of_another_service_is_one_more_statement_however_many_refer_to_it(graph: Graph) -> None:
    users = [User(name=f"U{n}", email=f"u{n}@one.example") for n in range(2)]
    await graph.tenant.given(*users)
    await graph.tenant.given(*[Account(name=f"A{n}", owner_id=users[n % 2].id) for n in range(6)], Account(name="A9"))
    query = "{ crmAccounts(sort: NAME_ASC) { nodes { name owner { name email id } lead: ownerId } } }"
    await graph.data(query)

    with graph.counted() as spent:
        said = (await graph.data(query))["crmAccounts"]["nodes"]

    assert (spent.round_trips, spent.statements) == (2, 2)
    assert [one["owner"] and one["owner"]["name"] for one in said] == ["U0", "U1"] * 3 + [None]
    assert said[0]["owner"] == {"name": "U0", "email": "u0@one.example", "id": str(users[0].id)}
    with graph.counted() as spent:
        said = (await graph.data("{ crmAccounts { nodes { owner { id __typename } } } }"))["crmAccounts"]["nodes"]
    assert spent.statements == 1  # what the reference itself says needs no other
    assert said[0]["owner"] is None and said[1]["owner"] == {"id": str(users[1].id), "__typename": "AuthUser"}


async def test_skip_include_aliases_and_typenames(graph: Graph) -> None:
    (account, *_) = await firm(graph, accounts=1, contacts=1)
    query = """query($id: ID!, $yes: Boolean!) { __typename
      a: crmAccount(id: $id) { x: name name @skip(if: $yes) ... @include(if: $yes) { id } }
      b: crmAccount(id: $id) @include(if: $yes) { contacts { __typename edges { __typename node { __typename } } pageInfo { __typename } } } }"""
    assert await graph.data(query, id=account.id, yes=True) == {
        "__typename": "Query",
        "a": {"x": "Acme 0", "id": str(account.id)},
        "b": {
            "contacts": {
                "__typename": "CrmContactConnection",
                "edges": [{"__typename": "CrmContactEdge", "node": {"__typename": "CrmContact"}}],
                "pageInfo": {"__typename": "PageInfo"},
            }
        },
    }
    assert await graph.data(query, id=account.id, yes=False) == {"__typename": "Query", "a": {"x": "Acme 0", "name": "Acme 0"}}


async def test_a_statement_serves_other_values_of_the_same_shape_and_still_checks_them(graph: Graph) -> None:
    await firm(graph)
    query = "query($f: CrmAccountFilter) { crmAccounts(filter: $f, sort: NAME_ASC) { nodes { name } } }"

    async def found(**conditions: Any) -> list[str]:
        return [one["name"] for one in (await graph.data(query, f=conditions))["crmAccounts"]["nodes"]]

    assert await found(name={"eq": "Acme 1"}) == ["Acme 1"]
    assert await found(name={"eq": "Acme 2"}) == ["Acme 2"]
    assert await found(name={"in": ["Acme 0", "Acme 2", "x"]}) == ["Acme 0", "Acme 2"]
    assert await found(name={"in": ["Acme 1"]}) == ["Acme 1"]
    assert await found(**{"or": [{"name": {"eq": "Acme 0"}}, {"not": {"name": {"lte": "Acme 1"}}}]}) == ["Acme 0", "Acme 2"]
    assert await found(id={"eq": "01890000-0000-7000-8000-000000000000"}) == []
    (error,) = await graph.errors(query, f={"id": {"eq": "not one"}})
    assert error["extensions"]["problem"]["errors"][0]["field"] == "filter.id.eq"


@pytest.mark.parametrize("name", ["auth", "crm"])
async def test_the_schema_tells_itself_and_its_fields(graph: Graph, name: str) -> None:
    said = await graph.data('{ __schema { queryType { name } types { name } } __type(name: "Problem") { possibleTypes { name } } }')
    assert said["__schema"]["queryType"] == {"name": "Query"}
    assert "CrmStageNeeds" in {one["name"] for one in said["__type"]["possibleTypes"]}
    sdl = (await graph.data("{ _service { sdl __typename } }", path=f"/graphql/{name}"))["_service"]["sdl"]
    assert sdl.startswith("extend schema\n  @link(")
