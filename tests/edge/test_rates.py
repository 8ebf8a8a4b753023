"""Rates: nobody gets more than the bucket holds and the rate refills, and nobody gets less."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Awaitable
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.config import Settings
from nexus.core.problem import TooManyRequests
from nexus.core.tx import Actor, Tenant
from nexus.runtime import rates as module
from nexus.runtime.directory import TenantLimits
from nexus.runtime.rates import BURST, STANDING, Account, Pool, Rates
from nexus.surfaces.calling import Caller


@dataclasses.dataclass
class _Record:
    limits: TenantLimits | None = None


@dataclasses.dataclass
class Directory:
    """Answers what a test says of a tenant."""

    limits: TenantLimits | None = None

    async def get(self, id: UUID) -> Any:
        return _Record(self.limits)


class Clock:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return 86_400 * 20_000 + 86_400 - 90.5  # a minute and a half before midnight


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(module, "time", made)
    return made


async def _nothing_used(day: dt.date, account: Account) -> None:
    for _, pool in account.pools():
        pool.heard = pool.heard or 0


def rates(own: TenantLimits | None = None, **settings: Any) -> Rates:
    return Rates(Settings(**settings), Directory(own), _nothing_used)  # type: ignore[arg-type]


def caller(tenant: UUID | None = None) -> Caller:
    one = Tenant(tenant or uuid4(), "ade", "Ade", "NG", "NGN", "Africa/Lagos", "en")
    return Caller(one, f"t_{one.id.hex}", "main", Actor(uuid4(), "user:ade"), None, key_id=uuid4())


async def ask(of: Rates, who: Caller) -> bool:
    """Whether a request is let in."""
    try:
        late: Awaitable[None] | None = of.take(who)
        if late is not None:
            await late
    except TooManyRequests:
        return False
    return True


@given(st.integers(1, 500), st.lists(st.floats(0, 3, allow_nan=False), min_size=1, max_size=300))
def test_a_bucket_lets_in_what_it_holds_and_what_has_come_since(rate: int, gaps: list[float]) -> None:
    account = Account(uuid4(), Pool(), uuid4(), Pool())
    account.key.interval = 1 / rate
    limiter, now, let_in = rates(), 0.0, 0
    level = 0.0  # a bucket that leaks: the plain picture of the same
    for gap in gaps:
        now += gap
        level = max(0.0, level - gap * rate)
        try:
            limiter._charge(account, now)
        except TooManyRequests as refused:
            assert level + 1 > BURST * rate - 1e-6
            assert refused.facts["retry_after"] >= 1
        else:
            let_in += 1
            level += 1
            assert level <= BURST * rate + 1e-6
    assert let_in <= BURST * rate + now * rate + 1e-6


async def test_what_was_refused_is_let_in_once_it_may_be(clock: Clock) -> None:
    of, who = rates(key_rate=2, tenant_rate=0), caller()
    assert [await ask(of, who) for _ in range(21)] == [True] * 20 + [False]
    late = of.take(who) if await ask(of, who) else None
    assert late is None
    clock.now += 0.5
    assert [await ask(of, who), await ask(of, who)] == [True, False]
    assert of.refused == {"key": 3}


async def test_a_refusal_says_which_limit_and_for_how_long(clock: Clock) -> None:
    of, who = rates(key_rate=0.05, tenant_rate=0), caller()
    assert await ask(of, who), "a rate lower than one in ten seconds lets one in all the same"

    with pytest.raises(TooManyRequests) as refused:
        of.take(who)

    assert (refused.value.facts["limit"], refused.value.facts["retry_after"]) == ("key", 21)
    assert refused.value.detail == "This key may send 0.05 requests a second; try again in 21 s."


async def test_a_tenants_keys_share_its_rate_and_each_has_its_own(clock: Clock) -> None:
    of, first = rates(key_rate=1, tenant_rate=1.5), caller()
    second, neighbour = caller(first.tenant.id), caller()

    assert [await ask(of, first) for _ in range(11)] == [True] * 10 + [False]
    assert [await ask(of, second) for _ in range(6)] == [True] * 5 + [False]
    assert of.refused == {"key": 1, "tenant": 1}
    assert await ask(of, neighbour), "another tenant has nothing to do with it"


async def test_a_tenants_own_limits_take_the_place_of_the_settings(clock: Clock) -> None:
    of, who = rates(TenantLimits(per_second=1, key_per_second=0), key_rate=0.1, tenant_rate=5), caller()

    assert [await ask(of, who) for _ in range(11)] == [True] * 10 + [False]


async def test_limits_that_change_are_in_force_within_seconds(clock: Clock) -> None:
    directory = Directory()
    of, who = Rates(Settings(key_rate=1, tenant_rate=0), directory, _nothing_used), caller()  # type: ignore[arg-type]
    assert [await ask(of, who) for _ in range(11)] == [True] * 10 + [False]

    directory.limits = TenantLimits(key_per_second=3)
    clock.now += module.BELIEVED + 0.1

    assert [await ask(of, who) for _ in range(10)] == [True] * 9 + [False], "three a second since then"


@pytest.mark.parametrize(("limit", "settings"), [("key-day", {"key_day": 3}), ("tenant-day", {"tenant_day": 3})])
async def test_a_day_has_its_quota(clock: Clock, limit: str, settings: dict[str, int]) -> None:
    of, who = rates(**settings), caller()
    assert [await ask(of, who) for _ in range(4)] == [True, True, True, False]

    with pytest.raises(TooManyRequests) as refused:
        of.take(who)

    assert (refused.value.facts["limit"], refused.value.facts["retry_after"]) == (limit, 91), "until midnight"
    assert "3 requests a day" in refused.value.detail


async def test_a_new_day_begins_at_nothing_once_the_last_one_is_told(clock: Clock) -> None:
    of, who = rates(key_day=2), caller()
    assert [await ask(of, who) for _ in range(3)] == [True, True, False]
    (account,) = of.accounts()

    account.key.day = account.tenant.day = dt.date(2020, 1, 1)
    clock.now += module.BELIEVED + 0.1
    assert not await ask(of, who), "what is not told yet would be lost"
    account.key.fresh = account.tenant.fresh = 0
    clock.now += module.BELIEVED + 0.1

    assert await ask(of, who)


async def test_no_limit_is_none(clock: Clock) -> None:
    of, who = rates(key_rate=0, tenant_rate=0), caller()

    assert all([await ask(of, who) for _ in range(5000)])
    account = STANDING.get()
    assert account is not None
    assert account.headers() == []


async def test_the_headers_tell_the_limit_that_ends_first(clock: Clock) -> None:
    of, who = rates(key_rate=2, tenant_rate=4, tenant_day=1000, key_day=5), caller()
    assert all([await ask(of, who) for _ in range(3)])
    account = STANDING.get()
    assert account is not None

    said = dict(account.headers())

    assert said[b"ratelimit-policy"] == b'"key";q=20;w=10, "key-day";q=5;w=86400, "tenant";q=40;w=10, "tenant-day";q=1000;w=86400'
    assert said[b"ratelimit"] == b'"key-day";r=2;t=91'
    account.key.most = account.say_at = 0
    assert dict(account.headers())[b"ratelimit"] == b'"key";r=17;t=2'


async def test_who_has_nothing_to_remember_is_forgotten_when_there_are_many(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KNOWN", 10)
    of, busy = rates(key_rate=1), caller()
    for _ in range(10):
        await ask(of, busy)
    for at in range(40):
        clock.now += 0.2
        assert await ask(of, caller())
        for one in of.accounts():
            one.key.fresh = one.tenant.fresh = 0
        assert len(list(of.accounts())) <= 10 + 1, at
    assert busy.key_id in {one.key_id for one in of.accounts()}, "who has used up its rate is not"
