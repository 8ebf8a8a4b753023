"""Closing a fiscal year carries its result forward, and changes no report of its days."""

from __future__ import annotations

import asyncio
import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nexus.core import Forbidden, IllegalMove, Problem, uuid7
from nexus.services.finance.api import (
    CloseFiscalYear,
    ClosePeriod,
    CreateFiscalYear,
    CreateInvoice,
    DiscardEntry,
    DraftEntry,
    FiscalYearClosed,
    LockPeriod,
    PostEntry,
    ReopenFiscalYear,
    ReopenPeriod,
    ReverseEntry,
)
from nexus.services.finance.commands.closing import EarlierYearOpen, LaterYearClosed
from nexus.services.finance.entities import Account, AccountingPeriod, AccountRole, CostCenter, FiscalYear, JournalEntry, JournalLine
from nexus.services.finance.invoice_terms import InvoiceKind, InvoiceLine
from nexus.services.finance.queries.control_accounts import ControlAccounts
from nexus.services.finance.queries.proof import LedgerProof
from nexus.services.finance.queries.statements import BalanceSheet, ProfitAndLoss
from nexus.services.finance.queries.trial_balance import TrialBalance
from nexus.services.finance.rules.closing import ControlAccountDiffers, DraftsLeft
from nexus.services.finance.rules.refusals import EntryOfDocument, PeriodIsClosed, RoleNotPlayed, YearIsClosed
from nexus.services.finance.terms import EntryStatus, LedgerRole, PartyType, PeriodStatus, RootType, YearStatus
from nexus.services.finance.tests.conftest import BANK, CAPITAL, CASH, COSTS, OWED, SALES, Books, refused

DAY = dt.timedelta(days=1)
RETAINED = "3210"


@pytest.fixture
async def year(books: Books) -> FiscalYear:
    """The first, which another follows."""
    (first,) = await books.finance.list(FiscalYear)
    await books.finance.run(CreateFiscalYear(company_id=books.company.id))
    books.finance.emitted.clear()
    return first


async def reports(books: Books, *days: dt.date) -> list[Any]:
    """What every statement says of the time up to some days, and of all months of the first year."""
    ask, id = books.finance.ask, books.company.id
    return [
        *[await ask(BalanceSheet(company_id=id, on=day)) for day in days],
        *[await ask(TrialBalance(company_id=id, since=books.day, until=day)) for day in days],
        *[await ask(ProfitAndLoss(company_id=id, since=books.day, until=day)) for day in days],
    ]


async def standing(books: Books, day: dt.date) -> dict[str, str]:
    """The balance sheet at the end of a day."""
    return {row["code"] or "result": row["amount"] for row in await books.finance.ask(BalanceSheet(company_id=books.company.id, on=day))}


async def traded(books: Books) -> CostCenter:
    """Some income and expenses, with and without a cost centre, a project and other dimensions."""
    shop = await books.finance.given(CostCenter(company_id=books.company.id, code="SHOP", name="Shop"))
    await books.post(books.line(BANK, "1000"), books.line(CAPITAL, "-1000"))
    await books.sale("100")
    await books.post(books.line(CASH, "50"), books.line(SALES, "-50", cost_center_id=shop.id), date=books.periods[5].ends_on)
    await books.post(books.line(COSTS, "80", cost_center_id=shop.id), books.line(BANK, "-80"), date=books.periods[11].ends_on)
    return shop


async def test_a_year_is_closed_and_its_result_carried(books: Books, year: FiscalYear) -> None:
    finance = books.finance
    shop = await traded(books)
    days = (books.periods[3].ends_on, year.ends_on - DAY, year.ends_on)
    before, after = await reports(books, *days), year.ends_on + DAY
    assert await standing(books, after) == {BANK: "920.00", CASH: "150.00", CAPITAL: "1000.00", "result": "70.00"}
    earned = await finance.ask(ProfitAndLoss(company_id=books.company.id, since=books.day, until=after))
    finance.emitted.clear()

    told = await finance.run(CloseFiscalYear(fiscal_year_id=year.id))

    assert (told.result, told.currency, told.name) == (Decimal(70), "NGN", year.name)
    assert [type(one).__name__ for one in finance.emitted] == ["PeriodClosed"] * 12 + ["EntryPosted", "FiscalYearClosed"]
    kept = await finance.get(FiscalYear, year.id)
    assert (kept.status, kept.closing_entry_id) == (YearStatus.CLOSED, told.journal_entry_id)
    codes = {id: code for code, id in books.accounts.items()}
    lines = await finance.list(JournalLine, JournalLine.entry_id == told.journal_entry_id)
    assert sorted((codes[one.account_id], one.cost_center_id, one.debit - one.credit) for one in lines if one.cost_center_id) == [
        (RETAINED, shop.id, Decimal(30)),
        (SALES, shop.id, Decimal(50)),
        (COSTS, shop.id, Decimal(-80)),
    ]
    assert sorted((codes[one.account_id], one.debit - one.credit) for one in lines if not one.cost_center_id) == [
        (RETAINED, Decimal(-100)),
        (SALES, Decimal(100)),
    ]
    assert {one.date for one in lines} == {year.ends_on}
    assert await reports(books, *days) == before
    assert await finance.ask(ProfitAndLoss(company_id=books.company.id, since=books.day, until=after)) == earned
    assert await standing(books, after) == {BANK: "920.00", CASH: "150.00", CAPITAL: "1000.00", RETAINED: "70.00", "result": "0.00"}
    opening = await finance.ask(TrialBalance(company_id=books.company.id, since=after, until=after))
    assert {row["code"]: row["opening"] for row in opening} == {BANK: "920.00", CASH: "150.00", CAPITAL: "-1000.00", RETAINED: "-70.00"}
    alone = await finance.ask(TrialBalance(company_id=books.company.id, since=after, until=after, cost_center_id=shop.id))
    assert {row["code"]: row["opening"] for row in alone} == {RETAINED: "30.00"}
    assert all(row["holds"] for row in await finance.ask(LedgerProof(company_id=books.company.id)))


async def test_a_time_over_the_end_of_a_year_adds_up(books: Books, year: FiscalYear) -> None:
    await traded(books)
    await books.finance.run(CloseFiscalYear(fiscal_year_id=year.id))
    await books.sale("5", date=year.ends_on + DAY)

    rows = await books.finance.ask(TrialBalance(company_id=books.company.id, since=year.ends_on - DAY, until=year.ends_on + DAY))

    assert all(Decimal(row["opening"]) + Decimal(row["debit"]) - Decimal(row["credit"]) == Decimal(row["closing"]) for row in rows)
    assert {row["code"]: row["closing"] for row in rows if row["code"] in (SALES, COSTS, RETAINED)} == {
        SALES: "-5.00",
        COSTS: "0.00",
        RETAINED: "-70.00",
    }
    both = await books.finance.ask(ProfitAndLoss(company_id=books.company.id, since=books.day, until=year.ends_on + DAY))
    assert {row["section"]: row["amount"] for row in both} == {"income": "155.00", "expense": "80.00", "result": "75.00"}


async def test_a_closed_year_takes_nothing(books: Books, year: FiscalYear) -> None:
    finance = books.finance
    await traded(books)
    posted = await books.sale("1")
    told = await finance.run(CloseFiscalYear(fiscal_year_id=year.id))
    assert told.journal_entry_id is not None
    async with refused(finance, PeriodIsClosed):
        await books.sale(date=year.ends_on)
    async with refused(finance, PeriodIsClosed):
        await finance.run(ReverseEntry(journal_entry_id=posted.journal_entry_id, reason="x"))
    async with refused(finance, YearIsClosed, year.name):
        await finance.run(ReopenPeriod(accounting_period_id=books.periods[11].id, reason="x"))
    async with refused(finance, IllegalMove, "is closed: it cannot close"):
        await finance.run(CloseFiscalYear(fiscal_year_id=year.id))
    async with refused(finance, EntryOfDocument, "a fiscal year, which is closed and reopened"):
        await finance.run(ReverseEntry(journal_entry_id=told.journal_entry_id, reason="x"))
    async with refused(finance, EntryOfDocument):
        await books.sale(date=year.ends_on, source_entity="finance.fiscal_year", source_id=year.id)


async def test_what_says_that_it_closes_a_year_is_posted_by_closing_alone(books: Books, year: FiscalYear) -> None:
    async with refused(books.finance, EntryOfDocument):
        await books.sale(date=year.ends_on, source_entity="finance.fiscal_year", source_id=year.id)


async def test_a_year_is_reopened_for_a_reason_and_closed_again(books: Books, year: FiscalYear) -> None:
    finance, after = books.finance, year.ends_on + DAY
    await traded(books)
    before = await reports(books, year.ends_on, after)
    told = await finance.run(CloseFiscalYear(fiscal_year_id=year.id))
    finance.emitted.clear()

    opened = await finance.run(ReopenFiscalYear(fiscal_year_id=year.id, reason="A bill was forgotten"))

    assert finance.emitted[-1] == opened
    assert (opened.name, opened.reason) == (year.name, "A bill was forgotten")
    kept = await finance.get(FiscalYear, year.id)
    assert (kept.status, kept.closing_entry_id) == (YearStatus.OPEN, None)
    assert told.journal_entry_id is not None
    taken = await finance.get(JournalEntry, told.journal_entry_id)
    assert (taken.status, taken.reversed_by_id) == (EntryStatus.REVERSED, opened.reversed_by_id)
    assert {one.status for one in await finance.list(AccountingPeriod, AccountingPeriod.fiscal_year_id == year.id)} == {PeriodStatus.CLOSED}
    assert (await reports(books, year.ends_on)) == before[::2]
    assert await standing(books, after) == {BANK: "920.00", CASH: "150.00", CAPITAL: "1000.00", "result": "70.00"}
    async with refused(finance, IllegalMove, "is open: it cannot reopen"):
        await finance.run(ReopenFiscalYear(fiscal_year_id=year.id, reason="x"))

    await finance.run(ReopenPeriod(accounting_period_id=books.periods[11].id, reason="A bill was forgotten"))
    await books.post(books.line(COSTS, "20"), books.line(BANK, "-20"), date=year.ends_on)
    again = await finance.run(CloseFiscalYear(fiscal_year_id=year.id))
    assert again.result == 50
    assert (await standing(books, after))[RETAINED] == "50.00"
    assert (await standing(books, year.ends_on))["result"] == "50.00"
    assert all(row["holds"] for row in await finance.ask(LedgerProof(company_id=books.company.id)))


async def test_years_are_closed_in_their_order_and_reopened_against_it(books: Books, year: FiscalYear) -> None:
    finance = books.finance
    (second,) = await finance.list(FiscalYear, FiscalYear.id != year.id)
    async with refused(finance, EarlierYearOpen, year.name):
        await finance.run(CloseFiscalYear(fiscal_year_id=second.id))
    for one in (year, second):
        await finance.run(CloseFiscalYear(fiscal_year_id=one.id))
    async with refused(finance, LaterYearClosed, second.name):
        await finance.run(ReopenFiscalYear(fiscal_year_id=year.id, reason="x"))


async def test_a_year_of_nothing_is_closed_without_an_entry(books: Books, year: FiscalYear) -> None:
    await books.post(books.line(BANK, "1000"), books.line(CAPITAL, "-1000"))
    told = await books.finance.run(CloseFiscalYear(fiscal_year_id=year.id))
    assert (told.result, told.journal_entry_id, told.number) == (Decimal(0), None, None)
    opened = await books.finance.run(ReopenFiscalYear(fiscal_year_id=year.id, reason="x"))
    assert opened.reversed_by_id is None


async def test_locked_days_closed_periods_and_frozen_accounts_are_no_hindrance(books: Books, year: FiscalYear) -> None:
    finance = books.finance
    await traded(books)
    dollars = Account(
        company_id=books.company.id, code="4999", name="Dollars", root_type=RootType.INCOME, currency="USD", must_have_party=True
    )
    await finance.given(dollars)
    usd: dict[str, Any] = {"currency": "USD", "amount": Decimal(-2), "party_type": PartyType.OTHER, "party_id": uuid7()}
    await books.post(books.line(BANK, "3000"), books.line(SALES, "-3000").changed(account_id=dollars.id, **usd))
    for code in (SALES, COSTS):
        await finance.api("PATCH", f"/api/v1/finance/accounts/{books.accounts[code]}", {"frozen": True}, if_match="*")
    await finance.run(ClosePeriod(accounting_period_id=books.periods[11].id))
    await finance.run(LockPeriod(company_id=books.company.id, until=year.ends_on))

    told = await finance.run(CloseFiscalYear(fiscal_year_id=year.id))

    assert told.result == 3070


async def drafted(books: Books) -> None:
    await books.finance.run(DraftEntry(journal_id=books.journals["GEN"], date=books.day))


async def invoiced(books: Books) -> None:
    line = InvoiceLine(name="Bread", quantity=Decimal(1), unit_price=Decimal(5))
    await books.finance.run(
        CreateInvoice(kind=InvoiceKind.SALES_INVOICE, party_id=uuid7(), party_name="Ada", lines=[line], date=books.periods[0].ends_on)
    )


async def strayed(books: Books) -> None:
    where = f"/api/v1/finance/accounts/{books.accounts[OWED]}"
    assert (await books.finance.api("PATCH", where, {"must_have_party": False}, if_match="*")).status == 200
    await books.post(books.line(OWED, "7"), books.line(SALES, "-7"))
    await books.post(books.line(OWED, "9", party_type=PartyType.CUSTOMER, party_id=uuid7()), books.line(SALES, "-9"))


async def unplayed(books: Books) -> None:
    await books.sale()
    (role,) = await books.finance.list(AccountRole, AccountRole.role == LedgerRole.RETAINED_EARNINGS)
    await books.finance.api("DELETE", f"/api/v1/finance/account_roles/{role.id}", if_match="*")


@pytest.mark.parametrize(
    ("given", "problem", "says"),
    [
        (drafted, DraftsLeft, "1 entries and 0 invoices of .* are still drafts"),
        (invoiced, DraftsLeft, "0 entries and 1 invoices"),
        (strayed, ControlAccountDiffers, f"{OWED} .* stands at 16.00 on .*, and what is open on it comes to 9.00: 7.00 is"),
        (unplayed, RoleNotPlayed, "retained_earnings"),
    ],
)
async def test_what_stands_against_closing_is_named(books: Books, year: FiscalYear, given: Any, problem: type[Problem], says: str) -> None:
    await given(books)
    async with refused(books.finance, problem, says):
        await books.finance.run(CloseFiscalYear(fiscal_year_id=year.id))
    assert {one.status for one in await books.finance.list(AccountingPeriod)} == {PeriodStatus.OPEN}
    if problem is not RoleNotPlayed:  # a month is proven too
        async with refused(books.finance, problem, says):
            await books.finance.run(ClosePeriod(accounting_period_id=books.periods[0].id))


async def test_a_draft_of_another_month_is_no_hindrance_to_a_month(books: Books) -> None:
    told = await books.finance.run(DraftEntry(journal_id=books.journals["GEN"], date=books.periods[1].starts_on))
    await books.finance.run(ClosePeriod(accounting_period_id=books.periods[0].id))
    async with refused(books.finance, DraftsLeft):
        await books.finance.run(ClosePeriod(accounting_period_id=books.periods[1].id))
    await books.finance.run(DiscardEntry(journal_entry_id=told.journal_entry_id))
    await books.finance.run(ClosePeriod(accounting_period_id=books.periods[1].id))


async def test_a_report_says_where_a_control_account_differs(books: Books) -> None:
    await strayed(books)
    rows = await books.finance.ask(ControlAccounts(company_id=books.company.id, on=books.day))
    assert [(row["code"], row["balance"], row["open"], row["difference"]) for row in rows if row["balance"] != "0"] == [
        (OWED, "16.00", "9.00", "7.00")
    ]


async def test_who_posts_while_a_year_is_closed_comes_before_it_or_is_refused(books: Books, year: FiscalYear) -> None:
    finance = books.finance
    await books.sale("1000")

    async def post(n: int) -> Any:
        return await books.sale(str(n + 1), date=books.periods[n % 12].ends_on, journal=("GEN", "SAL")[n % 2])

    results = await asyncio.gather(
        *[post(n) for n in range(8)],
        finance.run(CloseFiscalYear(fiscal_year_id=year.id)),
        *[post(n) for n in range(8, 16)],
        return_exceptions=True,
    )

    (closed,) = [one for one in results if isinstance(one, FiscalYearClosed)]
    posts = [one for one in results if one is not closed]
    assert {type(one).__name__ for one in posts} <= {"EntryPosted", "PeriodIsClosed"}
    in_time = sum(n + 1 for n, one in enumerate(posts) if not isinstance(one, Exception))
    assert closed.result == 1000 + in_time
    assert (await standing(books, year.ends_on + DAY)) == {
        CASH: f"{closed.result:.2f}",
        RETAINED: f"{closed.result:.2f}",
        "result": "0.00",
    }
    assert all(row["holds"] for row in await finance.ask(LedgerProof(company_id=books.company.id)))


async def test_of_two_who_close_a_year_one_does(books: Books, year: FiscalYear) -> None:
    await books.sale()
    results = await asyncio.gather(*[books.finance.run(CloseFiscalYear(fiscal_year_id=year.id)) for _ in range(4)], return_exceptions=True)
    assert sorted(type(one).__name__ for one in results) == ["FiscalYearClosed"] + ["IllegalMove"] * 3
    assert await books.finance.count(JournalEntry, JournalEntry.source_id == year.id) == 1


@pytest.mark.parametrize("role", ["finance.bookkeeper", "finance.treasurer", "finance.auditor"])
async def test_only_accountants_close_years(books: Books, year: FiscalYear, role: str) -> None:
    other = books.finance.as_(role)
    async with refused(books.finance, Forbidden):
        await other.run(CloseFiscalYear(fiscal_year_id=year.id))
    async with refused(books.finance, Forbidden):
        await other.run(ReopenFiscalYear(fiscal_year_id=year.id, reason="x"))


ENTRIES = st.lists(
    st.tuples(
        st.integers(0, 364),
        st.sampled_from([SALES, COSTS, CASH, "5120"]),
        st.sampled_from([SALES, COSTS, BANK, "6670"]),
        st.decimals("0.01", "9999999.99", places=2),
        st.sampled_from([None, "one", "two"]),
        st.sampled_from([None, "one", "two"]),
    ),
    max_size=6,
)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ENTRIES, st.integers(0, 363))
async def test_closing_keeps_what_reports_said_and_leaves_nothing(
    books: Books, year: FiscalYear, entries: list[tuple[int, str, str, Decimal, str | None, str | None]], day: int
) -> None:
    finance, id, after = books.finance, books.company.id, year.ends_on + DAY
    for month in books.periods:
        if (await finance.get(AccountingPeriod, month.id)).status is PeriodStatus.CLOSED:  # of the example before
            await finance.run(ReopenPeriod(accounting_period_id=month.id, reason="x"))
    for at, debit, credit, amount, one, other in entries:
        dimensions = [{"dimensions": {"shop": name}} if name else {} for name in (one, other)]
        lines = [
            books.line(debit, str(amount)).changed(**dimensions[0]),
            books.line(credit, str(-amount)).changed(**dimensions[1]),
        ]
        await finance.run(PostEntry(journal_id=books.journals["GEN"], date=books.day + at * DAY, lines=lines))
    before = await reports(books, books.day + day * DAY, year.ends_on)
    (result,) = [row for row in await finance.ask(BalanceSheet(company_id=id, on=after)) if row["section"] == "result"]

    told = await finance.run(CloseFiscalYear(fiscal_year_id=year.id))

    assert await reports(books, books.day + day * DAY, year.ends_on) == before
    assert told.result == Decimal(result["amount"])
    opening = await finance.ask(TrialBalance(company_id=id, since=after, until=after))
    assert sum((Decimal(row["opening"]) for row in opening), Decimal(0)) == 0
    assert not [row for row in opening if row["root_type"] in ("income", "expense")]
    await finance.run(ReopenFiscalYear(fiscal_year_id=year.id, reason="x"))
