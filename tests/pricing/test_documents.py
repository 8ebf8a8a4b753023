"""Figures of random documents: they agree with another computation, add up to the cent, and do not depend on which document they are on."""

from __future__ import annotations

import random
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nexus.core.money import SCALES
from nexus.pricing import Discount, Line, Priced, Rounding, Tax, credit, price
from tests.pricing.baskets import Basket, baskets, seeded, unit
from tests.pricing.oracle import figures

BOTH = list(Rounding)


def priced(basket: Basket, rounding: Rounding) -> Priced:
    return price(basket.lines, basket.currency, rounding=rounding, discount=basket.discount)


def adds_up(document: Priced) -> None:
    """Every figure of the document is the sum of its lines', and each line's figures lead from the price to the total."""
    smallest = unit(document.currency)
    for line in document.lines:
        included = sum(one.amount for one in line.taxes if one.tax.included)
        assert line.listed - line.discount - line.share == line.net + included
        assert line.gross == line.net + sum(one.amount for one in line.taxes if one.tax.charged)
        amounts = [line.listed, line.discount, line.share, line.net, *(one.amount for one in line.taxes), *(one.base for one in line.taxes)]
        assert all(amount == amount.quantize(smallest) for amount in amounts)
    for code, base, amount in ((one.tax.code, one.base, one.amount) for one in document.taxes):
        mine = [tax for line in document.lines for tax in line.taxes if tax.tax.code == code]
        assert (sum(one.base for one in mine), sum(one.amount for one in mine)) == (base, amount)
    assert document.total == sum(line.gross for line in document.lines) == document.net + sum(one.charged for one in document.taxes)
    assert document.listed - document.discount == document.net + sum(one.amount for one in document.taxes if one.tax.included)
    assert document.payable == document.total - sum(one.amount for one in document.taxes if one.tax.withholding)


def negated(document: Priced) -> list[tuple[Decimal, ...]]:
    return [(-one.listed, -one.discount, -one.share, -one.net, *(-tax.amount for tax in one.taxes)) for one in document.lines]


def flat(document: Priced) -> list[tuple[Decimal, ...]]:
    return [(one.listed, one.discount, one.share, one.net, *(tax.amount for tax in one.taxes)) for one in document.lines]


def mirrors(invoice: Priced) -> None:
    note = credit(invoice)
    assert flat(note) == negated(invoice)
    assert (note.total, note.tax, note.payable) == (-invoice.total, -invoice.tax, -invoice.payable)


def agrees(basket: Basket, rounding: Rounding) -> None:
    order, invoice = priced(basket, rounding), priced(basket, rounding)
    assert order == invoice
    mirrors(invoice)
    adds_up(order)
    adds_up(credit(order))
    other = figures(basket.lines, basket.currency, rounding, basket.discount)
    assert (order.listed, order.net, order.total, order.payable) == (other.listed, other.net, other.total, other.payable)
    assert {one.tax.code: one.amount for one in order.taxes} == other.taxes


@pytest.mark.parametrize("rounding", BOTH)
@settings(max_examples=100, deadline=None)
@given(baskets())
def test_order_is_invoice_is_minus_credit_note(rounding: Rounding, basket: Basket) -> None:
    agrees(basket, rounding)


def test_ten_thousand_baskets_to_the_cent() -> None:
    for seed in range(10_000):
        basket = seeded(seed)
        try:
            for rounding in BOTH:
                mirrors(priced(basket, rounding))
                if seed % 10 == 0:
                    agrees(basket, rounding)
        except AssertionError as broken:
            raise AssertionError(f"basket {seed}") from broken


@pytest.mark.parametrize("rounding", BOTH)
@settings(max_examples=50, deadline=None)
@given(baskets())
def test_what_is_returned_in_a_document_of_its_own_is_the_mirror(rounding: Rounding, basket: Basket) -> None:
    plain = [Line(quantity=one.quantity, unit_price=one.unit_price, taxes=one.taxes) for one in basket.lines]
    back = [Line(quantity=-one.quantity, unit_price=one.unit_price, taxes=one.taxes) for one in plain]
    bought = price(plain, basket.currency, rounding=rounding, discount=basket.discount)
    returned = price(back, basket.currency, rounding=rounding, discount=basket.discount)
    assert flat(returned) == negated(bought)


@pytest.mark.parametrize("rounding", BOTH)
@settings(max_examples=50, deadline=None)
@given(baskets())
def test_no_line_is_a_unit_away_from_what_it_is_exactly(rounding: Rounding, basket: Basket) -> None:
    document = priced(Basket(basket.lines, basket.currency, Discount()), rounding)
    smallest = unit(basket.currency)
    for line, shown in zip(basket.lines, document.lines, strict=True):
        assert abs(shown.listed - line.quantity * line.unit_price) < smallest


@given(
    st.decimals(0, 10**9, places=2),
    st.sampled_from(["5", "7", "7.5", "8.875", "19", "20", "25"]),
    st.sampled_from(sorted(SCALES)),
    st.sampled_from(BOTH),
)
def test_a_price_with_its_tax_leads_back_to_the_price_without(amount: Decimal, rate: str, currency: str, rounding: Rounding) -> None:
    net = amount.quantize(unit(currency))
    added = price([Line(quantity=Decimal(1), unit_price=net, taxes=(Tax(code="VAT", rate=Decimal(rate)),))], currency, rounding=rounding)
    inside = Tax(code="VAT", rate=Decimal(rate), included=True)
    found = price([Line(quantity=Decimal(1), unit_price=added.total, taxes=(inside,))], currency, rounding=rounding)
    assert (found.net, found.tax, found.total) == (net, added.tax, added.total)


@settings(max_examples=50, deadline=None)
@given(baskets(), st.randoms(use_true_random=False))
def test_totals_rounded_once_do_not_depend_on_the_order_of_lines(basket: Basket, chance: random.Random) -> None:
    lines = list(basket.lines)
    chance.shuffle(lines)
    one, other = (price(some, basket.currency, rounding=Rounding.GLOBALLY, discount=basket.discount) for some in (basket.lines, lines))
    assert (one.listed, one.net, one.tax, one.total, one.payable) == (other.listed, other.net, other.tax, other.total, other.payable)


def test_nothing_comes_to_nothing_in_its_currency() -> None:
    empty = price([], "KWD")
    assert [str(amount) for amount in (empty.listed, empty.net, empty.tax, empty.total, empty.payable)] == ["0.000"] * 5
    zero = price([Line(quantity=Decimal(0), unit_price=Decimal(0))], "EUR", discount=Discount(percent=Decimal(100)))
    assert str(zero.total) == "0.00"
