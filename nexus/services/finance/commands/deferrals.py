"""Deferring what invoices bring and cost to the months it belongs to, and recognising it in them."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from uuid import UUID

from nexus.core import FieldError, IllegalMove, Invalid, Tx, func, handles, select
from nexus.services.finance.api import (
    DeferInvoiceLine,
    DeferralEnded,
    DeferralsRecognized,
    EndDeferral,
    LineDeferred,
    PostEntry,
    RecognizeDeferrals,
)
from nexus.services.finance.commands.years import today
from nexus.services.finance.deferral_terms import DeferralStatus
from nexus.services.finance.entities import AccountRole, Company, DeferralEntry, DeferralSchedule, Invoice, JournalLine
from nexus.services.finance.flows import deferral_flow
from nexus.services.finance.invoice_terms import InvoiceKind, InvoiceStatus
from nexus.services.finance.rules.journals import general_journal
from nexus.services.finance.rules.notes import taken_back
from nexus.services.finance.rules.refusals import RoleNotPlayed
from nexus.services.finance.rules.spreading import spread
from nexus.services.finance.rules.years import months_later
from nexus.services.finance.terms import EntryLine, LedgerRole

_NOTHING = Decimal(0)
_LONGEST = 120
_MANY = 10_000
_BOOKED = (InvoiceStatus.POSTED, InvoiceStatus.PARTLY_PAID, InvoiceStatus.PAID)
_WAITS = {InvoiceKind.SALES_INVOICE: LedgerRole.DEFERRED_REVENUE, InvoiceKind.PURCHASE_BILL: LedgerRole.DEFERRED_EXPENSE}


@handles(DeferInvoiceLine, needs="finance.invoice:defer")
async def defer_invoice_line(cmd: DeferInvoiceLine, tx: Tx) -> LineDeferred:
    invoice = await tx.get(Invoice, cmd.invoice_id, lock=True)
    _deferrable(cmd, invoice)
    booked = await _booked(cmd, invoice, tx)
    amount = booked.credit - booked.debit if invoice.kind.sale else booked.debit - booked.credit
    if amount <= 0:
        raise Invalid.of(FieldError("line", "takes something off, so there is nothing to defer"))
    made = DeferralSchedule(
        company_id=invoice.company_id,
        invoice_id=invoice.id,
        line=cmd.line,
        starts_on=cmd.starts_on,
        ends_on=cmd.ends_on,
        spread=cmd.spread,
        amount=amount,
        currency=booked.base_currency,
        parts=(parts := spread(amount, booked.base_currency, cmd.starts_on, cmd.ends_on, cmd.spread)),
        next_on=parts[0].on,
        account_id=booked.account_id,
        deferred_account_id=await _waits_on(invoice, tx),
        cost_center_id=booked.cost_center_id,
        entry_id=invoice.id,
    )
    entry = await _post(made, -amount if invoice.kind.sale else amount, cmd.date or invoice.date, f"Deferral of {invoice.number}", tx)
    made.entry_id = entry
    tx.add(made)
    return tx.emit(
        LineDeferred(
            deferral_schedule_id=made.id,
            company_id=made.company_id,
            invoice_id=invoice.id,
            line=made.line,
            amount=amount,
            currency=made.currency,
            starts_on=made.starts_on,
            ends_on=made.ends_on,
            journal_entry_id=entry,
        )
    )


def _deferrable(cmd: DeferInvoiceLine, invoice: Invoice) -> None:
    """Refuse what is not in the books (409), and a time that is none (422)."""
    if invoice.status not in _BOOKED:
        raise IllegalMove(entity="Invoice", now=str(invoice.status), move="defer")
    if invoice.kind not in _WAITS:
        raise Invalid.of(FieldError("invoice_id", "is a note: what it takes back is not deferred"))
    if not cmd.starts_on <= cmd.ends_on < months_later(cmd.starts_on, _LONGEST):
        raise Invalid.of(FieldError("ends_on", f"is not before starts_on, and at most {_LONGEST} months after it"))


async def _booked(cmd: DeferInvoiceLine, invoice: Invoice, tx: Tx) -> JournalLine:
    """What a line of an invoice was booked as: after what is owed, in the order of the lines. Invalid (422) where it is not there, deferred or credited."""
    if cmd.line >= len(invoice.lines) or not invoice.figures[cmd.line].net:
        raise Invalid.of(FieldError("line", "is none of the invoice that comes to anything"))
    if await tx.find(DeferralSchedule, DeferralSchedule.invoice_id == invoice.id, DeferralSchedule.line == cmd.line):
        raise Invalid.of(FieldError("line", "is deferred already"))
    if taken_back(await tx.list(Invoice, Invoice.credit_of_id == invoice.id)).get(cmd.line):
        raise Invalid.of(FieldError("line", "has been credited"))
    lines = await tx.list(JournalLine, JournalLine.entry_id == invoice.entry_id, order_by=[JournalLine.position], limit=_MANY)
    traded = [one for one in lines if one.party_id is None]
    booked = traded[sum(1 for one in invoice.figures[: cmd.line] if one.net)]
    if booked.memo != invoice.lines[cmd.line].name:
        raise Invalid.of(FieldError("line", "comes to nothing in the currency of the books"))
    return booked


async def _waits_on(invoice: Invoice, tx: Tx) -> UUID:
    role = _WAITS[invoice.kind]
    own = (AccountRole.company_id == invoice.company_id, AccountRole.role == role, AccountRole.archived_at.is_(None))
    found = await tx.find(AccountRole, *own)
    if found is None:
        raise RoleNotPlayed(role=role)
    return found.account_id


async def _post(one: DeferralSchedule, amount: Decimal, date: dt.date, memo: str, tx: Tx) -> UUID:
    """Debit the account where it waits by an amount, or credit it where that is negative, against the income or expense; answers the entry."""
    debit, credit = max(amount, _NOTHING), max(_NOTHING - amount, _NOTHING)
    entry = PostEntry(
        journal_id=await general_journal(one.company_id, {one.deferred_account_id}, tx),
        date=date,
        lines=[
            EntryLine(account_id=one.deferred_account_id, debit=debit, credit=credit, cost_center_id=one.cost_center_id),
            EntryLine(account_id=one.account_id, debit=credit, credit=debit, cost_center_id=one.cost_center_id),
        ],
        memo=memo,
        source_entity="finance.deferral_schedule",
        source_id=one.id,
    )
    return (await tx.call(entry)).journal_entry_id


@handles(RecognizeDeferrals, needs="finance.company:recognize_deferrals")
async def recognize_deferrals(cmd: RecognizeDeferrals, tx: Tx) -> DeferralsRecognized:
    company, on = await tx.get(Company, cmd.company_id), cmd.on or today(tx)
    due = (DeferralSchedule.company_id == company.id, DeferralSchedule.status == DeferralStatus.RUNNING, DeferralSchedule.next_on <= on)
    running = await tx.list(DeferralSchedule, *due, lock=True, limit=_MANY)  # of two at once, the second finds what the first has left
    (row,) = await tx.rows(select(func.tenant.finance_open_from(company.id).label("day")))
    open_from = dt.date.min if row["day"] is None else dt.date.fromisoformat(row["day"])
    parts, totals = 0, {True: _NOTHING, False: _NOTHING}
    for one in running:
        sale = (await tx.get(Invoice, one.invoice_id)).kind.sale
        while one.next_on is not None and one.next_on <= on:
            totals[sale] += await _recognized(one, one.parts[one.done].amount, max(one.next_on, open_from), sale, tx)
            parts += 1
    return tx.emit(
        DeferralsRecognized(
            company_id=company.id, on=on, parts=parts, income=totals[True], expense=totals[False], currency=company.base_currency
        )
    )


async def _recognized(one: DeferralSchedule, amount: Decimal, date: dt.date, sale: bool, tx: Tx) -> Decimal:
    """Post the next part, or all that is left where the amount is that, and go on to the one after."""
    entry = await _post(one, amount if sale else -amount, date, f"Deferral up to {date}", tx) if amount else None
    one.recognised, one.done = one.recognised + amount, one.done + 1
    finished = one.recognised == one.amount
    one.next_on = None if finished else one.parts[one.done].on
    if finished:
        deferral_flow.go(one, "finish")
    tx.add(DeferralEntry(deferral_schedule_id=one.id, part=one.done, date=date, amount=amount, currency=one.currency, entry_id=entry))
    return amount


@handles(EndDeferral, needs="finance.deferral_schedule:end")
async def end_deferral(cmd: EndDeferral, tx: Tx) -> DeferralEnded:
    one = await tx.get(DeferralSchedule, cmd.deferral_schedule_id, lock=True)
    if not deferral_flow.allows(one, "finish"):
        raise IllegalMove(entity="DeferralSchedule", now=str(one.status), move="end")
    sale, date, left = (await tx.get(Invoice, one.invoice_id)).kind.sale, cmd.date or today(tx), one.amount - one.recognised
    await _recognized(one, left, date, sale, tx)
    return tx.emit(DeferralEnded(deferral_schedule_id=one.id, date=date, amount=left, currency=one.currency))
