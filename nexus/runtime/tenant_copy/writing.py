"""A tenant's schema in a cell, filled from the parts of a copy: within the caller's transaction, as nexus_owner."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any, Final

import msgspec

from nexus.core.ids import uuid7
from nexus.core.message import REACTIONS
from nexus.core.service import Service
from nexus.runtime import schemas
from nexus.runtime.journal import GENESIS, entry_of, link
from nexus.runtime.tenant_copy.parts import CELL_PARTS, Connection

RESTORED: Final = "platform.tenant:restore"
"""The command of the audit entry with which a restored tenant's own history begins: `restored_from` says whose entries come before it."""
_NAME: Final = re.compile(r"[a-z_][a-z0-9_]*")
_TYPES: Final = {part.name: (part.columns, part.types) for part in CELL_PARTS}

# The id that a timer had, or another where the tenant that it was copied from lives beside and has it still.
_OWN_ID: Final = "CASE WHEN EXISTS (SELECT FROM nexus_cell.timer t WHERE t.id = incoming.id) THEN gen_random_uuid() ELSE incoming.id END"
_INSERT: Final[Mapping[str, str]] = {
    "cell.audit": "INSERT INTO nexus_cell.audit (tenant, seq, at, entry, prev_hash, hash)"
    " SELECT '{s}', seq, at, entry, prev_hash, hash FROM incoming ORDER BY seq",
    "cell.journal": "INSERT INTO nexus_cell.journal (tenant, at, audit, events) SELECT '{s}', at, audit, events FROM incoming ORDER BY n",
    # the log's own time never goes back: an event says in its envelope when it happened
    "cell.event": "WITH head AS (UPDATE nexus_cell.log_head SET position = position + (SELECT count(*) FROM incoming),"
    " at = greatest(at, clock_timestamp()) RETURNING position - (SELECT count(*) FROM incoming) AS start, at)"
    " INSERT INTO nexus_cell.event (position, tenant, topic, subject, at, envelope)"
    " SELECT head.start + i.n, '{s}', i.topic, i.subject, head.at, i.envelope FROM incoming i, head",
    "cell.dead_letter": "INSERT INTO nexus_cell.dead_letter (id, consumer_group, reaction, tenant, topic, reason, attempts, envelope, at, redriven_at)"
    " SELECT id, consumer_group, reaction, '{s}', topic, reason, attempts, envelope, at, redriven_at FROM incoming ORDER BY n",
    "cell.timer": "INSERT INTO nexus_cell.timer (id, tenant, command, arguments, correlation, due_at, attempts, error)"
    f" SELECT {_OWN_ID}, '{{s}}', command, arguments, correlation, due_at, attempts, error FROM incoming ORDER BY n",
}
_HEAD: Final = (
    "INSERT INTO nexus_cell.audit_head (tenant, seq, hash) SELECT tenant, seq, hash FROM nexus_cell.audit WHERE tenant = %s"
    " ORDER BY seq DESC LIMIT 1 ON CONFLICT (tenant) DO UPDATE SET seq = excluded.seq, hash = excluded.hash"
)
_CLAIM: Final = (
    "INSERT INTO {s}.nexus_inbox (event_id, reaction) SELECT (e.envelope::json ->> 'id')::uuid, r.name FROM (SELECT envelope FROM"
    " nexus_cell.event WHERE tenant = '{s}' ORDER BY position LIMIT %s) e"
    " JOIN unnest(%s::text[], %s::text[]) AS r (type, name) ON r.type = e.envelope::json ->> 'type' ON CONFLICT DO NOTHING"
)


class NotAHeader(ValueError):
    """The first line of a part names no columns."""


async def create(connection: Connection, schema: str, services: Iterable[Service], versions: Mapping[str, int]) -> None:
    """Make the schema with the tables of these services at these versions."""
    await connection.execute(schemas.creation(schema, services, connection.info.server_version, versions).encode())


async def fill(connection: Connection, schema: str, name: str, blocks: AsyncIterator[bytes]) -> int:
    """Load one part; how many rows. Raises NotAHeader, psycopg.Error."""
    if name.startswith("cell."):
        return await _fill_cell(connection, schema, name, blocks)
    table = f"{schema}.{_named(name)}"
    # what triggers of the service derive from a row is in the copy already, and would be derived twice
    await connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER".encode())
    rows = await _copy(connection, table, blocks)
    await connection.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER".encode())
    return rows


async def _fill_cell(connection: Connection, schema: str, name: str, blocks: AsyncIterator[bytes]) -> int:
    columns, types = _TYPES[name]
    declared = ", ".join(f"{column} {type_}" for column, type_ in zip(columns, types, strict=True))
    # tables with row security take no COPY, and their rows need the tenant's name
    await connection.execute(f"CREATE TEMP TABLE incoming ({declared}, n bigint GENERATED ALWAYS AS IDENTITY) ON COMMIT DROP".encode())
    rows = await _copy(connection, "incoming", blocks)
    if rows:
        await connection.execute(_INSERT[name].replace("{s}", schema).encode())
    if name == "cell.audit":
        await connection.execute(_HEAD, (schema,))
    await connection.execute("DROP TABLE incoming")
    return rows


async def _copy(connection: Connection, table: str, blocks: AsyncIterator[bytes]) -> int:
    first = await anext(blocks, b"")
    columns = ", ".join(f'"{_named(column)}"' for column in first.split(b"\n", 1)[0].decode("utf-8", "replace").split(","))
    query = f"COPY {table} ({columns}) FROM STDIN (FORMAT csv, HEADER MATCH)"
    async with connection.cursor() as cursor:
        async with cursor.copy(query.encode()) as copy:
            await copy.write(first)
            async for block in blocks:
                await copy.write(block)
        return cursor.rowcount


def _named(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise NotAHeader(f"{name[:60]!r} is not the name of a column or table of ours")
    return name


async def claim_events(connection: Connection, schema: str, handled: int) -> None:
    """Say that the first `handled` events which came with the tenant have been reacted to, also by what did not exist at their time."""
    pairs = [(type_, reaction.name) for type_, some in REACTIONS.items() for reaction in some]
    types, names = [type_ for type_, _ in pairs], [name for _, name in pairs]
    if pairs:
        await connection.execute(_CLAIM.replace("{s}", schema).encode(), (handled, types, names))


async def enter_restored(connection: Connection, schema: str, origin: str, said: Mapping[str, Any]) -> None:
    """Add the audit entry that says from whose history this tenant's goes on."""
    row = await (
        await connection.execute("SELECT seq, encode(hash, 'hex') FROM nexus_cell.audit_head WHERE tenant = %s", (schema,))
    ).fetchone()
    seq, prev = (int(row[0]), str(row[1]).encode()) if row else (0, GENESIS)
    at = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    act = {
        "at": at,
        "actor": "system",
        "command": RESTORED,
        "entity": "platform.tenant",
        "correlation": str(uuid7()),
        "restored_from": origin,
    }
    entry = entry_of(schema, seq + 1, at.encode(), msgspec.json.encode({**act, **said}))
    await connection.execute(
        "INSERT INTO nexus_cell.audit (tenant, seq, at, entry, prev_hash, hash) VALUES (%s, %s, %s, %s, decode(%s, 'hex'), decode(%s, 'hex'))",
        (schema, seq + 1, at, entry.decode(), prev.decode(), link(prev, entry).decode()),
    )
    await connection.execute(_HEAD, (schema,))
