"""What lines come to, by the arithmetic that every document shares, so that deal, quote and whatever follows from them agree to the cent."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

from nexus.core import FieldError, Invalid, amount
from nexus.pricing import Discount, Line, Unpriceable, price
from nexus.services.crm.terms import DealLine


class Totals(NamedTuple):
    """Amounts in the currency of the lines: `total` is `subtotal` less `discount`."""

    subtotal: Decimal
    discount: Decimal
    total: Decimal


def totals(lines: Iterable[DealLine], currency: str) -> Totals:
    """The totals of some lines. Invalid (422) where the currency is unknown, or the total less than nothing or too large."""
    amount(Decimal(0), currency, "currency")
    try:
        priced = price([_priced(line) for line in lines], currency)
    except Unpriceable as refusal:
        raise Invalid.of(FieldError(refusal.field, refusal.message)) from None
    if priced.total < 0:
        raise Invalid.of(FieldError("lines", f"come to {priced.total}, less than nothing"))
    return Totals(amount(priced.listed, currency, "lines"), priced.discount, amount(priced.total, currency, "lines"))


def _priced(line: DealLine) -> Line:
    return Line(quantity=line.quantity, unit_price=line.unit_price, discount=Discount(percent=line.discount_percent))
