"""Ageing: what was open at the end of any day, whatever came later, and never more or less than the accounts say."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nexus.core import Forbidden, IllegalMove, uuid7
from nexus.services.finance.api import BouncePayment, LockPeriod, PostInvoice, ReverseEntry, UndoAllocation
from nexus.services.finance.entities import Account, Allocation, Invoice, JournalLine, Payment
from nexus.services.finance.invoice_terms import InvoiceKind
from nexus.services.finance.queries.ageing import Ageing, OpenItems
from nexus.services.finance.rules.refusals import AlreadyPaid, OtherCurrency, OverAllocation
from nexus.services.finance.terms import AgedBy, PartyType, Subledger
from nexus.services.finance.tests.conftest import OWED, SALES, Books, refused
from nexus.services.finance.tests.test_allocations import allocate, settled, share
from nexus.services.finance.tests.test_invoice_posting import drafted, posted
from nexus.services.finance.tests.test_invoices import CUSTOMER, line, taxed
from nexus.services.finance.tests.test_payments import MADE, SUPPLIER, paid, sound

__all__ = ["taxed"]
DAY = dt.timedelta(days=1)
OTHER = uuid7()
BUCKETS = ("not_due", "days_1_30", "days_31_60", "days_61_90", "over_90")


async def aged(books: Books, day: int, **more: Any) -> dict[tuple[str | None, str], list[str]]:
    """The ages of what is open, in the base currency, by party and currency."""
    rows = await books.finance.ask(Ageing(company_id=books.company.id, on=books.day + day * DAY, **more))
    return {(row["party_id"], row["currency"]): [row[f"base_{name}"] for name in ("open", *BUCKETS)] for row in rows}


async def opened(books: Books, day: int, **more: Any) -> list[tuple[str, str, str]]:
    rows = await books.finance.ask(OpenItems(company_id=books.company.id, on=books.day + day * DAY, **more))
    return [(row["number"], row["bucket"], row["open"]) for row in rows]


async def some_items(books: Books) -> list[Invoice]:
    """Three invoices due on days 0, 40 and 100, and an advance of day 60 that nobody has allocated."""
    invoices = [await posted(books, line(amount), date=books.day + day * DAY) for amount, day in (("100", 0), ("50", 40), ("7", 100))]
    await paid(books, "20", date=books.day + 60 * DAY)
    await posted(books, line("5"), party_id=OTHER, date=books.day + 10 * DAY)
    return invoices


async def test_what_is_open_stands_under_its_age(taxed: Books) -> None:
    invoices = await some_items(taxed)
    due = [(invoices[0].due_on - taxed.day).days, (invoices[1].due_on - taxed.day).days]
    assert due == [0, 40]
    mine, other = (str(CUSTOMER), "NGN"), (str(OTHER), "NGN")
    assert await aged(taxed, 0) == {mine: ["100.00", "100.00", "0.00", "0.00", "0.00", "0.00"]}
    assert await aged(taxed, 40) == {
        mine: ["150.00", "50.00", "0.00", "100.00", "0.00", "0.00"],
        other: ["5.00", "0.00", "5.00", "0.00", "0.00", "0.00"],
    }
    assert (await aged(taxed, 91))[mine] == ["130.00", "0.00", "0.00", "30.00", "0.00", "100.00"]
    assert await aged(taxed, 91, party_id=OTHER) == {other: ["5.00", "0.00", "0.00", "0.00", "5.00", "0.00"]}
    items = await opened(taxed, 91, party_id=CUSTOMER)
    assert [(number, bucket, open_) for number, bucket, open_ in items] == [
        (invoices[0].number, "over_90", "100.00"),
        (invoices[1].number, "days_31_60", "50.00"),
        (items[2][0], "days_31_60", "-20.00"),
    ]


@pytest.mark.parametrize(("age", "bucket"), [(0, "not_due"), (1, "days_1_30"), (30, "days_1_30"), (31, "days_31_60"), (60, "days_31_60")])
async def test_where_the_ages_end(taxed: Books, age: int, bucket: str) -> None:
    await posted(taxed, line("100"))
    for day, name in ((age, bucket), (61, "days_61_90"), (90, "days_61_90"), (91, "over_90"), (3000, "over_90")):
        ages = dict(zip(BUCKETS, (await aged(taxed, day))[str(CUSTOMER), "NGN"][1:], strict=True))
        assert {one for one, amount in ages.items() if amount != "0.00"} == {name}
        assert [found for _, found, _ in await opened(taxed, day)] == [name]


async def test_by_the_day_of_posting_or_that_it_is_due(taxed: Books) -> None:
    due = taxed.day + 40 * DAY
    owed = [taxed.line(OWED, "9", party_type=PartyType.CUSTOMER, party_id=CUSTOMER, due_date=due), taxed.line(SALES, "-9")]
    await taxed.post(*owed, journal="SAL")
    mine = str(CUSTOMER), "NGN"
    assert (await aged(taxed, 41))[mine] == ["9.00", "0.00", "9.00", "0.00", "0.00", "0.00"]
    assert (await aged(taxed, 41, by=AgedBy.POSTING_DATE))[mine] == ["9.00", "0.00", "0.00", "9.00", "0.00", "0.00"]


async def test_what_suppliers_are_owed_is_positive_too(taxed: Books) -> None:
    bill = await posted(taxed, line("80"), kind=InvoiceKind.PURCHASE_BILL, party_id=SUPPLIER, reference="B1")
    one = await paid(taxed, "30", MADE, date=taxed.day + 5 * DAY)
    await taxed.finance.run(allocate(one, share(bill)))
    assert await aged(taxed, 31) == {}
    mine = str(SUPPLIER), "NGN"
    assert await aged(taxed, 4, subledger=Subledger.PAYABLES) == {mine: ["80.00", "0.00", "80.00", "0.00", "0.00", "0.00"]}
    assert await aged(taxed, 31, subledger=Subledger.PAYABLES) == {mine: ["50.00", "0.00", "0.00", "50.00", "0.00", "0.00"]}


async def test_in_another_currency_and_in_that_of_the_books(taxed: Books) -> None:
    usd = {"currency": "USD", "amount": Decimal("3.00")}
    owed = taxed.line(OWED, "10", party_type=PartyType.CUSTOMER, party_id=CUSTOMER, **usd)
    await taxed.post(owed, taxed.line(SALES, "-10"), journal="SAL")
    await posted(taxed, line("5"))
    (first, second) = await taxed.finance.ask(Ageing(company_id=taxed.company.id, on=taxed.day))
    assert [(one["currency"], one["open"], one["base_open"]) for one in (first, second)] == [
        ("NGN", "5.00", "5.00"),
        ("USD", "3.00", "10.00"),
    ]


async def test_what_nobody_owes_has_a_row_of_its_own(taxed: Books) -> None:
    """An account of receivables that takes lines without a party."""
    own = Account(company_id=taxed.company.id, code="1229X", name="Others", **await _like(taxed))
    account = await taxed.finance.given(own)
    taxed.accounts["1229X"] = account.id
    await taxed.post(taxed.line("1229X", "4"), taxed.line(SALES, "-4"))
    await posted(taxed, line("5"))
    rows = await taxed.finance.ask(Ageing(company_id=taxed.company.id, on=taxed.day))
    assert [(row["party_id"], row["open"], row["base_open"]) for row in rows] == [(str(CUSTOMER), "5.00", "5.00"), (None, "0.00", "4.00")]


async def _like(books: Books) -> dict[str, Any]:
    known = await books.finance.get(Account, books.accounts[OWED])
    return {"root_type": known.root_type, "account_type": known.account_type, "parent_id": known.parent_id}


async def test_what_comes_later_does_not_change_an_earlier_day(taxed: Books) -> None:
    first, second, _ = await some_items(taxed)
    days = (0, 39, 40, 59, 60, 70, 99)
    before = [(await aged(taxed, day), await opened(taxed, day)) for day in days]
    late = await paid(taxed, "110", date=taxed.day + 100 * DAY)
    await taxed.finance.run(allocate(late, share(first), share(second, "10")))
    assert [(await aged(taxed, day), await opened(taxed, day)) for day in days] == before
    mine = str(CUSTOMER), "NGN"
    assert (await aged(taxed, 100))[mine][0] == "27.00"
    made = await taxed.finance.list(Allocation)
    await taxed.finance.run(UndoAllocation(allocation_id=made[0].id, date=taxed.day + 110 * DAY))
    assert (await aged(taxed, 109))[mine][0] == "27.00"
    await taxed.finance.run(BouncePayment(payment_id=late.id, date=taxed.day + 120 * DAY, reason="No funds"))
    assert [(await aged(taxed, day), await opened(taxed, day)) for day in days] == before
    assert (await aged(taxed, 119))[mine][0] == "27.00"
    assert (await aged(taxed, 120))[mine][0] == "137.00"


async def test_an_entry_and_the_one_that_takes_it_back(taxed: Books) -> None:
    owed = [taxed.line(OWED, "9", party_type=PartyType.CUSTOMER, party_id=CUSTOMER), taxed.line(SALES, "-9")]
    told = await taxed.post(*owed, journal="SAL", date=taxed.day + 5 * DAY)
    await taxed.finance.run(ReverseEntry(journal_entry_id=told.journal_entry_id, date=taxed.day + 8 * DAY, reason="Mistake"))
    assert [[amount for _, _, amount in await opened(taxed, day)] for day in (4, 5, 7, 8, 9)] == [[], ["9.00"], ["9.00"], [], []]
    await sound(taxed)


async def test_items_go_on_where_a_page_ended(taxed: Books) -> None:
    for at in range(5):
        await posted(taxed, line("1"), date=taxed.day + (at // 2) * DAY)
    asked: dict[str, Any] = {"company_id": taxed.company.id, "on": taxed.day + 50 * DAY}
    whole = await taxed.finance.ask(OpenItems(**asked))
    pages: list[dict[str, Any]] = []
    after: dict[str, Any] = {}
    while page := await taxed.finance.ask(OpenItems(limit=2, **asked, **after)):
        pages += page
        after = {"after_id": UUID(page[-1]["line_id"])}
    assert (pages, len(pages)) == (whole, 5)
    (invoice,) = await taxed.finance.list(Invoice, Invoice.id == UUID(whole[0]["source_id"]))
    assert (whole[0]["source_entity"], invoice.number) == ("finance.invoice", whole[0]["number"])


@pytest.mark.parametrize("report", ["ageing", "open-items"])
async def test_what_is_asked_wrongly_is_named(taxed: Books, report: str) -> None:
    where = f"/api/v1/finance/reports/{report}?company_id="
    right = f"{where}{taxed.company.id}"
    for address, field in (
        (f"{where}{uuid7()}&on=2026-01-31", "company_id"),
        (f"{right}&on=2026-02-30", "on"),
        (f"{right}&on=soon", "on"),
        (f"{right}&on=2026-01-31&party_id={uuid7()}", "party_id"),
        (f"{right}&on=2026-01-31&party_id=Ada", "party_id"),
        (f"{right}&on=2026-01-31&subledger=owed", "subledger"),
        (f"{right}&on=2026-01-31&by=name", "by"),
        (right, "on"),
    ):
        answer = await taxed.finance.api("GET", address)
        assert (answer.status, answer.json()["errors"][0]["field"]) == (422, field), answer.body
    for day in ("0001-01-01", "9999-12-31"):
        assert (await taxed.finance.api("GET", f"{right}&on={day}")).status == 200
    async with refused(taxed.finance, Forbidden):
        await taxed.finance.as_("crm.admin").ask(Ageing(company_id=taxed.company.id, on=taxed.day))
    assert (await taxed.finance.as_("crm.admin").api("GET", f"{right}&on=2026-01-31")).status == 403
    assert (await taxed.finance.as_("finance.auditor").api("GET", f"{right}&on=2026-01-31")).status == 200


STEP = st.tuples(st.sampled_from(["invoice", "pay", "share", "share", "share", "undo", "bounce"]), st.integers(0, 9), st.integers(1, 9000))
STEPS = st.lists(st.tuples(STEP, st.integers(0, 60), st.sampled_from([{}, {}, {"currency": "USD"}])), min_size=3, max_size=9)
RATES: list[dict[str, Any]] = [{"rate": Decimal("1530.25")}, {"rate": Decimal("1611.3")}]


async def some_steps(books: Books, steps: list[Any], from_: int) -> None:
    """Whatever these come to, on days from that one on."""
    for (step, which, cents), day, currency in steps:
        amount, date = str(Decimal(cents) / 100), books.day + (from_ + day) * DAY
        invoices, payments = await books.finance.list(Invoice), await books.finance.list(Payment)
        made = await books.finance.list(Allocation)
        try:
            if step == "invoice":
                await _owed(books, amount, date, currency, which)
            elif step == "pay":
                await paid(books, amount, date=date, **currency, **(RATES[which % 2] if currency else {}))
            elif step == "share" and invoices and payments:
                await books.finance.run(allocate(payments[which % len(payments)], share(invoices[which % len(invoices)])))
            elif step == "undo" and made:
                await books.finance.run(UndoAllocation(allocation_id=made[which % len(made)].id, date=date))
            elif step == "bounce" and payments:
                one = payments[which % len(payments)]
                await books.finance.run(BouncePayment(payment_id=one.id, date=max(date, one.date), reason="No funds"))
        except (OverAllocation, AlreadyPaid, OtherCurrency, IllegalMove):
            pass


async def _owed(books: Books, amount: str, date: dt.date, currency: dict[str, str], which: int) -> None:
    draft = await drafted(books, line(amount), date=date, **currency)
    await books.finance.run(PostInvoice(invoice_id=draft.id, **(RATES[which % 2] if currency else {})))


async def adds_up(books: Books, day: int) -> None:
    """What is open is what lines less the allocations that counted that day leave, and adds up to what the account says."""
    date = books.day + day * DAY
    lines = [one for one in await books.finance.list(JournalLine, JournalLine.account_id == books.accounts[OWED]) if one.date <= date]
    open_: dict[UUID, Decimal] = {one.id: one.amount for one in lines}
    for one in await books.finance.list(Allocation):
        assert one.effective_from is not None
        if one.effective_from <= date and (one.effective_until is None or date < one.effective_until):
            open_[one.debit_line_id] -= one.amount
            open_[one.credit_line_id] += one.amount
    for bounced in await books.finance.list(Payment, Payment.bounce_entry_id.is_not(None)):
        pair = [at for at in lines if at.entry_id in (bounced.entry_id, bounced.bounce_entry_id)]
        for at in pair if len(pair) == 2 else []:
            assert abs(open_[at.id]) == bounced.amount
            open_[at.id] = Decimal(0)
    for at in lines:
        assert open_[at.id] * at.amount >= 0
    items = await books.finance.ask(OpenItems(company_id=books.company.id, on=date, limit=1000))
    assert {UUID(one["line_id"]): Decimal(one["open"]) for one in items if Decimal(one["open"])} == {
        id: value for id, value in open_.items() if value
    }
    rows = await books.finance.ask(Ageing(company_id=books.company.id, on=date))
    control, owed = defaultdict[str, Decimal](Decimal), defaultdict[str, Decimal](Decimal)
    for at in lines:
        control[at.currency] += at.amount
    for row in rows:
        owed[row["currency"]] += Decimal(row["open"])
        assert sum(Decimal(row[name]) for name in BUCKETS) == Decimal(row["open"])
    assert {key: value for key, value in control.items() if value} == {key: value for key, value in owed.items() if value}
    assert sum((Decimal(row["base_open"]) for row in rows), Decimal(0)) == sum((one.debit - one.credit for one in lines), Decimal(0))
    assert all(row["party_id"] for row in rows)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=STEPS, after=STEPS)
async def test_of_locked_days_it_says_the_same_for_ever(books: Books, before: list[Any], after: list[Any]) -> None:
    await books.finance.run(LockPeriod(company_id=books.company.id, until=None))
    await some_steps(books, before, 0)
    days = (0, 20, 40, 60)
    for day in days:
        await adds_up(books, day)
    await books.finance.run(LockPeriod(company_id=books.company.id, until=books.day + 60 * DAY))
    said = [(await aged(books, day), await opened(books, day)) for day in days]
    await some_steps(books, after, 61)
    assert [(await aged(books, day), await opened(books, day)) for day in days] == said
    for day in (*days, 90, 130):
        await adds_up(books, day)
    await settled(books)
