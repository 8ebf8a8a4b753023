"""What an invoice comes to: its lines and taxes through the arithmetic that every document shares."""

from __future__ import annotations

import datetime as dt
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal

from nexus.core import FieldError, Invalid, amount
from nexus.pricing import Discount, Instalment, Line, Priced, Rounding, Tax, TaxGroup, TaxKind, Unpriceable, price, schedule
from nexus.services.finance.entities import Invoice, PaymentTerm, TaxRate
from nexus.services.finance.invoice_terms import (
    DuePart,
    InvoiceKind,
    InvoiceLine,
    InvoiceTax,
    LineFigures,
    LineTax,
    TaxScope,
    TaxType,
    TermPart,
)

Rates = Mapping[str, TaxRate]
"""The taxes of a company by their codes."""
_AT_ONCE = [TermPart()]


@contextmanager
def named(place: str = "") -> Generator[None]:
    """Tell what cannot be priced as Invalid (422), with the field it is about."""
    try:
        yield
    except Unpriceable as refusal:
        raise Invalid.of(FieldError(f"{place}.{refusal.field}" if place else refusal.field, refusal.message)) from None


def priced(
    lines: Sequence[InvoiceLine], rates: Rates, kind: InvoiceKind, currency: str, rounding: Rounding, percent: Decimal, off: Decimal
) -> Priced:
    """The figures of some lines. Invalid (422) names the line or field that makes no sense."""
    amount(Decimal(0), currency, "currency")
    if not lines:
        raise Invalid.of(FieldError("lines", "must not be empty"))
    known = _taxes(lines, rates, kind)
    made: list[Line] = []
    for at, line in enumerate(lines):
        with named(f"lines[{at}]"):
            discount = Discount(percent=line.discount_percent, amount=line.discount_amount)
            taxes = tuple(known[code] for code in line.taxes)
            made.append(Line(quantity=line.quantity, unit_price=line.unit_price, discount=discount, taxes=taxes))
    with named("discount"):
        discount = Discount(percent=percent, amount=amount(off, currency, "discount_amount"))
    with named():
        found = price(made, currency, rounding=rounding, discount=discount)
    if found.total < 0:
        raise Invalid.of(FieldError("lines", f"come to {found.total}, less than nothing"))
    amount(found.listed, currency, "lines")
    amount(found.total, currency, "lines")
    return found


def _taxes(lines: Sequence[InvoiceLine], rates: Rates, kind: InvoiceKind) -> dict[str, Tax | TaxGroup]:
    scopes = (TaxScope.BOTH, TaxScope.SALE if kind.sale else TaxScope.PURCHASE)
    wrong = [
        FieldError(
            f"lines[{at}].taxes", f"{code} is no tax of this company" if code not in rates else f"{code} is not for this kind of document"
        )
        for at, line in enumerate(lines)
        for code in line.taxes
        if code not in rates or rates[code].scope not in scopes
    ]
    if wrong:
        raise Invalid.of(*wrong)
    with named("taxes"):
        return {code: _tax(rates[code], rates) for line in lines for code in line.taxes}


def _tax(rate: TaxRate, rates: Rates) -> Tax | TaxGroup:
    if rate.type is not TaxType.GROUP:
        return _single(rate)
    missing = next((code for code in rate.members if code not in rates or rates[code].type is TaxType.GROUP), None)
    if missing is not None:
        raise Unpriceable(rate.code, f"has the member {missing}, which is no single tax")
    return TaxGroup(code=rate.code, taxes=tuple(_single(rates[code]) for code in rate.members))


def _single(rate: TaxRate) -> Tax:
    return Tax(
        code=rate.code,
        rate=rate.rate,
        kind=TaxKind(rate.type.value),
        included=rate.price_included,
        compound=rate.compound,
        reverse_charge=rate.reverse_charge,
        withholding=rate.withholding,
    )


def line_figures(found: Priced) -> list[LineFigures]:
    """What is kept of each line."""
    return [
        LineFigures(
            listed=line.listed,
            discount=line.discount,
            share=line.share,
            net=line.net,
            gross=line.gross,
            taxes=[LineTax(code=one.tax.code, base=one.base, amount=one.amount) for one in line.taxes],
        )
        for line in found.lines
    ]


def tax_figures(found: Priced, rates: Mapping[str, TaxRate | InvoiceTax]) -> list[InvoiceTax]:
    """What is kept of each tax."""
    return [
        InvoiceTax(
            code=one.tax.code,
            name=rates[one.tax.code].name,
            kind=one.tax.kind,
            rate=one.tax.rate,
            included=one.tax.included,
            compound=one.tax.compound,
            reverse_charge=one.tax.reverse_charge,
            withholding=one.tax.withholding,
            base=one.base,
            amount=one.amount,
            category=rates[one.tax.code].category,
            exemption=rates[one.tax.code].exemption,
        )
        for one in found.taxes
    ]


def due_parts(found: Priced, term: PaymentTerm | None, date: dt.date) -> list[DuePart]:
    """When what is payable falls due. Invalid (422) where the term's parts are not all of it."""
    with named("payment_term_id"):
        parts = [
            Instalment(percent=one.percent, days=one.days, end_of_month=one.end_of_month, day=one.day)
            for one in (term.instalments if term else _AT_ONCE)
        ]
        return [DuePart(due_on=one.date, amount=one.amount) for one in schedule(found.payable, found.currency, parts, date)]


def calculate(invoice: Invoice, found: Priced, rates: Mapping[str, TaxRate | InvoiceTax], term: PaymentTerm | None) -> None:
    """Write the figures of its lines into a draft; `rates` are its taxes by their codes."""
    invoice.figures, invoice.taxes = line_figures(found), tax_figures(found, rates)
    invoice.net, invoice.tax, invoice.total = found.net, found.tax, found.total
    invoice.withheld, invoice.payable = found.withheld, found.payable
    invoice.schedule = due_parts(found, term, invoice.date)
    invoice.due_on = max(one.due_on for one in invoice.schedule)
