"""Spreading: an amount over the months of a time, to the last unit of its currency."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from nexus.core.money import allocate
from nexus.services.finance.deferral_terms import DeferredPart, Spread
from nexus.services.finance.rules.years import months_later

_DAY = dt.timedelta(days=1)


def spread(amount: Decimal, currency: str, starts_on: dt.date, ends_on: dt.date, how: Spread) -> list[DeferredPart]:
    """The parts of an amount, one for each calendar month that has a day in the time; they add up to it (largest remainder)."""
    months: list[tuple[dt.date, int]] = []
    first = starts_on
    while first <= ends_on:
        following = months_later(first.replace(day=1), 1)
        last = min(following - _DAY, ends_on)
        months.append((last, (last - first).days + 1))
        first = following
    weights = [Decimal(days) if how is Spread.DAYS else Decimal(1) for _, days in months]
    amounts = allocate(amount, weights, currency)
    return [DeferredPart(on=on, amount=part) for (on, _), part in zip(months, amounts, strict=True)]
