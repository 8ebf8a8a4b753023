"""Invoices: commands and events."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from uuid import UUID

from nexus.core import Command, CurrencyCode, Event, Line, Problem, Prose, Value
from nexus.services.finance.invoice_terms import CreditedLine, InvoiceKind, InvoiceLine


class AlreadyBilled(Problem, status=409):
    """Invoice {invoice_id} bills this already; credit or cancel it first."""

    invoice_id: str


class InvoiceCreated(Event, frozen=True, kw_only=True):
    """An invoice, a bill or a note has been drawn up."""

    topic = "finance.invoice.created"
    invoice_id: UUID
    kind: InvoiceKind
    party_id: UUID
    total: Decimal
    payable: Decimal
    currency: str
    source_id: UUID | None = None


class InvoiceRevised(Event, frozen=True, kw_only=True):
    """A draft has been changed."""

    topic = "finance.invoice.revised"
    invoice_id: UUID
    total: Decimal
    payable: Decimal


class InvoiceCancelled(Event, frozen=True, kw_only=True):
    """A draft has been given up."""

    topic = "finance.invoice.cancelled"
    invoice_id: UUID
    source_id: UUID | None = None


class InvoicePosted(Event, frozen=True, kw_only=True):
    """An invoice is in the books: numbered, and never to be changed."""

    topic = "finance.invoice.posted"
    invoice_id: UUID
    kind: InvoiceKind
    number: str
    party_id: UUID
    total: Decimal
    payable: Decimal
    currency: str
    due_on: dt.date
    journal_entry_id: UUID
    source_id: UUID | None = None


class InvoiceCredited(Event, frozen=True, kw_only=True):
    """All or a part of an invoice has been taken back by a note."""

    topic = "finance.invoice.credited"
    invoice_id: UUID
    note_id: UUID
    number: str
    """Of the note."""
    total: Decimal
    currency: str


class CreateInvoice(Command[InvoiceCreated], frozen=True, kw_only=True):
    """Draw up an invoice to a customer, a supplier's bill, or a note that takes one back; its amounts are calculated from its lines."""

    kind: InvoiceKind = InvoiceKind.SALES_INVOICE
    company_id: UUID | None = None
    """Empty: the business's first company."""
    party_id: UUID
    party_name: Line
    date: dt.date | None = None
    """Empty: today."""
    delivered_on: dt.date | None = None
    """Empty: on its date."""
    currency: CurrencyCode | None = None
    """Empty: that of the company's books."""
    lines: list[InvoiceLine]
    discount_percent: Decimal = Decimal(0)
    discount_amount: Decimal = Decimal(0)
    payment_term_id: UUID | None = None
    """Empty: payable at once."""
    reference: Line | None = None
    notes: Prose | None = None
    source_id: UUID | None = None
    """Of an invoice to a customer: what it bills, which no other one does: a deal, a delivery."""


class ReviseInvoice(Command[InvoiceRevised], frozen=True, kw_only=True):
    """Change a draft; what is not given stays."""

    invoice_id: UUID
    party_id: UUID | None = None
    party_name: Line | None = None
    date: dt.date | None = None
    delivered_on: dt.date | None = None
    lines: list[InvoiceLine] | None = None
    discount_percent: Decimal | None = None
    discount_amount: Decimal | None = None
    payment_term_id: UUID | None = None
    reference: Line | None = None
    notes: Prose | None = None


class CancelInvoice(Command[InvoiceCancelled], frozen=True, kw_only=True):
    """Give up a draft. What has been posted is credited instead."""

    invoice_id: UUID


class DraftsCancelled(Value, frozen=True, kw_only=True):
    """How many drafts have been given up."""

    cancelled: int


class CancelDrafts(Command[DraftsCancelled], frozen=True, kw_only=True):
    """Give up the drafts that bill something; what has been posted stays."""

    source_id: UUID


class PostInvoice(Command[InvoicePosted], frozen=True, kw_only=True):
    """Write a draft into the books: it is numbered without gaps, its entry is posted with it, and it never changes afterwards."""

    invoice_id: UUID
    rate: Decimal | None = None
    """What one unit of its currency is worth in that of the books; empty: the exchange rate of its date."""


class CreditInvoice(Command[InvoiceCredited], frozen=True, kw_only=True):
    """Take back an invoice or a part of it by a note that is posted at once; its parts add up to the invoice to the cent."""

    invoice_id: UUID
    lines: list[CreditedLine] | None = None
    """Empty: all that has not been taken back."""
    date: dt.date | None = None
    """Empty: today."""
    reason: Line | None = None
