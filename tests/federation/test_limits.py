"""The limits of a request as a whole, held by the gateway over the services' own schemas: before it plans, in the words of the services."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from nexus.config import Settings
from nexus.core.service import Service
from nexus.gateway.federation.apart import ComposedFederation
from nexus.gateway.federation.subgraphs import graphs, subgraphs
from nexus.gateway.federation.toolbox import Toolbox
from nexus.gateway.graphql import limits_of
from nexus.surfaces.graphql.refusals import beyond, error_of

JSON = {"accept": "application/graphql-response+json"}
SMALL = {"graphql_depth": 8, "graphql_aliases": 5, "graphql_fields": 60, "graphql_rows": 2_000, "graphql_document": 2_000}
DOUBLED = "{ crmContacts { nodes { ...F0 } } } fragment F9 on CrmContact { id } " + " ".join(
    f"fragment F{n} on CrmContact {{ account {{ contacts {{ nodes {{ ...F{n + 1} }} }} }} ...F{n + 1} ...F{n + 1} }}" for n in range(9)
)
REFUSED = {
    "depth": "{ crmContacts { nodes { account { contacts { nodes { account { contacts { nodes { id } } } } } } } } }",
    "aliases": "{ " + " ".join(f"a{n}: __typename" for n in range(6)) + " }",
    "fields": "{ crmLead(id: 1) { " + "id " * 60 + "} }",
    "rows": "{ authUsers(first: 50) { nodes { leads(first: 50) { nodes { name } } } } }",
    "document": "{ crmLeads { totalCount } }" + " " * 2_000,
}


@pytest.fixture(scope="module")
async def federation(
    toolbox: Toolbox, services: dict[str, Service], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[ComposedFederation]:
    """Planned over services none of which answers: whatever is asked of one fails."""
    settings = Settings(data=str(tmp_path_factory.mktemp("limits")), **SMALL)  # type: ignore[arg-type]
    away = subgraphs(graphs(services), dict.fromkeys(services, "http://127.0.0.1:9"))
    made = ComposedFederation(settings, away)
    await made.start()
    yield made
    await made.stop()


async def ask(federation: ComposedFederation, query: str, **variables: object) -> httpx.Response:
    async with httpx.AsyncClient() as client:
        return await client.post(federation.url, json={"query": query, "variables": variables}, headers=JSON, timeout=120)


@pytest.mark.parametrize("name", REFUSED)
async def test_what_passes_a_limit_is_refused_in_the_words_of_the_services(federation: ComposedFederation, name: str) -> None:
    answer = await ask(federation, REFUSED[name])

    limits = limits_of(Settings(**SMALL))  # type: ignore[arg-type]
    assert answer.json() == {"errors": [error_of(beyond(name, limits))]}
    assert answer.status_code == 400


async def test_variables_decide_how_many_records_there_may_be(federation: ComposedFederation) -> None:
    query = "query ($n: Int) { authUsers(first: $n) { nodes { leads(first: $n) { nodes { name } } } } }"

    many, few = await ask(federation, query, n=100), await ask(federation, query, n=10)

    assert [one["extensions"]["code"] for one in many.json()["errors"]] == ["LIMIT"]
    assert [one["extensions"]["code"] for one in few.json()["errors"]] == ["UNAVAILABLE"]  # it was planned, and nobody was there


async def test_fragments_within_fragments_are_measured_once_and_in_their_places(federation: ComposedFederation) -> None:
    (error,) = (await ask(federation, DOUBLED)).json()["errors"]

    assert error["extensions"]["code"] == "LIMIT"
