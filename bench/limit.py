"""The limit: `pgbench`, prepared and pipelined, sends the SQL that NEXUS sends, with the role switch, and nothing else.

The SQL is that of the compiled statements themselves. One pipeline is one request of NEXUS: role, statement, Sync. Sixteen of them make
one transaction of the script, so that what makes new arguments (one statement of our own) weighs little.
"""

from __future__ import annotations

import asyncio
import logging
import re
import resource
import secrets
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

from psycopg.conninfo import conninfo_to_dict

from bench.ground import Ground, contact_id
from bench.jobs import Job
from bench.processes import cpu
from nexus.core.ids import uuid7
from nexus.core.service import installed
from nexus.core.tx import Actor, Tenant
from nexus.engines.oltp import Call, Result, Unavailable
from nexus.engines.oltp.embedded import _binaries
from nexus.runtime.app import App
from nexus.surfaces.calling import Caller, Host
from nexus.surfaces.graphql.http import Parts, Web
from nexus.surfaces.graphql.limits import Limits as GraphLimits
from nexus.surfaces.operations import Operations
from nexus.surfaces.permissions import rights_of
from nexus.surfaces.rest import Rest

BATCH = 16


@dataclass(frozen=True, slots=True)
class Script:
    """SQL of NEXUS, and SQL for each of its arguments; `fresh` arguments are made anew for every request."""

    text: str
    arguments: Sequence[str]
    fresh: bool


@dataclass(frozen=True, slots=True)
class Limit:
    """What the database alone does."""

    rate: float
    database: float
    """CPU of the database per request, in microseconds."""
    client: float


class _Recorder:
    """A database that answers nothing: it takes down what it is asked."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    async def run(self, schema: str | None, *calls: Call, **how: Any) -> list[Result]:
        self.calls += calls
        raise Unavailable("only taken down")

    async def read(self, schema: str, call: Call) -> Result:
        self.calls.append(call)
        raise Unavailable("only taken down")

    async def write(self, schema: str, call: Call) -> Result:
        self.calls.append(call)
        raise Unavailable("only taken down")


class _Host:
    """What the surfaces need of a process."""

    def __init__(self) -> None:
        self.database = _Recorder()

    def oltp(self, cell: str) -> Any:
        return self.database

    def wake(self, cell: str) -> None:
        """Nobody waits."""


async def sent_for(schema: str, line: str, key: str) -> Call:
    """What NEXUS sends to its database for a request of the bench, by a caller with the owner's rights."""
    services = installed()  # first: rights are kept as they were when first asked for
    tenant = Tenant(UUID(schema.removeprefix("t_")), "bench", "Bench", "NG", "NGN", "Africa/Lagos", "en")
    rights = rights_of(frozenset(["auth.owner"]), frozenset("*"))
    caller = Caller(tenant, schema, "main", Actor(uuid7(), "user:Ade"), rights, key_id=uuid7())

    async def authenticate(token: str) -> Caller:
        return caller

    host = _Host()
    rest = Rest(cast(Host, host), services.values())
    operations = Operations(rest, None, services.values())
    parts = Parts(
        services=services, operations=operations, host=cast(Host, host), gate=None, authenticate=authenticate, limits=GraphLimits()
    )
    app = App(rest, authenticate, [("/graphql", Web(parts))], body_limit=1 << 20)
    method, target, *body = line.split("\t")
    path, _, query = target.partition("?")
    headers = [(b"authorization", b"Bearer x"), (b"idempotency-key", key.encode()), (b"content-type", b"application/json")]
    scope = {"type": "http", "method": method, "path": path, "query_string": query.encode(), "headers": headers}

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body[0].encode() if body else b"", "more_body": False}

    async def send(message: Any) -> None:
        """The answer is that the database is away."""

    logging.getLogger("nexus.app").disabled = True
    await app(scope, receive, send)
    logging.getLogger("nexus.app").disabled = False
    (call,) = host.database.calls
    return call


_CONTACT = (
    "(SELECT ('0189' || lpad(to_hex(n), 8, '0') || '70008' || substr(md5(n::text), 1, 15))::uuid::text"
    " FROM (SELECT 1 + (random() * ({count} - 1))::int + {{i}} * 0 AS n) x)"
)
_HEX = "replace(gen_random_uuid()::text, '-', '')"
_NEW = f"('019f' || substr({_HEX}, 5, 8) || '7' || substr({_HEX}, 14, 3) || '8' || substr({_HEX}, 18, 15))::uuid::text"
_KEY = "bench-key-of-the-limit"
_ID = re.compile(r'"id":"([0-9a-f-]{36})"')


async def script_of(job: Job, schema: str, contacts: int) -> Script:
    """The SQL of a job. Where the request named a contact, every run names another; a new record gets an id and a key of its own."""
    line = next(job.lines("NEXUS", contacts)).replace("{n}", "limit")
    statement, given = await sent_for(schema, line, _KEY)
    named = {contact_id(n): n for n in range(1, contacts + 1)} if job.name != "create one" else {}
    arguments: list[str] = []
    for one in given:
        text = None if one is None else one.decode()
        if text in named:
            arguments.append(_CONTACT.format(count=contacts))
        elif text == _KEY:
            arguments.append("gen_random_uuid()::text")
        elif text is not None and text.startswith(("[{", "{")) and (id := _ID.search(text)):
            arguments.append(f"replace({_literal(text)}, '{id[1]}', {_NEW})")
        else:
            arguments.append(_literal(text))
    return Script(statement.text.replace("{s}", schema), arguments, fresh=job.name == "create one")


def _literal(value: str | None) -> str:
    """A constant, its colons written so that pgbench does not take what follows for a variable."""
    if value is None:
        return "NULL::text"
    return "E'" + value.replace("\\", "\\\\").replace("'", "''").replace(":", "\\x3a") + "'"


def text_of(script: Script) -> str:
    """The script as pgbench reads it."""
    columns = [f"{sql.replace('{i}', str(i))} AS a{n}_{i}" for i in range(BATCH) for n, sql in enumerate(script.arguments, 1)]
    made = "SELECT " + ",\n  ".join(columns) + " \\gset"
    lines = [made] if script.fresh else [f"\\if :fresh = 0\n{made}\n\\endif", "\\set fresh (:fresh + 1) % 20"]
    for i in range(BATCH):
        one = re.sub(r"\$(\d+)", rf":a\1_{i}", script.text)
        lines += ["\\startpipeline", "SELECT pg_catalog.set_config('role', :role, true);", one + ";", "\\endpipeline"]
    return "\n".join([*lines, ""])


class Pgbench:
    """Runs scripts under a login role of its own.

    pgbench prepares all statements of a pipeline before the first of them runs, so before the role is switched: the login role must be
    able to find the tenant's tables by name (it cannot read them), which the runtime's own cannot.
    """

    def __init__(self, ground: Ground, schema: str) -> None:
        self._ground = ground
        self._schema = schema
        self._password = secrets.token_urlsafe()
        self._program = str(_binaries(ground.folder / "postgres") / "pgbench")

    async def prepare(self) -> None:
        """Make the login role."""
        await self._ground.sql(
            f"CREATE ROLE nexus_limit LOGIN NOINHERIT PASSWORD '{self._password}';"
            f"GRANT {self._schema} TO nexus_limit WITH INHERIT FALSE, SET TRUE;"
            f"GRANT CONNECT ON DATABASE nexus TO nexus_limit; GRANT USAGE ON SCHEMA {self._schema} TO nexus_limit;"
            "GRANT EXECUTE ON FUNCTION pg_catalog.set_config(text, text, boolean) TO nexus_limit",
            "nexus",
        )

    async def run(self, script: Script, seconds: float, clients: int) -> Limit:
        """Requests a second with this many clients."""
        given = conninfo_to_dict(self._ground.url("nexus"))
        file = self._ground.folder / "limit.sql"
        file.write_text(text_of(script))
        place = ["-h", str(given["host"]), "-p", str(given["port"]), "-U", "nexus_limit", "nexus"]
        how = ["-n", "-M", "prepared", "-c", str(clients), "-j", "2", "-T", str(max(1, round(seconds))), "-f", str(file)]
        how += ["-D", f"role={self._schema}", "-D", "fresh=0"]
        environment = {"PGPASSWORD": self._password, "PATH": "/usr/bin:/bin"}
        before = cpu(self._ground.pid)
        done = await asyncio.to_thread(_measured, [self._program, *how, *place], environment)
        text, used = done
        found = re.search(r"^tps = ([0-9.]+)", text, re.M)
        count = re.search(r"number of transactions actually processed: (\d+)", text)
        if not found or not count or int(count[1]) == 0:
            raise RuntimeError(f"pgbench failed: {text[-2000:]}")
        requests = int(count[1]) * BATCH
        database = (cpu(self._ground.pid) - before) / requests * 1e6
        return Limit(float(found[1]) * BATCH, database, used / requests * 1e6)


def _measured(command: list[str], environment: dict[str, str]) -> tuple[str, float]:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return done.stdout + done.stderr, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
