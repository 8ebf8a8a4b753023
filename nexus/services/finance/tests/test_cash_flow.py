"""The statement of cash flows: from the result to the money, and always what the cash accounts say."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nexus.core import Invalid
from nexus.services.finance.entities import Account
from nexus.services.finance.queries.cash_flow import CashFlow
from nexus.services.finance.queries.trial_balance import TrialBalance
from nexus.services.finance.terms import AccountType, CashFlowSection, RootType
from nexus.services.finance.tests.conftest import BANK, CAPITAL, CASH, COSTS, SALES, TAX, Books

DAY = dt.timedelta(days=1)
MACHINE, WORN, CHARGED, LOAN, DEPOSIT = "9001", "9002", "9003", "9004", "9005"


@pytest.fixture
async def equipped(books: Books) -> Books:
    """Books with accounts of each kind that the statement tells apart."""
    kinds = {
        MACHINE: (RootType.ASSET, AccountType.FIXED_ASSET),
        WORN: (RootType.ASSET, AccountType.ACCUMULATED_DEPRECIATION),
        CHARGED: (RootType.EXPENSE, AccountType.DEPRECIATION),
        LOAN: (RootType.LIABILITY, AccountType.OTHER),
        DEPOSIT: (RootType.ASSET, AccountType.OTHER),
    }
    for code, (root, type_) in kinds.items():
        account = Account(company_id=books.company.id, code=code, name=code, root_type=root, account_type=type_)
        books.accounts[code] = (await books.finance.given(account)).id
    return books


async def flows(books: Books, since: dt.date, until: dt.date) -> list[tuple[str, str, str]]:
    """Section, code (or name of what is no account) and amount of every row."""
    rows = await books.finance.ask(CashFlow(company_id=books.company.id, since=since, until=until))
    return [(row["section"], row["code"] or row["name"], row["amount"]) for row in rows]


async def entry(books: Books, debit: str, credit: str, amount: str, day: int = 0) -> None:
    await books.post(books.line(debit, amount), books.line(credit, f"-{amount}"), date=books.day + day * DAY)


async def test_what_is_earned_held_bought_and_borrowed(equipped: Books) -> None:
    await entry(equipped, BANK, CAPITAL, "5000")
    await entry(equipped, BANK, LOAN, "1000")
    await entry(equipped, MACHINE, BANK, "2400")
    await entry(equipped, CHARGED, WORN, "200")
    await entry(equipped, CASH, SALES, "900")
    await entry(equipped, CASH, TAX, "67.50")
    await entry(equipped, COSTS, CASH, "300")

    assert await flows(equipped, equipped.day, equipped.periods[0].ends_on) == [
        ("operating", "Result", "400.00"),
        ("operating", CHARGED, "200.00"),
        ("operating", TAX, "67.50"),
        ("investing", MACHINE, "-2400.00"),
        ("financing", CAPITAL, "5000.00"),
        ("financing", LOAN, "1000.00"),
        ("cash", "Change in cash", "4267.50"),
    ]


async def test_what_is_sold_again_is_an_investment_at_what_it_was_still_worth(equipped: Books) -> None:
    await entry(equipped, MACHINE, BANK, "2400")
    await entry(equipped, CHARGED, WORN, "2000")
    later = equipped.periods[1].starts_on
    await equipped.post(
        equipped.line(BANK, "500"),
        equipped.line(WORN, "2000"),
        equipped.line(MACHINE, "-2400"),
        equipped.line(SALES, "-100"),
        date=later,
    )

    assert await flows(equipped, later, later) == [
        ("operating", "Result", "100.00"),
        ("investing", MACHINE, "2400.00"),
        ("investing", "Fixed assets written off", "-2000.00"),
        ("cash", "Change in cash", "500.00"),
    ]


async def test_an_account_says_itself_where_it_belongs(equipped: Books) -> None:
    await entry(equipped, DEPOSIT, BANK, "70")
    days = (equipped.day, equipped.day)
    assert (await flows(equipped, *days))[1] == ("operating", DEPOSIT, "-70.00")

    path = f"/api/v1/finance/accounts/{equipped.accounts[DEPOSIT]}"
    changed = await equipped.finance.api("PATCH", path, {"cash_flow": "investing"}, if_match="*")

    assert (changed.status, changed.json()["cash_flow"]) == (200, CashFlowSection.INVESTING), changed.body
    assert (await flows(equipped, *days))[1] == ("investing", DEPOSIT, "-70.00")


async def test_nothing_is_a_result_and_a_change_of_nothing(books: Books) -> None:
    assert await flows(books, books.day, books.day) == [("operating", "Result", "0"), ("cash", "Change in cash", "0")]
    with pytest.raises(Invalid, match="until"):
        await flows(books, books.day, books.day - DAY)
    where = f"/api/v1/finance/reports/cash-flow?company_id={books.company.id}&since={books.day}&until={books.day}"
    assert (await books.finance.as_("finance.auditor").api("GET", where)).status == 200
    assert (await books.finance.as_("crm.admin").api("GET", where)).status == 403


CODES = st.sampled_from([BANK, CASH, CAPITAL, SALES, COSTS, TAX, MACHINE, WORN, CHARGED, LOAN, DEPOSIT])
ENTRIES = st.lists(st.tuples(st.integers(0, 90), CODES, CODES, st.decimals("0.01", "999999.99", places=2)), min_size=1, max_size=8)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(entries=ENTRIES, one=st.integers(0, 90), two=st.integers(0, 90))
async def test_the_sections_add_up_to_what_cash_accounts_have_gained(
    equipped: Books, entries: list[tuple[int, str, str, Decimal]], one: int, two: int
) -> None:
    for day, debit, credit, amount in entries:
        await entry(equipped, debit, credit, str(amount), day)
    since, until = equipped.day + min(one, two) * DAY, equipped.day + max(one, two) * DAY

    *sections, (_, _, change) = await flows(equipped, since, until)

    asked: dict[str, Any] = {"company_id": equipped.company.id, "since": since, "until": until}
    money: set[UUID] = {equipped.accounts[BANK], equipped.accounts[CASH]}
    rows = [row for row in await equipped.finance.ask(TrialBalance(**asked)) if UUID(row["account_id"]) in money]
    gained = sum((Decimal(row["closing"]) - Decimal(row["opening"]) for row in rows), Decimal(0))
    assert sum((Decimal(amount) for _, _, amount in sections), Decimal(0)) == Decimal(change) == gained
