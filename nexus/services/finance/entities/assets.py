"""Fixed assets: what is used for years, what it has cost, and what of that has been used up."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import ClassVar, Literal
from uuid import UUID

from nexus.core import CheckConstraint, Entity, Index, Mapped, f, sql
from nexus.services.finance.asset_terms import AssetMovementKind, AssetStatus, DepreciationMethod, DepreciationPart, RunStatus


class Asset(Entity):
    """Something that is used for years, with what it has cost and the plan by which that becomes expense."""

    removal: ClassVar[Literal["archive", "delete"] | None] = None
    creatable: ClassVar[bool] = False
    editable: ClassVar[bool] = False
    __table_args__ = (
        Index("ix_finance_asset_next_on", "company_id", "next_on", postgresql_where=sql("next_on IS NOT NULL")),
        CheckConstraint("cost > 0", name="cost_more_than_zero"),
        CheckConstraint("residual_value BETWEEN 0 AND cost", name="residual_value_within_its_cost"),
        CheckConstraint("depreciated BETWEEN 0 AND cost - residual_value", name="depreciated_down_to_its_residual_value"),
        CheckConstraint("status = 'in_use' OR next_on IS NULL", name="next_on_while_in_use"),
        CheckConstraint("status <> 'fully_depreciated' OR depreciated = cost - residual_value", name="depreciated_when_fully"),
        CheckConstraint("(status = 'disposed') = (disposed_on IS NOT NULL)", name="disposed_on_when_disposed"),
        CheckConstraint("(method = 'declining_balance') = (factor IS NOT NULL)", name="factor_of_a_declining_balance"),
    )

    company_id: Mapped[UUID] = f.ref("finance.company", index=False, read_only=True)
    name: Mapped[str] = f.text(200, read_only=True, search=True, example="Delivery van")
    status: Mapped[AssetStatus] = f.state(default=AssetStatus.DRAFT, index=False)
    account_id: Mapped[UUID] = f.ref("finance.account", index=False, read_only=True, help="Where its cost stands.")
    accumulated_account_id: Mapped[UUID] = f.ref("finance.account", index=False, read_only=True, help="Where its depreciation adds up.")
    expense_account_id: Mapped[UUID] = f.ref("finance.account", index=False, read_only=True, help="The expense that it becomes.")
    cost_center_id: Mapped[UUID | None] = f.ref("finance.cost_center", default=None, index=False, read_only=True)
    invoice_id: Mapped[UUID | None] = f.ref("finance.invoice", default=None, read_only=True, help="The bill that it came with.")
    line: Mapped[int | None] = f.int_(default=None, read_only=True, help="The place of its line in the bill, from 0.")
    acquired_on: Mapped[dt.date] = f.date(read_only=True)
    starts_on: Mapped[dt.date] = f.date(read_only=True, help="The day from which it is depreciated.")
    cost: Mapped[Decimal] = f.money(currency="currency", read_only=True)
    residual_value: Mapped[Decimal] = f.money(currency="currency", read_only=True, help="What it will still be worth in the end.")
    currency: Mapped[str] = f.currency(read_only=True, help="That of the books.")
    method: Mapped[DepreciationMethod] = f.enum_(DepreciationMethod, read_only=True)
    factor: Mapped[Decimal | None] = f.decimal(
        6, 4, default=None, read_only=True, help="Of a declining balance: how many times the rate of a straight line it is."
    )
    life_months: Mapped[int] = f.int_(read_only=True, help="How long it is used.")
    parts: Mapped[list[DepreciationPart]] = f.json(
        list[DepreciationPart], read_only=True, help="What it loses in each month; they add up to its cost less the residual value."
    )
    done: Mapped[int] = f.int_(default=0, read_only=True, help="How many of the parts have been posted.")
    depreciated: Mapped[Decimal] = f.money(currency="currency", default=Decimal(0), read_only=True)
    next_on: Mapped[dt.date | None] = f.date(default=None, read_only=True, help="When the next part is due.")
    entry_id: Mapped[UUID | None] = f.ref(
        "finance.journal_entry", default=None, index=False, read_only=True, help="The entry with its acquisition."
    )
    disposed_on: Mapped[dt.date | None] = f.date(default=None, read_only=True)
    proceeds: Mapped[Decimal | None] = f.money(currency="currency", default=None, read_only=True, help="What it was sold for.")
    disposal_entry_id: Mapped[UUID | None] = f.ref("finance.journal_entry", default=None, index=False, read_only=True)


class DepreciationRun(Entity):
    """What a company's assets have lost up to a day, posted at once: one entry for each day, in which an account stands once."""

    removal: ClassVar[Literal["archive", "delete"] | None] = None
    creatable: ClassVar[bool] = False
    editable: ClassVar[bool] = False

    company_id: Mapped[UUID] = f.ref("finance.company", read_only=True)
    status: Mapped[RunStatus] = f.state(default=RunStatus.POSTED, index=False)
    until: Mapped[dt.date] = f.date(read_only=True)
    amount: Mapped[Decimal] = f.money(currency="currency", read_only=True)
    currency: Mapped[str] = f.currency(read_only=True)


class AssetMovement(Entity):
    """A change of an asset's cost or of its accumulated depreciation, with the entry that says it in the books."""

    removal: ClassVar[Literal["archive", "delete"] | None] = None
    creatable: ClassVar[bool] = False
    editable: ClassVar[bool] = False
    __table_args__ = (
        Index("ix_finance_asset_movement_asset_id", "asset_id", "date"),
        Index("ix_finance_asset_movement_company_id", "company_id", "date"),
        Index("ix_finance_asset_movement_entry_id", "entry_id", "id"),
        Index(
            "ix_finance_asset_movement_run_id",
            "depreciation_run_id",
            postgresql_where=sql("depreciation_run_id IS NOT NULL"),
        ),
        Index(
            "uq_finance_asset_movement_part", "asset_id", "part", unique=True, postgresql_where=sql("part IS NOT NULL AND NOT taken_back")
        ),
    )

    company_id: Mapped[UUID] = f.ref("finance.company", index=False, read_only=True)
    asset_id: Mapped[UUID] = f.ref("finance.asset", index=False, read_only=True)
    kind: Mapped[AssetMovementKind] = f.enum_(AssetMovementKind, read_only=True)
    date: Mapped[dt.date] = f.date(read_only=True)
    cost: Mapped[Decimal] = f.money(currency="currency", read_only=True, help="By how much its cost changed.")
    depreciation: Mapped[Decimal] = f.money(currency="currency", read_only=True, help="By how much its accumulated depreciation changed.")
    currency: Mapped[str] = f.currency(read_only=True)
    account_id: Mapped[UUID] = f.ref("finance.account", index=False, read_only=True)
    accumulated_account_id: Mapped[UUID] = f.ref("finance.account", index=False, read_only=True)
    part: Mapped[int | None] = f.int_(default=None, read_only=True, help="Which part of the plan it is, from 1.")
    depreciation_run_id: Mapped[UUID | None] = f.ref("finance.depreciation_run", default=None, index=False, read_only=True)
    entry_id: Mapped[UUID] = f.ref("finance.journal_entry", index=False, read_only=True)
    taken_back: Mapped[bool] = f.bool_(default=False, read_only=True, help="Another movement takes it back.")
