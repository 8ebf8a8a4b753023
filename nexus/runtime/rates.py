"""How much each tenant and each key may ask: rates as leaky buckets in memory, and quotas of a day that outlive the process.

A request costs a look into a table and a few additions. Nothing is written for it: what has been used is added up here and told to the
control plane every few seconds, which answers what all processes together have used (see runtime.usage).
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Awaitable, Callable, Iterator
from contextvars import ContextVar
from typing import Final
from uuid import UUID

from nexus.config import Settings
from nexus.core.problem import TooManyRequests
from nexus.runtime.directory import Directory, TenantLimits
from nexus.surfaces.calling import Caller
from nexus.surfaces.rest.message import Header

BURST: Final = 10.0
"""Seconds' worth of a rate that may come at once: who was silent may ask for that much, then no faster than the rate."""
BELIEVED: Final = 3.0
"""Seconds for which a tenant's own limits are believed; the directory believes as long."""
KNOWN: Final = 10_000
"""Keys that are kept. One whose bucket is full again has nothing to remember."""
NO_KEY: Final = UUID(int=0)
_DAY: Final = 86_400


class Pool:
    """What one key, or one tenant, has used."""

    __slots__ = ("day", "depth", "fresh", "heard", "interval", "most", "name", "seconds", "share", "tat", "today", "total")

    def __init__(self, name: str = "") -> None:
        self.name = name
        """The tenant's slug."""
        self.interval = 0.0
        """Seconds that one request takes from the bucket; 0 without a limit."""
        self.depth = BURST
        """Seconds that the bucket holds: never less than one request takes."""
        self.tat = 0.0
        """When the bucket will be full again (the generic cell rate algorithm's theoretical arrival time)."""
        self.most = 0
        """Requests of a day; 0 without a limit."""
        self.day = dt.date.min
        """The day that `today` is of."""
        self.today = 0
        """Requests of this day, here and, as far as it has been heard, elsewhere."""
        self.fresh = 0
        """Those of them that the control plane has not been told."""
        self.heard: int | None = None
        """What it last answered; None before."""
        self.share = 1.0
        """The part of all requests that comes to this process."""
        self.total = 0
        """Requests since the process began."""
        self.seconds = 0.0
        """The time that answering them took."""

    def begin(self, day: dt.date) -> None:
        """Count a new day, once all of the last one has been told."""
        if self.day != day and not self.fresh:
            self.day, self.today, self.heard = day, 0, None


class Account:
    """A key with its tenant, and what its callers are told of their limits."""

    __slots__ = ("count", "key", "key_id", "policy", "quota", "said", "say_at", "tenant", "tenant_id", "until")

    def __init__(self, key_id: UUID, key: Pool, tenant_id: UUID, tenant: Pool) -> None:
        self.key_id = key_id
        self.key = key
        self.tenant_id = tenant_id
        self.tenant = tenant
        self.until = 0.0
        """When its limits must be looked up again."""
        self.count = 0
        """Requests that are not in the pools yet: a request adds one number, the rest is done when somebody looks."""
        self.quota = False
        """Whether a day has a limit."""
        self.policy = b""
        self.said: list[Header] = []
        self.say_at = 0
        """The count from which the headers must be made anew: as long as they would be less than a hundredth different they serve again."""

    def settle(self) -> None:
        """Add to the pools what has been counted."""
        n, self.count, self.say_at = self.count, 0, 0
        for _, pool in self.pools():
            pool.today += n
            pool.fresh += n
            pool.total += n

    def pools(self) -> tuple[tuple[str, Pool], tuple[str, Pool]]:
        return ("key", self.key), ("tenant", self.tenant)

    def headers(self) -> list[Header]:
        """`RateLimit-Policy`, and in `RateLimit` the limit that is nearest to its end (draft-ietf-httpapi-ratelimit-headers-10)."""
        if self.count >= self.say_at and self.policy:
            self._say(time.monotonic())
        return self.said

    def _say(self, now: float) -> None:
        name, left, seconds = min(self._standings(now), key=lambda one: one[1])
        whole = max(0, int(left))
        self.say_at = self.count + 1 + whole // 100
        told = b'"%b";r=%d;t=%d' % (name.encode(), whole, int(seconds) + 1)
        self.said = [(b"ratelimit-policy", self.policy), (b"ratelimit", told)]

    def _standings(self, now: float) -> Iterator[tuple[str, float, float]]:
        """Each limit, how many requests are left of it, and in how many seconds it is whole again."""
        for name, pool in self.pools():
            if pool.interval:
                over = max(0.0, pool.tat - now)
                yield name, (pool.depth - over) / pool.interval, over
            if pool.most:
                yield f"{name}-day", pool.most - pool.today - self.count, _left_of_day()


STANDING: Final[ContextVar[Account | None]] = ContextVar("nexus_standing", default=None)
"""Whose limits the request at hand counts against, once its caller is known."""

Ledger = Callable[[dt.date, Account], Awaitable[None]]
"""Looks up what a key and its tenant have used today, before they are first held to it."""


class Rates:
    """The limits of one process."""

    def __init__(self, settings: Settings, directory: Directory, recall: Ledger) -> None:
        self._settings = settings
        self._directory = directory
        self._recall = recall
        self._accounts: dict[UUID | None, Account] = {}
        self.tenants: dict[UUID, Pool] = {}
        self.refused: dict[str, int] = {}
        """Requests refused, by limit."""

    def take(self, caller: Caller) -> Awaitable[None] | None:
        """Let a request in, or raise TooManyRequests (429); what has to be waited for where the limits must be looked up first."""
        now = time.monotonic()
        account = self._accounts.get(caller.key_id)
        if account is None or account.until < now:
            return self._late(caller)
        self._charge(account, now)
        return None

    def _charge(self, account: Account, now: float) -> None:
        STANDING.set(account)
        key, tenant = account.key, account.tenant
        of_key = (key.tat if key.tat > now else now) + key.interval
        of_tenant = (tenant.tat if tenant.tat > now else now) + tenant.interval
        if of_key > now + key.depth or of_tenant > now + tenant.depth or (account.quota and _used_up(account)):
            account.say_at = 0
            raise self._refusal(account, of_key - now - key.depth, of_tenant - now - tenant.depth)
        key.tat, tenant.tat = of_key, of_tenant
        account.count += 1

    def _refusal(self, account: Account, key_over: float, tenant_over: float) -> TooManyRequests:
        """Why a request is not let in: the limit that will hold the longest."""
        found: list[tuple[float, str, str, str]] = []
        for (name, pool), over in zip(account.pools(), (key_over, tenant_over), strict=True):
            who = "This key" if name == "key" else "This business"
            if pool.most and pool.today >= pool.most:
                found.append((_left_of_day(), f"{name}-day", who, f"{pool.most:,} requests a day"))
            if over > 0:
                found.append((over, name, who, f"{1 / pool.interval:,.6g} requests a second"))
        seconds, limit, who, most = max(found)
        self.refused[limit] = self.refused.get(limit, 0) + 1
        return TooManyRequests(limit=limit, who=who, most=most, retry_after=int(seconds) + 1)

    async def _late(self, caller: Caller) -> None:
        """Look up the limits, then let the request in or not."""
        account = self._accounts.get(caller.key_id)
        if account is None:
            self._make_room()
            tenant = self.tenants.setdefault(caller.tenant.id, Pool(caller.tenant.slug))
            account = self._accounts[caller.key_id] = Account(caller.key_id or NO_KEY, Pool(), caller.tenant.id, tenant)
        record = await self._directory.get(caller.tenant.id)
        self._apply(account, record.limits if record is not None else None)
        await self._today(account)
        account.until = time.monotonic() + BELIEVED
        self._charge(account, time.monotonic())

    def _apply(self, account: Account, own: TenantLimits | None) -> None:
        """The tenant's own limits, and the installation's where it has none."""
        own, ours = own or TenantLimits(), self._settings
        for pool, rate, most in (
            (account.key, _first(own.key_per_second, ours.key_rate), _first(own.key_per_day, ours.key_day)),
            (account.tenant, _first(own.per_second, ours.tenant_rate), _first(own.per_day, ours.tenant_day)),
        ):
            pool.interval = 1 / (rate * pool.share) if rate else 0.0
            pool.depth = max(BURST, pool.interval)
            pool.most = int(most)
        parts: list[bytes] = []
        for name, pool in account.pools():
            if pool.interval:
                parts.append(b'"%b";q=%d;w=%d' % (name.encode(), int(pool.depth / pool.interval + 1e-9), int(pool.depth)))
            if pool.most:
                parts.append(b'"%b-day";q=%d;w=%d' % (name.encode(), pool.most, _DAY))
        account.policy = b", ".join(parts)
        account.quota = bool(account.key.most or account.tenant.most)
        account.said, account.say_at = [], account.count

    async def _today(self, account: Account) -> None:
        """Begin a new day where one has begun, and recall what was used of it where that matters."""
        day = dt.datetime.now(dt.UTC).date()
        account.settle()
        for _, pool in account.pools():
            pool.begin(day)
        if any(pool.most and pool.heard is None for _, pool in account.pools()):
            await self._recall(day, account)

    def accounts(self) -> list[Account]:
        """Everybody who has asked of late, with all that they have asked in their pools."""
        found = list(self._accounts.values())
        for account in found:
            account.settle()
        return found

    def _make_room(self) -> None:
        """Forget who has nothing to remember, once there are many."""
        if len(self._accounts) < KNOWN:
            return
        now = time.monotonic()
        self.accounts()
        full = [id for id, one in self._accounts.items() if one.key.tat <= now and not one.key.fresh]
        for id in full or list(self._accounts)[: KNOWN // 2]:
            del self._accounts[id]
        kept = {one.tenant_id for one in self._accounts.values()}
        for tenant in [id for id, pool in self.tenants.items() if id not in kept and pool.tat <= now and not pool.fresh]:
            del self.tenants[tenant]


def _used_up(account: Account) -> bool:
    account.settle()
    return any(pool.most and pool.today >= pool.most for _, pool in account.pools())


def _first(own: float | None, ours: float) -> float:
    return ours if own is None else own


def _left_of_day() -> float:
    """Seconds until the next day begins, in UTC."""
    return _DAY - time.time() % _DAY
