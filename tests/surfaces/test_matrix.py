"""One table of permissions, every surface: role by operation by nobody's record and another tenant's gives the same answer on each of them.

The table is the declarations: what a role's patterns say of an operation's permission, worked out another way than the platform does. A surface
joins with an adapter that asks an operation in its own language and says whether it was refused for the permission, found nothing, or neither.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Literal, TypeAlias
from uuid import UUID, uuid4

import grpc
import pytest
from google.protobuf.message_factory import GetMessageClass

from nexus.core.policy import ROLES
from nexus.core.problem import Forbidden
from nexus.core.service import Service
from nexus.engines.oltp.postgres import Postgres
from nexus.runtime.testing import Harness
from nexus.services.crm.entities import Contact
from nexus.surfaces.graphql import names
from nexus.surfaces.graphql.graph import graph_of
from nexus.surfaces.graphql.model import Graph as Types
from nexus.surfaces.graphql.sources import Change
from nexus.surfaces.operations import Operation
from nexus.surfaces.shapes import shape_of
from tests.surfaces.graphql.conftest import Graph
from tests.surfaces.graphql.conftest import Site as GraphQLSite
from tests.surfaces.graphql.test_permissions import mutation_of
from tests.surfaces.grpc.conftest import Clients, clients, serving
from tests.surfaces.live.conftest import World, world
from tests.surfaces.mcp.conftest import Site as ToolSite
from tests.surfaces.mcp.conftest import site
from tests.surfaces.mcp.test_permissions import by_tool
from tests.surfaces.test_permission_matrix import may

__all__ = ["clients", "site", "world"]

Answer: TypeAlias = Literal["refused", "nothing", "taken"]
"""Refused for want of the permission; nothing by this id; or taken up, whatever comes of it."""
Ask: TypeAlias = Callable[[Operation, str], Awaitable[Answer | None]]
"""None where a surface cannot put the question without more than an id."""
LEAST = {"rest": 1.0, "tools": 1.0, "graphql": 0.6, "grpc": 0.8, "live": 0.1}
"""The part of all operations that a surface must have been asked."""


def said(status: int, permission: Any, needs: str) -> Answer:
    return "refused" if (status, permission) == (403, needs) else "nothing" if status == 404 else "taken"


def by_rest(caller: Harness) -> Ask:
    async def ask(operation: Operation, id: str) -> Answer:
        named = {"if_match": "*"} if operation.method in ("PATCH", "DELETE") else {}
        path = f"/api/v1/{operation.service}/{operation.path.replace('{id}', id)}"
        answer = await caller.api(operation.method, path, None if operation.method == "GET" else {}, **named)
        return said(answer.status, answer.json().get("permission") if answer.status >= 400 else None, operation.needs)

    return ask


def by_graphql(caller: Graph, types: Types) -> Ask:
    changes = {one.source.operation.name: one for one in types.mutation.members.values() if isinstance(one.source, Change)}

    def question(operation: Operation, id: str) -> str | None:
        if operation.kind in ("get", "list"):
            assert operation.entity is not None
            shape = shape_of(operation.entity)
            field = names.camel(names.of_entity(shape)) if operation.kind == "get" else _several(types, names.of_entity(shape))
            return f'{{ {field}(id: "{id}") {{ id }} }}' if operation.kind == "get" else f"{{ {field} {{ totalCount }} }}"
        member = changes.get(operation.name)
        made = mutation_of(types, member, id) if member is not None else None
        return made[0].replace("__typename", "__typename ... on Problem { status }") if made else None

    async def ask(operation: Operation, id: str) -> Answer | None:
        query = question(operation, id)
        if query is None:
            return None
        answer = (await caller.post(query)).json()
        if "errors" in answer:
            problem = answer["errors"][0]["extensions"]["problem"]
            return said(problem["status"], problem.get("permission"), operation.needs)
        (value,) = answer["data"].values()
        if value is None:
            return "nothing"
        return said(value.get("status", 200), value.get("permission"), operation.needs)

    return ask


def _several(types: Types, of: str) -> str:
    return next(one.name for one in types.query.members.values() if one.type == f"{of}Connection")


def by_grpc(running: Any, who: list[tuple[str, str]]) -> Ask:
    async def ask(operation: Operation, id: str) -> Answer | None:
        words = operation.path.split("/")[0], operation.name.rpartition(".")[2]
        group, method = (names.pascal(word) for word in words)
        offered = getattr(running.clients, operation.service).DESCRIPTOR.services_by_name.get(group)
        known = offered.methods_by_name.get(method) if offered is not None else None
        if known is None:
            return None
        message = GetMessageClass(known.input_type)()
        if operation.on_one:
            field = next(one.name for one in known.input_type.fields if re.fullmatch(r"id|\w+_id", one.name))
            setattr(message, field, id)
        try:
            await running.call(f"{operation.service}.{group}.{method}", message, who=who)
        except grpc.aio.AioRpcError as error:
            codes: dict[grpc.StatusCode, Answer] = {grpc.StatusCode.PERMISSION_DENIED: "refused", grpc.StatusCode.NOT_FOUND: "nothing"}
            return codes.get(error.code(), "taken")
        return "taken"

    return ask


def by_live(world: World, caller: Harness, other: Harness) -> Ask:
    """Whoever may read the records of a kind is told of them: of its own tenant's, and of nobody else's."""

    async def ask(operation: Operation, id: str) -> Answer | None:
        if operation.kind != "get" or operation.entity is None:
            return None
        noun = shape_of(operation.entity).name
        service, _, rest = noun.partition(".")
        try:
            follows = await world.live.subscribe(caller.caller, [f"nexus.{service}.*.{rest}.>"])
        except Forbidden as refusal:
            return said(403, refusal.permission, operation.needs)
        rights = caller.caller.rights
        assert rights is not None
        async with follows:
            await follows.take(0)
            await world.tell(other, f"{noun}.created", UUID(id), {})
            await world.settled()
            if await follows.take(0):
                return "taken"
            await world.tell(caller, f"{noun}.created", uuid4(), {})
            await world.settled()
            # where only some records are seen, that of which there is no record is none of them
            assert len(await follows.take(0)) == (rights.sight(operation.entity) is None and not rights.masks(operation.entity)), noun
        return "nothing"

    return ask


def by_tools(client: Any) -> Ask:
    async def ask(operation: Operation, id: str) -> Answer:
        status, problem = await by_tool(client, operation, id)
        return said(status, (problem or {}).get("permission"), operation.needs)

    return ask


@asynccontextmanager
async def surfaces(
    caller: Harness,
    tenant: Harness,
    services: dict[str, Service],
    graph: GraphQLSite,
    types: Types,
    tools: ToolSite,
    compiled: Clients,
    live: Ask,
) -> AsyncIterator[dict[str, Ask]]:
    """Every surface, as one caller."""
    tools.let(caller, "one")
    async with tools.client(token="one", mode="2026-07-28") as client, serving(tenant, services, compiled) as running:
        yield {
            "rest": by_rest(caller),
            "graphql": by_graphql(Graph(graph, caller), types),
            "tools": by_tools(client),
            "grpc": by_grpc(running, running.doors.let_in("one", caller.caller)),
            "live": live,
        }


@pytest.mark.parametrize("role", [*sorted(ROLES), ""])
async def test_every_surface_gives_the_answer_of_the_table(
    role: str, tenant: Harness, oltp: Postgres, database: Any, services: dict[str, Service], site: ToolSite, clients: Clients, world: World
) -> None:
    caller = tenant.as_(*filter(None, [role]))
    other = await Harness.fresh(oltp, database.owner, services.values())
    theirs, nowhere = str((await other.given(Contact(name="Theirs"))).id), str(uuid4())
    types = graph_of(list(services.values()), tenant.operations, federated=False)
    asked = dict.fromkeys(LEAST, 0)
    async with surfaces(
        caller, tenant, services, GraphQLSite(services, database.owner), types, site, clients, by_live(world, caller, other)
    ) as offered:
        for operation in tenant.operations:
            allowed = bool(role) and may(role, operation.needs)
            for surface, ask in offered.items():
                answers = [await ask(operation, id) for id in ((nowhere, theirs) if operation.on_one else (nowhere,))]
                if answers[0] is None:
                    continue
                asked[surface] += 1
                assert (answers[0] == "refused") == (not allowed), (surface, operation.name, answers)
                assert len(set(answers)) == 1, (surface, operation.name, answers)
                if allowed and operation.kind == "get":
                    assert answers[0] == "nothing", (surface, operation.name)
    whole = sum(1 for _ in tenant.operations)
    assert {name: count / whole >= LEAST[name] for name, count in asked.items()} == dict.fromkeys(LEAST, True), asked
    (kept,) = await other.list(Contact)
    assert (kept.name, kept.version, kept.archived_at) == ("Theirs", 1, None)
