"""Budgets against what came: from the balances that posting keeps."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Boolean, Uuid, type_coerce

from nexus.core import Query, Rows, Sight, among, and_, answers, case, cast, exact, func, null, or_, select, union_all
from nexus.services.finance.entities import (
    Account,
    AccountBalance,
    AccountingPeriod,
    Budget,
    BudgetLine,
    CostCenter,
    FiscalYear,
    JournalEntry,
    JournalLine,
)
from nexus.services.finance.rules.refusals import UnknownBudget
from nexus.services.finance.terms import RootType

_RESULT = (RootType.INCOME, RootType.EXPENSE)
_CREDITS = (RootType.INCOME, RootType.LIABILITY, RootType.EQUITY)


class BudgetVariance(Query, frozen=True, kw_only=True):
    """What a budget plans for each account and period, what came, and by how much that is more, in amounts and in percent of what is planned.

    Income and expenses alike are positive. A line without a cost centre is about the whole company; accounts of income and expenses of which nothing
    is planned are there as well. What closes the year is left out.
    """

    budget_id: UUID


@answers(BudgetVariance, needs="finance.budget:read")
def budget_variance(query: BudgetVariance, sight: Sight) -> Rows:
    came, line = _came(query.budget_id, sight).subquery("came"), BudgetLine
    matches = and_(
        came.c.account_id == line.account_id,
        came.c.period_id == line.period_id,
        or_(line.cost_center_id.is_(None), came.c.cost_center_id == line.cost_center_id),
    )
    planned = (
        select(line.account_id, line.period_id, line.cost_center_id, line.amount.label("budget"))
        .add_columns(func.coalesce(func.sum(came.c.amount), line.amount * 0).label("came"))
        .outerjoin(came, matches)
        .where(line.budget_id == query.budget_id, sight(line))
        .group_by(line.id)
    )
    somewhere = select(line.id).where(line.budget_id == query.budget_id, line.account_id == came.c.account_id, sight(line))
    unplanned = (
        select(came.c.account_id, came.c.period_id, cast(null(), Uuid()), func.sum(came.c.amount) * 0, func.sum(came.c.amount))
        .join(Account, Account.id == came.c.account_id)
        .where(among(Account.root_type, list(_RESULT)), ~somewhere.exists(), sight(Account))
        .group_by(came.c.account_id, came.c.period_id)
    )
    budgeted = union_all(planned, unplanned).subquery("budgeted")
    rows = budgeted.c
    actual = rows.came * case((among(Account.root_type, list(_CREDITS)), -1), else_=1)
    percent = case((rows.budget != 0, func.round(actual * 100 / rows.budget, 1)))
    return (
        select(Account.id.label("account_id"), Account.code, Account.name, CostCenter.code.label("cost_center"))
        .add_columns(AccountingPeriod.id.label("period_id"), AccountingPeriod.name.label("period"))
        .add_columns(exact(rows.budget).label("budget"), exact(actual).label("actual"))
        .add_columns(exact(actual - rows.budget).label("difference"), exact(percent).label("percent"))
        .join(budgeted, rows.account_id == Account.id)
        .join(AccountingPeriod, AccountingPeriod.id == rows.period_id)
        .outerjoin(CostCenter, and_(CostCenter.id == rows.cost_center_id, sight(CostCenter)))
        .where(_known(query.budget_id), sight(Account), sight(AccountingPeriod))
        .where(or_(rows.budget != 0, actual != 0))
        .order_by(Account.code, CostCenter.code.nulls_first(), AccountingPeriod.starts_on)
    )


def _known(budget_id: UUID) -> Any:
    """True where the budget is there; otherwise the database refuses, UnknownBudget (422)."""
    return type_coerce(func.tenant.finance_known_budget(cast(budget_id, Uuid()), UnknownBudget.__name__), Boolean())


def _came(budget_id: UUID, sight: Sight) -> Rows:
    """What the year of a budget has moved on accounts, period by period, debits less credits, without what closes the year."""
    kept, line, closing, year = AccountBalance, JournalLine, JournalEntry, FiscalYear
    moved = (
        select(kept.account_id, kept.period_id, kept.cost_center_id, (kept.debit - kept.credit).label("amount"))
        .join(AccountingPeriod, AccountingPeriod.id == kept.period_id)
        .join(Budget, Budget.fiscal_year_id == AccountingPeriod.fiscal_year_id)
        .where(Budget.id == budget_id, sight(kept), sight(AccountingPeriod), sight(Budget))
    )
    closed = (
        select(line.account_id, closing.period_id, line.cost_center_id, line.credit - line.debit)
        .join(closing, or_(line.entry_id == closing.id, line.entry_id == closing.reversed_by_id))
        .join(year, and_(closing.source_id == year.id, closing.source_entity == year.entity_name()))
        .join(Budget, Budget.fiscal_year_id == year.id)
        .where(Budget.id == budget_id, closing.number.is_not(None), sight(line), sight(closing), sight(year), sight(Budget))
    )
    c = union_all(moved, closed).subquery("all_moved").c
    return select(c.account_id, c.period_id, c.cost_center_id, func.sum(c.amount).label("amount")).group_by(
        c.account_id, c.period_id, c.cost_center_id
    )
