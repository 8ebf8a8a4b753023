"""The words of what an invoice says about its two sides: kept with it when it is posted, so that what has been issued never changes."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Annotated, Final
from uuid import UUID

from msgspec import Meta

from nexus.core import Line, Value

COUNTRY: Final = r"^[A-Z]{2}$"
LANGUAGE: Final = r"^[a-z]{2,3}(-[A-Z][a-z]{3})?(-[A-Z]{2})?$"
VAT_ID: Final = r"^[A-Z]{2}[0-9A-Z+*]{2,13}$"
COLOR: Final = r"^#[0-9a-fA-F]{6}$"
SCHEME: Final = r"^[0-9]{4}$|^[A-Z]{2}$"


class Side(Value, frozen=True, kw_only=True):
    """One side of an invoice, seller or buyer, as it stands on it."""

    name: Line
    street: str | None = None
    city: str | None = None
    region: str | None = None
    postal_code: str | None = None
    country: Annotated[str, Meta(pattern=COUNTRY)] | None = None
    vat_id: str | None = None
    tax_id: str | None = None
    registration_number: str | None = None
    email: str | None = None
    phone: str | None = None
    electronic_address: str | None = None
    electronic_scheme: str | None = None


class TermsGiven(Value, frozen=True, kw_only=True):
    """The payment term as it was agreed."""

    name: Line
    discount_percent: Decimal | None = None
    discount_days: int | None = None


class Preceding(Value, frozen=True, kw_only=True):
    """The invoice that a note takes back."""

    number: Line
    date: dt.date
    reference: str | None = None


class PayTo(Value, frozen=True, kw_only=True):
    """The seller's account at a bank: by its IBAN, or by another number where there are none."""

    name: str
    iban: str | None = None
    other: str | None = None
    bic: str | None = None


class Issued(Value, frozen=True, kw_only=True):
    """What an invoice says beside its figures, as it was when it was posted."""

    seller: Side
    buyer: Side
    language: str
    """BCP 47."""
    letterhead_id: UUID | None = None
    buyer_reference: str | None = None
    """What the buyer wants to find it by."""
    terms: TermsGiven | None = None
    account: PayTo | None = None
    preceding: Preceding | None = None
