"""The calendar of a fiscal year: where it begins and ends, and its months."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

_DAY = dt.timedelta(days=1)


def months_later(day: dt.date, months: int) -> dt.date:
    """The same day of a later month, or the month's last where it is shorter."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    following = dt.date(year + (month + 1) // 12, (month + 1) % 12 + 1, 1)
    return min(dt.date(year, month + 1, 1) + (day.day - 1) * _DAY, following - _DAY)


def year_around(day: dt.date, month: int, first: int) -> dt.date:
    """The first day of the fiscal year that a day is in, where years begin on the day `first` of a month."""
    start = dt.date(day.year, month, first)
    return start if start <= day else dt.date(day.year - 1, month, first)


def year_name(starts_on: dt.date, ends_on: dt.date) -> str:
    """`2026`, or `2026-27` where it ends in another calendar year."""
    return str(starts_on.year) if starts_on.year == ends_on.year else f"{starts_on.year}-{ends_on.year % 100:02}"


def months_of(starts_on: dt.date, ends_on: dt.date) -> Iterator[tuple[str, dt.date, dt.date]]:
    """The months of a year: name, first and last day. The last one ends with the year."""
    number, first = 0, starts_on
    while first <= ends_on:
        number += 1
        last = min(months_later(starts_on, number) - _DAY, ends_on)
        yield f"{first.year}-{first.month:02}", first, last
        first = last + _DAY
