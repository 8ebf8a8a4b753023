"""Random baskets: as hypothesis draws and shrinks them, and as many as one likes from a seed."""

from __future__ import annotations

import random
from collections.abc import Callable
from decimal import Decimal
from typing import NamedTuple

from hypothesis import strategies as st

from nexus.core.money import SCALES
from nexus.pricing import Discount, Line, Tax, TaxGroup, TaxKind

CURRENCIES = ["EUR", "EUR", "INR", "USD", "JPY", "KWD", "CLF"]
RATES = ["0", "5", "5.5", "7", "7.5", "8.875", "9", "9.975", "19", "20", "28", "100", "33.333333"]


class Basket(NamedTuple):
    """What is priced."""

    lines: list[Line]
    currency: str
    discount: Discount


def basket(pick: Callable[[int, int], int]) -> Basket:
    """A basket from a source of whole numbers: pick(low, high)."""

    def some(digits: int, decimals: int) -> Decimal:
        return Decimal(pick(0, 10**digits)).scaleb(-pick(0, decimals))

    def tax(number: int) -> Tax:
        kind = [TaxKind.PERCENT] * 4 + [TaxKind.FIXED]
        shape = pick(0, 9)  # most taxes are charged; one in ten is the buyer's, one withheld
        fixed = kind[pick(0, 4)] is TaxKind.FIXED
        return Tax(
            code=f"T{number}",
            rate=some(3, 2) if fixed else Decimal(RATES[pick(0, len(RATES) - 1)]),
            kind=TaxKind.FIXED if fixed else TaxKind.PERCENT,
            included=shape < 4,
            compound=not fixed and pick(0, 3) == 0,
            reverse_charge=shape == 8,
            withholding=shape == 9,
        )

    def discount(most: Decimal) -> Discount:
        percent = Decimal(pick(0, 100)) if pick(0, 2) == 0 else Decimal(0)
        rest = most - most * percent / 100
        return Discount(percent=percent, amount=(rest * pick(0, 3) / 10).quantize(Decimal("0.0001")) if pick(0, 3) == 0 else Decimal(0))

    taxes = [tax(number) for number in range(4)]
    group = TaxGroup(code="G", taxes=tuple(taxes[:2]))
    lines: list[Line] = []
    for _ in range(pick(1, 6)):
        quantity, unit_price = some(3, 3), some(5, 4)
        mine: list[Tax | TaxGroup] = [one for one in taxes[2:] if pick(0, 1)]
        mine = [group, *mine] if pick(0, 2) == 0 else [*([taxes[0]] if pick(0, 1) else []), *mine]
        lines.append(Line(quantity=quantity, unit_price=unit_price, discount=discount(quantity * unit_price), taxes=tuple(mine)))
    percent = Decimal(pick(0, 100)) if pick(0, 2) == 0 else Decimal(0)
    return Basket(lines, CURRENCIES[pick(0, len(CURRENCIES) - 1)], Discount(percent=percent))


@st.composite
def baskets(draw: st.DrawFn) -> Basket:
    """A basket that hypothesis can shrink."""
    return basket(lambda low, high: draw(st.integers(low, high)))


def seeded(seed: int) -> Basket:
    """The basket of a seed."""
    return basket(random.Random(seed).randint)


def unit(currency: str) -> Decimal:
    """The smallest amount of a currency."""
    return Decimal(1).scaleb(-SCALES[currency])
