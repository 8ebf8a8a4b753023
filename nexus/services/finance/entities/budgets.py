"""Budgets: what a fiscal year is planned to bring and to cost."""

from __future__ import annotations

from decimal import Decimal
from typing import ClassVar, Literal
from uuid import UUID

from nexus.core import Entity, Index, Mapped, UniqueConstraint, f, sql
from nexus.services.finance.budget_terms import BudgetControl, BudgetStatus


class Budget(Entity):
    """What a company plans for a fiscal year, account by account and period by period."""

    removal: ClassVar[Literal["archive", "delete"] | None] = None
    creatable: ClassVar[bool] = False
    editable: ClassVar[bool] = False
    __table_args__ = (
        UniqueConstraint("fiscal_year_id", "name"),
        Index("ix_finance_budget_control", "company_id", postgresql_where=sql("status = 'approved' AND control <> 'none'")),
    )

    company_id: Mapped[UUID] = f.ref("finance.company", index=False, read_only=True)
    fiscal_year_id: Mapped[UUID] = f.ref("finance.fiscal_year", index=False, read_only=True)
    name: Mapped[str] = f.text(120, read_only=True, search=True, example="Plan 2026")
    status: Mapped[BudgetStatus] = f.state(default=BudgetStatus.DRAFT, index=False)
    control: Mapped[BudgetControl] = f.enum_(BudgetControl, read_only=True)
    currency: Mapped[str] = f.currency(read_only=True, help="That of the books.")


class BudgetLine(Entity):
    """What an account is planned to bring or to cost in a period."""

    removal: ClassVar[Literal["archive", "delete"] | None] = None
    creatable: ClassVar[bool] = False
    editable: ClassVar[bool] = False
    __table_args__ = (Index("ix_finance_budget_line_budget_id", "budget_id", "account_id"),)

    budget_id: Mapped[UUID] = f.ref("finance.budget", index=False, read_only=True, on_delete="CASCADE")
    account_id: Mapped[UUID] = f.ref("finance.account", index=False, read_only=True)
    period_id: Mapped[UUID] = f.ref("finance.accounting_period", index=False, read_only=True)
    cost_center_id: Mapped[UUID | None] = f.ref("finance.cost_center", default=None, index=False, read_only=True)
    amount: Mapped[Decimal] = f.money(currency="currency", read_only=True, help="Income and expenses alike are positive.")
    currency: Mapped[str] = f.currency(read_only=True)
