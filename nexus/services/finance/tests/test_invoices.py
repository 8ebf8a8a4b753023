"""Invoices are drawn up from lines, and what they come to is calculated once."""

from __future__ import annotations

import asyncio
import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from nexus.core import Command, IllegalMove, Invalid, NotFound, uuid7
from nexus.pricing import Rounding
from nexus.services.finance.api import CancelInvoice, CreateInvoice, InvoiceCancelled, InvoiceCreated, InvoiceRevised, ReviseInvoice
from nexus.services.finance.commands.invoices import DuplicateBill
from nexus.services.finance.entities import Company, Invoice, PaymentTerm, TaxRate
from nexus.services.finance.invoice_terms import InvoiceKind, InvoiceLine, InvoiceStatus, TaxScope, TaxType, TermPart
from nexus.services.finance.tests.conftest import Books, refused

DAY = dt.date(2026, 1, 30)
CUSTOMER = uuid7()


def line(price: str, *taxes: str, quantity: str = "1", **more: Any) -> InvoiceLine:
    return InvoiceLine(name="Bread", quantity=Decimal(quantity), unit_price=Decimal(price), taxes=list(taxes), **more)


def create(*lines: InvoiceLine, **more: Any) -> CreateInvoice:
    given: dict[str, Any] = {"party_id": CUSTOMER, "party_name": "Ada Obi", "date": DAY, "lines": list(lines)}
    return CreateInvoice(**given | more)


@pytest.fixture
async def taxed(books: Books) -> Books:
    """Books with the taxes that these tests charge."""
    company = books.company.id

    def rate(code: str, percent: str = "0", **more: Any) -> TaxRate:
        return TaxRate(company_id=company, code=code, name=code, rate=Decimal(percent), **more)

    await books.finance.given(
        rate("VAT7.5", "7.5", scope=TaxScope.SALE),
        rate("VAT-IN", "19", price_included=True),
        rate("WHT5", "5", withholding=True),
        rate("INPUT", "7.5", scope=TaxScope.PURCHASE),
        rate("CGST", "9"),
        rate("SGST", "9"),
        rate("GST18", type=TaxType.GROUP, members=["CGST", "SGST"]),
        rate("ODD", type=TaxType.GROUP, members=["CGST", "GST18"]),
    )
    return books


async def test_comes_to_what_its_lines_come_to(taxed: Books) -> None:
    finance = taxed.finance
    lines = [
        line("1000", "VAT7.5", "WHT5", quantity="3", discount_percent=Decimal(10)),
        line("119", "VAT-IN"),
        line("100.01", "GST18"),
    ]

    told = await finance.run(create(*lines, reference="PO 7"))

    invoice = await finance.get(Invoice, told.invoice_id)
    assert (invoice.status, invoice.number, invoice.currency, invoice.date) == (InvoiceStatus.DRAFT, None, "NGN", DAY)
    totals = (invoice.net, invoice.tax, invoice.total, invoice.withheld, invoice.payable)
    assert [str(one) for one in totals] == ["2900.01", "239.50", "3139.51", "135.00", "3004.51"]  # 202.50 + 19.00 + 9.00 + 9.00 of tax
    assert {one.code: (str(one.base), str(one.amount)) for one in invoice.taxes} == {
        "VAT7.5": ("2700.00", "202.50"),
        "WHT5": ("2700.00", "135.00"),
        "VAT-IN": ("100.00", "19.00"),
        "CGST": ("100.01", "9.00"),
        "SGST": ("100.01", "9.00"),
    }
    assert [(str(one.listed), str(one.discount), str(one.net), str(one.gross)) for one in invoice.figures] == [
        ("3000.00", "300.00", "2700.00", "2902.50"),
        ("119.00", "0.00", "100.00", "119.00"),
        ("100.01", "0.00", "100.01", "118.01"),
    ]
    named: dict[str, Any] = {"invoice_id": invoice.id, "kind": InvoiceKind.SALES_INVOICE, "party_id": CUSTOMER, "currency": "NGN"}
    assert finance.emitted == [told] == [InvoiceCreated(**named, total=invoice.total, payable=invoice.payable)]


async def test_what_is_payable_falls_due_by_its_term(taxed: Books) -> None:
    finance = taxed.finance
    half = TermPart(percent=Decimal(50))
    term = await finance.given(PaymentTerm(name="Half now", instalments=[half, half.changed(days=30, end_of_month=True)]))

    told = await finance.run(create(line("3004.51"), payment_term_id=term.id))

    invoice = await finance.get(Invoice, told.invoice_id)
    assert [(str(one.due_on), str(one.amount)) for one in invoice.schedule] == [("2026-01-30", "1502.26"), ("2026-03-31", "1502.25")]
    assert (invoice.due_on, sum(one.amount for one in invoice.schedule)) == (dt.date(2026, 3, 31), invoice.payable)


async def test_rounds_as_its_company_does(taxed: Books) -> None:
    finance = taxed.finance
    lines = [line("0.15", "VAT-IN")] * 3  # 0.0239 of tax each, 0.0718 together
    apart = await finance.run(create(*lines))
    async with finance._work() as work:  # pyright: ignore[reportPrivateUsage]
        (await work.get(Company, taxed.company.id)).tax_rounding = Rounding.GLOBALLY
        await work.commit()
    together = await finance.run(create(*lines))
    nets = [str((await finance.get(Invoice, one.invoice_id)).net) for one in (apart, together)]
    assert nets == ["0.39", "0.38"]


async def test_a_bill_in_another_currency(taxed: Books) -> None:
    told = await taxed.finance.run(create(line("1234.4", "INPUT"), kind=InvoiceKind.PURCHASE_BILL, currency="JPY"))
    assert (str(told.total), told.currency) == ("1327", "JPY")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"lines": []}, "lines: must not be empty"),
        ({"lines": [line("1"), line("1", "NONE")]}, r"lines\[1\].taxes: NONE is no tax of this company"),
        ({"lines": [line("1", "INPUT")]}, r"lines\[0\].taxes: INPUT is not for this kind"),
        ({"lines": [line("1", "CGST", "GST18")]}, r"lines\[0\].taxes: CGST is there twice"),
        ({"lines": [line("1", "ODD")]}, "taxes.ODD: has the member GST18, which is no single tax"),
        ({"lines": [line("1"), line("1", discount_percent=Decimal(101))]}, r"lines\[1\].percent: is from 0 to 100"),
        ({"lines": [line("1"), line("1", discount_amount=Decimal(2))]}, r"lines\[1\].discount: is more than the line"),
        ({"lines": [line("NaN")]}, r"lines\[0\].unit_price: is from"),
        ({"lines": [line("-1")]}, "lines: come to -1.00, less than nothing"),
        ({"discount_percent": Decimal(101)}, "discount.percent: is from 0 to 100"),
        ({"discount_amount": Decimal("0.001")}, "discount_amount: has more than the 2 decimals"),
        ({"discount_amount": Decimal(2)}, "discount: is more than the lines"),
        ({"currency": "QQQ"}, "currency: QQQ is not an ISO 4217"),
        ({"date": dt.date(9000, 1, 1)}, "date: is in the years"),
        ({"payment_term_id": uuid7()}, "payment_term_id: is no payment term"),
        ({"lines": [line("1"), line("1", account_id=uuid7())]}, r"lines\[1\].account_id: is none of this company's"),
        ({"lines": [line("1", cost_center_id=uuid7())]}, r"lines\[0\].cost_center_id: is none of this company's"),
    ],
)
async def test_what_makes_no_sense_is_named(taxed: Books, given: dict[str, Any], message: str) -> None:
    async with refused(taxed.finance, Invalid, message):
        await taxed.finance.run(create(**{"lines": [line("1", "VAT7.5")]} | given))


async def test_a_term_is_all_of_what_is_payable(taxed: Books) -> None:
    finance = taxed.finance
    term = await finance.given(PaymentTerm(name="Half", instalments=[TermPart(percent=Decimal(50))]))
    async with refused(finance, Invalid, "payment_term_id.instalments: add up to 100 percent"):
        await finance.run(create(line("1"), payment_term_id=term.id))


async def test_refuses_a_company_that_is_not_there(taxed: Books) -> None:
    async with refused(taxed.finance, NotFound):
        await taxed.finance.run(create(line("1"), company_id=uuid7()))


async def test_needs_a_company(finance: Any) -> None:
    async with refused(finance, Invalid, "company_id: is needed"):
        await finance.run(create(line("1")))


async def test_a_draft_is_revised_and_given_up(taxed: Books) -> None:
    finance = taxed.finance
    made = await finance.run(create(line("100", "VAT7.5"), notes="Thank you"))

    revised = await finance.run(ReviseInvoice(invoice_id=made.invoice_id, lines=[line("200", "VAT7.5")], party_name="Ada & Sons"))
    invoice = await finance.get(Invoice, made.invoice_id)
    assert (str(invoice.total), invoice.party_name, invoice.notes) == ("215.00", "Ada & Sons", "Thank you")
    assert revised == InvoiceRevised(invoice_id=invoice.id, total=Decimal("215.00"), payable=Decimal("215.00"))
    async with refused(finance, Invalid, r"lines\[0\].taxes"):
        await finance.run(ReviseInvoice(invoice_id=made.invoice_id, lines=[line("1", "NONE")]))

    assert await finance.run(CancelInvoice(invoice_id=invoice.id)) == InvoiceCancelled(invoice_id=invoice.id)
    late: list[Command[Any]] = [CancelInvoice(invoice_id=invoice.id), ReviseInvoice(invoice_id=invoice.id, notes="Too late")]
    for command in late:
        async with refused(finance, IllegalMove, "Invoice is cancelled"):
            await finance.run(command)


async def test_a_bill_is_entered_once(taxed: Books) -> None:
    finance = taxed.finance
    bill = {"kind": InvoiceKind.PURCHASE_BILL, "reference": "R-1"}
    first = await finance.run(create(line("100"), **bill))
    async with refused(finance, DuplicateBill, "A bill R-1 of this supplier over 100.00"):
        await finance.run(create(line("50", quantity="2"), **bill))
    await finance.run(create(line("101"), **bill))
    await finance.run(create(line("100"), **bill, party_id=uuid7()))
    await finance.run(create(line("100"), reference="R-1"))
    await finance.run(CancelInvoice(invoice_id=first.invoice_id))
    await finance.run(create(line("100"), **bill))


async def test_a_bill_entered_by_many_at_once_is_entered_once(taxed: Books) -> None:
    bill = create(line("100"), kind=InvoiceKind.PURCHASE_BILL, reference="R-2")
    results = await asyncio.gather(*[taxed.finance.run(bill) for _ in range(4)], return_exceptions=True)
    assert sum(isinstance(one, InvoiceCreated) for one in results) == 1
    assert await taxed.finance.count(Invoice) == 1


async def test_over_rest_the_line_is_named(taxed: Books) -> None:
    body = {
        "party_id": str(CUSTOMER),
        "party_name": "Ada",
        "lines": [{"name": "Bread", "quantity": "1", "unit_price": "1", "taxes": ["NONE"]}],
    }
    told = await taxed.finance.api("POST", "/api/v1/finance/invoices", body)
    assert (told.status, told.json()["errors"]) == (422, [{"field": "lines[0].taxes", "message": "NONE is no tax of this company"}])
    body["lines"][0]["taxes"] = ["VAT7.5"]  # type: ignore[index]
    told = await taxed.finance.api("POST", "/api/v1/finance/invoices", body)
    assert (told.status, told.json()["total"]) == (201, "1.08")
