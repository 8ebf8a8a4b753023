"""Money: no cent is lost or made, whatever is rounded or split."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.core.money import SCALES, allocate, rounded, scale
from nexus.core.problem import Invalid
from nexus.core.values import amount

currencies = st.sampled_from(sorted(SCALES))
amounts = st.decimals(-(10**15), 10**15, places=6)
weights = st.lists(st.decimals(0, 10**6, places=4), min_size=1, max_size=20).filter(lambda some: sum(some) > 0)


def unit(currency: str) -> Decimal:
    return Decimal(1).scaleb(-scale(currency))


def test_scales_are_those_of_iso_4217() -> None:
    assert [scale(code) for code in ("NGN", "JPY", "KWD", "CLF", "EUR", "XOF")] == [2, 0, 3, 4, 2, 0]
    with pytest.raises(KeyError):
        scale("QQQ")


@given(amounts, currencies)
def test_rounding_goes_to_the_nearest_unit_and_half_of_one_away_from_zero(value: Decimal, currency: str) -> None:
    near = rounded(value, currency)
    assert near % unit(currency) == 0
    assert abs(near - value) <= unit(currency) / 2
    if abs(near - value) == unit(currency) / 2:
        assert abs(near) > abs(value)
    assert rounded(near, currency) == near
    assert rounded(-value, currency) == -near


def test_half_a_cent_is_rounded_away_from_zero() -> None:
    assert [str(rounded(Decimal(text), "EUR")) for text in ("0.005", "0.0049", "-0.005", "2.675")] == ["0.01", "0.00", "-0.01", "2.68"]


@given(amounts, weights, currencies)
def test_parts_add_up_to_the_rounded_total_and_each_is_whole_units(total: Decimal, shares: list[Decimal], currency: str) -> None:
    parts = allocate(total, shares, currency)
    assert len(parts) == len(shares)
    assert sum(parts) == rounded(total, currency)
    assert all(part % unit(currency) == 0 for part in parts)


@given(st.integers(0, 10**12), weights, currencies)
def test_no_part_is_more_than_one_unit_from_its_share(units: int, shares: list[Decimal], currency: str) -> None:
    total = units * unit(currency)
    for part, share in zip(allocate(total, shares, currency), shares, strict=True):
        assert abs(part - total * share / sum(shares)) <= unit(currency)


@given(st.integers(1, 10**9), st.integers(1, 30), currencies)
def test_equal_shares_differ_by_at_most_one_unit_and_the_larger_come_first(units: int, many: int, currency: str) -> None:
    parts = allocate(units * unit(currency), [Decimal(1)] * many, currency)
    assert parts == sorted(parts, reverse=True)
    assert parts[0] - parts[-1] <= unit(currency)


def test_a_hundred_in_three_and_a_yen_in_two() -> None:
    assert [str(part) for part in allocate(Decimal(100), [Decimal(1)] * 3, "NGN")] == ["33.34", "33.33", "33.33"]
    assert [str(part) for part in allocate(Decimal(1), [Decimal(1)] * 2, "JPY")] == ["1", "0"]
    assert [str(part) for part in allocate(Decimal("-0.05"), [Decimal(1)] * 3, "EUR")] == ["-0.02", "-0.02", "-0.01"]


def test_nothing_is_not_a_share() -> None:
    with pytest.raises(ValueError, match="add up to nothing"):
        allocate(Decimal(1), [Decimal(0)], "EUR")


@given(amounts, currencies)
def test_an_amount_is_exact_or_refused(value: Decimal, currency: str) -> None:
    if value == rounded(value, currency):
        exact = amount(value, currency, "total")
        assert exact == value
        assert -int(exact.as_tuple().exponent) == scale(currency)
    else:
        with pytest.raises(Invalid, match=f"total: has more than the {scale(currency)} decimals of {currency}"):
            amount(value, currency, "total")


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e20", "-1e20"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="total: is not an amount of money"):
        amount(Decimal(text), "EUR", "total")


def test_a_currency_that_iso_4217_does_not_list_is_refused() -> None:
    with pytest.raises(Invalid, match="currency: QQQ is not an ISO 4217 currency code"):
        amount(Decimal(1), "QQQ", "total")
