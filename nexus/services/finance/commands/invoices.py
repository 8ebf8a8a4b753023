"""Drawing up invoices and bills."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from uuid import UUID

from nexus.core import FieldError, Invalid, Problem, Tx, among, handles
from nexus.services.finance.api import (
    AlreadyBilled,
    CancelDrafts,
    CancelInvoice,
    CreateInvoice,
    DraftsCancelled,
    InvoiceCancelled,
    InvoiceCreated,
    InvoiceRevised,
    ReviseInvoice,
)
from nexus.services.finance.commands.years import today
from nexus.services.finance.entities import Account, CostCenter, Invoice, PaymentTerm, TaxRate
from nexus.services.finance.flows import invoice_flow
from nexus.services.finance.invoice_terms import InvoiceKind, InvoiceLine, InvoiceStatus
from nexus.services.finance.rules.companies import company_of
from nexus.services.finance.rules.invoicing import Rates, calculate, priced

_YEARS = range(1900, 2201)


class DuplicateBill(Problem, status=409):
    """A bill {reference} of this supplier over {total} is there already."""

    reference: str
    total: str
    invoice_id: str


@handles(CreateInvoice, needs="finance.invoice:create")
async def create_invoice(cmd: CreateInvoice, tx: Tx) -> InvoiceCreated:
    return tx.emit(_created(tx.add(await drawn_up(cmd, tx))))


async def drawn_up(cmd: CreateInvoice, tx: Tx) -> Invoice:
    """The draft that a command asks for, calculated and not kept yet. Invalid (422) and DuplicateBill (409) say why there can be none."""
    company = await company_of(cmd.company_id, tx)
    invoice = Invoice(
        company_id=company.id,
        kind=cmd.kind,
        date=cmd.date or today(tx),
        delivered_on=cmd.delivered_on,
        party_id=cmd.party_id,
        party_name=cmd.party_name,
        currency=cmd.currency or company.base_currency,
        rounding=company.tax_rounding,
        discount_percent=cmd.discount_percent,
        discount_amount=cmd.discount_amount,
        lines=cmd.lines,
        payment_term_id=cmd.payment_term_id,
        reference=cmd.reference,
        notes=cmd.notes,
        source_id=cmd.source_id,
        figures=[],
        taxes=[],
        schedule=[],
        due_on=cmd.date or today(tx),
        net=Decimal(0),
        tax=Decimal(0),
        total=Decimal(0),
        withheld=Decimal(0),
        payable=Decimal(0),
    )
    await _calculate(invoice, tx)
    return invoice


def _created(invoice: Invoice) -> InvoiceCreated:
    return InvoiceCreated(
        invoice_id=invoice.id,
        kind=invoice.kind,
        party_id=invoice.party_id,
        total=invoice.total,
        payable=invoice.payable,
        currency=invoice.currency,
        source_id=invoice.source_id,
    )


@handles(ReviseInvoice, needs="finance.invoice:revise")
async def revise_invoice(cmd: ReviseInvoice, tx: Tx) -> InvoiceRevised:
    invoice = await tx.get(Invoice, cmd.invoice_id, lock=True)
    invoice_flow.go(invoice, "revise")
    for name in cmd.__struct_fields__:
        if name != "invoice_id" and (given := getattr(cmd, name)) is not None:
            setattr(invoice, name, given)
    await _calculate(invoice, tx)
    return tx.emit(InvoiceRevised(invoice_id=invoice.id, total=invoice.total, payable=invoice.payable))


@handles(CancelInvoice, needs="finance.invoice:cancel")
async def cancel_invoice(cmd: CancelInvoice, tx: Tx) -> InvoiceCancelled:
    invoice = await tx.get(Invoice, cmd.invoice_id, lock=True)
    invoice_flow.go(invoice, "cancel")
    return tx.emit(InvoiceCancelled(invoice_id=invoice.id, source_id=invoice.source_id))


@handles(CancelDrafts, needs="finance.invoice:cancel_drafts")
async def cancel_drafts(cmd: CancelDrafts, tx: Tx) -> DraftsCancelled:
    drafts = await tx.list(Invoice, Invoice.source_id == cmd.source_id, Invoice.status == InvoiceStatus.DRAFT, lock=True)
    for invoice in drafts:
        invoice_flow.go(invoice, "cancel")
        tx.emit(InvoiceCancelled(invoice_id=invoice.id, source_id=invoice.source_id))
    return DraftsCancelled(cancelled=len(drafts))


async def _calculate(invoice: Invoice, tx: Tx) -> None:
    """Calculate a draft from its lines. Invalid (422) names the line or field, DuplicateBill (409) the bill that is there."""
    if invoice.date.year not in _YEARS:
        raise Invalid.of(FieldError("date", "is in the years 1900 to 2200"))
    rates = await _rates(invoice.company_id, invoice.lines, tx)
    found = priced(
        invoice.lines, rates, invoice.kind, invoice.currency, invoice.rounding, invoice.discount_percent, invoice.discount_amount
    )
    term = None if invoice.payment_term_id is None else await _term(invoice.payment_term_id, tx)
    await _places(invoice, tx)
    calculate(invoice, found, rates, term)
    if invoice.kind is InvoiceKind.PURCHASE_BILL and invoice.reference is not None:
        await _not_there(invoice, invoice.reference, tx)
    if invoice.source_id is not None:
        await _unbilled(invoice, invoice.source_id, tx)


async def _rates(company_id: UUID, lines: Iterable[InvoiceLine], tx: Tx) -> Rates:
    """The taxes that some lines name, and the members of groups among them."""
    codes = {code for line in lines for code in line.taxes}
    found: dict[str, TaxRate] = {}
    while codes:
        mine = (TaxRate.company_id == company_id, TaxRate.archived_at.is_(None), among(TaxRate.code, codes))
        found |= {one.code: one for one in await tx.list(TaxRate, *mine)}
        codes = {code for one in found.values() if one.code in codes for code in one.members} - found.keys()
    return found


async def _term(id: UUID, tx: Tx) -> PaymentTerm:
    term = await tx.find(PaymentTerm, PaymentTerm.id == id)
    if term is None:
        raise Invalid.of(FieldError("payment_term_id", "is no payment term"))
    return term


async def _places(invoice: Invoice, tx: Tx) -> None:
    """The accounts and cost centres that lines name are the company's."""
    for kind, name in ((Account, "account_id"), (CostCenter, "cost_center_id")):
        ids = {id for line in invoice.lines if (id := getattr(line, name)) is not None}
        if not ids:
            continue
        known = {one.id for one in await tx.list(kind, kind.company_id == invoice.company_id, among(kind.id, ids))}
        wrong = [at for at, line in enumerate(invoice.lines) if (id := getattr(line, name)) is not None and id not in known]
        if wrong:
            raise Invalid.of(*[FieldError(f"lines[{at}].{name}", "is none of this company's") for at in wrong])


async def _not_there(bill: Invoice, reference: str, tx: Tx) -> None:
    other = await tx.find(
        Invoice,
        Invoice.company_id == bill.company_id,
        Invoice.kind == InvoiceKind.PURCHASE_BILL,
        Invoice.party_id == bill.party_id,
        Invoice.reference == reference,
        Invoice.total == bill.total,
        Invoice.id != bill.id,
        Invoice.status != InvoiceStatus.CANCELLED,
        Invoice.status != InvoiceStatus.REVERSED,
    )
    if other is not None:
        raise DuplicateBill(reference=reference, total=str(bill.total), invoice_id=str(other.id))


async def _unbilled(invoice: Invoice, source_id: UUID, tx: Tx) -> None:
    """Nothing else bills what this bills. Invalid (422) where it is no invoice to a customer, AlreadyBilled (409)."""
    if invoice.kind is not InvoiceKind.SALES_INVOICE:
        raise Invalid.of(FieldError("source_id", "is of invoices to customers alone"))
    alive = [Invoice.status != over for over in (InvoiceStatus.CANCELLED, InvoiceStatus.REVERSED)]
    other = await tx.find(Invoice, Invoice.source_id == source_id, Invoice.id != invoice.id, *alive)
    if other is not None:
        raise AlreadyBilled(invoice_id=str(other.id))
