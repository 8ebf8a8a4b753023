"""A deal that is won becomes the draft of an invoice; CRM sees when that is posted, paid, or taken back.

An invoice says in `source_id` what it bills, and what is told of an invoice goes to the deal of that id, where there is one.
A deal that is opened again takes its draft with it; an invoice that has been posted stays, for people to credit.
"""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

from nexus.core import NotFound, Tx, on
from nexus.services.crm.api import DealBillable, DealReopened, MarkDealBilled
from nexus.services.crm.billing_terms import Billing
from nexus.services.crm.terms import DealLine
from nexus.services.finance.api import (
    AlreadyBilled,
    CancelDrafts,
    CreateInvoice,
    InvoiceCancelled,
    InvoiceCreated,
    InvoicePaid,
    InvoicePartlyPaid,
    InvoicePosted,
    InvoiceReopened,
    InvoiceReversed,
    InvoiceWrittenOff,
)
from nexus.services.finance.invoice_terms import InvoiceKind, InvoiceLine


@on(DealBillable, host="finance")
async def draw_up_invoice(event: DealBillable, tx: Tx) -> None:
    lines = [_line(line) for line in event.lines] or [InvoiceLine(name=event.name, quantity=Decimal(1), unit_price=event.amount)]
    bill = CreateInvoice(
        party_id=event.customer_id, party_name=event.customer, currency=event.currency, lines=lines, source_id=event.deal_id
    )
    try:
        await tx.call(bill)
    except AlreadyBilled:
        return  # it was won before, and that invoice stands


@on(DealReopened, host="finance")
async def give_up_drafts(event: DealReopened, tx: Tx) -> None:
    await tx.call(CancelDrafts(source_id=event.deal_id))


@on(InvoiceCreated, host="crm")
async def show_as_drafted(event: InvoiceCreated, tx: Tx) -> None:
    if event.kind is InvoiceKind.SALES_INVOICE:
        await _show(Billing.DRAFTED, event.source_id, event.invoice_id, tx)


@on(InvoiceCancelled, host="crm")
async def show_draft_as_given_up(event: InvoiceCancelled, tx: Tx) -> None:
    await _show(Billing.NONE, event.source_id, event.invoice_id, tx)


@on(InvoicePosted, host="crm")
async def show_as_invoiced(event: InvoicePosted, tx: Tx) -> None:
    await _show(Billing.INVOICED, event.source_id, event.invoice_id, tx)


@on(InvoicePartlyPaid, host="crm")
async def show_as_partly_paid(event: InvoicePartlyPaid, tx: Tx) -> None:
    await _show(Billing.PARTLY_PAID, event.source_id, event.invoice_id, tx)


@on(InvoicePaid, host="crm")
async def show_as_paid(event: InvoicePaid, tx: Tx) -> None:
    await _show(Billing.PAID, event.source_id, event.invoice_id, tx)


@on(InvoiceReopened, host="crm")
async def show_as_invoiced_again(event: InvoiceReopened, tx: Tx) -> None:
    await _show(Billing.INVOICED, event.source_id, event.invoice_id, tx)


@on(InvoiceReversed, host="crm")
async def show_as_taken_back(event: InvoiceReversed, tx: Tx) -> None:
    await _show(Billing.NONE, event.source_id, event.invoice_id, tx)


@on(InvoiceWrittenOff, host="crm")
async def show_as_written_off(event: InvoiceWrittenOff, tx: Tx) -> None:
    await _show(Billing.WRITTEN_OFF, event.source_id, event.invoice_id, tx)


def _line(line: DealLine) -> InvoiceLine:
    return InvoiceLine(
        name=line.name,
        quantity=line.quantity,
        unit_price=line.unit_price,
        discount_percent=line.discount_percent,
        product_id=line.product_id,
    )


async def _show(billing: Billing, source_id: UUID | None, invoice_id: UUID, tx: Tx) -> None:
    if source_id is None:
        return
    try:
        await tx.call(MarkDealBilled(deal_id=source_id, billing=billing, document_id=invoice_id))
    except NotFound:
        return  # it bills something else
