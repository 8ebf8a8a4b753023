"""The words of accounting that entities and contracts share."""

from __future__ import annotations

import enum


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
