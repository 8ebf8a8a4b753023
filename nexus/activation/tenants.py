"""The life of a tenant after its activation: suspend, resume, archive, purge, rename.

    activating → active ⇄ suspended
                 active, suspended → archived → active            (resume brings it back)
                                     archived → purging → purged   (once its hold is over)

A suspended tenant's keys are refused; its data stays as it is. An archived one is kept for its hold, then may be purged: schema, role, events,
audit and the request that made it go, and a row remains that says it was there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import msgspec

from nexus.activation.platform import Platform
from nexus.activation.slugs import slug_fault
from nexus.activation.tenant_limits import COLUMNS, Limits, set_limits, set_statement
from nexus.core.flow import IllegalMove
from nexus.core.problem import Conflict, FieldError, Invalid, NotFound
from nexus.engines.oltp import Statement, UniqueViolation
from nexus.runtime import schemas
from nexus.runtime.directory import TenantRecord, schema_of
from nexus.services.auth.api import CreateApiKey
from nexus.surfaces.sql import encode

HOLD_DAYS: Final = 30
"""How long an archived tenant is kept where nobody says otherwise."""


@dataclass(frozen=True, slots=True)
class Move:
    """One arrow of the machine."""

    starts: frozenset[str]
    ends: str


MOVES: Final = {
    "suspend": Move(frozenset({"active"}), "suspended"),
    "resume": Move(frozenset({"suspended", "archived"}), "active"),
    "archive": Move(frozenset({"active", "suspended"}), "archived"),
    "purge": Move(frozenset({"archived", "purging"}), "purging"),
}

STATES: Final = ("activating", "active", "suspended", "moving", "archived", "purging", "purged")

_COLUMNS: Final = (
    "t.id, t.slug, t.name, t.state, t.reason, t.since, t.hold_until, t.cell, t.country, t.currency, t.time_zone, t.language, t.preset,"
    " t.created_at, (SELECT coalesce(json_agg(h ORDER BY h.host), '[]') FROM (SELECT host, purpose, dns, tls FROM nexus_control.tenant_host"
    " WHERE tenant_id = t.id) h) AS hosts, (SELECT coalesce(json_agg(f ORDER BY f.kind, f.name), '[]') FROM (SELECT kind, name, state, detail"
    f" FROM nexus_control.tenant_feature WHERE tenant_id = t.id) f) AS features, {COLUMNS}"
)
_SHOW: Final = Statement(
    f"SELECT row_to_json(x) FROM (SELECT {_COLUMNS} FROM nexus_control.tenant t WHERE t.id = $1::uuid OR t.slug = $2"
    " ORDER BY t.state = 'purged', t.created_at DESC LIMIT 1) x"
)
_LIST: Final = Statement(
    "SELECT row_to_json(x) FROM (SELECT t.id, t.slug, t.name, t.state, t.reason, t.since, t.hold_until, t.cell, t.country, t.currency,"
    " t.created_at FROM nexus_control.tenant t WHERE t.slug > $1 AND ($2::text IS NULL OR t.state = $2) AND ($2::text IS NOT NULL OR"
    " t.state <> 'purged') ORDER BY t.slug LIMIT $3) x"
)
# What the operator does to a tenant stands in the platform's own audit chain too, which outlives the tenant.
_AUDITED: Final = (
    "audited AS (INSERT INTO nexus_cell.journal (audit) SELECT json_build_object('at', noted.at, 'actor', 'operator', 'command',"
    " 'platform.tenant:' || noted.command, 'entity', 'platform.tenant', 'entity_id', noted.tenant_id, 'before', noted.was, 'after',"
    " noted.became, 'reason', noted.reason)::text FROM noted)"
)
_MOVE: Final = Statement(
    "WITH was AS (SELECT id, state, reason FROM nexus_control.tenant WHERE id = $1 FOR UPDATE),"
    " moved AS (UPDATE nexus_control.tenant t SET state = $3, reason = $4, since = clock_timestamp(),"
    " hold_until = CASE WHEN $3 = 'archived' THEN clock_timestamp() + $5::float * interval '1 day' WHEN $3 = 'purging' THEN t.hold_until END"
    " FROM was WHERE t.id = was.id AND was.state = ANY ($6::text[]) AND (NOT $7 OR t.hold_until IS NULL OR t.hold_until <= clock_timestamp())"
    " RETURNING t.id, t.state),"
    " noted AS (INSERT INTO nexus_control.tenant_change (tenant_id, command, was, became, reason) SELECT was.id, $2,"
    " json_build_object('state', was.state, 'reason', was.reason), json_build_object('state', moved.state), $4 FROM was, moved"
    f" RETURNING *), {_AUDITED} SELECT was.state, moved.state FROM was LEFT JOIN moved ON true"
)
_PURGED: Final = Statement(
    "WITH gone AS (UPDATE nexus_control.tenant SET state = 'purged', since = clock_timestamp(), name = slug, preset = '{}'"
    " WHERE id = $1 AND state = 'purging' RETURNING id),"
    " hosts AS (DELETE FROM nexus_control.tenant_host WHERE tenant_id = $1),"
    " features AS (DELETE FROM nexus_control.tenant_feature WHERE tenant_id = $1),"
    " asked AS (UPDATE nexus_control.activation SET request = '{}', key = NULL WHERE tenant_id = $1 RETURNING id),"
    " steps AS (UPDATE nexus_control.activation_step SET output = NULL, error = NULL FROM asked WHERE activation_id = asked.id)"
    " SELECT count(*) FROM gone"
)
_PURGING: Final = Statement("SELECT id, cell FROM nexus_control.tenant WHERE state = 'purging'")
_RENAME: Final = Statement(
    "WITH was AS (SELECT id, slug, name FROM nexus_control.tenant WHERE id = $1 AND state NOT IN ('purging', 'purged', 'activating') FOR UPDATE),"
    " moved AS (UPDATE nexus_control.tenant t SET slug = coalesce($2, t.slug), name = coalesce($3, t.name) FROM was WHERE t.id = was.id"
    " RETURNING t.id, t.slug, t.name),"
    " noted AS (INSERT INTO nexus_control.tenant_change (tenant_id, command, was, became, reason) SELECT was.id, 'rename',"
    " json_build_object('slug', was.slug, 'name', was.name), json_build_object('slug', moved.slug, 'name', moved.name), $4 FROM was, moved"
    f" RETURNING *), {_AUDITED} SELECT count(*) FROM moved"
)
_LIMITS: Final = set_statement(_AUDITED)
_OWNER: Final = Statement(
    "SELECT id FROM {s}.auth_user WHERE roles @> '[\"auth.owner\"]' AND status = 'active' AND archived_at IS NULL ORDER BY id LIMIT 1"
)


class OnHold(Conflict):
    """{name} is kept until {until}: purge it after that, or say force."""

    name: str
    until: str
    reason: str = ""


class SlugTaken(Conflict):
    """The slug {slug} is taken; {suggestion} may be free."""

    slug: str
    suggestion: str
    reason: str = ""


class Tenants:
    """What the operator does with tenants. Every change is written down with its reason."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    async def show(self, name: str) -> dict[str, Any]:
        """A tenant by its id or slug, with its services and what may be done with it. NotFound (404)."""
        row = await self._find(name)
        cell = self._platform.cells.get(row["cell"])
        record = await self._platform.directory.get(UUID(row["id"])) if cell is not None else None
        row["services"] = dict(record.versions) if record is not None else {}
        row["can"] = moves(row["state"])
        return row

    async def _find(self, name: str) -> dict[str, Any]:
        try:
            id: UUID | None = UUID(name)
        except ValueError:
            id = None
        if "\0" in name:
            raise NotFound(kind="tenant", id=name)
        (result,) = await self._platform.control.run(None, (_SHOW, [encode(id), encode(name)]))
        if not result.rows:
            raise NotFound(kind="tenant", id=name)
        found: dict[str, Any] = msgspec.json.decode(result.rows[0][0] or b"")
        return found

    async def list(self, *, state: str | None = None, after: str = "", limit: int = 100) -> list[dict[str, Any]]:
        """Tenants in the order of their slugs, from the one after `after`; purged ones only where they are asked for."""
        (result,) = await self._platform.control.run(None, (_LIST, [encode(after), encode(state), encode(limit)]))
        rows: list[dict[str, Any]] = [msgspec.json.decode(row[0] or b"") for row in result.rows]
        return [row | {"can": moves(row["state"])} for row in rows]

    async def suspend(self, name: str, reason: str) -> dict[str, Any]:
        """Refuse all its keys until it is resumed."""
        return await self._move(name, "suspend", reason)

    async def resume(self, name: str, reason: str | None = None) -> dict[str, Any]:
        """Let it work again, suspended or archived."""
        return await self._move(name, "resume", reason)

    async def archive(self, name: str, reason: str, hold_days: float = HOLD_DAYS) -> dict[str, Any]:
        """Keep it, unused, for at least so many days."""
        return await self._move(name, "archive", reason, hold_days=hold_days)

    async def purge(self, name: str, reason: str, *, force: bool = False) -> dict[str, Any]:
        """Remove all of it for good. OnHold (409) before the end of its hold unless `force`, CellNotNamed (503)."""
        _ = self._platform.cells[(await self._find(name))["cell"]]  # before it is marked: elsewhere nothing could be removed
        row = await self._move(name, "purge", reason, held=not force)
        await self._finish_purge(UUID(row["id"]), row["cell"])
        return await self.show(row["id"])

    async def _finish_purge(self, id: UUID, cell: str) -> None:
        await schemas.drop(self._platform.cells[cell], schema_of(id))
        await self._platform.control.run(None, (_PURGED, [encode(id)]))
        self._forget(id)

    async def recover(self) -> int:
        """Finish purges that a crash interrupted; how many. One in a cell that the settings do not name waits for it."""
        (result,) = await self._platform.control.run(None, (_PURGING, []))
        rows = [((id or b"").decode(), (cell or b"").decode()) for id, cell in result.rows]
        here = [(UUID(id), cell) for id, cell in rows if cell in self._platform.cells]
        for id, cell in here:
            await self._finish_purge(id, cell)
        return len(here)

    async def _move(self, name: str, move: str, reason: str | None, *, hold_days: float = 0, held: bool = False) -> dict[str, Any]:
        row = await self._find(name)
        id, arrow = UUID(row["id"]), MOVES[move]
        given = (id, move, arrow.ends, reason, hold_days, tuple(sorted(arrow.starts)), held)
        (result,) = await self._platform.control.run(None, (_MOVE, [encode(one) for one in given]))
        was, became = result.rows[0] if result.rows else (None, None)
        if was is None:
            raise NotFound(kind="tenant", id=name)
        if became is None:
            now = was.decode()
            if now in arrow.starts:
                raise OnHold(name=row["name"], until=str(row["hold_until"]))
            raise IllegalMove(entity=row["name"], now=now, move=move)
        self._forget(id)
        return await self.show(str(id))

    async def rename(self, name: str, *, slug: str | None, title: str | None, reason: str | None = None) -> dict[str, Any]:
        """Give it another slug, another name, or both. SlugTaken (409), Invalid (422)."""
        if slug is None and title is None:
            raise Invalid.of(FieldError("slug", "give a slug, a name or both"))
        if slug is not None and (fault := slug_fault(slug)):
            raise Invalid.of(FieldError("slug", fault))
        row = await self._find(name)
        id = UUID(row["id"])
        try:
            (result,) = await self._platform.control.run(None, (_RENAME, [encode(one) for one in (id, slug, title, reason)]))
        except UniqueViolation:
            raise SlugTaken(slug=slug or "", suggestion=f"{slug}-2") from None
        if result.rows[0][0] == b"0":
            raise IllegalMove(entity=row["name"], now=row["state"], move="be renamed")
        self._forget(id)
        return await self.show(str(id))

    async def limits(self, name: str, limits: Limits) -> dict[str, Any]:
        """Give it limits of its own in place of the installation's; they are in force everywhere within seconds."""
        row = await self._find(name)
        if not await set_limits(self._platform, _LIMITS, UUID(row["id"]), limits):
            raise IllegalMove(entity=row["name"], now=row["state"], move="be given limits")
        self._forget(UUID(row["id"]))
        return await self.show(row["id"])

    async def owner_key(self, name: str, reason: str) -> dict[str, Any]:
        """A new key for the tenant's first active owner, shown once; the tenant's audit says that the platform made it."""
        row = await self._find(name)
        record = await self._platform.directory.get(UUID(row["id"]))
        if record is None or record.state not in ("active", "suspended"):
            raise IllegalMove(entity=row["name"], now=row["state"], move="get a key")
        owner = await self._first_owner(record)
        command = CreateApiKey(name=f"By the operator: {reason}"[:120], user_id=owner)
        answer, _ = await self._platform.host.run(self._platform.system(record), command)
        return {"api_key": answer.token, "key_id": str(answer.id), "owner_id": str(owner)}

    async def _first_owner(self, record: TenantRecord) -> UUID:
        (result,) = await self._platform.cells[record.cell].oltp.run(record.schema, (_OWNER, []))
        if not result.rows:
            raise NotFound(kind="active owner of", id=record.slug)
        return UUID((result.rows[0][0] or b"").decode())

    def _forget(self, id: UUID) -> None:
        self._platform.directory.forget(id)
        self._platform.principals.evict(id)


def moves(state: str) -> list[str]:
    """What may be done with a tenant in this state."""
    renamed = ["rename"] if state not in ("purging", "purged", "activating") else []
    return [name for name, move in MOVES.items() if state in move.starts] + renamed
