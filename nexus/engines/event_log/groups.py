"""Consumer groups of the embedded log: a row with a position, held under a lease."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from nexus.engines.event_log import GroupLost
from nexus.engines.oltp import Oltp, Statement

__all__ = ["EmbeddedGroup", "Standing", "register", "standings"]

_REGISTER = Statement(
    """insert into nexus_cell.consumer (consumer_group, position)
    select $1, position from nexus_cell.log_head on conflict (consumer_group) do nothing"""
)

_CLAIM = Statement(
    """insert into nexus_cell.consumer as c (consumer_group, position, owner, lease_until)
    select $1, position, $2, now() + $3::float8 * interval '1 second' from nexus_cell.log_head
    on conflict (consumer_group) do update set owner = excluded.owner, lease_until = excluded.lease_until, epoch = c.epoch + 1
    where c.owner is null or c.owner = excluded.owner or c.lease_until < now()
    returning position, epoch"""
)

_SAVE = Statement(
    """update nexus_cell.consumer set position = greatest(position, $2::bigint), lease_until = now() + $4::float8 * interval '1 second', saved_at = now()
    where consumer_group = $1 and epoch = $3::bigint"""
)

_RELEASE = Statement("update nexus_cell.consumer set owner = null, lease_until = null where consumer_group = $1 and epoch = $2::bigint")

_SEEK = Statement("update nexus_cell.consumer set position = $2::bigint, epoch = epoch + 1, saved_at = now() where consumer_group = $1")

_LAG = Statement(
    """select h.position - coalesce((select c.position from nexus_cell.consumer c where c.consumer_group = $1), h.position)
    from nexus_cell.log_head h"""
)

_FORGET = Statement("delete from nexus_cell.consumer where consumer_group = $1")


_STANDINGS = Statement(
    """select c.consumer_group, c.position, h.position - c.position, case when c.lease_until > now() then c.owner end, c.saved_at
    from nexus_cell.consumer c, nexus_cell.log_head h order by c.consumer_group"""
)


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a group stands in the log."""

    group: str
    position: int
    lag: int
    """Events of the log (of any topic) that are not yet behind it."""
    owner: str | None
    """Who follows for it at this moment."""
    saved_at: dt.datetime


async def standings(oltp: Oltp) -> list[Standing]:
    """All groups of a log, by name."""
    found: list[Standing] = []
    for row in (await oltp.run(None, (_STANDINGS, ()), lane="slow"))[0].rows:
        name, position, lag, owner, saved = row
        at = dt.datetime.fromisoformat(cast(bytes, saved).decode())
        held = None if owner is None else owner.decode()
        found.append(Standing(cast(bytes, name).decode(), int(cast(bytes, position)), int(cast(bytes, lag)), held, at))
    return found


async def register(oltp: Oltp, names: Sequence[str]) -> None:
    """Make the groups that do not exist yet, at the end of the log."""
    if names:
        await oltp.run(None, *((_REGISTER, [name.encode()]) for name in sorted(names)))


class EmbeddedGroup:
    """The durable position of one consumer (see `event_log.Group` for what is promised)."""

    def __init__(self, oltp: Oltp, name: str) -> None:
        self.name = name
        self._oltp = oltp
        self._key = name.encode()
        self._epoch = b"-1"

    async def claim(self, owner: str, lease: float) -> int | None:
        """Take the group for `lease` seconds: the position handled so far, or None while somebody else has it."""
        rows = (await self._oltp.run(None, (_CLAIM, [self._key, owner.encode(), b"%f" % lease])))[0].rows
        if not rows:
            return None
        position, epoch = rows[0]
        self._epoch = epoch or b"-1"
        return int(position or b"0")

    async def save(self, position: int, lease: float) -> None:
        """Everything up to here is handled; renews the lease. Raises GroupLost."""
        done = await self._oltp.run(None, (_SAVE, [self._key, b"%d" % position, self._epoch, b"%f" % lease]))
        if done[0].affected != 1:
            raise GroupLost(self.name)

    async def release(self) -> None:
        """Let another process have it without waiting for the lease to end."""
        await self._oltp.run(None, (_RELEASE, [self._key, self._epoch]))

    async def seek(self, position: int) -> None:
        """Go on after this position; the owner, whoever it is, notices at its next save."""
        await self._oltp.run(None, (_SEEK, [self._key, b"%d" % position]))

    async def lag(self) -> int:
        """How many events of the log (of any topic) are not yet behind this group."""
        return int((await self._oltp.run(None, (_LAG, [self._key])))[0].rows[0][0] or b"0")

    async def forget(self) -> None:
        """Remove it, so that retention no longer waits for it."""
        await self._oltp.run(None, (_FORGET, [self._key]))
