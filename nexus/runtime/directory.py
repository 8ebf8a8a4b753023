"""The directory: which tenant is where and in which state, read from the control plane and kept for a moment."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import msgspec

from nexus.core.tx import Tenant
from nexus.engines.oltp import Result, Statement
from nexus.runtime.cells import Cell, Cells

TTL: Final = 3.0
"""Seconds for which an answer is believed: how long another process's suspension may take to be seen here."""
LIMIT: Final = 10_000

_COLUMNS: Final = (
    "id, slug, name, state, reason, since, hold_until, cell, country, currency, time_zone, language, preset, created_at,"
    " (SELECT r.was FROM nexus_control.relocation r WHERE r.tenant_id = tenant.id) AS was,"
    " (SELECT row_to_json(l) FROM nexus_control.tenant_limit l WHERE l.tenant_id = tenant.id) AS limits"
)
_BY_ID: Final = Statement(f"SELECT row_to_json(t) FROM (SELECT {_COLUMNS} FROM nexus_control.tenant WHERE id = $1) t")
_BY_SLUG: Final = Statement(
    f"SELECT row_to_json(t) FROM (SELECT {_COLUMNS} FROM nexus_control.tenant WHERE slug = $1 AND state <> 'purged') t"
)
_STANDINGS: Final = Statement("SELECT id, state, cell FROM nexus_control.tenant WHERE id = ANY($1::uuid[])")
_SERVICES: Final = Statement("SELECT service, version FROM nexus_cell.tenant_service WHERE tenant = $1 AND version > 0")


def schema_of(id: UUID) -> str:
    """The name of a tenant's schema and role."""
    return f"t_{id.hex}"


class TenantLimits(msgspec.Struct, frozen=True):
    """What a tenant may ask, where that is not what every tenant may; 0 is without a limit."""

    per_second: float | None = None
    key_per_second: float | None = None
    per_day: int | None = None
    key_per_day: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantRecord:
    """What the control plane knows of a tenant."""

    id: UUID
    slug: str
    name: str
    state: str
    cell: str
    country: str
    currency: str
    time_zone: str
    language: str
    preset: Mapping[str, Any]
    versions: Mapping[str, int] = field(default_factory=dict[str, int])
    """The services whose tables are there, each with the version they are at."""
    reason: str | None = None
    since: dt.datetime | None = None
    hold_until: dt.datetime | None = None
    created_at: dt.datetime | None = None
    was: str | None = None
    """Of one that moves: the state to which it returns."""
    limits: TenantLimits | None = None

    @property
    def stands(self) -> str:
        """Its state apart from being moved."""
        return self.was or self.state if self.state == "moving" else self.state

    @property
    def schema(self) -> str:
        return schema_of(self.id)

    @property
    def services(self) -> frozenset[str]:
        """The services whose tables are there."""
        return frozenset(self.versions)

    def tenant(self) -> Tenant:
        """The part that rules may know."""
        return Tenant(self.id, self.slug, self.name, self.country, self.currency, self.time_zone, self.language)


class _Row(msgspec.Struct):
    id: UUID
    slug: str
    name: str
    state: str
    cell: str
    country: str
    currency: str
    time_zone: str
    language: str
    preset: dict[str, Any]
    reason: str | None = None
    since: dt.datetime | None = None
    hold_until: dt.datetime | None = None
    created_at: dt.datetime | None = None
    was: str | None = None
    limits: TenantLimits | None = None


_row: Final = msgspec.json.Decoder(_Row)


class Directory:
    """Answers from a bounded cache; a miss costs one round trip (two for a tenant outside the control plane's cell)."""

    def __init__(self, cells: Cells, *, ttl: float = TTL, limit: int = LIMIT) -> None:
        self._cells = cells
        self._ttl = ttl
        self._limit = limit
        self._known: OrderedDict[UUID, tuple[float, TenantRecord]] = OrderedDict()
        self._asked: dict[UUID, asyncio.Future[TenantRecord | None]] = {}
        self._forgotten = 0

    def known(self, id: UUID) -> TenantRecord | None:
        """The tenant where it is kept and still believed: no wait, for the path of every request."""
        found = self._known.get(id)
        return found[1] if found is not None and found[0] > time.monotonic() else None

    async def get(self, id: UUID) -> TenantRecord | None:
        """The tenant, or None. Callers that ask at the same moment share one query. Raises what the engine raises."""
        known = self._known.get(id)
        if known is not None and known[0] > time.monotonic():
            self._known.move_to_end(id)
            return known[1]
        asked = self._asked.get(id)
        if asked is None:
            asked = self._asked[id] = asyncio.ensure_future(self._read(id))
            asked.add_done_callback(lambda done: self._answered(id, done))
        return await asyncio.shield(asked)

    def _answered(self, id: UUID, done: asyncio.Future[TenantRecord | None]) -> None:
        if self._asked.get(id) is done:
            del self._asked[id]

    async def by_slug(self, slug: str) -> TenantRecord | None:
        """The tenant that has this slug now, read afresh, or None."""
        (found,) = await self._cells.control.oltp.run(None, (_BY_SLUG, [slug.encode()]))
        if not found.rows:
            return None
        row = _row.decode(found.rows[0][0] or b"")
        (services,) = await self._cells[row.cell].oltp.run(None, (_SERVICES, [schema_of(row.id).encode()]))
        return _record(row, services)

    async def standings(self, ids: Iterable[UUID]) -> dict[UUID, tuple[str, str]]:
        """The state and the cell of each of these tenants, read afresh by one statement; who is not there is left out."""
        argument = "{" + ",".join(str(id) for id in ids) + "}"
        (found,) = await self._cells.control.oltp.run(None, (_STANDINGS, [argument.encode()]))
        rows = [[(value or b"").decode() for value in row] for row in found.rows]
        return {UUID(id): (state, cell) for id, state, cell in rows}

    def forget(self, id: UUID) -> None:
        """Ask again next time: the tenant changed. Also what is being read at this moment is not kept."""
        self._forgotten += 1
        self._known.pop(id, None)
        self._asked.pop(id, None)

    async def _read(self, id: UUID) -> TenantRecord | None:
        before = self._forgotten
        control: Cell = self._cells.control
        argument = schema_of(id).encode()
        found, services = await control.oltp.run(None, (_BY_ID, [str(id).encode()]), (_SERVICES, [argument]))
        if not found.rows:
            return None
        row = _row.decode(found.rows[0][0] or b"")
        if row.cell != control.name and row.state != "purged":  # of a purged one nothing is left there, and the cell may be gone too
            (services,) = await self._cells[row.cell].oltp.run(None, (_SERVICES, [argument]))
        record = _record(row, services)
        if before == self._forgotten:
            self._known[id] = (time.monotonic() + self._ttl, record)
            while len(self._known) > self._limit:
                self._known.popitem(last=False)
        return record


def _record(row: _Row, services: Result) -> TenantRecord:
    versions = {(name or b"").decode(): int(version or 0) for name, version in services.rows}
    return TenantRecord(versions=versions, **msgspec.structs.asdict(row))
