"""What cannot be priced is refused, and the refusal says where."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from nexus.pricing import Discount, EarlyPayment, Instalment, Line, Tax, TaxGroup, TaxKind, Unpriceable, price

D = Decimal
ONE = Line(quantity=D(1), unit_price=D(1))
VAT = Tax(code="VAT", rate=D(19))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: price([ONE], "QQQ"), "currency: QQQ is not an ISO 4217"),
        (lambda: Line(quantity=D("NaN"), unit_price=D(1)), "quantity: is from"),
        (lambda: Line(quantity=D(1), unit_price=D("Infinity")), "unit_price: is from"),
        (lambda: Line(quantity=D("1e-21"), unit_price=D(1)), "quantity: has more than 20 decimals"),
        (lambda: Line(quantity=D(1), unit_price=D("1e-999999")), "unit_price: has more than 20 decimals"),
        (lambda: Discount(percent=D(101)), "percent: is from 0 to 100"),
        (lambda: Discount(amount=D(-1)), "amount: is from 0"),
        (lambda: Tax(code="X", rate=D(-1)), "rate: is from 0"),
        (lambda: Tax(code="X", rate=D(1), reverse_charge=True, withholding=True), "withholding: X is either"),
        (lambda: Tax(code="X", rate=D(1), included=True, withholding=True), "included: no price contains X"),
        (lambda: Tax(code="X", rate=D(1), included=True, reverse_charge=True), "included: no price contains X"),
        (lambda: Tax(code="X", rate=D(1), kind=TaxKind.FIXED, compound=True), "compound: X is an amount per unit"),
        (lambda: Line(quantity=D(1), unit_price=D(1), taxes=(VAT, TaxGroup(code="G", taxes=(VAT,)))), "taxes: VAT is there twice"),
        (
            lambda: price([Line(quantity=D(1), unit_price=D(1), taxes=(one,)) for one in (VAT, Tax(code="VAT", rate=D(7)))], "EUR"),
            r"lines\[1\].taxes: VAT is another tax",
        ),
        (
            lambda: price([ONE, Line(quantity=D(1), unit_price=D(1), discount=Discount(amount=D(2)))], "EUR"),
            r"lines\[1\].discount: is more",
        ),
        (lambda: price([ONE], "EUR", discount=Discount(amount=D("1.01"))), "discount: is more than the lines"),
        (lambda: price([ONE, Line(quantity=D("1e11"), unit_price=D("1e9"))], "EUR"), r"lines\[1\]: comes to more"),
        (lambda: Instalment(percent=D(101)), "percent: is from 0"),
        (lambda: Instalment(percent=D(100), days=-1), "days: is from 0"),
        (lambda: Instalment(percent=D(100), day=32), "day: is from 1"),
        (lambda: EarlyPayment(percent=D(101), days=1), "percent: is from 0"),
        (lambda: EarlyPayment(percent=D(1), days=-1), "days: is from 0"),
    ],
)
def test_is_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(Unpriceable, match=message):
        make()


def test_a_refusal_is_told_from_further_out() -> None:
    refusal = Unpriceable("taxes", "VAT is there twice").within("lines[3]")
    assert (refusal.field, refusal.message, str(refusal)) == ("lines[3].taxes", "VAT is there twice", "lines[3].taxes: VAT is there twice")
