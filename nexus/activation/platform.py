"""What activation works with: the parts of a running process, given to it and never made by it."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from uuid import UUID

from nexus.core.message import HANDLERS, Command
from nexus.core.service import Service
from nexus.core.tx import Actor
from nexus.engines.oltp import Oltp
from nexus.runtime.cells import Cells
from nexus.runtime.directory import Directory, TenantRecord
from nexus.runtime.migrate import Migrator
from nexus.runtime.migrations import versions_key, with_needs
from nexus.runtime.principals import Principals
from nexus.runtime.unit_of_work import UnitOfWork
from nexus.surfaces.calling import Caller, Host

Api: TypeAlias = Callable[[str, str, str, Any], Awaitable[tuple[int, Any]]]
"""The public API as a client sees it: (method, path with query, token, JSON body or None) → (status, decoded body)."""

SYSTEM = Actor(None, "system")
SERVICES = ("auth", "crm", "finance")
"""What every tenant has from the first day; a tenant made in advance has exactly these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where this installation is reached, and how it names its tenants."""

    url: str
    """Without a slash at the end: `http://127.0.0.1:8080`."""
    domain: str | None = None
    """Tenants are named `<slug>.<domain>` where there is one."""
    dns: str | None = None
    """The DNS provider that makes names real; None: names are only recorded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """The process around an activation."""

    cells: Cells
    directory: Directory
    principals: Principals
    services: Mapping[str, Service]
    """Those installed, in the order of their needs."""
    migrator: Migrator
    host: Host
    api: Api
    site: Site
    wanted: Callable[[], None] = field(default=lambda: None)
    """Told when a tenant made in advance has been taken."""

    def first_services(self) -> list[Service]:
        """The services that every tenant has from the first day."""
        return with_needs(SERVICES, self.services)

    def prepared_key(self) -> str:
        """Which services at which versions a tenant made in advance must have."""
        return versions_key(self.first_services())

    @property
    def control(self) -> Oltp:
        """The control plane's database."""
        return self.cells.control.oltp

    def system(self, record: TenantRecord) -> Caller:
        """The platform itself, acting in a tenant."""
        return Caller(record.tenant(), record.schema, record.cell, SYSTEM, None)

    async def record(self, id: UUID) -> TenantRecord:
        """A tenant that must be there, read afresh."""
        self.directory.forget(id)
        found = await self.directory.get(id)
        if found is None:
            raise LookupError(f"there is no tenant {id}")
        return found


async def own_command(work: UnitOfWork, command: Command[Any]) -> Any:
    """`tx.call` of a seed: a command of the same service, in the same transaction."""
    return await HANDLERS[type(command)].run(command, work)


@functools.cache
def tables_of(services: tuple[Service, ...]) -> tuple[str, ...]:
    """The names of all tables of some services."""
    return tuple(str(entity.__tablename__) for service in services for entity in service.entities())
