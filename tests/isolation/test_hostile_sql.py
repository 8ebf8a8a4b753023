"""Hostile SQL under a tenant's role: whatever is injected into a statement, another tenant, the control plane and the server stay out of reach.

Three walls are tried one by one: what the driver sends at all, what a query can do, and what the role could do if the driver's guard were gone.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass

import psycopg
import pytest

from conftest import Database
from nexus.core.service import Service
from nexus.engines.oltp import DatabaseError, NotAQuery, PermissionDenied, Statement
from nexus.engines.oltp.postgres import Postgres
from nexus.runtime.cells import Cell, Cells
from nexus.runtime.testing import Harness
from nexus.services.auth.entities import Team

Rows = list[tuple[bytes | None, ...]]


@dataclass
class Pair:
    """Two businesses in one database. What is hostile is sent by `ours`, and `theirs` is what it is after."""

    ours: Harness
    theirs: Harness
    team: Team

    @property
    def schema(self) -> str:
        return self.theirs.caller.schema

    def aimed(self, text: str) -> str:
        return text.replace("{them}", self.schema).replace("{id}", str(self.team.id))


@pytest.fixture(scope="module")
async def pair(oltp: Postgres, database: Database, services: dict[str, Service]) -> Pair:
    """One pair for all attacks: each test shows that it is still unharmed."""
    await Cells([Cell("main", oltp, database.owner)]).prepare()
    ours = await Harness.fresh(oltp, database.owner, services.values())
    theirs = await Harness.fresh(oltp, database.owner, services.values())
    team = await theirs.given(Team(name="Secret plans", key="secret"))
    return Pair(ours, theirs, team)


async def sent(pair: Pair, oltp: Postgres, text: str) -> Rows:
    (result,) = await oltp.run(pair.ours.caller.schema, (Statement(pair.aimed(text)), []))
    return result.rows


async def unharmed(pair: Pair, oltp: Postgres) -> None:
    """Theirs is as it was, and the connections still serve everybody as who they are."""
    assert [(one.name, one.key) for one in await pair.theirs.list(Team)] == [("Secret plans", "secret")]
    who = Statement("SELECT current_user, current_setting('role'), current_setting('search_path')")
    for schema in (pair.ours.caller.schema, pair.schema):
        for _ in range(4):
            (seen,) = await oltp.run(schema, (who, []))
            assert seen.rows == [(schema.encode(), schema.encode(), b'"$user", public')]


OTHERS = (
    "SELECT * FROM {them}.auth_team",
    "SELECT (SELECT json_agg(t) FROM {them}.auth_team t)",
    "WITH x AS (SELECT * FROM {them}.auth_team) SELECT * FROM x",
    "SELECT * FROM {s}.auth_team UNION ALL SELECT * FROM {them}.auth_team",
    "INSERT INTO {s}.auth_team SELECT * FROM {them}.auth_team",
    "INSERT INTO {them}.auth_team SELECT * FROM {s}.auth_team",
    "UPDATE {them}.auth_team SET name = 'owned'",
    "UPDATE {s}.auth_team SET name = (SELECT name FROM {them}.auth_team LIMIT 1)",
    "DELETE FROM {them}.auth_team",
    "WITH gone AS (DELETE FROM {them}.auth_team RETURNING *) SELECT count(*) FROM gone",
    "SELECT * FROM {them}.auth_team FOR UPDATE",
    "SELECT '{them}.auth_team'::regclass",
    "SELECT currval('nexus_cell.journal_seq_seq')",
    "SELECT nextval('nexus_cell.journal_seq_seq')",
)

PLATFORM = (
    "SELECT * FROM nexus_control.tenant",
    "SELECT * FROM nexus_control.operator",
    "UPDATE nexus_control.tenant SET state = 'purged'",
    "SELECT * FROM nexus_cell.journal",
    "DELETE FROM nexus_cell.journal",
    "INSERT INTO nexus_cell.journal (tenant, audit) VALUES ('{them}', '{}')",
    "INSERT INTO nexus_cell.event SELECT 1, '{them}', 'nexus.x.y.z', gen_random_uuid(), now(), '{}'",
    "INSERT INTO nexus_cell.audit SELECT '{them}', 1, now(), '', '', ''",
    "UPDATE nexus_cell.audit SET entry = ''",
    "DELETE FROM nexus_cell.event",
    "SELECT * FROM nexus_cell.audit_head",
    "SELECT * FROM nexus_cell.consumer",
    "UPDATE nexus_cell.log_head SET position = 0",
    "SELECT * FROM nexus_cell.dead_letter",
    "SELECT * FROM nexus_cell.timer",
    "SELECT * FROM nexus_cell.tenant_service",
    "SELECT * FROM nexus_cell.version",
)

SWITCHES = (
    "SELECT set_config('role', '{them}', true)",
    "SELECT set_config('role', 'none', false)",
    "SELECT pg_catalog.set_config('session_authorization', 'nexus', true)",
    "SELECT set_config('search_path', '{them}', false)",
    "SELECT set_config('statement_timeout', '0', false)",
    "WITH x AS (SELECT set_config('role', '{them}', true)) SELECT * FROM x",
    "UPDATE pg_catalog.pg_settings SET setting = '{them}' WHERE name = 'role'",
    "SELECT query_to_xml('select * from {them}.auth_team', true, true, '')",
    "SELECT schema_to_xml('{them}', true, true, '')",
    "SELECT table_to_xml('{them}.auth_team', true, true, '')",
    "SELECT database_to_xml(true, true, '')",
    "SELECT cursor_to_xml('c', 1, true, true, '')",
    "SELECT * FROM ts_stat('select name from {them}.auth_team')",
)

SERVER = (
    "SELECT pg_sleep(30)",
    "SELECT pg_terminate_backend(pg_backend_pid())",
    "SELECT pg_cancel_backend(1)",
    "SELECT pg_advisory_lock(1)",
    "SELECT pg_try_advisory_xact_lock(1)",
    "SELECT pg_notify('x', 'y')",
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT pg_ls_dir('/')",
    "SELECT pg_stat_file('/etc/passwd')",
    "SELECT pg_reload_conf()",
    "SELECT pg_logical_emit_message(true, 'x', 'y')",
    "SELECT pg_relation_size(1259)",
    "SELECT pg_database_size('nexus')",
    "SELECT pg_get_viewdef(1)",
    "SELECT lo_create(0)",
    "SELECT lo_creat(-1)",
    "SELECT lo_from_bytea(0, 'x')",
    "SELECT lo_import('/etc/passwd')",
    "SELECT lo_get(1)",
    "SELECT lo_put(1, 0, 'x')",
    "SELECT loread(0, 1)",
    "SELECT setseed(0.5)",
    "SELECT inet_server_addr()",
    "SELECT * FROM pg_catalog.pg_authid",
    "SELECT * FROM pg_catalog.pg_roles",
    "SELECT * FROM pg_catalog.pg_class",
    "SELECT * FROM pg_catalog.pg_namespace",
    "SELECT * FROM pg_catalog.pg_stat_activity",
    "SELECT * FROM pg_catalog.pg_stat_user_tables",
    "SELECT * FROM pg_catalog.pg_stats",
    "SELECT * FROM pg_catalog.pg_locks",
    "SELECT * FROM pg_catalog.pg_prepared_statements",
    "SELECT * FROM pg_catalog.pg_largeobject",
    "SELECT * FROM pg_catalog.pg_settings",
    "SELECT * FROM information_schema.tables",
    "SELECT * INTO {s}.stolen FROM {s}.auth_team",
)

COMMANDS = (
    "SET ROLE {them}",
    "set role none",
    "  /* a comment */ SET ROLE {them}",
    "-- a comment\nSET ROLE {them}",
    "/* /* nested */ */ SET LOCAL ROLE {them}",
    "RESET ROLE",
    "RESET ALL",
    "SET SESSION AUTHORIZATION DEFAULT",
    "SET search_path = {them}",
    "DISCARD ALL",
    "BEGIN",
    "COMMIT",
    "ROLLBACK",
    "PREPARE TRANSACTION 'x'",
    "PREPARE x AS SELECT 1",
    "EXECUTE x",
    "DEALLOCATE ALL",
    "DECLARE c CURSOR FOR SELECT 1",
    "DO $$ BEGIN PERFORM 1; END $$",
    "CALL x()",
    "CREATE TABLE {s}.mine (id int)",
    "CREATE TEMP TABLE mine (id int)",
    "CREATE FUNCTION {s}.f() RETURNS int LANGUAGE sql AS 'select 1'",
    "ALTER TABLE {s}.auth_team ADD COLUMN mine int",
    "ALTER ROLE CURRENT_USER SUPERUSER",
    "DROP TABLE {s}.auth_team",
    "DROP SCHEMA {them} CASCADE",
    "TRUNCATE {s}.auth_team",
    "GRANT ALL ON {s}.auth_team TO PUBLIC",
    "COPY {s}.auth_team TO PROGRAM 'id'",
    "COPY {them}.auth_team TO STDOUT",
    "LOCK TABLE {s}.auth_team",
    "LISTEN x",
    "NOTIFY x",
    "VACUUM",
    "ANALYZE",
    "EXPLAIN ANALYZE SELECT * FROM {them}.auth_team",
    "SHOW ALL",
    "LOAD 'x'",
    "CHECKPOINT",
    "MERGE INTO {s}.auth_team USING {them}.auth_team ON true WHEN MATCHED THEN DELETE",
    "TABLE {them}.auth_team",
    "",
    ";",
)


@pytest.mark.parametrize("text", [*OTHERS, *PLATFORM, *SWITCHES, *SERVER])
async def test_a_query_reaches_nothing_but_its_own(pair: Pair, oltp: Postgres, text: str) -> None:
    with pytest.raises(PermissionDenied):
        await sent(pair, oltp, text)

    await unharmed(pair, oltp)


@pytest.mark.parametrize("text", COMMANDS)
async def test_what_is_no_query_is_not_sent(pair: Pair, oltp: Postgres, text: str) -> None:
    before = oltp.stats.round_trips
    with pytest.raises(NotAQuery):
        await sent(pair, oltp, text)

    assert oltp.stats.round_trips == before
    await unharmed(pair, oltp)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1; SET ROLE {them}",
        "SELECT 1; SELECT * FROM {them}.auth_team",
        "SELECT 1; DROP TABLE {s}.auth_team",
        "SELECT 1;; RESET ROLE",
    ],
)
async def test_a_second_statement_behind_the_first_is_refused_with_it(pair: Pair, oltp: Postgres, text: str) -> None:
    with pytest.raises(DatabaseError) as refused:
        await sent(pair, oltp, text)

    assert refused.value.sqlstate == "42601"
    await unharmed(pair, oltp)


async def test_a_tenant_reads_its_own_events_and_audit_alone(pair: Pair, oltp: Postgres, database: Database) -> None:
    async with await psycopg.AsyncConnection.connect(database.owner, autocommit=True) as owner:
        for schema in (pair.ours.caller.schema, pair.schema):
            position = "SELECT coalesce(max(position), 0) + 1 FROM nexus_cell.event"
            await owner.execute(
                f"INSERT INTO nexus_cell.event SELECT ({position}), '{schema}', 'nexus.a.b.c.d', gen_random_uuid(), now(), '{{}}'".encode()
            )
            await owner.execute(f"INSERT INTO nexus_cell.audit VALUES ('{schema}', 1, now(), '{{}}', 'a', 'b')".encode())

        for table in ("event", "audit"):
            rows = await sent(pair, oltp, f"SELECT DISTINCT tenant FROM nexus_cell.{table}")
            assert rows == [(pair.ours.caller.schema.encode(),)]

        # neither the log nor a chain knows of these rows, and a relay would stumble over them
        for table in ("event", "audit"):
            await owner.execute(f"DELETE FROM nexus_cell.{table} WHERE tenant IN ('{pair.ours.caller.schema}', '{pair.schema}')".encode())


@pytest.fixture
async def switched(pair: Pair, database: Database) -> AsyncIterator[psycopg.AsyncConnection[tuple[object, ...]]]:
    """A connection that has become the tenant, with no driver of ours between it and the server."""
    async with await psycopg.AsyncConnection.connect(database.app, autocommit=True) as connection:
        await connection.execute(f"SET ROLE {pair.ours.caller.schema}".encode())
        yield connection


def changing(commands: Iterable[str]) -> list[str]:
    """The commands that would change what is kept, or run code; others only concern a session of one's own."""
    words = ("CREATE", "ALTER", "DROP", "TRUNCATE", "COPY", "DO ", "LOAD", "CHECKPOINT", "MERGE", "TABLE", "EXPLAIN")
    return [text for text in commands if text.startswith(words)]


@pytest.mark.parametrize("text", [*OTHERS, *PLATFORM, *SWITCHES, *SERVER, *changing(COMMANDS)])
async def test_the_database_alone_refuses_it_too(
    pair: Pair, oltp: Postgres, switched: psycopg.AsyncConnection[tuple[object, ...]], text: str
) -> None:
    aimed = pair.aimed(text).replace("{s}", pair.ours.caller.schema)
    if aimed == "ALTER ROLE CURRENT_USER SUPERUSER":
        aimed = f"ALTER ROLE {pair.ours.caller.schema} SUPERUSER"
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        await switched.execute(aimed.encode())

    await unharmed(pair, oltp)


async def test_what_it_grants_grants_nothing(pair: Pair, database: Database, switched: psycopg.AsyncConnection[tuple[object, ...]]) -> None:
    """PostgreSQL only warns of a grant by who may not grant."""
    table = f"{pair.ours.caller.schema}.auth_team"
    await switched.execute(f"GRANT ALL ON {table} TO PUBLIC".encode())

    async with await psycopg.AsyncConnection.connect(database.owner, autocommit=True) as owner:
        row = await (await owner.execute("SELECT has_table_privilege('public', %s, 'select')", (table,))).fetchone()
        assert row == (False,)


async def test_a_place_in_the_journal_is_not_chosen(pair: Pair, oltp: Postgres) -> None:
    with pytest.raises(DatabaseError) as refused:
        await sent(pair, oltp, "INSERT INTO nexus_cell.journal (seq, audit) VALUES (1, '{}')")

    assert refused.value.sqlstate == "428C9"


async def test_without_a_role_the_process_itself_has_no_right_to_any_tenant(pair: Pair, oltp: Postgres) -> None:
    with pytest.raises(PermissionDenied):
        await oltp.run(None, (Statement(f"SELECT * FROM {pair.schema}.auth_team"), []))


@pytest.mark.parametrize("schema", ["none", "nexus_app", "nexus_owner", "nexus", "pg_catalog", "T_A", "t_a; select", 't_a"', "t_", ""])
async def test_only_the_name_of_a_tenants_schema_is_a_tenant(pair: Pair, oltp: Postgres, schema: str) -> None:
    with pytest.raises(DatabaseError) as refused:
        await oltp.run(schema, (Statement("SELECT 1"), []))

    assert refused.value.sqlstate in ("22023", "42501")
    await unharmed(pair, oltp)
