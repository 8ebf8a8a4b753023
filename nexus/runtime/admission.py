"""Admission: whether a caller's tenant can be worked with now, where it is, and with the tables that a service needs."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Final
from uuid import UUID

from nexus.core.problem import Problem, Unauthenticated
from nexus.core.service import Service
from nexus.engines.oltp import PermissionDenied
from nexus.runtime.directory import Directory, TenantRecord
from nexus.runtime.migrate import Migrator
from nexus.runtime.migrations import latest
from nexus.surfaces.calling import Caller


class TenantMoving(Problem, status=503):
    """{name} is being moved to another database: it can be read, and written again in a moment."""

    name: str


class Admission:
    """Stands before every request and every call between services; where all is well it costs one look at the directory's cache."""

    def __init__(self, directory: Directory, migrator: Migrator, services: Mapping[str, Service]) -> None:
        self._directory = directory
        self._migrator = migrator
        self._wanted: Final = {name: latest(service) for name, service in services.items()}

    async def admit(self, caller: Caller, service: str, writes: bool) -> Caller:
        """The caller as it must be served: in the cell where its tenant is now, with the service's tables there and current.

        A service's first use makes its tables, and a tenant that lags behind is migrated, once however many ask. Raises TenantMoving (503)
        for a write while the tenant moves, Unavailable (503) where tables cannot be made now.
        """
        record = self._directory.known(caller.tenant.id) or await self._found(caller.tenant.id)
        # the system itself may go on until the tables are closed: what was told before the move is settled first
        if record.state == "moving" and writes and caller.rights is not None:
            raise TenantMoving(name=record.name)
        if record.versions.get(service, 0) < self._wanted.get(service, 0):
            record = await self._made(record, caller, service)
        return caller if record.cell == caller.cell else dataclasses.replace(caller, cell=record.cell)

    async def _made(self, record: TenantRecord, caller: Caller, service: str) -> TenantRecord:
        if record.state == "moving":
            raise TenantMoving(name=record.name)
        if caller.rights is not None and not caller.rights.any_of(service):
            return record  # who may do nothing there does not make its tables: the endpoint refuses
        await self._migrator.ensure_service(record, service)
        return await self._found(record.id)

    async def _found(self, id: UUID) -> TenantRecord:
        record = await self._directory.get(id)
        if record is None:
            raise Unauthenticated(reason="This credential is not in force.")
        return record

    async def moved(self, caller: Caller, error: PermissionDenied) -> Exception:
        """What a refusal by the database means: a tenant's tables are closed for writing in the moment before it moves."""
        self._directory.forget(caller.tenant.id)
        record = await self._directory.get(caller.tenant.id)
        gone = record is not None and (record.state == "moving" or record.cell != caller.cell)
        return TenantMoving(name=caller.tenant.name) if gone else error
