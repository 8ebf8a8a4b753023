"""A tenant's schema and role: made and dropped by one script each, whose cost does not depend on how many tenants there are.

Nothing here asks the catalogue for lists (`… ON ALL TABLES IN SCHEMA`, information_schema): such a statement takes longer with every
tenant.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from typing import Final

import psycopg

from nexus.core.service import Service
from nexus.engines.oltp.roles import create_tenant_schema_sql, drop_tenant_schema_sql
from nexus.runtime.cells import Cell
from nexus.runtime.migrations import from_nothing, latest
from nexus.surfaces.tables import PLATFORM_SCRIPT, PLATFORM_TABLES, grants

_SERVICES: Final = "DELETE FROM nexus_cell.tenant_service WHERE tenant = '{s}';\n"
_ROWS: Final = """
DELETE FROM nexus_cell.journal WHERE tenant = '{s}';
DELETE FROM nexus_cell.event WHERE tenant = '{s}';
DELETE FROM nexus_cell.audit WHERE tenant = '{s}';
DELETE FROM nexus_cell.audit_head WHERE tenant = '{s}';
DELETE FROM nexus_cell.dead_letter WHERE tenant = '{s}';
DELETE FROM nexus_cell.timer WHERE tenant = '{s}';
DELETE FROM nexus_cell.timer WHERE tenant = '{s}';
"""


@functools.lru_cache(maxsize=64)
def _tables(services: tuple[tuple[Service, int], ...]) -> str:
    return PLATFORM_SCRIPT + grants(list(PLATFORM_TABLES)) + "".join(from_nothing(service, version) for service, version in services)


def creation(schema: str, services: Iterable[Service], server_version: int, versions: Mapping[str, int] | None = None) -> str:
    """The script that makes a tenant's role, schema, tables and grants, and says which services are there; at the latest versions, or these."""
    at = tuple((service, (versions or {}).get(service.name, latest(service))) for service in services)
    return create_tenant_schema_sql(schema, server_version, _tables(at).replace("{s}", schema))


async def create(cell: Cell, schema: str, services: Iterable[Service]) -> None:
    """Make a tenant's schema in a cell: one round trip, one transaction. Raises psycopg.Error, and then nothing is there."""
    async with await cell.owner() as connection:
        await connection.execute(creation(schema, services, connection.info.server_version).encode())


async def exists(connection: psycopg.AsyncConnection[tuple[object, ...]], schema: str) -> bool:
    """Whether the schema is there."""
    row = await (await connection.execute("SELECT to_regnamespace(%s) IS NOT NULL", (schema,))).fetchone()
    return row is not None and row[0] is True


async def drop(cell: Cell, schema: str, *, rows: bool = True) -> None:
    """Remove a tenant's schema and role, and with `rows` its journal, events and audit; nothing happens where nothing is.

    Raises psycopg.Error.
    """
    async with await cell.owner() as connection:
        script = drop_tenant_schema_sql(schema) + (_SERVICES + (_ROWS if rows else "")).replace("{s}", schema)
        await connection.execute(script.encode())
