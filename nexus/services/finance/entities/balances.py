"""Balances and series: what posting keeps up to date, so that no report adds up all lines.

Every row belongs to one journal, and whoever posts holds that journal: no two postings ever wait for each other's balances.
"""

from __future__ import annotations

from decimal import Decimal
from typing import ClassVar, Literal
from uuid import UUID

from nexus.core import Entity, Index, Mapped, UniqueConstraint, f


class AccountBalance(Entity):
    """What the entries of one journal have moved on an account in a period, in one currency and for one set of dimensions."""

    removal: ClassVar[Literal["archive", "delete"] | None] = None
    creatable: ClassVar[bool] = False
    editable: ClassVar[bool] = False
    __table_args__ = (
        UniqueConstraint("journal_id", "period_id", "account_id", "currency", "dimension_key"),
        Index("ix_finance_account_balance_account_id", "account_id", "period_id"),
        Index("ix_finance_account_balance_company_id", "company_id", "period_id"),
        {"postgresql_with": {"fillfactor": 70}},
    )

    company_id: Mapped[UUID] = f.ref("finance.company", index=False, read_only=True, on_delete="NOTHING")
    journal_id: Mapped[UUID] = f.ref("finance.journal", index=False, read_only=True)
    period_id: Mapped[UUID] = f.ref("finance.accounting_period", index=False, read_only=True, on_delete="NOTHING")
    account_id: Mapped[UUID] = f.ref("finance.account", index=False, read_only=True)
    debit: Mapped[Decimal] = f.money(currency="base_currency", ge=Decimal(0), read_only=True)
    credit: Mapped[Decimal] = f.money(currency="base_currency", ge=Decimal(0), read_only=True)
    base_currency: Mapped[str] = f.currency(read_only=True)
    currency: Mapped[str] = f.currency(read_only=True)
    amount: Mapped[Decimal] = f.money(currency="currency", read_only=True, help="In that currency: debits are positive, credits negative.")
    cost_center_id: Mapped[UUID | None] = f.ref("finance.cost_center", default=None, index=False, read_only=True)
    project_id: Mapped[UUID | None] = f.uuid(default=None, read_only=True)
    dimensions: Mapped[dict[str, str]] = f.json(dict[str, str], default_factory=dict, read_only=True)
    dimension_key: Mapped[str] = f.text(4000, read_only=True, help="Cost centre, project and dimensions as one text.")
    lines: Mapped[int] = f.int_(read_only=True, help="How many lines it is the sum of.")


class JournalHead(Entity):
    """Where the chain of a journal ends: the last entry's place and hash. Who posts in the journal holds it."""

    removal: ClassVar[Literal["archive", "delete"] | None] = None
    creatable: ClassVar[bool] = False
    editable: ClassVar[bool] = False
    __table_args__ = (UniqueConstraint("journal_id"), Index("ix_finance_journal_head_company_id", "company_id"))

    journal_id: Mapped[UUID] = f.ref("finance.journal", index=False, read_only=True)
    company_id: Mapped[UUID] = f.ref("finance.company", index=False, read_only=True, on_delete="NOTHING")
    position: Mapped[int] = f.int_(read_only=True)
    hash: Mapped[str] = f.text(64, read_only=True)


class JournalSeries(Entity):
    """The last number that a journal has given in a fiscal year."""

    plural: ClassVar[str] = "journal_numbers"
    removal: ClassVar[Literal["archive", "delete"] | None] = None
    creatable: ClassVar[bool] = False
    editable: ClassVar[bool] = False
    __table_args__ = (UniqueConstraint("journal_id", "fiscal_year_id"),)

    journal_id: Mapped[UUID] = f.ref("finance.journal", index=False, read_only=True)
    fiscal_year_id: Mapped[UUID] = f.ref("finance.fiscal_year", index=False, read_only=True, on_delete="NOTHING")
    last_number: Mapped[int] = f.int_(read_only=True)
