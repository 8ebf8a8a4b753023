"""Payment terms, early payment and cash."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.pricing import CashRounding, EarlyPayment, Instalment, Unpriceable, cash, schedule
from tests.pricing.baskets import unit

D = Decimal
DAY = dt.date(2026, 1, 30)


@pytest.mark.parametrize(
    ("instalment", "due"),
    [
        (Instalment(percent=D(100)), "2026-01-30"),
        (Instalment(percent=D(100), days=30), "2026-03-01"),
        (Instalment(percent=D(100), end_of_month=True), "2026-01-31"),
        (Instalment(percent=D(100), days=30, end_of_month=True), "2026-03-31"),
        (Instalment(percent=D(100), day=10), "2026-02-10"),
        (Instalment(percent=D(100), day=31), "2026-02-28"),
        (Instalment(percent=D(100), days=30, end_of_month=True, day=10), "2026-04-10"),
    ],
)
def test_when_it_falls_due(instalment: Instalment, due: str) -> None:
    assert instalment.due(DAY).isoformat() == due


def test_a_third_now_a_third_in_a_month_a_third_in_two() -> None:
    thirds = [Instalment(percent=D("33.33")), Instalment(percent=D("33.33"), days=30), Instalment(percent=D("33.34"), days=60)]
    assert [(one.date.isoformat(), str(one.amount)) for one in schedule(D("100.01"), "EUR", thirds, DAY)] == [
        ("2026-01-30", "33.33"),
        ("2026-03-01", "33.33"),
        ("2026-03-31", "33.35"),
    ]
    assert [str(one.amount) for one in schedule(D(-100), "JPY", thirds, DAY)] == ["-33", "-33", "-34"]


@given(st.integers(-(10**12), 10**12), st.lists(st.integers(1, 50), min_size=1, max_size=12), st.sampled_from(["EUR", "JPY", "KWD"]))
def test_instalments_add_up_to_what_is_payable(units: int, weights: list[int], currency: str) -> None:
    cuts = [D(weight) for weight in weights]
    percents = [(cut * 100 / sum(cuts)).quantize(D("0.01")) for cut in cuts]
    percents[-1] += 100 - sum(percents)
    if percents[-1] <= 0:
        return
    payable = units * unit(currency)
    assert sum(one.amount for one in schedule(payable, currency, [Instalment(percent=one) for one in percents], DAY)) == payable


def test_instalments_are_all_of_it() -> None:
    with pytest.raises(Unpriceable, match="instalments: add up to 100 percent"):
        schedule(D(1), "EUR", [Instalment(percent=D(99))], DAY)


def test_who_pays_early_pays_less() -> None:
    skonto = EarlyPayment(percent=D(2), days=10)
    assert (skonto.until(DAY).isoformat(), str(skonto.off(D(100), D(119), "EUR"))) == ("2026-02-09", "2.38")
    assert str(EarlyPayment(percent=D(2), days=10, of_net=True).off(D(100), D(119), "EUR")) == "2.00"


@pytest.mark.parametrize(
    ("payable", "coin", "currency", "rounding", "paid"),
    [
        ("10.02", "0.05", "CHF", "nearest", "10.00"),
        ("10.03", "0.05", "CHF", "nearest", "10.05"),
        ("10.025", "0.05", "CHF", "nearest", "10.05"),
        ("-10.03", "0.05", "CHF", "nearest", "-10.05"),
        ("10.01", "0.05", "CHF", "up", "10.05"),
        ("-10.01", "0.05", "CHF", "up", "-10.05"),
        ("10.04", "0.05", "CHF", "down", "10.00"),
        ("104", "10", "JPY", "nearest", "100"),
        ("10.00", "0.05", "CHF", "up", "10.00"),
    ],
)
def test_cash_has_no_small_coins(payable: str, coin: str, currency: str, rounding: str, paid: str) -> None:
    assert str(cash(D(payable), D(coin), currency, CashRounding(rounding))) == paid


@pytest.mark.parametrize("coin", ["0", "-0.05", "0.005", "NaN"])
def test_a_coin_is_an_amount(coin: str) -> None:
    with pytest.raises(Unpriceable, match="coin: is no amount of EUR"):
        cash(D(1), D(coin), "EUR")
