"""Budgets: commands and events."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated
from uuid import UUID

from msgspec import Meta

from nexus.core import Command, Event, Line
from nexus.services.finance.budget_terms import BudgetControl, PlannedAmount

Planned = Annotated[list[PlannedAmount], Meta(max_length=10_000)]


class BudgetCreated(Event, frozen=True, kw_only=True):
    """A budget has been drawn up."""

    topic = "finance.budget.created"
    budget_id: UUID
    company_id: UUID
    fiscal_year_id: UUID
    name: str


class BudgetRevised(Event, frozen=True, kw_only=True):
    """A budget that is being drawn up has been changed."""

    topic = "finance.budget.revised"
    budget_id: UUID


class BudgetDiscarded(Event, frozen=True, kw_only=True):
    """A budget that was being drawn up has been thrown away."""

    topic = "finance.budget.discarded"
    budget_id: UUID


class BudgetApproved(Event, frozen=True, kw_only=True):
    """A budget is agreed."""

    topic = "finance.budget.approved"
    budget_id: UUID
    company_id: UUID
    fiscal_year_id: UUID


class BudgetReopened(Event, frozen=True, kw_only=True):
    """A budget that was agreed is drawn up again."""

    topic = "finance.budget.reopened"
    budget_id: UUID
    reason: str


class BudgetExceeded(Event, frozen=True, kw_only=True):
    """A bill has taken an account over what was planned for it up to the end of that period."""

    topic = "finance.budget.exceeded"
    budget_id: UUID
    invoice_id: UUID
    account_id: UUID
    cost_center_id: UUID | None
    planned: Decimal
    actual: Decimal
    """With the bill."""
    currency: str


class CreateBudget(Command[BudgetCreated], frozen=True, kw_only=True):
    """Draw up a budget for a fiscal year."""

    fiscal_year_id: UUID
    name: Line
    control: BudgetControl = BudgetControl.NONE
    lines: Planned = []


class ReviseBudget(Command[BudgetRevised], frozen=True, kw_only=True):
    """Change a budget that is being drawn up; what is not given stays, and lines replace all that are there."""

    budget_id: UUID
    name: Line | None = None
    control: BudgetControl | None = None
    lines: Planned | None = None


class DiscardBudget(Command[BudgetDiscarded], frozen=True, kw_only=True):
    """Throw away a budget that is being drawn up."""

    budget_id: UUID


class ApproveBudget(Command[BudgetApproved], frozen=True, kw_only=True):
    """Agree to a budget: it changes no more, and controls bills where it says so."""

    budget_id: UUID


class ReopenBudget(Command[BudgetReopened], frozen=True, kw_only=True):
    """Draw up a budget again that was agreed."""

    budget_id: UUID
    reason: Line
