"""The words of accounting that entities and contracts share."""

from __future__ import annotations

import datetime as dt
import enum
from decimal import Decimal
from typing import Annotated, TypeAlias
from uuid import UUID

from msgspec import Meta

from nexus.core import CurrencyCode, Line, Value
from nexus.core.values import NOT_BLANK


class RootType(enum.StrEnum):
    """On which statement an account stands, and on which side it grows."""

    ASSET = "asset"
    LIABILITY = "liability"
    EQUITY = "equity"
    INCOME = "income"
    EXPENSE = "expense"


class AccountType(enum.StrEnum):
    """What an account is for, so that rules find it."""

    BANK = "bank"
    CASH = "cash"
    RECEIVABLE = "receivable"
    PAYABLE = "payable"
    TAX = "tax"
    WITHHOLDING = "withholding"
    STOCK = "stock"
    GOODS_RECEIVED = "goods_received"
    COST_OF_SALES = "cogs"
    FIXED_ASSET = "fixed_asset"
    ACCUMULATED_DEPRECIATION = "accumulated_depreciation"
    DEPRECIATION = "depreciation"
    PREPAYMENT = "prepayment"
    ACCRUAL = "accrual"
    PAYROLL = "payroll"
    CAPITAL = "capital"
    RETAINED_EARNINGS = "retained_earnings"
    REVENUE = "revenue"
    FX_GAIN = "fx_gain"
    FX_LOSS = "fx_loss"
    ROUNDING = "rounding"
    CLEARING = "clearing"
    OTHER = "other"


class JournalType(enum.StrEnum):
    """What a journal records."""

    SALE = "sale"
    PURCHASE = "purchase"
    BANK = "bank"
    CASH = "cash"
    GENERAL = "general"


class PeriodStatus(enum.StrEnum):
    """Whether entries may be posted in a period."""

    OPEN = "open"
    CLOSED = "closed"


class LockScope(enum.StrEnum):
    """Which entries a lock date is about: all, those of sale or purchase journals, or those that touch tax accounts."""

    ALL = "all"
    TAX = "tax"
    SALE = "sale"
    PURCHASE = "purchase"


class EntryStatus(enum.StrEnum):
    """What an entry is: still to be changed, in the books, or in the books and taken back by another."""

    DRAFT = "draft"
    POSTED = "posted"
    REVERSED = "reversed"


class PartyType(enum.StrEnum):
    """Who a line is about."""

    CUSTOMER = "customer"
    SUPPLIER = "supplier"
    EMPLOYEE = "employee"
    OTHER = "other"


DimensionWord: TypeAlias = Annotated[str, Meta(min_length=1, max_length=60, pattern=NOT_BLANK)]


class EntryLine(Value, frozen=True, kw_only=True):
    """One amount of an entry: a debit or a credit in the company's base currency, and where another currency was agreed the amount in that."""

    account_id: UUID
    debit: Decimal = Decimal(0)
    credit: Decimal = Decimal(0)
    currency: CurrencyCode | None = None
    """Of `amount`; empty: the base currency."""
    amount: Decimal | None = None
    """In `currency`, negative where it is a credit. Without debit and credit these are made from it by the rate."""
    rate: Decimal | None = None
    """What one unit of `currency` is worth in the base currency; by default that of the two amounts, or the exchange rate of the day."""
    party_type: PartyType | None = None
    party_id: UUID | None = None
    due_date: dt.date | None = None
    cost_center_id: UUID | None = None
    project_id: UUID | None = None
    dimensions: Annotated[dict[DimensionWord, DimensionWord], Meta(max_length=8)] = {}
    memo: Line | None = None
