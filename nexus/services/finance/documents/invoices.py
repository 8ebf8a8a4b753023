"""The documents of an invoice: the page that people read, and the e-invoices that programs do."""

from __future__ import annotations

from typing import Final

from nexus.core import File, Form, documents
from nexus.services.finance.documents.cii import cii
from nexus.services.finance.documents.factur_x import factur_x
from nexus.services.finance.documents.pages import pages, terms
from nexus.services.finance.documents.semantics import electronic
from nexus.services.finance.documents.statement import Statement, invoice_statement, read
from nexus.services.finance.documents.typesetting import pdf
from nexus.services.finance.documents.ubl import ubl
from nexus.services.finance.entities import Invoice

FORMS: Final = {
    "pdf": Form("application/pdf", "pdf", "to read and print, in the language of the customer"),
    "facturx": Form(
        "application/pdf", "pdf", "the same for archives (PDF/A-3), with the e-invoice in it: Factur-X and ZUGFeRD, profile EN 16931"
    ),
    "ubl": Form("application/xml", "xml", "the e-invoice as UBL 2.1, by Peppol BIS Billing 3.0"),
}


@documents(Invoice, forms=FORMS, select=invoice_statement)
def invoice_document(row: bytes, form: str) -> File:
    """A posted invoice or credit note as the customer gets it.

    It says what was so when it was posted, and is the same to the byte whenever it is asked for. An e-invoice (EN 16931) is refused where the
    two sides lack what the law wants to know; it names each field.
    """
    said = read(row)
    return File(said.number, _body(said, form))


def _body(said: Statement, form: str) -> bytes:
    if form == "pdf":
        return pdf(pages(said), said.posted_at, "1.7")
    made = electronic(said, terms(said))
    return ubl(made) if form == "ubl" else factur_x(pages(said), said.posted_at, cii(made))
