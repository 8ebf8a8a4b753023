"""Database roles: who owns, who runs, and what nobody may do; and the role and schema of a tenant."""

from __future__ import annotations

import secrets
from typing import Final, LiteralString, cast

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

OWNER: Final = "nexus_owner"
APP: Final = "nexus_app"

# What leaks or disturbs across tenants that share a database. pg_catalog functions are PUBLIC's by default.
_CLOSED: Final = (
    "set_config(text, text, boolean)",
    "lo_create(oid)",
    "lo_creat(integer)",
    "lo_from_bytea(oid, bytea)",
    "lo_open(oid, integer)",
    "lo_put(oid, bigint, bytea)",
    "lo_get(oid)",
    "lo_get(oid, bigint, integer)",
    "lo_unlink(oid)",
    "loread(integer, integer)",
    "lowrite(integer, bytea)",
    "pg_notify(text, text)",
    "pg_logical_emit_message(boolean, text, text)",
    "pg_logical_emit_message(boolean, text, bytea)",
    "pg_prepared_statement()",
    "pg_cursor()",
    "pg_advisory_lock(bigint)",
    "pg_advisory_lock(integer, integer)",
    "pg_advisory_xact_lock(bigint)",
    "pg_advisory_xact_lock(integer, integer)",
    "pg_try_advisory_lock(bigint)",
    "pg_try_advisory_lock(integer, integer)",
    "pg_try_advisory_xact_lock(bigint)",
    "pg_try_advisory_xact_lock(integer, integer)",
    "pg_sleep(double precision)",
    "pg_sleep_for(interval)",
    "pg_sleep_until(timestamp with time zone)",
    "pg_cancel_backend(integer)",
    "pg_terminate_backend(integer, bigint)",
    "pg_export_snapshot()",
)


def credentials(url: str, user: str, password: str) -> str:
    """The same database for another user."""
    return make_conninfo(**{**conninfo_to_dict(url), "user": user, "password": password})


async def bootstrap(superuser_url: str, owner_password: str, app_password: str) -> list[str]:
    """Make the two roles and take from PUBLIC what tenants must not have; safe to repeat. Answers what could not be had, for `nexus doctor`."""
    findings: list[str] = []
    async with await psycopg.AsyncConnection.connect(superuser_url, autocommit=True) as connection:
        for name, password, rights in ((OWNER, owner_password, "CREATEROLE"), (APP, app_password, "NOINHERIT NOCREATEROLE")):
            verb = "ALTER" if await _has_role(connection, name) else "CREATE"
            statement = sql.SQL("{} ROLE {} LOGIN {} PASSWORD {}").format(
                sql.SQL(cast(LiteralString, verb)), sql.Identifier(name), sql.SQL(cast(LiteralString, rights)), sql.Literal(password)
            )
            await connection.execute(statement)
        database = sql.Identifier(connection.info.dbname)
        await connection.execute(sql.SQL("GRANT CREATE, CONNECT, TEMPORARY ON DATABASE {} TO {}").format(database, sql.Identifier(OWNER)))
        await connection.execute(sql.SQL("REVOKE TEMPORARY, CREATE ON DATABASE {} FROM PUBLIC").format(database))
        await connection.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
        for function in _CLOSED:
            try:
                name = sql.SQL(cast(LiteralString, f"FUNCTION pg_catalog.{function}"))
                await connection.execute(sql.SQL("REVOKE EXECUTE ON {} FROM PUBLIC").format(name))
                await connection.execute(sql.SQL("GRANT EXECUTE ON {} TO nexus_owner, nexus_app").format(name))
            except psycopg.errors.UndefinedFunction:
                continue  # this server has another signature, or none
            except psycopg.errors.InsufficientPrivilege:
                findings.append(f"PUBLIC keeps EXECUTE on {function}: this user may not revoke it")
    return findings


async def _has_role(connection: psycopg.AsyncConnection[tuple[object, ...]], name: str) -> bool:
    found = await (await connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (name,))).fetchone()
    return found is not None


def tenant_role_script(schema: str, server_version: int) -> str:
    """A tenant's role and schema. `server_version` is the number PostgreSQL gives (150018): before 16 a grant has no options."""
    options = " WITH INHERIT FALSE, SET TRUE" if server_version >= 160000 else ""
    return f"""CREATE ROLE {schema} NOLOGIN;
GRANT {schema} TO {APP}{options};
CREATE SCHEMA {schema};
GRANT USAGE ON SCHEMA {schema} TO {schema};
"""


def drop_tenant_script(schema: str) -> str:
    """Remove a tenant's schema with everything in it, and its role."""
    return f"DROP SCHEMA IF EXISTS {schema} CASCADE;\nDROP ROLE IF EXISTS {schema};\n"


def new_password() -> str:
    """A password for a role that only programs use."""
    return secrets.token_urlsafe(24)
