"""Fixed assets: commands and events."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from msgspec import Meta

from nexus.core import Command, Event, Line
from nexus.services.finance.asset_terms import DepreciationMethod

Months = Annotated[int, Meta(ge=1, le=1200)]
Place = Annotated[int, Meta(ge=0, le=10_000)]


class AssetCreated(Event, frozen=True, kw_only=True):
    """An asset has been written down; it is not in the register yet."""

    topic = "finance.asset.created"
    asset_id: UUID
    company_id: UUID
    name: str
    cost: Decimal
    currency: str


class AssetRevised(Event, frozen=True, kw_only=True):
    """What is written down of an asset has been changed before it was in the register."""

    topic = "finance.asset.revised"
    asset_id: UUID


class AssetDiscarded(Event, frozen=True, kw_only=True):
    """An asset that was never in the register has been thrown away."""

    topic = "finance.asset.discarded"
    asset_id: UUID


class AssetCapitalized(Event, frozen=True, kw_only=True):
    """An asset is in the register, and in use."""

    topic = "finance.asset.capitalized"
    asset_id: UUID
    company_id: UUID
    cost: Decimal
    currency: str
    date: dt.date
    journal_entry_id: UUID


class CapitalizationUndone(Event, frozen=True, kw_only=True):
    """An asset is no longer in the register, as it should not have been."""

    topic = "finance.asset.capitalization_undone"
    asset_id: UUID
    date: dt.date
    reason: str


class UsefulLifeChanged(Event, frozen=True, kw_only=True):
    """What is left of an asset is depreciated over another time from now on, or down to another value."""

    topic = "finance.asset.useful_life_changed"
    asset_id: UUID
    life_months: int
    residual_value: Decimal
    previous_life_months: int
    previous_residual_value: Decimal
    currency: str
    reason: str


class DepreciationPosted(Event, frozen=True, kw_only=True):
    """What a company's assets have lost up to a day is in the books."""

    topic = "finance.company.depreciation_posted"
    company_id: UUID
    depreciation_run_id: UUID | None
    """Empty where nothing was due."""
    on: dt.date
    assets: int
    amount: Decimal
    currency: str
    journal_entry_ids: list[UUID]


class DepreciationUndone(Event, frozen=True, kw_only=True):
    """A run of depreciation has been taken back."""

    topic = "finance.depreciation_run.undone"
    depreciation_run_id: UUID
    company_id: UUID
    amount: Decimal
    currency: str
    reason: str


class AssetDisposed(Event, frozen=True, kw_only=True):
    """An asset has been sold or scrapped."""

    topic = "finance.asset.disposed"
    asset_id: UUID
    company_id: UUID
    date: dt.date
    cost: Decimal
    depreciated: Decimal
    proceeds: Decimal
    gain: Decimal
    """Negative: a loss."""
    currency: str
    journal_entry_id: UUID


class DisposalUndone(Event, frozen=True, kw_only=True):
    """An asset that had been sold or scrapped is in use again."""

    topic = "finance.asset.disposal_undone"
    asset_id: UUID
    date: dt.date
    reason: str


class CreateAsset(Command[AssetCreated], frozen=True, kw_only=True):
    """Write an asset down, with the plan by which its cost becomes expense."""

    company_id: UUID | None = None
    """Empty: the business's first company."""
    name: Line
    acquired_on: dt.date
    cost: Decimal
    """In the currency of the books, without tax that is claimed back."""
    residual_value: Decimal = Decimal(0)
    """What it will still be worth in the end; land keeps all of its cost."""
    method: DepreciationMethod = DepreciationMethod.STRAIGHT_LINE
    factor: Decimal | None = None
    """Of a declining balance; empty: 2."""
    life_months: Months
    starts_on: dt.date | None = None
    """From when on it is used: of the first month its days count. Empty: the day it was acquired."""
    account_id: UUID | None = None
    """Empty: the account of the role fixed_assets."""
    accumulated_account_id: UUID | None = None
    """Empty: the account of the role accumulated_depreciation."""
    expense_account_id: UUID | None = None
    """Empty: the account of the role depreciation."""
    cost_center_id: UUID | None = None
    invoice_id: UUID | None = None
    """The bill that it came with."""
    line: Place | None = None
    """Its place in the bill, from 0."""


class ReviseAsset(Command[AssetRevised], frozen=True, kw_only=True):
    """Change an asset that is not in the register yet; what is not given stays."""

    asset_id: UUID
    name: Line | None = None
    acquired_on: dt.date | None = None
    cost: Decimal | None = None
    residual_value: Decimal | None = None
    method: DepreciationMethod | None = None
    factor: Decimal | None = None
    life_months: Months | None = None
    starts_on: dt.date | None = None
    account_id: UUID | None = None
    accumulated_account_id: UUID | None = None
    expense_account_id: UUID | None = None
    cost_center_id: UUID | None = None
    invoice_id: UUID | None = None
    line: Place | None = None


class DiscardAsset(Command[AssetDiscarded], frozen=True, kw_only=True):
    """Throw away an asset that was never in the register."""

    asset_id: UUID


class CapitalizeAsset(Command[AssetCapitalized], frozen=True, kw_only=True):
    """Put an asset into the register and into use: by what its bill or another entry has posted to its account, or by an entry of its own."""

    asset_id: UUID
    journal_entry_id: UUID | None = None
    """The entry that has its cost on its account already; empty: that of its bill."""
    credit_account_id: UUID | None = None
    """Where there is no such entry: the account that its cost is credited to, on the day it was acquired."""


class UndoCapitalization(Command[CapitalizationUndone], frozen=True, kw_only=True):
    """Take an asset out of the register again, as long as nothing of it is depreciated; an entry of its own is reversed."""

    asset_id: UUID
    date: dt.date | None = None
    """Empty: the day of the entry."""
    reason: Line


class ChangeUsefulLife(Command[UsefulLifeChanged], frozen=True, kw_only=True):
    """Depreciate what is left of an asset over another time, or down to another value; what has been depreciated stays."""

    asset_id: UUID
    remaining_months: Months
    """From the month of the next part on."""
    residual_value: Decimal | None = None
    """Empty: as it is."""
    reason: Line


class RunDepreciation(Command[DepreciationPosted], frozen=True, kw_only=True):
    """Post what a company's assets lose in the months up to a day, and in months that were missed, each once.

    Each month is posted on its last day, by one entry for all assets; where that is closed or locked, nothing is posted and the refusal says so.
    """

    company_id: UUID
    on: dt.date | None = None
    """Empty: today."""
    missed_on: dt.date | None = None
    """The day on which months that end before it are posted, where their own days are closed."""


class UndoDepreciation(Command[DepreciationUndone], frozen=True, kw_only=True):
    """Take a run of depreciation back, the latest first: its entries are reversed, and its months are due again."""

    depreciation_run_id: UUID
    date: dt.date | None = None
    """Empty: the day of each entry."""
    reason: Line


class DisposeAsset(Command[AssetDisposed], frozen=True, kw_only=True):
    """Sell or scrap an asset: it is depreciated up to that day, its cost and depreciation leave the books, and the gain or loss is booked."""

    asset_id: UUID
    date: dt.date | None = None
    """Empty: today."""
    proceeds: Decimal = Decimal(0)
    """What it is sold for, without tax; 0: it is scrapped."""
    proceeds_account_id: UUID | None = None
    """Where the proceeds are debited: a bank account, or the account to which the invoice of the sale was posted."""


class UndoDisposal(Command[DisposalUndone], frozen=True, kw_only=True):
    """Take a disposal back: its entries are reversed, and the asset is in use as it was before."""

    asset_id: UUID
    date: dt.date | None = None
    """Empty: the day of the disposal."""
    reason: Line
