"""The gateway: a real one in front of two subgraphs, killed, silent, left behind."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets import Subprotocol
from websockets.asyncio.client import connect

from nexus.config import Settings
from nexus.gateway.federation import Federation
from nexus.gateway.federation import gateway as module
from nexus.gateway.federation.apart import ComposedFederation
from nexus.gateway.federation.composition import CompositionFailed, Subgraph
from nexus.gateway.federation.gateway import FederationGateway, NoGateway
from nexus.gateway.federation.toolbox import Toolbox
from tests.federation.subgraphs import CRM, LINK, Serving, pair

JSON = {"accept": "application/graphql-response+json"}
DEALS = "{ deals { id owner { id name } } }"


class Graph:
    """Both subgraphs, and the gateway in front of them."""

    def __init__(self, settings: Settings) -> None:
        self.auth, self.crm = pair()
        self.auth_serving, self.crm_serving = Serving(self.auth), Serving(self.crm)
        self.settings = settings

    async def start(self) -> None:
        await self.auth_serving.start()
        await self.crm_serving.start()
        self.federation = ComposedFederation(self.settings, [self.auth.subgraph(), self.crm.subgraph()])
        await self.federation.start()

    async def stop(self) -> None:
        await self.federation.stop()
        await self.auth_serving.stop()
        await self.crm_serving.stop()

    @property
    def supergraph(self) -> Path:
        return self.settings.folder / "federation" / "supergraph.graphql"

    @property
    def gateway(self) -> FederationGateway:
        assert self.federation.gateway is not None
        return self.federation.gateway

    async def ask(self, query: str, **headers: str) -> tuple[int, Any]:
        async with httpx.AsyncClient() as client:
            answer = await client.post(self.federation.url, json={"query": query}, headers={**JSON, **headers}, timeout=120)
        return answer.status_code, answer.json()


@pytest.fixture(scope="module")
async def served(toolbox: Toolbox, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Graph]:
    graph = Graph(Settings(data=str(tmp_path_factory.mktemp("federation"))))
    await graph.start()
    yield graph
    await graph.stop()


@pytest.fixture
def graph(served: Graph) -> Graph:
    """The one graph of these tests, which was asked nothing yet."""
    served.auth.asked.clear()
    served.crm.asked.clear()
    return served


async def until(check: Any) -> None:
    """Wait for something that is bound to happen."""
    async with asyncio.timeout(240):
        while not check():
            await asyncio.sleep(0.02)


async def test_a_query_crosses_both_services_and_asks_each_once(graph: Graph) -> None:
    known: Federation = graph.federation
    status, answer = await graph.ask(DEALS)

    assert known.answers
    assert (status, answer) == (
        200,
        {
            "data": {
                "deals": [
                    {"id": "1", "owner": {"id": "ann", "name": "Name of ann"}},
                    {"id": "2", "owner": {"id": "bob", "name": "Name of bob"}},
                    {"id": "3", "owner": {"id": "ann", "name": "Name of ann"}},
                ]
            }
        },
    )
    assert len(graph.crm.asked) == 1
    ((_, people),) = graph.auth.asked
    assert people["variables"] == {"representations": [{"__typename": "User", "id": "ann"}, {"__typename": "User", "id": "bob"}]}


async def test_who_asks_and_what_a_request_is_called_reach_every_service(graph: Graph) -> None:
    sent = {"authorization": "Bearer nx_1", "x-request-id": "r-1", "traceparent": f"00-{'1' * 32}-{'2' * 16}-01"}

    await graph.ask(DEALS, **sent, cookie="a=b")

    for asked in (graph.crm.asked, graph.auth.asked):
        ((headers, _),) = asked
        assert {name: headers.get(name) for name in sent} == sent
        assert "cookie" not in headers


async def test_a_refusal_of_a_service_is_passed_on_as_it_was(graph: Graph) -> None:
    status, answer = await graph.ask('mutation { winDeal(id: "1") { id } }')

    assert status == 200
    (error,) = answer["errors"]
    assert (error["message"], error["path"]) == ("No.", ["winDeal"])
    assert error["extensions"]["problem"]["permission"] == "crm.deal:win"


async def test_a_query_that_is_none_is_refused_without_asking_anybody(graph: Graph) -> None:
    status, answer = await graph.ask("{ nothing }")

    assert (status, "data" in answer) == (400, False)
    assert graph.crm.asked == graph.auth.asked == []


async def test_a_service_that_is_away_is_named_and_what_needs_it_not_is_answered(graph: Graph, caplog: pytest.LogCaptureFixture) -> None:
    await graph.auth_serving.stop()

    status, answer = await graph.ask('{ deals { id } user(id: "secret-id") { name } }')

    assert (status, answer["data"]) == (200, {"deals": [{"id": "1"}, {"id": "2"}, {"id": "3"}], "user": None})
    (error,) = answer["errors"]
    assert (error["path"], error["extensions"]["problem"]) == (
        ["user"],
        {
            "type": "/problems/unavailable",
            "title": "Unavailable",
            "status": 503,
            "detail": "The service auth is not available right now; try again shortly.",
            "what": "The service auth",
        },
    )
    assert "secret-id" not in caplog.text
    await graph.auth_serving.start()
    assert (await graph.ask('{ user(id: "1") { name } }'))[1] == {"data": {"user": {"name": "Ann"}}}


async def test_what_happens_is_told_as_server_sent_events(graph: Graph) -> None:
    query = {"query": "subscription { dealWon { id owner { name } } }"}
    parts = []
    async with (
        httpx.AsyncClient() as client,
        client.stream("POST", graph.federation.url, json=query, headers={"accept": "text/event-stream"}, timeout=60) as answer,
    ):
        async for line in answer.aiter_lines():
            if line.startswith("data: "):
                parts.append(json.loads(line[6:])["data"]["dealWon"])

    assert parts == [{"id": id, "owner": {"name": f"Name of owner-{id}"}} for id in ("1", "2")]


@pytest.mark.parametrize("place", ["header", "first message"])
async def test_what_happens_is_told_over_a_websocket(graph: Graph, place: str) -> None:
    key = {"Authorization": "Bearer nx_1"}
    address, protocol = graph.federation.url.replace("http:", "ws:"), Subprotocol("graphql-transport-ws")
    async with connect(address, subprotocols=[protocol], additional_headers=key if place == "header" else {}) as socket:
        await socket.send(json.dumps({"type": "connection_init", "payload": {} if place == "header" else key}))
        assert json.loads(await socket.recv())["type"] == "connection_ack"
        await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": {"query": "subscription { dealWon { id } }"}}))
        told = [json.loads(await socket.recv()) for _ in range(3)]

    assert [one["type"] for one in told] == ["next", "next", "complete"]
    assert [one["payload"]["data"]["dealWon"]["id"] for one in told[:2]] == ["1", "2"]
    assert graph.crm.asked[0][0]["authorization"] == "Bearer nx_1"


async def test_a_gateway_that_dies_is_started_again_where_it_was(graph: Graph) -> None:
    url, pid, codes = graph.federation.url, graph.gateway.pid, []
    graph.gateway.on_restart = codes.append
    assert pid is not None

    os.kill(pid, signal.SIGKILL)
    await until(lambda: codes and graph.federation.answers)

    assert (codes, graph.federation.url) == ([-signal.SIGKILL], url)
    assert (await graph.ask(DEALS))[0] == 200


async def test_a_gateway_that_answers_no_more_is_started_again(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PROBE", 0.2)
    monkeypatch.setattr(module, "PATIENCE", 2)
    codes: list[int] = []
    graph.gateway.on_restart = codes.append
    pid = graph.gateway.pid
    assert pid is not None

    os.kill(pid, signal.SIGSTOP)
    await until(lambda: codes)
    monkeypatch.setattr(module, "PROBE", 10.0)
    await until(lambda: graph.federation.answers)

    assert codes[0] == -signal.SIGKILL
    assert (await graph.ask(DEALS))[0] == 200


async def test_schemas_that_are_not_one_are_refused_at_the_start(toolbox: Toolbox, tmp_path: Path) -> None:
    crm = Subgraph("crm", "http://127.0.0.1:1/graphql", LINK + CRM)
    other = Subgraph("sales", "http://127.0.0.1:2/graphql", LINK + CRM.replace("owner: User", "owner: Int"))
    federation = ComposedFederation(Settings(data=str(tmp_path)), [crm, other])

    with pytest.raises(CompositionFailed, match="FIELD_TYPE_MISMATCH"):
        await federation.start()
    await federation.stop()


async def test_a_supergraph_that_cannot_be_read_is_told(toolbox: Toolbox, tmp_path: Path) -> None:
    file = tmp_path / "supergraph.graphql"
    file.write_text("type Query {", encoding="ascii")

    with pytest.raises(NoGateway, match="Syntax Error"):
        await FederationGateway(toolbox, file).start()


async def test_a_port_that_is_taken_is_told(graph: Graph, toolbox: Toolbox) -> None:
    second = FederationGateway(toolbox, graph.supergraph, port=graph.gateway.port)

    with pytest.raises(NoGateway, match="EADDRINUSE"):
        await second.start()


CHILD = """
import asyncio, sys
from pathlib import Path
from nexus.gateway.federation.gateway import FederationGateway
from nexus.gateway.federation.toolbox import Toolbox

async def main():
    gateway = FederationGateway(Toolbox.find(), Path(sys.argv[1]))
    await gateway.start()
    print(gateway.pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_it_does_not_outlive_who_started_it(graph: Graph) -> None:
    with subprocess.Popen([sys.executable, "-c", CHILD, graph.supergraph], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(await asyncio.to_thread(parent.stdout.readline))
        assert Path(f"/proc/{pid}").exists()
        parent.kill()

    await until(lambda: not Path(f"/proc/{pid}").exists() or "State:\tZ" in Path(f"/proc/{pid}/status").read_text())


async def test_after_the_stop_there_is_no_process(graph: Graph, toolbox: Toolbox) -> None:
    other = FederationGateway(toolbox, graph.supergraph)
    await other.start()
    pid = other.pid
    assert pid is not None

    await other.stop()

    assert not Path(f"/proc/{pid}").exists()
    assert (other.answers, other.pid) == (False, None)
