"""What a service's tests are written in: one service on a fresh tenant, with a real database and every event recorded."""

from __future__ import annotations

import asyncio
import builtins
import dataclasses
import datetime as dt
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, Self, TypeVar, cast
from uuid import UUID

import msgspec
import psycopg
import sqlalchemy as sa

from nexus.core.entity import Entity
from nexus.core.ids import uuid7
from nexus.core.message import ANSWERS, REACTIONS, Command, Envelope, Event, Query
from nexus.core.service import Service
from nexus.core.tx import Actor, Tenant
from nexus.engines.oltp import Oltp, PermissionDenied, Statement
from nexus.runtime.app import App
from nexus.runtime.commands import Commands
from nexus.runtime.timers import Timer, command_of
from nexus.runtime.unit_of_work import UnitOfWork
from nexus.surfaces.calling import Caller, Host, Key, Outcome
from nexus.surfaces.operations import Operations
from nexus.surfaces.permissions import rights_of
from nexus.surfaces.rest import Rest
from nexus.surfaces.sql import call
from nexus.surfaces.tables import PLATFORM_SCRIPT, PLATFORM_TABLES, grants, script, table_names

N = TypeVar("N", bound=Entity)
R = TypeVar("R")


@dataclasses.dataclass(frozen=True, slots=True)
class Answered:
    """What the API answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return msgspec.json.decode(self.body)


class _Process:
    """The Host of a test: one database, and no relay, because `deliver` hands events over."""

    def __init__(self, oltp: Oltp, committed: Callable[[UnitOfWork], None]) -> None:
        self._oltp = oltp
        self.commands = Commands(self, committed)

    def oltp(self, cell: str) -> Oltp:
        return self._oltp

    def wake(self, cell: str) -> None:
        """Nobody waits."""

    async def admit(self, caller: Caller, service: str, writes: bool) -> Caller:
        """All tables are there, and nobody moves them."""
        return caller

    async def refusal(self, caller: Caller, error: PermissionDenied) -> Exception:
        return error

    async def run(self, caller: Caller, command: Command[Any], **how: Any) -> tuple[Any, Outcome | None]:
        return await self.commands.run(caller, command, **how)


class Harness:
    """One tenant and one caller. `as_` gives the same tenant to another caller."""

    def __init__(self, oltp: Oltp, caller: Caller, services: Iterable[Service]) -> None:
        self.caller = caller
        self.emitted: builtins.list[Event] = []
        """The declared events of every committed command, in order."""
        self.round_trips = 0
        """Of the last command."""
        self._oltp = oltp
        self._services = builtins.list(services)
        self._process = _Process(oltp, self._committed)
        rest = Rest(self._process, self._services)
        self.operations = Operations(rest, None, self._services)
        self._app = App(rest, self._authenticate, [], body_limit=32 << 20)

    @property
    def host(self) -> Host:
        """The process that this caller asks; for surfaces that a test mounts itself."""
        return self._process

    @property
    def statistics(self) -> Any:
        """The engine's counters: round trips, statements, reconnects."""
        return getattr(self._oltp, "stats")  # noqa: B009 - an engine may have none

    async def _authenticate(self, token: str) -> Caller:
        return self.caller

    def _committed(self, work: UnitOfWork) -> None:
        self.emitted += work.emitted
        self.round_trips = work.round_trips

    def as_(self, *roles: str, id: UUID | None = None, teams: tuple[UUID, ...] = (), territories: tuple[UUID, ...] = ()) -> Harness:
        """The same tenant for a caller with these roles; a new person unless `id` says who."""
        actor = Actor(id or uuid7(), f"user:{'+'.join(roles) or 'nobody'}")
        rights = rights_of(frozenset(roles), frozenset("*"))
        caller = dataclasses.replace(self.caller, actor=actor, rights=rights, teams=teams, territories=territories)
        return Harness(self._oltp, caller, self._services)

    @asynccontextmanager
    async def _work(self) -> AsyncGenerator[UnitOfWork]:
        async def refuse(work: UnitOfWork, command: Command[Any]) -> Any:
            raise AssertionError("a test's own unit of work calls no command")

        async with self._oltp.transaction(self.caller.schema) as transaction:
            yield UnitOfWork(transaction, self.caller.cause(), None, self.caller.values(), refuse)

    async def given(self, *entities: N) -> N:
        """Records that are there already; answers the first. Nothing is told of them."""
        async with self._work() as work:
            for entity in entities:
                work.add(entity)
            await work.commit()
        return entities[0]

    async def run(self, command: Command[R], *, key: Key | None = None, dry_run: bool = False) -> R:
        """Run a command as this caller, through permission, transaction and journal, and answer what it answers."""
        answer, _ = await self._process.commands.run(self.caller, command, key=key, dry_run=dry_run)
        return cast(R, answer)

    async def deliver(self, event: Event, *, times: int = 1) -> None:
        """Hand an event to the reactions of this process, as the relay would; twice with `times=2`, under the same id."""
        cause = self.caller.cause()
        envelope = msgspec.json.decode(cause.told(event), type=Envelope)
        system = dataclasses.replace(self.caller, actor=Actor(None, "system"), rights=None)
        here = {service.name for service in self._services}
        for _ in range(times):
            for reaction in (one for one in REACTIONS.get(event.topic, []) if one.service in here):
                await self._process.commands.react(system, reaction, envelope)

    async def scheduled(self) -> builtins.list[Timer]:
        """What this tenant's rules have scheduled, the next first."""
        statement = Statement("SELECT row_to_json(t) FROM nexus_cell.timer t WHERE tenant = $1 AND due_at < 'infinity' ORDER BY due_at, id")
        (result,) = await self._oltp.run(None, (statement, [self.caller.schema.encode()]))
        return [msgspec.json.decode(row[0] or b"", type=Timer) for row in result.rows]

    async def fire(self, timer: Timer) -> bool:
        """Run what was scheduled, at its own time; False where that was done before. The timer stays: see `pass_time`."""
        system = dataclasses.replace(self.caller, actor=Actor(None, "system"), rights=None)
        cause = dataclasses.replace(system.cause(timer.correlation), now=timer.due_at)
        return await self._process.commands.at_its_time(system, command_of(timer), timer.id, cause)

    async def pass_time(self, until: dt.datetime) -> int:
        """Run everything that is due by a moment, also what that schedules; how many commands that were."""
        ran = 0
        while due := [timer for timer in await self.scheduled() if timer.due_at <= until]:
            await self.fire(due[0])
            await self._oltp.run(None, (Statement("DELETE FROM nexus_cell.timer WHERE id = $1"), [str(due[0].id).encode()]))
            ran += 1
        return ran

    async def get(self, kind: type[N], id: UUID) -> N:
        """A record as it is now, whoever owns it."""
        async with self._work() as work:
            return await work.get(kind, id)

    async def list(self, kind: type[N], *where: sa.ColumnElement[bool]) -> builtins.list[N]:
        """Records as they are now, in the order of their ids."""
        async with self._work() as work:
            return await work.list(kind, *where)

    async def count(self, kind: type[Entity], *where: sa.ColumnElement[bool]) -> int:
        async with self._work() as work:
            return await work.count(kind, *where)

    async def ask(self, query: Query) -> builtins.list[dict[str, Any]]:
        """The rows of a query, as this caller sees them."""
        rights = self.caller.rights
        assert rights is not None
        rights.need(ANSWERS[type(query)].needs)
        inner = ANSWERS[type(query)].select(query, rights).subquery("x")
        statement = call(sa.select(sa.func.row_to_json(sa.literal_column("x"))).select_from(inner), self.caller.values())
        (result,) = await self._oltp.run(self.caller.schema, statement)
        return [msgspec.json.decode(row[0] or b"null") for row in result.rows]

    async def api(self, method: str, path: str, body: Any = None, **headers: str) -> Answered:
        """A request to the API as this caller: `await crm.api("GET", "/api/v1/crm/leads?stage=new")`; headers as `if_match='"1"'`."""
        sent = body if isinstance(body, bytes) else b"" if body is None else msgspec.json.encode(body)
        return await self._ask(method, path, [sent], headers, False, None)

    async def stream(
        self,
        method: str,
        path: str,
        body: Iterable[bytes] = (),
        *,
        cut: bool = False,
        until: Callable[[bytes], Awaitable[bool]] | None = None,
        **headers: str,
    ) -> Answered:
        """A request whose body comes in parts; `cut` loses the connection behind the last of them. `until` is given each part of the answer
        and hangs up once it is False."""
        return await self._ask(method, path, body, headers, cut, until)

    async def _ask(
        self,
        method: str,
        path: str,
        body: Iterable[bytes],
        headers: dict[str, str],
        cut: bool,
        until: Callable[[bytes], Awaitable[bool]] | None,
    ) -> Answered:
        scope = _scope(method, path, headers)
        status, answered, parts = 0, dict[str, str](), builtins.list[bytes]()
        hung_up, sending = asyncio.Event(), iter(body)
        ended = False

        async def receive() -> dict[str, Any]:
            nonlocal ended
            part = next(sending, None)
            if part is None and not ended and not cut:
                ended = True
                return {"type": "http.request", "body": b"", "more_body": False}
            if part is None:
                if not cut:
                    await hung_up.wait()
                return {"type": "http.disconnect"}
            return {"type": "http.request", "body": part, "more_body": True}

        async def send(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                answered.update({name.decode(): value.decode() for name, value in message["headers"]})
            elif not hung_up.is_set():
                parts.append(message["body"])
                if until is not None and not await until(message["body"]):
                    hung_up.set()
                    await asyncio.sleep(0)

        await self._app(scope, receive, send)
        return Answered(status, answered, b"".join(parts))

    @classmethod
    async def fresh(cls, oltp: Oltp, owner_url: str, services: Iterable[Service], *, country: str = "NG", currency: str = "NGN") -> Self:
        """A new tenant with the tables of these services, seen by its owner."""
        services, id = builtins.list(services), uuid7()
        async with await psycopg.AsyncConnection.connect(owner_url, autocommit=True) as owner:
            await owner.execute(tenant_script(schema_of(id), services).encode())
        return cls.of(oltp, id, services, country=country, currency=currency)

    @classmethod
    def of(cls, oltp: Oltp, id: UUID, services: Iterable[Service], *, country: str = "NG", currency: str = "NGN") -> Self:
        """A tenant whose tables are there, seen by its owner."""
        tenant = Tenant(id, "test", "Test", country, currency, "Africa/Lagos", "en")
        rights = rights_of(frozenset(["auth.owner"]), frozenset("*"))
        return cls(oltp, Caller(tenant, schema_of(id), "test", Actor(uuid7(), "user:owner"), rights), services)


def _scope(method: str, path: str, headers: dict[str, str]) -> dict[str, Any]:
    path, _, query = path.partition("?")
    named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    named.append((b"authorization", b"Bearer test"))
    return {"type": "http", "method": method, "path": path, "query_string": query.encode(), "headers": named}


def schema_of(tenant: UUID) -> str:
    """Where a tenant's tables are."""
    return f"t_{tenant.hex}"


def tenant_script(schema: str, services: Iterable[Service]) -> str:
    """A tenant's schema and role with the tables of some services, as one text."""
    services = list(services)
    names = [*PLATFORM_TABLES, *(name for service in services for name in table_names(service))]
    tables = PLATFORM_SCRIPT + "".join(script(service) for service in services) + grants(names)
    return f"""CREATE ROLE {schema} NOLOGIN;
GRANT {schema} TO nexus_app WITH INHERIT FALSE, SET TRUE;
CREATE SCHEMA {schema};
GRANT USAGE ON SCHEMA {schema} TO {schema};
""" + tables.replace("{s}", schema)


__all__ = ["Answered", "Harness", "schema_of", "tenant_script"]
