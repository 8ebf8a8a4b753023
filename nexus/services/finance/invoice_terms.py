"""The words of invoices and taxes that entities and contracts share."""

from __future__ import annotations

import datetime as dt
import enum
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from msgspec import Meta

from nexus.core import Line, Value
from nexus.pricing import TaxKind

TaxCode = Annotated[str, Meta(pattern=r"^[0-9A-Za-z][0-9A-Za-z_.\-]{0,39}$")]
"""The code of a tax: VAT7.5."""


class InvoiceKind(enum.StrEnum):
    """Who owes whom: a customer us, we a supplier, and the notes that take one of them back."""

    SALES_INVOICE = "sales_invoice"
    CREDIT_NOTE = "credit_note"
    PURCHASE_BILL = "purchase_bill"
    DEBIT_NOTE = "debit_note"

    @property
    def sale(self) -> bool:
        """Whether it belongs to a customer."""
        return self in (InvoiceKind.SALES_INVOICE, InvoiceKind.CREDIT_NOTE)


class InvoiceStatus(enum.StrEnum):
    """How far an invoice is. Paid, partly paid, reversed and written off follow from what has been allocated to it."""

    DRAFT = "draft"
    POSTED = "posted"
    PARTLY_PAID = "partly_paid"
    PAID = "paid"
    REVERSED = "reversed"
    WRITTEN_OFF = "written_off"
    CANCELLED = "cancelled"


class TaxType(enum.StrEnum):
    """How a tax is measured, or that it stands for several."""

    PERCENT = "percent"
    FIXED = "fixed"
    GROUP = "group"


class TaxCategory(enum.StrEnum):
    """Why a tax is charged or not, as the law of e-invoices tells apart (EN 16931)."""

    STANDARD = "standard"
    ZERO = "zero"
    EXEMPT = "exempt"
    REVERSE_CHARGE = "reverse_charge"
    INTRA_COMMUNITY = "intra_community"
    EXPORT = "export"
    OUTSIDE_SCOPE = "outside_scope"


class TaxScope(enum.StrEnum):
    """On which documents a tax is charged."""

    SALE = "sale"
    PURCHASE = "purchase"
    BOTH = "both"


class TaxBasis(enum.StrEnum):
    """What of a tax goes into a box of the return: what it is charged on, or what it comes to."""

    BASE = "base"
    TAX = "tax"


class TaxBox(Value, frozen=True, kw_only=True):
    """A box of the tax return, and what of a tax goes into it."""

    box: Line
    basis: TaxBasis
    percent: Decimal = Decimal(100)
    """How much of it; negative where it is posted on the other side, as input tax of a reverse charge. The return shows it without its sign."""


class Unit(enum.StrEnum):
    """What is counted. Electronic invoices say it by the codes of UN/ECE Recommendation 20."""

    PIECE = "piece"
    SET = "set"
    PAIR = "pair"
    DOZEN = "dozen"
    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"
    GRAM = "gram"
    KILOGRAM = "kilogram"
    TONNE = "tonne"
    MILLILITRE = "millilitre"
    LITRE = "litre"
    CENTIMETRE = "centimetre"
    METRE = "metre"
    KILOMETRE = "kilometre"
    SQUARE_METRE = "square_metre"
    CUBIC_METRE = "cubic_metre"
    KILOWATT_HOUR = "kilowatt_hour"


class InvoiceLine(Value, frozen=True, kw_only=True):
    """Something sold or bought: quantity times price, less a discount, with the taxes of these codes in this order."""

    name: Line
    quantity: Decimal
    unit: Unit = Unit.PIECE
    unit_price: Decimal
    discount_percent: Decimal = Decimal(0)
    discount_amount: Decimal = Decimal(0)
    taxes: list[TaxCode] = []
    account_id: UUID | None = None
    """Empty: the company's account for sales or purchases."""
    cost_center_id: UUID | None = None
    product_id: UUID | None = None


class LineTax(Value, frozen=True, kw_only=True):
    """What one tax of a line comes to."""

    code: str
    base: Decimal
    amount: Decimal


class LineFigures(Value, frozen=True, kw_only=True):
    """What a line comes to, in the invoice's currency: `listed` less both discounts is `net` with the taxes that the price includes."""

    listed: Decimal
    discount: Decimal
    share: Decimal
    """Of the invoice's own discount."""
    net: Decimal
    gross: Decimal
    taxes: list[LineTax]


class InvoiceTax(Value, frozen=True, kw_only=True):
    """A tax as it was when the invoice was calculated, with its base and amount in the invoice's currency."""

    code: str
    name: str
    kind: TaxKind
    rate: Decimal
    included: bool
    compound: bool
    reverse_charge: bool
    withholding: bool
    base: Decimal
    amount: Decimal
    category: TaxCategory | None = None
    exemption: str | None = None


class DuePart(Value, frozen=True, kw_only=True):
    """An instalment of what is payable."""

    due_on: dt.date
    amount: Decimal


class TermPart(Value, frozen=True, kw_only=True):
    """A part of what is payable: percent of it, and how many days after the date of the invoice it is due."""

    percent: Annotated[Decimal, Meta(description="Of what is payable.")] = Decimal(100)
    days: Annotated[int, Meta(ge=0, le=3650)] = 0
    end_of_month: bool = False
    """At the end of the month that day is in."""
    day: Annotated[int, Meta(ge=1, le=31)] | None = None
    """On this day of the month after."""


class CreditedLine(Value, frozen=True, kw_only=True):
    """How much of a line is taken back."""

    line: Annotated[int, Meta(ge=0, le=10_000)]
    """Its place, from 0."""
    quantity: Decimal
