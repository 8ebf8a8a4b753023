"""GraphQL where services run apart: a real gateway plans over the processes of CRM and of access, under the caller's own key."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import threading
from typing import Any

import pytest

from nexus.gateway.federation.toolbox import Toolbox
from tests.process.conftest import PATIENCE, Nexus, below, until
from tests.process.test_apart import parts

LEADS = "{ crmLeads(sort: [NAME_ASC]) { nodes { name createdByUser { name email } } totalCount } }"


@pytest.fixture(scope="module")
def graph(toolbox: Toolbox, apart: Nexus) -> Nexus:
    """Services apart with two leads of their business."""
    for name in ("Bola", "Ngozi"):
        assert apart.ask("POST", "/api/v1/crm/leads", {"name": name}, token=apart.token)[0] == 201
    return apart


def ask(nexus: Nexus, query: str, token: str | None = None, **variables: Any) -> Any:
    sent = {"query": query, "variables": variables}
    return nexus.ask("POST", "/graphql", sent, token=token or nexus.token, headers={"content-type": "application/json"})[1]


def narrowed(nexus: Nexus, *scopes: str) -> str:
    """A key of the owner's that allows less."""
    status, made = nexus.ask("POST", "/api/v1/auth/api_keys", {"name": "Narrow", "scopes": list(scopes)}, token=nexus.token)
    assert status == 201, made
    key: str = made["token"]
    return key


def test_a_query_crosses_both_processes(graph: Nexus) -> None:
    person = {"name": "Ade", "email": "ade@example.com"}

    assert ask(graph, LEADS) == {
        "data": {"crmLeads": {"nodes": [{"name": name, "createdByUser": person} for name in ("Bola", "Ngozi")], "totalCount": 2}}
    }


def test_a_link_leads_from_one_process_to_the_other_and_back(graph: Nexus) -> None:
    (me,) = graph.ask("GET", "/api/v1/auth/reports/me", token=graph.token)[1]["items"]
    lead = graph.ask("GET", "/api/v1/crm/leads?name=Bola", token=graph.token)[1]["items"][0]
    owned, _ = graph.ask("POST", f"/api/v1/crm/leads/{lead['id']}/assign", {"owner_id": me["id"]}, token=graph.token)
    query = "query ($id: ID!) { authUser(id: $id) { name leads { nodes { name owner { email } } } } }"

    answer = ask(graph, query, id=me["id"])

    assert owned == 200
    assert answer == {"data": {"authUser": {"name": "Ade", "leads": {"nodes": [{"name": "Bola", "owner": {"email": "ade@example.com"}}]}}}}


def test_a_key_that_allows_one_service_is_answered_by_that_one_alone(graph: Nexus) -> None:
    answer = ask(graph, LEADS, narrowed(graph, "crm.*:read"))

    assert [one["name"] for one in answer["data"]["crmLeads"]["nodes"]] == ["Bola", "Ngozi"]
    assert [one["createdByUser"] for one in answer["data"]["crmLeads"]["nodes"]] == [None, None]
    assert {error["extensions"]["problem"]["permission"] for error in answer["errors"]} == {"auth.user:read"}


def test_without_a_key_nobody_is_answered(graph: Nexus) -> None:
    for token in ("nx_wrong", "x"):
        answer = ask(graph, LEADS, token)
        assert answer["data"] is None or answer["data"]["crmLeads"] is None
        assert answer["errors"][0]["extensions"]["problem"]["status"] == 401


def test_another_business_sees_its_own(graph: Nexus) -> None:
    other = graph.activate(name="Other Bakery", owner={"name": "Ola", "email": "ola@example.com"})

    assert ask(graph, LEADS, other)["data"]["crmLeads"] == {"nodes": [], "totalCount": 0}


def test_a_change_is_made_through_the_gateway(graph: Nexus) -> None:
    made = ask(graph, 'mutation { crmCreateContact(input: { name: "Chi" }) { __typename ... on CrmContact { name } } }')

    assert made == {"data": {"crmCreateContact": {"__typename": made["data"]["crmCreateContact"]["__typename"], "name": "Chi"}}}
    assert graph.ask("GET", "/api/v1/crm/contacts?name=Chi&count=exact", token=graph.token)[1]["count"] == 1


def test_what_happens_is_told_through_the_planner_with_what_another_process_knows(graph: Nexus) -> None:
    query = "subscription { crmContactCreated { actor record { name createdByUser { name } } } }"
    headers = {"authorization": f"Bearer {graph.token}", "content-type": "application/json", "accept": "text/event-stream"}
    connection = http.client.HTTPConnection("127.0.0.1", graph.port, timeout=PATIENCE)
    connection.request("POST", "/graphql", json.dumps({"query": query}), headers)
    said: list[str] = []

    def listen() -> None:
        with contextlib.closing(connection), connection.getresponse() as response:
            said.append(next(line.decode().removeprefix("data: ") for line in response if line.startswith(b"data: {")))

    listening = threading.Thread(target=listen, daemon=True)
    listening.start()

    def told() -> bool:
        assert graph.ask("POST", "/api/v1/crm/contacts", {"name": "Told"}, token=graph.token)[0] == 201
        return bool(said)

    until(told, "a contact is told of")
    event = json.loads(said[0])["data"]["crmContactCreated"]
    assert event["record"] == {"name": "Told", "createdByUser": {"name": "Ade"}}
    listening.join(PATIENCE)


def test_the_limits_hold_for_what_is_planned_over_several(graph: Nexus) -> None:
    (error,) = ask(graph, "{ authUsers(first: 500) { nodes { leads(first: 500) { nodes { name } } } } }")["errors"]

    assert error["extensions"]["code"] == "LIMIT"
    assert error["message"].startswith("This may answer too many records")


def test_a_browser_gets_the_page_and_a_program_does_not(graph: Nexus) -> None:
    status, text = graph.text("/graphql", accept="text/html,*/*")

    assert (status, "<title>GraphQL" in text) == (200, True)
    assert graph.text("/assets/explorer.css")[0] == 200
    assert ask(graph, "{ __typename }") == {"data": {"__typename": "Query"}}


def test_a_process_that_is_killed_takes_only_its_own_with_it(graph: Nexus) -> None:
    query = "{ authUsers { nodes { name } } crmLeads { totalCount } }"
    os.kill(parts(graph)["crm"], signal.SIGKILL)

    until(lambda: "errors" not in ask(graph, query), "it is back")

    assert ask(graph, query)["data"]["crmLeads"] == {"totalCount": 2}


def test_the_planner_is_started_again(graph: Nexus) -> None:
    (planner,) = below(parts(graph)["graphql"])

    os.kill(planner, signal.SIGKILL)

    until(lambda: "data" in (ask(graph, LEADS) or {}), "it plans again")
    assert ask(graph, LEADS)["data"]["crmLeads"]["totalCount"] == 2
