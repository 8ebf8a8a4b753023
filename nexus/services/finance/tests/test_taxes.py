"""Taxes of a time: what each came to, and what goes into which box of the return."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

from nexus.core import uuid7
from nexus.runtime.testing import Harness
from nexus.services.finance.api import CreditInvoice, PostInvoice, WriteOffInvoice
from nexus.services.finance.entities import JournalLine, TaxRate
from nexus.services.finance.invoice_terms import InvoiceKind, TaxBasis, TaxBox
from nexus.services.finance.queries.taxes import TaxReport, TaxReturn
from nexus.services.finance.tests.conftest import TAX, Books, planted
from nexus.services.finance.tests.test_invoice_posting import drafted, posted
from nexus.services.finance.tests.test_invoices import line, taxed

__all__ = ["taxed"]
DAY = dt.timedelta(days=1)
BILL = InvoiceKind.PURCHASE_BILL


async def reported(books: Books, since: int = 0, until: int = 30) -> list[tuple[str, str, str, str]]:
    asked: Any = TaxReport(company_id=books.company.id, since=books.day + since * DAY, until=books.day + until * DAY)
    return [(row["side"], row["code"], row["base"], row["amount"]) for row in await books.finance.ask(asked)]


async def test_what_each_tax_came_to(taxed: Books) -> None:
    await posted(taxed, line("1000", "VAT7.5"), line("119", "VAT-IN"), line("200", "VAT7.5", "WHT5"))
    await posted(taxed, line("10", "GST18"), date=taxed.day + 5 * DAY)
    await posted(taxed, line("400", "INPUT"), kind=BILL, reference="R-1", date=taxed.day + 30 * DAY)
    await drafted(taxed, line("5000", "VAT7.5"))
    assert await reported(taxed) == [
        ("sales", "CGST", "10.00", "0.90"),
        ("sales", "SGST", "10.00", "0.90"),
        ("sales", "VAT-IN", "100.00", "19.00"),
        ("sales", "VAT7.5", "1200.00", "90.00"),
        ("sales", "WHT5", "200.00", "10.00"),
        ("purchases", "INPUT", "400.00", "30.00"),
    ]
    assert await reported(taxed, 5, 29) == [("sales", "CGST", "10.00", "0.90"), ("sales", "SGST", "10.00", "0.90")]
    assert await reported(taxed, 31, 40) == []


async def test_notes_take_away_on_their_day(taxed: Books) -> None:
    invoice = await posted(taxed, line("100", "VAT7.5"))
    await taxed.finance.run(CreditInvoice(invoice_id=invoice.id, date=taxed.day + 9 * DAY))
    assert await reported(taxed, 0, 8) == [("sales", "VAT7.5", "100.00", "7.50")]
    assert await reported(taxed, 9, 9) == [("sales", "VAT7.5", "-100.00", "-7.50")]
    assert await reported(taxed) == [("sales", "VAT7.5", "0.00", "0.00")]


async def test_what_is_written_off_was_sold_all_the_same(taxed: Books) -> None:
    invoice = await posted(taxed, line("100", "VAT7.5"))
    await taxed.finance.run(WriteOffInvoice(invoice_id=invoice.id, reason="Gone", date=taxed.day))
    assert await reported(taxed) == [("sales", "VAT7.5", "100.00", "7.50")]


async def test_another_currency_counts_at_what_it_was_booked(taxed: Books) -> None:
    draft = await drafted(taxed, line("100", "VAT7.5"), currency="USD")
    await taxed.finance.run(PostInvoice(invoice_id=draft.id, rate=Decimal("1530.25")))
    assert await reported(taxed) == [("sales", "VAT7.5", "153025.00", "11476.88")]
    (booked,) = await taxed.finance.list(JournalLine, JournalLine.account_id == taxed.accounts[TAX])
    assert str(booked.credit) == "11476.88"


async def test_what_goes_into_which_box(taxed: Books) -> None:
    base, tax = TaxBasis.BASE, TaxBasis.TAX
    out = [TaxBox(basis=base, box="6"), TaxBox(basis=tax, box="1")]
    reverse = [TaxBox(basis=base, box="7"), TaxBox(basis=tax, box="1"), TaxBox(basis=tax, box="4", percent=Decimal(-50))]
    company = taxed.company.id
    await taxed.finance.given(
        TaxRate(company_id=company, code="OUT", name="Out", rate=Decimal(20), boxes=out),
        TaxRate(company_id=company, code="REV", name="Reverse", rate=Decimal(20), reverse_charge=True, boxes=reverse),
    )
    await posted(taxed, line("100", "OUT"), line("3", "VAT7.5"))
    await posted(taxed, line("50", "REV"), kind=BILL, reference="R-1")
    asked: Any = TaxReturn(company_id=company, since=taxed.day, until=taxed.day)
    assert [(row["box"], row["basis"], row["amount"], row["taxes"]) for row in await taxed.finance.ask(asked)] == [
        ("1", "tax", "30.00", ["OUT", "REV"]),
        ("4", "tax", "5.00", ["REV"]),
        ("6", "base", "100.00", ["OUT"]),
        ("7", "base", "50.00", ["REV"]),
    ]


async def test_a_chart_says_which_boxes(finance: Harness) -> None:
    books = await planted(finance, country="GB", currency="GBP")
    await posted(books, line("100", "sale_standard"))
    asked: Any = TaxReturn(company_id=books.company.id, since=books.day, until=books.day)
    assert [(row["box"], row["amount"]) for row in await finance.ask(asked)] == [("1", "20.00"), ("6", "100.00")]


async def test_what_is_asked_wrongly_is_named(taxed: Books) -> None:
    for report in ("tax-report", "tax-return"):
        where = f"/api/v1/finance/reports/{report}?company_id="
        for address, field in (
            (f"{where}{uuid7()}&since=2026-01-01&until=2026-01-31", "company_id"),
            (f"{where}{taxed.company.id}&since=2026-02-01&until=2026-01-31", "until"),
            (f"{where}{taxed.company.id}&since=2026-01-32&until=2026-01-31", "since"),
            (f"{where}{taxed.company.id}&since=2026-01-01", "until"),
        ):
            answer = await taxed.finance.api("GET", address)
            assert (answer.status, answer.json()["errors"][0]["field"]) == (422, field), answer.body
        right = f"{where}{taxed.company.id}&since=2026-01-01&until=2026-01-31"
        assert (await taxed.finance.as_("crm.admin").api("GET", right)).status == 403
        assert (await taxed.finance.as_("finance.auditor").api("GET", right)).status == 200
