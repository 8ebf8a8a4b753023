"""Allocations: which payment settles which invoice, and how much of it."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import ClassVar, Literal
from uuid import UUID

from nexus.core import CheckConstraint, Entity, Index, Mapped, f, sql
from nexus.services.finance.payment_terms import AllocationStatus


class Allocation(Entity):
    """A debit and a credit of one party that settle each other, up to an amount. It holds until it is undone."""

    __table_args__ = (
        Index("ix_finance_allocation_effective_from", "company_id", "effective_from"),
        Index(
            "ix_finance_allocation_effective_until", "company_id", "effective_until", postgresql_where=sql("effective_until IS NOT NULL")
        ),
        CheckConstraint("(status = 'undone') = (effective_until IS NOT NULL)", name="effective_until_once_undone"),
        CheckConstraint("amount > 0", name="amount_more_than_zero"),
        CheckConstraint("debit_line_id <> credit_line_id", name="debit_line_id_and_another"),
        CheckConstraint("debit_base >= 0 AND credit_base >= 0", name="debit_base_and_credit_base_not_negative"),
        CheckConstraint("(debit_base = credit_base) = (fx_entry_id IS NULL)", name="fx_entry_id_of_a_difference"),
    )
    removal: ClassVar[Literal["archive", "delete"] | None] = None
    creatable: ClassVar[bool] = False
    editable: ClassVar[bool] = False

    company_id: Mapped[UUID] = f.ref("finance.company", index=False, read_only=True)
    status: Mapped[AllocationStatus] = f.state(default=AllocationStatus.MADE, index=False)
    debit_line_id: Mapped[UUID] = f.ref("finance.journal_line", read_only=True)
    credit_line_id: Mapped[UUID] = f.ref("finance.journal_line", read_only=True)
    amount: Mapped[Decimal] = f.money(currency="currency", ge=Decimal(0), read_only=True)
    currency: Mapped[str] = f.currency(read_only=True)
    effective_from: Mapped[dt.date | None] = f.date(
        default=None,
        index=False,
        read_only=True,
        help="The day from which it counts: the later one of its two entries, where that is still open.",
    )
    effective_until: Mapped[dt.date | None] = f.date(
        default=None, index=False, read_only=True, help="Once undone: the day from which it no longer counts."
    )
    debit_base: Mapped[Decimal] = f.money(
        currency="base_currency", read_only=True, help="What the debit stood at in the base currency, as far as it is settled."
    )
    credit_base: Mapped[Decimal] = f.money(
        currency="base_currency", read_only=True, help="What the credit stood at, as far as it is settled."
    )
    base_currency: Mapped[str] = f.currency(read_only=True)
    fx_entry_id: Mapped[UUID | None] = f.ref(
        "finance.journal_entry",
        default=None,
        index=False,
        read_only=True,
        help="The entry of the exchange difference between the two, where there is one.",
    )
