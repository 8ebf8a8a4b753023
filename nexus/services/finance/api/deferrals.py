"""Deferrals: commands and events."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from msgspec import Meta

from nexus.core import Command, Event
from nexus.services.finance.deferral_terms import Spread


class LineDeferred(Event, frozen=True, kw_only=True):
    """What a line of an invoice comes to is income or expense of other months."""

    topic = "finance.deferral_schedule.made"
    deferral_schedule_id: UUID
    company_id: UUID
    invoice_id: UUID
    line: int
    amount: Decimal
    currency: str
    starts_on: dt.date
    ends_on: dt.date
    journal_entry_id: UUID


class DeferralEnded(Event, frozen=True, kw_only=True):
    """All that was left of a deferral has been recognised at once."""

    topic = "finance.deferral_schedule.ended"
    deferral_schedule_id: UUID
    date: dt.date
    amount: Decimal
    currency: str


class DeferralsRecognized(Event, frozen=True, kw_only=True):
    """What of a company's deferrals belongs to the months up to a day has become income and expense."""

    topic = "finance.company.deferrals_recognized"
    company_id: UUID
    on: dt.date
    parts: int
    income: Decimal
    expense: Decimal
    currency: str


class DeferInvoiceLine(Command[LineDeferred], frozen=True, kw_only=True):
    """Spread what a line of a posted invoice or bill comes to, without tax, over the months of a time: it waits on the balance sheet until then."""

    invoice_id: UUID
    line: Annotated[int, Meta(ge=0, le=10_000)]
    """Its place, from 0."""
    starts_on: dt.date
    ends_on: dt.date
    spread: Spread = Spread.DAYS
    date: dt.date | None = None
    """When it is moved there; empty: the day of the invoice."""


class EndDeferral(Command[DeferralEnded], frozen=True, kw_only=True):
    """Recognise all that is left of a deferral at once, as when what was sold has been taken back."""

    deferral_schedule_id: UUID
    date: dt.date | None = None
    """Empty: today."""


class RecognizeDeferrals(Command[DeferralsRecognized], frozen=True, kw_only=True):
    """Recognise all parts of a company's deferrals that belong to the months up to a day, those that were missed too, each once.

    Each is posted on the last day of its month; where that is closed, on the first day that is open.
    """

    company_id: UUID
    on: dt.date | None = None
    """Empty: today."""
