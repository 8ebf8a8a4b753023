"""Taxes as facts of a line, and what each comes to for a net amount that is not known yet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from nexus.pricing.refusals import Unpriceable, check_number

PERCENT = Decimal("0.01")  # a product is exact at once where a division would look for ten thousand digits


class TaxKind(StrEnum):
    """How a tax is measured."""

    PERCENT = "percent"
    FIXED = "fixed"


class Exigibility(StrEnum):
    """When a tax falls due: with the invoice, or when it is paid (cash basis)."""

    ON_INVOICE = "on_invoice"
    ON_PAYMENT = "on_payment"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tax:
    """One tax: `rate` is in percent of its base, or for a fixed tax an amount per unit of quantity.

    * `included`: the unit price contains it.
    * `compound`: its base contains the taxes before it (tax on tax).
    * `reverse_charge`: the buyer owes it; seller and total do not change, and it is told as two amounts that cancel out.
    * `withholding`: the buyer pays it for the seller; the total stays, what is paid is less.
    """

    code: str
    rate: Decimal
    kind: TaxKind = TaxKind.PERCENT
    included: bool = False
    compound: bool = False
    reverse_charge: bool = False
    withholding: bool = False
    exigibility: Exigibility = Exigibility.ON_INVOICE

    def __post_init__(self) -> None:
        check_number("rate", self.rate, 0, 10**12)
        if self.reverse_charge and self.withholding:
            raise Unpriceable("withholding", f"{self.code} is either withheld or reverse charge")
        if self.included and not self.charged:
            raise Unpriceable("included", f"no price contains {self.code}: the seller does not charge it")
        if self.compound and self.kind is TaxKind.FIXED:
            raise Unpriceable("compound", f"{self.code} is an amount per unit: it has no base that others could be in")

    @property
    def charged(self) -> bool:
        """Whether the seller charges it: it is part of the total."""
        return not (self.reverse_charge or self.withholding)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaxGroup:
    """Taxes that apply together, in this order: CGST with SGST, state with county."""

    code: str
    taxes: tuple[Tax, ...]


def flat(taxes: Iterable[Tax | TaxGroup]) -> tuple[Tax, ...]:
    """The single taxes, groups opened, in order. Unpriceable where one is there twice."""
    found = tuple(one for tax in taxes for one in (tax.taxes if isinstance(tax, TaxGroup) else (tax,)))
    for at, tax in enumerate(found):
        if any(tax.code == other.code for other in found[:at]):
            raise Unpriceable("taxes", f"{tax.code} is there twice")
    return found


class Slope(NamedTuple):
    """A tax as a·net + b, for a net amount that is not known yet."""

    a: Decimal
    b: Decimal


def slopes(taxes: Sequence[Tax], quantity: Decimal) -> list[Slope]:
    """What each tax of a line comes to for its net: a base is the net, and for a compound tax the charged ones before it."""
    found: list[Slope] = []
    a = b = Decimal(0)
    for tax in taxes:
        if tax.kind is TaxKind.FIXED:
            slope = Slope(Decimal(0), tax.rate * quantity)
        else:
            rate = tax.rate * PERCENT
            slope = Slope(rate * (1 + a), rate * b) if tax.compound else Slope(rate, Decimal(0))
        found.append(slope)
        if tax.charged:
            a, b = a + slope.a, b + slope.b
    return found


class Parted(NamedTuple):
    """The exact taxes of a line: each is top / bottom."""

    tops: list[Decimal]
    bottom: Decimal


def parted(amount: Decimal, bottom: Decimal, quantity: Decimal, taxes: Sequence[Tax]) -> Parted:
    """The taxes of a line whose price comes to amount / bottom, with the taxes included in it.

    The net is (price - Σb) / (1 + Σa) over the included taxes, so every tax has the same divisor, and nothing is rounded on the way.
    """
    found = slopes(taxes, quantity)
    inside = [slope for tax, slope in zip(taxes, found, strict=True) if tax.included]
    divisor = 1 + sum((slope.a for slope in inside), Decimal(0))
    net = amount - sum((slope.b for slope in inside), Decimal(0)) * bottom
    return Parted([slope.a * net + slope.b * bottom * divisor for slope in found], bottom * divisor)
