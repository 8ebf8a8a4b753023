"""When what is owed falls due: payment terms, early payment, and cash that has no small coins."""

from __future__ import annotations

import calendar
import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from nexus.core.money import allocate, exactly, quotient
from nexus.pricing.refusals import Unpriceable, check_number


@dataclass(frozen=True, slots=True, kw_only=True)
class Instalment:
    """A part of what is owed: `percent` of it, due `days` after the document's date.

    With `end_of_month`, at the end of the month that day is in; with `day`, on that day of the month after it (the last one where the month is
    shorter). "30 days, end of month, the 10th" is days=30, end_of_month=True, day=10.
    """

    percent: Decimal
    days: int = 0
    end_of_month: bool = False
    day: int | None = None

    def __post_init__(self) -> None:
        check_number("percent", self.percent, 0, 100)
        if not 0 <= self.days <= 3650:
            raise Unpriceable("days", "is from 0 to 3650")
        if self.day is not None and not 1 <= self.day <= 31:
            raise Unpriceable("day", "is from 1 to 31")

    def due(self, date: dt.date) -> dt.date:
        """The day it falls due for a document of a date."""
        after = date + dt.timedelta(days=self.days)
        if self.day is not None:
            following = after.replace(day=1) + dt.timedelta(days=32)
            return _day_of(following, self.day)
        return _day_of(after, 31) if self.end_of_month else after


class Due(NamedTuple):
    """An instalment: when, and how much in the document's currency."""

    date: dt.date
    amount: Decimal


IMMEDIATELY = (Instalment(percent=Decimal(100)),)


def schedule(payable: Decimal, currency: str, instalments: Sequence[Instalment], date: dt.date) -> list[Due]:
    """What falls due when; the instalments add up to what is payable. Unpriceable where their percentages do not add up to 100."""
    if sum(one.percent for one in instalments) != 100:
        raise Unpriceable("instalments", "add up to 100 percent")
    amounts = allocate(payable, [one.percent for one in instalments], currency)
    return [Due(one.due(date), amount) for one, amount in zip(instalments, amounts, strict=True)]


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlyPayment:
    """A discount of `percent` for who pays within `days` of the document's date; `of_net` leaves the taxes out of it."""

    percent: Decimal
    days: int
    of_net: bool = False

    def __post_init__(self) -> None:
        check_number("percent", self.percent, 0, 100)
        if not 0 <= self.days <= 3650:
            raise Unpriceable("days", "is from 0 to 3650")

    def off(self, net: Decimal, payable: Decimal, currency: str) -> Decimal:
        """What may be left out of the payment."""
        with exactly():
            return quotient((net if self.of_net else payable) * self.percent, Decimal(100), currency)

    def until(self, date: dt.date) -> dt.date:
        """The last day on which it is granted."""
        return date + dt.timedelta(days=self.days)


class CashRounding(StrEnum):
    """Which coin is taken where the exact one does not exist; up is away from zero, so that a refund rounds as the sale did."""

    NEAREST = "nearest"
    UP = "up"
    DOWN = "down"


def cash(payable: Decimal, coin: Decimal, currency: str, rounding: CashRounding = CashRounding.NEAREST) -> Decimal:
    """What is paid where `coin` is the smallest one (0.05 CHF): the difference to what is payable is the rounding's gain or loss.

    Unpriceable where the coin is no amount of the currency.
    """
    if not coin.is_finite() or coin <= 0 or quotient(coin, Decimal(1), currency) != coin:
        raise Unpriceable("coin", f"is no amount of {currency}")
    whole, rest = divmod(abs(payable), coin)
    more = rest > 0 and (rounding is CashRounding.UP or (rounding is CashRounding.NEAREST and rest * 2 >= coin))
    return quotient(((whole + 1 if more else whole) * coin).copy_sign(payable), Decimal(1), currency)


def _day_of(month: dt.date, day: int) -> dt.date:
    return month.replace(day=min(day, calendar.monthrange(month.year, month.month)[1]))
