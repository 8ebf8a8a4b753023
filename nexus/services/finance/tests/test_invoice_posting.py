"""A posted invoice is in the books: numbered, balanced, and taken back to the cent."""

from __future__ import annotations

import asyncio
import datetime as dt
import random
from collections import defaultdict
from decimal import Decimal
from typing import Any

import pytest

from nexus.core import IllegalMove, Invalid, Problem
from nexus.pricing import Rounding
from nexus.services.finance.api import CancelInvoice, CreateInvoice, CreditInvoice, InvoiceCredited, InvoicePosted, LockPeriod, PostInvoice
from nexus.services.finance.entities import Company, ExchangeRate, Invoice, JournalEntry, JournalLine, PaymentTerm
from nexus.services.finance.invoice_terms import CreditedLine, InvoiceKind, InvoiceLine, InvoiceStatus, TermPart
from nexus.services.finance.queries.proof import LedgerProof
from nexus.services.finance.rules.refusals import PeriodIsLocked
from nexus.services.finance.terms import LockScope
from nexus.services.finance.tests.conftest import OWED, OWING, PURCHASES, SALES, TAX, TAX_PAID, TAX_WITHHELD, Books, refused
from nexus.services.finance.tests.test_invoices import CUSTOMER, line, taxed

__all__ = ["taxed"]
BILL = InvoiceKind.PURCHASE_BILL


async def drafted(books: Books, *lines: InvoiceLine, **more: Any) -> Invoice:
    given: dict[str, Any] = {"party_id": CUSTOMER, "party_name": "Ada Obi", "date": books.day, "lines": list(lines)}
    told = await books.finance.run(CreateInvoice(**given | more))
    return await books.finance.get(Invoice, told.invoice_id)


async def posted(books: Books, *lines: InvoiceLine, **more: Any) -> Invoice:
    draft = await drafted(books, *lines, **more)
    await books.finance.run(PostInvoice(invoice_id=draft.id))
    return await books.finance.get(Invoice, draft.id)


async def written(books: Books, invoice: Invoice) -> list[tuple[str, str]]:
    """The lines of an invoice's entry: the account's code, and what it is debited."""
    codes = {id: code for code, id in books.accounts.items()}
    lines = await books.finance.list(JournalLine, JournalLine.entry_id == invoice.entry_id)
    return [(codes[one.account_id], str(one.debit - one.credit)) for one in sorted(lines, key=lambda one: one.position)]


async def proven(books: Books) -> None:
    """Every rule of the ledger holds, and what customers and suppliers owe is what their accounts say."""
    proof = await books.finance.ask(LedgerProof(company_id=books.company.id))
    assert [one["rule"] for one in proof if not one["holds"]] == []
    for account, sale in ((OWED, True), (OWING, False)):
        lines = await books.finance.list(JournalLine, JournalLine.account_id == books.accounts[account])
        control = sum((one.amount for one in lines), Decimal(0))
        owed = Decimal(0)
        for one in await books.finance.list(Invoice, Invoice.entry_id.is_not(None)):
            if one.kind.sale is sale:
                owed += one.payable if one.kind in (InvoiceKind.SALES_INVOICE, InvoiceKind.DEBIT_NOTE) else -one.payable
        assert control == owed


async def test_an_invoice_of_three_lines_is_booked(taxed: Books) -> None:
    term = await taxed.finance.given(
        PaymentTerm(name="Two", instalments=[TermPart(percent=Decimal(50)), TermPart(percent=Decimal(50), days=30)])
    )
    draft = await drafted(taxed, line("1000", "VAT7.5"), line("119", "VAT-IN"), line("200", "VAT7.5", "WHT5"), payment_term_id=term.id)
    taxed.finance.emitted.clear()

    told = await taxed.finance.run(PostInvoice(invoice_id=draft.id))

    invoice = await taxed.finance.get(Invoice, draft.id)
    assert (invoice.status, invoice.number) == (InvoiceStatus.POSTED, f"SAL/{taxed.day.year}/00001")
    assert await written(taxed, invoice) == [
        (OWED, "699.50"),
        (OWED, "699.50"),
        (SALES, "-1000.00"),
        (SALES, "-100.00"),
        (SALES, "-200.00"),
        (TAX, "-90.00"),
        (TAX, "-19.00"),
        (TAX_WITHHELD, "10.00"),
    ]
    owed = await taxed.finance.list(JournalLine, JournalLine.party_id == CUSTOMER)
    assert {one.due_date for one in owed} == {taxed.day, taxed.day + dt.timedelta(days=30)}
    entry = await taxed.finance.get(JournalEntry, told.journal_entry_id)
    assert (entry.source_entity, entry.source_id, entry.number) == ("finance.invoice", invoice.id, invoice.number)
    assert taxed.finance.emitted[-1] == told
    assert isinstance(told, InvoicePosted)
    await proven(taxed)


async def test_a_bill_and_its_debit_note(taxed: Books) -> None:
    bill = await posted(taxed, line("1000", "INPUT"), kind=BILL, reference="R-1")
    assert await written(taxed, bill) == [(OWING, "-1075.00"), (PURCHASES, "1000.00"), (TAX_PAID, "75.00")]
    told = await taxed.finance.run(CreditInvoice(invoice_id=bill.id, date=taxed.day))
    note = await taxed.finance.get(Invoice, told.note_id)
    assert (note.kind, note.reference, note.credit_of_id) == (InvoiceKind.DEBIT_NOTE, bill.number, bill.id)
    assert await written(taxed, note) == [(OWING, "1075.00"), (PURCHASES, "-1000.00"), (TAX_PAID, "-75.00")]
    await proven(taxed)


async def test_another_currency_balances_in_the_books(taxed: Books) -> None:
    await taxed.finance.given(ExchangeRate(from_currency="EUR", to_currency="NGN", date=taxed.day, rate=Decimal("1530.123456")))
    invoice = await posted(taxed, line("33.33", "CGST", "SGST"), line("0.01"), line("66.67", "GST18"), currency="EUR")
    found = await written(taxed, invoice)
    assert sum(Decimal(amount) for _, amount in found) == 0
    assert found[0] == (OWED, str((invoice.payable * Decimal("1530.123456")).quantize(Decimal("0.01"))))
    await taxed.finance.run(CreditInvoice(invoice_id=invoice.id, date=taxed.day))
    await proven(taxed)
    rows = await taxed.finance.list(JournalLine, JournalLine.account_id == taxed.accounts[OWED])
    assert sum(one.debit - one.credit for one in rows) == 0  # at the same rate


async def test_refusals_say_why_and_change_nothing(taxed: Books) -> None:
    finance = taxed.finance
    foreign = await drafted(taxed, line("1"), currency="EUR")
    async with refused(finance, Invalid, "rate: of EUR in NGN on .* is not known"):
        await finance.run(PostInvoice(invoice_id=foreign.id))
    async with refused(finance, Invalid, "rate: is more than 0"):
        await finance.run(PostInvoice(invoice_id=foreign.id, rate=Decimal(-1)))
    free = await drafted(taxed, line("0"))
    async with refused(finance, Invalid, "lines: come to nothing"):
        await finance.run(PostInvoice(invoice_id=free.id))
    draft = await drafted(taxed, line("1"))
    async with refused(finance, IllegalMove, "Invoice is draft: it cannot credit"):
        await finance.run(CreditInvoice(invoice_id=draft.id))
    await finance.run(LockPeriod(company_id=taxed.company.id, scope=LockScope.SALE, until=taxed.day))
    async with refused(finance, PeriodIsLocked):
        await finance.run(PostInvoice(invoice_id=draft.id))
    later = await posted(taxed, line("1"), date=taxed.day + dt.timedelta(days=1))
    late: list[Any] = [PostInvoice(invoice_id=later.id), CancelInvoice(invoice_id=later.id)]
    for command in late:
        async with refused(finance, IllegalMove, "Invoice is posted"):
            await finance.run(command)


async def test_no_more_is_taken_back_than_there_is(taxed: Books) -> None:
    finance = taxed.finance
    invoice = await posted(taxed, line("10", "VAT7.5", quantity="3"), line("5"))

    def take(*lines: tuple[int, int]) -> CreditInvoice:
        some = [CreditedLine(line=at, quantity=Decimal(quantity)) for at, quantity in lines]
        return CreditInvoice(invoice_id=invoice.id, lines=some, date=taxed.day)

    first = await finance.run(take((0, 2)))
    assert isinstance(first, InvoiceCredited)
    assert str(first.total) == "21.50"
    for lines, message in [
        ([(0, 2)], r"lines\[0\].quantity: 2 is not within the 1 that are left"),
        ([(1, 1), (7, 1)], r"lines\[1\].quantity: is no line"),
        ([(1, 1), (1, 1)], r"lines\[1\].line: is named before"),
        ([], "lines: leave nothing"),
    ]:
        async with refused(finance, Invalid, message):
            await finance.run(take(*lines))
    rest = await finance.run(CreditInvoice(invoice_id=invoice.id, date=taxed.day))
    assert first.total + rest.total == invoice.total
    async with refused(finance, Invalid, "lines: leave nothing"):
        await finance.run(CreditInvoice(invoice_id=invoice.id, date=taxed.day))
    async with refused(finance, Invalid, "invoice_id: is a note"):
        await finance.run(CreditInvoice(invoice_id=rest.note_id))
    await proven(taxed)


async def test_posted_at_once_their_numbers_have_no_gap(taxed: Books) -> None:
    drafts = [await drafted(taxed, line("10", "VAT7.5")) for _ in range(6)]
    results = await asyncio.gather(
        *[taxed.finance.run(PostInvoice(invoice_id=one.id)) for one in drafts for _ in range(2)], return_exceptions=True
    )
    numbers = sorted(one.number for one in results if isinstance(one, InvoicePosted))
    assert numbers == [f"SAL/{taxed.day.year}/{number:05}" for number in range(1, 7)]
    assert all(isinstance(one, InvoicePosted | IllegalMove) for one in results)
    await proven(taxed)


async def test_taken_back_twice_at_once_it_is_taken_back_once(taxed: Books) -> None:
    invoice = await posted(taxed, line("10", "VAT7.5"))
    results = await asyncio.gather(
        *[taxed.finance.run(CreditInvoice(invoice_id=invoice.id, date=taxed.day)) for _ in range(3)], return_exceptions=True
    )
    assert sorted(type(one).__name__ for one in results) == ["Invalid", "Invalid", "InvoiceCredited"]
    await proven(taxed)


@pytest.mark.parametrize("rounding", list(Rounding))
async def test_random_documents_and_their_parts_keep_every_rule(taxed: Books, rounding: Rounding) -> None:
    chance = random.Random(rounding.value)
    async with taxed.finance._work() as work:  # pyright: ignore[reportPrivateUsage]
        (await work.get(Company, taxed.company.id)).tax_rounding = rounding
        await work.commit()
    for _ in range(12):
        sale = chance.random() < 0.6
        own = ["VAT7.5", "VAT-IN", "WHT5", "GST18"] if sale else ["INPUT", "VAT-IN", "GST18"]
        lines = [
            line(
                f"{chance.randint(0, 99999) / 1000}",
                *chance.sample(own, chance.randint(0, 2)),
                quantity=f"{chance.randint(1, 5000) / 1000}",
                discount_percent=Decimal(chance.choice([0, 0, 10, 33])),
            )
            for _ in range(chance.randint(1, 4))
        ]
        more = {"discount_percent": Decimal(chance.choice([0, 5])), "kind": InvoiceKind.SALES_INVOICE if sale else BILL}
        invoice = await posted(taxed, *lines, line("1"), **more)
        await _in_parts(taxed, invoice, chance)
    await proven(taxed)


async def _in_parts(books: Books, invoice: Invoice, chance: random.Random) -> None:
    """Take an invoice back in random parts: together they are the invoice, tax by tax."""
    totals: dict[str, Decimal] = defaultdict(Decimal)
    while True:
        notes = await books.finance.list(Invoice, Invoice.credit_of_id == invoice.id)
        taken = sum(one.quantity for note in notes for one in note.credited if one.line == 0)
        left = invoice.lines[0].quantity - taken
        part = (left / 2).quantize(Decimal("0.001"))
        some = [CreditedLine(line=0, quantity=part)] if part and len(notes) < chance.randint(1, 3) else None
        try:
            await books.finance.run(CreditInvoice(invoice_id=invoice.id, lines=some, date=books.day))
        except Problem as nothing:
            assert "come to nothing" in str(nothing)
            return
        if some is None:
            break
    for note in await books.finance.list(Invoice, Invoice.credit_of_id == invoice.id):
        totals["total"] += note.total
        totals["payable"] += note.payable
        for tax in note.taxes:
            totals[tax.code] += tax.amount
    assert (totals.pop("total"), totals.pop("payable")) == (invoice.total, invoice.payable)
    assert totals == {one.code: one.amount for one in invoice.taxes}
