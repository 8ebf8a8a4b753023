"""A service that `nexus new service` has written speaks every surface without a further line, and CRM calls it through its `api`."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from typing import Any

import grpc
import httpx2
import mcp_types as types
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client

from tests.journeys.conftest import Business
from tests.process.conftest import PATIENCE, alive, until
from tests.process.test_apart import parts

ME = types.Implementation(name="journey", version="1")


def gift(nexus: Business, name: str) -> Any:
    return nexus.api("POST", "loyalty/items", {"name": name})


def deal(nexus: Business, name: str) -> Any:
    return nexus.api("POST", "crm/deals", {"name": name})["deal_id"]


def test_crm_calls_it_through_its_api(nexus: Business) -> None:
    item, won = gift(nexus, "A cake"), deal(nexus, "Party")

    closed = nexus.api("POST", f"crm/deals/{won}/thank", {"item_id": item["id"], "reason": "thanks"})

    assert closed == {"item_id": item["id"], "reason": "thanks: Party"}
    assert nexus.api("GET", f"loyalty/items/{item['id']}")["status"] == "closed"
    event = nexus.told("loyalty.item.closed", item["id"])
    assert event["actor"] == "user:Ade", "the caller's own name is what the other service knows"


def test_a_refusal_of_it_is_the_callers_and_nothing_changed(nexus: Business) -> None:
    item, won = gift(nexus, "A tart"), deal(nexus, "Wedding")
    nexus.api("POST", f"loyalty/items/{item['id']}/close", {"reason": "eaten"})

    refused = nexus.api("POST", f"crm/deals/{won}/thank", {"item_id": item["id"], "reason": "thanks"}, expect=409)

    assert refused["type"] == "/problems/illegal-move"
    assert refused["detail"].startswith("Item is closed: it cannot close")
    assert nexus.api("GET", f"loyalty/items/{item['id']}")["version"] == 2


def test_a_caller_who_may_not_there_may_not_through_crm(nexus: Business) -> None:
    item, won = gift(nexus, "A pie"), deal(nexus, "Lunch")
    narrow = nexus.api("POST", "auth/api_keys", {"name": "CRM only", "scopes": ["crm.*:*"]})

    status, refused = nexus.ask(
        "POST", f"/api/v1/crm/deals/{won}/thank", {"item_id": item["id"], "reason": "thanks"}, token=narrow["token"]
    )

    assert (status, refused["permission"]) == (403, "loyalty.item:close")
    assert nexus.api("GET", f"loyalty/items/{item['id']}")["status"] == "open"


def test_a_request_that_is_repeated_calls_once(nexus: Business) -> None:
    item, won = gift(nexus, "A bun"), deal(nexus, "Breakfast")
    sent = {"item_id": item["id"], "reason": "thanks"}

    answers = [
        nexus.ask("POST", f"/api/v1/crm/deals/{won}/thank", sent, token=nexus.token, headers={"Idempotency-Key": "thank-once"})
        for _ in range(2)
    ]

    assert answers[0] == answers[1] == (200, {"item_id": item["id"], "reason": "thanks: Breakfast"})
    assert nexus.api("GET", f"loyalty/items/{item['id']}")["version"] == 2


def test_a_dry_run_is_one_in_both(nexus: Business) -> None:
    item, won = gift(nexus, "A roll"), deal(nexus, "Dinner")

    nexus.api("POST", f"crm/deals/{won}/thank?dry_run=true", {"item_id": item["id"], "reason": "thanks"})

    assert nexus.api("GET", f"loyalty/items/{item['id']}")["status"] == "open"


def test_it_speaks_graphql(nexus: Business) -> None:
    item = gift(nexus, "A biscuit")
    query = "{ loyaltyItems(first: 100) { edges { node { id name status } } } }"

    status, answer = nexus.ask("POST", "/graphql", {"query": query}, token=nexus.token, headers={"content-type": "application/json"})

    assert status == 200, answer
    nodes = [edge["node"] for edge in answer["data"]["loyaltyItems"]["edges"]]
    assert item["name"] in [node["name"] for node in nodes]


def test_it_is_documented(nexus: Business) -> None:
    status, document = nexus.ask("GET", "/openapi.json?service=loyalty")

    assert status == 200
    assert "/api/v1/loyalty/items/{id}/close" in document["paths"]


def test_it_is_a_tool_of_agents(nexus: Business) -> None:
    """A record is made at once; what cannot be undone is told first, and done when that is confirmed."""

    async def talk() -> list[Any]:
        headers = {"authorization": f"Bearer {nexus.token}"}
        async with (
            httpx2.AsyncClient(headers=headers, timeout=PATIENCE) as http,
            Client(streamable_http_client(f"{nexus.url}/mcp", http_client=http), client_info=ME, cache=None) as client,
        ):
            made = await client.call_tool("loyalty_item_create", {"name": "A waffle"})
            id = made.structured_content["result"]["id"]
            closing = {"id": id, "reason": "eaten"}
            foretold = await client.call_tool("loyalty_item_close", closing)
            return [
                made,
                foretold,
                await client.call_tool("loyalty_item_close", closing | {"confirm_token": foretold.structured_content["confirm_token"]}),
            ]

    made, foretold, closed = asyncio.run(talk())

    assert not made.is_error, made
    assert foretold.is_error
    assert not closed.is_error, closed
    assert nexus.api("GET", f"loyalty/items/{made.structured_content['result']['id']}")["status"] == "closed"


def test_it_speaks_grpc(nexus: Business) -> None:
    """What it has is found by reflection, and asked with nothing else known of it."""
    item = gift(nexus, "A crumble")
    folder = nexus.folder / "data" / ("apart/loyalty" if nexus.apart else "")
    address = json.loads((folder / "running.json").read_text())["grpc"]
    with grpc.insecure_channel(address) as channel:
        found = ProtoReflectionDescriptorDatabase(channel)
        names = [name for name in found.get_services() if name.startswith("nexus.loyalty")]
        pool = DescriptorPool(found)
        (service,) = (one for one in map(pool.FindServiceByName, names) if "Close" in one.methods_by_name)
        method = service.methods_by_name["Close"]
        sent = GetMessageClass(method.input_type)(item_id=item["id"], reason="eaten")
        ask = channel.unary_unary(
            f"/{service.full_name}/Close",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=GetMessageClass(method.output_type).FromString,
        )

        answer = ask(sent, metadata=(("authorization", f"Bearer {nexus.token}"),), timeout=PATIENCE)

    assert (answer.item_id, answer.reason) == (item["id"], "eaten")
    assert nexus.api("GET", f"loyalty/items/{item['id']}")["status"] == "closed"


def test_killed_it_is_named_and_called_again_when_it_is_back(nexus: Business) -> None:
    if not nexus.apart:
        return  # one process is killed as a whole: see tests/chaos
    item, won = gift(nexus, "A scone"), deal(nexus, "Tea")
    pid = parts(nexus)["loyalty"]
    os.kill(pid, signal.SIGKILL)
    until(lambda: not alive(pid), "it has ended")

    status, answer = nexus.ask("POST", f"/api/v1/crm/deals/{won}/thank", {"item_id": item["id"], "reason": "thanks"}, token=nexus.token)
    if status != 200:  # it may be back already
        assert (status, answer["type"], answer["service"]) == (503, "/problems/service-unavailable", "loyalty")
    assert nexus.api("GET", "crm/deals?limit=1")["items"], "CRM goes on"

    def thanked() -> bool:
        again = nexus.ask("POST", f"/api/v1/crm/deals/{won}/thank", {"item_id": item["id"], "reason": "thanks"}, token=nexus.token)
        return again[0] == 200 or again[1]["type"] == "/problems/illegal-move"

    until(thanked, "it is called again")
    assert nexus.api("GET", f"loyalty/items/{item['id']}")["status"] == "closed"
