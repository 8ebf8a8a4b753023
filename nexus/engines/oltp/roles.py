"""The roles of a database: who owns the tables, who the running process is, and one role per tenant.

nexus_owner   LOGIN CREATEROLE    owns everything, runs DDL; used by migrations and provisioning only
nexus_app     LOGIN NOINHERIT     the running process; owns nothing; may become a tenant's role, has none of its rights until then
t_<32 hex>    NOLOGIN             one per tenant, named like its schema, with rights on the tables of that schema only
"""

import secrets
from dataclasses import dataclass

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.rows import TupleRow
from psycopg.sql import Literal

from nexus.engines.oltp.guard import check_schema
from nexus.engines.oltp.walls import APP, CHECKS, OWNER, WALLS

__all__ = [
    "APP",
    "OWNER",
    "Finding",
    "RolesTaken",
    "bootstrap",
    "create_tenant_schema_sql",
    "credentials",
    "drop_tenant_schema_sql",
    "examine",
    "grant_tables_sql",
    "new_password",
]

_LOCK = 0x6E65_7875_7300
"""Two processes that start at once bootstrap one after the other."""
_USED = (
    "select exists (select from pg_catalog.pg_shdepend where refclassid = 'pg_catalog.pg_authid'::regclass and dbid <> 0"
    " and refobjid in (select oid from pg_catalog.pg_roles where rolname = any (%s)))"
)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be in a database: which wall, and what it means."""

    name: str
    meaning: str


class RolesTaken(Exception):
    """The login roles of a server have other passwords than ours, and somebody uses them."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"This PostgreSQL server has the roles {OWNER} and {APP} already, and a database uses them: their passwords are not those of these"
            f" settings or this data folder, and were left as they are ({reason}). Give them as NEXUS_OWNER_PASSWORD and NEXUS_APP_PASSWORD"
            " (roles.json of the data folder that made them has them), or use another server."
        )


async def bootstrap(superuser_url: str, owner_password: str, app_password: str, *, ours: bool = False) -> list[Finding]:
    """Make the login roles and put the walls between tenants in force; doing it again changes nothing.

    Roles are the whole server's. Where they are there with other passwords they get these only if the server is `ours` alone or no database
    uses them; else RolesTaken is raised and nothing has been changed.
    On a managed PostgreSQL the user of the URL is no superuser: what it may not do is left out, and the findings say what that means.
    Raises psycopg.OperationalError if the database cannot be reached.
    """
    passwords = {OWNER: owner_password, APP: app_password}
    async with await psycopg.AsyncConnection.connect(superuser_url, autocommit=True) as connection:
        await connection.execute("select pg_advisory_lock(%s)", [_LOCK])
        refused: list[Finding] = []
        attributes = {OWNER: "login createrole noinherit", APP: "login noinherit nocreaterole nocreatedb"}
        strange = await _strange(connection, superuser_url, passwords)
        if strange and not ours and await _in_use(connection):
            raise RolesTaken(next(iter(strange.values())))
        for role, password in passwords.items():
            refused += await _attempt(connection, role, _login_role_sql(connection, role, attributes[role], password, role in strange))
        for wall in WALLS:
            refused += await _attempt(connection, wall.name, wall.sql)
        known = await _failing(connection)
        return known + [finding for finding in refused if finding.name not in {one.name for one in known}]


async def examine(url: str) -> list[Finding]:
    """What of the walls is not in force, as any login role of the platform sees it. Raises psycopg.OperationalError."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        return await _failing(connection)


def create_tenant_schema_sql(schema: str, server_version: int, ddl: str = "", tables: tuple[str, ...] = ()) -> str:
    """One script, run by nexus_owner, that makes a tenant's role and schema, then `ddl`, then the grants on `tables`.

    `server_version` is libpq's number (150004, 180006); `ddl` names its tables with the schema; `tables` are bare names. Multi-statement:
    send it without parameters, it is one transaction.
    """
    check_schema(schema)
    only_by_switch = " with inherit false, set true" if server_version >= 160_000 else ""
    parts = [
        # The role is the cluster's: a tenant that moves between two databases of one server finds its role there.
        f"do $$ begin create role {schema} nologin; exception when duplicate_object then null; end $$",
        f"grant {schema} to {APP}{only_by_switch}",
        f"create schema {schema} authorization {OWNER}",
        f"grant usage on schema {schema} to {schema}",
        ddl.strip().rstrip(";"),
        grant_tables_sql(schema, tables),
    ]
    return ";\n".join(part for part in parts if part) + ";\n"


def grant_tables_sql(schema: str, tables: tuple[str, ...]) -> str:
    """Give the tenant's role its rights on these tables, by name: `… IN SCHEMA` would read the whole catalogue. Empty for no tables."""
    check_schema(schema)
    names = ", ".join(f'{schema}."{table}"' for table in tables)
    return f"grant select, insert, update, delete on table {names} to {schema}" if names else ""


def drop_tenant_schema_sql(schema: str) -> str:
    """One script, run by nexus_owner, that drops the schema with all in it, and the role unless another database still needs it."""
    check_schema(schema)
    return (
        f"drop schema if exists {schema} cascade;\n"
        f"do $$ begin drop role if exists {schema}; exception when dependent_objects_still_exist then null; end $$;\n"
    )


def credentials(url: str, user: str, password: str) -> str:
    """The conninfo of the same database for another user."""
    return make_conninfo(url, user=user, password=password)


def new_password() -> str:
    """A password for a role that only programs use."""
    return secrets.token_urlsafe(24)


async def _strange(connection: psycopg.AsyncConnection[TupleRow], url: str, passwords: dict[str, str]) -> dict[str, str]:
    """The roles that are there and cannot log in with these passwords, each with what the server says."""
    found: dict[str, str] = {}
    for role, password in passwords.items():
        row = await (await connection.execute("select from pg_catalog.pg_roles where rolname = %s", [role])).fetchone()
        if row is None:
            continue
        try:
            async with await psycopg.AsyncConnection.connect(credentials(url, role, password)):
                pass
        except psycopg.OperationalError as error:
            found[role] = str(error).strip().splitlines()[-1]
    return found


async def _in_use(connection: psycopg.AsyncConnection[TupleRow]) -> bool:
    """Whether any database of the server has something of the login roles; also where that cannot be seen."""
    try:
        row = await (await connection.execute(_USED, [[OWNER, APP]])).fetchone()
    except psycopg.errors.InsufficientPrivilege:
        return True
    return row is None or row[0] is True


def _login_role_sql(connection: psycopg.AsyncConnection[TupleRow], role: str, attributes: str, password: str, again: bool) -> str:
    """CREATE or ALTER the role; its password is set where it is made, or `again`.

    It goes as a SCRAM verifier, so that no log of the server ever holds it. The lock holds for one database only: a role that a start on
    another one makes at this moment is left as that one makes it.
    """
    verifier = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
    secret = f"password {Literal(verifier).as_string(connection)}"
    return (
        f"do $role$ begin create role {role} {secret}; exception when duplicate_object then null; end $role$;"
        f"alter role {role} {attributes} {secret if again else ''}"
    )


async def _attempt(connection: psycopg.AsyncConnection[TupleRow], name: str, script: str) -> list[Finding]:
    """Run it in a transaction of its own; what the user may not do becomes a finding."""
    try:
        async with connection.transaction():
            await connection.execute(script.encode())
    except psycopg.errors.InsufficientPrivilege as error:
        return [Finding(name, f"could not be put in force: {error.diag.message_primary}")]
    return []


async def _failing(connection: psycopg.AsyncConnection[TupleRow]) -> list[Finding]:
    findings: list[Finding] = []
    for check in CHECKS:
        row = await (await connection.execute(check.sql.encode())).fetchone()
        if row is None or row[0] is not True:
            findings.append(Finding(check.name, check.otherwise))
    return findings
