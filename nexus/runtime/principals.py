"""Principals: from a token to who asks, for which tenant and with which roles."""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

import msgspec

from nexus.core.message import Event
from nexus.core.problem import Problem, Unauthenticated
from nexus.core.tokens import Token, is_operator_key, operator_hash, read_token
from nexus.core.tx import Actor, Tenant
from nexus.engines.oltp import Oltp, PermissionDenied, Result, Statement
from nexus.runtime.cells import Cells
from nexus.runtime.directory import Directory, TenantRecord
from nexus.surfaces.calling import Caller
from nexus.surfaces.permissions import rights_of
from nexus.surfaces.shapes import by_name

TTL: Final = 5.0
"""Seconds for which a credential is believed; a revocation in this process takes effect at once, in another after these."""
LIMIT: Final = 10_000

_ANSWER: Final = (
    " SELECT row_to_json(x) FROM (SELECT k.name, k.scopes, u.id AS user_id, u.name AS user_name, u.roles, u.team_ids, u.territory_ids,"
    " u.status = 'active' AND u.archived_at IS NULL AS acts,"
    " k.revoked_at IS NULL AND k.archived_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now()) AS in_force,"
    " extract(epoch FROM k.expires_at - now()) AS expires_in"
    " FROM {s}.auth_api_key k JOIN {s}.auth_user u ON u.id = k.user_id WHERE k.id = $1 AND k.secret_hash = $2) x"
)
_READ: Final = Statement(_ANSWER.strip())
_VOUCHED: Final = Statement(_ANSWER.strip().replace(" AND k.secret_hash = $2", ""))
_READ_AND_TOUCH: Final = Statement(
    "WITH touched AS (UPDATE {s}.auth_api_key SET last_used_at = now() WHERE id = $1 AND secret_hash = $2 AND revoked_at IS NULL"
    " AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute'))" + _ANSWER
)
_TERRITORIES: Final = Statement(
    "WITH RECURSIVE below AS (SELECT id FROM {s}.crm_territory WHERE id = ANY($1::uuid[])"
    " UNION SELECT t.id FROM {s}.crm_territory t JOIN below ON t.parent_id = below.id) SELECT id FROM below ORDER BY id"
)
_OPERATORS: Final = Statement("SELECT encode(key_hash, 'hex') FROM nexus_control.operator")


class TenantSuspended(Problem, status=403):
    """{name} is suspended: {reason}"""

    name: str
    reason: str


class TenantArchived(Problem, status=403):
    """{name} is archived: its data is kept but nobody works with it."""

    name: str


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks. `scopes` narrow what the roles allow; `territories` are the user's with all below them."""

    tenant: Tenant
    schema: str
    cell: str
    actor: Actor
    roles: frozenset[str]
    scopes: frozenset[str]
    teams: tuple[UUID, ...]
    territories: tuple[UUID, ...]
    key_id: UUID
    key_name: str = ""
    read_only: bool = False
    """The tenant is being moved: reads are served, writes must wait."""
    caller: Caller = field(init=False, repr=False, compare=False)
    """The same as the surfaces know it: made once, not for every request."""

    def __post_init__(self) -> None:
        rights = rights_of(self.roles, self.scopes)
        caller = Caller(self.tenant, self.schema, self.cell, self.actor, rights, self.teams, self.territories, self.key_id, self.key_name)
        object.__setattr__(self, "caller", caller)


class _Found(msgspec.Struct):
    name: str
    scopes: list[str]
    user_id: UUID
    user_name: str
    roles: list[str]
    team_ids: list[UUID]
    territory_ids: list[UUID]
    acts: bool
    in_force: bool
    expires_in: float | None


_found: Final = msgspec.json.Decoder(_Found)
_NOT_IN_FORCE: Final = "This credential is not in force."


class Principals:
    """Checks credentials. A miss of the cache costs one round trip, two where the user has territories."""

    def __init__(self, cells: Cells, directory: Directory, *, ttl: float = TTL, limit: int = LIMIT) -> None:
        self._cells = cells
        self._directory = directory
        self._ttl = ttl
        self._limit = limit
        self._known: OrderedDict[bytes, tuple[float, Principal]] = OrderedDict()
        self._evictions = 0
        self._operators: frozenset[str] = frozenset()
        self._operators_until = 0.0

    async def of(self, token: str) -> Principal:
        """The principal of an API key.

        Raises Unauthenticated (401) where it is none or no longer in force, TenantSuspended or TenantArchived (403) where its business is.
        """
        digest = hashlib.sha256(token.encode()).digest()
        known = self._known.get(digest)
        if known is not None and known[0] > time.monotonic():
            self._known.move_to_end(digest)
            return known[1]
        taken = read_token(token)
        if taken is None:
            raise Unauthenticated(reason="An API key looks like nx_…: send it as `Authorization: Bearer nx_…`.")
        return await self._kept(digest, taken.tenant, taken)

    async def vouched(self, tenant: UUID, key: UUID) -> Principal:
        """The principal of a key that another process of ours has checked, as it stands now. Raises what `of` raises."""
        name = b"vouched" + tenant.bytes + key.bytes
        known = self._known.get(name)
        if known is not None and known[0] > time.monotonic():
            self._known.move_to_end(name)
            return known[1]
        return await self._kept(name, tenant, key)

    async def _kept(self, digest: bytes, tenant: UUID, taken: Token | UUID) -> Principal:
        before = self._evictions
        principal, seconds = await self._check(tenant, taken)
        if before == self._evictions:
            self._known[digest] = (time.monotonic() + min(self._ttl, seconds), principal)
            while len(self._known) > self._limit:
                self._known.popitem(last=False)
        return principal

    def evict(self, tenant: UUID, *, key: UUID | None = None, user: UUID | None = None) -> None:
        """Forget what is known of a tenant's credentials, of one key or of one user: call it once the change has been committed."""
        self._evictions += 1
        gone = [
            digest
            for digest, (_, one) in self._known.items()
            if one.tenant.id == tenant and key in (None, one.key_id) and user in (None, one.actor.id)
        ]
        for digest in gone:
            del self._known[digest]

    def told(self, tenant: UUID, events: Iterable[Event]) -> None:
        """What a committed command told: whatever changes access takes effect here at once."""
        if any(event.topic.startswith("auth.") for event in events):
            self.evict(tenant)

    async def operator(self, token: str) -> None:
        """Raises Unauthenticated (401) unless this is the operator's key."""
        digest = operator_hash(token).hex() if is_operator_key(token) else ""
        if digest in self._operators and self._operators_until > time.monotonic():
            return
        if digest:
            (result,) = await self._cells.control.oltp.run(None, (_OPERATORS, []))
            self._operators = frozenset((row[0] or b"").decode() for row in result.rows)
            self._operators_until = time.monotonic() + self._ttl
        if digest not in self._operators:
            raise Unauthenticated(reason="This takes the operator's key (nxo_…), which is kept in operator.key of the data folder.")

    async def _check(self, tenant: UUID, token: Token | UUID) -> tuple[Principal, float]:
        record = await self._directory.get(tenant)
        if record is None or record.state in ("purging", "purged") or "auth" not in record.services:
            raise Unauthenticated(reason=_NOT_IN_FORCE)
        oltp = self._cells[record.cell].oltp
        moving = record.state == "moving"
        result = await _asked(oltp, record, token)
        found = _found.decode(result.rows[0][0] or b"") if result.rows else None
        if found is None or not (found.acts and found.in_force):
            raise Unauthenticated(reason=_NOT_IN_FORCE)
        if record.stands == "suspended":
            raise TenantSuspended(name=record.name, reason=record.reason or "")
        if record.stands == "archived":
            raise TenantArchived(name=record.name)
        territories = await _territories(oltp, record, found.territory_ids)
        principal = Principal(
            tenant=record.tenant(),
            schema=record.schema,
            cell=record.cell,
            actor=Actor(found.user_id, f"user:{found.user_name}"),
            roles=frozenset(found.roles),
            scopes=frozenset(found.scopes),
            teams=tuple(found.team_ids),
            territories=territories,
            key_id=token if isinstance(token, UUID) else token.key,
            key_name=found.name,
            read_only=moving,
        )
        return principal, self._ttl if found.expires_in is None else found.expires_in


async def _asked(oltp: Oltp, record: TenantRecord, token: Token | UUID) -> Result:
    if isinstance(token, UUID):
        (result,) = await oltp.run(record.schema, (_VOUCHED, [str(token).encode()]))
        return result
    arguments = [str(token.key).encode(), token.hash.encode()]
    try:
        (result,) = await oltp.run(record.schema, (_READ if record.state == "moving" else _READ_AND_TOUCH, arguments))
    except PermissionDenied:  # closed for writing, because it moves, which this process has not seen yet
        (result,) = await oltp.run(record.schema, (_READ, arguments))
    return result


async def _territories(oltp: Oltp, record: TenantRecord, own: list[UUID]) -> tuple[UUID, ...]:
    """The territories with all below them, where the tenant has a tree of them."""
    if not own or "crm" not in record.services or by_name("crm.territory") is None:
        return tuple(own)
    argument = "{" + ",".join(str(id) for id in own) + "}"
    (result,) = await oltp.run(record.schema, (_TERRITORIES, [argument.encode()]))
    return tuple(UUID((row[0] or b"").decode()) for row in result.rows)
