"""Allocation: where a new tenant lives, and its schema there."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from nexus.activation.platform import tables_of
from nexus.activation.work import Work
from nexus.core.problem import Problem
from nexus.engines.oltp import Statement
from nexus.runtime import schemas
from nexus.runtime.cells import Cell
from nexus.surfaces.sql import encode

# Least full first, so that the cells fill evenly; a tenant made in advance there is taken in the same statement, without DDL.
_ALLOCATE: Final = Statement("""
WITH place AS (SELECT c.name FROM nexus_control.cell c LEFT JOIN nexus_control.tenant t ON t.cell = c.name AND t.state <> 'purged'
    WHERE c.open AND c.name = ANY ($3::text[]) GROUP BY c.name, c.capacity HAVING count(t.id) < c.capacity
    ORDER BY count(t.id)::float / c.capacity, c.name LIMIT 1),
claimed AS (DELETE FROM nexus_control.standby WHERE tenant_id = (
    SELECT s.tenant_id FROM nexus_control.standby s JOIN place p ON p.name = s.cell WHERE s.state = 'ready' AND s.versions = $4
    ORDER BY s.at LIMIT 1 FOR UPDATE OF s SKIP LOCKED) RETURNING tenant_id),
made AS (INSERT INTO nexus_control.tenant (id, slug, name, state, cell, country, currency, time_zone, language, preset)
    SELECT coalesce(claimed.tenant_id, $2), $5, $6, 'activating', place.name, $7, $8, $9, $10, $11
    FROM place LEFT JOIN claimed ON true RETURNING id, cell),
told AS (UPDATE nexus_control.activation a SET tenant_id = made.id FROM made WHERE a.id = $1)
SELECT made.id, made.cell, made.id <> $2 FROM made""")
_FOUND: Final = Statement("SELECT cell FROM nexus_control.tenant WHERE id = $1 AND state = 'activating'")
_FORGET: Final = Statement("DELETE FROM nexus_control.tenant WHERE id = $1 AND state = 'activating'")
_MADE: Final = Statement("SELECT count(*) FROM nexus_cell.tenant_service WHERE tenant = $1")
_REACH: Final = Statement("""
SELECT (SELECT json_agg(n) FROM unnest($1::text[]) AS n WHERE NOT (
        has_table_privilege('{s}.' || n, 'SELECT') AND has_table_privilege('{s}.' || n, 'INSERT')
        AND has_table_privilege('{s}.' || n, 'UPDATE') AND has_table_privilege('{s}.' || n, 'DELETE'))),
    coalesce(has_schema_privilege(to_regnamespace('nexus_control')::oid, 'USAGE'), false), has_schema_privilege(current_user::text, 'CREATE'), current_user""")


class NoRoom(Problem, status=503):
    """Every cell is full: add one to the settings."""


async def allocate(work: Work) -> dict[str, Any]:
    """Give the tenant its place. A crash in between is met by looking what is there."""
    cell, prepared = await _place(work)
    if not prepared:
        await _build(work, cell)
    record = await work.platform.record(work.tenant_id)
    for name in work.service_names():
        if not work.platform.migrator.ready(record, name):
            await work.platform.migrator.ensure_service(record, name)
            record = await work.platform.record(work.tenant_id)
    if prepared:
        work.platform.wanted()
    return {"cell": cell.name, "schema": work.schema, "from": "standby" if prepared else "built"}


async def _place(work: Work) -> tuple[Cell, bool]:
    platform = work.platform
    (found,) = await platform.control.run(None, (_FOUND, [encode(work.tenant_id)]))
    if found.rows:
        cell = platform.cells[(found.rows[0][0] or b"").decode()]
        (made,) = await cell.oltp.run(None, (_MADE, [work.schema.encode()]))
        return cell, made.rows[0][0] != b"0"
    business = work.business
    given = (work.id, work.tenant_id, tuple(platform.cells), platform.prepared_key(), business.slug, business.name)
    rest = (business.country, business.currency, business.time_zone, business.languages[0], work.kept())
    (result,) = await platform.control.run(None, (_ALLOCATE, [encode(one) for one in (*given, *rest)]))
    if not result.rows:
        raise NoRoom()
    id, cell_name, prepared = result.rows[0]
    work.tenant_id = UUID((id or b"").decode())
    return platform.cells[(cell_name or b"").decode()], prepared == b"t"


async def _build(work: Work, cell: Cell) -> None:
    services = [work.platform.services[name] for name in work.service_names()]
    await schemas.create(cell, work.schema, services)


async def release(work: Work) -> None:
    """Take everything of the tenant away. Its row in the control plane goes last, so that a crash in between is met again."""
    platform = work.platform
    (found,) = await platform.control.run(None, (_FOUND, [encode(work.tenant_id)]))
    if not found.rows:
        return
    await schemas.drop(platform.cells[(found.rows[0][0] or b"").decode()], work.schema)
    await platform.control.run(None, (_FORGET, [encode(work.tenant_id)]))
    platform.directory.forget(work.tenant_id)
    platform.principals.evict(work.tenant_id)


class RoleWrong(Problem, status=500):
    """The tenant's role is not as it must be: {what}."""

    what: str


async def check_role(work: Work) -> dict[str, Any]:
    """Ask the database, as the tenant's role, what it reaches."""
    record = await work.record()
    names = tables_of(tuple(work.platform.services[name] for name in work.service_names()))
    (result,) = await work.platform.cells[record.cell].oltp.run(record.schema, (_REACH, [encode(tuple(names))]))
    missing, control, create, role = result.rows[0]
    if missing is not None:
        raise RoleWrong(what=f"it cannot use {missing.decode()}")
    if control == b"t":
        raise RoleWrong(what="it reaches the control plane")
    if create == b"t":
        raise RoleWrong(what="it may create tables")
    return {"role": (role or b"").decode(), "tables": len(names)}
