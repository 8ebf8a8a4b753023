"""Allocating payments and notes to what they settle, and taking that back. Whether an invoice is paid follows from it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from uuid import UUID

from nexus.core import FieldError, IllegalMove, Invalid, Tx, among, exact, func, handles, or_, select
from nexus.services.finance.api import (
    AllocateNote,
    AllocatePayment,
    AllocationUndone,
    InvoicePaid,
    InvoicePartlyPaid,
    InvoiceReopened,
    InvoiceReversed,
    InvoiceWrittenOff,
    NoteAllocated,
    PaymentAllocated,
    PostEntry,
    ReverseEntry,
    UndoAllocation,
)
from nexus.services.finance.commands.years import today
from nexus.services.finance.entities import AccountRole, Allocation, Invoice, JournalEntry, JournalLine, Payment, WriteOff
from nexus.services.finance.flows import allocation_flow, invoice_flow
from nexus.services.finance.invoice_terms import InvoiceKind, InvoiceStatus
from nexus.services.finance.payment_terms import AllocationStatus, PaymentShare, PaymentStatus
from nexus.services.finance.rules.allocating import Source, shared
from nexus.services.finance.rules.differences import difference
from nexus.services.finance.rules.journals import general_journal
from nexus.services.finance.rules.refusals import EntryOfDocument
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
    source = Source.of(payment, await entry_lines([payment.entry_id], tx))
    taken = await _share(source, shares, invoices, date, tx)
    await settle([invoices[share.invoice_id] for share in shares], tx)
    return tx.emit(
        PaymentAllocated(
            payment_id=payment.id,
            invoice_ids=[share.invoice_id for share in shares],
            allocated=taken,
            unallocated=source.left,
            currency=payment.currency,
        )
    )


@handles(AllocateNote, needs="finance.invoice:allocate")
async def allocate_note(cmd: AllocateNote, tx: Tx) -> NoteAllocated:
    known = await held([*cmd.allocations, PaymentShare(invoice_id=cmd.invoice_id)], tx)
    note = known.get(cmd.invoice_id) or await tx.get(Invoice, cmd.invoice_id)
    if note.kind not in (InvoiceKind.CREDIT_NOTE, InvoiceKind.DEBIT_NOTE):
        raise Invalid.of(FieldError("invoice_id", "is no credit or debit note"))
    if note.status not in (InvoiceStatus.POSTED, InvoiceStatus.PARTLY_PAID):
        raise IllegalMove(entity="Invoice", now=str(note.status), move="allocate")
    return await apply(note, cmd.allocations, known, tx, cmd.date)


async def apply(
    note: Invoice, shares: Sequence[PaymentShare], invoices: Mapping[UUID, Invoice], tx: Tx, date: dt.date | None = None
) -> NoteAllocated:
    """Share a posted note out over invoices, which are held."""
    assert note.entry_id is not None
    source = Source.of(note, await entry_lines([note.entry_id], tx))
    taken = await _share(source, shares, invoices, date, tx)
    await settle([note, *[invoices[share.invoice_id] for share in shares]], tx)
    return tx.emit(
        NoteAllocated(
            note_id=note.id,
            invoice_ids=[share.invoice_id for share in shares],
            allocated=taken,
            unallocated=source.left,
            currency=note.currency,
        )
    )


async def same_account(invoice: Invoice, note: Invoice, tx: Tx) -> bool:
    """Whether both are owed on one account, so that they can settle each other: a company may have changed which one that is."""
    lines = await entry_lines([id for id in (invoice.entry_id, note.entry_id) if id], tx)
    return {line.entry_id for line in lines} == {invoice.entry_id, note.entry_id} and len({line.account_id for line in lines}) == 1


async def _share(source: Source, shares: Sequence[PaymentShare], invoices: Mapping[UUID, Invoice], date: dt.date | None, tx: Tx) -> Decimal:
    """Allocate what some shares take of a payment or a note, with exchange differences; how much that is."""
    lines = await entry_lines([one.entry_id for one in invoices.values() if one.entry_id], tx)
    made = shared(source, shares, invoices, lines)
    known = {line.id: line for line in (*[own.line for own in source.lines], *lines)}
    await _differ([one for one in made if one.debit_base != one.credit_base], known, date, tx)
    for one in made:
        tx.add(one)
    return sum((one.amount for one in made), _NOTHING)


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


async def entry_lines(entries: Iterable[UUID], tx: Tx) -> list[JournalLine]:
    """The lines of some entries that can be allocated, as they are now."""
    found = list(entries)
    return await tx.list(JournalLine, among(JournalLine.entry_id, found), JournalLine.residual.is_not(None)) if found else []


async def settle(invoices: Sequence[Invoice], tx: Tx) -> None:
    """Bring invoices to the states that their lines say, and tell of them."""
    entries = {one.entry_id: one for one in invoices if one.entry_id}
    if not entries:
        return
    open_ = exact(func.sum(func.abs(JournalLine.residual))).label("residual")
    state = func.tenant.finance_paid_state(JournalLine.entry_id).label("state")
    mine = (among(JournalLine.entry_id, set(entries)), JournalLine.residual.is_not(None))
    rows = await tx.rows(select(JournalLine.entry_id, open_, state).where(*mine).group_by(JournalLine.entry_id))
    found = {UUID(row["entry_id"]): row for row in rows}
    for entry, invoice in entries.items():
        if entry in found:
            _go(invoice, found[entry]["state"], Decimal(found[entry]["residual"]), tx)


def _go(invoice: Invoice, state: str, residual: Decimal, tx: Tx) -> None:
    assert invoice.number is not None
    id, number, currency, source = invoice.id, invoice.number, invoice.currency, invoice.source_id
    told: InvoicePaid | InvoicePartlyPaid | InvoiceReopened | InvoiceReversed | InvoiceWrittenOff
    match InvoiceStatus(state):
        case InvoiceStatus.PAID:
            move, told = "pay", InvoicePaid(invoice_id=id, number=number, payable=invoice.payable, currency=currency, source_id=source)
        case InvoiceStatus.REVERSED:
            move, told = (
                "reverse",
                InvoiceReversed(invoice_id=id, number=number, payable=invoice.payable, currency=currency, source_id=source),
            )
        case InvoiceStatus.WRITTEN_OFF:
            move, told = (
                "write_off",
                InvoiceWrittenOff(invoice_id=id, number=number, payable=invoice.payable, currency=currency, source_id=source),
            )
        case InvoiceStatus.PARTLY_PAID:
            move, told = (
                "pay_partly",
                InvoicePartlyPaid(invoice_id=id, number=number, residual=residual, currency=currency, source_id=source),
            )
        case _:
            move, told = "reopen", InvoiceReopened(invoice_id=id, number=number, residual=residual, currency=currency, source_id=source)
    invoice_flow.go(invoice, move)
    tx.emit(told)


@handles(UndoAllocation, needs="finance.allocation:undo")
async def undo_allocation(cmd: UndoAllocation, tx: Tx) -> AllocationUndone:
    known = await tx.get(Allocation, cmd.allocation_id)
    entries = {one.entry_id for one in await tx.list(JournalLine, among(JournalLine.id, {known.debit_line_id, known.credit_line_id}))}
    await tx.list(Payment, among(Payment.entry_id, entries), lock=True)  # before invoices, as everywhere
    if given_up := await tx.find(WriteOff, among(WriteOff.entry_id, entries)):
        entry = await tx.get(JournalEntry, given_up.entry_id)
        raise EntryOfDocument(number=entry.number or "", document="a write-off, which is undone itself")
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
    return await undo_entry(payment.entry_id, date, tx)


async def undo_entry(entry_id: UUID, date: dt.date, tx: Tx) -> list[Allocation]:
    """Take back from a day on all that the lines of an entry have been allocated to."""
    own = {line.id for line in await entry_lines([entry_id], tx)}
    mine = or_(among(Allocation.debit_line_id, own), among(Allocation.credit_line_id, own))
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
    await settle(invoices, tx)
    return undone
