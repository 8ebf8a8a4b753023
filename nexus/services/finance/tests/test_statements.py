"""Statements of banks: each line is taken in once, whatever files it comes in, and a file with a fault changes nothing."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from nexus.core import Forbidden, NotFound, Problem, uuid7
from nexus.services.finance.api import FileImported, ImportStatement, StatementImported
from nexus.services.finance.bank_files import BankFileRefused, UnreadableBankFile
from nexus.services.finance.bank_terms import BankLineStatus, StatementFormat
from nexus.services.finance.entities import BankAccount, BankStatement, BankStatementLine
from nexus.services.finance.rules.statements import BalancesDiffer, OtherBankAccount, OtherBankCurrency, RepeatedTransaction
from nexus.services.finance.tests.bank_samples import CAMT, CSV, IBAN, MT940, OFX
from nexus.services.finance.tests.conftest import BANK, CASH, OWED, Books, refused

SAMPLES = {StatementFormat.CAMT053: CAMT, StatementFormat.MT940: MT940, StatementFormat.OFX: OFX, StatementFormat.CSV: CSV}


async def banked(books: Books, **more: Any) -> BankAccount:
    """The bank account of the company's chart."""
    said: dict[str, Any] = {"currency": "NGN", "iban": IBAN, "account_number": "0123456789"}
    said |= {"company_id": books.company.id, "account_id": books.accounts[BANK], "name": "Current account"}
    return await books.finance.given(BankAccount(**said | more))


async def take_in(books: Books, account: BankAccount, content: str, format: StatementFormat = StatementFormat.CSV) -> FileImported:
    return await books.finance.run(ImportStatement(bank_account_id=account.id, format=format, content=content))


async def lines(books: Books) -> list[BankStatementLine]:
    return sorted(await books.finance.list(BankStatementLine), key=lambda one: (one.booked_on, one.position))


@pytest.mark.parametrize("format", SAMPLES)
async def test_a_file_is_taken_in_once(books: Books, format: StatementFormat) -> None:
    account = await banked(books)

    told = await take_in(books, account, SAMPLES[format], format)

    (kept,) = await books.finance.list(BankStatement)
    assert (told.bank_statement_ids, told.imported, told.known) == ([kept.id], 2, 0)
    assert (str(kept.movement), kept.line_count, kept.file_format) == ("49.75", 2, format)
    went, came = await lines(books)
    assert [(one.status, one.bank_statement_id, one.position) for one in (went, came)] == [
        (BankLineStatus.UNMATCHED, kept.id, 1),
        (BankLineStatus.UNMATCHED, kept.id, 2),
    ]
    assert (str(went.amount), went.counterparty_name, went.text, str(came.amount)) == ("-50.25", "Acme GmbH", "Invoice 42", "100.00")
    (event,) = books.finance.emitted
    assert isinstance(event, StatementImported)
    assert (event.imported, event.known, event.until) == (2, 0, dt.date(2026, 1, 5))

    again = await take_in(books, account, SAMPLES[format], format)

    assert (again.bank_statement_ids, again.imported, again.known) == ([], 0, 2)
    assert (await books.finance.count(BankStatement), await books.finance.count(BankStatementLine)) == (1, 2)
    assert len(books.finance.emitted) == 1


def table(rows: Sequence[tuple[str, str, str]]) -> str:
    return "\n".join(["date,amount,text,transaction_id", *[",".join([*row, ""]) for row in rows]]) + "\n"


ROWS = st.tuples(st.sampled_from(["2026-01-03", "2026-01-04"]), st.sampled_from(["1", "-2.50"]), st.sampled_from(["rent", ""]))


@settings(max_examples=10, deadline=None, phases=[Phase.generate], suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files=st.lists(st.lists(ROWS, min_size=1, max_size=6), min_size=1, max_size=4))
async def test_files_that_overlap_bring_each_line_once(books: Books, files: list[list[tuple[str, str, str]]]) -> None:
    account = books.accounts[BANK]
    for old in await books.finance.list(BankAccount):  # each example has an account of its own
        async with books.finance._work() as work:  # pyright: ignore[reportPrivateUsage]
            (await work.get(BankAccount, old.id)).archived_at = work.now
            await work.commit()
    bank = await books.finance.given(
        BankAccount(company_id=books.company.id, account_id=account, name="One", currency="NGN", account_number="0123456789")
    )
    wanted: Counter[tuple[str, str, str]] = Counter()
    for rows in files:
        wanted |= Counter(rows)  # of equal lines, as many as the file with the most of them has

        await take_in(books, bank, table(rows))

        kept = await books.finance.list(BankStatementLine, BankStatementLine.bank_account_id == bank.id)
        said = Counter((str(one.booked_on), str(one.amount.normalize() if one.amount == 1 else one.amount), one.text or "") for one in kept)
        assert said == wanted
    assert len({one.bank_transaction_id for one in kept}) == sum(wanted.values())


async def test_two_equal_lines_of_one_file_are_two(books: Books) -> None:
    account = await banked(books)
    fee = ("2026-01-03", "-1", "fee")
    assert (await take_in(books, account, table([fee, fee]))).imported == 2
    assert (await take_in(books, account, table([fee]))).known == 1
    told = await take_in(books, account, table([fee, fee, fee]))
    assert (told.imported, told.known) == (1, 2)


async def test_refusals_name_the_place_and_change_nothing(books: Books) -> None:
    account = await banked(books)
    await take_in(books, account, CSV)
    other, closing = IBAN[:-1] + "1", ">1049.75<"
    refusals: list[tuple[StatementFormat, str, type[Problem], str]] = [
        (StatementFormat.CAMT053, CAMT.replace(IBAN, other), OtherBankAccount, rf"Stmt\[1\] of the file is of another .* {other}"),
        (StatementFormat.MT940, MT940.replace(f":25:{IBAN}", ":25:9999999"), OtherBankAccount, "the statement of line 1"),
        (StatementFormat.OFX, OFX.replace("0123456789", "1123456789"), OtherBankAccount, r"STMTRS\[1\]"),
        (StatementFormat.OFX, OFX.replace("<CURDEF>NGN", "<CURDEF>EUR"), OtherBankCurrency, r"STMTRS\[1\] .* EUR"),
        (StatementFormat.CSV, CSV.replace("NGN", "USD"), OtherBankCurrency, "line 3 of the file .* USD"),
        (StatementFormat.CAMT053, CAMT.replace(closing, ">1049.76<"), BalancesDiffer, "1049.76 NGN, and its lines come to 1049.75"),
        (StatementFormat.CSV, CSV.replace("R2", "R1"), RepeatedTransaction, "line 4 of the file .* R1"),
        (StatementFormat.CSV, CSV.replace("-50.25", "-50.26"), RepeatedTransaction, "line 3 .* R1, by which -50.25 NGN are known"),
        (StatementFormat.CSV, CSV.replace("R1", "R3").replace(",100,", ",x,"), UnreadableBankFile, "line 4, amount"),
        (StatementFormat.MT940, CSV, UnreadableBankFile, "line 1"),
    ]
    for format, content, problem, says in refusals:
        assert issubclass(problem, BankFileRefused)
        async with refused(books.finance, problem, says):
            await take_in(books, account, content, format)


async def test_over_rest_a_fault_is_a_problem_of_the_content(books: Books) -> None:
    account = await banked(books)
    place = f"/api/v1/finance/bank_accounts/{account.id}/import_statement"
    said = await books.finance.api("POST", place, {"format": "camt053", "content": CAMT.replace("DBIT", "UP")})
    assert (said.status, said.json()["type"], said.json()["place"]) == (422, "/problems/unreadable-bank-file", "Stmt[1]/Ntry[1]/CdtDbtInd")
    assert said.json()["errors"][0]["field"] == "content"
    large = await books.finance.api("POST", place, {"format": "csv", "content": "x" * 500_001})
    assert large.status == 422
    taken = await books.finance.api("POST", place, {"format": "mt940", "content": MT940})
    assert (taken.status, taken.json()["imported"]) == (200, 2)


async def test_taken_in_at_once_each_line_is_taken_once(books: Books) -> None:
    account = await banked(books)
    files = [CSV, CSV, CSV + "2026-01-06,,1,,,,,R3,\n", CSV.replace("2026-01-05,,100,,Ada Obi,,Transfer,R2,\n", "")]

    told = await asyncio.gather(*[take_in(books, account, one) for one in files])

    assert sum(one.imported for one in told) == 3
    assert sorted(one.bank_transaction_id for one in await lines(books)) == ["R1", "R2", "R3"]


async def test_a_bank_account_stands_for_a_bank_account_of_the_ledger(books: Books) -> None:
    finance, company = books.finance, books.company.id
    place = "/api/v1/finance/bank_accounts"
    body = {"company_id": company, "name": "X", "currency": "NGN", "iban": IBAN}
    for account in (CASH, OWED):
        said = await finance.api("POST", place, {**body, "account_id": books.accounts[account]}, idempotency_key=account)
        assert (said.status, said.json()["type"]) == (422, "/problems/unfit-bank-account"), said.body
    body["account_id"] = books.accounts[BANK]
    said = await finance.api("POST", place, {**body, "iban": IBAN[:-1] + "1"}, idempotency_key="iban")
    assert (said.status, said.json()["errors"][0]["field"]) == (422, "iban")
    assert await finance.count(BankAccount) == 0
    said = await finance.api("POST", place, body, idempotency_key="right")
    assert said.status == 201, said.body


async def test_who_takes_in_statements(books: Books) -> None:
    account = await banked(books)
    command = ImportStatement(bank_account_id=account.id, format=StatementFormat.CSV, content=CSV)
    for role in ("finance.bookkeeper", "finance.auditor"):
        async with refused(books.finance, Forbidden):
            await books.finance.as_(role).run(command)
    async with refused(books.finance, NotFound):
        await books.finance.run(ImportStatement(bank_account_id=uuid7(), format=StatementFormat.CSV, content=CSV))
    assert (await books.finance.as_("finance.treasurer").run(command)).imported == 2
