"""Budgets: drawn up, agreed to, and drawn up again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Final
from uuid import UUID

from nexus.core import FieldError, Invalid, Problem, Tx, among, amount, delete, handles
from nexus.core.money import allocate
from nexus.services.finance.api import (
    ApproveBudget,
    BudgetApproved,
    BudgetCreated,
    BudgetDiscarded,
    BudgetReopened,
    BudgetRevised,
    CreateBudget,
    DiscardBudget,
    ReopenBudget,
    ReviseBudget,
)
from nexus.services.finance.budget_terms import PlannedAmount
from nexus.services.finance.entities import Account, AccountingPeriod, Budget, BudgetLine, Company, CostCenter, FiscalYear
from nexus.services.finance.flows import budget_flow

_MANY: Final = 100_000
_Place = tuple[UUID, UUID, UUID | None]
"""An account, a period and a cost centre."""


class BudgetNameTaken(Problem, status=409):
    """The fiscal year has a budget called {name} already."""

    name: str


@handles(CreateBudget, needs="finance.budget:create")
async def create_budget(cmd: CreateBudget, tx: Tx) -> BudgetCreated:
    year = await tx.get(FiscalYear, cmd.fiscal_year_id, lock=True)  # two of one name at once would not see each other
    company = await tx.get(Company, year.company_id)
    await _free(year.id, cmd.name, tx)
    made = Budget(company_id=company.id, fiscal_year_id=year.id, name=cmd.name, control=cmd.control, currency=company.base_currency)
    plan = await _plan(made, cmd.lines, tx)
    tx.add(made)
    _keep(made, plan, tx)
    return tx.emit(BudgetCreated(budget_id=made.id, company_id=company.id, fiscal_year_id=year.id, name=made.name))


async def _free(year_id: UUID, name: str, tx: Tx) -> None:
    if await tx.find(Budget, Budget.fiscal_year_id == year_id, Budget.name == name):
        raise BudgetNameTaken(name=name)


async def _plan(budget: Budget, lines: Sequence[PlannedAmount], tx: Tx) -> dict[_Place, Decimal]:
    """What is planned for each place; what is planned for a year is spread over its periods to the cent. Invalid (422) names the lines."""
    own = AccountingPeriod.fiscal_year_id == budget.fiscal_year_id
    periods = [one.id for one in await tx.list(AccountingPeriod, own, order_by=[AccountingPeriod.starts_on])]
    await _known(budget, lines, periods, tx)
    plan: dict[_Place, Decimal] = defaultdict(Decimal)
    for at, line in enumerate(lines):
        value = amount(line.amount, budget.currency, f"lines[{at}].amount")
        for period, part in _spread(value, line, periods, budget.currency):
            plan[line.account_id, period, line.cost_center_id] += part
    return plan


def _spread(value: Decimal, line: PlannedAmount, periods: Sequence[UUID], currency: str) -> Iterator[tuple[UUID, Decimal]]:
    if line.period_id is not None:
        yield line.period_id, value
        return
    yield from zip(periods, allocate(value, [Decimal(1)] * len(periods), currency), strict=True)


async def _known(budget: Budget, lines: Sequence[PlannedAmount], periods: Sequence[UUID], tx: Tx) -> None:
    """Refuse (422) accounts and cost centres that are none of the company's, and periods of another fiscal year."""
    named = {one.account_id for one in lines}, {one.cost_center_id for one in lines if one.cost_center_id}
    accounts = await tx.list(
        Account, Account.company_id == budget.company_id, Account.is_group.is_(False), among(Account.id, named[0]), limit=_MANY
    )
    centers = await tx.list(CostCenter, CostCenter.company_id == budget.company_id, among(CostCenter.id, named[1]), limit=_MANY)
    known_accounts, known_centers = {one.id for one in accounts}, {one.id for one in centers}
    wrong: list[FieldError] = []
    for at, line in enumerate(lines):
        if line.account_id not in known_accounts:
            wrong.append(FieldError(f"lines[{at}].account_id", "is no account of this company that takes postings"))
        if line.period_id is not None and line.period_id not in periods:
            wrong.append(FieldError(f"lines[{at}].period_id", "is not in the fiscal year"))
        if line.cost_center_id is not None and line.cost_center_id not in known_centers:
            wrong.append(FieldError(f"lines[{at}].cost_center_id", "is none of this company's"))
    if wrong:
        raise Invalid.of(*wrong)


def _keep(budget: Budget, plan: dict[_Place, Decimal], tx: Tx) -> None:
    for (account, period, center), value in plan.items():
        if value:
            line = BudgetLine(budget_id=budget.id, account_id=account, period_id=period, amount=value, currency=budget.currency)
            line.cost_center_id = center
            tx.add(line)


@handles(ReviseBudget, needs="finance.budget:revise")
async def revise_budget(cmd: ReviseBudget, tx: Tx) -> BudgetRevised:
    budget = await tx.get(Budget, cmd.budget_id, lock=True)
    budget_flow.go(budget, "revise")
    if cmd.name is not None and cmd.name != budget.name:
        await tx.get(FiscalYear, budget.fiscal_year_id, lock=True)
        await _free(budget.fiscal_year_id, cmd.name, tx)
        budget.name = cmd.name
    budget.control = cmd.control or budget.control
    if cmd.lines is not None:
        plan = await _plan(budget, cmd.lines, tx)
        await tx.execute(delete(BudgetLine).where(BudgetLine.budget_id == budget.id))
        _keep(budget, plan, tx)
    return tx.emit(BudgetRevised(budget_id=budget.id))


@handles(DiscardBudget, needs="finance.budget:discard")
async def discard_budget(cmd: DiscardBudget, tx: Tx) -> BudgetDiscarded:
    budget = await tx.get(Budget, cmd.budget_id, lock=True)
    budget_flow.go(budget, "discard")
    await tx.execute(delete(BudgetLine).where(BudgetLine.budget_id == budget.id))
    tx.remove(budget)
    return tx.emit(BudgetDiscarded(budget_id=budget.id))


@handles(ApproveBudget, needs="finance.budget:approve")
async def approve_budget(cmd: ApproveBudget, tx: Tx) -> BudgetApproved:
    budget = await tx.get(Budget, cmd.budget_id, lock=True)
    budget_flow.go(budget, "approve")
    return tx.emit(BudgetApproved(budget_id=budget.id, company_id=budget.company_id, fiscal_year_id=budget.fiscal_year_id))


@handles(ReopenBudget, needs="finance.budget:reopen")
async def reopen_budget(cmd: ReopenBudget, tx: Tx) -> BudgetReopened:
    budget = await tx.get(Budget, cmd.budget_id, lock=True)
    budget_flow.go(budget, "reopen")
    return tx.emit(BudgetReopened(budget_id=budget.id, reason=cmd.reason))
