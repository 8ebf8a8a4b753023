"""Backup, restore and clone of one tenant: an archive from one snapshot, and a tenant from an archive beside whatever lives.

A tenant that comes back under its own id is the tenant it was: its keys work, its events and timers go on. One that is restored under another
slug, or cloned, is another tenant with the same records: the keys in it are revoked, because whoever has a key of the first would have one of
the second, and it is told nothing of the past: no event, no dead letter, no idempotency key. Its audit chain begins with the whole chain of
its origin, followed by the entry that says so.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast
from uuid import UUID

import msgspec
import psycopg

from nexus.core.ids import uuid7
from nexus.core.problem import Conflict, Invalid, Problem
from nexus.core.problem import FieldError as Fault
from nexus.core.service import Service
from nexus.runtime import relocations
from nexus.runtime.cells import Cells
from nexus.runtime.directory import Directory, TenantRecord, schema_of
from nexus.runtime.migrate import Migrator
from nexus.runtime.migrations import latest
from nexus.runtime.relocations import Relocations
from nexus.runtime.tenant_copy import archive, writing
from nexus.runtime.tenant_copy.archive import FORMAT, ArchiveDamaged, ArchiveReader, Manifest, Progress
from nexus.runtime.tenant_copy.masking import Mask
from nexus.runtime.tenant_copy.parts import Connection, parts_of
from nexus.runtime.tenant_copy.reading import Reader, handled_events, snapshot

_CONTROL: Final = (
    "SELECT row_to_json(x) FROM (SELECT t.*, (SELECT coalesce(json_agg(h), '[]') FROM (SELECT host, purpose, dns, tls FROM"
    " nexus_control.tenant_host WHERE tenant_id = t.id ORDER BY host) h) AS hosts, (SELECT coalesce(json_agg(f), '[]') FROM (SELECT kind, name,"
    " state, detail FROM nexus_control.tenant_feature WHERE tenant_id = t.id ORDER BY kind, name) f) AS features"
    " FROM nexus_control.tenant t WHERE t.id = %s) x"
)
_PLACE: Final = (
    "SELECT c.name FROM nexus_control.cell c LEFT JOIN nexus_control.tenant t ON t.cell = c.name AND t.state <> 'purged'"
    " WHERE c.name = ANY (%s) AND (%s::text IS NOT NULL OR c.open) GROUP BY c.name, c.capacity HAVING count(t.id) < c.capacity"
    " ORDER BY count(t.id)::float / c.capacity, c.name LIMIT 1"
)
_TENANT: Final = (
    "INSERT INTO nexus_control.tenant (id, slug, name, state, cell, country, currency, time_zone, language, preset, created_at)"
    " VALUES (%s, %s, %s, 'activating', %s, %s, %s, %s, %s, %s, coalesce(%s::timestamptz, clock_timestamp()))"
    " ON CONFLICT (id) DO UPDATE SET slug = excluded.slug, name = excluded.name, state = excluded.state, cell = excluded.cell,"
    " preset = excluded.preset, since = clock_timestamp() WHERE tenant.state = 'purged' RETURNING id"
)
_OPEN: Final = (
    "WITH opened AS (UPDATE nexus_control.tenant SET state = %s, reason = %s, hold_until = %s, since = clock_timestamp()"
    " WHERE id = %s RETURNING id, state)"
    " INSERT INTO nexus_control.tenant_change (tenant_id, command, was, became, reason)"
    " SELECT id, 'restore', '{\"state\":\"activating\"}', json_build_object('state', state), %s FROM opened"
)
_HOSTS: Final = (
    "INSERT INTO nexus_control.tenant_host (host, tenant_id, purpose, dns, tls) SELECT host, %s, purpose, dns, tls"
    " FROM json_to_recordset(%s) AS r (host text, purpose text, dns text, tls text) ON CONFLICT DO NOTHING"
)
_FEATURES: Final = (
    "INSERT INTO nexus_control.tenant_feature (tenant_id, kind, name, state, detail) SELECT %s, kind, name, state, detail"
    " FROM json_to_recordset(%s) AS r (kind text, name text, state text, detail text) ON CONFLICT DO NOTHING"
)
_OTHERS: Final = """
UPDATE {s}.auth_api_key SET revoked_at = now() WHERE revoked_at IS NULL;
UPDATE nexus_cell.timer SET id = gen_random_uuid() WHERE tenant = '{s}';
UPDATE nexus_cell.journal SET events = NULL WHERE tenant = '{s}';
"""
_NOT_FOR_OTHERS: Final = frozenset({"cell.event", "cell.dead_letter", "nexus_inbox", "nexus_idempotency"})


class TenantExists(Conflict):
    """{what} exists already: give the restored tenant another slug with --as."""

    what: str
    reason: str = ""


class NoRoomFor(Problem, status=503):
    """No cell can take another tenant: add one to the settings."""


@dataclass(frozen=True, slots=True)
class Restored:
    """A tenant that came out of an archive."""

    record: TenantRecord
    rows: int
    same: bool
    """It is the tenant that was backed up, and its keys work; otherwise it needs a new owner's key."""


class Backups:
    """Makes and reads archives. Works beside a running installation; nothing of the tenant is locked against reading or writing."""

    def __init__(self, cells: Cells, services: Mapping[str, Service], directory: Directory, migrator: Migrator) -> None:
        self._cells = cells
        self._services = services
        self._directory = directory
        self._migrator = migrator
        self._relocations = Relocations(cells)

    async def backup(self, record: TenantRecord, path: Path, *, masked: bool = False, tell: Progress = lambda name, size: None) -> Manifest:
        """Write an archive of a tenant as it is at one moment. Raises FileExistsError, Conflict (409) where it cannot be read whole."""
        record = await self._current(record)
        services = [service for name, service in self._services.items() if name in record.services]
        mask = Mask(services) if masked else None
        cell = self._cells[record.cell]
        control = await self._control(record.id)
        with archive.written(path, tell) as out:
            async with snapshot(cell, record.schema) as connection:
                for part in await parts_of(connection, record.schema, services):
                    source = part.source if mask is None else mask.source(part)
                    if source is not None:
                        await out.add(part.name, Reader(connection, record.schema, part, source))
                handled = 0 if masked else await handled_events(connection, record.schema)
            manifest = Manifest(
                format=FORMAT,
                tenant_id=record.id,
                slug=record.slug,
                exported_at=dt.datetime.now(dt.UTC),
                services=dict(record.versions),
                control=control,
                masked=masked,
                handled_events=handled,
                members=out.members,
            )
            out.finish(manifest)
        return manifest

    async def _current(self, record: TenantRecord) -> TenantRecord:
        """The tenant with its tables at the versions that this code knows by name."""
        unknown = sorted(record.services - set(self._services))
        if unknown:
            raise Conflict(reason=f"{record.slug} uses {', '.join(unknown)}, which is not installed here: its tables are not known.")
        for name in sorted(record.services):
            await self._migrator.ensure_service(record, name)
        self._directory.forget(record.id)
        found = await self._directory.get(record.id)
        if found is None or found.state in ("activating", "moving", "purging", "purged"):
            raise Conflict(reason=f"{record.slug} is {found.state if found else 'gone'}: there is nothing whole to copy at this moment.")
        return found

    async def _control(self, id: UUID) -> dict[str, Any]:
        async with await self._cells.control.owner() as connection:
            row = await (await connection.execute(_CONTROL, (id,))).fetchone()
        return cast(dict[str, Any], row[0] if row is not None else {})

    async def clone(
        self, record: TenantRecord, slug: str, *, masked: bool = False, cell: str | None = None, tell: Progress = lambda name, size: None
    ) -> Restored:
        """Another tenant with the same records; with `masked`, without anything personal in it."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "clone.zip"
            await self.backup(record, path, masked=masked, tell=tell)
            return await self.restore(path, slug=slug, cell=cell, tell=tell)

    async def restore(
        self, path: Path, *, slug: str | None = None, cell: str | None = None, tell: Progress = lambda name, size: None
    ) -> Restored:
        """A tenant from an archive: the very one, if it is gone, or with `slug` another one beside it.

        Raises ArchiveDamaged (422) before anything is made, TenantExists (409), NoRoomFor (503).
        """
        with archive.opened(path) as source:
            self._check(source.manifest, slug)
            await source.verify(tell)
            same = slug is None
            id = source.manifest.tenant_id if same else uuid7()
            async with self._relocations.held(id) as control:
                await self._reserve(control, source.manifest, id, slug or source.manifest.slug, cell)
                try:
                    return await self._restore(control, source, id, same)
                except BaseException:
                    found = await relocations.find(control, id)
                    if found is not None:
                        await asyncio.shield(relocations.undo_restore(self._cells, control, found))
                    self._directory.forget(id)
                    raise

    def _check(self, manifest: Manifest, slug: str | None) -> None:
        if manifest.masked and slug is None:
            raise ArchiveDamaged(reason="it is masked, so it can only become another tenant: name it with --as.")
        for name, version in manifest.services.items():
            known = self._services.get(name)
            if known is None:
                raise ArchiveDamaged(reason=f"it needs the service {name}, which is not installed here.")
            if version > latest(known):
                raise ArchiveDamaged(reason=f"it was made by a newer NEXUS ({name} at version {version}, here {latest(known)}).")
        missing = {"auth_user", "auth_api_key"} - {member.name for member in manifest.members}
        if missing:
            raise ArchiveDamaged(reason=f"it lacks {', '.join(sorted(missing))}.")

    async def _reserve(self, control: Connection, manifest: Manifest, id: UUID, slug: str, cell: str | None) -> None:
        """Take the slug and a place, and write down that the rest is on its way."""
        if cell is not None and cell not in self._cells:
            raise Invalid.of(Fault("cell", f"there is no {cell}; there are {', '.join(self._cells)}"))
        named = [cell] if cell else list(self._cells)
        row = await (await control.execute(_PLACE, (named, cell))).fetchone()
        if row is None:
            raise NoRoomFor()
        was, place = manifest.control, str(row[0])
        preset, created = msgspec.json.encode(was["preset"]).decode(), was["created_at"] if id == manifest.tenant_id else None
        values = (id, slug, was["name"], place, was["country"], was["currency"], was["time_zone"], was["language"], preset, created)
        try:
            async with control.transaction():
                purged = await (await control.execute("SELECT 1 FROM nexus_control.tenant WHERE id = %s", (id,))).fetchone()
                if await (await control.execute(_TENANT, values)).fetchone() is None:
                    raise TenantExists(what=f"The tenant {manifest.slug}")
                await control.execute(
                    "INSERT INTO nexus_control.relocation (tenant_id, kind, target, phase, was) VALUES (%s, 'restore', %s, 'filling', %s)",
                    (id, place, "purged" if purged else None),
                )
        except psycopg.errors.UniqueViolation:
            raise TenantExists(what=f"A tenant with the slug {slug}") from None

    async def _restore(self, control: Connection, source: ArchiveReader, id: UUID, same: bool) -> Restored:
        manifest, schema = source.manifest, schema_of(id)
        found = await relocations.find(control, id)
        assert found is not None
        cell = self._cells[found.target]
        async with await cell.owner() as connection, connection.transaction():
            rows = await self._fill(connection, source, schema, same)
            await _settle(connection, manifest, schema, same)
        self._directory.forget(id)
        record = await self._directory.get(id)
        assert record is not None
        for name in manifest.services:
            await self._migrator.ensure_service(record, name)
        async with control.transaction():
            # what the purge left in its row goes: it is in the state in which it was backed up, for the reason it had then
            was = [manifest.control[name] for name in ("state", "reason", "hold_until")] if same else ["active", None, None]
            await control.execute(_OPEN, (*was, id, f"from the archive of {manifest.slug} of {manifest.exported_at:%Y-%m-%d %H:%M} UTC"))
            if same:
                await control.execute(_HOSTS, (id, msgspec.json.encode(manifest.control["hosts"]).decode()))
                await control.execute(_FEATURES, (id, msgspec.json.encode(manifest.control["features"]).decode()))
            await relocations.forget(control, id)
        self._directory.forget(id)
        record = await self._directory.get(id)
        assert record is not None
        return Restored(record, rows, same)

    async def _fill(self, connection: Connection, source: ArchiveReader, schema: str, same: bool) -> int:
        manifest = source.manifest
        services = [service for name, service in self._services.items() if name in manifest.services]
        await writing.create(connection, schema, services, manifest.services)
        total = 0
        for name, member in source.members.items():
            if not same and name in _NOT_FOR_OTHERS:
                continue
            try:
                rows = await writing.fill(connection, schema, name, source.blocks(name))
            except (psycopg.DataError, psycopg.IntegrityError, psycopg.ProgrammingError, writing.NotAHeader) as error:
                raise ArchiveDamaged(reason=f"{name} does not fit its table: {str(error).strip().splitlines()[0]}") from error
            if rows != member.rows:
                raise ArchiveDamaged(reason=f"{name} has {rows} rows, the manifest says {member.rows}.")
            total += rows
        return total


async def _settle(connection: Connection, manifest: Manifest, schema: str, same: bool) -> None:
    """What a copy needs to be a tenant of its own, or the same one again."""
    origin = schema_of(manifest.tenant_id)
    if same:
        await writing.claim_events(connection, schema, manifest.handled_events)
    else:
        await connection.execute(_OTHERS.replace("{s}", schema).encode())
    said = {"exported_at": manifest.exported_at.isoformat(), "masked": manifest.masked}
    await writing.enter_restored(connection, schema, origin, said)


__all__ = ["Backups", "NoRoomFor", "Restored", "TenantExists"]
