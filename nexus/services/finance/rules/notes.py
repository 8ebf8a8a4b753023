"""Notes: the figures of a part of an invoice, so that all parts together are the invoice to the cent."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal

from nexus.core import FieldError, Invalid
from nexus.pricing import Priced, PricedLine, Tax, TaxAmount, Unpriceable, part
from nexus.services.finance.entities import Invoice
from nexus.services.finance.invoice_terms import CreditedLine


def recalled(invoice: Invoice) -> Priced:
    """The figures of an invoice as they were calculated."""
    taxes = {
        one.code: Tax(
            code=one.code,
            rate=one.rate,
            kind=one.kind,
            included=one.included,
            compound=one.compound,
            reverse_charge=one.reverse_charge,
            withholding=one.withholding,
        )
        for one in invoice.taxes
    }
    lines = [
        PricedLine(
            quantity=line.quantity,
            listed=figures.listed,
            discount=figures.discount,
            share=figures.share,
            net=figures.net,
            taxes=tuple(TaxAmount(tax=taxes[one.code], base=one.base, amount=one.amount) for one in figures.taxes),
        )
        for line, figures in zip(invoice.lines, invoice.figures, strict=True)
    ]
    return Priced(currency=invoice.currency, lines=tuple(lines))


def taken_back(notes: Sequence[Invoice]) -> dict[int, Decimal]:
    """How much of each line some notes have taken back."""
    taken: dict[int, Decimal] = defaultdict(Decimal)
    for one in (one for note in notes for one in note.credited):
        taken[one.line] += one.quantity
    return taken


def wanted(invoice: Invoice, lines: Sequence[CreditedLine] | None, taken: Mapping[int, Decimal]) -> list[CreditedLine]:
    """What a note takes back: what is asked for, or all that is left. Invalid (422) where that is nothing, or a line is named twice."""
    if lines is None:
        left = [(at, line.quantity - taken.get(at, Decimal(0))) for at, line in enumerate(invoice.lines)]
        lines = [CreditedLine(line=at, quantity=quantity) for at, quantity in left if quantity]
    if not lines:
        raise Invalid.of(FieldError("lines", "leave nothing to take back"))
    twice = [at for at, one in enumerate(lines) if any(other.line == one.line for other in lines[:at])]
    if twice:
        raise Invalid.of(FieldError(f"lines[{twice[0]}].line", "is named before"))
    return list(lines)


def parted(invoice: Invoice, lines: Sequence[CreditedLine], taken: Mapping[int, Decimal]) -> Priced:
    """The figures of a note. Invalid (422) names the line of which more is asked for than is left."""
    whole = recalled(invoice)
    found: list[PricedLine] = []
    for at, one in enumerate(lines):
        try:
            found += part(whole, {one.line: one.quantity}, taken).lines
        except Unpriceable as refusal:
            raise Invalid.of(FieldError(f"lines[{at}].quantity", refusal.message)) from None
    return Priced(currency=invoice.currency, lines=tuple(found))
