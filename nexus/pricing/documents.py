"""A document's figures: what its lines come to, each and together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from functools import cached_property

from nexus.core.money import rounded
from nexus.pricing.refusals import check_number
from nexus.pricing.taxes import Tax, TaxGroup, flat

ZERO = Decimal(0)
LARGEST = 10**20


class Rounding(StrEnum):
    """Where cents are made whole: on each line, or once per document and tax, the lines following by largest remainder."""

    PER_LINE = "round_per_line"
    GLOBALLY = "round_globally"


@dataclass(frozen=True, slots=True, kw_only=True)
class Discount:
    """Less by `percent` (0 to 100), then by `amount` in the document's currency."""

    percent: Decimal = ZERO
    amount: Decimal = ZERO

    def __post_init__(self) -> None:
        check_number("percent", self.percent, 0, 100)
        check_number("amount", self.amount, 0, LARGEST)


NONE = Discount()


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What is sold: `quantity` in units, `unit_price` in the document's currency with any number of decimals."""

    quantity: Decimal
    unit_price: Decimal
    discount: Discount = NONE
    taxes: tuple[Tax | TaxGroup, ...] = ()

    def __post_init__(self) -> None:
        check_number("quantity", self.quantity, -LARGEST, LARGEST)
        check_number("unit_price", self.unit_price, -LARGEST, LARGEST)
        flat(self.taxes)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaxAmount:
    """What one tax comes to: `base` and `amount` in the document's currency."""

    tax: Tax
    base: Decimal
    amount: Decimal

    @property
    def mirror(self) -> Decimal:
        """The amount that cancels a reverse charge: owed and deducted at once; nothing for other taxes."""
        return -self.amount if self.tax.reverse_charge else self.amount * 0

    @property
    def charged(self) -> Decimal:
        """What it adds to the total."""
        return self.amount if self.tax.charged else self.amount * 0


@dataclass(frozen=True, kw_only=True)
class PricedLine:
    """A line's figures in whole minor units: `listed` - `discount` - `share` = `net` + its included taxes."""

    quantity: Decimal
    listed: Decimal
    """Quantity times price."""
    discount: Decimal
    """The line's own discount."""
    share: Decimal
    """Its share of the document's discount."""
    net: Decimal
    taxes: tuple[TaxAmount, ...]

    @property
    def tax(self) -> Decimal:
        """The taxes that the seller charges."""
        return sum((one.charged for one in self.taxes), ZERO)

    @property
    def gross(self) -> Decimal:
        """Net and charged taxes."""
        return self.net + self.tax

    @property
    def withheld(self) -> Decimal:
        """What the buyer pays to the state instead of to the seller."""
        return sum((one.amount for one in self.taxes if one.tax.withholding), ZERO)


@dataclass(frozen=True, kw_only=True)
class Priced:
    """A document's figures: its totals are the sums of its lines, to the cent."""

    currency: str
    lines: tuple[PricedLine, ...] = field(default=())

    @cached_property
    def taxes(self) -> tuple[TaxAmount, ...]:
        """Base and amount of each tax, in the order in which they first appear."""
        found: dict[str, TaxAmount] = {}
        for one in (tax for line in self.lines for tax in line.taxes):
            kept = found.get(one.tax.code)
            found[one.tax.code] = (
                one if kept is None else TaxAmount(tax=one.tax, base=kept.base + one.base, amount=kept.amount + one.amount)
            )
        return tuple(found.values())

    @cached_property
    def listed(self) -> Decimal:
        """Before discounts."""
        return self._sum(line.listed for line in self.lines)

    @cached_property
    def discount(self) -> Decimal:
        """All discounts, of lines and of the document."""
        return self._sum(line.discount + line.share for line in self.lines)

    @cached_property
    def net(self) -> Decimal:
        """Without taxes."""
        return self._sum(line.net for line in self.lines)

    @cached_property
    def tax(self) -> Decimal:
        """The taxes that the seller charges."""
        return self._sum(line.tax for line in self.lines)

    @cached_property
    def total(self) -> Decimal:
        """Net and charged taxes."""
        return self.net + self.tax

    @cached_property
    def withheld(self) -> Decimal:
        """What the buyer keeps back to pay to the state."""
        return self._sum(line.withheld for line in self.lines)

    @cached_property
    def payable(self) -> Decimal:
        """What the buyer pays to the seller."""
        return self.total - self.withheld

    def _sum(self, amounts: Iterable[Decimal]) -> Decimal:
        return sum(amounts, rounded(ZERO, self.currency))


def with_bases(net: Decimal, taxes: Sequence[Tax], amounts: Sequence[Decimal]) -> tuple[TaxAmount, ...]:
    """The taxes with their bases: the net, and for a compound one the charged taxes before it."""
    found: list[TaxAmount] = []
    above = net * 0
    for tax, amount in zip(taxes, amounts, strict=True):
        found.append(TaxAmount(tax=tax, base=net + above if tax.compound else net, amount=amount))
        above += amount if tax.charged else 0
    return tuple(found)
