"""Lines of banks are reconciled with the books once, for what they come to, and that is taken back whole."""

from __future__ import annotations

import asyncio
import datetime as dt
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from nexus.core import Forbidden, IllegalMove, Invalid, Problem, uuid7
from nexus.services.finance.api import (
    AcceptMatch,
    BankLineMatched,
    BankLineReconciled,
    BankLineReopened,
    DismissMatch,
    MatchBankLine,
    SuggestMatches,
    UndoReconciliation,
)
from nexus.services.finance.bank_terms import BankLineStatus, LinkStatus
from nexus.services.finance.entities import (
    Account,
    BankAccount,
    BankReconciliation,
    BankStatementLine,
    JournalEntry,
    JournalLine,
    Payment,
    ReconcileRule,
    WriteOff,
)
from nexus.services.finance.invoice_terms import InvoiceKind, InvoiceStatus
from nexus.services.finance.payment_terms import AllocationStatus, PaymentStatus
from nexus.services.finance.rules.refusals import OverAllocation, ReconciledOnce, UnfitReconciliation
from nexus.services.finance.terms import AccountType, EntryStatus, PartyType, RootType
from nexus.services.finance.tests.conftest import BANK, COSTS, OWED, OWING, Books, refused
from nexus.services.finance.tests.test_allocations import settled, share, state
from nexus.services.finance.tests.test_invoice_posting import posted
from nexus.services.finance.tests.test_invoices import CUSTOMER, line
from nexus.services.finance.tests.test_payments import MADE, SUPPLIER, balance, paid
from nexus.services.finance.tests.test_statements import banked, take_in

UNMATCHED, SUGGESTED, MATCHED, RECONCILED = BankLineStatus


async def said(books: Books, account: BankAccount, *rows: tuple[str, str, str] | tuple[str, str, str, str]) -> list[BankStatementLine]:
    """Lines of the bank on the first day of the year: what each is known by, its amount, its text and the name of the other side."""
    header = "transaction_id,date,amount,text,name"
    table = [f"{row[0]},{books.day},{row[1]},{row[2]},{row[3] if len(row) > 3 else ''}" for row in rows]
    await take_in(books, account, "\n".join([header, *table]))
    kept = {one.bank_transaction_id: one for one in await books.finance.list(BankStatementLine)}
    return [kept[row[0]] for row in rows]


async def now(books: Books, line: BankStatementLine) -> BankStatementLine:
    return await books.finance.get(BankStatementLine, line.id)


def accept(line: BankStatementLine, **more: Any) -> AcceptMatch:
    return AcceptMatch(bank_statement_line_id=line.id, **more)


def undo(line: BankStatementLine, **more: Any) -> UndoReconciliation:
    return UndoReconciliation(bank_statement_line_id=line.id, reason="Somebody else", **more)


def match(line: BankStatementLine, **more: Any) -> MatchBankLine:
    return MatchBankLine(bank_statement_line_id=line.id, **more)


async def on_bank(books: Books, entry_id: UUID) -> UUID:
    own = (JournalLine.entry_id == entry_id, JournalLine.account_id == books.accounts[BANK])
    return (await books.finance.list(JournalLine, *own))[0].id


async def whole(books: Books) -> None:
    """What is reconciled of the bank comes to what it is reconciled with in the books."""
    await settled(books)
    lines = {one.id: one for one in await books.finance.list(BankStatementLine)}
    booked = {one.id: one for one in await books.finance.list(JournalLine)}
    links = await books.finance.list(BankReconciliation, BankReconciliation.status == LinkStatus.MADE)
    assert sum(one.amount for one in lines.values() if one.status is RECONCILED) == sum(booked[one.journal_line_id].amount for one in links)
    assert len({one.journal_line_id for one in links}) == len(links)
    assert {one.bank_statement_line_id for one in links} == {one.id for one in lines.values() if one.status is RECONCILED}


async def test_an_invoice_that_is_named_is_suggested_paid_and_opened_again(books: Books) -> None:
    account = await banked(books)
    invoice, bill = (
        await posted(books, line("100")),
        await posted(books, line("7"), kind=InvoiceKind.PURCHASE_BILL, party_id=SUPPLIER, reference="RE-77"),
    )
    came, went, other = await said(books, account, ("1", "100", f"for {invoice.number} thanks"), ("2", "-7", "RE-77."), ("3", "3", "gift"))

    assert [one.status for one in (came, went, other)] == [SUGGESTED, SUGGESTED, UNMATCHED]
    assert came.match is not None
    assert (came.match.party_id, came.match.allocations, came.match.score) == (CUSTOMER, [share(invoice)], 90)
    assert came.match.reasons == [f"names {invoice.number}", "is what is open", "is of the days when it is due"]
    told = await books.finance.run(accept(came))
    await books.finance.run(accept(went))

    assert [await state(books, one) for one in (invoice, bill)] == [(InvoiceStatus.PAID, "0.00"), (InvoiceStatus.PAID, "0.00")]
    assert isinstance(books.finance.emitted[-1], BankLineReconciled)
    kept = await now(books, came)
    assert (kept.status, kept.payment_id) == (RECONCILED, told.payment_id)
    assert kept.payment_id is not None
    payment = await books.finance.get(Payment, kept.payment_id)
    assert (str(payment.amount), payment.date, payment.party_id, payment.reference) == ("100.00", books.day, CUSTOMER, "1")
    assert [await balance(books, one) for one in (BANK, OWED, OWING)] == [93, 0, 0]
    await whole(books)

    await books.finance.run(undo(came))

    assert isinstance(books.finance.emitted[-1], BankLineReopened)
    kept = await now(books, came)
    assert (kept.status, kept.match, kept.payment_id, kept.entry_id) == (UNMATCHED, None, None, None)
    assert await state(books, invoice) == (InvoiceStatus.POSTED, "100.00")
    assert (await books.finance.get(Payment, payment.id)).status is PaymentStatus.BOUNCED
    assert [await balance(books, one) for one in (BANK, OWED)] == [-7, 100]
    assert (await books.finance.run(SuggestMatches(bank_account_id=account.id))).suggested == 1
    await books.finance.run(accept(came))
    assert await state(books, invoice) == (InvoiceStatus.PAID, "0.00")
    await whole(books)


async def test_the_name_and_the_amount_say_enough_and_two_alike_say_nothing(books: Books) -> None:
    account = await banked(books)
    await posted(books, line("50"))
    alike = [await posted(books, line("60")) for _ in range(2)]
    one, two = await said(books, account, ("1", "50", "", "ADA OBI"), ("2", "60", "", "Ada Obi"))
    assert one.match is not None
    assert (one.status, one.match.score, two.status) == (SUGGESTED, 60, UNMATCHED)
    await books.finance.run(match(two, party_id=CUSTOMER, allocations=[share(alike[1])]))
    assert isinstance(books.finance.emitted[-1], BankLineMatched)
    await books.finance.run(SuggestMatches(bank_account_id=account.id))
    assert (await now(books, two)).status is MATCHED
    await books.finance.run(accept(two))
    assert (await state(books, alike[1]))[0] is InvoiceStatus.PAID
    await books.finance.run(DismissMatch(bank_statement_line_id=one.id))
    assert (await now(books, one)).match is None
    assert (await books.finance.run(SuggestMatches(bank_account_id=account.id))).suggested == 0
    dismissed = await now(books, one)
    assert (dismissed.status, dismissed.match, len(dismissed.dismissed)) == (UNMATCHED, None, 1)

    await books.finance.run(match(one, party_id=CUSTOMER, allocations=[share(dismissed.dismissed[0])]))  # who knows better may still say so
    await books.finance.run(DismissMatch(bank_statement_line_id=one.id))
    assert len((await now(books, one)).dismissed) == 1


async def test_an_account_without_a_journal_is_told_of_with_what_to_do(books: Books) -> None:
    second = Account(company_id=books.company.id, code="1259", name="Second", root_type=RootType.ASSET, account_type=AccountType.BANK)
    account = await banked(books, account_id=(await books.finance.given(second)).id, iban=None)
    (one,) = await said(books, account, ("1", "-5", "fee"))
    await books.finance.run(match(one, account_id=books.accounts[COSTS]))

    async with refused(books.finance, Invalid, "is of a bank account on 1259 Second, which has no journal: make one of type bank"):
        await books.finance.run(accept(one))


async def ruled(books: Books, **more: Any) -> ReconcileRule:
    return await books.finance.given(ReconcileRule(company_id=books.company.id, name="Rule", **more))


async def test_a_rule_books_a_fee(books: Books) -> None:
    account = await banked(books)
    await ruled(books, label_contains="Account FEE", amount_from=Decimal(-10), amount_to=Decimal(0), account_id=books.accounts[COSTS])
    fee, large, other = await said(books, account, ("1", "-5", "account fee 1/26"), ("2", "-11", "account fee"), ("3", "-5", "rent"))
    assert [one.status for one in (fee, large, other)] == [SUGGESTED, UNMATCHED, UNMATCHED]

    await books.finance.as_("finance.treasurer").run(accept(fee))

    kept = await now(books, fee)
    assert kept.entry_id is not None
    entry = await books.finance.get(JournalEntry, kept.entry_id)
    assert (entry.source_entity, entry.source_id, entry.memo) == ("finance.bank_statement_line", fee.id, "Rule")
    assert [await balance(books, one) for one in (BANK, COSTS)] == [-5, 5]
    await whole(books)
    await books.finance.run(undo(fee))
    assert (await books.finance.get(JournalEntry, entry.id)).status is EntryStatus.REVERSED
    assert [await balance(books, one) for one in (BANK, COSTS)] == [0, 0]
    await whole(books)


async def test_a_rule_lets_a_little_be_missing(books: Books) -> None:
    account = await banked(books)
    await ruled(books, label_contains="Obi", party_type=PartyType.CUSTOMER, party_id=CUSTOMER, tolerance=Decimal("0.5"))
    invoice = await posted(books, line("100"))
    (one,) = await said(books, account, ("1", "99.60", f"{invoice.number}", "Ada Obi"))
    await books.finance.run(accept(one))
    assert await state(books, invoice) == (InvoiceStatus.WRITTEN_OFF, "0.00")
    (given_up,) = await books.finance.list(WriteOff)
    assert str(given_up.amount) == "0.40"
    await books.finance.run(undo(one))
    assert await state(books, invoice) == (InvoiceStatus.POSTED, "100.00")
    assert (await books.finance.get(WriteOff, given_up.id)).status is AllocationStatus.UNDONE
    await whole(books)


async def test_what_is_in_the_books_is_not_booked_again(books: Books) -> None:
    account = await banked(books)
    early = await paid(books, "40")
    batch = [await paid(books, amount, MADE) for amount in ("1", "2")]
    one, both = await said(books, account, ("1", "40", ""), ("2", "-3", "batch"))
    assert one.match is not None
    assert (one.status, one.match.journal_line_ids) == (SUGGESTED, [await on_bank(books, early.entry_id)])
    await books.finance.run(match(both, journal_line_ids=[await on_bank(books, each.entry_id) for each in batch]))
    for each in (one, both):
        await books.finance.run(accept(each))
    assert await books.finance.count(Payment) == 3
    await whole(books)
    await books.finance.run(undo(one))
    assert (await books.finance.get(Payment, early.id)).status is PaymentStatus.POSTED
    await whole(books)


async def test_refusals_say_why_and_change_nothing(books: Books) -> None:
    account = await banked(books)
    finance, payment = books.finance, await paid(books, "40")
    invoice = await posted(books, line("5"))
    line_id = await on_bank(books, payment.entry_id)
    first, second, third = await said(books, account, ("1", "40", ""), ("2", "40", ""), ("3", "30", ""))
    refusals: list[tuple[Any, type[Problem], str]] = [
        (accept(third), IllegalMove, "BankStatementLine is unmatched: it cannot accept"),
        (undo(third), IllegalMove, "cannot undo"),
        (DismissMatch(bank_statement_line_id=third.id), IllegalMove, "cannot dismiss"),
        (match(third), Invalid, "one of them alone"),
        (match(third, party_id=CUSTOMER, account_id=uuid7()), Invalid, "one of them alone"),
        (match(third, allocations=[share(invoice)], journal_line_ids=[line_id]), Invalid, "party_id: is needed"),
    ]
    for command, problem, says in refusals:
        async with refused(finance, problem, says):
            await finance.run(command)
    await finance.run(match(first, journal_line_ids=[line_id]))
    await finance.run(accept(first))
    async with refused(finance, IllegalMove, "is reconciled: it cannot match"):
        await finance.run(match(first, party_id=CUSTOMER))
    wrong: list[tuple[dict[str, Any], type[Problem], str]] = [
        ({"journal_line_ids": [line_id]}, ReconciledOnce, "another line of a bank"),
        ({"journal_line_ids": [uuid7()]}, Invalid, "not there"),
        (
            {"journal_line_ids": [await on_bank(books, (await paid(books, "39")).entry_id)]},
            UnfitReconciliation,
            "the bank says 40.00 NGN, and the books 39.00",
        ),
        ({"party_id": CUSTOMER, "allocations": [share(invoice, "41")]}, OverAllocation, "less left"),
    ]
    for way, problem, says in wrong:
        await finance.run(match(second, **way))
        async with refused(finance, problem, says):
            await finance.run(accept(second))
    await whole(books)


async def test_two_people_reconcile_it_once(books: Books) -> None:
    account = await banked(books)
    payment = await paid(books, "40")
    id = await on_bank(books, payment.entry_id)
    one, two, three = await said(books, account, ("1", "40", ""), ("2", "40", ""), ("3", "5", ""))
    await books.finance.run(match(three, party_id=CUSTOMER))
    for each in (one, two):
        await books.finance.run(match(each, journal_line_ids=[id]))

    same = await asyncio.gather(*[books.finance.run(accept(three)) for _ in range(4)], return_exceptions=True)
    both = await asyncio.gather(*[books.finance.run(accept(each)) for each in (one, two)], return_exceptions=True)

    assert sorted(type(each).__name__ for each in same) == ["BankLineReconciled"] + ["IllegalMove"] * 3
    assert sorted(type(each).__name__ for each in both)[0] in ("AlreadyExists", "BankLineReconciled")
    assert sum(isinstance(each, BankLineReconciled) for each in both) == 1
    assert await balance(books, BANK) == 45
    await whole(books)


async def test_who_may(books: Books) -> None:
    account = await banked(books)
    (one,) = await said(books, account, ("1", "-5", ""))
    treasurer = books.finance.as_("finance.treasurer")
    async with refused(books.finance, Forbidden, "finance.journal_entry:post"):
        await treasurer.run(match(one, account_id=books.accounts[COSTS]))
    for role in ("finance.bookkeeper", "finance.auditor"):
        async with refused(books.finance, Forbidden):
            await books.finance.as_(role).run(match(one, party_id=SUPPLIER))
    await books.finance.as_("finance.accountant").run(match(one, account_id=books.accounts[COSTS]))
    await treasurer.run(accept(one))
    assert await balance(books, COSTS) == 5


STEPS = st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["party", "account", "undo"])), min_size=1, max_size=8)


@settings(max_examples=5, deadline=None, phases=[Phase.generate], suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
async def test_whatever_is_reconciled_and_undone_the_bank_and_the_books_say_the_same(books: Books, steps: list[tuple[int, str]]) -> None:
    account = (await books.finance.list(BankAccount) or [await banked(books)])[0]
    lines = await said(books, account, *[(str(uuid7()), amount, "") for amount in ("1", "-2", "3.50", "-4.01")])
    for at, step in steps:
        try:
            if step == "undo":
                await books.finance.run(undo(lines[at]))
            else:
                way: dict[str, Any] = {"party_id": CUSTOMER} if step == "party" else {"account_id": books.accounts[COSTS]}
                await books.finance.run(match(lines[at], **way))
                await books.finance.run(accept(lines[at]))
        except IllegalMove:
            continue
    reconciled = [one for one in await books.finance.list(BankStatementLine) if one.status is RECONCILED]
    assert await balance(books, BANK) == sum(one.amount for one in reconciled)
    await whole(books)


@pytest.mark.parametrize("days", [0, 40])
async def test_what_was_booked_for_it_is_taken_back_on_a_day_that_is_given(books: Books, days: int) -> None:
    account = await banked(books)
    (one,) = await said(books, account, ("1", "5", ""))
    await books.finance.run(match(one, party_id=CUSTOMER))
    told = await books.finance.run(accept(one))
    day = books.day + dt.timedelta(days=days)
    await books.finance.run(undo(one, date=day))
    (back,) = [each for each in await books.finance.list(JournalEntry) if each.reversal_of_id]
    assert (back.date, told.payment_id is None) == (day, False)
