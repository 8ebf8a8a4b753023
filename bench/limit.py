"""The limit: `pgbench`, prepared and pipelined, sends the SQL that NEXUS sends, with the role switch, and nothing else.

The SQL is that of the compiled statements themselves. One pipeline is one request of NEXUS: role, statement, Sync. Sixteen of them make
one transaction of the script, so that what makes new arguments (one statement of our own) weighs little.
"""

from __future__ import annotations

import asyncio
import json
import re
import resource
import secrets
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

from psycopg.conninfo import conninfo_to_dict

from bench.ground import Ground
from bench.processes import cpu
from nexus.core.ids import uuid7
from nexus.core.service import installed
from nexus.engines.oltp.embedded import _binaries
from nexus.services.crm.entities import Contact
from nexus.surfaces.calling import Caller
from nexus.surfaces.permissions import Rights, rights_of
from nexus.surfaces.reads import get_statement, list_request, list_statement
from nexus.surfaces.shapes import shape_of
from nexus.surfaces.sql import Compiled
from nexus.surfaces.wire import wire_of
from nexus.surfaces.writes import create_statement

BATCH = 16


@dataclass(frozen=True, slots=True)
class Script:
    """A statement of NEXUS, and SQL for each of its parameters; `fresh` arguments are made anew for every request."""

    statement: Compiled
    arguments: Mapping[str, str]
    fresh: bool


@dataclass(frozen=True, slots=True)
class Limit:
    """What the database alone does."""

    rate: float
    database: float
    """CPU of the database per request, in microseconds."""
    client: float


def owner_rights() -> Rights:
    """Those of the owner's key."""
    installed()
    return rights_of(frozenset(["auth.owner"]), frozenset("*"))


def get_script(contacts: int) -> Script:
    """Get one."""
    statement = get_statement(shape_of(Contact), owner_rights(), None, ())
    return Script(statement, {"id": _CONTACT.format(count=contacts)}, fresh=False)


_CONTACT = (
    "(SELECT ('0189' || lpad(to_hex(n), 8, '0') || '70008' || substr(md5(n::text), 1, 15))::uuid::text"
    " FROM (SELECT 1 + (random() * ({count} - 1))::int + {{i}} * 0 AS n) x)"
)


def list_script(contacts: int, query: list[tuple[str, str]]) -> Script:
    """A page after a cursor."""
    shape, rights = shape_of(Contact), owner_rights()
    cursor = _cursor_of(query)
    request = list_request(shape, rights, [*query, ("cursor", cursor)])
    arguments = {name: _literal(value) for name, value in request.values.items()} | {"k0": _CONTACT.format(count=contacts)}
    return Script(list_statement(shape, rights, request), arguments, fresh=False)


def _cursor_of(query: list[tuple[str, str]]) -> str:
    from nexus.surfaces.reads import encode_cursor

    order = tuple((part.removeprefix("-"), part.startswith("-")) for part in dict(query)["sort"].split(","))
    return encode_cursor(json.dumps(["x"]).encode(), order).decode()


def _literal(value: object) -> str:
    """A constant, its colons written so that pgbench does not take what follows for a variable."""
    if value is None:
        return "NULL::text"
    return "E'" + str(value).replace("\\", "\\\\").replace("'", "''").replace(":", "\\x3a") + "'"


def create_script(body: bytes, caller: Caller) -> Script:
    """Create one, with its journal and idempotency rows."""
    wire = wire_of(Contact)
    record = wire.create.decode(body)
    wire.normalise(record, caller.tenant.country)
    id, row = wire.row(record)
    cause = caller.cause()
    made = "replace(gen_random_uuid()::text, '-', '')"
    id_ = f"('019f' || substr({made}, 5, 8) || '7' || substr({made}, 14, 3) || '8' || substr({made}, 18, 15))::uuid::text"
    arguments = {
        "rows": f"replace({_literal('[' + row.decode() + ']')}, '{id}', {id_})",
        "audit": _literal(cause.audit_head("crm.contact:create", "crm.contact").decode()),
        "event": _literal(cause.event_head("crm.contact.created").decode()),
        "me": _literal(caller.actor.id or uuid7()),
        "key": "gen_random_uuid()::text",
        "hash": _literal("\\x" + "ab" * 32),
    }
    return Script(create_statement(Contact, owner_rights(), many=False, keyed=True), arguments, fresh=True)


def text_of(script: Script, schema: str) -> str:
    """The script as pgbench reads it."""
    names = script.statement.names
    sql = script.statement.statement.text.replace("{s}", schema)
    columns = [f"{script.arguments[name].replace('{i}', str(i))} AS {name}_{i}" for i in range(BATCH) for name in names]
    made = "SELECT " + ",\n  ".join(columns) + " \\gset"
    lines = [made] if script.fresh else [f"\\if :fresh = 0\n{made}\n\\endif", "\\set fresh (:fresh + 1) % 20"]
    for i in range(BATCH):
        one = re.sub(r"\$(\d+)", lambda match, i=i: f":{names[int(match[1]) - 1]}_{i}", sql)  # type: ignore[misc]
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
        file.write_text(text_of(script, self._schema))
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
