"""What nobody will pay is given up: booked, settled with its invoice, and taken back whole."""

from __future__ import annotations

import asyncio
import datetime as dt
from decimal import Decimal
from typing import Any

from nexus.core import Forbidden, IllegalMove, Invalid, NotFound, Problem, uuid7
from nexus.services.finance.api import (
    InvoiceReopened,
    InvoiceWrittenOff,
    LockPeriod,
    ReverseEntry,
    UndoAllocation,
    UndoWriteOff,
    WriteOffInvoice,
    WrittenOff,
)
from nexus.services.finance.entities import AccountRole, Allocation, Invoice, JournalEntry, PaymentTerm, WriteOff
from nexus.services.finance.invoice_terms import InvoiceKind, InvoiceStatus, TermPart
from nexus.services.finance.payment_terms import AllocationStatus
from nexus.services.finance.rules.refusals import AlreadyPaid, EntryOfDocument, PeriodIsLocked, RoleNotPlayed, StillAllocated
from nexus.services.finance.terms import EntryStatus, LedgerRole
from nexus.services.finance.tests.conftest import OWED, OWING, Books, refused
from nexus.services.finance.tests.test_allocations import allocate, settled, share, state
from nexus.services.finance.tests.test_exchange_differences import euros, invoiced, result
from nexus.services.finance.tests.test_invoice_posting import drafted, posted
from nexus.services.finance.tests.test_invoices import line, taxed
from nexus.services.finance.tests.test_payments import SUPPLIER, balance, paid, payment

__all__ = ["taxed"]
PAID, PARTLY, POSTED, WRITTEN_OFF = InvoiceStatus.PAID, InvoiceStatus.PARTLY_PAID, InvoiceStatus.POSTED, InvoiceStatus.WRITTEN_OFF
LOST = "6620"


def give_up(books: Books, invoice: Invoice, amount: str | None = None, **more: Any) -> WriteOffInvoice:
    given: dict[str, Any] = {"date": books.day, "reason": "Insolvent", "amount": None if amount is None else Decimal(amount)}
    return WriteOffInvoice(invoice_id=invoice.id, **given | more)


def undo(books: Books, one: WrittenOff, **more: Any) -> UndoWriteOff:
    given: dict[str, Any] = {"date": books.day, "reason": "Paid after all"}
    return UndoWriteOff(write_off_id=one.write_off_id, **given | more)


async def test_what_is_open_is_written_off(taxed: Books) -> None:
    term = PaymentTerm(name="Two", instalments=[TermPart(percent=Decimal(50)), TermPart(percent=Decimal(50), days=30)])
    invoice = await posted(taxed, line("100"), payment_term_id=(await taxed.finance.given(term)).id)
    await taxed.finance.run(payment(taxed, "30", allocations=[share(invoice)]))

    told = await taxed.finance.run(give_up(taxed, invoice))

    assert (str(told.amount), told.currency, told.reason) == ("70.00", "NGN", "Insolvent")
    assert [type(one) for one in taxed.finance.emitted[-2:]] == [InvoiceWrittenOff, WrittenOff]
    assert await state(taxed, invoice) == (WRITTEN_OFF, "0.00")
    assert [await balance(taxed, one) for one in (OWED, LOST)] == [Decimal(0), Decimal(70)]
    entry = await taxed.finance.get(JournalEntry, told.journal_entry_id)
    assert (entry.source_entity, entry.source_id, entry.reference) == ("finance.write_off", told.write_off_id, invoice.number)
    await settled(taxed)


async def test_a_part_of_it_and_a_bill(taxed: Books) -> None:
    invoice = await posted(taxed, line("100"))
    await taxed.finance.run(give_up(taxed, invoice, "0.02"))
    assert await state(taxed, invoice) == (PARTLY, "99.98")
    await taxed.finance.run(payment(taxed, "99.98", allocations=[share(invoice)]))
    assert await state(taxed, invoice) == (WRITTEN_OFF, "0.00")
    bill = await posted(taxed, line("5"), kind=InvoiceKind.PURCHASE_BILL, party_id=SUPPLIER)
    await taxed.finance.run(give_up(taxed, bill))
    assert await state(taxed, bill) == (WRITTEN_OFF, "0.00")
    assert [await balance(taxed, one) for one in (OWED, OWING, LOST)] == [Decimal(0), Decimal(0), Decimal("-4.98")]
    await settled(taxed)


async def test_in_another_currency_what_it_stood_at_is_lost(taxed: Books) -> None:
    invoice = await invoiced(taxed, "100", "1.1111")
    await euros(taxed, "33.33", "1.2", share(invoice))
    await taxed.finance.run(give_up(taxed, invoice, "33.33"))
    await taxed.finance.run(give_up(taxed, invoice))
    assert await state(taxed, invoice) == (WRITTEN_OFF, "0.00")
    assert [await balance(taxed, one) for one in (OWED, LOST)] == [Decimal(0), Decimal("74.08")]
    assert await result(taxed) == Decimal("2.97")
    await settled(taxed)


async def test_undone_it_is_open_again(taxed: Books) -> None:
    finance, invoice = taxed.finance, await posted(taxed, line("100"))
    told = await finance.run(give_up(taxed, invoice))
    (made,) = await finance.list(Allocation)
    async with refused(finance, EntryOfDocument, "a write-off, which is undone itself"):
        await finance.run(UndoAllocation(allocation_id=made.id))
    async with refused(finance, StillAllocated):
        await finance.run(ReverseEntry(journal_entry_id=told.journal_entry_id, reason="Wrong"))
    async with refused(finance, Invalid, "date: is before"):
        await finance.run(undo(taxed, told, date=taxed.day - dt.timedelta(days=1)))

    await finance.run(undo(taxed, told))

    assert any(isinstance(one, InvoiceReopened) for one in finance.emitted[-4:])
    assert await state(taxed, invoice) == (POSTED, "100.00")
    assert [await balance(taxed, one) for one in (OWED, LOST)] == [Decimal(100), Decimal(0)]
    assert (await finance.get(WriteOff, told.write_off_id)).status is AllocationStatus.UNDONE
    assert (await finance.get(JournalEntry, told.journal_entry_id)).status is EntryStatus.REVERSED
    async with refused(finance, IllegalMove, "WriteOff is undone: it cannot undo"):
        await finance.run(undo(taxed, told))
    await finance.run(payment(taxed, "100", allocations=[share(invoice)]))
    assert await state(taxed, invoice) == (PAID, "0.00")
    await settled(taxed)


async def test_refusals_name_the_field_and_change_nothing(taxed: Books) -> None:
    finance, invoice = taxed.finance, await posted(taxed, line("100"))
    refusals: list[tuple[dict[str, Any], type[Problem], str]] = [
        ({"amount": Decimal("100.01")}, Invalid, "amount: is more than the 100.00 NGN that are open"),
        ({"amount": Decimal(0)}, Invalid, "amount: is more than 0"),
        ({"amount": Decimal("0.001")}, Invalid, "amount: has more than the 2 decimals"),
        ({"amount": Decimal("NaN")}, Invalid, "amount: is not an amount"),
        ({"date": taxed.day - dt.timedelta(days=1)}, Invalid, "date: is before"),
    ]
    for changes, problem, says in refusals:
        async with refused(finance, problem, says):
            await finance.run(give_up(taxed, invoice, **changes))
    draft = await drafted(taxed, line("1"))
    async with refused(finance, IllegalMove, "Invoice is draft: it cannot write_off"):
        await finance.run(give_up(taxed, draft))
    async with refused(finance, NotFound):
        await finance.run(WriteOffInvoice(invoice_id=uuid7(), reason="No"))
    await finance.run(give_up(taxed, invoice))
    async with refused(finance, IllegalMove, "Invoice is written_off: it cannot write_off"):
        await finance.run(give_up(taxed, invoice))
    async with refused(finance, AlreadyPaid, "Allocation 1"):
        await finance.run(payment(taxed, "1", allocations=[share(invoice)]))
    other = await posted(taxed, line("1"))
    await finance.run(LockPeriod(company_id=taxed.company.id, until=taxed.day))
    async with refused(finance, PeriodIsLocked):
        await finance.run(give_up(taxed, other))
    (role,) = await finance.list(AccountRole, AccountRole.role == LedgerRole.WRITE_OFF)
    async with finance._work() as work:  # pyright: ignore[reportPrivateUsage]
        (await work.get(AccountRole, role.id)).archived_at = work.now
        await work.commit()
    async with refused(finance, RoleNotPlayed, "write_off"):
        await finance.run(give_up(taxed, other))


async def test_at_once_it_is_given_up_once(taxed: Books) -> None:
    for paying in (False, True):
        invoice, one = await posted(taxed, line("100")), await paid(taxed, "60")
        commands: list[Any] = [give_up(taxed, invoice)] * 3 + [allocate(one, share(invoice, "60"))] * paying
        results = await asyncio.gather(*[taxed.finance.run(each) for each in commands], return_exceptions=True)
        names = [type(each).__name__ for each in results]
        assert names.count("WrittenOff") == 1
        assert set(names) <= {"WrittenOff", "IllegalMove", "PaymentAllocated", "AlreadyPaid"}
        assert await state(taxed, invoice) == (WRITTEN_OFF, "0.00")
        await settled(taxed)
    told = next(each for each in results if isinstance(each, WrittenOff))
    again = await asyncio.gather(*[taxed.finance.run(undo(taxed, told)) for _ in range(3)], return_exceptions=True)
    assert sorted(type(each).__name__ for each in again) == ["IllegalMove", "IllegalMove", "WriteOffUndone"]
    await settled(taxed)


async def test_who_may_write_off(taxed: Books) -> None:
    invoice = await posted(taxed, line("10"))
    for role in ("finance.bookkeeper", "finance.treasurer", "finance.auditor"):
        async with refused(taxed.finance, Forbidden):
            await taxed.finance.as_(role).run(give_up(taxed, invoice))
    told = await taxed.finance.as_("finance.accountant").run(give_up(taxed, invoice))
    async with refused(taxed.finance, Forbidden):
        await taxed.finance.as_("finance.treasurer").run(undo(taxed, told))
    await taxed.finance.as_("finance.accountant").run(undo(taxed, told))
