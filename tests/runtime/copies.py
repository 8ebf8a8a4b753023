"""What tests of copies share: an installation of two cells, a tenant with something in it, and everything that is kept of it."""

from __future__ import annotations

import contextlib
import zipfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from nexus.core.service import Service
from nexus.engines.oltp.embedded import EmbeddedPostgres
from nexus.runtime.audit_chain import check
from nexus.runtime.backup import Backups
from nexus.runtime.directory import TenantRecord, schema_of
from nexus.runtime.moving import Moves, Patience
from nexus.runtime.tenant_copy.parts import parts_of
from nexus.runtime.tenant_copy.reading import Reader, snapshot
from tests.activation.conftest import Installation, new_database, opened

Urls = tuple[str, str]
QUICK = Patience(settle=20.0, writers=5.0, grace=0.0)


@dataclass
class Business:
    """A tenant that has something to lose."""

    id: UUID
    slug: str
    token: str
    contacts: list[str]

    @property
    def schema(self) -> str:
        return schema_of(self.id)


async def two_cells(postgres: EmbeddedPostgres, name: str) -> list[Urls]:
    """Two databases on one server: roles are the server's, everything else is its own."""
    return [await new_database(postgres, f"{name}_{n}") for n in (1, 2)]


def backups(nexus: Installation) -> Backups:
    node = nexus.node
    return Backups(node.cells, node.services, node.directory, node.migrator)


def moves(nexus: Installation, patience: Patience = QUICK) -> Moves:
    node = nexus.node
    return Moves(node.cells, node.services, node.directory, node.migrator, patience=patience)


async def business(nexus: Installation, slug: str) -> Business:
    """Activate one and let it work: contacts with words from far away."""
    status, answer = await nexus.activate(slug)
    assert status == 201, answer
    made = Business(UUID(answer["tenant"]["id"]), slug, answer["credentials"]["api_key"], [])
    for name in ("Adé Ọlá", 'Quotes "and", commas', "Line\nbreak", "Plain", "=cmd|' /C calc'!A0"):
        body = {"name": name, "email": f"person{len(made.contacts)}@example.com", "description": "Called\ttwice", "tags": ["vip"]}
        made.contacts.append((await ask(nexus, made, "POST", "crm/contacts", body))["id"])
    return made


async def ask(nexus: Installation, one: Business, method: str, path: str, body: Any = None, token: str | None = None) -> Any:
    """A request that must be granted."""
    status, answer = await nexus.ask(method, f"/api/v1/{path}", body, token=token or one.token)
    assert status < 300, (status, answer)
    return answer


async def record_of(nexus: Installation, id: UUID) -> TenantRecord:
    nexus.node.directory.forget(id)
    found = await nexus.node.directory.get(id)
    assert found is not None
    return found


async def contents(nexus: Installation, id: UUID) -> dict[str, bytes]:
    """Every part of a tenant, as a copy reads it."""
    record = await record_of(nexus, id)
    services = [service for name, service in nexus.node.services.items() if name in record.services]
    found: dict[str, bytes] = {}
    async with snapshot(nexus.cells[record.cell], record.schema) as connection:
        for part in await parts_of(connection, record.schema, services):
            found[part.name] = b"".join([block async for block in Reader(connection, record.schema, part).blocks()])
    return found


async def relayed(nexus: Installation) -> None:
    """Everything that was told is in the log and in the chains."""
    for relay in nexus.node.relays.values():
        await relay.drain()


async def chain_holds(nexus: Installation, id: UUID) -> bool:
    record = await record_of(nexus, id)
    await relayed(nexus)
    return await check(nexus.cells[record.cell].oltp, record.schema) is None


async def left_behind(nexus: Installation, cell: str, schema: str) -> dict[str, int]:
    """What a cell still has of a tenant."""
    counts = {"schema": f"SELECT count(*) FROM pg_namespace WHERE nspname = '{schema}'"}
    for table in ("tenant_service", "journal", "event", "audit", "audit_head", "timer", "dead_letter"):
        counts[table] = f"SELECT count(*) FROM nexus_cell.{table} WHERE tenant = '{schema}'"
    found = {name: (await nexus.rows(query, cell=cell))[0][0] for name, query in counts.items()}
    return {name: count for name, count in found.items() if count}


def rewritten(path: Path, to: Path, change: dict[str, bytes | None]) -> Path:
    """The archive with other members: a damage that no checksum of the zip itself shows."""
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(to, "w") as new:
        for name in old.namelist():
            content = change.get(name, old.read(name))
            if content is not None:
                new.writestr(name, content)
    return to


@contextlib.asynccontextmanager
async def working(urls: list[Urls], services: dict[str, Service]) -> AsyncIterator[Installation]:
    """An installation whose relays and followers run."""
    async with opened(urls, services) as nexus:
        await nexus.node.start()
        yield nexus
