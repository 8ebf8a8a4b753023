"""The bank reconciliation statement: ledger and bank differ by what is open on both sides, and by nothing else."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from nexus.services.finance.api import BouncePayment
from nexus.services.finance.bank_terms import StatementFormat
from nexus.services.finance.entities import BankAccount
from nexus.services.finance.queries.bank_reconciliation import BankReconciliationStatement
from nexus.services.finance.terms import PartyType
from nexus.services.finance.tests.bank_samples import CAMT
from nexus.services.finance.tests.conftest import BANK, CAPITAL, Books
from nexus.services.finance.tests.test_invoices import CUSTOMER
from nexus.services.finance.tests.test_payments import MADE, paid
from nexus.services.finance.tests.test_reconciling import accept, match, on_bank, said, undo
from nexus.services.finance.tests.test_statements import banked, lines, take_in


async def statement(books: Books, account: BankAccount, on: dt.date) -> list[tuple[str, str]]:
    rows = await books.finance.ask(BankReconciliationStatement(bank_account_id=account.id, on=on))
    assert {row["currency"] for row in rows} == {"NGN"}
    ledger, bank, unexplained = [Decimal(row["amount"]) for row in rows[:3]]
    open_ = {
        kind: sum((Decimal(row["amount"]) for row in rows if row["kind"] == kind), Decimal(0)) for kind in ("in_books_only", "at_bank_only")
    }
    assert ledger - open_["in_books_only"] - unexplained == bank - open_["at_bank_only"]
    return [(row["kind"], f"{Decimal(row['amount']):.2f}") for row in rows]


async def test_what_is_open_on_both_sides(books: Books) -> None:
    account = await banked(books)
    cheque = await paid(books, "7", MADE)
    taken_back = await paid(books, "9")
    await books.finance.run(BouncePayment(payment_id=taken_back.id, date=books.day, reason="Wrong"))
    one, two = await said(books, account, ("1", "100", ""), ("2", "-3", ""))
    await books.finance.run(match(one, party_id=CUSTOMER))
    await books.finance.run(accept(one))
    day = books.day

    assert await statement(books, account, day) == [
        ("ledger_balance", "93.00"),
        ("statement_balance", "97.00"),
        ("unexplained", "0.00"),
        ("in_books_only", "-7.00"),
        ("at_bank_only", "-3.00"),
    ]
    assert [kind for kind, amount in await statement(books, account, day - dt.timedelta(days=1)) if amount != "0.00"] == []
    await books.finance.run(match(two, party_id=CUSTOMER, party_type=PartyType.CUSTOMER))
    await books.finance.run(accept(two))
    await books.finance.run(undo(one))
    assert (await statement(books, account, day))[3:] == [("in_books_only", "-7.00"), ("at_bank_only", "100.00")]
    (more,) = await said(books, account, ("3", "-7", ""))
    await books.finance.run(match(more, journal_line_ids=[await on_bank(books, cheque.entry_id)]))
    await books.finance.run(accept(more))
    assert (await statement(books, account, day + dt.timedelta(days=60)))[2:] == [("unexplained", "0.00"), ("at_bank_only", "100.00")]


async def test_what_was_there_before_the_first_statement(books: Books) -> None:
    account = await banked(books)
    await take_in(books, account, CAMT, StatementFormat.CAMT053)
    end = dt.date(2026, 1, 31)
    assert (await statement(books, account, end))[:3] == [
        ("ledger_balance", "0.00"),
        ("statement_balance", "1049.75"),
        ("unexplained", "-1000.00"),
    ]
    await books.post(books.line(BANK, "1000"), books.line(CAPITAL, "-1000"), date=books.day)
    shown = await statement(books, account, end)
    assert shown[:4] == [
        ("ledger_balance", "1000.00"),
        ("statement_balance", "1049.75"),
        ("unexplained", "-1000.00"),
        ("in_books_only", "1000.00"),
    ]
    assert len(await lines(books)) == 2


async def test_it_is_a_report_as_json_csv_and_a_workbook(books: Books) -> None:
    account = await banked(books)
    await said(books, account, ("1", "100", "rent"))
    place = f"/api/v1/finance/reports/bank-reconciliation-statement?bank_account_id={account.id}&on={books.day}"
    for format in ("json", "csv", "xlsx"):
        answer = await books.finance.api("GET", f"{place}&format={format}")
        assert answer.status == 200, answer.body
    assert b"at_bank_only" in (await books.finance.api("GET", f"{place}&format=csv")).body
