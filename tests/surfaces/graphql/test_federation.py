"""A service as a subgraph: its text is one that the reference library reads, and its records are found by their keys in one statement for each type."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import graphql as lib
import pytest

from nexus.services.crm.entities import Account, Contact
from nexus.surfaces.graphql.federation import IMPORTS
from tests.surfaces.graphql.conftest import Graph

MACHINERY = """
scalar federation__FieldSet
directive @link(url: String!, import: [String]) repeatable on SCHEMA
directive @key(fields: federation__FieldSet!, resolvable: Boolean = true) repeatable on OBJECT | INTERFACE
directive @shareable repeatable on OBJECT | FIELD_DEFINITION
"""
ENTITIES = """query($r: [_Any!]!) { _entities(representations: $r) { __typename
  ... on CrmAccount { id name contacts(sort: NAME_ASC) { nodes { name } } } ... on CrmContact { id name account { name } } } }"""


@pytest.mark.parametrize("name", ["auth", "crm"])
async def test_the_text_of_a_subgraph_is_a_schema(graph: Graph, name: str) -> None:
    sdl = (await graph.data("{ _service { sdl } }", path=f"/graphql/{name}"))["_service"]["sdl"]
    for word in IMPORTS:
        assert f'"{word}"' in sdl
    schema = lib.build_schema(MACHINERY + sdl, assume_valid_sdl=True)
    assert lib.validate_schema(schema) == []
    assert {one for one in schema.type_map if one.startswith("Auth" if name == "crm" else "Crm")} <= {"AuthUser", "AuthTeam"}


async def test_records_are_found_by_their_keys_in_one_statement_for_each_type(graph: Graph) -> None:
    accounts = [Account(name=f"A{n}") for n in range(6)]
    await graph.tenant.given(*accounts)
    contacts = [Contact(name=f"C{n}", account_id=accounts[n].id) for n in range(3)]
    await graph.tenant.given(*contacts)
    keys: list[dict[str, Any]] = [{"__typename": "CrmAccount", "id": one.id} for one in accounts]
    keys += [{"__typename": "CrmContact", "id": one.id} for one in contacts]
    keys += [{"__typename": "CrmAccount", "id": uuid4()}, keys[0]]
    await graph.data(ENTITIES, path="/graphql/crm", r=keys)

    with graph.counted() as spent:
        found = (await graph.data(ENTITIES, path="/graphql/crm", r=keys))["_entities"]

    assert (spent.round_trips, spent.statements) == (1, 2)
    assert [one and one["name"] for one in found] == [f"A{n}" for n in range(6)] + [f"C{n}" for n in range(3)] + [None, "A0"]
    assert found[0]["contacts"] == {"nodes": [{"name": "C0"}]} and found[6]["account"] == {"name": "A0"}
    assert found[0]["__typename"] == "CrmAccount"


async def test_keys_that_are_none_are_refused_and_what_may_not_be_read_is_null(graph: Graph) -> None:
    for key, field in (
        ({"__typename": "Nothing", "id": str(uuid4())}, "representations[0].__typename"),
        ({"__typename": "CrmAccount", "id": "x"}, "representations[0].id"),
        ("text", "representations[0].__typename"),
    ):
        said = (await graph.post(ENTITIES, {"r": [key]}, path="/graphql/crm")).json()
        assert said["errors"][0]["extensions"]["problem"]["errors"][0]["field"] == field
    account = await graph.tenant.given(Account(name="A"))
    nobody = (
        await graph.as_("auth.member").post(ENTITIES, {"r": [{"__typename": "CrmAccount", "id": account.id}]}, path="/graphql/crm")
    ).json()
    assert nobody["data"] == {"_entities": [None]}
    assert (nobody["errors"][0]["path"], nobody["errors"][0]["extensions"]["code"]) == (["_entities", 0], "FORBIDDEN")


async def test_a_reference_to_another_service_is_its_key_in_a_subgraph(graph: Graph) -> None:
    await graph.tenant.given(Account(name="A", owner_id=uuid4()))
    said = await graph.data("{ crmAccounts { nodes { owner { __typename id } ownerId } } }", path="/graphql/crm")
    (node,) = said["crmAccounts"]["nodes"]
    assert node["owner"] == {"__typename": "AuthUser", "id": node["ownerId"]}
