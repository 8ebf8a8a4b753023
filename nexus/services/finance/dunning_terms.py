"""The words of dunning that entities and contracts share."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from uuid import UUID

from nexus.core import Value


class DunnedItem(Value, frozen=True, kw_only=True):
    """An overdue invoice of a notice."""

    invoice_id: UUID
    number: str
    due_on: dt.date
    """The earliest instalment that is open and due."""
    days_overdue: int
    currency: str
    open: Decimal
    """What of it is overdue, in its currency."""
    base_open: Decimal
    """The same in the currency of the books, in which the interest is too."""
    level: int
    raised: bool
    """Whether it has come to this level with this notice."""
    interest: Decimal = Decimal(0)
