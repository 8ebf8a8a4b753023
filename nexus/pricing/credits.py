"""Parts of a document and their mirror: partial invoices of an order, credit notes of an invoice."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType

from nexus.core.money import exactly, quotient
from nexus.pricing.documents import Priced, PricedLine, TaxAmount, with_bases
from nexus.pricing.refusals import Unpriceable

_NOTHING: Mapping[int, Decimal] = MappingProxyType({})


def credit(document: Priced) -> Priced:
    """The mirror of a whole document: every figure with the other sign."""
    return Priced(currency=document.currency, lines=tuple(_mirror(line) for line in document.lines))


def part(document: Priced, quantities: Mapping[int, Decimal], taken: Mapping[int, Decimal] = _NOTHING) -> Priced:
    """Some quantities of a document's lines, by position, where others have been `taken` before.

    A part is the difference of two roundings of the running quantity: however the whole is parted, and in whatever order, the parts add up
    to it to the cent. Unpriceable names the line where more is asked for than is left.
    """
    for at in quantities:
        if not 0 <= at < len(document.lines):
            raise Unpriceable(f"lines[{at}]", "is no line of the document")
    with exactly():
        lines = [_part(document.lines[at], some, taken.get(at, Decimal(0)), at, document.currency) for at, some in quantities.items()]
    return Priced(currency=document.currency, lines=tuple(lines))


def _part(line: PricedLine, quantity: Decimal, taken: Decimal, at: int, currency: str) -> PricedLine:
    whole, since = abs(line.quantity), taken.copy_sign(taken * line.quantity)
    until = since + quantity.copy_sign(quantity * line.quantity)
    if not 0 <= since < until <= whole:
        raise Unpriceable(f"lines[{at}].quantity", f"{quantity} is not within the {line.quantity - taken} that are left")

    def of(amount: Decimal) -> Decimal:
        return quotient(amount * until, whole, currency) - quotient(amount * since, whole, currency)

    net, listed, share = of(line.net), of(line.listed), of(line.share)
    amounts = [of(one.amount) for one in line.taxes]
    included = sum((amount for one, amount in zip(line.taxes, amounts, strict=True) if one.tax.included), Decimal(0))
    return PricedLine(
        quantity=quantity,
        listed=listed,
        discount=listed - share - net - included,
        share=share,
        net=net,
        taxes=with_bases(net, [one.tax for one in line.taxes], amounts),
    )


def _mirror(line: PricedLine) -> PricedLine:
    return PricedLine(
        quantity=-line.quantity,
        listed=-line.listed,
        discount=-line.discount,
        share=-line.share,
        net=-line.net,
        taxes=tuple(TaxAmount(tax=one.tax, base=-one.base, amount=-one.amount) for one in line.taxes),
    )
