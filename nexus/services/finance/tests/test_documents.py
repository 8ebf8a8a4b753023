"""The documents of an invoice: given out of what is posted, in the words of their reader, and never changed afterwards."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from io import BytesIO
from typing import Any

import pytest
from pypdf import PdfReader

from nexus.core import uuid7
from nexus.runtime.testing import Answered
from nexus.services.finance.api import CancelInvoice, CreditInvoice
from nexus.services.finance.entities import BankAccount, BillingProfile, Company, Invoice, Letterhead, PaymentTerm
from nexus.services.finance.invoice_terms import InvoiceKind, TermPart, Unit
from nexus.services.finance.tests.conftest import BANK, Books
from nexus.services.finance.tests.test_invoice_posting import BILL, drafted, posted
from nexus.services.finance.tests.test_invoices import CUSTOMER, line, taxed

__all__ = ["taxed"]
MARKUP = '#let x = panic("no") *bold* _it_ $a^2$ `raw` <tag> @ref \\ // \\u{41} #read("/etc/passwd") </text>&amp;'


def text(answer: Answered) -> str:
    """What the pages of a PDF say."""
    assert (answer.status, answer.headers["content-type"]) == (200, "application/pdf"), answer.body
    return "\n".join(page.extract_text() for page in PdfReader(BytesIO(answer.body)).pages)


async def document(books: Books, invoice: Invoice, query: str = "", *, role: str | None = None, **headers: str) -> Answered:
    caller = books.finance if role is None else books.finance.as_(role)
    return await caller.api("GET", f"/api/v1/finance/invoices/{invoice.id}/document{query}", **headers)


async def addressed(books: Books, **more: Any) -> None:
    """A company that has an address, and a customer that has one."""
    async with books.finance._work() as work:  # pyright: ignore[reportPrivateUsage]
        company = await work.get(Company, books.company.id)
        company.street, company.city, company.postal_code = "12 Marina Road", "Lagos", "101241"
        await work.commit()
    given: dict[str, Any] = {
        "street": "8 rue de la Paix",
        "city": "Paris",
        "postal_code": "75002",
        "country": "FR",
        "vat_id": "FR40303265045",
    }
    await books.finance.given(BillingProfile(party_id=CUSTOMER, **given | more))


async def test_a_posted_invoice_says_what_it_is(taxed: Books) -> None:
    await addressed(taxed)
    await taxed.finance.given(Letterhead(company_id=taxed.company.id, color="#0f766e", tagline="Bread since 1998", footer="Run by Ada Obi"))
    term = await taxed.finance.given(
        PaymentTerm(name="30 days", instalments=[TermPart(days=30)], discount_percent=Decimal(2), discount_days=10)
    )
    invoice = await posted(
        taxed,
        line("1000", "VAT7.5", quantity="2.5", unit=Unit.HOUR),
        line("119", "VAT-IN"),
        reference="PO 7",
        notes="Thank you.",
        payment_term_id=term.id,
    )

    answer = await document(taxed, invoice)

    said = text(answer)
    day = invoice.date
    for words in (
        "Ade Bakery", "12 Marina Road", "101241 Lagos", "Ada Obi", "8 rue de la Paix", "75002 Paris", "France", "FR40303265045", "Invoice",
        invoice.number or "", "PO 7", "2.5 hrs", "1,000.00", "7.5%", "2,500.00", "187.50", "NGN", "2,806.50", "Thank you.", "Bread since 1998", "Run by Ada Obi",
        "2% off if paid by", "Page 1 of 1", f"{day.day} {day:%B} {day.year}",
    ):  # fmt: skip
        assert words.replace("NGN", "₦") in said, words
    assert answer.headers["content-disposition"] == f'inline; filename="SAL-{day.year}-00001.pdf"'
    kept = await document(taxed, invoice, if_none_match=answer.headers["etag"])
    assert (kept.status, kept.body) == (304, b"")


async def test_says_where_to_pay_to(taxed: Books) -> None:
    await addressed(taxed)
    given: dict[str, Any] = {
        "company_id": taxed.company.id,
        "name": "Current account",
        "iban": "DE89370400440532013000",
        "bic": "COBADEFFXXX",
    }
    await taxed.finance.given(BankAccount(account_id=taxed.accounts[BANK], currency="NGN", **given))
    invoice = await posted(taxed, line("1000", "VAT7.5"))

    assert "Account: Ade Bakery, IBAN DE89 3704 0044 0532 0130 00, BIC COBADEFFXXX" in text(await document(taxed, invoice))

    await taxed.finance.run(CreditInvoice(invoice_id=invoice.id))
    (note,) = await taxed.finance.list(Invoice, Invoice.credit_of_id == invoice.id)
    assert "IBAN" not in text(await document(taxed, note))


async def test_is_the_same_to_the_byte_whatever_changes_later(taxed: Books) -> None:
    await addressed(taxed)
    invoice = await posted(taxed, line("1000", "VAT7.5"))
    before = await document(taxed, invoice)
    await taxed.finance.given(Letterhead(company_id=taxed.company.id, color="#aa0000", language="de"))
    async with taxed.finance._work() as work:  # pyright: ignore[reportPrivateUsage]
        (await work.get(Company, taxed.company.id)).name = "Another name"
        for profile in await work.list(BillingProfile):
            profile.city = "Lyon"
        await work.commit()

    after = await document(taxed, invoice)

    assert after.body == before.body
    later = text(await document(taxed, await posted(taxed, line("1000", "VAT7.5"))))
    assert "Another name" in later and "Lyon" in later and "Rechnung" in later


@pytest.mark.parametrize(
    ("language", "title", "amount", "sentence"),
    [
        ("en", "Invoice", "1,075.00", "Please pay by"),
        ("de", "Rechnung", "1.075,00", "Bitte zahlen Sie bis zum"),
        ("fr-FR", "Facture", "1 075,00", "À régler avant le"),
        ("xx", "Invoice", "1,075.00", "Please pay by"),
        ("ja", "Invoice", "1,075.00", "Please pay by"),
    ],
)
async def test_speaks_the_language_of_the_customer(taxed: Books, language: str, title: str, amount: str, sentence: str) -> None:
    await addressed(taxed, language=language)
    said = text(await document(taxed, await posted(taxed, line("1000", "VAT7.5")))).replace("\u202f", " ").replace("\xa0", " ")
    assert title in said and amount in said and sentence in said


async def test_arabic_runs_from_right_to_left_with_its_letters_joined(taxed: Books) -> None:
    await addressed(taxed, language="ar-EG", legal_name="مطعم النخيل")
    answer = await document(taxed, await posted(taxed, line("1000", "VAT7.5")))
    fonts = {str(font["/BaseFont"]) for page in PdfReader(BytesIO(answer.body)).pages for font in _fonts(page)}
    assert any("NotoSansArabic" in font for font in fonts)
    assert {"\u0661", "\u0660", "\u0667", "\u0665"} <= set(text(answer))  # the digits that Egypt writes


def _fonts(page: Any) -> list[Any]:
    return [one.get_object() for one in page["/Resources"]["/Font"].values()]


async def test_what_people_write_is_never_markup(taxed: Books) -> None:
    await addressed(taxed, legal_name=MARKUP, buyer_reference=MARKUP[:80])
    odd = "a\x07b\u202ec日本😀"
    invoice = await posted(taxed, line("1000", "VAT7.5"), notes=f"{MARKUP}\n{odd}", party_name=MARKUP)
    said = text(await document(taxed, invoice))
    for words in ('panic("no")', "*bold*", "_it_", "$a^2$", "`raw`", "<tag>", "@ref", '#read("/etc/passwd")', "</text>&amp;"):
        assert words in said.replace("\n", ""), words
    assert "abc" in said


async def test_many_lines_go_on_over_pages(taxed: Books) -> None:
    await addressed(taxed)
    invoice = await posted(taxed, *[line(str(price), "VAT7.5") for price in range(1, 121)])
    pages = [page.extract_text() for page in PdfReader(BytesIO((await document(taxed, invoice)).body)).pages]
    assert len(pages) > 2
    for number, page in enumerate(pages, 1):
        assert "Description" in page and f"Page {number} of {len(pages)}" in page and (invoice.number or "") in page


async def test_a_note_names_what_it_takes_back(taxed: Books) -> None:
    await addressed(taxed)
    invoice = await posted(taxed, line("1000", "VAT7.5"), reference="PO 7")
    told = await taxed.finance.run(CreditInvoice(invoice_id=invoice.id))
    note = await taxed.finance.get(Invoice, told.note_id)
    said = text(await document(taxed, note))
    assert "Credit note" in said and (note.number or "") in said and (invoice.number or "") in said and "Amount credited" in said
    assert note.issued is not None and note.issued.buyer_reference == "PO 7"


async def test_of_what_is_not_posted_there_is_none(taxed: Books) -> None:
    draft = await drafted(taxed, line("1000", "VAT7.5"))
    answer = await document(taxed, draft)
    assert (answer.status, answer.json()["type"].rsplit("/", 1)[-1]) == (409, "not-posted"), answer.body
    await taxed.finance.run(CancelInvoice(invoice_id=draft.id))
    assert (await document(taxed, draft)).status == 409
    bill = await posted(taxed, line("1000", "INPUT"), kind=BILL, reference="R 1")
    answer = await document(taxed, bill)
    assert (answer.status, answer.json()["type"].rsplit("/", 1)[-1]) == (422, "not-issued-by-us"), answer.body
    assert bill.issued is None and bill.kind is InvoiceKind.PURCHASE_BILL


async def test_who_reads_invoices_gets_their_documents(taxed: Books) -> None:
    invoice = await posted(taxed, line("1000", "VAT7.5"))
    assert (await document(taxed, invoice, role="finance.auditor")).status == 200
    assert (await document(taxed, invoice, role="crm.admin")).status == 403
    invoice.id = uuid7()
    assert (await document(taxed, invoice)).status == 404
    assert (await taxed.finance.api("GET", "/api/v1/finance/invoices/nothing/document")).status == 404


async def test_the_form_is_asked_for(taxed: Books) -> None:
    invoice = await posted(taxed, line("1000", "VAT7.5"))
    assert (await document(taxed, invoice, "?format=pdf")).headers["content-type"] == "application/pdf"
    assert (await document(taxed, invoice, accept="text/html, application/pdf;q=0.9")).headers["content-type"] == "application/pdf"
    answer = await document(taxed, invoice, "?format=docx")
    assert (answer.status, answer.json()["errors"][0]["field"]) == (422, "format")
    assert (await document(taxed, invoice, "?color=red")).status == 422
    answer = await taxed.finance.api("POST", f"/api/v1/finance/invoices/{invoice.id}/document")
    assert answer.status == 405
    assert invoice.date <= dt.date.max
