"""A won deal becomes an invoice, and what becomes of the invoice is seen on the deal."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from nexus.core import Event, Invalid
from nexus.runtime.testing import Harness
from nexus.services.crm.api import CreateDeal, LoseDeal, MarkDealBilled, ReopenDeal, SetDealLines, WinDeal
from nexus.services.crm.billing_terms import Billing
from nexus.services.crm.entities import Account, Contact, Deal, DealStage, LostReason, Pipeline
from nexus.services.crm.terms import DealLine, StageType
from nexus.services.finance.api import (
    AlreadyBilled,
    BouncePayment,
    CancelInvoice,
    CreateInvoice,
    CreditInvoice,
    PostInvoice,
    RecordPayment,
)
from nexus.services.finance.entities import Invoice
from nexus.services.finance.invoice_terms import InvoiceKind, InvoiceStatus
from nexus.services.finance.payment_terms import PaymentDirection, PaymentShare
from nexus.services.finance.tests.conftest import Books, planted

DELIVERIES = 2
"""Every event comes twice: what is done must be done once."""


class Business:
    """Sales and books of one business, and its events on their way."""

    def __init__(self, tenant: Harness, books: Books, customer: Account) -> None:
        self.tenant, self.books, self.customer = tenant, books, customer
        self._told = 0

    async def do(self, command: Any) -> Any:
        """Run a command, and deliver what it tells and what follows from it."""
        answer = await self.tenant.run(command)
        while self._told < len(self.tenant.emitted):
            event: Event = self.tenant.emitted[self._told]
            self._told += 1
            await self.tenant.deliver(event, times=DELIVERIES)
        return answer

    async def deal(self, **more: Any) -> UUID:
        given = {"name": "Rice for a year", "amount": Decimal(100), "currency": "NGN", "account_id": self.customer.id}
        deal_id: UUID = (await self.do(CreateDeal(**given | more))).deal_id
        return deal_id

    async def billing(self, deal_id: UUID) -> tuple[Billing, UUID | None]:
        deal = await self.tenant.get(Deal, deal_id)
        return deal.billing, deal.document_id

    async def invoices(self, deal_id: UUID) -> list[Invoice]:
        return sorted(await self.tenant.list(Invoice, Invoice.source_id == deal_id), key=lambda one: one.id)

    async def won(self, **more: Any) -> tuple[UUID, Invoice]:
        """A deal that has just been won, and its draft."""
        deal_id = await self.deal(**more)
        await self.do(WinDeal(deal_id=deal_id))
        (draft,) = await self.invoices(deal_id)
        return deal_id, draft


@pytest.fixture
async def business(tenant: Harness) -> Business:
    pipeline = Pipeline(name="Sales", key="sales")
    stages = [
        DealStage(pipeline_id=pipeline.id, name=type_.value, position=at, probability=at * 30, type=type_)
        for at, type_ in enumerate((StageType.OPEN, StageType.WON, StageType.LOST))
    ]
    customer = Account(name="Obi Foods")
    await tenant.given(pipeline, *stages, customer)
    return Business(tenant, await planted(tenant), customer)


async def test_is_drafted_line_by_line_in_the_currency_of_the_deal(business: Business) -> None:
    lines = [
        DealLine(name="Rice", quantity=Decimal(3), unit_price=Decimal(10), discount_percent=Decimal(10)),
        DealLine(name="Delivery", quantity=Decimal(1), unit_price=Decimal("2.50")),
    ]
    deal_id = await business.deal()
    await business.do(SetDealLines(deal_id=deal_id, lines=lines))

    await business.do(WinDeal(deal_id=deal_id))

    (draft,) = await business.invoices(deal_id)
    deal = await business.tenant.get(Deal, deal_id)
    assert (draft.kind, draft.status) == (InvoiceKind.SALES_INVOICE, InvoiceStatus.DRAFT)
    assert (draft.party_id, draft.party_name, draft.currency) == (business.customer.id, "Obi Foods", "NGN")
    assert [(one.name, one.quantity, one.unit_price) for one in draft.lines] == [(one.name, one.quantity, one.unit_price) for one in lines]
    assert draft.net == deal.amount == Decimal("29.50")
    assert await business.billing(deal_id) == (Billing.DRAFTED, draft.id)


async def test_without_lines_is_one_line_for_the_amount_to_the_contact_where_there_is_no_account(business: Business) -> None:
    contact = await business.tenant.given(Contact(name="Ada Obi"))

    _, draft = await business.won(account_id=None, contact_id=contact.id)

    assert (draft.party_id, draft.party_name, draft.net) == (contact.id, "Ada Obi", Decimal(100))
    assert [(one.name, one.quantity) for one in draft.lines] == [("Rice for a year", 1)]


@pytest.mark.parametrize("lacking", [{"account_id": None}, {"amount": Decimal(0)}])
async def test_what_is_for_nobody_or_nothing_is_not_billed(business: Business, lacking: dict[str, Any]) -> None:
    deal_id = await business.deal(**lacking)

    await business.do(WinDeal(deal_id=deal_id))

    assert (await business.invoices(deal_id), await business.billing(deal_id)) == ([], (Billing.NONE, None))


async def test_the_deal_shows_what_becomes_of_its_invoice(business: Business) -> None:
    deal_id, draft = await business.won()
    customer = {"direction": PaymentDirection.RECEIVED, "party_id": business.customer.id, "date": draft.date}
    seen: list[Billing] = []

    async def then(command: Any) -> Any:
        answer = await business.do(command)
        billing, document_id = await business.billing(deal_id)
        assert document_id == draft.id
        seen.append(billing)
        return answer

    await then(PostInvoice(invoice_id=draft.id))
    share = [PaymentShare(invoice_id=draft.id, amount=Decimal(40))]
    first = await then(RecordPayment(amount=Decimal(40), allocations=share, **customer))
    await then(RecordPayment(amount=Decimal(60), allocations=[PaymentShare(invoice_id=draft.id, amount=Decimal(60))], **customer))
    await then(BouncePayment(payment_id=first.payment_id, reason="returned"))

    assert seen == [Billing.INVOICED, Billing.PARTLY_PAID, Billing.PAID, Billing.PARTLY_PAID]


async def test_opened_again_takes_the_draft_with_it_and_is_billed_anew_when_won_again(business: Business) -> None:
    deal_id, draft = await business.won()

    await business.do(ReopenDeal(deal_id=deal_id))
    assert await business.billing(deal_id) == (Billing.NONE, draft.id)
    await business.do(WinDeal(deal_id=deal_id))

    first, second = await business.invoices(deal_id)
    assert (first.status, second.status) == (InvoiceStatus.CANCELLED, InvoiceStatus.DRAFT)
    assert await business.billing(deal_id) == (Billing.DRAFTED, second.id)
    late = MarkDealBilled(deal_id=deal_id, billing=Billing.NONE, document_id=first.id)
    await business.do(late)
    assert await business.billing(deal_id) == (Billing.DRAFTED, second.id)


async def test_an_invoice_that_is_posted_stays_and_is_not_written_twice(business: Business) -> None:
    deal_id, draft = await business.won()
    await business.do(PostInvoice(invoice_id=draft.id))

    await business.do(ReopenDeal(deal_id=deal_id))
    await business.do(WinDeal(deal_id=deal_id))

    (only,) = await business.invoices(deal_id)
    assert (only.id, only.status) == (draft.id, InvoiceStatus.POSTED)
    assert await business.billing(deal_id) == (Billing.INVOICED, draft.id)


async def test_a_deal_whose_invoice_is_taken_back_may_be_billed_again(business: Business) -> None:
    deal_id, draft = await business.won()
    await business.do(PostInvoice(invoice_id=draft.id))

    await business.do(CreditInvoice(invoice_id=draft.id))

    assert await business.billing(deal_id) == (Billing.NONE, draft.id)
    await business.do(ReopenDeal(deal_id=deal_id))
    await business.do(WinDeal(deal_id=deal_id))
    assert [one.status for one in await business.invoices(deal_id)] == [InvoiceStatus.REVERSED, InvoiceStatus.DRAFT]


async def test_what_bills_something_else_is_no_matter_of_sales(business: Business) -> None:
    _, draft = await business.won()
    lines = draft.lines
    other = CreateInvoice(party_id=business.customer.id, party_name="Obi Foods", lines=lines, source_id=business.customer.id)

    made = await business.do(other)
    await business.do(CancelInvoice(invoice_id=made.invoice_id))

    with pytest.raises(AlreadyBilled):
        await business.do(CreateInvoice(party_id=business.customer.id, party_name="Obi", lines=lines, source_id=draft.source_id))
    with pytest.raises(Invalid, match="source_id"):
        await business.do(
            CreateInvoice(
                kind=InvoiceKind.PURCHASE_BILL,
                party_id=business.customer.id,
                party_name="Obi",
                lines=lines,
                source_id=business.customer.id,
            )
        )


async def test_a_lost_deal_is_not_billed(business: Business) -> None:
    reason = await business.tenant.given(LostReason(name="Price"))
    deal_id = await business.deal()

    await business.do(LoseDeal(deal_id=deal_id, reason_id=reason.id))

    assert await business.invoices(deal_id) == []
