"""What a tenant's role may not touch in the catalogue of PostgreSQL: statements that build the walls, and checks that they stand.

By default everybody may switch roles (`set_config`), read every table's size and row count, keep large objects, take advisory locks that
others wait for, read the text of other sessions' prepared statements, and run SQL that is given as text (`query_to_xml`, `DO`). PUBLIC
loses all of it; the two login roles of the platform get it by name. New functions of later versions are denied by default: of those named
`pg_…` only the ones in `_HARMLESS` stay. Read from `pg_proc` of PostgreSQL 15 and 18.
"""

from dataclasses import dataclass

__all__ = ["CHECKS", "WALLS", "Check", "Wall"]

APP = "nexus_app"
OWNER = "nexus_owner"

_HARMLESS = (
    "pg_backend_pid",
    "pg_char_to_encoding",
    "pg_client_encoding",
    "pg_collation_for",
    "pg_column_compression",
    "pg_column_size",
    "pg_current_snapshot",
    "pg_current_xact_id",
    "pg_current_xact_id_if_assigned",
    "pg_encoding_to_char",
    "pg_input_error_info",
    "pg_input_is_valid",
    "pg_size_bytes",
    "pg_size_pretty",
    "pg_trigger_depth",
    "pg_typeof",
    "pg_visible_in_snapshot",
)

_DANGEROUS = (
    "set_config",  # becomes another tenant
    "setseed",
    "set_limit",  # pg_trgm: changes the session for the next tenant
    "loread",
    "lowrite",
    "query_to_xml",  # these run SQL given as text
    "query_to_xmlschema",
    "query_to_xml_and_xmlschema",
    "cursor_to_xml",
    "cursor_to_xmlschema",
    "ts_stat",
    "currtid2",
    "brin_desummarize_range",
    "brin_summarize_new_values",
    "brin_summarize_range",
    "gin_clean_pending_list",
    "inet_client_addr",
    "inet_client_port",
    "inet_server_addr",
    "inet_server_port",
)


def _words(names: tuple[str, ...]) -> str:
    return ", ".join(f"'{name}'" for name in names)


_CLOSED = f"""
    select p.oid from pg_catalog.pg_proc p
    where p.prokind = 'f'
      and (p.pronamespace = 'pg_catalog'::regnamespace or p.proname in ('set_limit') or p.proname ^@ 'dblink')
      and (p.proname in ({_words(_DANGEROUS)})
           or p.proname ^@ 'lo_' or p.proname ^@ 'dblink' or p.proname ^@ 'binary_upgrade_'
           or (p.proname = 'ts_rewrite' and p.provolatile = 'v')
           or (p.proname ^@ 'table_to_xml' or p.proname ^@ 'schema_to_xml' or p.proname ^@ 'database_to_xml')
           or (p.proname ^@ 'pg_' and p.proname not in ({_words(_HARMLESS)})
               and not p.proname ^@ 'pg_lsn' and not p.proname ^@ 'pg_snapshot'))
      and not exists (select from pg_catalog.pg_init_privs i
                      where i.classoid = 'pg_catalog.pg_proc'::regclass and i.objoid = p.oid)
"""
"""Functions everybody may call in a fresh database, and no tenant should."""

_READABLE = """
    select c.oid from pg_catalog.pg_class c
    join pg_catalog.pg_init_privs i on i.classoid = 'pg_catalog.pg_class'::regclass and i.objoid = c.oid and i.objsubid = 0
    where c.relnamespace = 'pg_catalog'::regnamespace and c.relkind in ('r', 'v')
      and exists (select from pg_catalog.aclexplode(i.initprivs) a where a.grantee = 0 and a.privilege_type = 'SELECT')
"""
"""Catalogue tables and views everybody may read in a fresh database: names, sizes and row counts of all tenants."""


@dataclass(frozen=True, slots=True)
class Wall:
    """One thing to put in force: statements that may run again."""

    name: str
    sql: str


WALLS = (
    Wall(
        "functions",
        f"""do $$ declare f oid; begin
        for f in select c.oid from ({_CLOSED}) c where has_function_privilege('public', c.oid, 'execute')
            or not has_function_privilege('{APP}', c.oid, 'execute') or not has_function_privilege('{OWNER}', c.oid, 'execute')
        loop
            execute format('revoke execute on function %s from public', f::regprocedure);
            execute format('grant execute on function %s to {APP}, {OWNER}', f::regprocedure);
        end loop; end $$""",
    ),
    Wall(
        "catalogue",
        f"""do $$ declare t oid; begin
        for t in select c.oid from ({_READABLE}) c where has_table_privilege('public', c.oid, 'select')
            or not has_table_privilege('{APP}', c.oid, 'select') or not has_table_privilege('{OWNER}', c.oid, 'select')
        loop
            execute format('revoke all on table %s from public', t::regclass);
            execute format('grant select on table %s to {APP}, {OWNER}', t::regclass);
        end loop; end $$""",
    ),
    Wall(
        "languages",
        f"revoke usage on language plpgsql, sql from public; grant usage on language plpgsql, sql to {OWNER}",
    ),
    Wall(
        "schemas",
        "revoke all on schema public, information_schema from public;"
        f"grant usage on schema public, information_schema to {APP}; grant usage, create on schema public to {OWNER};"
        f"grant usage on schema information_schema to {OWNER}",
    ),
    Wall(
        "database",
        f"""do $$ begin
        execute format('revoke all on database %I from public', current_database());
        execute format('grant connect on database %I to {APP}', current_database());
        execute format('grant connect, create, temporary on database %I to {OWNER}', current_database());
        end $$""",
    ),
)


@dataclass(frozen=True, slots=True)
class Check:
    """A fact that should hold: `sql` answers one row with true, and what it means when it does not."""

    name: str
    sql: str
    otherwise: str


_NO_PUBLIC = "select not has_function_privilege('public', {!r}, 'execute')"

CHECKS = (
    Check(
        "set_config",
        _NO_PUBLIC.format("pg_catalog.set_config(text,text,boolean)"),
        "SQL injected into a tenant's statement could switch to another tenant: give every tenant a login of its own on this server",
    ),
    Check(
        "functions",
        f"select not exists (select from ({_CLOSED}) c where has_function_privilege('public', c.oid, 'execute'))",
        "a tenant's SQL can read sizes and statistics of others, keep large objects, or take locks others wait for",
    ),
    Check(
        "catalogue",
        f"select not exists (select from ({_READABLE}) c where has_table_privilege('public', c.oid, 'select'))",
        "a tenant's SQL can read the names and the row counts of other tenants' tables (not their rows)",
    ),
    Check(
        "languages",
        "select not exists (select from pg_catalog.pg_language l where lanpltrusted and has_language_privilege('public', l.oid, 'usage'))",
        "a tenant's SQL can run blocks of code (DO) if it gets past the driver",
    ),
    Check(
        "temporary",
        "select not has_database_privilege('public', current_database(), 'temporary')",
        "a tenant's SQL can make temporary tables that outlive its request",
    ),
    Check(
        "public schema",
        "select not has_schema_privilege('public', 'public', 'create') and not has_schema_privilege('public', 'public', 'usage')",
        "a tenant's SQL can use the schema public, which all tenants share",
    ),
    Check(
        APP,
        f"""select exists (select from pg_catalog.pg_roles where rolname = '{APP}' and rolcanlogin and not rolinherit and not rolsuper
            and not rolcreaterole and not rolcreatedb and not rolreplication and not rolbypassrls)""",
        "the runtime's login role has more rights than it should: LOGIN NOINHERIT and nothing else",
    ),
    Check(
        OWNER,
        f"select exists (select from pg_catalog.pg_roles where rolname = '{OWNER}' and rolcanlogin and rolcreaterole and not rolsuper)",
        "the owner's role cannot make tenants: it needs LOGIN and CREATEROLE, and must not be superuser",
    ),
)
