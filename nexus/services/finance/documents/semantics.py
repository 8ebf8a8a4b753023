"""An invoice as EN 16931 understands one: its parties, the categories of its taxes and amounts that add up; or why it cannot be one."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, NamedTuple

from nexus.core import FieldError, Problem
from nexus.core.money import scale
from nexus.services.finance.documents.statement import Statement
from nexus.services.finance.documents.wording import plain
from nexus.services.finance.invoice_terms import InvoiceLine, InvoiceTax, LineFigures, TaxCategory, Unit
from nexus.services.finance.issue_terms import Side

NOTHING: Final = Decimal(0)
CODES: Final = {
    TaxCategory.STANDARD: "S",
    TaxCategory.ZERO: "Z",
    TaxCategory.EXEMPT: "E",
    TaxCategory.REVERSE_CHARGE: "AE",
    TaxCategory.INTRA_COMMUNITY: "K",
    TaxCategory.EXPORT: "G",
    TaxCategory.OUTSIDE_SCOPE: "O",
}
"""UNCL 5305."""
_EXEMPTION_CODES: Final = {"AE": "VATEX-EU-AE", "K": "VATEX-EU-IC", "G": "VATEX-EU-G", "O": "VATEX-EU-O"}
_SLACK: Final = Decimal(1)
"""By how much the rules let the tax of a category differ from its rate times its base: taxes rounded on each line do."""


class NotElectronic(Problem, status=422):
    """It cannot be an e-invoice as EN 16931 has it: {summary}."""

    summary: str
    errors: list[FieldError]


UNITS: Final[Mapping[Unit, str]] = {
    Unit.PIECE: "C62",
    Unit.SET: "SET",
    Unit.PAIR: "PR",
    Unit.DOZEN: "DZN",
    Unit.MINUTE: "MIN",
    Unit.HOUR: "HUR",
    Unit.DAY: "DAY",
    Unit.WEEK: "WEE",
    Unit.MONTH: "MON",
    Unit.YEAR: "ANN",
    Unit.GRAM: "GRM",
    Unit.KILOGRAM: "KGM",
    Unit.TONNE: "TNE",
    Unit.MILLILITRE: "MLT",
    Unit.LITRE: "LTR",
    Unit.CENTIMETRE: "CMT",
    Unit.METRE: "MTR",
    Unit.KILOMETRE: "KMT",
    Unit.SQUARE_METRE: "MTK",
    Unit.CUBIC_METRE: "MTQ",
    Unit.KILOWATT_HOUR: "KWH",
}


class Category(NamedTuple):
    """What EN 16931 tells taxes apart by."""

    code: str
    percent: Decimal | None
    """None where there is no rate to speak of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A line. `price` is that of `per` units; quantities are negative where something is taken off."""

    name: str
    quantity: Decimal
    unit: str
    """Its code in UN/ECE Recommendation 20."""
    price: Decimal
    per: Decimal | None
    discount: Decimal
    net: Decimal
    category: Category


@dataclass(frozen=True, slots=True, kw_only=True)
class Breakdown:
    """A category of tax with what it is charged on; `discount` is its part of the invoice's own."""

    category: Category
    base: Decimal
    tax: Decimal
    discount: Decimal
    reason: str | None
    reason_code: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Electronic:
    """All that an e-invoice says, in either syntax."""

    said: Statement
    seller: Side
    buyer: Side
    items: list[Item]
    breakdowns: list[Breakdown]
    terms: str | None

    @property
    def type_code(self) -> str:
        """UNTDID 1001."""
        return "381" if self.said.note else "380"

    @property
    def lines(self) -> Decimal:
        """What the lines come to before the invoice's own discount."""
        return sum((one.net for one in self.items), NOTHING)

    @property
    def allowances(self) -> Decimal:
        return sum((max(one.discount, NOTHING) for one in self.breakdowns), NOTHING)

    @property
    def charges(self) -> Decimal:
        return -sum((min(one.discount, NOTHING) for one in self.breakdowns), NOTHING)

    @property
    def delivered_on(self) -> dt.date:
        return self.said.delivered_on or self.said.date

    @property
    def delivered_abroad(self) -> bool:
        """Whether the law wants to know where it went."""
        return any(one.category.code == "K" for one in self.breakdowns)


def electronic(said: Statement, terms: str | None) -> Electronic:
    """What an e-invoice says of a document. NotElectronic (422) names every field that is missing, and what EN 16931 has no place for."""
    wrong = [*_unsayable(said)]
    if not wrong:
        made = Electronic(
            said=said, seller=said.issued.seller, buyer=said.issued.buyer, items=_items(said), breakdowns=_breakdowns(said), terms=terms
        )
        wrong = [*_missing(made)]
        if not wrong:
            return _outside(made) if made.breakdowns[0].category.code == "O" else made
    raise NotElectronic(summary="; ".join(f"{one.field} {one.message}" for one in wrong), errors=wrong)


def refuse(*wrong: FieldError) -> NotElectronic:
    """The refusal of a syntax that wants more."""
    return NotElectronic(summary="; ".join(f"{one.field} {one.message}" for one in wrong), errors=list(wrong))


def _unsayable(said: Statement) -> Iterator[FieldError]:
    """What EN 16931 has no words for."""
    if scale(said.currency) > 2:
        yield FieldError("currency", f"is {said.currency}, whose amounts have more than two decimals")
    if said.withheld:
        yield FieldError("withheld", "is kept back by the buyer, which an e-invoice cannot say")
    taxes = {one.code: one for one in said.taxes}
    for at, line in enumerate(said.figures):
        charged = [taxes[one.code] for one in line.taxes]
        if len(charged) != 1:
            yield FieldError(f"lines[{at}].taxes", f"are {len(charged)}: a line has exactly one")
        elif charged[0].kind != "percent":
            yield FieldError(f"lines[{at}].taxes", f"name {charged[0].code}, which is an amount per unit and no percentage")
    codes = {_category(one).code for one in said.taxes}
    if "O" in codes and len(codes) > 1:
        yield FieldError("taxes", "mix what is outside the scope of the tax with what is within it")


def _missing(made: Electronic) -> Iterator[FieldError]:
    """What has to be known of the two sides, by the categories of tax on the invoice."""
    seller, buyer, codes = made.seller, made.buyer, {one.category.code for one in made.breakdowns}
    for place, side in (("company", seller), ("billing_profile", buyer)):
        for field in ("street", "city", "postal_code", "country"):
            if getattr(side, field) is None and (field != "postal_code" or side.country in (None, "DE")):
                yield FieldError(f"{place}.{field}", "is missing")
    taxable = "O" not in codes
    if taxable and seller.vat_id is None and (seller.tax_id is None or codes & {"K", "G"}):
        yield FieldError("company.vat_id", "is missing")
    if seller.registration_number is None and (seller.vat_id is None or not taxable):
        yield FieldError(
            "company.registration_number", "is missing: an invoice names the seller by that or by its number for value added tax"
        )
    if "K" in codes and buyer.vat_id is None:
        yield FieldError("billing_profile.vat_id", "is missing, which a supply to another state of the EU needs")
    if "AE" in codes and buyer.vat_id is None and buyer.registration_number is None:
        yield FieldError("billing_profile.vat_id", "is missing, which a reverse charge needs")
    for one in made.breakdowns:
        rate = one.category.percent or NOTHING
        if abs(one.base * rate / 100 - one.tax) >= _SLACK:
            yield FieldError("taxes", f"of {plain(rate)} % were rounded on each line and are too far from that of their sum")


def _category(tax: InvoiceTax) -> Category:
    """The category of a tax: as it is declared, or else as its rate says."""
    derived = TaxCategory.REVERSE_CHARGE if tax.reverse_charge else TaxCategory.STANDARD if tax.rate else TaxCategory.ZERO
    code = CODES[tax.category or derived]
    return Category(code, None if code == "O" else tax.rate if code == "S" else NOTHING)


def _items(said: Statement) -> list[Item]:
    taxes = {one.code: one for one in said.taxes}
    return [_item(line, figures, taxes[figures.taxes[0].code]) for line, figures in zip(said.lines, said.figures, strict=True)]


def _item(line: InvoiceLine, figures: LineFigures, tax: InvoiceTax) -> Item:
    """A price is never negative, so the quantity is; one that contains its tax is told without it, as what the whole quantity costs."""
    sign = -1 if line.unit_price < 0 else 1
    category = _category(tax)
    if tax.included:
        price, per = abs(figures.net), abs(line.quantity) or None
        quantity = line.quantity.copy_sign(figures.net) if figures.net else line.quantity
        return Item(
            name=line.name,
            quantity=quantity,
            unit=UNITS[line.unit],
            price=price,
            per=per,
            discount=NOTHING,
            net=figures.net,
            category=category,
        )
    return Item(
        name=line.name,
        quantity=line.quantity * sign,
        unit=UNITS[line.unit],
        price=abs(line.unit_price),
        per=None,
        discount=figures.discount,
        net=figures.listed - figures.discount,
        category=category,
    )


def _breakdowns(said: Statement) -> list[Breakdown]:
    """The categories in the order in which they first appear, taxes of the same one together."""
    taxes = {one.code: one for one in said.taxes}
    shares: dict[Category, Decimal] = {}
    for figures in said.figures:
        tax = taxes[figures.taxes[0].code]
        shares[_category(tax)] = shares.get(_category(tax), NOTHING) + (NOTHING if tax.included else figures.share)
    found: list[Breakdown] = []
    for category, share in shares.items():
        mine = [one for one in said.taxes if _category(one) == category]
        reasons = dict.fromkeys(one.exemption or one.name for one in mine)
        found.append(
            Breakdown(
                category=category,
                base=sum((one.base for one in mine), NOTHING),
                tax=sum((one.amount for one in mine if not one.reverse_charge), NOTHING),
                discount=share,
                reason=None if category.code in ("S", "Z") else "; ".join(reasons),
                reason_code=_EXEMPTION_CODES.get(category.code),
            )
        )
    return found


def _outside(made: Electronic) -> Electronic:
    """What is outside the scope of the tax names nobody's number for it."""
    seller, buyer = (side.changed(vat_id=None) for side in (made.seller, made.buyer))
    return Electronic(said=made.said, seller=seller, buyer=buyer, items=made.items, breakdowns=made.breakdowns, terms=made.terms)
