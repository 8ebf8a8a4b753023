"""Statements: a process says, for a moment and for one call, whom it has let in; the process that is called checks who says so, and whom.

A statement is signed with a key that the process makes when it starts and that never leaves it. The public half is put into the control plane under the owner's
role, which no request runs under. What is stated can only narrow: rights are those that the caller's key has now, less what it had not then.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from nexus.core.ids import uuid7
from nexus.core.problem import Unauthenticated
from nexus.core.tx import Actor
from nexus.engines.oltp import Statement
from nexus.runtime.cells import Cells
from nexus.runtime.directory import Directory
from nexus.runtime.principals import Principal, Principals
from nexus.surfaces.calling import Caller
from nexus.surfaces.limits import Limits
from nexus.surfaces.permissions import rights_of

LIFE: Final = 30.0
"""Seconds for which a statement is believed."""
SKEW: Final = 5.0
"""Seconds by which clocks may differ."""
KEY_LIFE: Final = 24 * 3600.0
"""Seconds for which a key is believed; a new one is made at half of that."""
_BELIEVED: Final = 60.0
"""Seconds for which a key that was read is kept."""
_KEPT: Final = 1_000
_SIGNATURE: Final = 64
_KEY: Final = Statement(
    "SELECT encode(public_key, 'hex'), extract(epoch FROM believed_until - now()) FROM nexus_control.process"
    " WHERE id = $1 AND believed_until > now()"
)
_PUBLISH: Final = (
    "INSERT INTO nexus_control.process (id, name, public_key, believed_until) VALUES (%s, %s, %s, now() + %s * interval '1 second')"
)
_FORGET: Final = "DELETE FROM nexus_control.process WHERE believed_until < now()"


class Claims(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is stated."""

    process: UUID
    to: str
    """The service that is called: no other one believes it."""
    digest: str
    """Of the call: it can be used for no other one."""
    until: float
    tenant: UUID
    system: bool = False
    """The system itself, at work for the tenant."""
    actor: UUID | None = None
    name: str = ""
    key: UUID | None = None
    roles: list[str] = []
    scopes: list[str] = []
    within: list[list[str]] = []
    most: dict[str, Decimal] | None = None
    said: dict[str, Any] = {}


_claims: Final = msgspec.json.Decoder(Claims)


@dataclass(frozen=True, slots=True)
class _Signing:
    id: UUID
    key: Ed25519PrivateKey
    since: float


class Signer:
    """States callers for one process."""

    def __init__(self, cells: Cells, name: str, clock: Any = time.time) -> None:
        self._cells = cells
        self._name = name
        self._clock = clock
        self._signing: _Signing | None = None
        self._making = asyncio.Lock()

    async def state(self, caller: Caller, service: str, call: bytes) -> bytes:
        """A statement of a caller for one call to a service."""
        signing = self._signing
        if signing is None or self._clock() - signing.since > KEY_LIFE / 2:
            signing = await self._made()
        claims = msgspec.json.encode(claims_of(caller, signing.id, service, call, self._clock() + LIFE))
        return claims + signing.key.sign(claims)

    async def _made(self) -> _Signing:
        async with self._making:
            if self._signing is None or self._clock() - self._signing.since > KEY_LIFE / 2:
                made = _Signing(uuid7(), Ed25519PrivateKey.generate(), self._clock())
                async with await self._cells.control.owner() as connection:
                    await connection.execute(_FORGET)
                    await connection.execute(_PUBLISH, (made.id, self._name, made.key.public_key().public_bytes_raw(), KEY_LIFE))
                self._signing = made
            return self._signing


def claims_of(caller: Caller, process: UUID, service: str, call: bytes, until: float) -> Claims:
    """What there is to say of a caller. ValueError for a person who came without a key: nobody could check."""
    said = dict(caller.said)
    if caller.rights is None:
        return Claims(process=process, to=service, digest=_digest(call), until=until, tenant=caller.tenant.id, system=True, said=said)
    if caller.key_id is None:
        raise ValueError("a caller without a key cannot be stated")
    limits = caller.rights.limits
    return Claims(
        process=process,
        to=service,
        digest=_digest(call),
        until=until,
        tenant=caller.tenant.id,
        actor=caller.actor.id,
        name=caller.actor.name,
        key=caller.key_id,
        roles=[role.name for role in caller.rights.roles],
        scopes=sorted(caller.rights.scopes),
        within=sorted(sorted(patterns) for patterns in limits.within),
        most=None if limits.most is None else dict(limits.most),
        said=said,
    )


def _digest(call: bytes) -> str:
    return hashlib.sha256(call).hexdigest()


class Verifier:
    """Believes statements, or refuses them."""

    def __init__(self, cells: Cells, directory: Directory, principals: Principals, clock: Any = time.time) -> None:
        self._cells = cells
        self._directory = directory
        self._principals = principals
        self._clock = clock
        self._keys: OrderedDict[UUID, tuple[float, Ed25519PublicKey]] = OrderedDict()

    async def caller(self, statement: bytes, service: str, call: bytes) -> Caller:
        """The caller as it stands now. Raises Unauthenticated (401) for a statement that is none, and what `Principals.of` raises."""
        claims = await self._believed(statement)
        if claims.to != service or claims.digest != _digest(call):
            raise Unauthenticated(reason="The statement of the caller is for another call.")
        if not -SKEW < claims.until - self._clock() < LIFE + SKEW:
            raise Unauthenticated(reason="The statement of the caller is over.")
        if claims.system:
            return await self._system(claims)
        if claims.key is None:
            raise Unauthenticated(reason="The statement of the caller names no key.")
        principal = await self._principals.vouched(claims.tenant, claims.key)
        if principal.actor.id != claims.actor:
            raise Unauthenticated(reason="The statement of the caller names somebody else's key.")
        return caller_from(claims, principal)

    async def _system(self, claims: Claims) -> Caller:
        record = await self._directory.get(claims.tenant)
        if record is None or record.state in ("purging", "purged"):
            raise Unauthenticated(reason="The statement of the caller names a tenant that is not there.")
        return Caller(record.tenant(), record.schema, record.cell, Actor(None, "system"), None, said=claims.said)

    async def _believed(self, statement: bytes) -> Claims:
        try:
            claims = _claims.decode(statement[:-_SIGNATURE])
            key = await self._key(claims.process)
            key.verify(statement[-_SIGNATURE:], statement[:-_SIGNATURE])
        except (msgspec.DecodeError, UnicodeDecodeError, InvalidSignature):
            raise Unauthenticated(reason="The statement of the caller is none of ours.") from None
        return claims

    async def _key(self, process: UUID) -> Ed25519PublicKey:
        known = self._keys.get(process)
        if known is not None and known[0] > time.monotonic():
            return known[1]
        (found,) = await self._cells.control.oltp.run(None, (_KEY, [str(process).encode()]))
        if not found.rows:
            raise Unauthenticated(reason="The statement of the caller is by a process that nobody knows.")
        raw, left = found.rows[0]
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex((raw or b"").decode()))
        self._keys[process] = (time.monotonic() + min(_BELIEVED, float(left or b"0")), key)
        while len(self._keys) > _KEPT:
            self._keys.popitem(last=False)
        return key


def caller_from(claims: Claims, principal: Principal) -> Caller:
    """The stated caller: its roles and scopes as far as they still hold, its session's limits, and who it is now."""
    stated, now = frozenset(claims.scopes), principal.scopes
    most = None if claims.most is None else frozenset(claims.most.items())
    limits = Limits(frozenset(frozenset(patterns) for patterns in claims.within), most)
    if stated != now:
        limits = limits & Limits(frozenset({now}))
    said: Mapping[str, Any] = claims.said
    return Caller(
        tenant=principal.tenant,
        schema=principal.schema,
        cell=principal.cell,
        actor=Actor(principal.actor.id, claims.name),
        rights=rights_of(principal.roles & frozenset(claims.roles), stated, limits),
        teams=principal.teams,
        territories=principal.territories,
        key_id=principal.key_id,
        key_name=principal.key_name,
        said=said,
    )
