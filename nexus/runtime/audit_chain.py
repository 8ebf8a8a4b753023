"""Proves the audit chains: nothing was changed, removed, put in or cut off.

An entry is the UTF-8 text `{"tenant":…,"seq":…,"at":…,"act":{…}}` exactly as the column `entry` holds it, and an export must carry it
byte for byte. Its hash is sha256(previous hash as 32 bytes || entry); the previous hash of seq 1 is 32 zero bytes. So an export is
checked without a database: for each line of a tenant, in order of seq, hash the entry with the hash of the line before and compare; then
compare seq, tenant and at with the members of the entry, and the last hash with one kept elsewhere.

A restored or cloned tenant's chain begins with the entries of its origin, which name that origin as their tenant; its first own entry says
`"restored_from"` of it. A chain that goes from one tenant to another without saying so is broken.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, cast

import msgspec

from nexus.engines.oltp import Oltp, Result, Statement
from nexus.runtime.journal import GENESIS, link

__all__ = ["Finding", "Progress", "check", "verify"]

Fault: TypeAlias = Literal["changed", "missing", "unlinked", "truncated", "unheaded"]


@dataclass(frozen=True, slots=True)
class Finding:
    """The first broken link of a chain."""

    tenant: str
    seq: int
    """The entry at which it shows."""
    fault: Fault
    """changed: entry and hash disagree; missing: this seq is not there; unlinked: it does not follow the one before; truncated: the chain
    ends before its head; unheaded: there are entries after its head, or no head."""
    detail: str

    def __str__(self) -> str:
        return f"{self.tenant} seq {self.seq}: {self.fault}: {self.detail}"


Progress: TypeAlias = Callable[[str, int, int], None]
"""Called after each batch with the tenant, the last seq checked and the seq of its head."""


class _Act(msgspec.Struct):
    """Of a command, what the chain itself must know."""

    restored_from: Any = None


class _Platform(msgspec.Struct):
    """What the platform says of an entry."""

    tenant: str
    seq: int
    at: str
    act: _Act


@dataclass(slots=True)
class _Whose:
    """Whose entries a chain holds: a restored tenant's begins with those of its origin, and its first own entry names that origin."""

    now: str | None = None

    def follows(self, says: _Platform) -> bool:
        if self.now not in (None, says.tenant, says.act.restored_from):
            return False
        self.now = says.tenant
        return True


_platform = msgspec.json.Decoder(_Platform)

# The next tenant that has entries or a head, without looking at every entry.
_NEXT = Statement(
    """select least((select min(tenant) from nexus_cell.audit_head where tenant > $1),
                    (select tenant from nexus_cell.audit where tenant > $1 order by tenant, seq limit 1))"""
)

_HEAD = Statement("select seq, encode(hash, 'hex') from nexus_cell.audit_head where tenant = $1")

_HASH = Statement("select encode(hash, 'hex') from nexus_cell.audit where tenant = $1 and seq = $2::bigint")

_ENTRIES = Statement(
    """select seq, to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), entry, encode(prev_hash, 'hex'), encode(hash, 'hex')
    from nexus_cell.audit where tenant = $1 and seq > $2::bigint and seq <= $3::bigint order by seq limit $4::int"""
)

# One snapshot: the head as it is now, and whether anything stands after it.
_AFTER = Statement(
    """select (select a.seq from nexus_cell.audit a where a.tenant = $1 and a.seq > coalesce(h.seq, 0) order by a.seq limit 1)
    from (select 1) one left join nexus_cell.audit_head h on h.tenant = $1"""
)


async def verify(
    oltp: Oltp, tenant: str | None = None, *, progress: Progress | None = None, batch: int = 2_000, newest: int | None = None
) -> Finding | None:
    """Check one tenant's chain (by schema name; "nexus_app" is the control plane's), or all: the first broken link, or None.

    `newest` checks only so many entries before the head of each chain. Runs beside the living system: what is added meanwhile is not
    looked at. Memory is that of one batch.
    """
    if tenant is not None:
        return await check(oltp, tenant, progress=progress, batch=batch, newest=newest)
    async for one in chains(oltp):
        if found := await check(oltp, one, progress=progress, batch=batch, newest=newest):
            return found
    return None


async def check(
    oltp: Oltp, tenant: str, *, progress: Progress | None = None, batch: int = 2_000, newest: int | None = None
) -> Finding | None:
    """Check one chain from its first entry, or the `newest` ones, to its head."""
    key = tenant.encode()
    rows = (await oltp.run(None, (_HEAD, [key]), lane="slow"))[0].rows
    end, last = (int(cast(bytes, rows[0][0])), cast(bytes, rows[0][1])) if rows else (0, GENESIS)
    seq, prev, whose = 0, GENESIS, _Whose()
    if newest is not None and end > newest:
        seq = end - newest
        before = (await oltp.run(None, (_HASH, [key, b"%d" % seq]), lane="slow"))[0].rows
        if not before:
            return Finding(tenant, seq, "missing", f"there is no entry {seq}, and the head says {end}")
        prev = cast(bytes, before[0][0])
    while seq < end:
        found = (await oltp.run(None, (_ENTRIES, [key, b"%d" % seq, b"%d" % end, b"%d" % batch]), lane="slow"))[0]
        if not found.rows:
            return Finding(tenant, seq + 1, "truncated", f"the head says {end} entries, the last one there is {seq}")
        if broken := _broken(tenant, seq, prev, found, whose):
            return broken
        seq, prev = seq + len(found.rows), cast(bytes, found.rows[-1][4])
        if progress is not None:
            progress(tenant, seq, end)
    if end and whose.now != tenant:
        return Finding(tenant, end, "unlinked", f"its last entry is of {whose.now}, and no entry says that this tenant goes on from there")
    if prev != last:
        return Finding(tenant, end, "unlinked", f"its hash is {prev.decode()}, the head says {last.decode()}")
    after = (await oltp.run(None, (_AFTER, [key]), lane="slow"))[0].rows[0][0]
    if after is not None:
        return Finding(tenant, int(after), "unheaded", f"an entry after the head{'' if rows else ', which is gone'}")
    return None


async def chains(oltp: Oltp) -> AsyncIterator[str]:
    """Whose chains there are: schemas, and "nexus_app" for the control plane's."""
    last = b""
    while (found := (await oltp.run(None, (_NEXT, [last]), lane="slow"))[0].rows[0][0]) is not None:
        last = found
        yield found.decode()


def _broken(tenant: str, seq: int, prev: bytes, found: Result, whose: _Whose) -> Finding | None:
    """The first link of a batch that does not hold; `seq` and `prev` are those of the entry before it."""
    for row in found.rows:
        number, at, entry, prev_hash, hash_ = cast(tuple[bytes, ...], row)
        seq += 1
        if int(number) != seq:
            return Finding(tenant, seq, "missing", f"the next entry there is {int(number)}")
        if prev_hash != prev:
            return Finding(tenant, seq, "unlinked", f"it follows {prev_hash.decode()}, the entry before it is {prev.decode()}")
        if (computed := link(prev, entry)) != hash_:
            return Finding(tenant, seq, "changed", f"its entry hashes to {computed.decode()}, it was written as {hash_.decode()}")
        says = _platform.decode(entry)
        if (says.seq, says.at.encode()) != (seq, at) or not whose.follows(says):
            return Finding(
                tenant, seq, "changed", f"its columns say {seq} at {at.decode()}, its entry {says.tenant} {says.seq} at {says.at}"
            )
        prev = hash_
    return None
