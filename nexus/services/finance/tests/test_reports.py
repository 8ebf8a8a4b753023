"""The reports: from balances, and the same as if all lines had been added up."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nexus.core import Forbidden, Invalid, uuid7
from nexus.services.finance.api import ReverseEntry
from nexus.services.finance.entities import JournalLine
from nexus.services.finance.queries.general_ledger import GeneralLedger
from nexus.services.finance.queries.proof import LedgerProof
from nexus.services.finance.queries.statements import BalanceSheet, ProfitAndLoss
from nexus.services.finance.queries.trial_balance import TrialBalance
from nexus.services.finance.tests.conftest import BANK, CAPITAL, CASH, COSTS, SALES, Books

DAY = dt.timedelta(days=1)


async def trial(books: Books, since: dt.date, until: dt.date, **more: Any) -> dict[str, tuple[str, str, str, str]]:
    rows = await books.finance.ask(TrialBalance(company_id=books.company.id, since=since, until=until, **more))
    return {row["code"]: (row["opening"], row["debit"], row["credit"], row["closing"]) for row in rows}


async def some_days(books: Books) -> None:
    """A capital, two sales and a cost, on days of three periods."""
    first, second = books.periods[0].starts_on, books.periods[1].starts_on
    await books.post(books.line(BANK, "1000"), books.line(CAPITAL, "-1000"), date=first)
    await books.sale("100", date=first + 9 * DAY)
    await books.sale("50", date=second + 9 * DAY)
    await books.post(books.line(COSTS, "30.5"), books.line(CASH, "-30.5"), date=books.periods[2].ends_on)


async def test_the_trial_balance_of_any_days(books: Books) -> None:
    await some_days(books)
    second = books.periods[1]
    assert await trial(books, second.starts_on, second.ends_on) == {
        BANK: ("1000.00", "0.00", "0.00", "1000.00"),
        CASH: ("100.00", "50.00", "0.00", "150.00"),
        CAPITAL: ("-1000.00", "0.00", "0.00", "-1000.00"),
        SALES: ("-100.00", "0.00", "50.00", "-150.00"),
    }
    early = second.starts_on + 8 * DAY
    assert (await trial(books, books.day + 5 * DAY, early))[CASH] == ("0.00", "100.00", "0.00", "100.00")
    assert (await trial(books, early, early + DAY))[SALES] == ("-100.00", "0.00", "50.00", "-150.00")
    with pytest.raises(Invalid, match="until"):
        await trial(books, early, early - DAY)
    assert len(await trial(books, dt.date.min, dt.date.max)) == 5


async def test_profit_and_loss_and_the_balance_sheet_agree(books: Books) -> None:
    await some_days(books)
    year: dict[str, Any] = {"since": books.day, "until": books.periods[-1].ends_on}
    earned = await books.finance.ask(ProfitAndLoss(company_id=books.company.id, **year))
    assert [(row["section"], row["code"], row["amount"]) for row in earned] == [
        ("income", SALES, "150.00"),
        ("expense", COSTS, "30.50"),
        ("result", None, "119.50"),
    ]
    sheet = await books.finance.ask(BalanceSheet(company_id=books.company.id, on=books.periods[2].ends_on))
    assert [(row["section"], row["code"], row["amount"]) for row in sheet] == [
        ("asset", BANK, "1000.00"),
        ("asset", CASH, "119.50"),
        ("equity", CAPITAL, "1000.00"),
        ("result", None, "119.50"),
    ]
    the_day_before = await books.finance.ask(BalanceSheet(company_id=books.company.id, on=books.periods[2].ends_on - DAY))
    assert [row["amount"] for row in the_day_before] == ["1000.00", "150.00", "1000.00", "150.00"]


async def test_the_general_ledger_goes_on_where_a_page_ended(books: Books) -> None:
    for n in range(7):
        await books.sale(str(n + 1), date=books.periods[n // 3].starts_on + (n % 2) * DAY)
    asked: dict[str, Any] = {"account_id": books.accounts[CASH], "until": books.periods[-1].ends_on}
    whole = await books.finance.ask(GeneralLedger(since=books.day, **asked))
    assert [row["date"] for row in whole] == sorted(row["date"] for row in whole)
    balance = Decimal(0)
    for row in whole:
        balance += Decimal(row["debit"]) - Decimal(row["credit"])
        assert Decimal(row["balance"]) == balance
    assert balance == 28
    pages: list[dict[str, Any]] = []
    after: dict[str, Any] = {}
    while page := await books.finance.ask(GeneralLedger(since=books.day, limit=2, **asked, **after)):
        pages += page
        after = {"after_id": UUID(page[-1]["line_id"])}
    assert pages == whole
    later = await books.finance.ask(GeneralLedger(since=books.periods[1].starts_on + DAY, **asked))
    assert later == [row for row in whole if row["date"] > str(books.periods[1].starts_on)]


async def test_a_cost_center_and_a_project_are_looked_at_alone(books: Books) -> None:
    one, other = uuid7(), uuid7()
    for project, amount in ((one, "5"), (other, "7"), (None, "9")):
        await books.post(books.line(CASH, amount), books.line(SALES, f"-{amount}", project_id=project))
    days = (books.day, books.periods[0].ends_on)
    assert await trial(books, *days, project_id=one) == {SALES: ("0.00", "0.00", "5.00", "-5.00")}
    assert (await trial(books, *days))[SALES] == ("0.00", "0.00", "21.00", "-21.00")
    assert await trial(books, books.day, books.day, project_id=other) == {SALES: ("0.00", "0.00", "7.00", "-7.00")}


async def test_over_rest_by_those_who_read_the_books(books: Books) -> None:
    await some_days(books)
    where = f"/api/v1/finance/reports/trial-balance?company_id={books.company.id}&since={books.day}&until={books.periods[-1].ends_on}"
    for role in ("finance.auditor", "finance.bookkeeper", "finance.accountant"):
        answer = await books.finance.as_(role).api("GET", where)
        assert (answer.status, len(answer.json()["items"])) == (200, 5), answer.body
    assert (await books.finance.as_("crm.admin").api("GET", where)).status == 403
    with pytest.raises(Forbidden):
        await books.finance.as_("crm.admin").ask(LedgerProof(company_id=books.company.id))


CODES = st.sampled_from([BANK, CASH, CAPITAL, SALES, COSTS, "1211"])
AMOUNTS = st.decimals("0.01", "99999999.99", places=2)
ENTRIES = st.lists(
    st.tuples(st.integers(0, 364), CODES, CODES, AMOUNTS, st.sampled_from([None, "USD", "JPY"]), st.integers(1, 3)), min_size=1, max_size=6
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ENTRIES, st.integers(0, 364), st.integers(0, 364), st.sets(st.integers(0, 5)))
async def test_balances_are_what_the_lines_add_up_to(
    books: Books, entries: list[tuple[int, str, str, Decimal, str | None, int]], one: int, two: int, reversed_: set[int]
) -> None:
    for at, (day, debit, credit, amount, currency, split) in enumerate(entries):
        foreign = {"currency": currency, "amount": Decimal(at + 1)} if currency else {}
        parts = [str(-amount)] if amount < Decimal("0.03") or split == 1 else [str(-(amount - Decimal("0.02"))), "-0.01", "-0.01"]
        told = await books.post(
            books.line(debit, str(amount), **foreign), *[books.line(credit, part) for part in parts], date=books.day + day * DAY
        )
        if at in reversed_:
            await books.finance.run(ReverseEntry(journal_entry_id=told.journal_entry_id, reason="x", date=books.day + (day // 2) * DAY))
    since, until = books.day + min(one, two) * DAY, books.day + max(one, two) * DAY
    opening, moved = defaultdict[str, Decimal](Decimal), defaultdict[str, list[Decimal]](lambda: [Decimal(0), Decimal(0)])
    codes = {id: code for code, id in books.accounts.items()}
    for line in await books.finance.list(JournalLine):
        if line.date < since:
            opening[codes[line.account_id]] += line.debit - line.credit
        elif line.date <= until:
            moved[codes[line.account_id]][0] += line.debit
            moved[codes[line.account_id]][1] += line.credit
    found = {code: [Decimal(value) for value in row] for code, row in (await trial(books, since, until)).items()}
    assert {code: row[0] for code, row in found.items() if row[0]} == {code: value for code, value in opening.items() if value}
    assert {code: row[1:3] for code, row in found.items() if any(row[1:3])} == {code: row for code, row in moved.items() if any(row)}
    assert all(row[3] == row[0] + row[1] - row[2] for row in found.values())
    assert sum((row[3] for row in found.values()), Decimal(0)) == 0
    assert all(row["holds"] for row in await books.finance.ask(LedgerProof(company_id=books.company.id)))
