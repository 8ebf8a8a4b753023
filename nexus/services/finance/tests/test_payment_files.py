"""Payment files: what a bank is told to pay is right by a schema of others, and no bill is in two of them."""

from __future__ import annotations

import asyncio
import datetime as dt
from decimal import Decimal
from importlib.resources import files
from typing import Any
from uuid import UUID

import pytest
from defusedxml.ElementTree import fromstring
from xmlschema import XMLSchema

from nexus.core import Forbidden, IllegalMove, Invalid, Problem, uuid7
from nexus.runtime.testing import Harness
from nexus.services.finance.api import (
    CancelPaymentFile,
    ExecutePaymentFile,
    MakePaymentFile,
    PaymentFileCancelled,
    PaymentFileExecuted,
    PaymentFileMade,
)
from nexus.services.finance.bank_files.pain import basic
from nexus.services.finance.bank_terms import BankLineStatus, BillToPay, PaymentFileStatus
from nexus.services.finance.commands.years import today
from nexus.services.finance.entities import Account, BankAccount, ExchangeRate, Invoice, Journal, PaymentFile, PaymentFileTransfer
from nexus.services.finance.invoice_terms import InvoiceKind, InvoiceStatus
from nexus.services.finance.rules.refusals import BillInAnotherFile, NotBySepa
from nexus.services.finance.tests.bank_samples import IBAN, THEIRS
from nexus.services.finance.tests.conftest import Books, planted, refused
from nexus.services.finance.tests.test_allocations import settled, state
from nexus.services.finance.tests.test_invoice_posting import posted
from nexus.services.finance.tests.test_invoices import line
from nexus.services.finance.tests.test_reconciling import accept, said

BILL = InvoiceKind.PURCHASE_BILL


@pytest.fixture
async def euros(finance: Harness) -> Books:
    """Books in EUR."""
    return await planted(finance, currency="EUR")


async def banked(books: Books, **more: Any) -> BankAccount:
    given: dict[str, Any] = {"currency": "EUR", "iban": IBAN, "bic": "COBADEFFXXX", "name": "Current", "account_id": books.accounts["1251"]}
    return await books.finance.given(BankAccount(company_id=books.company.id, **given | more))


async def billed(books: Books, amount: str, reference: str | None = None, **more: Any) -> Invoice:
    given: dict[str, Any] = {"kind": BILL, "party_id": uuid7(), "party_name": "Müller & Söhne", "reference": reference}
    return await posted(books, line(amount), **given | more)


async def day(books: Books) -> dt.date:
    async with books.finance._work() as work:  # pyright: ignore[reportPrivateUsage]
        return today(work)


def make(account: BankAccount, *bills: Invoice | BillToPay, **more: Any) -> MakePaymentFile:
    to_pay = [one if isinstance(one, BillToPay) else BillToPay(invoice_id=one.id, iban=THEIRS) for one in bills]
    return MakePaymentFile(bank_account_id=account.id, bills=to_pay, **more)


async def test_a_file_pays_bills_once_the_bank_has_executed_it(euros: Books) -> None:
    account = await banked(euros)
    one, two = await billed(euros, "100.10", "RE 7 <ß>"), await billed(euros, "50")
    part = BillToPay(invoice_id=two.id, iban=THEIRS, bic="BYLADEM1001", amount=Decimal(20))

    told = await euros.finance.run(make(account, one, part))

    assert isinstance(euros.finance.emitted[-1], PaymentFileMade)
    kept = await euros.finance.get(PaymentFile, told.payment_file_id)
    XMLSchema(str(files("sepaxml") / "schemas" / "pain.001.001.09.xsd")).validate(kept.content)
    names = {"n": "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"}
    root = fromstring(kept.content)
    for part_of in ("GrpHdr", "PmtInf"):
        sums = [root.findtext(f".//n:{part_of}/n:{name}", None, names) for name in ("NbOfTxs", "CtrlSum")]
        assert sums == ["2", "120.10"] == [str(kept.transfer_count), str(kept.total)]
    assert [at.text for at in root.iterfind(".//n:InstdAmt", names)] == ["100.10", "20.00"]
    assert [at.text for at in root.iterfind(".//n:Cdtr/n:Nm", names)] == ["Muller . Sohne"] * 2
    assert [at.text for at in root.iterfind(".//n:Ustrd", names)] == ["RE 7 .ss.", two.number]
    assert [await state(euros, at) for at in (one, two)] == [(InvoiceStatus.POSTED, "100.10"), (InvoiceStatus.POSTED, "50.00")]

    paid = await euros.finance.run(ExecutePaymentFile(payment_file_id=kept.id, date=euros.day))

    assert isinstance(euros.finance.emitted[-1], PaymentFileExecuted)
    assert len(paid.payment_ids) == 2
    assert [await state(euros, at) for at in (one, two)] == [(InvoiceStatus.PAID, "0.00"), (InvoiceStatus.PARTLY_PAID, "30.00")]
    transfers = await euros.finance.list(PaymentFileTransfer)
    (came, _) = await said(euros, account, ("1", "-100.10", f"{transfers[0].end_to_end_id}"), ("2", "-20", ""))
    assert came.status is BankLineStatus.SUGGESTED
    await euros.finance.run(accept(came))
    await settled(euros)
    async with refused(euros.finance, IllegalMove, "PaymentFile is executed: it cannot execute"):
        await euros.finance.run(ExecutePaymentFile(payment_file_id=kept.id))
    await euros.finance.run(make(account, two))  # what is left of it


async def test_refusals_name_the_bill_and_change_nothing(euros: Books) -> None:
    account = await banked(euros)
    number_alone = await banked(euros, account_id=await _another(euros), iban=None, bic=None, account_number="77")
    await euros.finance.given(ExchangeRate(from_currency="USD", to_currency="EUR", date=euros.day, rate=Decimal(2)))
    bill, other, dollars = await billed(euros, "5"), await billed(euros, "6"), await billed(euros, "5", currency="USD")
    sold = await posted(euros, line("5"))
    refusals: list[tuple[MakePaymentFile, type[Problem], str]] = [
        (make(number_alone, bill), NotBySepa, "bank_account_id"),
        (make(account, sold), NotBySepa, "bills[0].invoice_id"),
        (make(account, dollars), NotBySepa, "bills[0].invoice_id"),
        (make(account, other, BillToPay(invoice_id=bill.id, iban=IBAN[:-1] + "1")), NotBySepa, "bills[1].iban"),
        (make(account, BillToPay(invoice_id=bill.id, iban=IBAN, bic="X")), NotBySepa, "bills[0].bic"),
        (make(account, BillToPay(invoice_id=uuid7(), iban=IBAN)), Invalid, "bills[0].invoice_id"),
        (make(account, BillToPay(invoice_id=bill.id, iban=IBAN, amount=Decimal("5.01"))), Invalid, "bills[0].amount"),
        (make(account, BillToPay(invoice_id=bill.id, iban=IBAN, amount=Decimal(0))), Invalid, "bills[0].amount"),
        (make(account, bill, execute_on=dt.date(2020, 1, 1)), Invalid, "execute_on"),
    ]
    for command, problem, field in refusals:
        async with refused(euros.finance, problem):
            try:
                await euros.finance.run(command)
            except Problem as error:
                assert error.facts["errors"][0].field == field
                raise


async def _another(books: Books) -> UUID:
    (journal,) = [one for one in await books.finance.list(Journal) if one.code == "BNK"]
    assert journal.default_account_id is not None
    first = await books.finance.get(Account, journal.default_account_id)
    kind: dict[str, Any] = {"root_type": first.root_type, "account_type": first.account_type}
    return (await books.finance.given(Account(company_id=books.company.id, code="1259", name="Other", **kind))).id


async def test_a_bill_is_in_one_file_at_a_time(euros: Books) -> None:
    account, bill = await banked(euros), await billed(euros, "5")

    told = await asyncio.gather(*[euros.finance.run(make(account, bill)) for _ in range(3)], return_exceptions=True)

    assert sorted(type(one).__name__ for one in told) == ["BillInAnotherFile"] * 2 + ["PaymentFileMade"]
    async with refused(euros.finance, BillInAnotherFile, f"Bill {bill.number} is in"):
        await euros.finance.run(make(account, bill))
    other = await billed(euros, "6")
    twice = await asyncio.gather(euros.finance.run(make(account, other, other)), return_exceptions=True)
    assert isinstance(twice[0], Problem)
    (file,) = await euros.finance.list(PaymentFile)
    await euros.finance.run(CancelPaymentFile(payment_file_id=file.id, reason="Not sent"))
    assert isinstance(euros.finance.emitted[-1], PaymentFileCancelled)
    assert (await euros.finance.get(PaymentFile, file.id)).status is PaymentFileStatus.CANCELLED
    await euros.finance.run(make(account, bill))


async def test_who_may(euros: Books) -> None:
    account, bill = await banked(euros), await billed(euros, "5")
    for role in ("finance.bookkeeper", "finance.auditor"):
        async with refused(euros.finance, Forbidden):
            await euros.finance.as_(role).run(make(account, bill))
    await euros.finance.as_("finance.treasurer").run(make(account, bill))


def test_texts_are_in_the_characters_of_sepa() -> None:
    assert basic("Łódź  Straße\nÉ & Co; 北京", 70) == ".odz Strasse E . Co. .."
    assert basic("&" * 200, 70) == "." * 70
    assert basic("", 70) == "."
