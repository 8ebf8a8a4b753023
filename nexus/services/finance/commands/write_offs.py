"""Giving up what nobody will pay, and taking that back."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID

from nexus.core import FieldError, IllegalMove, Invalid, Tx, amount, handles, uuid7
from nexus.services.finance.api import EntryPosted, PostEntry, ReverseEntry, UndoWriteOff, WriteOffInvoice, WriteOffUndone, WrittenOff
from nexus.services.finance.commands.allocations import entry_lines, settle, undo_entry
from nexus.services.finance.commands.years import today
from nexus.services.finance.entities import AccountRole, Allocation, Invoice, JournalLine, WriteOff
from nexus.services.finance.flows import write_off_flow
from nexus.services.finance.invoice_terms import InvoiceStatus
from nexus.services.finance.rules.differences import Left, taken
from nexus.services.finance.rules.journals import general_journal
from nexus.services.finance.rules.refusals import RoleNotPlayed
from nexus.services.finance.terms import EntryLine, LedgerRole

_OPEN = (InvoiceStatus.POSTED, InvoiceStatus.PARTLY_PAID)
_NOTHING = Decimal(0)


@handles(WriteOffInvoice, needs="finance.invoice:write_off")
async def write_off_invoice(cmd: WriteOffInvoice, tx: Tx) -> WrittenOff:
    invoice = await tx.get(Invoice, cmd.invoice_id, lock=True)
    if invoice.status not in _OPEN or invoice.entry_id is None:
        raise IllegalMove(entity="Invoice", now=str(invoice.status), move="write_off")
    date = cmd.date or today(tx)
    if date < invoice.date:
        raise Invalid.of(FieldError("date", f"is before {invoice.date}, the day of the invoice"))
    owed = sorted(await entry_lines([invoice.entry_id], tx), key=lambda line: (line.due_date or dt.date.max, line.position))
    parts = _parts(owed, _wanted(cmd, invoice, owed))
    id = uuid7()
    posted = await _book(invoice, id, date, cmd.reason, parts, tx)
    given_up = WriteOff(
        company_id=invoice.company_id,
        invoice_id=invoice.id,
        date=date,
        amount=sum((part.amount for part in parts), _NOTHING),
        currency=invoice.currency,
        reason=cmd.reason,
        entry_id=posted.journal_entry_id,
    )
    given_up.id = id  # its entry was there before it, and names it
    tx.add(given_up)
    await _allocate(given_up, parts, tx)
    await settle([invoice], tx)
    return tx.emit(
        WrittenOff(
            write_off_id=given_up.id,
            invoice_id=invoice.id,
            amount=given_up.amount,
            currency=given_up.currency,
            date=date,
            reason=cmd.reason,
            number=posted.number,
            journal_entry_id=given_up.entry_id,
        )
    )


def _wanted(cmd: WriteOffInvoice, invoice: Invoice, owed: Sequence[JournalLine]) -> Decimal:
    """How much is given up. Invalid (422) where that is nothing, or more than is open."""
    residual = sum((abs(line.residual or _NOTHING) for line in owed), _NOTHING)
    if not residual:
        raise Invalid.of(FieldError("invoice_id", "has nothing that is open"))
    if cmd.amount is None:
        return residual
    wanted = amount(cmd.amount, invoice.currency, "amount")
    if wanted <= 0:
        raise Invalid.of(FieldError("amount", "is more than 0"))
    if wanted > residual:
        raise Invalid.of(FieldError("amount", f"is more than the {residual} {invoice.currency} that are open"))
    return wanted


def _parts(owed: Sequence[JournalLine], amount: Decimal) -> list[Left]:
    """An amount over instalments, the earliest due first: what is taken of each, and what that stands at in the books."""
    parts: list[Left] = []
    for side in (Left.of(line) for line in owed):
        part = min(amount, side.amount)
        if part:
            parts.append(Left(side.line, part, taken(side, part)))
            amount -= part
    if not all(part.base for part in parts):
        raise Invalid.of(FieldError("amount", "comes to nothing in the currency of the books"))
    return parts


async def _book(invoice: Invoice, id: UUID, date: dt.date, reason: str, parts: Sequence[Left], tx: Tx) -> EntryPosted:
    """Post the entry: what is owed on one side, the account for write-offs on the other. RoleNotPlayed (422) where there is none."""
    own = (AccountRole.company_id == invoice.company_id, AccountRole.role == LedgerRole.WRITE_OFF, AccountRole.archived_at.is_(None))
    role = await tx.find(AccountRole, *own)
    if role is None:
        raise RoleNotPlayed(role=LedgerRole.WRITE_OFF)
    lines = [_mirrored(part) for part in parts]
    lost = sum((line.credit - line.debit for line in lines), _NOTHING)
    lines.append(EntryLine(account_id=role.account_id, debit=max(lost, _NOTHING), credit=max(_NOTHING - lost, _NOTHING)))
    entry = PostEntry(
        journal_id=await general_journal(invoice.company_id, {role.account_id}, tx),
        date=date,
        lines=lines,
        reference=invoice.number,
        memo=reason,
        source_entity="finance.write_off",
        source_id=id,
    )
    return await tx.call(entry)


def _mirrored(part: Left) -> EntryLine:
    line, debit = part.line, part.line.amount > 0
    return EntryLine(
        account_id=line.account_id,
        party_type=line.party_type,
        party_id=line.party_id,
        debit=_NOTHING if debit else part.base,
        credit=part.base if debit else _NOTHING,
        currency=line.currency,
        amount=_NOTHING - part.amount if debit else part.amount,
        rate=line.rate,
    )


async def _allocate(given_up: WriteOff, parts: Sequence[Left], tx: Tx) -> None:
    booked = sorted(await entry_lines([given_up.entry_id], tx), key=lambda line: line.position)
    for part, line in zip(parts, booked, strict=True):
        debit, credit = (part.line, line) if part.line.amount > 0 else (line, part.line)
        tx.add(
            Allocation(
                company_id=given_up.company_id,
                debit_line_id=debit.id,
                credit_line_id=credit.id,
                amount=part.amount,
                currency=given_up.currency,
                debit_base=part.base,
                credit_base=part.base,
                base_currency=line.base_currency,
            )
        )


@handles(UndoWriteOff, needs="finance.write_off:undo")
async def undo_write_off(cmd: UndoWriteOff, tx: Tx) -> WriteOffUndone:
    known = await tx.get(WriteOff, cmd.write_off_id)
    await tx.get(Invoice, known.invoice_id, lock=True)  # first, as everywhere
    given_up = await tx.get(WriteOff, known.id, lock=True)
    date = cmd.date or max(today(tx), given_up.date)
    if not write_off_flow.allows(given_up, "undo"):
        raise IllegalMove(entity="WriteOff", now=str(given_up.status), move="undo")
    if date < given_up.date:
        raise Invalid.of(FieldError("date", f"is before {given_up.date}, the day of the write-off"))
    write_off_flow.go(given_up, "undo")
    await undo_entry(given_up.entry_id, date, tx)
    back = await tx.call(ReverseEntry(journal_entry_id=given_up.entry_id, date=date, reason=cmd.reason))
    return tx.emit(
        WriteOffUndone(
            write_off_id=given_up.id,
            invoice_id=given_up.invoice_id,
            amount=given_up.amount,
            currency=given_up.currency,
            number=back.number,
        )
    )
