"""Allocations: commands and events, and what they do to invoices."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from msgspec import Meta

from nexus.core import Command, Event
from nexus.services.finance.payment_terms import PaymentShare

Shares = Annotated[list[PaymentShare], Meta(min_length=1, max_length=200)]


class PaymentAllocated(Event, frozen=True, kw_only=True):
    """A payment has been allocated to what it pays."""

    topic = "finance.payment.allocated"
    payment_id: UUID
    invoice_ids: list[UUID]
    allocated: Decimal
    """By this."""
    unallocated: Decimal
    """What is left of the payment."""
    currency: str


class NoteAllocated(Event, frozen=True, kw_only=True):
    """A note has been allocated to what it lessens."""

    topic = "finance.invoice.allocated"
    note_id: UUID
    invoice_ids: list[UUID]
    allocated: Decimal
    """By this."""
    unallocated: Decimal
    """What is left of the note."""
    currency: str


class AllocationUndone(Event, frozen=True, kw_only=True):
    """What a payment and an invoice settled of each other is open again."""

    topic = "finance.allocation.undone"
    allocation_id: UUID
    amount: Decimal
    currency: str


class InvoicePartlyPaid(Event, frozen=True, kw_only=True):
    """A part of what is payable has been paid, or of a paid invoice a part is open again."""

    topic = "finance.invoice.partly_paid"
    invoice_id: UUID
    number: str
    residual: Decimal
    """What is still to be paid."""
    currency: str
    source_id: UUID | None = None


class InvoicePaid(Event, frozen=True, kw_only=True):
    """All that is payable has been paid."""

    topic = "finance.invoice.paid"
    invoice_id: UUID
    number: str
    payable: Decimal
    currency: str
    source_id: UUID | None = None


class InvoiceReversed(Event, frozen=True, kw_only=True):
    """All of an invoice has been taken back by its notes, and nothing was paid."""

    topic = "finance.invoice.reversed"
    invoice_id: UUID
    number: str
    payable: Decimal
    currency: str
    source_id: UUID | None = None


class InvoiceWrittenOff(Event, frozen=True, kw_only=True):
    """Nothing of an invoice is open any more, and some of it has been given up."""

    topic = "finance.invoice.written_off"
    invoice_id: UUID
    number: str
    payable: Decimal
    currency: str
    source_id: UUID | None = None


class InvoiceReopened(Event, frozen=True, kw_only=True):
    """Nothing of an invoice is settled any more, because what had been allocated to it was undone."""

    topic = "finance.invoice.reopened"
    invoice_id: UUID
    number: str
    residual: Decimal
    currency: str
    source_id: UUID | None = None


class AllocatePayment(Command[PaymentAllocated], frozen=True, kw_only=True):
    """Say which invoices, bills or notes a payment pays; whether they are paid follows from it."""

    payment_id: UUID
    allocations: Shares
    date: dt.date | None = None
    """Of exchange differences; empty: the later day of the payment and what it pays."""


class AllocateNote(Command[NoteAllocated], frozen=True, kw_only=True):
    """Say which invoices of its party what is left of a credit or debit note lessens."""

    invoice_id: UUID
    """The note."""
    allocations: Shares
    date: dt.date | None = None
    """Of exchange differences; empty: the later day of the note and what it lessens."""


class UndoAllocation(Command[AllocationUndone], frozen=True, kw_only=True):
    """Take an allocation back: what it settled is open again on both sides."""

    allocation_id: UUID
    date: dt.date | None = None
    """From when it no longer counts, and when an exchange difference is taken back. Empty: today."""
