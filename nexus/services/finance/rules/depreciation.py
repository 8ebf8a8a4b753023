"""Depreciation: what an asset loses in each month, to the last unit of its currency and never below its residual value."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from nexus.core.money import allocate, exactly, quotient
from nexus.services.finance.asset_terms import DepreciationMethod, DepreciationPart
from nexus.services.finance.rules.years import months_later

_DAY = dt.timedelta(days=1)
_YEAR = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a value is depreciated from a day on."""

    carrying: Decimal
    residual: Decimal
    currency: str
    starts_on: dt.date
    months: int
    method: DepreciationMethod
    factor: Decimal | None

    def parts(self) -> list[DepreciationPart]:
        """What is lost in each calendar month; the parts add up to what is carried less the residual value.

        Of the first month only the days from the first day on count, so that the rest of it stands in one month more at the end.
        """
        first = self.starts_on.replace(day=1)
        length = (months_later(first, 1) - first).days
        used = length - (self.starts_on.day - 1)
        amounts: dict[int, Decimal] = defaultdict(Decimal)
        begins = 0
        for months, amount in self._years():
            weights = [used, *[length] * (months - 1), length - used]
            for at, part in enumerate(allocate(amount, [Decimal(one) for one in weights], self.currency), begins):
                amounts[at] += part
            begins += months
        return [DepreciationPart(on=months_later(first, at + 1) - _DAY, amount=amount) for at, amount in sorted(amounts.items()) if amount]

    def _years(self) -> Iterator[tuple[int, Decimal]]:
        """How many months, and what is lost in them: a straight line at once, a declining balance year by year of its use."""
        if self.method is DepreciationMethod.STRAIGHT_LINE or self.factor is None:
            yield self.months, self.carrying - self.residual
            return
        left, carrying = self.months, self.carrying
        while left:
            months = min(_YEAR, left)
            with exactly():
                even = quotient((carrying - self.residual) * months, Decimal(left), self.currency)
                share = quotient(carrying * self.factor * months, Decimal(self.months), self.currency)
            amount = min(max(even, share), carrying - self.residual)
            yield months, amount
            left, carrying = left - months, carrying - amount


def part_up_to(part: DepreciationPart, starts_on: dt.date, day: dt.date, currency: str) -> Decimal:
    """What of a month's part belongs to the days up to one of that month, which counts."""
    first = max(part.on.replace(day=1), starts_on)
    if day < first:
        return Decimal(0)
    with exactly():
        return quotient(part.amount * ((day - first).days + 1), Decimal((part.on - first).days + 1), currency)
