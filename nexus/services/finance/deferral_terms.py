"""The words of deferrals that entities and contracts share."""

from __future__ import annotations

import datetime as dt
import enum
from decimal import Decimal

from nexus.core import Value


class Spread(enum.StrEnum):
    """How an amount is spread over months: by the days of each that are in the time, or in equal parts."""

    DAYS = "days"
    EQUAL = "equal"


class DeferredPart(Value, frozen=True, kw_only=True):
    """What of a deferral belongs to a month."""

    on: dt.date
    """The last day of the month in the time: the part is recognised on it."""
    amount: Decimal


class DeferralStatus(enum.StrEnum):
    """Whether parts of a deferral are still to be recognised."""

    RUNNING = "running"
    DONE = "done"
