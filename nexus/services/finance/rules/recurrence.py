"""Recurrence: the days of something that comes again and again."""

from __future__ import annotations

import datetime as dt
from typing import Final

from nexus.services.finance.rules.years import months_later
from nexus.services.finance.subscription_terms import Cadence

_MONTHS: Final = {Cadence.MONTHS: 1, Cadence.QUARTERS: 3, Cadence.YEARS: 12}
_DAY: Final = dt.timedelta(days=1)


def occurrence(starts_on: dt.date, cadence: Cadence, interval: int, end_of_month: bool, number: int) -> dt.date:
    """The day of an occurrence, the first of which has the number 0. Each is counted from the start, so that a 31st comes again after February."""
    if cadence is Cadence.WEEKS:
        return starts_on + number * interval * 7 * _DAY
    day = months_later(starts_on, number * interval * _MONTHS[cadence])
    return months_later(day.replace(day=1), 1) - _DAY if end_of_month else day
