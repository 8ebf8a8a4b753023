"""Brings the tables of tenants to the versions that this code works with: all of them by `run`, one cold tenant's on its first use."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import psycopg
from psycopg import errors

from nexus.core.problem import Unavailable
from nexus.core.service import Service
from nexus.runtime.cells import Cell, Cells
from nexus.runtime.directory import Directory, TenantRecord
from nexus.runtime.migrations import following, from_nothing, latest, with_needs

Connection = psycopg.AsyncConnection[tuple[Any, ...]]

_STATUS: Final = (
    "SELECT t.service, t.version, t.part, t.error, count(*), array_agg(t.tenant ORDER BY t.tenant) FILTER (WHERE t.version < want.version)"
    " FROM nexus_cell.tenant_service t JOIN unnest(%s::text[], %s::int[]) AS want (service, version) USING (service)"
    " WHERE %s::text IS NULL OR t.tenant = %s GROUP BY t.service, t.version, t.part, t.error ORDER BY t.service, t.version, t.part, t.error"
)
_CLAIM: Final = "INSERT INTO nexus_cell.tenant_service (tenant, service, version) VALUES (%s, %s, 0) ON CONFLICT DO NOTHING"
_WHERE: Final = "SELECT version, part FROM nexus_cell.tenant_service WHERE tenant = %s AND service = %s FOR UPDATE"
# Held against a copy of the tenant (runtime.tenant_copy), which must find its tables as they were when it began
_UNCOPIED: Final = "SELECT pg_advisory_xact_lock(hashtextextended('nexus.tables ' || %s, 0))"
_DONE: Final = (
    "UPDATE nexus_cell.tenant_service SET version = %s, part = %s, at = clock_timestamp(), error = NULL, error_at = NULL"
    " WHERE tenant = %s AND service = %s"
)
_FAILED: Final = "UPDATE nexus_cell.tenant_service SET error = %s, error_at = clock_timestamp() WHERE tenant = %s AND service = %s"
_IN_THE_WAY: Final = (errors.LockNotAvailable, errors.DeadlockDetected, errors.SerializationFailure)


@dataclass(frozen=True, slots=True)
class Group:
    """Tenants of one cell that stand at the same place with one service."""

    cell: str
    service: str
    version: int
    latest: int
    tenants: int
    behind: tuple[str, ...]
    """The schemas that have something before them."""
    part: int
    error: str | None


@dataclass(frozen=True, slots=True)
class Failure:
    """A tenant that could not be brought on; it stays at the version it says."""

    cell: str
    tenant: str
    service: str
    error: str


@dataclass(slots=True)
class Report:
    """What a run did, by (tenant, service)."""

    brought: int = 0
    current: int = 0
    failures: list[Failure] = field(default_factory=list[Failure])


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a migration waits for a lock (it stands before everybody who comes after it), and how often it tries again; seconds."""

    lock: float = 2.0
    attempts: int = 6
    first: float = 0.1


@dataclass(frozen=True, slots=True)
class _Job:
    cell: Cell
    tenant: str
    service: Service


class Migrator:
    """Applies migrations. Any number of processes may run one: the row of (tenant, service) is locked while its part is done."""

    def __init__(
        self,
        cells: Cells,
        services: Mapping[str, Service],
        directory: Directory,
        *,
        workers: int = 4,
        patience: Patience | None = None,
    ) -> None:
        self._cells = cells
        self._services = services
        self._directory = directory
        self._workers = workers
        self._patience = patience or Patience()
        self._first_uses: dict[tuple[str, str], asyncio.Task[None]] = {}

    async def status(self, tenant: str | None = None) -> list[Group]:
        """Where all tenants (or the one with this schema) stand: one query per cell."""
        groups: list[Group] = []
        for cell in self._cells.values():
            async with await cell.owner() as connection:
                groups += await self._status(cell, connection, tenant)
        return groups

    async def _status(self, cell: Cell, connection: Connection, tenant: str | None) -> list[Group]:
        names = list(self._services)
        versions = [latest(self._services[name]) for name in names]
        rows = await (await connection.execute(_STATUS, (names, versions, tenant, tenant))).fetchall()
        return [
            Group(cell.name, service, version, latest(self._services[service]), count, tuple(behind or ()), part, error)
            for service, version, part, error, count, behind in rows
        ]

    async def run(self, *, tenant: str | None = None, progress: Callable[[int, int], None] = lambda done, of: None) -> Report:
        """Bring all tenants (or one) to the latest versions. A failure is recorded with its tenant and the run goes on; a run that was
        interrupted is simply started again. `progress` is told after each tenant's service."""
        groups = await self.status(tenant)
        order = list(self._services)
        behind = sorted((group for group in groups if group.behind), key=lambda group: order.index(group.service))
        jobs = [_Job(self._cells[group.cell], name, self._services[group.service]) for group in behind for name in group.behind]
        report = Report(current=sum(group.tenants - len(group.behind) for group in groups))
        queue: asyncio.Queue[_Job] = asyncio.Queue()
        for job in jobs:
            queue.put_nowait(job)
        await asyncio.gather(
            *(
                self._work(queue, report, lambda: progress(report.brought + len(report.failures), len(jobs)))
                for _ in range(min(self._workers, len(jobs)))
            )
        )
        return report

    async def _work(self, queue: asyncio.Queue[_Job], report: Report, tell: Callable[[], None]) -> None:
        connections: dict[str, Connection] = {}
        try:
            while not queue.empty():
                job = queue.get_nowait()
                try:
                    connection = connections.get(job.cell.name)
                    if connection is None or connection.closed:
                        connection = connections[job.cell.name] = await job.cell.owner()
                    await self._bring(connection, job.tenant, job.service)
                    report.brought += 1
                except psycopg.Error as error:
                    reason = _reason(error)
                    report.failures.append(Failure(job.cell.name, job.tenant, job.service.name, reason))
                    await _record(connections.get(job.cell.name), job, reason)
                tell()
        finally:
            for connection in connections.values():
                await connection.close()

    async def _bring(self, connection: Connection, tenant: str, service: Service) -> None:
        """All parts that are before one tenant's service, each in its own transaction. Raises psycopg.Error."""
        attempt = 0
        while True:
            try:
                if not await self._part(connection, tenant, service):
                    return
                attempt = 0
            except _IN_THE_WAY:
                attempt += 1
                if attempt >= self._patience.attempts:
                    raise
                await asyncio.sleep(self._patience.first * 2**attempt * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, not a secret

    async def _part(self, connection: Connection, tenant: str, service: Service) -> bool:
        """Do the next part; False when there is none (or the tenant is gone)."""
        async with connection.transaction():
            await connection.execute(f"SET LOCAL lock_timeout = '{int(self._patience.lock * 1000)}ms'".encode())
            await connection.execute(_UNCOPIED, (tenant,))
            row = await (await connection.execute(_WHERE, (tenant, service.name))).fetchone()
            if row is None:
                return False
            version, done = row
            if version == 0:
                await connection.execute(from_nothing(service).replace("{s}", tenant).encode())
                return False
            part = following(service, version, done)
            if part is None:
                return False
            answer = await connection.execute(part.sql.replace("{s}", tenant).encode())
            if part.kind == "backfill" and answer.rowcount > 0:
                return True
            place = (part.version, 0) if part.last else (version, done + 1)
            await connection.execute(_DONE, (*place, tenant, service.name))
            return True

    def ready(self, record: TenantRecord, service: str) -> bool:
        """Whether a service's tables are there for a tenant, at a version that this code works with."""
        known = self._services.get(service)
        return known is not None and record.versions.get(service, 0) >= latest(known)

    async def ensure_service(self, record: TenantRecord, service: str) -> None:
        """Make or migrate a service's tables (and those it needs) for one tenant, now. Callers at the same moment share the work.

        Raises Unavailable (503) where it cannot be done at this moment, KeyError for a service that is not installed.
        """
        for needed in with_needs([self._services[service].name], self._services):
            if self.ready(record, needed.name):
                continue
            key = (record.schema, needed.name)
            task = self._first_uses.get(key)
            if task is None:
                task = self._first_uses[key] = asyncio.create_task(self._first_use(record, needed))
                task.add_done_callback(lambda _, key=key: self._first_uses.pop(key, None))  # type: ignore[misc]
            await asyncio.shield(task)

    async def _first_use(self, record: TenantRecord, service: Service) -> None:
        try:
            async with await self._cells[record.cell].owner() as connection:
                await connection.execute(_CLAIM, (record.schema, service.name))
                await self._bring(connection, record.schema, service)
        except psycopg.Error as error:
            raise Unavailable(what=f"The service {service.name}") from error
        finally:
            self._directory.forget(record.id)


def _reason(error: psycopg.Error) -> str:
    return f"{error.sqlstate or 'connection'}: {str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__}"


async def _record(connection: Connection | None, job: _Job, reason: str) -> None:
    """Write down why a tenant stays where it is; on a fresh connection where the old one broke."""
    try:
        if connection is not None and not connection.closed:
            await connection.execute(_FAILED, (reason, job.tenant, job.service.name))
            return
        async with await job.cell.owner() as fresh:
            await fresh.execute(_FAILED, (reason, job.tenant, job.service.name))
    except psycopg.Error:
        return  # the database is away: the row still says the version it is at, and the report says why


__all__ = ["Failure", "Group", "Migrator", "Patience", "Report"]
