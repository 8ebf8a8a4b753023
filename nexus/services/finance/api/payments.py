"""Payments: commands and events."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from msgspec import Meta

from nexus.core import Command, CurrencyCode, Event, Line, Value
from nexus.services.finance.payment_terms import PaymentDirection, PaymentMethod, PaymentShare
from nexus.services.finance.terms import PartyType

Reference = Annotated[str, Meta(min_length=1, max_length=80, pattern=r"\S")]


class PaymentReceived(Event, frozen=True, kw_only=True):
    """Money has come in, and is in the books."""

    topic = "finance.payment.received"
    payment_id: UUID
    company_id: UUID
    party_type: PartyType
    party_id: UUID
    amount: Decimal
    currency: str
    date: dt.date
    number: str
    journal_entry_id: UUID


class PaymentMade(Event, frozen=True, kw_only=True):
    """Money has gone out, and is in the books."""

    topic = "finance.payment.made"
    payment_id: UUID
    company_id: UUID
    party_type: PartyType
    party_id: UUID
    amount: Decimal
    currency: str
    date: dt.date
    number: str
    journal_entry_id: UUID


class PaymentBounced(Event, frozen=True, kw_only=True):
    """A payment did not hold: an entry that mirrors its own has taken it back."""

    topic = "finance.payment.bounced"
    payment_id: UUID
    party_id: UUID
    amount: Decimal
    currency: str
    date: dt.date
    number: str
    """Of the entry that takes it back."""
    reason: str
    journal_entry_id: UUID


class PaymentRecorded(Value, frozen=True, kw_only=True):
    """A payment as it was booked."""

    payment_id: UUID
    number: str
    journal_entry_id: UUID
    unallocated: Decimal


class RecordPayment(Command[PaymentRecorded], frozen=True, kw_only=True):
    """Book money that was received from a customer or paid to a supplier, or a refund the other way round; its entry is posted at once."""

    direction: PaymentDirection
    method: PaymentMethod = PaymentMethod.BANK_TRANSFER
    company_id: UUID | None = None
    """Empty: that of the journal, or the business's first company."""
    journal_id: UUID | None = None
    """A journal of a bank account or a cash box; empty: the company's first one for that method."""
    party_type: PartyType | None = None
    """Customer or supplier; empty: a customer of money received, a supplier of money paid."""
    party_id: UUID
    amount: Decimal
    currency: CurrencyCode | None = None
    """Empty: that of the company's books."""
    rate: Decimal | None = None
    """What one unit of its currency is worth in that of the books; empty: the exchange rate of its date."""
    date: dt.date | None = None
    """Empty: today."""
    reference: Reference | None = None
    allocations: Annotated[list[PaymentShare], Meta(max_length=200)] = []
    """What it pays; the rest of it stays open until it is allocated."""


class BouncePayment(Command[PaymentBounced], frozen=True, kw_only=True):
    """Take a payment back that did not hold: a returned cheque, a debit that was refused, or one recorded by mistake."""

    payment_id: UUID
    date: dt.date | None = None
    """Empty: today."""
    reason: Line
