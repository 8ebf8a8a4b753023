"""Customers are reminded of what is overdue, level by level, and never twice of the same."""

from __future__ import annotations

import asyncio
import datetime as dt
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nexus.core import Forbidden, Invalid, uuid7
from nexus.services.finance.api import (
    CompanyDunned,
    CreateFiscalYear,
    CreateInvoice,
    DunningIssued,
    IssueDunning,
    LockPeriod,
    PostInvoice,
    RecordPayment,
)
from nexus.services.finance.entities import AccountRole, DunnedInvoice, Dunning, DunningBlock, DunningLevel, Invoice, JournalLine
from nexus.services.finance.invoice_terms import InvoiceLine
from nexus.services.finance.payment_terms import PaymentDirection, PaymentShare
from nexus.services.finance.queries.overdue import Overdue
from nexus.services.finance.queries.proof import LedgerProof
from nexus.services.finance.rules.refusals import DunningLevelSkipped, PeriodIsLocked, RoleNotPlayed
from nexus.services.finance.terms import LedgerRole
from nexus.services.finance.tests.conftest import Books, refused

DAY = dt.timedelta(days=1)
ADA, OBI = uuid7(), uuid7()


@pytest.fixture
async def past(books: Books) -> Books:
    """Books that have the year before too, whose days are all over, and two levels: after 10 days and after 30."""
    await books.finance.run(CreateFiscalYear(company_id=books.company.id, starts_on=first(books)))
    given: dict[str, Any] = {"company_id": books.company.id}
    await books.finance.given(
        DunningLevel(**given, level=1, days_overdue=10, text_key="reminder"),
        DunningLevel(**given, level=2, days_overdue=30, fee=Decimal(500), interest_rate=Decimal(9), text_key="last_reminder"),
    )
    books.finance.emitted.clear()
    return books


def first(books: Books) -> dt.date:
    """The first day of the year before."""
    return books.day.replace(year=books.day.year - 1)


async def owed(books: Books, party: UUID, amount: str, day: int = 0, **more: Any) -> UUID:
    """An invoice of so many days after the first, payable at once."""
    line = InvoiceLine(name="Bread", quantity=Decimal(1), unit_price=Decimal(amount))
    date = first(books) + day * DAY
    made = await books.finance.run(CreateInvoice(party_id=party, party_name="Ada", date=date, lines=[line], **more))
    await books.finance.run(PostInvoice(invoice_id=made.invoice_id, rate=Decimal(1500) if more.get("currency") else None))
    return made.invoice_id


async def dun(books: Books, day: int) -> tuple[CompanyDunned, list[DunningIssued]]:
    """Dun as of so many days after the first: what is answered, and what is told of each notice."""
    books.finance.emitted.clear()
    answer = await books.finance.run(IssueDunning(company_id=books.company.id, on=first(books) + day * DAY))
    return answer, [one for one in books.finance.emitted if isinstance(one, DunningIssued)]


async def test_a_customer_is_told_of_all_that_is_overdue(past: Books) -> None:
    old, dollars, late = await owed(past, ADA, "100"), await owed(past, ADA, "2", 3, currency="USD"), await owed(past, ADA, "30", 15)
    disputed = await owed(past, ADA, "70")
    other = await owed(past, OBI, "5", 19)  # not yet
    await past.finance.given(DunningBlock(invoice_id=disputed, reason="Damaged"))

    answer, (told,) = await dun(past, 20)

    assert (answer.notices, answer.invoices, answer.fees, answer.interest) == (1, 2, Decimal(0), Decimal(0))
    assert (told.party_id, told.party_name, told.level, told.text_key, told.currency) == (ADA, "Ada", 1, "reminder", "NGN")
    assert [(one.invoice_id, one.days_overdue, one.open, one.base_open, one.level, one.raised) for one in told.items] == [
        (old, 20, Decimal(100), Decimal(100), 1, True),
        (dollars, 17, Decimal(2), Decimal(3000), 1, True),
        (late, 5, Decimal(30), Decimal(30), 0, False),
    ]
    assert (told.open, told.fee, told.interest, told.charge_id) == (Decimal(3130), Decimal(0), Decimal(0), None)
    kept = await past.finance.get(Dunning, told.dunning_id)
    assert (kept.items, kept.date) == (told.items, first(past) + 20 * DAY)
    assert {(one.invoice_id, one.level) for one in await past.finance.list(DunnedInvoice)} == {(old, 1), (dollars, 1)}
    rows = await past.finance.ask(Overdue(company_id=past.company.id, on=first(past) + 30 * DAY))
    assert [
        (UUID(row["invoice_id"]), row["level"], row["next_level"], row["blocked"]) for row in rows if UUID(row["invoice_id"]) != other
    ] == [
        *sorted([(old, 1, None, False), (disputed, 0, None, True)]),
        (dollars, 1, None, False),
        (late, 0, 1, False),
    ]


async def test_an_invoice_goes_up_one_level_at_a_time_as_far_apart_as_they_are(past: Books) -> None:
    await owed(past, ADA, "100")
    levels = [(await dun(past, day))[1] for day in (9, 90, 90, 91, 109, 110, 111, 200)]
    assert [[one.level for one in told] for told in levels] == [[], [1], [], [], [], [2], [], []]
    before = await past.finance.ask(Overdue(company_id=past.company.id, on=first(past) + 100 * DAY))
    assert [row["level"] for row in before] == [1]


async def test_fee_and_interest_are_invoiced_with_the_notice(past: Books) -> None:
    finance = past.finance
    invoice = await owed(past, ADA, "1000")
    await finance.run(
        RecordPayment(
            direction=PaymentDirection.RECEIVED, journal_id=past.journals["BNK"], date=first(past) + 5 * DAY, party_id=ADA,
            amount=Decimal(400), allocations=[PaymentShare(invoice_id=invoice)],
        )
    )  # fmt: skip
    await dun(past, 10)

    answer, (told,) = await dun(past, 30)

    interest = Decimal("4.44")  # 600 x 30 days x 9 % / 365
    assert (told.open, told.fee, told.interest) == (Decimal(600), Decimal(500), interest)
    assert (answer.fees, answer.interest, answer.currency) == (Decimal(500), interest, "NGN")
    assert told.charge_id is not None
    charge = await finance.get(Invoice, told.charge_id)
    assert (charge.party_id, charge.payable, charge.status, charge.date) == (ADA, 500 + interest, "posted", first(past) + 30 * DAY)
    roles = {
        one.account_id: one.role for one in await finance.list(AccountRole) if one.role in ("other_income", "interest_income", "receivable")
    }
    lines = await finance.list(JournalLine, JournalLine.entry_id == charge.entry_id)
    assert {roles[one.account_id]: one.credit - one.debit for one in lines} == {
        LedgerRole.RECEIVABLE: -500 - interest,
        LedgerRole.OTHER_INCOME: Decimal(500),
        LedgerRole.INTEREST_INCOME: interest,
    }
    again, _ = await dun(past, 300)
    assert again.notices == 0  # nor is the charge dunned itself
    assert all(row["holds"] for row in await finance.ask(LedgerProof(company_id=past.company.id)))


async def test_interest_is_charged_from_where_it_was_charged_last(past: Books) -> None:
    given: dict[str, Any] = {"company_id": past.company.id}
    await past.finance.given(DunningLevel(**given, level=3, days_overdue=50, interest_rate=Decimal(18), text_key="court"))
    await owed(past, ADA, "1000")
    charged = [told[0].interest for day in (10, 30, 50) if (told := (await dun(past, day))[1])]
    assert charged == [Decimal(0), Decimal("7.40"), Decimal("9.86")]


async def test_a_block_holds_until_its_day(past: Books) -> None:
    invoice = await owed(past, ADA, "100")
    await past.finance.given(DunningBlock(invoice_id=invoice, reason="Was given time", until=first(past) + 40 * DAY))
    assert [(await dun(past, day))[0].notices for day in (40, 41)] == [0, 1]


async def test_what_stands_against_dunning_is_named(past: Books) -> None:
    finance, company = past.finance, past.company.id
    await owed(past, ADA, "100")
    async with refused(finance, Invalid, "on: is in the future"):
        await finance.run(IssueDunning(company_id=company, on=past.periods[-1].ends_on + 400 * DAY))
    await dun(past, 20)
    async with refused(finance, Invalid, "on: is before .*, the day of the last notices"):
        await finance.run(IssueDunning(company_id=company, on=first(past) + 19 * DAY))
    await finance.run(LockPeriod(company_id=company, until=first(past) + 50 * DAY))
    async with refused(finance, PeriodIsLocked):  # the fee cannot be booked
        await finance.run(IssueDunning(company_id=company, on=first(past) + 50 * DAY))
    (role,) = await finance.list(AccountRole, AccountRole.role == LedgerRole.INTEREST_INCOME)
    await finance.api("DELETE", f"/api/v1/finance/account_roles/{role.id}", if_match="*")
    async with refused(finance, RoleNotPlayed, "interest_income"):
        await finance.run(IssueDunning(company_id=company, on=first(past) + 60 * DAY))
    assert await finance.count(Dunning) == 1


async def test_without_levels_nobody_is_dunned(books: Books) -> None:
    async with refused(books.finance, Invalid, "has no dunning levels"):
        await books.finance.run(IssueDunning(company_id=books.company.id))


async def test_no_level_is_skipped_or_had_twice(past: Books) -> None:
    invoice = await owed(past, ADA, "100")
    _, (told,) = await dun(past, 20)
    for level in (1, 3):
        with pytest.raises(Exception, match=DunningLevelSkipped.__name__):
            await past.finance.given(DunnedInvoice(dunning_id=told.dunning_id, invoice_id=invoice, level=level, date=told.date))
    assert await past.finance.count(DunnedInvoice) == 1


async def test_of_two_who_dun_at_once_one_raises(past: Books) -> None:
    for party in (ADA, OBI, uuid7()):
        await owed(past, party, "100")
    command = IssueDunning(company_id=past.company.id, on=first(past) + 20 * DAY)
    answers = await asyncio.gather(*[past.finance.run(command) for _ in range(3)])
    assert sorted(one.notices for one in answers) == [0, 0, 3]


@pytest.mark.parametrize(("role", "may"), [("finance.bookkeeper", True), ("finance.treasurer", False), ("finance.auditor", False)])
async def test_bookkeepers_dun(past: Books, role: str, may: bool) -> None:
    command = IssueDunning(company_id=past.company.id, on=first(past))
    if may:
        await past.finance.as_(role).run(command)
        return
    async with refused(past.finance, Forbidden):
        await past.finance.as_(role).run(command)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, 60), max_size=3), st.lists(st.integers(0, 150), min_size=1, max_size=4))
async def test_levels_come_one_after_the_other(past: Books, invoices: list[int], runs: list[int]) -> None:
    last = max((one.date for one in await past.finance.list(Dunning)), default=first(past))
    made = {await owed(past, uuid7(), "10", day): day for day in invoices}
    days = sorted(day for day in runs if first(past) + day * DAY >= last)
    for day in days:
        await dun(past, day)
    found = await past.finance.list(DunnedInvoice)
    for id, day in made.items():
        mine = sorted((one.level, (one.date - first(past)).days) for one in found if one.invoice_id == id)
        assert [level for level, _ in mine] == list(range(1, len(mine) + 1))
        assert all(at - day >= (10, 30)[level - 1] for level, at in mine)
        assert len(mine) < 2 or mine[1][1] - mine[0][1] >= 20
        assert bool(mine) == any(one - day >= 10 for one in days)
