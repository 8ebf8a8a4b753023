"""E-invoices: what others' validators say of them, and what is refused because the law wants to know it."""

from __future__ import annotations

from decimal import Decimal
from io import BytesIO
from typing import Any

import pytest
from facturx import get_facturx_xml_from_pdf  # type: ignore[import-untyped]
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree
from pypdf import PdfReader

from nexus.core import Invalid
from nexus.pricing import Rounding
from nexus.services.finance.documents.cii import cii
from nexus.services.finance.documents.factur_x import factur_x
from nexus.services.finance.documents.pages import pages
from nexus.services.finance.documents.semantics import NotElectronic, electronic
from nexus.services.finance.documents.statement import Statement
from nexus.services.finance.documents.typesetting import CannotBeSet
from nexus.services.finance.documents.ubl import ubl
from nexus.services.finance.entities import TaxRate
from nexus.services.finance.invoice_terms import DuePart, InvoiceKind, InvoiceLine, TaxCategory, Unit
from nexus.services.finance.issue_terms import PayTo, Side, TermsGiven
from nexus.services.finance.tests.conftest import Books
from nexus.services.finance.tests.statements import BUYER, DAY, SELLER, item, judged_cii, judged_ubl, stated
from nexus.services.finance.tests.test_documents import addressed, document
from nexus.services.finance.tests.test_invoice_posting import posted
from nexus.services.finance.tests.test_invoices import line, taxed

__all__ = ["taxed"]
NOTE = InvoiceKind.CREDIT_NOTE
AMERICAN = BUYER.changed(country="US", vat_id=None)
GERMAN = BUYER.changed(country="DE", vat_id="DE123456788")
ACCOUNT = PayTo(name="Ade Bakery", iban="DE89370400440532013000", bic="COBADEFFXXX")
SOME_TERMS = TermsGiven(name="2 %", discount_percent=Decimal(2), discount_days=10)
ADDRESS = ("street", "city", "postal_code", "country")
THREE = [item("12.40", "S19", quantity="3"), item("100", "S7", discount_percent=Decimal(10)), item("9.99", "S19", quantity="2.5")]


def _issued(said: Statement, **more: Any) -> Statement:
    fields = {name: getattr(said, name) for name in said.__struct_fields__}
    return Statement(**fields | {"issued": said.issued.changed(**more)})


GOOD = {
    "standard": stated(*THREE, percent="2", notes="Danke <b>& so weiter\nzweite Zeile"),
    "tax in the price": stated(item("119", "S19IN", quantity="3"), item("10", "S19IN", quantity="0.3", discount_amount=Decimal(1)), percent="3"),
    "zero": stated(item("10", "Z")),
    "exempt": stated(item("10", "E"), seller=SELLER.changed(vat_id=None)),
    "reverse charge": stated(item("10", "AE")),
    "reverse charge by its rate": stated(item("10", "RC19")),
    "to another state of the EU": stated(item("10", "K"), delivered_on=DAY),
    "export": stated(item("10", "G"), buyer=AMERICAN),
    "outside the scope": stated(item("10", "O")),
    "many": stated(item("10", "S19"), item("10", "E"), item("10", "K"), item("-3", "S7"), item("5", "Z", quantity="-1"), off="1.01"),
    "nothing to pay": stated(item("0", "S19")),
    "a note": stated(*THREE, percent="2", kind=NOTE),
    "by every unit": stated(*[item("1.20", code, quantity="2.5", unit=unit) for unit in Unit for code in ("S19", "S19IN")]),
    "yen": stated(item("1000", "S19"), currency="JPY"),
    "within Germany": stated(*THREE, buyer=GERMAN),
    "by transfer": _issued(stated(*THREE), account=ACCOUNT),
    "to another account": _issued(stated(*THREE), account=PayTo(name="Ade", other="0123456789")),
    "in parts": _issued(stated(*THREE, schedule=[DuePart(due_on=DAY, amount=Decimal(100)), DuePart(due_on=DAY, amount=Decimal(54))]), terms=SOME_TERMS),
}  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
def test_the_official_rules_find_nothing_wrong(name: str) -> None:
    made = electronic(GOOD[name], "2% off if paid by 10 December 2026." if name == "in parts" else None)
    assert judged_ubl(ubl(made)) == []
    assert judged_cii(cii(made)) == []


def test_the_judges_judge() -> None:
    body = ubl(electronic(GOOD["standard"], None))
    assert [
        one.partition(":")[0]
        for one in judged_ubl(body.replace(b'<cbc:PayableAmount currencyID="EUR">', b'<cbc:PayableAmount currencyID="EUR">1'))
    ] == ["BR-CO-16"]
    body = cii(electronic(GOOD["standard"], None))
    assert judged_cii(body.replace(b"<ram:CategoryCode>S<", b"<ram:CategoryCode>X<")) != []


def _said(body: bytes, name: str) -> list[str]:
    return [str(one.text) for one in etree.fromstring(body).iter("{*}" + name)]


def test_says_what_the_invoice_says() -> None:
    body = ubl(electronic(GOOD["standard"], None))
    assert _said(body, "TaxInclusiveAmount") == _said(body, "PayableAmount") == [str(GOOD["standard"].payable)]
    assert _said(body, "Note") == ["Danke <b>& so weiter\nzweite Zeile"]
    assert _said(body, "EndpointID") == ["DE136695976", "303265045"]
    body = ubl(electronic(GOOD["outside the scope"], None))
    assert _said(body, "TaxExemptionReasonCode") == ["VATEX-EU-O"] and "DE136695976" not in _said(body, "CompanyID")
    body = ubl(electronic(GOOD["exempt"], None))
    assert _said(body, "TaxExemptionReason") == ["Exempt under § 4 UStG"]
    body = ubl(electronic(GOOD["a note"], None))
    assert _said(body, "CreditNoteTypeCode") == ["381"] and "SAL/2026/00001" in _said(body, "ID")
    odd = ubl(electronic(stated(InvoiceLine(name="a\x07\ufffe<b>]]>", quantity=Decimal(1), unit_price=Decimal(1), taxes=["Z"])), None))
    assert _said(odd, "Name")[-1] == "a<b>]]>"


@pytest.mark.parametrize(
    ("said", "fields"),
    [
        (stated(item("1", "S19"), seller=Side(name="Ade")), [*(f"company.{one}" for one in ADDRESS), "company.vat_id", "company.registration_number"]),
        (stated(item("1", "S19"), buyer=Side(name="Ada")), [f"billing_profile.{one}" for one in ADDRESS]),
        (stated(item("1", "K"), buyer=BUYER.changed(vat_id=None)), ["billing_profile.vat_id"]),
        (stated(item("1", "AE"), buyer=BUYER.changed(vat_id=None, registration_number=None)), ["billing_profile.vat_id"]),
        (stated(item("1", "G"), seller=SELLER.changed(vat_id=None)), ["company.vat_id"]),
        (stated(item("1", "O"), seller=SELLER.changed(registration_number=None)), ["company.registration_number"]),
        (stated(item("1", "S19"), item("1")), ["lines[1].taxes"]),
        (stated(item("1", "S19"), item("1", "S7", "S19")), ["lines[1].taxes"]),
        (stated(item("1", "FIXED")), ["lines[0].taxes"]),
        (stated(item("1", "S19", "WHT")), ["withheld", "lines[0].taxes"]),
        (stated(item("1", "S19"), item("1", "O")), ["taxes"]),
        (stated(item("1", "S19"), currency="KWD"), ["currency"]),
        (stated(*[item("0.02", "S19")] * 300), ["taxes"]),
    ],
)  # fmt: skip
def test_what_is_missing_or_cannot_be_said_is_named(said: Statement, fields: list[str]) -> None:
    with pytest.raises(NotElectronic) as refusal:
        electronic(said, None)
    assert [one.field for one in refusal.value.facts["errors"]] == fields


def test_peppol_wants_addresses_and_a_reference() -> None:
    bare = SELLER.changed(electronic_address=None, electronic_scheme=None)
    made = electronic(
        _issued(stated(item("1", "S19"), seller=bare, buyer=BUYER.changed(electronic_address=None)), buyer_reference=None), None
    )
    with pytest.raises(NotElectronic) as refusal:
        ubl(made)
    assert [one.field for one in refusal.value.facts["errors"]] == [
        "company.electronic_address",
        "billing_profile.electronic_address",
        "reference",
    ]
    assert judged_cii(cii(made)) == []
    mail = electronic(stated(item("1", "S19"), buyer=BUYER.changed(electronic_address="ada@example.com", electronic_scheme="EM")), None)
    with pytest.raises(NotElectronic, match=r"billing_profile\.electronic_scheme"):
        ubl(mail)
    assert judged_cii(cii(mail)) == []


CENTS = st.decimals(-500, 5000, places=2)
SOME = st.decimals(-20, 400, places=3)
TAXED = st.sampled_from(["S19", "S7", "S19IN", "Z", "E", "K"])


@st.composite
def _lines(draw: st.DrawFn) -> list[InvoiceLine]:
    found: list[InvoiceLine] = []
    for _ in range(draw(st.integers(1, 6))):
        price, quantity = draw(CENTS), draw(SOME)
        off = draw(st.sampled_from([{}, {"discount_percent": Decimal("33.333")}, {"discount_percent": Decimal(100)}]))
        found.append(item(str(price), draw(TAXED), quantity=str(quantity), **off))
    return found


@given(
    lines=_lines(),
    percent=st.sampled_from(["0", "2", "12.5"]),
    rounding=st.sampled_from(list(Rounding)),
    kind=st.sampled_from([InvoiceKind.SALES_INVOICE, NOTE]),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
def test_whatever_is_sold_adds_up_by_the_official_rules(
    lines: list[InvoiceLine], percent: str, rounding: Rounding, kind: InvoiceKind
) -> None:
    try:
        said = stated(*lines, percent=percent, rounding=rounding, kind=kind)
    except Invalid:  # less than nothing: no invoice either
        return
    made = electronic(said, None)
    assert judged_ubl(ubl(made)) == []
    assert judged_cii(cii(made)) == []


def test_factur_x_is_one_file_for_people_and_programs() -> None:
    said = GOOD["standard"]
    xml = cii(electronic(said, None))

    body = factur_x(pages(said), said.posted_at, xml)

    assert factur_x(pages(said), said.posted_at, xml) == body
    name, held = get_facturx_xml_from_pdf(BytesIO(body), check_xsd=True, check_schematron=False)
    assert (name, bytes(held)) == ("factur-x.xml", xml)
    root: Any = PdfReader(BytesIO(body)).trailer["/Root"]
    metadata = etree.fromstring(root["/Metadata"].get_data())
    assert _texts(metadata, "ConformanceLevel") == ["EN 16931"] and _texts(metadata, "DocumentFileName") == ["factur-x.xml"]
    assert (_texts(metadata, "part"), _texts(metadata, "conformance")) == (["3"], ["B"])
    assert root["/AF"][0].get_object()["/AFRelationship"] == "/Alternative"
    assert SELLER.name in PdfReader(BytesIO(body)).pages[0].extract_text()


def _texts(tree: Any, name: str) -> list[str]:
    return [str(one.text) for one in tree.iter("{*}" + name)]


def test_an_archive_wants_a_shape_for_every_character() -> None:
    said = stated(item("1", "S19"), notes="日本")
    with pytest.raises(CannotBeSet, match="日"):
        factur_x(pages(said), said.posted_at, cii(electronic(said, None)))


async def test_served_where_what_it_needs_is_known(taxed: Books) -> None:
    await addressed(taxed, electronic_address="303265045", electronic_scheme="0002")
    bare = await posted(taxed, line("1000", "VAT7.5"), reference="PO 7")
    for form in ("ubl", "facturx"):
        answer = await document(taxed, bare, f"?format={form}")
        fields = [one["field"] for one in answer.json()["errors"]]
        assert (answer.status, fields) == (422, ["company.vat_id", "company.registration_number"]), answer.body
    assert (await document(taxed, bare, "?format=pdf")).status == 200

    company = f"/api/v1/finance/companies/{taxed.company.id}"
    known = {"tax_id": "01234567-0001", "registration_number": "RC 12345", "electronic_address": "123456789", "electronic_scheme": "0060"}
    changed = await taxed.finance.api("PATCH", company, known, if_match="*")
    assert changed.status == 200, changed.body
    invoice = await posted(taxed, line("1000", "VAT7.5"), line("119", "VAT-IN"), reference="PO 7")

    answer = await document(taxed, invoice, accept="application/xml")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/xml")
    assert answer.headers["content-disposition"].endswith('.xml"')
    assert judged_ubl(answer.body) == []
    answer = await document(taxed, invoice, "?format=facturx")
    assert answer.status == 200, answer.body
    assert judged_cii(bytes(get_facturx_xml_from_pdf(BytesIO(answer.body), check_schematron=False)[1])) == []
    assert (await document(taxed, bare, "?format=ubl")).status == 422  # what was not known when it was posted is not in it later


async def test_a_category_goes_with_its_rate(taxed: Books) -> None:
    rates = "/api/v1/finance/tax_rates"
    rate: dict[str, Any] = {"company_id": str(taxed.company.id), "code": "ODD2", "name": "Odd", "rate": "5", "category": "export"}
    assert (await taxed.finance.api("POST", rates, rate)).status == 422
    answer = await taxed.finance.api("POST", rates, rate | {"rate": "0"})
    assert (answer.status, answer.json()["category"]) == (201, "export")
    planted = {one.code: one.category for one in await taxed.finance.list(TaxRate)}
    assert planted["sale_exempt"] is TaxCategory.EXEMPT
