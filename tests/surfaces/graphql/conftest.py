"""A tenant asked in GraphQL, as a client would ask it over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import msgspec
import psycopg
import pytest

from nexus.core.problem import Unauthenticated
from nexus.core.service import Service
from nexus.runtime.testing import Answered, Harness
from nexus.surfaces.calling import Caller
from nexus.surfaces.graphql.http import Parts, Web
from nexus.surfaces.graphql.limits import Limits


@dataclass
class Raw:
    """A request that has arrived."""

    method: str
    path: str
    query: bytes
    headers: dict[bytes, bytes]
    sent: bytes = b""
    correlation: str = "r-1"

    async def body(self, limit: int | None = None) -> bytes:
        return self.sent

    def token(self) -> str:
        return self.headers[b"authorization"].decode()


class Site:
    """The pages, made once for each set of limits: they know no tenant and no caller, so that all tests share them."""

    def __init__(self, services: dict[str, Service], owner: str) -> None:
        self.services = services
        self.owner = owner
        """Where the owner of the tables connects, for what no caller sees."""
        self.callers: dict[str, Caller] = {}
        self._made: dict[Limits, Web] = {}

    async def authenticate(self, token: str) -> Caller:
        if token not in self.callers:
            raise Unauthenticated(reason="This key is not in force.")
        return self.callers[token]

    def web(self, limits: Limits, tenant: Harness) -> Web:
        if limits not in self._made:
            self._made[limits] = Web(
                Parts(
                    services=self.services,
                    operations=tenant.operations,
                    host=tenant.host,
                    gate=None,
                    authenticate=self.authenticate,
                    limits=limits,
                )
            )
        return self._made[limits]


@dataclass
class Spent:
    """What the requests in a block have cost."""

    round_trips: int = 0
    statements: int = 0


@dataclass
class Graph:
    """One tenant and one caller."""

    site: Site
    tenant: Harness
    limits: Limits = field(default_factory=Limits)

    @property
    def web(self) -> Web:
        return self.site.web(self.limits, self.tenant)

    def as_(self, *roles: str, **who: Any) -> Graph:
        """The same tenant for another caller."""
        return Graph(self.site, self.tenant.as_(*roles, **who), self.limits)

    def within(self, limits: Limits) -> Graph:
        """The same caller where an installation sets other limits."""
        return Graph(self.site, self.tenant, limits)

    async def send(self, method: str, path: str, body: bytes = b"", **headers: str) -> Answered:
        """A request, whatever it is."""
        token = uuid4().hex
        self.site.callers[token] = self.tenant.caller
        place, _, query = path.partition("?")
        named = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
        response = await self.web(Raw(method, place, query.encode(), {b"authorization": token.encode(), **named}, body))
        del self.site.callers[token]
        return Answered(response.status, {name.decode(): value.decode() for name, value in response.headers}, response.body)

    async def post(self, query: str, variables: dict[str, Any] | None = None, path: str = "/graphql", **headers: str) -> Answered:
        """A document as clients send it."""
        body = msgspec.json.encode({"query": query, "variables": variables or {}}, enc_hook=str)
        return await self.send("POST", path, body, content_type="application/json", **headers)

    async def get(self, path: str = "/graphql", **parameters: str) -> Answered:
        return await self.send("GET", f"{path}?{urlencode(parameters)}")

    async def data(self, query: str, /, path: str = "/graphql", **variables: Any) -> Any:
        """The data of a document that is answered without an error."""
        answered = await self.post(query, variables, path)
        said = answered.json()
        assert answered.status == 200 and "errors" not in said, said
        return said["data"]

    async def errors(self, query: str, /, **variables: Any) -> list[dict[str, Any]]:
        """The errors of a document that is refused."""
        said = (await self.post(query, variables)).json()
        assert "errors" in said, said
        return list(said["errors"])

    async def journal(self) -> list[dict[str, Any]]:
        """What audit will keep of this tenant, the oldest first."""
        async with await psycopg.AsyncConnection.connect(self.site.owner, autocommit=True) as owner:
            query = b"SELECT audit FROM nexus_cell.journal WHERE tenant = %s AND audit IS NOT NULL ORDER BY seq"
            rows = await (await owner.execute(query, (self.tenant.caller.schema,))).fetchall()
        return [msgspec.json.decode(row[0]) for row in rows]

    @contextmanager
    def counted(self) -> Iterator[Spent]:
        """What the requests in a block cost."""
        stats, spent = self.tenant.statistics, Spent()
        before = stats.round_trips, stats.statements
        yield spent
        spent.round_trips, spent.statements = stats.round_trips - before[0], stats.statements - before[1]


@pytest.fixture(scope="session")
def site(services: dict[str, Service], database: Any) -> Site:
    return Site(services, database.owner)


@pytest.fixture
def graph(site: Site, tenant: Harness) -> Graph:
    """A fresh tenant, seen by its owner."""
    return Graph(site, tenant)
