"""Reconciling what banks say with the books: commands and events."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from msgspec import Meta

from nexus.core import Command, Event, Line, Value
from nexus.services.finance.payment_terms import PaymentShare
from nexus.services.finance.terms import PartyType


class BankLineMatched(Event, frozen=True, kw_only=True):
    """It has been decided what a line of a bank statement is about."""

    topic = "finance.bank_statement_line.matched"
    bank_statement_line_id: UUID
    bank_account_id: UUID
    amount: Decimal
    currency: str


class BankLineDismissed(Event, frozen=True, kw_only=True):
    """What a line of a bank statement was said to be about is not so."""

    topic = "finance.bank_statement_line.dismissed"
    bank_statement_line_id: UUID
    bank_account_id: UUID


class BankLineReconciled(Event, frozen=True, kw_only=True):
    """A line of a bank statement is in the books."""

    topic = "finance.bank_statement_line.reconciled"
    bank_statement_line_id: UUID
    bank_account_id: UUID
    amount: Decimal
    currency: str
    booked_on: dt.date
    payment_id: UUID | None
    """The payment that was recorded for it."""
    journal_line_ids: list[UUID]
    """The lines of the books that say the same."""


class BankLineReopened(Event, frozen=True, kw_only=True):
    """A line of a bank statement is not reconciled any more, and what was booked for it has been taken back."""

    topic = "finance.bank_statement_line.reopened"
    bank_statement_line_id: UUID
    bank_account_id: UUID
    reason: str


class MatchesSuggested(Value, frozen=True, kw_only=True):
    """For how many open lines something speaks."""

    suggested: int


class SuggestMatches(Command[MatchesSuggested], frozen=True, kw_only=True):
    """Look again for what the open lines of a bank account may be about; what has been decided stays. Importing does so as well."""

    bank_account_id: UUID


class MatchBankLine(Command[BankLineMatched], frozen=True, kw_only=True):
    """Decide what a line of a bank statement is about: a payment of a party, an amount on an account, or lines that are in the books."""

    bank_statement_line_id: UUID
    party_type: PartyType | None = None
    """Empty: a customer of money that came in, a supplier of money that went out."""
    party_id: UUID | None = None
    allocations: Annotated[list[PaymentShare], Meta(max_length=200)] = []
    account_id: UUID | None = None
    memo: Line | None = None
    journal_line_ids: Annotated[list[UUID], Meta(max_length=200)] = []


class DismissMatch(Command[BankLineDismissed], frozen=True, kw_only=True):
    """Say that what is suggested or was decided of a line is not so."""

    bank_statement_line_id: UUID


class AcceptMatch(Command[BankLineReconciled], frozen=True, kw_only=True):
    """Reconcile a line of a bank statement with what is suggested or was decided: the payment is recorded, or the entry posted."""

    bank_statement_line_id: UUID
    rate: Decimal | None = None
    """What one unit of its currency is worth in that of the books; empty: the exchange rate of its day."""


class UndoReconciliation(Command[BankLineReopened], frozen=True, kw_only=True):
    """Take the reconciling of a line back, with the payment or the entry that was made for it; what was in the books before stays."""

    bank_statement_line_id: UUID
    date: dt.date | None = None
    """Of what takes it back; empty: the day of the line."""
    reason: Line
