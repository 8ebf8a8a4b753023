"""What the tables of a service are in one schema, as the database itself describes them: the ground on which two ways of making them meet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import psycopg

from nexus.core.service import Service
from nexus.runtime import migrations
from nexus.runtime.migrations import Part

Connection = psycopg.AsyncConnection[Any]

_COLUMNS = """
SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attgenerated = 's',
    pg_get_expr(d.adbin, d.adrelid), col_description(c.oid, a.attnum)
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE c.relnamespace = %s::regnamespace AND c.relkind IN ('r', 'p') ORDER BY c.relname, a.attnum"""
_CONSTRAINTS = """
SELECT c.relname, o.conname, pg_get_constraintdef(o.oid) FROM pg_constraint o JOIN pg_class c ON c.oid = o.conrelid
WHERE c.relnamespace = %s::regnamespace AND o.contype IN ('c', 'f', 'p', 'u', 'x') ORDER BY c.relname, o.contype = 'f', o.conname"""
_INDEXES = """
SELECT c.relname, i.relname, pg_get_indexdef(x.indexrelid) FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid
JOIN pg_class c ON c.oid = x.indrelid WHERE c.relnamespace = %s::regnamespace
AND NOT EXISTS (SELECT FROM pg_constraint o WHERE o.conindid = x.indexrelid) ORDER BY c.relname, i.relname"""
_COMMENTS = """
SELECT c.relname, obj_description(c.oid, 'pg_class'), EXISTS (SELECT FROM aclexplode(c.relacl) g WHERE g.grantee = %s::regrole)
FROM pg_class c WHERE c.relnamespace = %s::regnamespace AND c.relkind IN ('r', 'p') ORDER BY c.relname"""
_TRIGGERS = """
SELECT c.relname, t.tgname, pg_get_triggerdef(t.oid) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
WHERE c.relnamespace = %s::regnamespace AND NOT t.tgisinternal ORDER BY c.relname, t.tgname"""


@dataclass(frozen=True)
class Column:
    """One column; `default` is its expression, that of the value itself where it is generated."""

    type: str
    required: bool
    generated: bool
    default: str | None
    comment: str | None

    def definition(self) -> str:
        """As it stands in ADD COLUMN, without NOT NULL."""
        if self.generated:
            return f"{self.type} GENERATED ALWAYS AS ({self.default}) STORED"
        return self.type + (f" DEFAULT {self.default}" if self.default is not None else "")


@dataclass
class Table:
    """One table; definitions have `{s}` where the schema stood."""

    columns: dict[str, Column] = field(default_factory=dict)
    constraints: dict[str, str] = field(default_factory=dict)
    indexes: dict[str, str] = field(default_factory=dict)
    triggers: dict[str, str] = field(default_factory=dict)
    comment: str | None = None
    granted: bool = False
    """Whether the tenant's role has rights on it."""


Tables = Mapping[str, Table]


async def read(connection: Connection, schema: str) -> dict[str, Table]:
    """All tables of a schema."""

    async def rows(query: str, *arguments: str) -> list[Any]:
        return await (await connection.execute(query.encode(), arguments or (schema,))).fetchall()

    def plain(text: str | None) -> str | None:
        return None if text is None else text.replace(f"{schema}.", "{s}.")

    found: dict[str, Table] = {}
    for table, comment, granted in await rows(_COMMENTS, schema, schema):
        found[table] = Table(comment=comment, granted=granted)
    for table, name, type_, required, generated, default, comment in await rows(_COLUMNS):
        found[table].columns[name] = Column(type_, required, generated, plain(default), comment)
    for query, part in ((_CONSTRAINTS, "constraints"), (_INDEXES, "indexes"), (_TRIGGERS, "triggers")):
        for table, name, definition in await rows(query):
            getattr(found[table], part)[name] = plain(definition)
    return found


async def made_by(connection: Connection, scripts: Iterable[str], schema: str) -> dict[str, Table]:
    """The tables that scripts with `{s}` make in a schema of this name, which is gone afterwards. Run it as a superuser or nexus_owner."""
    async with connection.transaction(force_rollback=True):
        await connection.execute(f"CREATE ROLE {schema}; CREATE SCHEMA {schema}".encode())
        for script in scripts:
            await connection.execute(script.replace("{s}", schema).encode())
        return await read(connection, schema)


async def compared(
    connection: Connection, service: Service, parts: Iterable[Part] | None = None
) -> tuple[dict[str, Table], dict[str, Table]]:
    """The tables that a service's migrations make, one after the other, and those that its declarations ask for."""
    run = [part.sql for part in (migrations.parts(service) if parts is None else parts)]
    by_migrations = await made_by(connection, run, "t_by_migrations")
    by_declarations = await made_by(connection, [migrations.initial(service)], "t_by_declarations")
    return by_migrations, by_declarations


__all__ = ["Column", "Connection", "Table", "Tables", "compared", "made_by", "read"]
