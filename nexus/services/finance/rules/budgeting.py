"""Control by budgets: whether a bill takes an account over what was planned for it."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from nexus.core import Conflict, FieldError, Forbidden, Tx, among, and_, exact, func, or_, select
from nexus.services.finance.api import BudgetExceeded
from nexus.services.finance.budget_terms import BudgetControl, BudgetStatus
from nexus.services.finance.entities import Account, AccountBalance, AccountingPeriod, Budget, BudgetLine, FiscalYear, Invoice
from nexus.services.finance.invoice_terms import InvoiceKind
from nexus.services.finance.terms import EntryLine, RootType

OVERRIDES = "finance.invoice:exceed_budget"
"""Who may post what a budget stands against."""


class OverBudget(Conflict):
    """Account {account} would come to {actual} {currency} with this bill, and {planned} are planned up to that period in {budget}."""

    account: str
    budget: str
    planned: str
    actual: str
    currency: str
    errors: list[FieldError]
    reason: str = ""


async def within_budgets(invoice: Invoice, lines: Sequence[EntryLine], tx: Tx) -> None:
    """Refuse (409) a bill that takes an account over a budget that controls it, or tell of it where the budget or the caller's rights let it pass.

    What counts is planned and came up to the end of the period of the bill. The budgets are held: of two bills at once, the second counts the first.
    """
    if invoice.kind is not InvoiceKind.PURCHASE_BILL:
        return
    mine = (Budget.company_id == invoice.company_id, Budget.status == BudgetStatus.APPROVED, Budget.control != BudgetControl.NONE)
    in_year = FiscalYear.starts_on <= invoice.date, FiscalYear.ends_on >= invoice.date, FiscalYear.company_id == invoice.company_id
    for budget in await tx.list(Budget, *mine, Budget.fiscal_year_id.in_(select(FiscalYear.id).where(*in_year)), lock=True):
        for row in await tx.rows(_so_far(budget.id, invoice, {line.account_id for line in lines})):
            center = UUID(row["cost_center_id"]) if row["cost_center_id"] else None
            added = _of(lines, UUID(row["account_id"]), center)
            planned, actual = Decimal(row["planned"]), Decimal(row["actual"]) + added
            if added > 0 and actual > planned:
                _exceeded(budget, invoice, row, planned, actual, tx)


def _of(lines: Sequence[EntryLine], account_id: UUID, cost_center_id: UUID | None) -> Decimal:
    """What a bill adds to an account, of one cost centre or of all."""
    mine = (line for line in lines if line.account_id == account_id and cost_center_id in (None, line.cost_center_id))
    return sum((line.debit - line.credit for line in mine), Decimal(0))


def _so_far(budget_id: UUID, invoice: Invoice, accounts: set[UUID]) -> Any:
    """What is planned for the accounts of a bill up to the end of its period, and what came: one row for each account and cost centre planned for."""
    line, period, kept = BudgetLine, AccountingPeriod, AccountBalance
    own = and_(period.company_id == invoice.company_id, period.starts_on <= invoice.date)
    plan = (
        select(line.account_id, line.cost_center_id, func.sum(line.amount).filter(own).label("planned"))
        .join(period, period.id == line.period_id)
        .where(line.budget_id == budget_id, among(line.account_id, accounts))
        .group_by(line.account_id, line.cost_center_id)
        .subquery("plan")
    )
    came = (
        select(func.sum(kept.debit - kept.credit))
        .join(period, period.id == kept.period_id)
        .join(Budget, Budget.fiscal_year_id == period.fiscal_year_id)
        .where(Budget.id == budget_id, own, kept.account_id == plan.c.account_id)
        .where(or_(plan.c.cost_center_id.is_(None), kept.cost_center_id == plan.c.cost_center_id))
        .scalar_subquery()
    )
    return (
        select(plan.c.account_id, plan.c.cost_center_id, Account.code, exact(func.coalesce(plan.c.planned, 0)).label("planned"))
        .add_columns(exact(func.coalesce(came, 0)).label("actual"))
        .join(Account, Account.id == plan.c.account_id)
        .where(among(Account.root_type, [RootType.EXPENSE, RootType.ASSET]))
        .order_by(Account.code, plan.c.cost_center_id)
    )


def _exceeded(budget: Budget, invoice: Invoice, row: dict[str, Any], planned: Decimal, actual: Decimal, tx: Tx) -> None:
    if budget.control is BudgetControl.REFUSE:
        try:
            tx.need(OVERRIDES)
        except Forbidden:
            facts = {"account": row["code"], "budget": budget.name, "planned": str(planned), "actual": str(actual)}
            error = FieldError("invoice_id", f"takes account {row['code']} to {actual}, of {planned} that are planned")
            raise OverBudget(**facts, currency=budget.currency, errors=[error]) from None
    tx.emit(
        BudgetExceeded(
            budget_id=budget.id,
            invoice_id=invoice.id,
            account_id=UUID(row["account_id"]),
            cost_center_id=UUID(row["cost_center_id"]) if row["cost_center_id"] else None,
            planned=planned,
            actual=actual,
            currency=budget.currency,
        )
    )
