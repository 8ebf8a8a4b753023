"""What lines come to: each is rounded in its currency, so that deal, quote and whatever follows from them agree to the cent."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

from nexus.core import FieldError, Invalid, amount
from nexus.core.money import rounded
from nexus.services.crm.terms import DealLine


class Totals(NamedTuple):
    """Amounts in the currency of the lines: `total` is `subtotal` less `discount`."""

    subtotal: Decimal
    discount: Decimal
    total: Decimal


def totals(lines: Iterable[DealLine], currency: str) -> Totals:
    """The totals of some lines. Invalid (422) where the currency is unknown, or the total less than nothing or too large."""
    subtotal = total = amount(Decimal(0), currency, "currency")
    for line in lines:
        gross = rounded(line.quantity * line.unit_price, currency)
        subtotal += gross
        total += gross - rounded(gross * line.discount_percent / 100, currency)
    if total < 0:
        raise Invalid.of(FieldError("lines", f"come to {total}, less than nothing"))
    return Totals(amount(subtotal, currency, "lines"), subtotal - total, amount(total, currency, "lines"))
