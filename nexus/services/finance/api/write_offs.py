"""Write-offs: commands and events."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from uuid import UUID

from nexus.core import Command, Event, Line


class WrittenOff(Event, frozen=True, kw_only=True):
    """An amount of an invoice or a bill has been given up."""

    topic = "finance.write_off.made"
    write_off_id: UUID
    invoice_id: UUID
    amount: Decimal
    currency: str
    date: dt.date
    reason: str
    number: str
    """Of its entry."""
    journal_entry_id: UUID


class WriteOffUndone(Event, frozen=True, kw_only=True):
    """What had been given up of an invoice or a bill is open again."""

    topic = "finance.write_off.undone"
    write_off_id: UUID
    invoice_id: UUID
    amount: Decimal
    currency: str
    number: str
    """Of the entry that takes it back."""


class WriteOffInvoice(Command[WrittenOff], frozen=True, kw_only=True):
    """Give up what is open of an invoice or a bill, or a part of it: the loss or gain is booked at once."""

    invoice_id: UUID
    amount: Decimal | None = None
    """In its currency; empty: all that is open."""
    date: dt.date | None = None
    """Empty: today."""
    reason: Line


class UndoWriteOff(Command[WriteOffUndone], frozen=True, kw_only=True):
    """Take a write-off back: its entry is reversed, and what it gave up is open again."""

    write_off_id: UUID
    date: dt.date | None = None
    """Empty: today."""
    reason: Line
