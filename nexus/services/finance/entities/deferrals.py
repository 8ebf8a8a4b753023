"""Deferrals: income and expenses of invoices that belong to other months."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import ClassVar, Literal
from uuid import UUID

from nexus.core import CheckConstraint, Entity, Index, Mapped, UniqueConstraint, f, sql
from nexus.services.finance.deferral_terms import DeferralStatus, DeferredPart, Spread


class DeferralSchedule(Entity):
    """What of an invoice's line is income or expense of later months: it waits on a balance sheet account and is recognised month by month."""

    removal: ClassVar[Literal["archive", "delete"] | None] = None
    creatable: ClassVar[bool] = False
    editable: ClassVar[bool] = False
    __table_args__ = (
        UniqueConstraint("invoice_id", "line"),
        Index("ix_finance_deferral_schedule_next_on", "company_id", "next_on", postgresql_where=sql("status = 'running'")),
        CheckConstraint("recognised <= amount AND recognised >= 0", name="recognised_within_its_amount"),
        CheckConstraint("(status = 'running') = (next_on IS NOT NULL)", name="next_on_while_running"),
        CheckConstraint("(status = 'done') = (recognised = amount)", name="recognised_when_done"),
    )

    company_id: Mapped[UUID] = f.ref("finance.company", index=False, read_only=True)
    invoice_id: Mapped[UUID] = f.ref("finance.invoice", index=False, read_only=True)
    line: Mapped[int] = f.int_(read_only=True, help="The place of its line, from 0.")
    status: Mapped[DeferralStatus] = f.state(default=DeferralStatus.RUNNING, index=False)
    starts_on: Mapped[dt.date] = f.date(read_only=True)
    ends_on: Mapped[dt.date] = f.date(read_only=True)
    spread: Mapped[Spread] = f.enum_(Spread, read_only=True)
    amount: Mapped[Decimal] = f.money(
        currency="currency", read_only=True, help="What the line comes to in the currency of the books, without tax."
    )
    currency: Mapped[str] = f.currency(read_only=True)
    recognised: Mapped[Decimal] = f.money(currency="currency", default=Decimal(0), read_only=True)
    parts: Mapped[list[DeferredPart]] = f.json(
        list[DeferredPart], read_only=True, help="What belongs to each month; they add up to the amount."
    )
    done: Mapped[int] = f.int_(default=0, read_only=True, help="How many of the parts have been recognised.")
    next_on: Mapped[dt.date | None] = f.date(default=None, read_only=True, help="The day of the next part.")
    account_id: Mapped[UUID] = f.ref("finance.account", index=False, read_only=True, help="The income or expense that it becomes.")
    deferred_account_id: Mapped[UUID] = f.ref("finance.account", index=False, read_only=True, help="Where it waits.")
    cost_center_id: Mapped[UUID | None] = f.ref("finance.cost_center", default=None, index=False, read_only=True)
    entry_id: Mapped[UUID] = f.ref("finance.journal_entry", index=False, read_only=True, help="The entry that moved it there.")


class DeferralEntry(Entity):
    """A part of a deferral that has been recognised: each once."""

    removal: ClassVar[Literal["archive", "delete"] | None] = None
    creatable: ClassVar[bool] = False
    editable: ClassVar[bool] = False
    __table_args__ = (UniqueConstraint("deferral_schedule_id", "part"),)

    deferral_schedule_id: Mapped[UUID] = f.ref("finance.deferral_schedule", index=False, read_only=True)
    part: Mapped[int] = f.int_(read_only=True, help="From 1.")
    date: Mapped[dt.date] = f.date(read_only=True)
    amount: Mapped[Decimal] = f.money(currency="currency", read_only=True)
    currency: Mapped[str] = f.currency(read_only=True)
    entry_id: Mapped[UUID | None] = f.ref(
        "finance.journal_entry", default=None, index=False, read_only=True, help="Empty where the part is nothing."
    )
