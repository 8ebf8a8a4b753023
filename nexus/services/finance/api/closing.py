"""Closing fiscal years: commands and events."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from uuid import UUID

from nexus.core import Command, Event
from nexus.services.finance.api.periods import Reason


class FiscalYearClosed(Event, frozen=True, kw_only=True):
    """The result of a fiscal year has been carried to retained earnings, and nothing is posted in it any more."""

    topic = "finance.fiscal_year.closed"
    fiscal_year_id: UUID
    company_id: UUID
    name: str
    starts_on: dt.date
    ends_on: dt.date
    result: Decimal
    """Income less expenses, in the currency of the books."""
    currency: str
    journal_entry_id: UUID | None = None
    """The closing entry; empty where nothing had to be carried."""
    number: str | None = None


class FiscalYearReopened(Event, frozen=True, kw_only=True):
    """A closed fiscal year is open again: its closing entry has been taken back, and its periods can be reopened."""

    topic = "finance.fiscal_year.reopened"
    fiscal_year_id: UUID
    company_id: UUID
    name: str
    reason: str
    reversed_by_id: UUID | None = None
    """The entry that takes the closing entry back."""


class CloseFiscalYear(Command[FiscalYearClosed], frozen=True, kw_only=True):
    """Close a fiscal year: prove its books, carry its result to retained earnings by one entry of its last day, and close all its periods.

    It is refused while an earlier year is open, a draft is left in the year, or receivables or payables are not what is open on them.
    """

    fiscal_year_id: UUID


class ReopenFiscalYear(Command[FiscalYearReopened], frozen=True, kw_only=True):
    """Take the closing of a fiscal year back, for a reason. Its periods stay closed until they are reopened one by one."""

    fiscal_year_id: UUID
    reason: Reason
