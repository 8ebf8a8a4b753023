"""Entries and their lines: what is written in the books."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import ClassVar, Literal
from uuid import UUID

from nexus.core import CheckConstraint, Entity, Index, Mapped, UniqueConstraint, f, sql
from nexus.services.finance.terms import EntryLine, EntryStatus, PartyType


class JournalEntry(Entity):
    """What happened on a day, as amounts that balance. Once posted it never changes: it can only be reversed."""

    plural: ClassVar[str] = "journal_entries"
    removal: ClassVar[Literal["archive", "delete"] | None] = None
    creatable: ClassVar[bool] = False
    editable: ClassVar[bool] = False
    __table_args__ = (
        Index("ix_finance_journal_entry_journal_id", "journal_id", "date"),
        Index("uq_finance_journal_entry_position", "journal_id", "position", unique=True, postgresql_where=sql("position IS NOT NULL")),
        Index("uq_finance_journal_entry_number", "company_id", "number", unique=True, postgresql_where=sql("number IS NOT NULL")),
        Index("uq_finance_journal_entry_reversal_of_id", "reversal_of_id", unique=True, postgresql_where=sql("status <> 'draft'")),
        Index(
            "ix_finance_journal_entry_reversal",
            "company_id",
            "date",
            postgresql_where=sql("reversal_of_id IS NOT NULL OR reversed_by_id IS NOT NULL"),
        ),
        Index("ix_finance_journal_entry_source_id", "source_id", postgresql_where=sql("source_id IS NOT NULL")),
        CheckConstraint("(source_entity IS NULL) = (source_id IS NULL)", name="source_entity_with_its_id"),
    )

    company_id: Mapped[UUID] = f.ref("finance.company", index=False, read_only=True, on_delete="NOTHING")
    journal_id: Mapped[UUID] = f.ref("finance.journal", index=False, read_only=True)
    date: Mapped[dt.date] = f.date(read_only=True)
    status: Mapped[EntryStatus] = f.state(default=EntryStatus.DRAFT, index=False)
    reference: Mapped[str | None] = f.text(200, default=None, read_only=True, search=True, example="INV-1042")
    memo: Mapped[str | None] = f.text(500, default=None, read_only=True)
    lines: Mapped[list[EntryLine]] = f.json(
        list[EntryLine], default_factory=list, read_only=True, help="Of a draft. Those of a posted entry are its journal lines."
    )
    source_entity: Mapped[str | None] = f.text(80, default=None, read_only=True, pattern=r"^[a-z_]+\.[a-z_]+$", example="finance.invoice")
    source_id: Mapped[UUID | None] = f.uuid(
        default=None, read_only=True, help="The document it was made from, of the entity named beside it."
    )
    reversal_of_id: Mapped[UUID | None] = f.ref("finance.journal_entry", default=None, index=False, read_only=True)
    reversed_by_id: Mapped[UUID | None] = f.ref("finance.journal_entry", default=None, index=False, read_only=True, on_delete="NOTHING")
    number: Mapped[str | None] = f.text(60, default=None, read_only=True, example="SAL/2026/00042")
    sequence: Mapped[int | None] = f.int_(
        default=None, read_only=True, help="Its place among the journal's entries of the fiscal year, without gaps."
    )
    currency: Mapped[str | None] = f.currency(default=None, read_only=True, help="The base currency of the company.")
    total: Mapped[Decimal | None] = f.money(currency="currency", default=None, read_only=True, help="The sum of its debits.")
    fiscal_year_id: Mapped[UUID | None] = f.ref("finance.fiscal_year", default=None, index=False, read_only=True, on_delete="NOTHING")
    period_id: Mapped[UUID | None] = f.ref("finance.accounting_period", default=None, index=False, read_only=True, on_delete="NOTHING")
    posted_at: Mapped[dt.datetime | None] = f.instant(default=None, read_only=True)
    posted_by: Mapped[UUID | None] = f.ref("auth.user", default=None, index=False, read_only=True)
    position: Mapped[int | None] = f.int_(default=None, read_only=True, help="Its place in the chain of its journal, from 1.")
    prev_hash: Mapped[str | None] = f.text(64, default=None, read_only=True, help="The hash of the entry before it in the chain.")
    hash: Mapped[str | None] = f.text(64, default=None, read_only=True, help="SHA-256 of the hash before it and of what it says.")


class JournalLine(Entity):
    """One amount of a posted entry, on one account."""

    removal: ClassVar[Literal["archive", "delete"] | None] = None
    creatable: ClassVar[bool] = False
    editable: ClassVar[bool] = False
    __table_args__ = (
        UniqueConstraint("entry_id", "position"),
        Index("ix_finance_journal_line_account_id", "account_id", "date", "id"),
        Index("ix_finance_journal_line_party_id", "party_id", "account_id", "date", postgresql_where=sql("party_id IS NOT NULL")),
        Index("ix_finance_journal_line_open", "account_id", "party_id", postgresql_where=sql("residual <> 0 OR residual_base <> 0")),
        CheckConstraint("debit * credit = 0", name="debit_or_credit"),
        CheckConstraint("debit + credit > 0", name="debit_or_credit_is_there"),
        CheckConstraint("(debit - credit) * amount >= 0", name="amount_on_the_same_side"),
        CheckConstraint("rate > 0", name="rate_more_than_zero"),
        CheckConstraint("residual * amount >= 0 AND abs(residual) <= abs(amount)", name="residual_within_its_amount"),
        CheckConstraint(
            "residual_base * (debit - credit) >= 0 AND abs(residual_base) <= debit + credit AND (residual IS NULL) = (residual_base IS NULL)",
            name="residual_base_within_its_value",
        ),
        CheckConstraint("residual <> 0 OR amount = 0 OR residual_base = 0", name="residual_base_nothing_once_settled"),
        CheckConstraint("(party_id IS NULL) = (party_type IS NULL)", name="party_id_with_its_type"),
    )

    entry_id: Mapped[UUID] = f.ref("finance.journal_entry", index=False, read_only=True)
    position: Mapped[int] = f.int_(read_only=True, help="From 1, in the order given.")
    account_id: Mapped[UUID] = f.ref("finance.account", index=False, read_only=True)
    date: Mapped[dt.date] = f.date(read_only=True)
    debit: Mapped[Decimal] = f.money(currency="base_currency", ge=Decimal(0), read_only=True)
    credit: Mapped[Decimal] = f.money(currency="base_currency", ge=Decimal(0), read_only=True)
    base_currency: Mapped[str] = f.currency(read_only=True)
    currency: Mapped[str] = f.currency(read_only=True, help="In which it was agreed or paid.")
    amount: Mapped[Decimal] = f.money(currency="currency", read_only=True, help="In that currency: debits are positive, credits negative.")
    rate: Mapped[Decimal] = f.decimal(20, 10, read_only=True, help="What one unit of that currency was worth in the base currency.")
    party_type: Mapped[PartyType | None] = f.enum_(PartyType, default=None, read_only=True)
    party_id: Mapped[UUID | None] = f.uuid(default=None, read_only=True)
    due_date: Mapped[dt.date | None] = f.date(default=None, read_only=True)
    cost_center_id: Mapped[UUID | None] = f.ref("finance.cost_center", default=None, index=False, read_only=True)
    project_id: Mapped[UUID | None] = f.uuid(default=None, read_only=True)
    dimensions: Mapped[dict[str, str]] = f.json(dict[str, str], default_factory=dict, read_only=True)
    memo: Mapped[str | None] = f.text(200, default=None, read_only=True)
    residual: Mapped[Decimal | None] = f.money(
        currency="currency",
        default=None,
        read_only=True,
        help="What of a receivable or payable is not allocated yet; empty on other lines.",
    )
    residual_base: Mapped[Decimal | None] = f.money(
        currency="base_currency", default=None, read_only=True, help="What that stands at in the base currency."
    )
