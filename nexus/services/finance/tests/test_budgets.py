"""Budgets are spread to the cent, compared with what came, and stand against bills where they say so."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nexus.core import Command, Forbidden, IllegalMove, Invalid, uuid7
from nexus.services.finance.api import (
    ApproveBudget,
    BudgetExceeded,
    CloseFiscalYear,
    CreateBudget,
    CreateFiscalYear,
    CreateInvoice,
    DiscardBudget,
    PostInvoice,
    ReopenBudget,
    ReviseBudget,
)
from nexus.services.finance.budget_terms import BudgetControl, BudgetStatus, PlannedAmount
from nexus.services.finance.commands.budgets import BudgetNameTaken
from nexus.services.finance.entities import AccountingPeriod, Budget, BudgetLine, CostCenter, Invoice, JournalEntry
from nexus.services.finance.invoice_terms import InvoiceKind, InvoiceLine, InvoiceStatus
from nexus.services.finance.queries.budgets import BudgetVariance
from nexus.services.finance.rules.budgeting import OverBudget
from nexus.services.finance.tests.conftest import CASH, COSTS, SALES, Books, refused


def planned(books: Books, account: str, amount: str, **more: Any) -> PlannedAmount:
    return PlannedAmount(account_id=books.accounts[account], amount=Decimal(amount), **more)


async def budget(books: Books, *lines: PlannedAmount, approve: bool = False, **more: Any) -> UUID:
    given: dict[str, Any] = {"fiscal_year_id": books.periods[0].fiscal_year_id, "name": "Plan", "lines": list(lines)}
    made = await books.finance.run(CreateBudget(**given | more))
    if approve:
        await books.finance.run(ApproveBudget(budget_id=made.budget_id))
    return made.budget_id


async def amounts(books: Books, id: UUID) -> list[Any]:
    """What is planned for each period, the earliest first."""
    order = {one.id: at for at, one in enumerate(books.periods)}
    lines = await books.finance.list(BudgetLine, BudgetLine.budget_id == id)
    return [one.amount for one in sorted(lines, key=lambda one: order[one.period_id])]


async def variance(books: Books, id: UUID) -> list[tuple[str, ...]]:
    names = ("code", "cost_center", "period", "budget", "actual", "difference", "percent")
    return [tuple(row[name] for name in names) for row in await books.finance.ask(BudgetVariance(budget_id=id))]


async def bill(books: Books, price: str, month: int = 1, **more: Any) -> UUID:
    """The draft of a bill for costs, in a month."""
    lines = [InvoiceLine(name="Rent", quantity=Decimal(1), unit_price=Decimal(price), account_id=books.accounts[COSTS], **more)]
    day = books.periods[month - 1].starts_on
    given: dict[str, Any] = {"kind": InvoiceKind.PURCHASE_BILL, "party_id": uuid7(), "party_name": "Ada", "date": day, "lines": lines}
    return (await books.finance.run(CreateInvoice(**given))).invoice_id


async def pay(books: Books, invoice: UUID, role: str) -> list[BudgetExceeded]:
    """Post a bill as somebody; what was told of budgets."""
    payer = books.finance.as_(role)
    await payer.run(PostInvoice(invoice_id=invoice))
    return [one for one in payer.emitted if isinstance(one, BudgetExceeded)]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.decimals("-9999999.99", "9999999.99", places=2))
async def test_a_year_is_spread_to_the_cent(books: Books, amount: Decimal) -> None:
    id = await budget(books, planned(books, COSTS, str(amount)))
    parts = await amounts(books, id)
    assert sum(parts, Decimal(0)) == amount
    assert not parts or max(parts) - min(parts) <= Decimal("0.01")
    await books.finance.run(DiscardBudget(budget_id=id))


async def test_amounts_of_one_place_add_up(books: Books) -> None:
    march = books.periods[2].id
    id = await budget(books, planned(books, COSTS, "1200"), planned(books, COSTS, "50", period_id=march))
    assert await amounts(books, id) == [100, 100, 150, *[100] * 9]
    await books.finance.run(ReviseBudget(budget_id=id, lines=[planned(books, COSTS, "7", period_id=march)], name="Plan B"))
    assert (await amounts(books, id), (await books.finance.get(Budget, id)).name) == ([7], "Plan B")
    await books.finance.run(DiscardBudget(budget_id=id))
    assert (await books.finance.count(Budget), await books.finance.count(BudgetLine)) == (0, 0)


async def test_what_came_is_compared_with_what_was_planned(books: Books) -> None:
    shop = await books.finance.given(CostCenter(company_id=books.company.id, code="SHOP", name="Shop"))
    january, february = [{"period_id": one.id} for one in books.periods[:2]]
    id = await budget(
        books,
        planned(books, SALES, "200", **january),
        planned(books, COSTS, "90", **january),
        planned(books, COSTS, "30", cost_center_id=shop.id, **january),
        planned(books, COSTS, "10", **february),
    )
    await books.sale("150")
    await books.post(books.line(COSTS, "60", cost_center_id=shop.id), books.line(COSTS, "40"), books.line(CASH, "-100"))
    await books.post(books.line("6510", "5"), books.line("1125", "-5"), date=books.periods[1].ends_on)
    names = [one.name for one in books.periods]
    expected = [
        (SALES, None, names[0], "200.00", "150.00", "-50.00", "75.0"),
        (COSTS, None, names[0], "90.00", "100.00", "10.00", "111.1"),
        (COSTS, None, names[1], "10.00", "0", "-10.00", "0.0"),
        (COSTS, "SHOP", names[0], "30.00", "60.00", "30.00", "200.0"),
        ("6510", None, names[1], "0", "5.00", "5.00", None),
    ]
    said = await variance(books, id)
    assert [(*row[:3], *[None if one is None else Decimal(one) for one in row[3:]]) for row in said] == [
        (*row[:3], *[None if one is None else Decimal(one) for one in row[3:]]) for row in expected
    ]
    assert all(amount[-3] == "." for row in said for amount in row[3:6])  # none is 0 where the others are 0.00
    await books.finance.run(CreateFiscalYear(company_id=books.company.id))
    await books.finance.run(CloseFiscalYear(fiscal_year_id=books.periods[0].fiscal_year_id))
    assert await variance(books, id) == said


async def test_what_cannot_be_planned_is_named(books: Books) -> None:
    following = await books.finance.run(CreateFiscalYear(company_id=books.company.id))
    (other, *_) = await books.finance.list(AccountingPeriod, AccountingPeriod.fiscal_year_id == following.fiscal_year_id)
    good = planned(books, COSTS, "1")
    given: list[tuple[PlannedAmount, str]] = [
        (planned(books, COSTS, "1", period_id=other.id), r"lines\[1\].period_id: is not in the fiscal year"),
        (planned(books, COSTS, "1", cost_center_id=uuid7()), r"lines\[1\].cost_center_id: is none"),
        (planned(books, COSTS, "0.001"), r"lines\[1\].amount: has more than the 2 decimals"),
        (PlannedAmount(account_id=uuid7(), amount=Decimal(1)), r"lines\[1\].account_id: is no account of this company"),
    ]
    for line, says in given:
        async with refused(books.finance, Invalid, says):
            await budget(books, good, line)
    id = await budget(books, good)
    async with refused(books.finance, BudgetNameTaken, "called Plan already"):
        await budget(books, good)
    answer = await books.finance.api("GET", f"/api/v1/finance/reports/budget-variance?budget_id={uuid7()}")
    assert (answer.status, answer.json()["errors"][0]["field"]) == (422, "budget_id")
    await books.finance.run(ApproveBudget(budget_id=id))
    commands: list[Command[Any]] = [ReviseBudget(budget_id=id, name="x"), DiscardBudget(budget_id=id), ApproveBudget(budget_id=id)]
    for command in commands:
        async with refused(books.finance, IllegalMove, "is approved"):
            await books.finance.run(command)
    await books.finance.run(ReopenBudget(budget_id=id, reason="Rents rose"))
    assert (await books.finance.get(Budget, id)).status is BudgetStatus.DRAFT


async def test_a_bill_over_the_budget_is_refused(books: Books) -> None:
    await budget(books, planned(books, COSTS, "1200"), approve=True, control=BudgetControl.REFUSE)
    await pay(books, await bill(books, "80", 2), "finance.bookkeeper")  # of 200 that are planned up to then
    over = await bill(books, "120.01", 2)
    async with refused(books.finance, OverBudget, "would come to 200.01 NGN .* and 200.00 are planned"):
        await pay(books, over, "finance.bookkeeper")
    assert (await books.finance.get(Invoice, over)).status is InvoiceStatus.DRAFT
    (told,) = await pay(books, over, "finance.accountant")
    assert (told.invoice_id, told.planned, told.actual) == (over, Decimal(200), Decimal("200.01"))


@pytest.mark.parametrize(("control", "told"), [(BudgetControl.NONE, 0), (BudgetControl.WARN, 1)])
async def test_a_bill_over_the_budget_is_told_of(books: Books, control: BudgetControl, told: int) -> None:
    shop = await books.finance.given(CostCenter(company_id=books.company.id, code="SHOP", name="Shop"))
    await budget(books, planned(books, COSTS, "120", cost_center_id=shop.id), approve=True, control=control)
    await budget(books, planned(books, COSTS, "1"), name="A draft", control=BudgetControl.REFUSE)
    assert await pay(books, await bill(books, "500"), "finance.bookkeeper") == []  # of no cost centre
    assert len(await pay(books, await bill(books, "10.01", cost_center_id=shop.id), "finance.bookkeeper")) == told


async def test_of_bills_at_once_the_second_counts_the_first(books: Books) -> None:
    await budget(books, planned(books, COSTS, "1200"), approve=True, control=BudgetControl.REFUSE)
    drafts = [await bill(books, "60") for _ in range(3)]
    before = await books.finance.count(JournalEntry)
    answers = await asyncio.gather(*[pay(books, one, "finance.bookkeeper") for one in drafts], return_exceptions=True)
    assert sorted(type(one).__name__ for one in answers) == ["OverBudget", "OverBudget", "list"]
    assert await books.finance.count(JournalEntry) == before + 1


async def test_who_draws_up_a_budget_does_not_approve_it(books: Books) -> None:
    id = await budget(books, planned(books, COSTS, "1200"))
    async with refused(books.finance, Forbidden):
        await books.finance.as_("finance.bookkeeper").run(ApproveBudget(budget_id=id))
    await books.finance.as_("finance.accountant").run(ApproveBudget(budget_id=id))
