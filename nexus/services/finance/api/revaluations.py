"""Revaluation of what is held and owed in foreign currencies: command and event."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from uuid import UUID

from nexus.core import Command, CurrencyCode, Event, Value


class ClosingRate(Value, frozen=True, kw_only=True):
    """What one unit of a currency is worth in that of the books at the end of a day."""

    currency: CurrencyCode
    rate: Decimal


class CompanyRevalued(Event, frozen=True, kw_only=True):
    """What a company has and owes in foreign currencies has been valued at the rates of a day; the day after, that is taken back."""

    topic = "finance.company.revalued"
    company_id: UUID
    on: dt.date
    gain: Decimal
    """Unrealised, in the currency of the books, and so is the loss."""
    loss: Decimal
    currency: str
    journal_entry_id: UUID
    number: str
    reversed_by_id: UUID
    """The entry that takes it back on the day after."""


class RunRevaluation(Command[CompanyRevalued], frozen=True, kw_only=True):
    """Value what a company has and owes in foreign currencies at the rates of a day, usually the last of a period.

    The unrealised gain and loss are posted on that day, and taken back on the next. Run again, it posts what has come to differ since.
    """

    company_id: UUID
    on: dt.date
    rates: list[ClosingRate] = []
    """Those of currencies that are not to be taken from the exchange rates of that day."""
