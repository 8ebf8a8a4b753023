"""What is printed where: from the figures of an invoice to the texts on its pages. No text is markup; the layout takes them as they are."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from nexus.services.finance.documents.statement import Statement
from nexus.services.finance.documents.wording import Wording, wording
from nexus.services.finance.invoice_terms import InvoiceLine, InvoiceTax, LineFigures
from nexus.services.finance.issue_terms import Side
from nexus.typesetting import Texts, printable

COLOR: Final = "#1f3a5f"
_LETTER: Final = frozenset({"US", "CA", "MX", "PH", "CL", "CO", "VE"})
"""Where paper is Letter, not A4."""


def pages(said: Statement) -> Texts:
    """Everything that invoice.typ prints, as texts."""
    issued = said.issued
    words = wording(issued.language, issued.seller.country)
    return {
        "language": words.language,
        "paper": "us-letter" if issued.seller.country in _LETTER else "a4",
        "color": said.color or COLOR,
        "title": words("credit_note" if said.note else "invoice"),
        "number": said.number,
        "tagline": said.tagline or "",
        "seller": _address(issued.seller, words, abroad=False),
        "bill_to": words("bill_to"),
        "buyer": _buyer(said, words),
        "facts": list(_facts(said, words)),
        "columns": [words(name) for name in ("item", "quantity", "price", "tax", "amount")],
        "lines": [_line(line, figures, said, words) for line, figures in zip(said.lines, said.figures, strict=True)],
        "totals": list(_totals(said, words)),
        "payable": [words("credited" if said.note else "payable"), words.money(said.payable, said.currency)],
        "tax_columns": [words(name) for name in ("tax", "base", "amount")],
        "taxes": [_tax(tax, said, words) for tax in said.taxes if not tax.withholding],
        "remarks": [words("reversed")] if any(tax.reverse_charge for tax in said.taxes) else [],
        "terms": [words("terms"), [*_terms(said, words), *_account(said, words)]],
        "notes": [words("notes"), said.notes or ""],
        "footer": [said.footer or "", *_footer(issued.seller, words)],
        "page": [words("page"), words("of"), "\u0661" if words.arabic_digits else "1"],
    }


def terms(said: Statement) -> str | None:
    """What is agreed beyond one day on which all is due, in a sentence or more."""
    words = wording(said.issued.language, said.issued.seller.country)
    agreed = list(_terms(said, words))
    return printable(" ".join(agreed)) if len(agreed) > 1 else None


def _address(side: Side, words: Wording, *, abroad: bool) -> list[str]:
    """Name and address, line by line; the country where the letter goes abroad."""
    town = " ".join(part for part in (side.postal_code, side.city) if part)
    country = words.country(side.country) if abroad and side.country else None
    return [line for line in (side.name, side.street, town, side.region, country) if line]


def _buyer(said: Statement, words: Wording) -> list[str]:
    buyer = said.issued.buyer
    lines = _address(buyer, words, abroad=buyer.country != said.issued.seller.country)
    return [*lines, f"{words('seller_vat')}: {buyer.vat_id}"] if buyer.vat_id else lines


def _facts(said: Statement, words: Wording) -> Iterator[list[str]]:
    yield [words("number"), said.number]
    yield [words("date"), words.date(said.date)]
    if said.delivered_on is not None:
        yield [words("delivered"), words.date(said.delivered_on)]
    if said.issued.preceding is not None:
        yield [words("credits"), f"{said.issued.preceding.number} ({words.date(said.issued.preceding.date)})"]
    else:
        yield [words("due"), words.date(said.due_on)]
    if said.issued.buyer_reference:
        yield [words("reference"), said.issued.buyer_reference]


def _line(line: InvoiceLine, figures: LineFigures, said: Statement, words: Wording) -> Texts:
    off = figures.discount + figures.share
    rates = {tax.code: tax for tax in said.taxes}
    return {
        "name": line.name,
        "discount": f"{words('discount')}: {words.amount(off, said.currency)}" if off else "",
        "quantity": words.quantity(line.quantity, line.unit),
        "price": _price(line.unit_price, said.currency, words),
        "tax": ", ".join(_rate(rates[one.code], words) for one in figures.taxes if not rates[one.code].withholding),
        "amount": words.amount(figures.net, said.currency),
    }


def _price(price: Decimal, currency: str, words: Wording) -> str:
    """A price with the decimals of its currency, or all that it has where those are more."""
    shown = words.amount(price, currency)
    return shown if price == round(price, words.places(currency)) else words.number(price)


def _rate(tax: InvoiceTax, words: Wording) -> str:
    return words.percent(tax.rate) if tax.kind == "percent" else tax.name


def _tax(tax: InvoiceTax, said: Statement, words: Wording) -> list[str]:
    """A tax with its base and what it adds; a reverse charge adds nothing."""
    added = Decimal(0) if tax.reverse_charge else tax.amount
    return [tax.name, words.amount(tax.base, said.currency), words.amount(added, said.currency)]


def _totals(said: Statement, words: Wording) -> Iterator[list[str]]:
    yield [words("net"), words.amount(said.net, said.currency)]
    for tax in said.taxes:
        if not tax.withholding and not tax.reverse_charge:
            yield [tax.name, words.amount(tax.amount, said.currency)]
    if said.withheld:
        yield [words("total"), words.amount(said.total, said.currency)]
        yield [words("withheld"), words.amount(-said.withheld, said.currency)]


def _terms(said: Statement, words: Wording) -> Iterator[str]:
    if said.note:
        return
    if len(said.schedule) > 1:
        for part in said.schedule:
            yield words("instalment", amount=words.money(part.amount, said.currency), date=words.date(part.due_on))
    else:
        yield words("pay_by", date=words.date(said.due_on))
    terms = said.issued.terms
    if terms is not None and terms.discount_percent and terms.discount_days is not None:
        until = said.date + dt.timedelta(days=terms.discount_days)
        yield words("early", percent=words.percent(terms.discount_percent), date=words.date(until))


def _account(said: Statement, words: Wording) -> Iterator[str]:
    """Where to pay to: holder, number (an IBAN in groups of four) and bank."""
    account = said.issued.account
    if account is None or said.note:
        return
    number = account.other or "" if account.iban is None else "IBAN " + " ".join(re.findall("..?.?.?", account.iban))
    bank = None if account.bic is None else f"BIC {account.bic}"
    yield words("pay_to", account=", ".join(part for part in (account.name, number, bank) if part))


def _footer(seller: Side, words: Wording) -> list[str]:
    numbers = (
        (words("seller_vat"), seller.vat_id),
        (words("seller_tax"), seller.tax_id),
        (words("registration"), seller.registration_number),
    )
    reached = [one for one in (seller.email, seller.phone) if one]
    return [
        " · ".join(_address(seller, words, abroad=False)),
        " · ".join([f"{label}: {value}" for label, value in numbers if value] + reached),
    ]
