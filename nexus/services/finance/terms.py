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


class CashFlowSection(enum.StrEnum):
    """A part of the statement of cash flows."""

    OPERATING = "operating"
    INVESTING = "investing"
    FINANCING = "financing"


class LedgerRole(enum.StrEnum):
    """What rules look an account up by: where they post what no line, tax or journal has an account of its own for."""

    RECEIVABLE = "receivable"
    PAYABLE = "payable"
    BANK = "bank"
    CASH = "cash"
    SALES = "sales"
    PURCHASES = "purchases"
    COGS = "cogs"
    STOCK = "stock"
    GOODS_RECEIVED = "goods_received"
    SUSPENSE = "suspense"
    WRITE_OFF = "write_off"
    ROUNDING = "rounding"
    FX_GAIN = "fx_gain"
    FX_LOSS = "fx_loss"
    UNREALISED_FX_GAIN = "unrealised_fx_gain"
    UNREALISED_FX_LOSS = "unrealised_fx_loss"
    CAPITAL = "capital"
    RETAINED_EARNINGS = "retained_earnings"
    OPENING_BALANCE = "opening_balance"
    TAX_OUTPUT = "tax_output"
    TAX_INPUT = "tax_input"
    TAX_SETTLEMENT = "tax_settlement"
    WITHHOLDING_PAYABLE = "withholding_payable"
    WITHHOLDING_RECEIVABLE = "withholding_receivable"
    CUSTOMER_ADVANCES = "customer_advances"
    SUPPLIER_ADVANCES = "supplier_advances"
    DEFERRED_REVENUE = "deferred_revenue"
    DEFERRED_EXPENSE = "deferred_expense"
    ACCRUED_REVENUE = "accrued_revenue"
    ACCRUED_EXPENSE = "accrued_expense"
    FIXED_ASSETS = "fixed_assets"
    ACCUMULATED_DEPRECIATION = "accumulated_depreciation"
    DEPRECIATION = "depreciation"
    ASSET_DISPOSAL_GAIN = "asset_disposal_gain"
    ASSET_DISPOSAL_LOSS = "asset_disposal_loss"
    PAYROLL_PAYABLE = "payroll_payable"
    PAYROLL_TAX = "payroll_tax"
    SOCIAL_SECURITY = "social_security"
    WAGES = "wages"
    STOCK_ADJUSTMENT = "stock_adjustment"
    CASH_DIFFERENCE = "cash_difference"
    DISCOUNTS_GIVEN = "discounts_given"
    DISCOUNTS_TAKEN = "discounts_taken"
    BANK_CHARGES = "bank_charges"
    INTEREST_INCOME = "interest_income"
    INTEREST_EXPENSE = "interest_expense"
    INCOME_TAX = "income_tax"
    INCOME_TAX_PAYABLE = "income_tax_payable"
    BAD_DEBTS = "bad_debts"
    EXPENSE_CLAIMS = "expense_claims"
    OTHER_INCOME = "other_income"
    OTHER_EXPENSE = "other_expense"
    INTERCOMPANY = "intercompany"


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


class YearStatus(enum.StrEnum):
    """Whether the result of a year is still being made, or has been carried to retained earnings."""

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


class Subledger(enum.StrEnum):
    """What customers owe us, or we owe suppliers: the accounts of one kind, party by party."""

    RECEIVABLES = "receivables"
    PAYABLES = "payables"


class AgedBy(enum.StrEnum):
    """From which day on what is open grows old; what has no due date does from its own day."""

    DUE_DATE = "due_date"
    POSTING_DATE = "posting_date"


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
