"""Two small subgraphs written by hand, on ports of their own, that keep what they were asked: a gateway is held against them."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from inspect import isawaitable
from typing import Any

import uvicorn
from graphql import GraphQLError, OperationType, build_schema, graphql, parse, subscribe
from graphql.utilities import get_operation_ast

from nexus.gateway.federation.composition import Subgraph

LINK = 'extend schema @link(url: "https://specs.apollo.dev/federation/v2.7", import: ["@key"])\n'
MACHINERY = """
scalar _Any
directive @key(fields: String!, resolvable: Boolean = true) repeatable on OBJECT
extend type Query { _entities(representations: [_Any!]!): [_Entity]! }
"""
AUTH = """
type User @key(fields: "id") { id: ID! name: String! }
type Query { user(id: ID!): User }
"""
CRM = """
type User @key(fields: "id", resolvable: false) { id: ID! }
type Deal @key(fields: "id") { id: ID! owner: User }
type Query { deals: [Deal!]! }
type Mutation { winDeal(id: ID!): Deal }
type Subscription { dealWon: Deal! }
"""


@dataclass
class Served:
    """A subgraph that serves."""

    name: str
    sdl: str
    entities: str
    root: dict[str, Any]
    url: str = ""
    asked: list[tuple[dict[str, str], dict[str, Any]]] = field(default_factory=list)
    """Headers and bodies, in order."""

    def subgraph(self) -> Subgraph:
        return Subgraph(self.name, self.url, LINK + self.sdl)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        given = json.loads(body)
        self.asked.append(({name.decode(): value.decode() for name, value in scope["headers"]}, given))
        schema = build_schema(f"{MACHINERY}union _Entity = {self.entities}\n{self.sdl}")
        operation = get_operation_ast(parse(given["query"]))
        if operation is not None and operation.operation is OperationType.SUBSCRIPTION:
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
            told: Any = subscribe(schema, parse(given["query"]), self.root)
            async for one in await told if isawaitable(told) else told:
                part = b"event: next\ndata: " + json.dumps(one.formatted).encode() + b"\n\n"
                await send({"type": "http.response.body", "body": part, "more_body": True})
            await send({"type": "http.response.body", "body": b"event: complete\ndata:\n\n"})
            return
        answer = await graphql(schema, given["query"], self.root, variable_values=given.get("variables"))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/graphql-response+json")]})
        await send({"type": "http.response.body", "body": json.dumps(answer.formatted).encode()})


def named(info: Any, representations: list[dict[str, Any]]) -> list[dict[str, Any] | None]:
    """People by their ids; one of them is not there."""
    return [None if one["id"] == "nobody" else {**one, "name": f"Name of {one['id']}"} for one in representations]


def refuse(info: Any, id: str) -> None:
    problem = {"type": "/problems/forbidden", "title": "Forbidden", "status": 403, "detail": "No.", "permission": "crm.deal:win"}
    raise GraphQLError("No.", extensions={"code": "FORBIDDEN", "problem": problem})


async def won(info: Any) -> AsyncIterator[dict[str, Any]]:
    for id in ("1", "2"):
        yield {"dealWon": {"__typename": "Deal", "id": id, "owner": {"id": f"owner-{id}"}}}


def pair() -> tuple[Served, Served]:
    """People, and the deals that belong to them."""
    deals = [{"id": "1", "owner": {"id": "ann"}}, {"id": "2", "owner": {"id": "bob"}}, {"id": "3", "owner": {"id": "ann"}}]
    auth = Served("auth", AUTH, "User", {"user": lambda info, id: {"id": id, "name": "Ann"}, "_entities": named})
    crm = Served("crm", CRM, "Deal | User", {"deals": deals, "winDeal": refuse, "dealWon": won})
    return auth, crm


class Serving:
    """A subgraph on a port, which it takes again when it is started again."""

    def __init__(self, one: Served) -> None:
        self._one = one

    async def start(self) -> None:
        port = int(self._one.url.split(":")[2].split("/")[0]) if self._one.url else 0
        listening = socket.create_server(("127.0.0.1", port))
        self._one.url = f"http://127.0.0.1:{listening.getsockname()[1]}/graphql"
        how = uvicorn.Config(self._one, http="httptools", ws="none", lifespan="off", access_log=False, log_config=None)
        self._server = uvicorn.Server(how)
        self._task = asyncio.create_task(self._server.serve(sockets=[listening]))

    async def stop(self) -> None:
        self._server.should_exit = True
        await self._task
