"""Allocating payments to what they pay, and taking that back. Whether an invoice is paid follows from it."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from uuid import UUID

from nexus.core import FieldError, IllegalMove, Invalid, Tx, among, func, handles, or_, select
from nexus.services.finance.api import (
    AllocatePayment,
    AllocationUndone,
    InvoicePaid,
    InvoicePartlyPaid,
    InvoiceReopened,
    PaymentAllocated,
    PostEntry,
    ReverseEntry,
    UndoAllocation,
)
from nexus.services.finance.commands.years import today
from nexus.services.finance.entities import AccountRole, Allocation, Invoice, JournalLine, Payment
from nexus.services.finance.flows import allocation_flow, invoice_flow
from nexus.services.finance.payment_terms import AllocationStatus, PaymentShare, PaymentStatus
from nexus.services.finance.rules.allocating import shared
from nexus.services.finance.rules.differences import difference
from nexus.services.finance.rules.journals import general_journal
from nexus.services.finance.terms import LedgerRole

_NOTHING = Decimal(0)


@handles(AllocatePayment, needs="finance.payment:allocate")
async def allocate_payment(cmd: AllocatePayment, tx: Tx) -> PaymentAllocated:
    payment = await tx.get(Payment, cmd.payment_id, lock=True)
    if payment.status is not PaymentStatus.POSTED:
        raise IllegalMove(entity="Payment", now=str(payment.status), move="allocate")
    return await allocate(payment, cmd.allocations, await held(cmd.allocations, tx), tx, cmd.date)


async def held(shares: Sequence[PaymentShare], tx: Tx) -> Mapping[UUID, Invoice]:
    """The invoices that are to be paid, locked: after the payment and before any journal, so that nobody waits in a circle."""
    wanted = {share.invoice_id for share in shares}
    return {one.id: one for one in await tx.list(Invoice, among(Invoice.id, wanted), lock=True)} if wanted else {}


async def allocate(
    payment: Payment, shares: Sequence[PaymentShare], invoices: Mapping[UUID, Invoice], tx: Tx, date: dt.date | None = None
) -> PaymentAllocated:
    """Share a payment out. The database has the last word on what each line has left (invariants/payments.sql)."""
    own, *_ = await _lines([payment.entry_id], tx)
    lines = await _lines([one.entry_id for one in invoices.values() if one.entry_id], tx)
    made = shared(payment, own, shares, invoices, lines)
    left = abs(own.residual or _NOTHING) - sum((one.amount for one in made), _NOTHING)
    await _differ([one for one in made if one.debit_base != one.credit_base], {line.id: line for line in (own, *lines)}, date, tx)
    for one in made:
        tx.add(one)
    await _settle([invoices[share.invoice_id] for share in shares], tx)
    return tx.emit(
        PaymentAllocated(
            payment_id=payment.id,
            invoice_ids=[share.invoice_id for share in shares],
            allocated=sum((one.amount for one in made), _NOTHING),
            unallocated=left,
            currency=payment.currency,
        )
    )


async def _differ(made: Sequence[Allocation], lines: Mapping[UUID, JournalLine], date: dt.date | None, tx: Tx) -> None:
    """Post what is between both sides of allocations that settle them at two values, an entry for each. Invalid (422) names the date."""
    if not made:
        return
    company, wanted = made[0].company_id, {LedgerRole.FX_GAIN, LedgerRole.FX_LOSS}
    own = (AccountRole.company_id == company, among(AccountRole.role, wanted), AccountRole.archived_at.is_(None))
    roles = {one.role: one.account_id for one in await tx.list(AccountRole, *own)}
    journal = await general_journal(company, set(roles.values()), tx)
    for one in made:
        debit, credit = lines[one.debit_line_id], lines[one.credit_line_id]
        day = max(debit.date, credit.date, await _free_from(one, tx) or debit.date)
        if date is not None and date < day:
            raise Invalid.of(FieldError("date", f"is before {day}, when the later of both is there to be settled"))
        entry = PostEntry(
            journal_id=journal,
            date=date or day,
            lines=difference(one, debit, roles),
            source_entity="finance.allocation",
            source_id=one.id,
        )
        one.fx_entry_id = (await tx.call(entry)).journal_entry_id


async def _free_from(one: Allocation, tx: Tx) -> dt.date | None:
    """Until when either side was settled otherwise, by what has been undone."""
    either = or_(Allocation.debit_line_id == one.debit_line_id, Allocation.credit_line_id == one.credit_line_id)
    (row,) = await tx.rows(select(func.max(Allocation.effective_until).label("day")).where(either))
    return None if row["day"] is None else dt.date.fromisoformat(str(row["day"]))


async def _lines(entries: Iterable[UUID], tx: Tx) -> list[JournalLine]:
    """The lines of some entries that can be allocated, as they are now."""
    found = list(entries)
    return await tx.list(JournalLine, among(JournalLine.entry_id, found), JournalLine.residual.is_not(None)) if found else []


async def _settle(invoices: Sequence[Invoice], tx: Tx) -> None:
    """Bring invoices to the states that their lines say, and tell of them."""
    residuals: dict[UUID, Decimal] = defaultdict(Decimal)
    for line in await _lines([one.entry_id for one in invoices if one.entry_id], tx):
        residuals[line.entry_id] += abs(line.residual or _NOTHING)
    for invoice in invoices:
        assert invoice.entry_id is not None
        _go(invoice, residuals[invoice.entry_id], tx)


def _go(invoice: Invoice, residual: Decimal, tx: Tx) -> None:
    assert invoice.number is not None
    if residual == _NOTHING:
        invoice_flow.go(invoice, "pay")
        tx.emit(InvoicePaid(invoice_id=invoice.id, number=invoice.number, payable=invoice.payable, currency=invoice.currency))
    elif residual < invoice.payable:
        invoice_flow.go(invoice, "pay_partly")
        tx.emit(InvoicePartlyPaid(invoice_id=invoice.id, number=invoice.number, residual=residual, currency=invoice.currency))
    else:
        invoice_flow.go(invoice, "reopen")
        tx.emit(InvoiceReopened(invoice_id=invoice.id, number=invoice.number, residual=residual, currency=invoice.currency))


@handles(UndoAllocation, needs="finance.allocation:undo")
async def undo_allocation(cmd: UndoAllocation, tx: Tx) -> AllocationUndone:
    known = await tx.get(Allocation, cmd.allocation_id)
    entries = {one.entry_id for one in await tx.list(JournalLine, among(JournalLine.id, {known.debit_line_id, known.credit_line_id}))}
    await tx.list(Payment, among(Payment.entry_id, entries), lock=True)  # before invoices, as everywhere
    if cmd.date is not None:
        await _open(cmd.date, known.company_id, tx)
    date = cmd.date or today(tx)
    undone = await _undo([known.id], entries, date, tx)
    await reverse_differences(undone, date, tx)
    return AllocationUndone(allocation_id=known.id, amount=known.amount, currency=known.currency)


async def _open(date: dt.date, company: UUID, tx: Tx) -> None:
    """Refuse (422) a day in time that is closed, where what was open does not change any more."""
    (row,) = await tx.rows(select(func.tenant.finance_open_from(company).label("day")))
    if row["day"] is not None and date < dt.date.fromisoformat(str(row["day"])):
        raise Invalid.of(FieldError("date", f"is before {row['day']}, the first day that is open"))


async def reverse_differences(undone: Sequence[Allocation], date: dt.date, tx: Tx) -> None:
    """Take back the exchange differences of allocations, none before its own day. After all other journals, as they are posted."""
    for one in undone:
        if one.fx_entry_id is not None:
            day = max(date, one.effective_from or date)
            await tx.call(ReverseEntry(journal_entry_id=one.fx_entry_id, date=day, reason="The allocation was undone"))


async def undo_all(payment: Payment, date: dt.date, tx: Tx) -> list[Allocation]:
    """Take back from a day on all that a payment, which is held, has been allocated to; exchange differences are still to be reversed."""
    (own, *_) = await _lines([payment.entry_id], tx)
    mine = or_(Allocation.debit_line_id == own.id, Allocation.credit_line_id == own.id)
    made = await tx.list(Allocation, Allocation.status == AllocationStatus.MADE, mine)
    if not made:
        return []
    ends = {id for one in made for id in (one.debit_line_id, one.credit_line_id)}
    entries = {one.entry_id for one in await tx.list(JournalLine, among(JournalLine.id, ends))}
    return await _undo([one.id for one in made], entries, date, tx)


async def _undo(ids: Sequence[UUID], entries: Iterable[UUID], date: dt.date, tx: Tx) -> list[Allocation]:
    invoices = await tx.list(Invoice, among(Invoice.entry_id, set(entries)), lock=True)
    undone = await tx.list(Allocation, among(Allocation.id, ids), lock=True)
    for one in undone:
        allocation_flow.go(one, "undo")
        one.effective_until = date
        tx.emit(AllocationUndone(allocation_id=one.id, amount=one.amount, currency=one.currency))
    await _settle(invoices, tx)
    return undone
