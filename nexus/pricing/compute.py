"""From lines to figures. Arithmetic is exact between the roundings, which are named; nothing is rounded twice."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from math import prod
from typing import NamedTuple

from nexus.core.money import SCALES, exactly, quotient, settle
from nexus.pricing.documents import LARGEST, NONE, Discount, Line, Priced, PricedLine, Rounding, with_bases
from nexus.pricing.refusals import Unpriceable
from nexus.pricing.taxes import PERCENT, Parted, Tax, flat, parted

_ONE = Decimal(1)


class _Column(NamedTuple):
    """One figure of every line: as it is shown, and as it is calculated with: top / bottom."""

    shown: list[Decimal]
    tops: list[Decimal]
    bottom: Decimal


def price(lines: Sequence[Line], currency: str, *, rounding: Rounding = Rounding.PER_LINE, discount: Discount = NONE) -> Priced:
    """Price a document in an ISO 4217 currency; the same lines come to the same cents whatever document they are on.

    Discounts come off the price as it is written, with the taxes it includes; the document's is spread over the lines by largest remainder.
    Rounded per line, each figure of a line is rounded before the next is made from it. Rounded globally, a tax and the price of all lines are
    rounded once and then settled on the lines, so that lines always add up to totals. Unpriceable names the line that makes no sense.
    """
    if currency not in SCALES:
        raise Unpriceable("currency", f"{currency} is not an ISO 4217 currency code")
    taxes = [flat(line.taxes) for line in lines]
    _one_meaning(taxes)
    with exactly():
        listed = _column([line.quantity * line.unit_price for line in lines], _ONE, currency, rounding)
        off = _off(lines, listed, currency, rounding)
        left = [amount - less for amount, less in zip(listed.tops, off.tops, strict=True)]
        shares = _shares(left, discount, currency, rounding)
        written = _column(
            [amount * shares.bottom - less for amount, less in zip(left, shares.tops, strict=True)], shares.bottom, currency, rounding
        )
        amounts = _taxes(written, lines, taxes, currency, rounding)
        return Priced(
            currency=currency,
            lines=tuple(
                _line(line, taxes[at], amounts[at], listed.shown[at], shares.shown[at], written.shown[at]) for at, line in enumerate(lines)
            ),
        )


def _column(tops: list[Decimal], bottom: Decimal, currency: str, rounding: Rounding) -> _Column:
    if rounding is Rounding.GLOBALLY:
        return _Column(settle(tops, bottom, currency), tops, bottom)
    shown = [quotient(top, bottom, currency) for top in tops]
    return _Column(shown, shown, _ONE)


def _off(lines: Sequence[Line], listed: _Column, currency: str, rounding: Rounding) -> _Column:
    """What each line's own discount takes off it."""
    tops = [amount * line.discount.percent * PERCENT + line.discount.amount for line, amount in zip(lines, listed.tops, strict=True)]
    off = _column(tops, _ONE, currency, rounding)
    for at, line in enumerate(lines):
        if abs(listed.tops[at]) >= LARGEST:
            raise Unpriceable(f"lines[{at}]", "comes to more than an amount of money can be")
        if line.discount.amount and off.tops[at] > listed.tops[at]:
            raise Unpriceable(f"lines[{at}].discount", "is more than the line")
    return off


def _shares(left: list[Decimal], discount: Discount, currency: str, rounding: Rounding) -> _Column:
    """The document's discount on each line, by what the lines come to."""
    whole = sum(left, Decimal(0))
    off = quotient(whole * discount.percent * PERCENT + discount.amount, _ONE, currency)
    if discount.amount and off > whole:
        raise Unpriceable("discount", "is more than the lines")
    if not off:
        nothing = [quotient(off, _ONE, currency)] * len(left)
        return _Column(nothing, nothing, _ONE)
    tops, bottom = [off * amount.copy_sign(amount * whole) for amount in left], abs(whole)
    shown = settle(tops, bottom, currency)
    return _Column(shown, tops, bottom) if rounding is Rounding.GLOBALLY else _Column(shown, shown, _ONE)


def _taxes(written: _Column, lines: Sequence[Line], taxes: list[tuple[Tax, ...]], currency: str, rounding: Rounding) -> list[list[Decimal]]:
    """The amounts of every line's taxes, in the order of the line's taxes."""
    exact = [parted(written.tops[at], written.bottom, line.quantity, taxes[at]) for at, line in enumerate(lines)]
    found = [list(one.tops) for one in exact]
    places: dict[str, list[tuple[int, int]]] = {}
    for at, mine in enumerate(taxes):
        for position, tax in enumerate(mine):
            places.setdefault(tax.code, []).append((at, position))
    for where in places.values():
        tops, bottom = _common([exact[at] for at, _ in where], [position for _, position in where])
        for (at, position), amount in zip(where, _column(tops, bottom, currency, rounding).shown, strict=True):
            found[at][position] = amount
    return found


def _common(exact: list[Parted], positions: list[int]) -> tuple[list[Decimal], Decimal]:
    """One tax of several lines over one divisor."""
    bottoms = {one.bottom for one in exact}
    whole = prod(bottoms, start=_ONE)
    factors = {bottom: prod(bottoms - {bottom}, start=_ONE) for bottom in bottoms}
    return [one.tops[position] * factors[one.bottom] for one, position in zip(exact, positions, strict=True)], whole


def _line(line: Line, taxes: Sequence[Tax], amounts: list[Decimal], listed: Decimal, share: Decimal, written: Decimal) -> PricedLine:
    net = written - sum((amount for tax, amount in zip(taxes, amounts, strict=True) if tax.included), Decimal(0))
    return PricedLine(
        quantity=line.quantity,
        listed=listed,
        discount=listed - share - written,
        share=share,
        net=net,
        taxes=with_bases(net, taxes, amounts),
    )


def _one_meaning(taxes: list[tuple[Tax, ...]]) -> None:
    """Refuse a code that is one tax on one line and another on the next."""
    known: dict[str, Tax] = {}
    for at, mine in enumerate(taxes):
        for tax in mine:
            if known.setdefault(tax.code, tax) != tax:
                raise Unpriceable(f"lines[{at}].taxes", f"{tax.code} is another tax than on the lines before")
