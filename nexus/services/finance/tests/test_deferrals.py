"""What an invoice brings or costs is recognised in the months it belongs to, to the cent."""

from __future__ import annotations

import asyncio
import datetime as dt
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.core import Forbidden, IllegalMove, Invalid, uuid7
from nexus.services.finance.api import (
    ClosePeriod,
    CreateFiscalYear,
    CreateInvoice,
    CreditInvoice,
    DeferInvoiceLine,
    EndDeferral,
    PostInvoice,
    RecognizeDeferrals,
)
from nexus.services.finance.deferral_terms import DeferralStatus, Spread
from nexus.services.finance.entities import AccountRole, DeferralEntry, DeferralSchedule, JournalEntry
from nexus.services.finance.invoice_terms import CreditedLine, InvoiceKind, InvoiceLine
from nexus.services.finance.queries.deferrals import Deferrals
from nexus.services.finance.queries.proof import LedgerProof
from nexus.services.finance.queries.trial_balance import TrialBalance
from nexus.services.finance.rules.refusals import RoleNotPlayed
from nexus.services.finance.rules.spreading import spread
from nexus.services.finance.terms import LedgerRole
from nexus.services.finance.tests.conftest import PURCHASES, SALES, Books, refused

DAY = dt.timedelta(days=1)
DAYS = st.dates(dt.date(1990, 1, 1), dt.date(2090, 1, 1))


@given(st.decimals("0.01", "99999999.99", places=2), DAYS, st.integers(0, 1500), st.sampled_from(list(Spread)))
def test_the_parts_add_up_to_the_amount(amount: Decimal, start: dt.date, days: int, how: Spread) -> None:
    end = start + days * DAY
    parts = spread(amount, "NGN", start, end, how)
    assert sum((one.amount for one in parts), Decimal(0)) == amount
    assert parts[-1].on == end
    assert all((one.on + DAY).day == 1 for one in parts[:-1])
    assert len(parts) == (end.year * 12 + end.month) - (start.year * 12 + start.month) + 1
    assert all(one.amount >= 0 for one in parts)
    if how is Spread.EQUAL:
        assert max(one.amount for one in parts) - min(one.amount for one in parts) <= Decimal("0.01")


def test_days_weigh_a_month() -> None:
    parts = spread(Decimal(365), "NGN", dt.date(2025, 1, 16), dt.date(2026, 1, 15), Spread.DAYS)
    assert [one.amount for one in parts] == [16, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31, 15]


async def booked(books: Books, kind: InvoiceKind = InvoiceKind.SALES_INVOICE, **more: Any) -> UUID:
    """An invoice of the first day: 5 for bread, and 1200 for a year's maintenance."""
    lines = [
        InvoiceLine(name=name, quantity=Decimal(1), unit_price=Decimal(price)) for name, price in (("Bread", 5), ("Maintenance", 1200))
    ]
    made = await books.finance.run(CreateInvoice(kind=kind, party_id=uuid7(), party_name="Ada", date=books.day, lines=lines, **more))
    await books.finance.run(PostInvoice(invoice_id=made.invoice_id, rate=Decimal(10) if more.get("currency") else None))
    return made.invoice_id


async def deferred(books: Books, invoice: UUID, **more: Any) -> UUID:
    given: dict[str, Any] = {"line": 1, "starts_on": books.day, "ends_on": books.periods[-1].ends_on, "spread": Spread.EQUAL}
    return (await books.finance.run(DeferInvoiceLine(invoice_id=invoice, **given | more))).deferral_schedule_id


async def recognize(books: Books, month: int) -> Any:
    return await books.finance.run(RecognizeDeferrals(company_id=books.company.id, on=books.periods[month - 1].ends_on))


async def standing(books: Books, month: int, *roles: LedgerRole) -> list[str]:
    """What stands on the accounts of some roles at the end of a month."""
    played = {one.role: one.account_id for one in await books.finance.list(AccountRole)}
    rows = await books.finance.ask(TrialBalance(company_id=books.company.id, since=books.day, until=books.periods[month - 1].ends_on))
    found = {UUID(row["account_id"]): row["closing"] for row in rows}
    return [found.get(played[role], "0.00") for role in roles]


@pytest.mark.parametrize(
    ("kind", "waits", "becomes", "sign"),
    [
        (InvoiceKind.SALES_INVOICE, LedgerRole.DEFERRED_REVENUE, SALES, -1),
        (InvoiceKind.PURCHASE_BILL, LedgerRole.DEFERRED_EXPENSE, PURCHASES, 1),
    ],
)
async def test_a_line_is_recognised_month_by_month(books: Books, kind: InvoiceKind, waits: LedgerRole, becomes: str, sign: int) -> None:
    finance = books.finance
    id = await deferred(books, await booked(books, kind))
    ask: dict[str, Any] = {"company_id": books.company.id, "since": books.day}

    async def amount(month: int) -> Decimal:
        rows = await finance.ask(TrialBalance(**ask, until=books.periods[month - 1].ends_on))
        return sign * sum((Decimal(row["closing"]) for row in rows if row["code"] == becomes), Decimal(0))

    assert (await amount(1), await standing(books, 1, waits)) == (Decimal(5), [f"{sign * 1200}.00"])

    told = await recognize(books, 3)

    assert (told.parts, told.income, told.expense) == (3, *((300, 0) if kind.sale else (0, 300)))
    assert [await amount(month) for month in (1, 2, 3, 4)] == [105, 205, 305, 305]
    assert await standing(books, 3, waits) == [f"{sign * 900}.00"]
    (row,) = await finance.ask(Deferrals(company_id=books.company.id, on=books.periods[1].ends_on))
    assert (row["amount"], row["recognised"], row["deferred"]) == ("1200.00", "200.00", "1000.00")
    assert (await recognize(books, 3)).parts == 0
    assert (await recognize(books, 12)).parts == 9
    kept = await finance.get(DeferralSchedule, id)
    assert (kept.status, kept.recognised, kept.next_on) == (DeferralStatus.DONE, Decimal(1200), None)
    assert await standing(books, 12, waits) == ["0.00"]
    assert await finance.ask(Deferrals(company_id=books.company.id, on=books.periods[-1].ends_on)) == []
    assert all(one["holds"] for one in await finance.ask(LedgerProof(company_id=books.company.id)))


async def test_what_is_in_another_currency_is_deferred_at_what_it_was_booked(books: Books) -> None:
    id = await deferred(books, await booked(books, currency="USD"))
    kept = await books.finance.get(DeferralSchedule, id)
    assert (kept.amount, kept.currency, {one.amount for one in kept.parts}) == (Decimal(12000), "NGN", {Decimal(1000)})


async def test_what_belongs_to_a_closed_month_is_recognised_in_the_first_open_one(books: Books) -> None:
    await deferred(books, await booked(books))
    await books.finance.run(ClosePeriod(accounting_period_id=books.periods[0].id))
    told = await recognize(books, 2)
    assert told.parts == 2
    assert sorted(one.date for one in await books.finance.list(DeferralEntry)) == [books.periods[1].starts_on, books.periods[1].ends_on]


async def test_all_that_is_left_is_recognised_at_once(books: Books) -> None:
    id = await deferred(books, await booked(books))
    await recognize(books, 2)
    told = await books.finance.run(EndDeferral(deferral_schedule_id=id, date=books.periods[2].starts_on))
    assert (told.amount, told.currency) == (Decimal(1000), "NGN")
    assert await standing(books, 3, LedgerRole.DEFERRED_REVENUE) == ["0.00"]
    async with refused(books.finance, IllegalMove, "is done: it cannot end"):
        await books.finance.run(EndDeferral(deferral_schedule_id=id))
    assert (await recognize(books, 12)).parts == 0


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"line": 2}, "line: is none of the invoice"),
        ({"ends_on": dt.date(1999, 1, 1)}, "ends_on: is not before"),
        ({"ends_on": dt.date(2199, 1, 1)}, "ends_on: .* at most 120 months"),
    ],
)
async def test_what_cannot_be_deferred_is_named(books: Books, given: dict[str, Any], says: str) -> None:
    invoice = await booked(books)
    async with refused(books.finance, Invalid, says):
        await deferred(books, invoice, **given)
    assert await books.finance.count(DeferralSchedule) == 0


async def test_a_line_is_deferred_once_and_not_when_it_was_taken_back(books: Books) -> None:
    invoice = await booked(books)
    await deferred(books, invoice)
    async with refused(books.finance, Invalid, "line: is deferred already"):
        await deferred(books, invoice)
    other = await booked(books)
    note = await books.finance.run(CreditInvoice(invoice_id=other, lines=[CreditedLine(line=1, quantity=Decimal(1))], date=books.day))
    async with refused(books.finance, Invalid, "line: has been credited"):
        await deferred(books, other)
    async with refused(books.finance, Invalid, "invoice_id: is a note"):
        await deferred(books, note.note_id)


async def test_a_draft_is_not_deferred_nor_where_no_account_waits(books: Books) -> None:
    line = InvoiceLine(name="Bread", quantity=Decimal(1), unit_price=Decimal(5))
    draft = await books.finance.run(CreateInvoice(party_id=uuid7(), party_name="Ada", date=books.day, lines=[line]))
    async with refused(books.finance, IllegalMove, "is draft: it cannot defer"):
        await deferred(books, draft.invoice_id, line=0)
    (role,) = await books.finance.list(AccountRole, AccountRole.role == LedgerRole.DEFERRED_REVENUE)
    await books.finance.api("DELETE", f"/api/v1/finance/account_roles/{role.id}", if_match="*")
    invoice = await booked(books)
    async with refused(books.finance, RoleNotPlayed, "deferred_revenue"):
        await deferred(books, invoice)


async def test_of_runs_at_once_each_part_is_recognised_once(books: Books) -> None:
    await deferred(books, await booked(books))
    await books.finance.run(CreateFiscalYear(company_id=books.company.id))
    before = await books.finance.count(JournalEntry)
    answers = await asyncio.gather(*[recognize(books, 4) for _ in range(3)])
    assert sorted(one.parts for one in answers) == [0, 0, 4]
    assert await books.finance.count(JournalEntry) == before + 4


@pytest.mark.parametrize(("role", "may"), [("finance.bookkeeper", True), ("finance.auditor", False)])
async def test_bookkeepers_defer(books: Books, role: str, may: bool) -> None:
    command = RecognizeDeferrals(company_id=books.company.id, on=books.day)
    if may:
        await books.finance.as_(role).run(command)
        return
    async with refused(books.finance, Forbidden):
        await books.finance.as_(role).run(command)
