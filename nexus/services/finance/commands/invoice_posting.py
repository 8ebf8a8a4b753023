"""Posting invoices, and taking them back."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

from nexus.core import FieldError, IllegalMove, Invalid, Tx, among, and_, exact, func, handles, select
from nexus.services.finance.api import CreditInvoice, InvoiceCredited, InvoicePosted, PostEntry, PostInvoice
from nexus.services.finance.commands.allocations import apply, same_account
from nexus.services.finance.commands.years import today
from nexus.services.finance.entities import AccountRole, Company, Invoice, Journal, JournalLine, TaxRate
from nexus.services.finance.flows import invoice_flow
from nexus.services.finance.invoice_terms import InvoiceKind, InvoiceStatus
from nexus.services.finance.payment_terms import PaymentShare
from nexus.services.finance.rules.booking import Ledger, booked
from nexus.services.finance.rules.budgeting import within_budgets
from nexus.services.finance.rules.credit import within_limit
from nexus.services.finance.rules.invoicing import calculate
from nexus.services.finance.rules.issuing import issued
from nexus.services.finance.rules.notes import parted, taken_back, wanted
from nexus.services.finance.rules.rates import worth
from nexus.services.finance.terms import JournalType, LedgerRole

_NOTES = {InvoiceKind.SALES_INVOICE: InvoiceKind.CREDIT_NOTE, InvoiceKind.PURCHASE_BILL: InvoiceKind.DEBIT_NOTE}

_OPEN = (InvoiceStatus.POSTED, InvoiceStatus.PARTLY_PAID)
_SETTLED = (InvoiceStatus.PARTLY_PAID, InvoiceStatus.PAID, InvoiceStatus.REVERSED, InvoiceStatus.WRITTEN_OFF)


@handles(PostInvoice, needs="finance.invoice:post")
async def post_invoice(cmd: PostInvoice, tx: Tx) -> InvoicePosted:
    invoice = await tx.get(Invoice, cmd.invoice_id, lock=True)
    return await book(invoice, cmd.rate, tx, limited=True)


async def book(invoice: Invoice, rate: Decimal | None, tx: Tx, *, limited: bool = False) -> InvoicePosted:
    """Number an invoice and post its entry, `limited` by what its customer may owe and what is planned. Its journal's lock is taken last, by the posting of the entry."""
    if not invoice_flow.allows(invoice, "post"):
        raise IllegalMove(entity="Invoice", now=str(invoice.status), move="post")
    journal_id, ledger = await books_of(invoice, rate, tx)
    lines = booked(invoice, ledger)
    if limited:
        await within_limit(invoice, ledger, tx)
        await within_budgets(invoice, lines, tx)
    invoice.issued = await issued(invoice, tx)
    posted = await tx.call(
        PostEntry(
            journal_id=journal_id,
            date=invoice.date,
            lines=lines,
            reference=invoice.reference,
            source_entity="finance.invoice",
            source_id=invoice.id,
        )
    )
    invoice_flow.go(invoice, "post")  # only now: what is pending is written before each read, and a posted invoice has its entry
    invoice.number, invoice.entry_id, invoice.posted_at = posted.number, posted.journal_entry_id, tx.now
    return tx.emit(
        InvoicePosted(
            invoice_id=invoice.id,
            kind=invoice.kind,
            number=posted.number,
            party_id=invoice.party_id,
            total=invoice.total,
            payable=invoice.payable,
            currency=invoice.currency,
            due_on=invoice.due_on,
            journal_entry_id=posted.journal_entry_id,
            source_id=invoice.source_id,
        )
    )


async def books_of(invoice: Invoice, rate: Decimal | None, tx: Tx) -> tuple[UUID, Ledger]:
    """The journal that takes an invoice, and what booking needs to know."""
    kind = JournalType.SALE if invoice.kind.sale else JournalType.PURCHASE
    takes = (Journal.company_id == Company.id, Journal.type == kind, Journal.archived_at.is_(None))
    plays = (AccountRole.company_id == Company.id, AccountRole.archived_at.is_(None))
    named = (Company.base_currency, Journal.id, Journal.default_account_id, AccountRole.role, AccountRole.account_id)
    known = select(*named).join(Journal, and_(*takes)).outerjoin(AccountRole, and_(*plays))
    rows = await tx.rows(known.where(Company.id == invoice.company_id).order_by(Journal.id))
    if not rows:
        raise Invalid.of(FieldError("company_id", f"has no {kind} journal"))
    journal, base = rows[0]["id"], rows[0]["base_currency"]
    codes = [one.code for one in invoice.taxes]
    taxes = await tx.list(TaxRate, TaxRate.company_id == invoice.company_id, among(TaxRate.code, codes)) if codes else []
    return UUID(journal), Ledger(
        currency=base,
        roles={LedgerRole(one["role"]): UUID(one["account_id"]) for one in rows if one["id"] == journal and one["role"]},
        traded=None if rows[0]["default_account_id"] is None else UUID(rows[0]["default_account_id"]),
        rates={one.code: one for one in taxes},
        rate=await worth(invoice.currency, base, invoice.date, rate, tx),
    )


@handles(CreditInvoice, needs="finance.invoice:credit")
async def credit_invoice(cmd: CreditInvoice, tx: Tx) -> InvoiceCredited:
    invoice = await tx.get(Invoice, cmd.invoice_id, lock=True)  # of two notes at once, the second sees what the first took back
    if invoice.status not in _SETTLED:  # what has been paid is credited as well, and how far it is paid does not change by that
        invoice_flow.go(invoice, "credit")
    if invoice.kind not in _NOTES:
        raise Invalid.of(FieldError("invoice_id", "is a note, which is not credited itself"))
    taken = taken_back(await tx.list(Invoice, Invoice.credit_of_id == invoice.id))
    credited = wanted(invoice, cmd.lines, taken)
    figures = parted(invoice, credited, taken)
    note = Invoice(
        company_id=invoice.company_id,
        kind=_NOTES[invoice.kind],
        date=cmd.date or today(tx),
        delivered_on=invoice.delivered_on,
        party_id=invoice.party_id,
        party_name=invoice.party_name,
        currency=invoice.currency,
        rounding=invoice.rounding,
        lines=[invoice.lines[one.line].changed(quantity=one.quantity) for one in credited],
        reference=invoice.number,
        credit_of_id=invoice.id,
        credited=credited,
        notes=cmd.reason,
        figures=[],
        taxes=[],
        schedule=[],
        due_on=cmd.date or today(tx),
        net=figures.net,
        tax=figures.tax,
        total=figures.total,
        withheld=figures.withheld,
        payable=figures.payable,
    )
    calculate(note, figures, {one.code: one for one in invoice.taxes}, None)
    tx.add(note)
    posted = await book(note, await _booked_at(invoice, tx), tx)
    if invoice.status in _OPEN and await same_account(invoice, note, tx):
        await apply(note, [PaymentShare(invoice_id=invoice.id)], {invoice.id: invoice}, tx)
    return tx.emit(InvoiceCredited(invoice_id=invoice.id, note_id=note.id, number=posted.number, total=note.total, currency=note.currency))


async def _booked_at(invoice: Invoice, tx: Tx) -> Decimal | None:
    """The rate at which an invoice was booked, so that a note takes back what it did."""
    (row,) = await tx.rows(select(exact(func.max(JournalLine.rate)).label("rate")).where(JournalLine.entry_id == invoice.entry_id))
    return None if row["rate"] is None else Decimal(row["rate"])
