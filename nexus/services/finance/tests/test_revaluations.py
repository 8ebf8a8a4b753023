"""What is held and owed in foreign currencies is worth what the rates of the day say, for that day alone."""

from __future__ import annotations

import asyncio
import datetime as dt
import random
from decimal import Decimal
from typing import Any

import pytest

from nexus.core import Forbidden, Invalid, NotFound, Problem, uuid7
from nexus.core.money import exactly, quotient
from nexus.services.finance.api import ClosePeriod, ClosingRate, CompanyRevalued, CreateFiscalYear, LockPeriod, RunRevaluation
from nexus.services.finance.commands.revaluations import NothingToRevalue
from nexus.services.finance.entities import AccountRole, ExchangeRate, JournalEntry, JournalLine
from nexus.services.finance.queries.ageing import Ageing
from nexus.services.finance.queries.proof import LedgerProof
from nexus.services.finance.queries.statements import ProfitAndLoss
from nexus.services.finance.queries.trial_balance import TrialBalance
from nexus.services.finance.rules.refusals import OutsideFiscalYears, PeriodIsClosed, PeriodIsLocked, RoleNotPlayed
from nexus.services.finance.terms import EntryLine, EntryStatus, LedgerRole, PartyType, Subledger
from nexus.services.finance.tests.conftest import BANK, OWED, OWING, SALES, Books, refused

CUSTOMER, SUPPLIER = (PartyType.CUSTOMER, uuid7()), (PartyType.SUPPLIER, uuid7())
DAY = dt.timedelta(days=1)
GAIN, LOSS = "4250", "6670"


def foreign(
    books: Books, account: str, amount: str, rate: str, party: tuple[PartyType, Any] | None = None, currency: str = "USD"
) -> list[EntryLine]:
    """So much on an account, against sales."""
    value = quotient(abs(Decimal(amount)) * Decimal(rate), Decimal(1), "NGN")
    given: dict[str, Any] = {} if party is None else {"party_type": party[0], "party_id": party[1]}
    here, there = ("debit", "credit") if not amount.startswith("-") else ("credit", "debit")
    own: dict[str, Any] = {here: value, "currency": currency, "amount": Decimal(amount)} | given
    other: dict[str, Any] = {there: value}
    return [EntryLine(account_id=books.accounts[account], **own), EntryLine(account_id=books.accounts[SALES], **other)]


async def standing(books: Books, day: dt.date) -> dict[str, Decimal]:
    """What stands on each account at the end of a day."""
    rows = await books.finance.ask(TrialBalance(company_id=books.company.id, since=books.day, until=day))
    return {row["code"]: Decimal(row["closing"]) for row in rows if Decimal(row["closing"])}


def run(books: Books, on: dt.date, *rates: tuple[str, str]) -> RunRevaluation:
    given = [ClosingRate(currency=currency, rate=Decimal(rate)) for currency, rate in rates]
    return RunRevaluation(company_id=books.company.id, on=on, rates=given)


@pytest.fixture
async def trading(books: Books) -> Books:
    """A customer owes 100 USD and a supplier is owed 50, booked at 1,500; the bank holds 10 EUR booked at 1,600."""
    await books.post(*foreign(books, OWED, "100", "1500", CUSTOMER))
    await books.post(*foreign(books, OWING, "-50", "1500", SUPPLIER))
    await books.post(*foreign(books, BANK, "10", "1600", currency="EUR"))
    return books


async def test_gains_and_losses_are_posted_and_taken_back_the_day_after(trading: Books) -> None:
    end = trading.periods[0].ends_on
    await trading.finance.given(
        ExchangeRate(from_currency="USD", to_currency="NGN", date=end, rate=Decimal(1620)),
        ExchangeRate(from_currency="USD", to_currency="NGN", date=end + DAY, rate=Decimal(9999)),
    )
    before = await standing(trading, end)
    trading.finance.emitted.clear()

    told = await trading.finance.run(run(trading, end, ("EUR", "1590.5")))

    assert (told.gain, told.loss, told.currency) == (Decimal("12000.00"), Decimal("6095.00"), "NGN")
    after = await standing(trading, end)
    changed = {code: after.get(code, Decimal(0)) - before.get(code, Decimal(0)) for code in after | before}
    assert {code: value for code, value in changed.items() if value} == {
        OWED: Decimal(12000),
        OWING: Decimal(-6000),
        BANK: Decimal(-95),
        GAIN: Decimal(-12000),
        LOSS: Decimal(6095),
    }
    result = await trading.finance.ask(ProfitAndLoss(company_id=trading.company.id, since=trading.day, until=end))
    assert {row["code"]: row["amount"] for row in result if row["code"] in (GAIN, LOSS)} == {GAIN: "12000.00", LOSS: "6095.00"}
    assert await standing(trading, end + DAY) == before
    entry = await trading.finance.get(JournalEntry, told.journal_entry_id)
    back = await trading.finance.get(JournalEntry, told.reversed_by_id)
    assert (entry.status, entry.date, back.date, back.reversal_of_id) == (EntryStatus.REVERSED, end, end + DAY, entry.id)
    assert [event for event in trading.finance.emitted if isinstance(event, CompanyRevalued)] == [told]
    lines = await trading.finance.list(JournalLine, JournalLine.entry_id == entry.id)
    assert {(line.party_id, line.residual) for line in lines if line.party_id} == {(CUSTOMER[1], Decimal(0)), (SUPPLIER[1], Decimal(0))}
    assert all(one["holds"] for one in await trading.finance.ask(LedgerProof(company_id=trading.company.id)))


async def test_what_is_open_on_the_day_adds_up_to_the_control_accounts(trading: Books) -> None:
    end = trading.periods[0].ends_on
    await trading.finance.run(run(trading, end, ("USD", "1620"), ("EUR", "1600")))

    for day in (end - DAY, end, end + DAY):
        balances = await standing(trading, day)
        for subledger, account, sign in ((Subledger.RECEIVABLES, OWED, 1), (Subledger.PAYABLES, OWING, -1)):
            rows = await trading.finance.ask(Ageing(company_id=trading.company.id, on=day, subledger=subledger))
            assert sum(Decimal(row["base_open"]) for row in rows) == sign * balances[account], (day, subledger)
            assert [row["open"] for row in rows] == ["100.00" if sign == 1 else "50.00"]


async def test_what_has_come_to_differ_since_is_posted_by_the_next_run(trading: Books) -> None:
    end = trading.periods[0].ends_on
    await trading.finance.run(run(trading, end, ("USD", "1600"), ("EUR", "1600")))
    with pytest.raises(NothingToRevalue):
        await trading.finance.run(run(trading, end, ("USD", "1600"), ("EUR", "1600")))

    await trading.post(*foreign(trading, OWED, "1", "1500", CUSTOMER))
    told = await trading.finance.run(run(trading, end, ("USD", "1600"), ("EUR", "1600")))

    assert (told.gain, told.loss) == (Decimal(100), Decimal(0))


async def test_the_next_period_begins_from_what_was_booked(trading: Books) -> None:
    first, second = trading.periods[0].ends_on, trading.periods[1].ends_on
    await trading.finance.run(run(trading, first, ("USD", "1600"), ("EUR", "1600")))

    told = await trading.finance.run(run(trading, second, ("USD", "1510"), ("EUR", "1600")))

    assert (told.gain, told.loss) == (Decimal(1000), Decimal(500))
    assert (await standing(trading, second))[OWED] == Decimal(151_000)


async def test_nothing_foreign_is_nothing_to_revalue(books: Books) -> None:
    await books.sale()
    async with refused(books.finance, NothingToRevalue, match="Ade Bakery"):
        await books.finance.run(run(books, books.periods[0].ends_on))


@pytest.mark.parametrize(
    ("rates", "names"),
    [
        ([("USD", "1600")], r"rates: of EUR in NGN on \d{4}-01-31 is not known"),
        ([("USD", "0"), ("EUR", "1")], r"rates\[0\].rate: is more than 0"),
        ([("USD", "1"), ("USD", "2"), ("EUR", "1")], r"rates\[1\].currency: is named before"),
        ([("NGN", "1")], r"rates\[0\].currency: is that of the books"),
    ],
)
async def test_rates_that_do_not_do_are_named(trading: Books, rates: list[tuple[str, str]], names: str) -> None:
    async with refused(trading.finance, Invalid, match=names):
        await trading.finance.run(run(trading, trading.periods[0].ends_on, *rates))


ALL = (("USD", "1600"), ("EUR", "1601"))


async def test_both_days_must_be_open(trading: Books) -> None:
    finance, (first, second) = trading.finance, trading.periods[:2]

    async def is_refused(problem: type[Problem], match: str, on: dt.date) -> None:
        async with refused(finance, problem, match=match):
            await finance.run(run(trading, on, *ALL))

    await is_refused(OutsideFiscalYears, str(trading.periods[-1].ends_on + DAY), trading.periods[-1].ends_on)
    await finance.run(ClosePeriod(accounting_period_id=second.id))
    await is_refused(PeriodIsClosed, second.name, first.ends_on)
    await finance.run(LockPeriod(company_id=trading.company.id, until=first.ends_on))
    await is_refused(PeriodIsLocked, str(first.ends_on), first.ends_on)
    await finance.run(CreateFiscalYear(company_id=trading.company.id))
    await finance.run(run(trading, trading.periods[-1].ends_on, *ALL))


async def test_without_an_account_for_it_nothing_is_posted(trading: Books) -> None:
    (gain,) = await trading.finance.list(AccountRole, AccountRole.role == LedgerRole.UNREALISED_FX_GAIN)
    assert (await trading.finance.api("DELETE", f"/api/v1/finance/account_roles/{gain.id}", if_match="*")).status in (200, 204)
    async with refused(trading.finance, RoleNotPlayed, match="unrealised_fx_gain"):
        await trading.finance.run(run(trading, trading.periods[0].ends_on, *ALL))


async def test_only_who_may_runs_it_and_only_for_a_company_that_is_there(trading: Books) -> None:
    end = trading.periods[0].ends_on
    for role in ("finance.bookkeeper", "finance.treasurer", "finance.auditor"):
        async with refused(trading.finance, Forbidden):
            await trading.finance.as_(role).run(run(trading, end, *ALL))
    async with refused(trading.finance, NotFound):
        await trading.finance.run(RunRevaluation(company_id=uuid7(), on=end))
    await trading.finance.as_("finance.accountant").run(run(trading, end, *ALL))


async def test_of_two_at_once_one_posts(trading: Books) -> None:
    both = [trading.finance.run(run(trading, trading.periods[0].ends_on, *ALL)) for _ in range(2)]
    ended = await asyncio.gather(*both, return_exceptions=True)
    assert sorted(type(one).__name__ for one in ended) == ["CompanyRevalued", "NothingToRevalue"]
    assert (await standing(trading, trading.periods[0].ends_on))[OWED] == Decimal(160_000)


@pytest.mark.parametrize("seed", range(4))
async def test_whatever_was_booked_is_worth_what_the_rates_say(books: Books, seed: int) -> None:
    dice = random.Random(seed)
    parties = [(PartyType.CUSTOMER, uuid7()) for _ in range(3)]
    booked: dict[tuple[str, str], Decimal] = {}
    for _ in range(25):
        account, currency = dice.choice([OWED, OWING, BANK]), dice.choice(["USD", "EUR", "JPY"])
        amount = Decimal(dice.randrange(1, 10**6)) * (1 if currency == "JPY" else Decimal("0.01")) * dice.choice([1, -1])
        party = None if account == BANK else dice.choice(parties)
        await books.post(*foreign(books, account, str(amount), f"{dice.uniform(5, 2000):.6f}", party, currency))
        key = str(party and party[1]) + account, currency
        booked[key] = booked.get(key, Decimal(0)) + amount
    rates = {currency: Decimal(f"{dice.uniform(5, 2000):.6f}") for currency in ("USD", "EUR", "JPY")}
    end = books.periods[0].ends_on
    before = await standing(books, end)

    await books.finance.run(run(books, end, *[(currency, str(rate)) for currency, rate in rates.items()]))

    after = await standing(books, end)
    for account in (OWED, OWING, BANK):
        with exactly():
            worth = [
                quotient(amount * rates[currency], Decimal(1), "NGN") for (key, currency), amount in booked.items() if key.endswith(account)
            ]
        assert after.get(account, Decimal(0)) == sum(worth, Decimal(0))
    assert await standing(books, end + DAY) == before
