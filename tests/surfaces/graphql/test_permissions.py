"""Who may do what: every role against every field of the query and every mutation, and against every record, as REST answers it."""

from __future__ import annotations

from typing import Any, Final
from uuid import uuid4

import pytest

from nexus.core.policy import ROLES
from nexus.core.service import Service
from nexus.engines.oltp.postgres import Postgres
from nexus.runtime.testing import Harness
from nexus.services.crm.entities import Account, CallLog, Contact
from nexus.services.crm.terms import CallStatus, Direction
from nexus.surfaces.graphql.graph import graph_of
from nexus.surfaces.graphql.model import Graph as Types
from nexus.surfaces.graphql.model import Member, inner
from nexus.surfaces.graphql.sources import Change, Many, Report, Single
from tests.surfaces.graphql.conftest import Graph
from tests.surfaces.test_permission_matrix import may


@pytest.fixture(scope="module")
def types(services: dict[str, Service]) -> Types:
    from typing import cast

    from nexus.surfaces.calling import Host
    from nexus.surfaces.operations import Operations
    from nexus.surfaces.rest import Rest

    operations = Operations(Rest(cast(Host, None), services.values()), None, services.values())
    return graph_of(list(services.values()), operations, federated=False)


def query_of(types: Types, member: Member) -> tuple[str, str]:
    """A query of a field, and the permission that it takes."""
    kind = types.get(inner(member.type))
    match member.source:
        case Many(shape):
            return f"{{ {member.name} {{ totalCount }} }}", f"{shape.name}:read"
        case Single(shape):
            return f'{{ {member.name}(id: "{uuid4()}") {{ id }} }}', f"{shape.name}:read"
        case Report(_, answer):
            given = "".join(f"{one.name}: {LEAST[one.name]} " for one in member.arguments if one.type.endswith("!"))
            below = "" if kind is None or kind.kind == "scalar" else " { __typename }"
            return f"{{ {member.name}{f'({given})' if given else ''}{below} }}", answer.needs
        case _:
            raise AssertionError(member.name)


SOME: Final = f'"{uuid4()}"'
LEAST: Final = {
    "periodStart": '"2026-01-01"',
    "periodEnd": '"2026-03-31"',
    "since": '"2026-01-01"',
    "until": '"2026-03-31"',
    "on": '"2026-03-31"',
    "by": "OWNER",
    "companyId": SOME,
    "bankAccountId": SOME,
    "budgetId": SOME,
    "accountId": SOME,
    "partyId": SOME,
}
UNKNOWN: Final = {"UNKNOWN_COMPANY", "UNKNOWN_PARTY", "UNKNOWN_BUDGET"}
"""What some reports say of an id that is of nothing."""


@pytest.mark.parametrize("role", sorted(ROLES))
async def test_a_field_of_the_query_is_open_to_those_whose_role_says_so(graph: Graph, types: Types, role: str) -> None:
    caller = graph.as_(role)
    for member in types.query.members.values():
        query, needs = query_of(types, member)
        said = (await caller.post(query)).json()
        if may(role, needs):
            assert {error["extensions"]["code"] for error in said.get("errors", ())} <= UNKNOWN, said
            continue
        (error,) = said["errors"]
        assert (error["path"], error["extensions"]["problem"]["permission"]) == ([member.name], needs)
        assert said["data"] == {member.name: None}


def mutation_of(types: Types, member: Member, id: str) -> tuple[str, str] | None:
    """A mutation with as little as its type allows, and the permission that it takes; None where it takes more than nothing."""
    source: Change = member.source
    given: list[str] = []
    for one in member.arguments:
        if one.name == "id":
            given.append(f'id: "{id}"')
        elif one.name == "version":
            given.append("version: 1")
        elif one.name == "input" and one.type.endswith("!"):
            if any(field.type.endswith("!") for field in types[inner(one.type)].members.values()):
                return None
            given.append("input: {}")
    said = f"({' '.join(given)})" if given else ""
    return f"mutation {{ made: {member.name}{said} {{ __typename ... on Forbidden {{ permission }} }} }}", source.operation.needs


@pytest.mark.parametrize("role", sorted(ROLES))
async def test_a_mutation_is_open_to_those_whose_role_says_so(graph: Graph, types: Types, role: str) -> None:
    caller = graph.as_(role)
    there = (await graph.tenant.given(Contact(name="There"))).id
    asked = 0
    for member in types.mutation.members.values():
        made = mutation_of(types, member, str(there))
        if made is None:
            continue
        query, needs = made
        asked += 1
        said = (await caller.data(query))["made"]
        if may(role, needs):
            assert said != {"__typename": "Forbidden", "permission": needs}, member.name
        else:
            assert said == {"__typename": "Forbidden", "permission": needs}, member.name
    assert asked > 40


async def test_without_a_role_nothing_is_answered_and_what_is_open_beside_it_is(graph: Graph) -> None:
    said = (await graph.as_().post("{ __typename crmLeads { totalCount } authUsers { totalCount } }")).json()
    assert said["data"] == {"__typename": "Query", "crmLeads": None, "authUsers": None}
    assert [one["path"] for one in said["errors"]] == [["crmLeads"], ["authUsers"]]
    partly = (await graph.as_("crm.viewer").post("{ authApiKeys { totalCount } crmLeads { totalCount } }")).json()
    assert partly["data"] == {"authApiKeys": None, "crmLeads": {"totalCount": 0}}


async def test_what_lies_below_is_refused_as_it_is_by_itself(graph: Graph) -> None:
    rep = graph.as_("crm.rep")
    for query in ("{ crmLeads { nodes { owner { email } } } }", "{ crmPipelines { nodes { deals { nodes { quotes { totalCount } } } } } }"):
        said = (await rep.post(query)).json()
        if "errors" in said:
            (error,) = said["errors"]
            assert error["extensions"]["code"] == "FORBIDDEN" and set(said["data"].values()) == {None}


async def test_another_tenant_is_as_good_as_nowhere(graph: Graph, oltp: Postgres, database: Any, services: dict[str, Service]) -> None:
    other = await Harness.fresh(oltp, database.owner, services.values())
    account = await other.given(Account(name="Theirs"))
    await other.given(Contact(name="Theirs", account_id=account.id))
    query = "query($id: ID!) { crmAccount(id: $id) { name } crmAccounts(filter: {id: {eq: $id}}) { totalCount } }"
    assert await graph.data(query, id=account.id) == {"crmAccount": None, "crmAccounts": {"totalCount": 0}}
    assert (await Graph(graph.site, other).data(query, id=account.id))["crmAccount"] == {"name": "Theirs"}
    changed = await graph.data(
        'mutation($id: ID!) { made: crmUpdateAccount(id: $id, ifMatch: "*", input: {name: "Ours"}) { __typename } }', id=account.id
    )
    assert changed["made"] == {"__typename": "NotFound"}
    assert (await other.get(Account, account.id)).name == "Theirs"


async def test_a_read_that_shows_what_is_sensitive_is_written_down(graph: Graph) -> None:
    call = await graph.tenant.given(
        CallLog(provider="twilio", direction=Direction.INBOUND, status=CallStatus.COMPLETED, recording_url="https://one.example/r", from_number="+2348031234567",
                to_number="+2348031234568", started_at=graph.tenant.caller.cause().now, provider_call_id="p1")
    )  # fmt: skip
    one = "query($id: ID!) { crmCallLog(id: $id) { recordingUrl } }"
    many = "{ crmCallLogs { nodes { recordingUrl } } }"
    without = "{ crmCallLogs { nodes { id } } }"
    for query, variables, told in ((one, {"id": call.id}, 1), (many, {}, 1), (without, {}, 0)):
        before = len(await graph.journal())
        await graph.data(query, **variables)
        rows = (await graph.journal())[before:]
        assert len(rows) == told
        for row in rows:
            assert (row["command"], row["entity"], row["fields"]) == ("crm.call_log:read", "crm.call_log", ["recording_url"])
            assert row.get("entity_id") == (str(call.id) if query == one else None)
            assert (many[2:-2] == " ".join(row["query"][0].split())) if query == many else "query" not in row
