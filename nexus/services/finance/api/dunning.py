"""Dunning: command and events."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from uuid import UUID

from nexus.core import Command, Event
from nexus.services.finance.dunning_terms import DunnedItem


class DunningIssued(Event, frozen=True, kw_only=True):
    """A customer is to be reminded of what is overdue."""

    topic = "finance.dunning.issued"
    dunning_id: UUID
    company_id: UUID
    date: dt.date
    party_id: UUID
    party_name: str
    level: int
    text_key: str
    items: list[DunnedItem]
    open: Decimal
    fee: Decimal
    interest: Decimal
    currency: str
    charge_id: UUID | None = None
    """The invoice over fee and interest."""


class CompanyDunned(Event, frozen=True, kw_only=True):
    """A company's customers have been dunned as of a day."""

    topic = "finance.company.dunned"
    company_id: UUID
    on: dt.date
    notices: int
    invoices: int
    """That have come to their next level."""
    fees: Decimal
    interest: Decimal
    currency: str


class IssueDunning(Command[CompanyDunned], frozen=True, kw_only=True):
    """Remind a company's customers of all that was overdue at the end of a day: one notice each, where an invoice comes to its next dunning level.

    An invoice goes up by one level at a time, and never comes to the same again. Those with a dunning block are left out. Fee and interest of
    the levels are invoiced with the notice. Run again for the same day, it finds nothing more to do.
    """

    company_id: UUID
    on: dt.date | None = None
    """Empty: today; no later day."""
