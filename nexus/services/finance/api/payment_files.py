"""Payment files: commands and events."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from msgspec import Meta

from nexus.core import Command, Event, Line
from nexus.services.finance.bank_terms import BillToPay


class PaymentFileMade(Event, frozen=True, kw_only=True):
    """A file has been made by which a bank is told to pay bills."""

    topic = "finance.payment_file.made"
    payment_file_id: UUID
    bank_account_id: UUID
    message_id: str
    transfer_count: int
    total: Decimal
    currency: str
    execute_on: dt.date


class PaymentFileExecuted(Event, frozen=True, kw_only=True):
    """A bank has executed a payment file, and its payments are in the books."""

    topic = "finance.payment_file.executed"
    payment_file_id: UUID
    bank_account_id: UUID
    payment_ids: list[UUID]


class PaymentFileCancelled(Event, frozen=True, kw_only=True):
    """A payment file goes to no bank, and its bills may be paid otherwise."""

    topic = "finance.payment_file.cancelled"
    payment_file_id: UUID
    bank_account_id: UUID
    reason: str


class MakePaymentFile(Command[PaymentFileMade], frozen=True, kw_only=True):
    """Make a file of SEPA credit transfers (pain.001.001.09) that pays bills from a bank account; a bill is in one such file at a time."""

    bank_account_id: UUID
    bills: Annotated[list[BillToPay], Meta(min_length=1, max_length=200)]
    execute_on: dt.date | None = None
    """Empty: today."""


class ExecutePaymentFile(Command[PaymentFileExecuted], frozen=True, kw_only=True):
    """Note that the bank has executed a payment file: each of its payments is recorded and allocated to its bill."""

    payment_file_id: UUID
    date: dt.date | None = None
    """Empty: the day on which it was to be executed."""


class CancelPaymentFile(Command[PaymentFileCancelled], frozen=True, kw_only=True):
    """Say that a payment file goes to no bank."""

    payment_file_id: UUID
    reason: Line
