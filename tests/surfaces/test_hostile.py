"""Whatever is sent to any route of any service, the answer is never a 5xx, and every refusal is a problem that says what to change."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from nexus.core.service import Service
from nexus.engines.oltp.postgres import Postgres
from nexus.runtime.testing import Answered, Harness
from tests.surfaces.hostile import FILES, OPERATIONS, Operation, body_of, filled, headers, query_of, slots

EXAMPLES = int(os.environ.get("NEXUS_FUZZ", "12"))
"""Requests to each operation."""
PLACES = st.one_of(
    slots.map(str), slots.map(str), st.sampled_from(["x", "", " ", "é", "%2e%2e", "..", "0" * 32, str(UUID(int=0)), "a\0b", "🦊", "{s}"])
)


@dataclass
class World:
    """One tenant for all requests, and the ids of what is in it."""

    tenant: Harness
    ids: list[UUID] = field(default_factory=list[UUID], repr=False)
    imports: list[UUID] = field(default_factory=list[UUID], repr=False)

    async def ask(self, method: str, path: str, query: str, body: bytes, named: dict[str, str]) -> Answered:
        answer = await self.tenant.api(method, f"{path}?{query}" if query else path, body, **named)
        refused_well(answer, bodiless=method == "HEAD")
        if answer.status == 201 and answer.body:
            made = msgspec.json.decode(answer.body)
            self.ids += [UUID(made["id"])] if "id" in made else []
        if answer.status == 200 and path.endswith("/import"):
            self.imports.append(UUID(answer.json()["id"]))
        return answer


def refused_well(answer: Answered, *, bodiless: bool = False) -> None:
    assert answer.status < 500, answer.body
    if answer.status >= 400 and not bodiless:
        assert answer.headers["content-type"] == "application/problem+json"
        said = answer.json()
        assert said["status"] == answer.status
        assert said["detail"]
    assert all("\r" not in value and "\n" not in value for value in answer.headers.values())


@pytest.fixture(scope="module")
async def world(oltp: Postgres, database: Any, services: dict[str, Service]) -> AsyncIterator[World]:
    tenant = await Harness.fresh(oltp, database.owner, services.values())
    made = World(tenant)
    for path, body in START:
        answer = await made.ask(
            "POST", f"/api/v1/{path}", "", msgspec.json.encode(msgspec.convert(_with(body, made.ids), dict[str, Any])), {}
        )
        assert answer.status == 201, answer.body
    yield made


START: list[tuple[str, dict[str, Any]]] = [
    ("auth/teams", {"name": "Sales", "key": "sales"}),
    ("crm/pipelines", {"name": "Sales", "key": "sales"}),
    ("crm/deal_stages", {"name": "New", "position": 0, "probability": 10, "pipeline_id": 1}),
    ("crm/accounts", {"name": "Lagos Foods", "annual_revenue": "5.00", "currency": "NGN"}),
    ("crm/contacts", {"name": "Ada", "email": "ada@example.com"}),
    ("crm/leads", {"name": "Bob", "email": "bob@example.com"}),
]


def _with(body: dict[str, Any], ids: list[UUID]) -> dict[str, Any]:
    return {name: str(ids[value]) if name.endswith("_id") else value for name, value in body.items()}


@pytest.fixture(autouse=True)
def deep() -> Iterator[None]:
    """The plugin wraps a test's settings once more for each of its parameters, and looks through all of them: a thousand operations are that deep."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(20_000)
    yield
    sys.setrecursionlimit(limit)


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
@settings(max_examples=EXAMPLES, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(data=st.data())
async def test_no_request_to_any_route_is_answered_with_a_5xx(world: World, operation: Operation, data: st.DataObject) -> None:
    body = filled(data.draw(body_of(operation)).decode("latin-1"), world.ids).encode("latin-1")
    query = filled(data.draw(query_of(operation)), world.ids)
    ids = world.imports if "/imports/" in operation.path and world.imports else world.ids
    path = operation.path.replace("{id}", filled(data.draw(PLACES), ids))
    named = data.draw(headers)
    if operation.takes_a_file and data.draw(st.integers(0, 5)):
        named = {**named, "content_type": data.draw(st.sampled_from(FILES))}
    if operation.method in ("PATCH", "DELETE") and data.draw(st.integers(0, 3)):
        named = {**named, "if_match": "*"}
    asks = operation.method == "GET" or operation.takes_a_file
    await world.ask(operation.method, path, query if asks or data.draw(st.integers(0, 9)) == 0 else "", body, named)


@settings(max_examples=EXAMPLES * 5, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    method=st.sampled_from(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "get", "é", ""]),
    parts=st.lists(
        st.one_of(st.sampled_from(["", "crm", "auth", "leads", "bulk", "reports", "restore", ".", "..", "~", "é"]), slots.map(str)),
        max_size=6,
    ),
)
@example(method="GET", parts=["crm", "", "leads"])
@example(method="POST", parts=["crm", "leads", "", "convert"])
async def test_no_path_and_no_method_is_answered_with_a_5xx(world: World, method: str, parts: list[str]) -> None:
    await world.ask(method, filled("/api/v1/" + "/".join(parts), world.ids), "", b"{}", {"if_match": "*"})
