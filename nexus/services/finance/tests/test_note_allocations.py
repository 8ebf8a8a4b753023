"""A note settles the invoice that it takes back as far as that is open, and what is left of it others of its party."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

from nexus.core import Forbidden, IllegalMove, Invalid, NotFound, Problem, uuid7
from nexus.services.finance.api import (
    AllocateNote,
    CreateFiscalYear,
    CreditInvoice,
    InvoiceCredited,
    InvoicePaid,
    InvoiceReversed,
    NoteAllocated,
    PostInvoice,
    UndoAllocation,
)
from nexus.services.finance.entities import Account, AccountRole, Allocation, Company, Invoice, Journal
from nexus.services.finance.invoice_terms import CreditedLine, InvoiceKind, InvoiceStatus
from nexus.services.finance.rules.refusals import AlreadyPaid, NotPosted, OtherCompany, OtherCurrency, OtherParty, OverAllocation, SameSide
from nexus.services.finance.terms import AccountType, JournalType, LedgerRole, RootType
from nexus.services.finance.tests.conftest import OWED, Books, refused
from nexus.services.finance.tests.test_allocations import allocate, settled, share, state
from nexus.services.finance.tests.test_exchange_differences import differences, euros, invoiced, result
from nexus.services.finance.tests.test_invoice_posting import drafted, posted
from nexus.services.finance.tests.test_invoices import line, taxed
from nexus.services.finance.tests.test_payments import MADE, RECEIVED, SUPPLIER, balance, paid, payment

__all__ = ["taxed"]
PAID, REVERSED, PARTLY, POSTED = InvoiceStatus.PAID, InvoiceStatus.REVERSED, InvoiceStatus.PARTLY_PAID, InvoiceStatus.POSTED


async def credited(books: Books, invoice: Invoice, quantity: str | None = None) -> Invoice:
    """The note that takes an invoice back, or so much of its first line."""
    lines = None if quantity is None else [CreditedLine(line=0, quantity=Decimal(quantity))]
    told = await books.finance.run(CreditInvoice(invoice_id=invoice.id, lines=lines, date=books.day))
    return await books.finance.get(Invoice, told.note_id)


def lessen(note: Invoice, *shares: Any) -> AllocateNote:
    return AllocateNote(invoice_id=note.id, allocations=list(shares))


async def test_credited_in_full_it_is_reversed_and_nothing_is_open(taxed: Books) -> None:
    for kind, party in ((InvoiceKind.SALES_INVOICE, uuid7()), (InvoiceKind.PURCHASE_BILL, SUPPLIER)):
        invoice = await posted(taxed, line("100", "VAT7.5" if kind.sale else "INPUT"), kind=kind, party_id=party)
        taxed.finance.emitted.clear()

        note = await credited(taxed, invoice)

        assert await state(taxed, invoice) == (REVERSED, "0.00")
        assert await state(taxed, note) == (PAID, "0.00")
        told = [type(one) for one in taxed.finance.emitted[-4:]]
        assert told == [InvoicePaid, InvoiceReversed, NoteAllocated, InvoiceCredited]
        async with refused(taxed.finance, Invalid, "lines: leave nothing to take back"):
            await credited(taxed, invoice)
        async with refused(taxed.finance, AlreadyPaid, "Allocation 1"):
            direction = RECEIVED if kind.sale else MADE
            await taxed.finance.run(payment(taxed, "1", direction, party_id=party, allocations=[share(invoice)]))
    await settled(taxed)


async def test_credited_in_parts_and_the_rest_paid(taxed: Books) -> None:
    invoice = await posted(taxed, line("10", quantity="3"))
    await credited(taxed, invoice, "1")
    assert await state(taxed, invoice) == (PARTLY, "20.00")
    await credited(taxed, invoice, "1")
    await taxed.finance.run(payment(taxed, "10", allocations=[share(invoice)]))
    assert await state(taxed, invoice) == (PAID, "0.00")
    other = await posted(taxed, line("10", quantity="2"))
    for _ in range(2):
        await credited(taxed, other, "1")
    assert await state(taxed, other) == (REVERSED, "0.00")
    await settled(taxed)


async def test_what_is_paid_leaves_the_note_open_for_others(taxed: Books) -> None:
    invoice = await posted(taxed, line("100"))
    await taxed.finance.run(payment(taxed, "70", allocations=[share(invoice)]))
    note = await credited(taxed, invoice)
    assert await state(taxed, invoice) == (PAID, "0.00")
    assert await state(taxed, note) == (PARTLY, "70.00")
    first, second = await posted(taxed, line("50")), await posted(taxed, line("50"))

    told = await taxed.finance.run(lessen(note, share(first, "45"), share(second)))

    assert (str(told.allocated), str(told.unallocated), told.invoice_ids) == ("70.00", "0.00", [first.id, second.id])
    assert [await state(taxed, one) for one in (note, first, second)] == [(PAID, "0.00"), (PARTLY, "5.00"), (PARTLY, "25.00")]
    async with refused(taxed.finance, IllegalMove, "Invoice is paid: it cannot allocate"):
        await taxed.finance.run(lessen(note, share(first)))
    whole = await posted(taxed, line("100"))
    await taxed.finance.run(payment(taxed, "100", allocations=[share(whole)]))
    assert await state(taxed, await credited(taxed, whole)) == (POSTED, "100.00")
    await settled(taxed)


async def test_undone_both_are_open_again(taxed: Books) -> None:
    invoice = await posted(taxed, line("100"))
    note = await credited(taxed, invoice)
    (made,) = await taxed.finance.list(Allocation)
    await taxed.finance.run(UndoAllocation(allocation_id=made.id))
    assert [await state(taxed, one) for one in (invoice, note)] == [(POSTED, "100.00")] * 2
    await taxed.finance.run(lessen(note, share(invoice)))
    assert [await state(taxed, one) for one in (invoice, note)] == [(REVERSED, "0.00"), (PAID, "0.00")]
    await settled(taxed)


async def test_in_another_currency(taxed: Books) -> None:
    invoice, other = await invoiced(taxed, "10", "1500"), await invoiced(taxed, "10", "1600")
    await euros(taxed, "4", "1500", share(invoice))
    note = await credited(taxed, invoice)  # at the rate of its invoice
    assert await differences(taxed) == []
    await taxed.finance.run(lessen(note, share(other)))
    assert (await state(taxed, note), await state(taxed, other)) == ((PAID, "0.00"), (PARTLY, "6.00"))
    assert await result(taxed) == -400
    assert await balance(taxed, OWED) == 9600
    await settled(taxed)


async def elsewhere(books: Books, *lines: Any, **more: Any) -> Invoice:
    """An invoice of another company of the same business, to the same customer."""
    finance = books.finance
    company = await finance.given(Company(name="Other", country="NG", base_currency="NGN"))
    await finance.run(CreateFiscalYear(company_id=company.id, starts_on=books.day))
    for code, role, root, kind in (
        ("1", LedgerRole.RECEIVABLE, RootType.ASSET, AccountType.RECEIVABLE),
        ("2", LedgerRole.SALES, RootType.INCOME, AccountType.REVENUE),
    ):
        account = await finance.given(Account(company_id=company.id, code=code, name=code, root_type=root, account_type=kind))
        await finance.given(AccountRole(company_id=company.id, role=role, account_id=account.id))
    await finance.given(Journal(company_id=company.id, code="SAL", name="Sales", type=JournalType.SALE))
    return await posted(books, *lines, company_id=company.id, **more)


async def test_refusals_name_the_allocation_and_change_nothing(taxed: Books) -> None:
    finance, foreign = taxed.finance, await elsewhere(taxed, line("1"))
    done = await posted(taxed, line("100"))
    one = await paid(taxed, "100", allocations=[share(done)])
    note, good = await credited(taxed, done), await posted(taxed, line("500"))
    async with refused(finance, OtherCompany, "Allocation 1: the invoice is another company's"):
        await finance.run(payment(taxed, "10", allocations=[share(foreign)]))
    refusals: list[tuple[Any, type[Problem], str]] = [
        (share(foreign), OtherCompany, "Allocation 2"),
        (share(uuid7()), Invalid, r"allocations\[1\].invoice_id: is no invoice"),
        (share(await drafted(taxed, line("1"))), NotPosted, "Allocation 2"),
        (share(done), AlreadyPaid, "Allocation 2"),
        (share(await posted(taxed, line("1"), party_id=uuid7())), OtherParty, "Allocation 2"),
        (share(await invoiced(taxed, "1", "1500")), OtherCurrency, "Allocation 2"),
        (share(note), SameSide, "Allocation 2"),
        (share(await posted(taxed, line("1000")), "99.01"), OverAllocation, "Allocation 2"),
    ]
    for wrong, problem, says in refusals:
        async with refused(finance, problem, says):
            await finance.run(lessen(note, share(good, "1"), wrong))
    async with refused(finance, Invalid, "invoice_id: is no credit or debit note"):
        await finance.run(lessen(good, share(done)))
    draft = await drafted(taxed, line("5"), kind=InvoiceKind.CREDIT_NOTE)
    async with refused(finance, IllegalMove, "Invoice is draft: it cannot allocate"):
        await finance.run(lessen(draft, share(good)))
    async with refused(finance, NotFound):
        await finance.run(AllocateNote(invoice_id=uuid7(), allocations=[share(good)]))
    await finance.run(PostInvoice(invoice_id=draft.id))
    await finance.run(lessen(draft, share(good)))
    assert await state(taxed, good) == (PARTLY, "495.00")
    assert one.amount == 100


async def test_another_account_leaves_both_open(taxed: Books) -> None:
    invoice = await posted(taxed, line("100"))
    other = await taxed.finance.given(
        Account(company_id=taxed.company.id, code="9", name="Owed", root_type=RootType.ASSET, account_type=AccountType.RECEIVABLE)
    )
    (role,) = await taxed.finance.list(AccountRole, AccountRole.role == LedgerRole.RECEIVABLE)
    async with taxed.finance._work() as work:  # pyright: ignore[reportPrivateUsage]
        (await work.get(AccountRole, role.id)).account_id = other.id
        await work.commit()
    note = await credited(taxed, invoice)
    assert [await state(taxed, one) for one in (invoice, note)] == [(POSTED, "100.00")] * 2


async def test_credited_and_paid_at_once_nothing_is_settled_twice(taxed: Books) -> None:
    invoice = await posted(taxed, line("100"))
    payments = [await paid(taxed, "60") for _ in range(2)]
    results = await asyncio.gather(
        *[taxed.finance.run(allocate(one, share(invoice))) for one in payments],
        *[taxed.finance.run(CreditInvoice(invoice_id=invoice.id, date=taxed.day)) for _ in range(2)],
        return_exceptions=True,
    )
    names = {type(one).__name__ for one in results}
    assert names <= {"PaymentAllocated", "InvoiceCredited", "AlreadyPaid", "Invalid"}
    assert sum(isinstance(one, InvoiceCredited) for one in results) == 1
    assert (await state(taxed, invoice))[1] == "0.00"
    await settled(taxed)


async def test_who_may_allocate_notes(taxed: Books) -> None:
    done, good = await posted(taxed, line("10")), await posted(taxed, line("10"))
    await taxed.finance.run(payment(taxed, "10", allocations=[share(done)]))
    note = await credited(taxed, done)
    for role in ("finance.treasurer", "finance.auditor"):
        async with refused(taxed.finance, Forbidden):
            await taxed.finance.as_(role).run(lessen(note, share(good)))
    await taxed.finance.as_("finance.bookkeeper").run(lessen(note, share(good)))
