"""What stands on documents beside figures: how customers are billed, and how a company's documents look."""

from __future__ import annotations

from typing import ClassVar, Literal
from uuid import UUID

from nexus.core import CheckConstraint, Entity, Index, Mapped, f, sql
from nexus.services.finance.issue_terms import COLOR, COUNTRY, LANGUAGE, SCHEME, VAT_ID


class BillingProfile(Entity):
    """What the invoices to a customer say of it: address, tax numbers, language."""

    __table_args__ = (
        Index("uq_finance_billing_profile_party", "party_id", unique=True, postgresql_where=sql("archived_at IS NULL")),
        CheckConstraint("(electronic_address IS NULL) = (electronic_scheme IS NULL)", name="electronic_address_with_its_scheme"),
    )

    party_id: Mapped[UUID] = f.uuid(once=True, help="The customer.")
    legal_name: Mapped[str | None] = f.text(200, default=None, search=True, pii="name", help="Empty: the name that the invoice gives.")
    street: Mapped[str | None] = f.text(200, default=None, pii="address", example="12 Marina Road")
    city: Mapped[str | None] = f.text(120, default=None, example="Lagos")
    region: Mapped[str | None] = f.text(120, default=None)
    postal_code: Mapped[str | None] = f.text(20, default=None, pii="address")
    country: Mapped[str | None] = f.text(2, default=None, pattern=COUNTRY, example="NG", help="ISO 3166-1.")
    vat_id: Mapped[str | None] = f.text(
        15,
        default=None,
        pattern=VAT_ID,
        pii="identifier",
        example="DE136695976",
        help="Its number for value added tax, with the country in front.",
    )
    tax_id: Mapped[str | None] = f.text(40, default=None, pii="identifier", help="Another number by which the tax office knows it.")
    registration_number: Mapped[str | None] = f.text(60, default=None, pii="identifier", help="In the register of companies.")
    email: Mapped[str | None] = f.email(default=None, help="Where invoices go.")
    language: Mapped[str | None] = f.text(
        12, default=None, pattern=LANGUAGE, example="en-NG", help="BCP 47: in which its documents are; empty: in that of the letterhead."
    )
    electronic_address: Mapped[str | None] = f.text(120, default=None, pii="contact", help="Where e-invoices go.")
    electronic_scheme: Mapped[str | None] = f.text(
        4, default=None, pattern=SCHEME, help="What kind of address that is, by the list EAS; EM for an e-mail address."
    )
    buyer_reference: Mapped[str | None] = f.text(80, default=None, help="What it wants to find on invoices that name no order of its own.")


class Letterhead(Entity):
    """How a company's documents look. It never changes: a newer one takes its place, and what has been issued keeps its own."""

    removal: ClassVar[Literal["archive", "delete"] | None] = None
    editable: ClassVar[bool] = False

    company_id: Mapped[UUID] = f.ref("finance.company", once=True)
    language: Mapped[str | None] = f.text(
        12,
        default=None,
        pattern=LANGUAGE,
        once=True,
        example="en-NG",
        help="BCP 47, for customers that have none; empty: that of the business.",
    )
    color: Mapped[str] = f.text(7, pattern=COLOR, once=True, default="#1f3a5f", example="#0f766e")
    tagline: Mapped[str | None] = f.text(160, default=None, once=True, example="Bread since 1998")
    footer: Mapped[str | None] = f.text(
        500, default=None, once=True, help="What stands at the foot of every page, such as who manages the company."
    )
