"""The words of banking that entities and contracts share."""

from __future__ import annotations

import enum
from decimal import Decimal
from typing import Annotated, TypeAlias
from uuid import UUID

from msgspec import Meta
from stdnum import bic, iban
from stdnum.exceptions import ValidationError

from nexus.core import Line, Value
from nexus.services.finance.payment_terms import PaymentShare
from nexus.services.finance.terms import PartyType

ColumnName: TypeAlias = Annotated[str, Meta(min_length=1, max_length=60, pattern=r"\S")]


class StatementFormat(enum.StrEnum):
    """In which format a bank gives its statements."""

    CAMT053 = "camt053"
    MT940 = "mt940"
    OFX = "ofx"
    CSV = "csv"


class BankLineStatus(enum.StrEnum):
    """How far it is known what a line of a bank statement is about."""

    UNMATCHED = "unmatched"
    SUGGESTED = "suggested"
    MATCHED = "matched"
    RECONCILED = "reconciled"


class LinkStatus(enum.StrEnum):
    """Whether a line of a bank and one of the books are still said to be the same."""

    MADE = "made"
    UNDONE = "undone"


class PaymentFileStatus(enum.StrEnum):
    """Whether the payments of a file are still to be made."""

    MADE = "made"
    EXECUTED = "executed"
    CANCELLED = "cancelled"


class TransferStatus(enum.StrEnum):
    """Whether a bill is in a file that is still to be executed."""

    ORDERED = "ordered"
    CLOSED = "closed"


class BillToPay(Value, frozen=True, kw_only=True):
    """A bill that is to be paid by a file, and to which account."""

    invoice_id: UUID
    iban: Annotated[str, Meta(min_length=1, max_length=34)]
    """Of the supplier."""
    bic: Annotated[str, Meta(max_length=11)] | None = None
    amount: Decimal | None = None
    """Empty: all that is open."""


class BankMatch(Value, frozen=True, kw_only=True):
    """What a line of a bank statement is about: one of a payment, an amount on an account, or what is in the books already."""

    party_type: PartyType | None = None
    party_id: UUID | None = None
    """Whose payment it is; then it is recorded."""
    allocations: Annotated[list[PaymentShare], Meta(max_length=200)] = []
    """What the payment pays."""
    write_off_up_to: Decimal = Decimal(0)
    """What is left open of them is written off where it is no more than this."""
    account_id: UUID | None = None
    """The account that it is booked on, as a fee is."""
    memo: Line | None = None
    journal_line_ids: Annotated[list[UUID], Meta(max_length=200)] = []
    """The lines on the account of the bank that say the same; together they come to the same amount."""
    rule_id: UUID | None = None
    """The rule that says so."""
    score: Annotated[int, Meta(ge=0, le=100)] | None = None
    """Of a suggestion: how much speaks for it."""
    reasons: list[str] = []
    """What speaks for it."""


class DayOrder(enum.StrEnum):
    """How a CSV file writes days: 2026-11-30, 30.11.2026, 30/11/2026 or 11/30/2026."""

    ISO = "iso"
    DAY_DOTS = "day_dots"
    DAY_SLASHES = "day_slashes"
    MONTH_SLASHES = "month_slashes"


class Delimiter(enum.StrEnum):
    """What stands between the columns of a CSV file."""

    COMMA = "comma"
    SEMICOLON = "semicolon"
    TAB = "tab"
    BAR = "bar"


class DecimalMark(enum.StrEnum):
    """What stands before the decimals of an amount."""

    POINT = "point"
    COMMA = "comma"


class CsvLayout(Value, frozen=True, kw_only=True):
    """How a CSV file is written, and which of its columns says what; columns that are not there are left empty."""

    delimiter: Delimiter = Delimiter.COMMA
    decimal_mark: DecimalMark = DecimalMark.POINT
    days: DayOrder = DayOrder.ISO
    date: ColumnName = "date"
    value_date: ColumnName = "value_date"
    amount: ColumnName = "amount"
    """Negative where money went out."""
    paid_in: ColumnName | None = None
    """With `paid_out` instead of `amount`: two columns of positive amounts."""
    paid_out: ColumnName | None = None
    currency: ColumnName = "currency"
    name: ColumnName = "name"
    account: ColumnName = "account"
    text: ColumnName = "text"
    transaction_id: ColumnName = "transaction_id"
    end_to_end_id: ColumnName = "end_to_end_id"


def valid_iban(text: str) -> None:
    """ValueError where a text is no IBAN: country, length, structure and check digits."""
    try:
        right = iban.validate(text) == text
    except ValidationError:
        right = False
    if not right:
        raise ValueError(f"{text!r} is no IBAN; write it without spaces, as DE89370400440532013000")


def valid_bic(text: str) -> None:
    """ValueError where a text is no BIC of 8 or 11 characters."""
    if not bic.is_valid(text) or bic.compact(text) != text:
        raise ValueError(f"{text!r} is no BIC; write it as COBADEFFXXX")
