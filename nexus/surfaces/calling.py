"""Who calls, what a process offers to its surfaces, and how a write is repeated safely."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol
from uuid import UUID

import msgspec

from nexus.core.ids import uuid7
from nexus.core.message import Command
from nexus.core.problem import KeyReused
from nexus.core.tx import Actor, Tenant
from nexus.engines.oltp import Oltp, PermissionDenied, Result, Statement, UniqueViolation
from nexus.surfaces.effects import Effects
from nexus.surfaces.journal import Cause
from nexus.surfaces.permissions import Rights
from nexus.surfaces.writes import NOBODY

STORED: Final = Statement("SELECT request_hash = $3, status, headers, body FROM {s}.nexus_idempotency WHERE key = $1 AND actor = $2")
KEEP: Final = Statement(
    "INSERT INTO {s}.nexus_idempotency (key, actor, request_hash, status, headers, body) VALUES ($1, $2, $3, $4, '{}', $5)"
)
KEY_CONSTRAINT: Final = "pk_nexus_idempotency"


class Gate(Protocol):
    """What stands before every request to a service: see runtime.admission."""

    async def admit(self, caller: Caller, service: str, writes: bool) -> Caller: ...

    async def refusal(self, caller: Caller, error: PermissionDenied) -> Exception: ...


class Host(Protocol):
    """What a running process offers: its databases, its commands, and the relay to wake once something has happened."""

    def oltp(self, cell: str) -> Oltp: ...

    def wake(self, cell: str) -> None: ...

    async def admit(self, caller: Caller, service: str, writes: bool) -> Caller: ...

    async def run(
        self,
        caller: Caller,
        command: Command[Any],
        *,
        key: Key | None = None,
        cause: Cause | None = None,
        dry_run: bool = False,
        effects: Effects | None = None,
        encode: Callable[[Any], Outcome] | None = None,
    ) -> tuple[Any, Outcome | None]: ...


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, for which tenant, with which rights. `rights` None is the system itself, which sees everything."""

    tenant: Tenant
    schema: str
    cell: str
    actor: Actor
    rights: Rights | None
    teams: tuple[UUID, ...] = ()
    territories: tuple[UUID, ...] = ()
    key_id: UUID | None = None
    key_name: str = ""
    said: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What audit says beside the person: the tool that was used, the agent that used it."""

    def values(self) -> dict[str, Any]:
        """What is bound for conditions on the caller and on the business's days."""
        me = self.actor.id
        return {"me_id": me, "me_teams": self.teams, "me_territories": self.territories, "me": me, "here_time_zone": self.tenant.time_zone}

    def cause(self, correlation: str | None = None, causation: str | None = None) -> Cause:
        """The circumstances of one command, now."""
        return Cause(self.tenant, self.actor, dt.datetime.now(dt.UTC), correlation or str(uuid7()), causation, self.key_id, self.said)


@dataclass(frozen=True, slots=True)
class Key:
    """An idempotency key with the digest of the request that it stands for."""

    value: str
    digest: bytes

    def arguments(self, actor: Actor) -> list[bytes | None]:
        return [self.value.encode(), str(actor.id or NOBODY).encode(), b"\\x" + self.digest.hex().encode()]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a write answered, ready to send; `replayed` when it was done before under the same key."""

    status: int
    headers: dict[str, str]
    body: bytes
    replayed: bool = False
    kept: bytes | None = None
    """What a repetition is answered instead of `body`: without what is shown only once."""

    @property
    def repeated(self) -> bytes:
        """The body that is stored with an idempotency key."""
        return self.body if self.kept is None else self.kept


async def replayed(host: Host, caller: Caller, key: Key) -> Outcome | None:
    """The stored outcome of a key, None where it was not used; KeyReused (409) where it stands for another request."""
    (result,) = await host.oltp(caller.cell).run(caller.schema, (STORED, key.arguments(caller.actor)))
    return outcome_of(result, key)


def outcome_of(result: Result, key: Key) -> Outcome | None:
    """What `STORED` found; KeyReused (409) where the key stands for another request."""
    if not result.rows:
        return None
    same, status, headers, body = result.rows[0]
    if same != b"t":
        raise KeyReused(key=key.value, reason="")
    return Outcome(int(status or 200), msgspec.json.decode(headers or b"{}"), body or b"", replayed=True)


def is_replay(error: Exception) -> bool:
    """Whether a write failed only because its key has been used."""
    return isinstance(error, UniqueViolation) and error.constraint == KEY_CONSTRAINT
