"""The durable record of activations: every start, end and undoing of a step, written before anybody acts on it.

Only the process that holds the lease writes: each statement names the owner, and changes nothing where that is somebody else by now.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any, Final, Literal
from uuid import UUID

import msgspec

from nexus.engines.oltp import Arg, Oltp, Statement
from nexus.surfaces.sql import encode

State = Literal["running", "undoing", "active", "rolled_back", "stuck"]
StepState = Literal["waiting", "running", "done", "failed", "undoing", "undone", "undo failed"]


class StepRecord(msgspec.Struct, kw_only=True):
    """One step as it was recorded; `ms` and `undo_ms` are milliseconds."""

    n: int
    name: str
    state: StepState
    attempts: int = 0
    started_at: dt.datetime | None = None
    ms: float | None = None
    output: dict[str, Any] | None = None
    error: str | None = None
    undone_at: dt.datetime | None = None
    undo_ms: float | None = None


class ActivationRecord(msgspec.Struct, kw_only=True):
    """One activation as it was recorded."""

    id: UUID
    slug: str
    request: dict[str, Any]
    state: State
    tenant_id: UUID
    key_given: bool
    cancel: bool
    owner: str
    started_at: dt.datetime
    steps: list[StepRecord]
    key: str | None = None
    failed_step: str | None = None
    reason: str | None = None
    ended_at: dt.datetime | None = None

    @property
    def settled(self) -> bool:
        """Whether nothing goes on any more."""
        return self.state in ("active", "rolled_back", "stuck")


class LeaseLost(Exception):
    """Another process goes on with this activation: this one must stop."""


class CancelAsked(Exception):
    """Somebody asked to cancel."""


_SHOWN: Final = (
    "SELECT row_to_json(x) FROM (SELECT a.id, a.key, a.slug, a.request, a.state, a.tenant_id, a.failed_step, a.reason, a.cancel,"
    " a.key_given, a.owner, a.started_at, a.ended_at,"
    " (SELECT json_agg(s ORDER BY s.n) FROM nexus_control.activation_step s WHERE s.activation_id = a.id) AS steps"
    " FROM nexus_control.activation a WHERE {where}) x"
)
_BY_ID: Final = Statement(_SHOWN.replace("{where}", "a.id = $1"))
_BY_KEY: Final = Statement(_SHOWN.replace("{where}", "a.key = $1"))
_BY_SLUG: Final = Statement(_SHOWN.replace("{where}", "a.slug = $1 AND a.state IN ('running', 'undoing', 'stuck')"))
_SAME: Final = Statement("SELECT request_hash = $2 FROM nexus_control.activation WHERE key = $1")
_FORGET_KEY: Final = Statement(
    "UPDATE nexus_control.activation SET key = NULL WHERE key = $1 AND state IN ('active', 'rolled_back')"
    " AND started_at < clock_timestamp() - $2::interval RETURNING id"
)
_BEGIN: Final = Statement(
    "WITH made AS (INSERT INTO nexus_control.activation (id, key, request_hash, slug, request, state, tenant_id, owner, lease_until)"
    " SELECT $1, $2, $3, $4, $5, 'running', $6, $7, clock_timestamp() + $8::interval"
    " WHERE NOT EXISTS (SELECT FROM nexus_control.tenant t WHERE t.slug = $4 AND t.state <> 'purged') RETURNING id)"
    " INSERT INTO nexus_control.activation_step (activation_id, n, name, state, attempts, started_at, ms, output)"
    " SELECT made.id, s.n, s.name, s.state, s.attempts, CASE WHEN s.state <> 'waiting' THEN clock_timestamp() END, s.ms, s.output"
    " FROM made, json_to_recordset($9) AS s (n smallint, name text, state text, attempts int, ms double precision, output jsonb)"
)
_HELD: Final = (
    "WITH held AS (UPDATE nexus_control.activation SET lease_until = clock_timestamp() + $3::interval{more}"
    " WHERE id = $1 AND owner = $2 AND state = '{state}' RETURNING id, cancel)"
)
_STEP: Final = Statement(
    _HELD.replace("{more}", "").replace("{state}", "running")
    + ", ended AS (UPDATE nexus_control.activation_step s SET state = 'done', ms = $5, output = $6, error = NULL"
    " FROM held WHERE s.activation_id = held.id AND s.n = $4)"
    ", begun AS (UPDATE nexus_control.activation_step s SET state = 'running', attempts = attempts + 1, started_at = clock_timestamp()"
    " FROM held WHERE s.activation_id = held.id AND s.n = $7)"
    " SELECT cancel FROM held"
)
_FAIL: Final = Statement(
    _HELD.replace("{more}", ", state = 'undoing', failed_step = $5, reason = $6").replace("{state}", "running")
    + ", ended AS (UPDATE nexus_control.activation_step s SET state = 'failed', ms = $7, error = $6"
    " FROM held WHERE s.activation_id = held.id AND s.n = $4)"
    " SELECT false FROM held"
)
_UNDO: Final = Statement(
    _HELD.replace("{more}", "").replace("{state}", "undoing")
    + ", ended AS (UPDATE nexus_control.activation_step s SET state = $5, undo_ms = $6,"
    " undone_at = CASE WHEN $5 = 'undone' THEN clock_timestamp() END, error = coalesce($7, s.error)"
    " FROM held WHERE s.activation_id = held.id AND s.n = $4)"
    ", begun AS (UPDATE nexus_control.activation_step s SET state = 'undoing' FROM held WHERE s.activation_id = held.id AND s.n = $8)"
    " SELECT false FROM held"
)
_END: Final = Statement(
    "UPDATE nexus_control.activation SET state = $3, ended_at = clock_timestamp() WHERE id = $1 AND owner = $2 AND state = 'undoing'"
)
_ACTIVE: Final = Statement(
    "WITH held AS (UPDATE nexus_control.activation SET state = 'active', ended_at = clock_timestamp(), key_given = $3"
    " WHERE id = $1 AND owner = $2 AND state = 'running' AND NOT cancel RETURNING id, tenant_id)"
    ", ended AS (UPDATE nexus_control.activation_step s SET state = 'done', ms = $5 FROM held WHERE s.activation_id = held.id AND s.n = $4)"
    ", become AS (UPDATE nexus_control.tenant t SET state = 'active', since = clock_timestamp() FROM held WHERE t.id = held.tenant_id"
    " AND t.state = 'activating' RETURNING t.id)"
    ", noted AS (INSERT INTO nexus_control.tenant_change (tenant_id, command, was, became)"
    ' SELECT id, \'activate\', \'{"state":"activating"}\', \'{"state":"active"}\' FROM become)'
    " SELECT count(*) FROM become"
)
_BEAT: Final = Statement(
    "UPDATE nexus_control.activation SET lease_until = clock_timestamp() + $2::interval"
    " WHERE owner = $1 AND state IN ('running', 'undoing') AND id = ANY ($3::uuid[])"
)
_TAKE: Final = Statement(
    "UPDATE nexus_control.activation SET owner = $1, lease_until = clock_timestamp() + $2::interval WHERE id IN (SELECT id"
    " FROM nexus_control.activation WHERE state IN ('running', 'undoing') AND id <> ALL ($3::uuid[]) AND ($4 OR lease_until < clock_timestamp())"
    " FOR UPDATE SKIP LOCKED) RETURNING id"
)
_CANCEL: Final = Statement("UPDATE nexus_control.activation SET cancel = true WHERE id = $1 AND state = 'running' RETURNING id")
_AGAIN: Final = Statement(
    "WITH held AS (UPDATE nexus_control.activation a SET state = CASE a.state WHEN 'stuck' THEN 'undoing' ELSE 'running' END, owner = $2,"
    " lease_until = clock_timestamp() + $3::interval, cancel = false, ended_at = NULL, key_given = false,"
    " tenant_id = CASE a.state WHEN 'stuck' THEN a.tenant_id ELSE $4 END,"
    " failed_step = CASE a.state WHEN 'stuck' THEN a.failed_step END, reason = CASE a.state WHEN 'stuck' THEN a.reason END"
    " WHERE a.id = $1 AND (a.state = 'stuck' OR a.state = 'rolled_back'"
    " AND NOT EXISTS (SELECT FROM nexus_control.tenant t WHERE t.slug = a.slug AND t.state <> 'purged')) RETURNING a.id, a.state)"
    ", cleared AS (UPDATE nexus_control.activation_step s SET state = 'waiting', attempts = 0, ms = NULL, output = NULL, error = NULL,"
    " undone_at = NULL, undo_ms = NULL FROM held WHERE held.state = 'running' AND s.activation_id = held.id)"
    " SELECT state FROM held"
)
_GIVE: Final = Statement(
    "UPDATE nexus_control.activation SET key_given = true WHERE id = $1 AND state = 'active' AND NOT key_given RETURNING id"
)
_record: Final = msgspec.json.Decoder(ActivationRecord)


class Store:
    """Reads and writes the records, as one owner."""

    def __init__(self, oltp: Oltp, owner: str, lease: float) -> None:
        self._oltp = oltp
        self.owner: Final = owner
        self.lease: Final = lease
        """Seconds for which a process is believed to be alive."""
        self._mine: Final = [owner.encode(), _seconds(lease)]

    async def _one(self, statement: Statement, *args: Any) -> Any:
        (result,) = await self._oltp.run(None, (statement, [encode(one) for one in args]))
        return result.rows[0][0] if result.rows else None

    async def _record(self, statement: Statement, argument: object) -> ActivationRecord | None:
        row = await self._one(statement, argument)
        return None if row is None else _record.decode(row)

    async def get(self, id: UUID) -> ActivationRecord | None:
        return await self._record(_BY_ID, id)

    async def by_key(self, key: str) -> ActivationRecord | None:
        return await self._record(_BY_KEY, key)

    async def by_slug(self, slug: str) -> ActivationRecord | None:
        """The activation that holds this slug at the moment."""
        return await self._record(_BY_SLUG, slug)

    async def same_request(self, key: str, digest: bytes) -> bool | None:
        """Whether the key stands for this request; None where it stands for nothing."""
        row = await self._one(_SAME, key, _bytea(digest))
        return None if row is None else row == b"t"

    async def forget_key(self, key: str, hours: float) -> bool:
        """Give a key back that was used so many hours ago; whether it was."""
        return await self._one(_FORGET_KEY, key, _seconds(hours * 3600)) is not None

    async def begin(
        self, id: UUID, tenant_id: UUID, slug: str, request: dict[str, Any], steps: list[StepRecord], key: str | None, digest: bytes
    ) -> bool:
        """Write the activation with its steps; False where a tenant has the slug.

        Raises UniqueViolation: of uq_activation_key where the key is in use, of uq_activation_slug where the slug is being activated.
        """
        args: list[Arg] = [encode(one) for one in (id, key, _bytea(digest), slug, request, tenant_id)]
        (result,) = await self._oltp.run(None, (_BEGIN, [*args, *self._mine, encode(steps)]))
        return result.affected == len(steps)

    async def step(self, id: UUID, done: int | None, ms: float, output: dict[str, Any] | None, next: int | None) -> None:
        """Record the end of one step and the start of the next, in one transaction. Raises LeaseLost, CancelAsked."""
        row = await self._held(_STEP, id, done, ms, output, next)
        if row == b"t":
            raise CancelAsked()

    async def fail(self, id: UUID, n: int, name: str, reason: str, ms: float) -> None:
        """Record why a step failed; from here on everything is undone. Raises LeaseLost."""
        await self._held(_FAIL, id, n, name, reason, ms)

    async def undo(self, id: UUID, ended: int | None, state: StepState, ms: float | None, error: str | None, next: int | None) -> None:
        """Record the end of undoing one step and the start of undoing the next. Raises LeaseLost."""
        await self._held(_UNDO, id, ended, state, ms, error, next)

    async def _held(self, statement: Statement, id: UUID, *args: Any) -> bytes:
        (result,) = await self._oltp.run(None, (statement, [encode(id), *self._mine, *(encode(one) for one in args)]))
        if not result.rows:
            raise LeaseLost(str(id))
        return result.rows[0][0] or b""

    async def end(self, id: UUID, state: State) -> None:
        """Record that nothing is left to undo, or that undoing got stuck."""
        await self._one(_END, id, self.owner, state)

    async def activate(self, id: UUID, n: int, ms: float, *, key_given: bool) -> None:
        """Make the tenant active and the activation done, in one transaction. Raises LeaseLost where it was cancelled or taken over."""
        if await self._one(_ACTIVE, id, self.owner, key_given, n, ms) != b"1":
            raise LeaseLost(str(id))

    async def beat(self, running: Iterable[UUID]) -> None:
        """Stay the owner of what this process runs."""
        await self._oltp.run(None, (_BEAT, [*self._mine, encode(tuple(running))]))

    async def take(self, running: Iterable[UUID], *, everything: bool = False) -> list[UUID]:
        """Take over what nobody runs any more, beside what runs here; `everything` where no other process can be there."""
        (result,) = await self._oltp.run(None, (_TAKE, [*self._mine, encode(tuple(running)), encode(everything)]))
        return [UUID((row[0] or b"").decode()) for row in result.rows]

    async def cancel(self, id: UUID) -> bool:
        """Ask to cancel; False where it does not run any more."""
        return await self._one(_CANCEL, id) is not None

    async def again(self, id: UUID, tenant_id: UUID) -> str | None:
        """Open a rolled back or stuck activation again, as its owner; its new state, or None where that is not possible."""
        row = await self._one(_AGAIN, id, self.owner, self._mine[1], tenant_id)
        return None if row is None else bytes(row).decode()

    async def give(self, id: UUID) -> bool:
        """Claim the right to hand out the owner's credential, once."""
        return await self._one(_GIVE, id) is not None


def _seconds(value: float) -> bytes:
    return f"{value} seconds".encode()


def _bytea(value: bytes) -> bytes:
    return b"\\x" + value.hex().encode()
