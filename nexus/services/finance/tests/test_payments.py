"""A payment is in the books from the moment it is recorded, and is taken back whole where it bounces."""

from __future__ import annotations

import asyncio
import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from nexus.core import Forbidden, IllegalMove, Invalid, NotFound, Problem, uuid7
from nexus.services.finance.api import (
    BouncePayment,
    ClosePeriod,
    PaymentBounced,
    PaymentMade,
    PaymentReceived,
    RecordPayment,
    ReverseEntry,
)
from nexus.services.finance.entities import Account, AccountRole, Company, ExchangeRate, Journal, JournalEntry, JournalLine, Payment
from nexus.services.finance.payment_terms import PaymentDirection, PaymentMethod, PaymentStatus
from nexus.services.finance.queries.proof import LedgerProof
from nexus.services.finance.rules.refusals import EntryOfDocument, OutsideFiscalYears, PeriodIsClosed, RoleNotPlayed
from nexus.services.finance.terms import AccountType, EntryStatus, JournalType, LedgerRole, PartyType, RootType
from nexus.services.finance.tests.conftest import BANK, CASH, OWED, OWING, Books, refused
from nexus.services.finance.tests.test_invoice_posting import posted
from nexus.services.finance.tests.test_invoices import CUSTOMER, line, taxed

__all__ = ["taxed"]
RECEIVED, MADE = PaymentDirection.RECEIVED, PaymentDirection.MADE
SUPPLIER = uuid7()


def payment(books: Books, amount: str = "100", direction: PaymentDirection = RECEIVED, **more: Any) -> RecordPayment:
    given: dict[str, Any] = {"party_id": CUSTOMER if direction is RECEIVED else SUPPLIER, "date": books.day}
    return RecordPayment(direction=direction, amount=Decimal(amount), **given | more)


async def paid(books: Books, amount: str = "100", direction: PaymentDirection = RECEIVED, **more: Any) -> Payment:
    told = await books.finance.run(payment(books, amount, direction, **more))
    return await books.finance.get(Payment, told.payment_id)


async def entered(books: Books, one: Payment) -> list[tuple[str, str, str]]:
    """The lines of a payment's entry: the account's code, what it is debited, and that in its currency."""
    codes = {id: code for code, id in books.accounts.items()}
    lines = await books.finance.list(JournalLine, JournalLine.entry_id == one.entry_id)
    ordered = sorted(lines, key=lambda line: line.position)
    return [(codes[at.account_id], str(at.debit - at.credit), f"{at.amount} {at.currency}") for at in ordered]


async def balance(books: Books, account: str) -> Decimal:
    lines = await books.finance.list(JournalLine, JournalLine.account_id == books.accounts[account])
    return sum((one.debit - one.credit for one in lines), Decimal(0))


async def sound(books: Books) -> None:
    proof = await books.finance.ask(LedgerProof(company_id=books.company.id))
    assert [one["rule"] for one in proof if not one["holds"]] == []


@pytest.mark.parametrize(
    ("direction", "more", "expected", "journal"),
    [
        (RECEIVED, {}, [(BANK, "100.00"), (OWED, "-100.00")], "BNK"),
        (RECEIVED, {"method": PaymentMethod.CASH}, [(CASH, "100.00"), (OWED, "-100.00")], "CSH"),
        (MADE, {}, [(OWING, "100.00"), (BANK, "-100.00")], "BNK"),
        (MADE, {"party_type": PartyType.CUSTOMER}, [(OWED, "100.00"), (BANK, "-100.00")], "BNK"),
        (RECEIVED, {"party_type": PartyType.SUPPLIER}, [(BANK, "100.00"), (OWING, "-100.00")], "BNK"),
    ],
)
async def test_is_booked_at_once(books: Books, direction: PaymentDirection, more: Any, expected: Any, journal: str) -> None:
    told = await books.finance.run(payment(books, "100", direction, reference="TRX 9", **more))

    one = await books.finance.get(Payment, told.payment_id)
    assert [(account, value) for account, value, _ in await entered(books, one)] == expected
    assert (one.status, one.number, one.currency, str(one.amount)) == (PaymentStatus.POSTED, told.number, "NGN", "100.00")
    assert one.number == f"{journal}/{books.day.year}/00001"
    entry = await books.finance.get(JournalEntry, one.entry_id)
    assert (entry.source_entity, entry.source_id, entry.reference) == ("finance.payment", one.id, "TRX 9")
    event = books.finance.emitted[-1]
    assert isinstance(event, PaymentReceived if direction is RECEIVED else PaymentMade)
    assert (event.payment_id, event.party_type, event.party_id) == (one.id, one.party_type, one.party_id)
    assert (event.amount, event.number, event.journal_entry_id) == (one.amount, one.number, one.entry_id)
    lines = await books.finance.list(JournalLine, JournalLine.party_id == one.party_id)
    assert [(line.party_type, str(abs(line.amount))) for line in lines] == [(one.party_type, "100.00")]
    await sound(books)


async def test_another_currency_is_booked_at_the_rate_of_its_day(books: Books) -> None:
    await books.finance.given(ExchangeRate(from_currency="EUR", to_currency="NGN", date=books.day, rate=Decimal("1530.123456")))
    known = await paid(books, "0.99", currency="EUR")
    assert await entered(books, known) == [(BANK, "1514.82", "0.99 EUR"), (OWED, "-1514.82", "-0.99 EUR")]
    assert known.rate == Decimal("1530.123456")
    given = await paid(books, "2", MADE, currency="EUR", rate=Decimal(1600))
    assert await entered(books, given) == [(OWING, "3200.00", "2.00 EUR"), (BANK, "-3200.00", "-2.00 EUR")]
    await sound(books)


async def test_refusals_say_why_and_change_nothing(books: Books) -> None:
    finance = books.finance
    refusals: list[tuple[dict[str, Any], type[Problem], str | None]] = [
        ({"amount": Decimal(0)}, Invalid, "amount: is more than 0"),
        ({"amount": Decimal(-1)}, Invalid, "amount: is more than 0"),
        ({"amount": Decimal("NaN")}, Invalid, "amount: is not an amount of money"),
        ({"amount": Decimal("1.001")}, Invalid, "amount: has more than the 2 decimals of NGN"),
        ({"currency": "QQQ"}, Invalid, "currency: QQQ is not"),
        ({"currency": "EUR"}, Invalid, "rate: of EUR in NGN on .* is not known"),
        ({"currency": "EUR", "rate": Decimal(-1)}, Invalid, "rate: is more than 0"),
        ({"currency": "EUR", "rate": Decimal(0)}, Invalid, "rate: is more than 0"),
        ({"rate": Decimal(2)}, Invalid, "rate: is 1 in NGN, the currency of the books"),
        ({"currency": "EUR", "rate": Decimal("0.00001")}, Invalid, "amount: comes to nothing in NGN"),
        ({"party_type": PartyType.EMPLOYEE}, Invalid, "party_type: is customer or supplier"),
        ({"journal_id": books.journals["SAL"]}, Invalid, "journal_id: is no journal of a bank account"),
        ({"journal_id": uuid7()}, NotFound, None),
        ({"company_id": uuid7()}, NotFound, None),
        ({"company_id": uuid7(), "journal_id": books.journals["BNK"]}, Invalid, "journal_id: is of another company"),
        ({"date": dt.date(1999, 1, 1)}, OutsideFiscalYears, "1999-01-01"),
    ]
    for changes, problem, says in refusals:
        async with refused(finance, problem, says):
            await finance.run(payment(books, "1", **changes) if "amount" not in changes else RecordPayment(**_of(books) | changes))


def _of(books: Books) -> dict[str, Any]:
    return {"direction": RECEIVED, "party_id": CUSTOMER, "date": books.day}


async def test_an_account_of_one_currency_takes_no_other(books: Books) -> None:
    company = books.company.id
    kind: dict[str, Any] = {"root_type": RootType.ASSET, "account_type": AccountType.BANK}
    dollars = await books.finance.given(Account(company_id=company, code="1259", name="Dollars", currency="USD", **kind))
    journal = await books.finance.given(
        Journal(company_id=company, code="USD", name="Dollars", type=JournalType.BANK, default_account_id=dollars.id)
    )
    async with refused(books.finance, Invalid, "currency: is not that of 1259 Dollars, which takes USD only"):
        await paid(books, journal_id=journal.id)
    assert (await paid(books, "1", journal_id=journal.id, currency="USD", rate=Decimal(2))).number == f"USD/{books.day.year}/00001"


async def test_what_is_needed_is_asked_for(books: Books) -> None:
    finance = books.finance
    other = await finance.given(Company(name="Other", country="NG", base_currency="NGN"))
    async with refused(finance, Invalid, "journal_id: is needed: the company has no bank journal"):
        await paid(books, company_id=other.id)
    (role,) = await finance.list(AccountRole, AccountRole.role == LedgerRole.RECEIVABLE)
    async with finance._work() as work:  # pyright: ignore[reportPrivateUsage]
        (await work.get(AccountRole, role.id)).archived_at = work.now
        await work.commit()
    async with refused(finance, RoleNotPlayed, "receivable"):
        await paid(books)


async def test_a_bounced_payment_is_taken_back(books: Books) -> None:
    one = await paid(books, "100.50", method=PaymentMethod.CHEQUE)
    later = books.day + dt.timedelta(days=3)

    told = await books.finance.run(BouncePayment(payment_id=one.id, date=later, reason="No funds"))

    kept = await books.finance.get(Payment, one.id)
    entry = await books.finance.get(JournalEntry, told.journal_entry_id)
    assert (kept.status, kept.bounce_entry_id) == (PaymentStatus.BOUNCED, entry.id)
    assert (entry.reversal_of_id, entry.date, entry.memo) == (one.entry_id, later, "No funds")
    assert (await books.finance.get(JournalEntry, one.entry_id)).status == EntryStatus.REVERSED
    assert (told.number, str(told.amount), told.reason) == (entry.number, "100.50", "No funds")
    assert isinstance(told, PaymentBounced)
    assert books.finance.emitted[-1] == told
    assert [await balance(books, account) for account in (BANK, OWED)] == [0, 0]
    async with refused(books.finance, IllegalMove, "Payment is bounced: it cannot bounce"):
        await books.finance.run(BouncePayment(payment_id=one.id, reason="Again"))
    await sound(books)


async def test_a_bounce_that_cannot_be_booked_changes_nothing(books: Books) -> None:
    one = await paid(books)
    async with refused(books.finance, Invalid, "date: is before"):
        await books.finance.run(BouncePayment(payment_id=one.id, date=books.day - dt.timedelta(days=1), reason="Early"))
    await books.finance.run(ClosePeriod(accounting_period_id=books.periods[0].id))
    async with refused(books.finance, PeriodIsClosed):
        await books.finance.run(BouncePayment(payment_id=one.id, date=books.day, reason="Late"))


async def test_entries_of_documents_are_not_taken_back_alone(taxed: Books) -> None:
    one = await paid(taxed)
    invoice = await posted(taxed, line("100"))
    assert invoice.entry_id is not None
    for entry, says in ((one.entry_id, "is the entry of a payment"), (invoice.entry_id, "is the entry of an invoice")):
        async with refused(taxed.finance, EntryOfDocument, says):
            await taxed.finance.run(ReverseEntry(journal_entry_id=entry, reason="Wrong"))


async def test_bounced_at_once_it_bounces_once(books: Books) -> None:
    one = await paid(books)
    bounce = BouncePayment(payment_id=one.id, date=books.day, reason="No funds")
    results = await asyncio.gather(*[books.finance.run(bounce) for _ in range(4)], return_exceptions=True)
    assert sorted(type(one).__name__ for one in results) == ["IllegalMove"] * 3 + ["PaymentBounced"]
    assert await balance(books, BANK) == 0
    await sound(books)


async def test_who_draws_up_bills_does_not_pay_them(books: Books) -> None:
    for role in ("finance.bookkeeper", "finance.auditor"):
        async with refused(books.finance, Forbidden):
            await books.finance.as_(role).run(payment(books, "1", MADE))
    treasurer = books.finance.as_("finance.treasurer")
    told = await treasurer.run(payment(books, "1", MADE))
    await treasurer.run(BouncePayment(payment_id=told.payment_id, date=books.day, reason="Twice"))
