"""What has been used of each day, durable in the control plane: added up in memory, told every few seconds, never once per request."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
from typing import Any, Final
from uuid import UUID

import msgspec

from nexus.config import Settings
from nexus.engines.oltp import DatabaseError, Oltp, Statement, Timeout, Unavailable
from nexus.runtime.directory import Directory
from nexus.runtime.rates import NO_KEY, Account, Pool, Rates

TELL: Final = 5.0
"""Seconds between tellings: what a process that is killed has not told yet is not counted."""
LEAST_SHARE: Final = 0.125
"""What a process may let in at least, whatever comes to the others: all of them together may let in that much more than the limit."""
DAYS: Final = 400
"""Days for which the numbers are kept."""

_TELL: Final = Statement(
    "INSERT INTO nexus_control.usage AS u (day, tenant_id, key_id, requests)"
    " SELECT day, tenant, key, n FROM json_to_recordset($1) AS r (day date, tenant uuid, key uuid, n bigint) ORDER BY day, tenant, key"
    " ON CONFLICT ON CONSTRAINT pk_usage DO UPDATE SET requests = u.requests + excluded.requests"
    " RETURNING day::text, tenant_id::text, key_id::text, requests"
)
_RECALL: Final = Statement(
    "SELECT coalesce(sum(requests) FILTER (WHERE key_id = $3::uuid), 0), coalesce(sum(requests) FILTER (WHERE key_id = $4::uuid), 0)"
    " FROM nexus_control.usage WHERE day = $1::date AND tenant_id = $2::uuid AND key_id IN ($3::uuid, $4::uuid)"
)
_FORGET: Final = Statement(f"DELETE FROM nexus_control.usage WHERE day < current_date - {DAYS}")
_log: Final = logging.getLogger("nexus.usage")


class Usage:
    """Keeps the days of one process's rates."""

    def __init__(self, settings: Settings, directory: Directory, control: Oltp) -> None:
        self._control = control
        self.rates = Rates(settings, directory, self._recall)

    async def _recall(self, day: dt.date, account: Account) -> None:
        asked = [str(one).encode() for one in (day, account.tenant_id, account.key_id, NO_KEY)]
        (result,) = await self._control.run(None, (_RECALL, asked))
        for pool, used in zip((account.key, account.tenant), result.rows[0], strict=True):
            if pool.heard is None:  # else somebody who asked meanwhile has been faster
                pool.heard = int(used or 0)
                pool.today = pool.heard + pool.fresh

    async def keep(self) -> None:
        """Tell, for ever; the last time when it is cancelled."""
        try:
            await self._run(_FORGET, [])
            while True:
                await asyncio.sleep(TELL)
                await self.tell()
        finally:
            await self.tell()

    async def tell(self) -> None:
        """Tell what is new, and hear what all processes together have used. Where that cannot be done now it is done next time."""
        told = {(pool.day, tenant, key): (pool, pool.fresh) for tenant, key, pool in self._pools() if pool.fresh}
        if not told:
            return
        rows = [{"day": day, "tenant": tenant, "key": key, "n": n} for (day, tenant, key), (_, n) in told.items()]
        for day, tenant, key, total in await self._run(_TELL, [msgspec.json.encode(rows)]):
            pool, n = told[dt.date.fromisoformat(day.decode()), UUID(tenant.decode()), UUID(key.decode())]
            _heard(pool, n, int(total))

    def _pools(self) -> list[tuple[UUID, UUID, Pool]]:
        keys = [(one.tenant_id, one.key_id, one.key) for one in self.rates.accounts()]
        return keys + [(id, NO_KEY, pool) for id, pool in self.rates.tenants.items()]

    async def _run(self, statement: Statement, arguments: list[bytes | None]) -> list[Any]:
        try:
            (result,) = await self._control.run(None, (statement, arguments), lane="write")
        except (Unavailable, Timeout, DatabaseError) as error:
            _log.warning("what was used could not be told yet: %s", error)
            return []
        return result.rows


def _heard(pool: Pool, n: int, total: int) -> None:
    """The control plane has taken `n` of ours and knows of `total` now: what is more than before came to other processes."""
    if pool.heard is not None:
        others = max(0, total - pool.heard - n)
        pool.share = max(LEAST_SHARE, n / (n + others))
    pool.fresh -= n
    pool.heard, pool.today = total, total + pool.fresh
