"""What the ledger refuses: each refusal names the lines, and nothing has changed."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from nexus.core import Problem, uuid7
from nexus.services.finance.api import ClosePeriod, GrantLockException, LockPeriod, ReopenPeriod, RevokeLockException
from nexus.services.finance.entities import Account
from nexus.services.finance.rules.refusals import (
    BothSides,
    FrozenAccount,
    GroupAccount,
    NeitherSide,
    OutsideFiscalYears,
    PartyMissing,
    PeriodIsClosed,
    PeriodIsLocked,
    TooFewLines,
    TooManyDecimals,
    Unbalanced,
    Unconverted,
    UnknownAccount,
    WrongCurrency,
)
from nexus.services.finance.terms import AccountType, LockScope, PartyType, RootType
from nexus.services.finance.tests.conftest import BANK, CASH, COSTS, OWED, SALES, TAX, Books, refused

ONE = Decimal(1)


@pytest.mark.parametrize(
    ("changes", "problem", "says"),
    [
        ({"account_id": uuid7()}, UnknownAccount, "Line 2: the account is none"),
        ({"debit": ONE}, BothSides, "Line 2"),
        ({"credit": -ONE}, BothSides, "Line 2"),
        ({"credit": Decimal(0)}, NeitherSide, "Line 2: there is neither"),
        ({"credit": Decimal("1.001")}, TooManyDecimals, "Line 2"),
        ({"credit": Decimal(2)}, Unbalanced, "differ by -1.00 NGN"),
        ({"currency": "USD"}, Unconverted, "Line 2"),
        ({"currency": "QQQ", "amount": -ONE}, Unconverted, "Line 2"),
        ({"currency": "USD", "amount": ONE}, Unconverted, "Line 2"),
        ({"currency": "USD", "amount": -ONE, "rate": Decimal(0)}, Unconverted, "Line 2"),
        ({"currency": "JPY", "amount": Decimal("-0.5")}, TooManyDecimals, "Line 2"),
        ({"amount": Decimal(-2)}, Unconverted, "Line 2"),
        ({"party_id": uuid7()}, PartyMissing, "Line 2"),
        ({"party_type": PartyType.CUSTOMER}, PartyMissing, "Line 2"),
    ],
)
async def test_a_wrong_line_is_named(books: Books, changes: dict[str, Any], problem: type[Problem], says: str) -> None:
    async with refused(books.finance, problem, says):
        await books.post(books.line(CASH, "1"), books.line(SALES, "-1").changed(**changes))


async def test_every_wrong_line_is_named_at_once(books: Books) -> None:
    with pytest.raises(NeitherSide) as refusal:
        await books.post(books.line(CASH, "0"), books.line(SALES, "-1"), books.line(TAX, "0"), books.line(COSTS, "1"))
    assert refusal.value.lines == "1, 3"
    assert [one.field for one in refusal.value.errors] == ["lines[0].debit", "lines[2].debit"]


async def test_lines_of_one_foreign_currency_balance_in_it_too(books: Books) -> None:
    usd = {"currency": "USD"}
    async with refused(books.finance, Unbalanced, "differ by 1.00 USD"):
        await books.post(books.line(BANK, "1500", **usd, amount=Decimal(3)), books.line(SALES, "-1500", **usd, amount=Decimal(-2)))
    # a difference in rates alone is no amount of the currency
    await books.post(
        books.line(BANK, "1500", **usd, amount=ONE), books.line(OWED, "-1400", **usd, amount=-ONE, party_type=PartyType.CUSTOMER, party_id=uuid7()),
        books.line("4240", "-100", **usd, amount=Decimal(0)),
    )  # fmt: skip
    # and lines of several balance in the base currency
    await books.post(books.line(BANK, "1500", **usd, amount=ONE), books.line(SALES, "-1500"))


async def test_an_entry_has_two_lines(books: Books) -> None:
    async with refused(books.finance, TooFewLines):
        await books.post()
    async with refused(books.finance, TooFewLines):
        await books.post(books.line(CASH, "1"))


async def test_accounts_say_what_they_take(books: Books) -> None:
    finance, company = books.finance, books.company.id
    dollars = await finance.given(
        Account(company_id=company, code="1011", name="Dollars", root_type=RootType.ASSET, account_type=AccountType.BANK, currency="USD"),
        Account(company_id=company, code="1012", name="Frozen", root_type=RootType.ASSET, frozen=True),
        Account(company_id=company, code="1013", name="Gone", root_type=RootType.ASSET),
    )
    accounts = {one.code: one for one in await finance.list(Account)}
    await finance.api("DELETE", f"/api/v1/finance/accounts/{accounts['1013'].id}", if_match="*")
    books.accounts.update({code: one.id for code, one in accounts.items()})
    other = books.line(SALES, "-1")
    for code, problem in (
        ("1000", GroupAccount),
        ("1012", FrozenAccount),
        ("1013", FrozenAccount),
        ("1011", WrongCurrency),
        (OWED, PartyMissing),
    ):
        async with refused(finance, problem, "Line 1"):
            await books.post(books.line(code, "1"), other)
    await books.post(books.line("1011", "1", currency="USD", amount=ONE), other)
    for change in ({"currency": None}, {"is_group": True}, {"root_type": "expense"}):
        refusal = await finance.api("PATCH", f"/api/v1/finance/accounts/{dollars.id}", change, if_match="*")
        assert refusal.status == 422, refusal.body  # absent from the patch type


async def test_the_chart_stays_a_tree(books: Books) -> None:
    finance, made = books.finance, {"company_id": str(books.company.id), "root_type": "asset", "name": "x"}
    groups = [
        (await finance.api("POST", "/api/v1/finance/accounts", {**made, "code": f"19{n}", "is_group": True})).json()["id"] for n in range(2)
    ]
    below = await finance.api("PATCH", f"/api/v1/finance/accounts/{groups[0]}", {"parent_id": groups[1]}, if_match="*")
    assert below.status == 200
    for id in groups:
        circle = await finance.api("PATCH", f"/api/v1/finance/accounts/{groups[1]}", {"parent_id": id}, if_match="*")
        assert (circle.status, circle.json()["type"]) == (422, "/problems/unfit-parent"), circle.body
    for parent in (SALES, CASH, "4000"):
        answer = await finance.api("POST", "/api/v1/finance/accounts", {**made, "code": "1999", "parent_id": str(books.accounts[parent])})
        assert (answer.status, answer.json()["type"]) == (422, "/problems/unfit-parent"), answer.body
    assert await finance.count(Account, Account.code == "1999") == 0


async def test_only_days_of_a_fiscal_year_are_posted_on(books: Books) -> None:
    before = books.day - dt.timedelta(days=1)
    async with refused(books.finance, OutsideFiscalYears, str(before)):
        await books.sale(date=before)


async def test_a_closed_period_takes_nothing_until_it_is_reopened(books: Books) -> None:
    finance, period = books.finance, books.periods[0]
    await finance.run(ClosePeriod(accounting_period_id=period.id))
    async with refused(finance, PeriodIsClosed, period.name):
        await books.sale(date=period.ends_on)
    await books.sale(date=books.periods[1].starts_on)
    await finance.run(ReopenPeriod(accounting_period_id=period.id, reason="Late"))
    await books.sale(date=period.ends_on)


@pytest.mark.parametrize(
    ("scope", "journal", "accounts"),
    [
        (LockScope.ALL, "GEN", (CASH, SALES)),
        (LockScope.SALE, "SAL", (CASH, SALES)),
        (LockScope.PURCHASE, "PUR", (COSTS, CASH)),
        (LockScope.TAX, "GEN", (CASH, TAX)),
    ],
)
async def test_a_lock_date_stops_its_entries_and_no_others(books: Books, scope: LockScope, journal: str, accounts: tuple[str, str]) -> None:
    finance, until = books.finance, books.periods[0].ends_on
    lines = [books.line(accounts[0], "1"), books.line(accounts[1], "-1")]
    await finance.run(LockPeriod(company_id=books.company.id, scope=scope, until=until))
    async with refused(finance, PeriodIsLocked, f"up to {until} \\({scope}\\)"):
        await books.post(*lines, journal=journal, date=until)
    await books.post(*lines, journal=journal, date=until + dt.timedelta(days=1))
    if scope is not LockScope.ALL:
        await books.post(books.line(BANK, "1"), books.line(CASH, "-1"), journal="BNK", date=until)
    await finance.run(LockPeriod(company_id=books.company.id, scope=scope, until=None))
    await books.post(*lines, journal=journal, date=until)


async def test_an_exception_lets_one_person_post_for_its_time(books: Books) -> None:
    finance, until = books.finance, books.periods[0].ends_on
    soon = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)
    me = finance.caller.actor.id
    assert me is not None
    await finance.run(LockPeriod(company_id=books.company.id, until=until))
    await finance.run(GrantLockException(company_id=books.company.id, user_id=uuid7(), reason="Somebody else", expires_at=soon))
    await finance.run(GrantLockException(company_id=books.company.id, user_id=me, scope=LockScope.TAX, reason="Tax only", expires_at=soon))
    async with refused(finance, PeriodIsLocked):
        await books.sale()
    granted = await finance.run(GrantLockException(company_id=books.company.id, user_id=me, reason="Late bill", expires_at=soon))
    await books.sale()
    await finance.run(RevokeLockException(lock_exception_id=granted.lock_exception_id))
    async with refused(finance, PeriodIsLocked):
        await books.sale()
