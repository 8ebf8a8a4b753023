"""The same figures by another way: fractions throughout, and included taxes found by trying two nets instead of by a formula."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from math import floor
from typing import NamedTuple

from nexus.core.money import SCALES
from nexus.pricing import Discount, Line, Rounding, Tax, TaxGroup, TaxKind


class Figures(NamedTuple):
    """Totals of a document."""

    listed: Decimal
    net: Decimal
    taxes: dict[str, Decimal]
    total: Decimal
    payable: Decimal


def figures(lines: Sequence[Line], currency: str, rounding: Rounding, discount: Discount) -> Figures:
    """What a document comes to."""
    step = Fraction(1, 10 ** SCALES[currency])

    def nearest(amount: Fraction) -> Fraction:
        return (floor(abs(amount) / step + Fraction(1, 2)) * step) * (1 if amount >= 0 else -1)

    each = nearest if rounding is Rounding.PER_LINE else Fraction
    listed = [each(Fraction(line.quantity) * Fraction(line.unit_price)) for line in lines]
    left = [
        amount - each(amount * Fraction(line.discount.percent) / 100 + Fraction(line.discount.amount))
        for line, amount in zip(lines, listed, strict=True)
    ]
    off = nearest(sum(left) * Fraction(discount.percent) / 100 + Fraction(discount.amount))
    shares = [off * amount / sum(left) if off else Fraction(0) for amount in left]
    if rounding is Rounding.PER_LINE:
        shares = _largest_remainder(shares, step)
    written = [amount - share for amount, share in zip(left, shares, strict=True)]
    exact = [_taxes(amount, line) for amount, line in zip(written, lines, strict=True)]
    taxes: dict[str, Fraction] = {}
    known: dict[str, Tax] = {}
    for line in exact:
        for tax, amount in line:
            known[tax.code] = tax
            taxes[tax.code] = taxes.get(tax.code, Fraction(0)) + each(amount)
    taxes = {code: nearest(amount) for code, amount in taxes.items()}
    net = nearest(sum(written, Fraction(0))) - sum(amount for code, amount in taxes.items() if known[code].included)
    charged = sum(amount for code, amount in taxes.items() if not (known[code].reverse_charge or known[code].withholding))
    withheld = sum(amount for code, amount in taxes.items() if known[code].withholding)

    def money(amount: Fraction | int) -> Decimal:
        return Decimal(int(amount / step)).scaleb(-SCALES[currency])

    return Figures(
        money(nearest(sum(listed, Fraction(0)))),
        money(net),
        {code: money(amount) for code, amount in taxes.items()},
        money(net + charged),
        money(net + charged - withheld),
    )


def _taxes(amount: Fraction, line: Line) -> list[tuple[Tax, Fraction]]:
    """The exact taxes of a line that is written at an amount."""
    at_nothing, at_one = (_written(Fraction(net), line) for net in (0, 1))
    return _on((amount - at_nothing) / (at_one - at_nothing), line)


def _written(net: Fraction, line: Line) -> Fraction:
    """The price that contains the included taxes, for a net."""
    return net + sum((amount for tax, amount in _on(net, line) if tax.included), Fraction(0))


def _on(net: Fraction, line: Line) -> list[tuple[Tax, Fraction]]:
    found: list[tuple[Tax, Fraction]] = []
    for tax in (one for some in line.taxes for one in (some.taxes if isinstance(some, TaxGroup) else [some])):
        above = sum((amount for other, amount in found if not (other.reverse_charge or other.withholding)), Fraction(0))
        base = net + (above if tax.compound else 0)
        rate = Fraction(tax.rate)
        found.append((tax, rate * Fraction(line.quantity) if tax.kind is TaxKind.FIXED else base * rate / 100))
    return found


def _largest_remainder(exact: list[Fraction], step: Fraction) -> list[Fraction]:
    """Whole steps that add up to the sum of positive amounts, which is whole itself."""
    parts = [floor(amount / step) * step for amount in exact]
    order = sorted(range(len(exact)), key=lambda i: (parts[i] - exact[i], i))
    for i in order[: int((sum(exact) - sum(parts)) / step)]:
        parts[i] += step
    return parts
