"""What an asset loses adds up to the cent to what it has to lose, month by month and never below its residual value."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.services.finance.asset_terms import DepreciationMethod, DepreciationPart
from nexus.services.finance.rules.depreciation import Plan, part_up_to

DAYS = st.dates(dt.date(1990, 1, 1), dt.date(2090, 1, 1))
AMOUNTS = st.decimals("0.01", "99999999.99", places=2)
METHODS = st.one_of(
    st.just((DepreciationMethod.STRAIGHT_LINE, None)),
    st.tuples(st.just(DepreciationMethod.DECLINING_BALANCE), st.decimals("1.1", "10", places=2)),
)


def parts(**more: Any) -> list[DepreciationPart]:
    given: dict[str, Any] = {
        "carrying": Decimal(1200),
        "residual": Decimal(0),
        "currency": "NGN",
        "starts_on": dt.date(2026, 1, 1),
        "months": 12,
        "method": DepreciationMethod.STRAIGHT_LINE,
        "factor": None,
    }
    return Plan(**given | more).parts()


@given(AMOUNTS, st.integers(0, 100), DAYS, st.integers(1, 240), METHODS)
def test_the_parts_add_up(carrying: Decimal, percent: int, starts_on: dt.date, months: int, how: tuple[Any, Any]) -> None:
    residual = (carrying * percent / 100).quantize(Decimal("0.01"))
    plan = parts(carrying=carrying, residual=residual, starts_on=starts_on, months=months, method=how[0], factor=how[1])
    assert sum((one.amount for one in plan), Decimal(0)) == carrying - residual
    assert all(one.amount > 0 for one in plan)
    assert [one.on for one in plan] == sorted({one.on for one in plan})
    assert all((one.on + dt.timedelta(days=1)).day == 1 for one in plan)
    assert all(one.on >= starts_on for one in plan)
    assert len(plan) <= months + (starts_on.day > 1)


def test_equal_parts_differ_by_a_unit_at_most() -> None:
    amounts = [one.amount for one in parts(carrying=Decimal(1000))]
    assert (min(amounts), max(amounts), sum(amounts)) == (Decimal("83.33"), Decimal("83.34"), Decimal(1000))


def test_of_the_first_month_its_days_count() -> None:
    plan = parts(starts_on=dt.date(2026, 4, 16))
    assert [one.amount for one in plan] == [50, *[100] * 11, 50]
    assert (plan[0].on, plan[-1].on) == (dt.date(2026, 4, 30), dt.date(2027, 4, 30))


def test_a_declining_balance_goes_over_to_equal_parts() -> None:
    """Twice the rate of five years is 40 % of what is left; from the fourth year on equal parts are more."""
    plan = parts(
        carrying=Decimal(10_000), residual=Decimal(1000), months=60, method=DepreciationMethod.DECLINING_BALANCE, factor=Decimal(2)
    )
    years = [sum(one.amount for one in plan if one.on.year == year) for year in range(2026, 2031)]
    assert years == [4000, 2400, 1440, 864, 296]
    whole = parts(carrying=Decimal(10_000), months=60, method=DepreciationMethod.DECLINING_BALANCE, factor=Decimal(2))
    assert [sum(one.amount for one in whole if one.on.year == year) for year in range(2026, 2031)] == [4000, 2400, 1440, 1080, 1080]


def test_land_loses_nothing() -> None:
    assert parts(residual=Decimal(1200)) == []


@pytest.mark.parametrize(
    ("starts_on", "day", "amount"),
    [
        (dt.date(2026, 1, 1), 15, "50"),
        (dt.date(2026, 4, 15), 16, "12.50"),
        (dt.date(2026, 4, 15), 30, "100"),
        (dt.date(2026, 4, 15), 14, "0"),
    ],
)
def test_of_a_part_the_days_count_that_it_is_about(starts_on: dt.date, day: int, amount: str) -> None:
    part = DepreciationPart(on=dt.date(2026, 4, 30), amount=Decimal(100))
    assert part_up_to(part, starts_on, dt.date(2026, 4, day), "NGN") == Decimal(amount)
