"""Companies: the legal entities whose books are kept."""

from __future__ import annotations

import datetime as dt

from nexus.core import CheckConstraint, Entity, Mapped, f
from nexus.pricing import Rounding
from nexus.services.finance.issue_terms import SCHEME, VAT_ID


class Company(Entity):
    """A legal entity with books of its own."""

    __table_args__ = (
        CheckConstraint("(electronic_address IS NULL) = (electronic_scheme IS NULL)", name="electronic_address_with_its_scheme"),
    )

    key: Mapped[str | None] = f.text(48, default=None, unique=True, pattern=r"^[a-z][a-z0-9_]*$", example="main")
    name: Mapped[str] = f.text(200, search=True, example="Ade Bakery Ltd")
    country: Mapped[str] = f.text(2, pattern=r"^[A-Z]{2}$", example="NG", help="ISO 3166-1: whose law its books follow.")
    base_currency: Mapped[str] = f.currency(once=True, help="In which its books are kept. It never changes.")
    tax_id: Mapped[str | None] = f.text(40, default=None)
    vat_id: Mapped[str | None] = f.text(
        15, default=None, pattern=VAT_ID, example="DE136695976", help="Its number for value added tax, with the country in front."
    )
    registration_number: Mapped[str | None] = f.text(60, default=None, help="In the register of companies.")
    street: Mapped[str | None] = f.text(200, default=None, example="12 Marina Road")
    city: Mapped[str | None] = f.text(120, default=None, example="Lagos")
    region: Mapped[str | None] = f.text(120, default=None)
    postal_code: Mapped[str | None] = f.text(20, default=None)
    email: Mapped[str | None] = f.email(default=None, pii=None, help="As it stands on documents.")
    phone: Mapped[str | None] = f.phone(default=None, pii=None, help="As it stands on documents.")
    electronic_address: Mapped[str | None] = f.text(120, default=None, help="By which networks of e-invoices know it.")
    electronic_scheme: Mapped[str | None] = f.text(
        4, default=None, pattern=SCHEME, help="What kind of address that is, by the list EAS; EM for an e-mail address."
    )
    fiscal_year_month: Mapped[int] = f.int_(ge=1, le=12, default=1, help="The month in which its fiscal years begin.")
    fiscal_year_day: Mapped[int] = f.int_(ge=1, le=28, default=1, help="The day of that month.")
    tax_rounding: Mapped[Rounding] = f.enum_(Rounding, default=Rounding.PER_LINE, help="Where its documents round: on each line, or once.")
    lock_date: Mapped[dt.date | None] = f.date(default=None, read_only=True, help="Nothing is posted up to this day.")
    tax_lock_date: Mapped[dt.date | None] = f.date(default=None, read_only=True, help="Nothing that touches a tax account, up to this day.")
    sale_lock_date: Mapped[dt.date | None] = f.date(default=None, read_only=True, help="Nothing in sale journals, up to this day.")
    purchase_lock_date: Mapped[dt.date | None] = f.date(default=None, read_only=True, help="Nothing in purchase journals, up to this day.")
