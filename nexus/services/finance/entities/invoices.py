"""Invoices, the taxes on them and when they fall due."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import ClassVar, Literal
from uuid import UUID

from nexus.core import CheckConstraint, Entity, Index, Mapped, f, sql
from nexus.pricing import Rounding
from nexus.services.finance.invoice_terms import (
    CreditedLine,
    DuePart,
    InvoiceKind,
    InvoiceLine,
    InvoiceStatus,
    InvoiceTax,
    LineFigures,
    TaxBox,
    TaxCategory,
    TaxScope,
    TaxType,
    TermPart,
)
from nexus.services.finance.issue_terms import Issued

_LIVE = "archived_at IS NULL"


class TaxRate(Entity):
    """A tax as documents charge it, or several that are charged together."""

    __table_args__ = (
        Index("uq_finance_tax_rate_code", "company_id", "code", unique=True, postgresql_where=sql(_LIVE)),
        CheckConstraint("NOT (withholding AND reverse_charge)", name="withholding_or_reverse_charge"),
        CheckConstraint("NOT (price_included AND (withholding OR reverse_charge))", name="price_included_where_the_seller_charges_it"),
        CheckConstraint("NOT (compound AND type = 'fixed')", name="compound_in_percent_alone"),
        CheckConstraint("category IN ('standard') OR category IS NULL OR rate = 0 OR reverse_charge", name="category_of_its_rate"),
        CheckConstraint("(type = 'group') = (members <> '[]')", name="members_of_groups_alone"),
    )

    company_id: Mapped[UUID] = f.ref("finance.company", index=False, once=True)
    code: Mapped[str] = f.text(40, pattern=r"^[0-9A-Za-z][0-9A-Za-z_.\-]*$", once=True, example="VAT7.5")
    name: Mapped[str] = f.text(120, search=True, example="VAT 7.5 %")
    type: Mapped[TaxType] = f.enum_(TaxType, default=TaxType.PERCENT, once=True)
    rate: Mapped[Decimal] = f.decimal(
        18, 6, ge=0, le=1_000_000_000, default=Decimal(0), example="7.5", help="Percent of the base, or an amount per unit of a fixed tax."
    )
    scope: Mapped[TaxScope] = f.enum_(TaxScope, default=TaxScope.BOTH)
    price_included: Mapped[bool] = f.bool_(default=False, help="Prices contain it.")
    compound: Mapped[bool] = f.bool_(default=False, help="Its base contains the taxes before it.")
    reverse_charge: Mapped[bool] = f.bool_(default=False, help="The buyer owes it; it is posted on both sides.")
    withholding: Mapped[bool] = f.bool_(default=False, help="The buyer keeps it back and pays it for the seller.")
    category: Mapped[TaxCategory | None] = f.enum_(
        TaxCategory, default=None, help="Why it is charged or not; empty: reverse charge, standard, or zero where its rate is 0."
    )
    exemption: Mapped[str | None] = f.text(200, default=None, help="Why it is not charged, in the words of invoices; empty: its name.")
    members: Mapped[list[str]] = f.json(list[str], default_factory=list, example=[], help="Of a group: the codes of its taxes, in order.")
    boxes: Mapped[list[TaxBox]] = f.json(list[TaxBox], default_factory=list, example=[], help="Where it goes in the tax return.")
    account_id: Mapped[UUID | None] = f.ref(
        "finance.account", default=None, help="Where it is posted; empty: where the company posts such taxes."
    )
    reverse_account_id: Mapped[UUID | None] = f.ref(
        "finance.account",
        default=None,
        index=False,
        help="Of a reverse charge: where it is owed; empty: where the company owes what it charged.",
    )


class PaymentTerm(Entity):
    """When what is payable falls due, and what is taken off for paying early."""

    __table_args__ = (CheckConstraint("(discount_percent IS NULL) = (discount_days IS NULL)", name="discount_days_with_its_percent"),)

    key: Mapped[str | None] = f.text(48, default=None, unique=True, pattern=r"^[a-z0-9][a-z0-9_]*$", example="net_30")
    name: Mapped[str] = f.text(120, search=True, example="30 days net")
    instalments: Mapped[list[TermPart]] = f.json(
        list[TermPart], example=[{"percent": "100", "days": 30}], help="Their percentages add up to 100."
    )
    discount_percent: Mapped[Decimal | None] = f.decimal(6, 3, ge=0, le=99, default=None, example="2")
    discount_days: Mapped[int | None] = f.int_(ge=0, le=365, default=None, example=10)


class Invoice(Entity):
    """What a customer owes us or we owe a supplier, or a note that takes it back. Its amounts are positive whatever its kind."""

    __table_args__ = (
        Index("uq_finance_invoice_number", "company_id", "number", unique=True, postgresql_where=sql("number IS NOT NULL")),
        Index(
            "uq_finance_invoice_reference",
            "company_id",
            "party_id",
            "reference",
            "total",
            unique=True,
            postgresql_where=sql("kind = 'purchase_bill' AND status NOT IN ('cancelled', 'reversed') AND reference IS NOT NULL"),
        ),
        Index(
            "uq_finance_invoice_source_id",
            "source_id",
            unique=True,
            postgresql_where=sql("source_id IS NOT NULL AND status NOT IN ('cancelled', 'reversed')"),
        ),
        Index("ix_finance_invoice_party_id", "party_id", "kind"),
        Index("uq_finance_invoice_entry_id", "entry_id", unique=True, postgresql_where=sql("entry_id IS NOT NULL")),
        Index("ix_finance_invoice_date", "company_id", "date"),
        CheckConstraint("(status IN ('draft', 'cancelled')) = (entry_id IS NULL)", name="entry_id_once_posted"),
        CheckConstraint("source_id IS NULL OR kind = 'sales_invoice'", name="source_id_of_sales_invoices"),
        CheckConstraint("total = net + tax AND payable = total - withheld", name="total_of_its_parts"),
    )
    removal: ClassVar[Literal["archive", "delete"] | None] = None
    creatable: ClassVar[bool] = False
    editable: ClassVar[bool] = False

    company_id: Mapped[UUID] = f.ref("finance.company", index=False, read_only=True)
    kind: Mapped[InvoiceKind] = f.enum_(InvoiceKind, read_only=True)
    status: Mapped[InvoiceStatus] = f.state(default=InvoiceStatus.DRAFT)
    number: Mapped[str | None] = f.text(40, default=None, read_only=True, search=True, help="Given when it is posted, without gaps.")
    reference: Mapped[str | None] = f.text(80, default=None, read_only=True, search=True, help="The other side's number for it.")
    date: Mapped[dt.date] = f.date(read_only=True)
    delivered_on: Mapped[dt.date | None] = f.date(default=None, read_only=True, help="When it was delivered; empty: on its date.")
    party_id: Mapped[UUID] = f.uuid(read_only=True, help="The customer or supplier.")
    party_name: Mapped[str] = f.text(200, read_only=True, search=True, pii="name", help="As it stands on the invoice.")
    currency: Mapped[str] = f.currency(read_only=True)
    rounding: Mapped[Rounding] = f.enum_(Rounding, read_only=True)
    discount_percent: Mapped[Decimal] = f.decimal(9, 6, ge=0, le=100, default=Decimal(0), read_only=True, help="Off all lines.")
    discount_amount: Mapped[Decimal] = f.money(currency="currency", default=Decimal(0), read_only=True, help="Off all lines together.")
    lines: Mapped[list[InvoiceLine]] = f.json(list[InvoiceLine], read_only=True)
    figures: Mapped[list[LineFigures]] = f.json(list[LineFigures], read_only=True, help="What each line comes to, in their order.")
    taxes: Mapped[list[InvoiceTax]] = f.json(list[InvoiceTax], read_only=True)
    net: Mapped[Decimal] = f.money(currency="currency", read_only=True)
    tax: Mapped[Decimal] = f.money(currency="currency", read_only=True)
    total: Mapped[Decimal] = f.money(currency="currency", read_only=True)
    withheld: Mapped[Decimal] = f.money(currency="currency", read_only=True, help="What the buyer pays to the state instead.")
    payable: Mapped[Decimal] = f.money(currency="currency", read_only=True)
    payment_term_id: Mapped[UUID | None] = f.ref("finance.payment_term", default=None, index=False, read_only=True)
    schedule: Mapped[list[DuePart]] = f.json(list[DuePart], read_only=True, help="When what is payable falls due.")
    due_on: Mapped[dt.date] = f.date(read_only=True, help="The last instalment's day.")
    credit_of_id: Mapped[UUID | None] = f.ref(
        "finance.invoice", default=None, read_only=True, on_delete="NOTHING", help="Of a note: what it takes back."
    )
    credited: Mapped[list[CreditedLine]] = f.json(
        list[CreditedLine], default_factory=list, read_only=True, help="Of a note: which lines of that it takes back, and how much of each."
    )
    entry_id: Mapped[UUID | None] = f.ref(
        "finance.journal_entry", default=None, index=False, read_only=True, on_delete="NOTHING", help="Its entry in the books."
    )
    posted_at: Mapped[dt.datetime | None] = f.instant(default=None, read_only=True)
    source_id: Mapped[UUID | None] = f.uuid(default=None, read_only=True, help="What it bills, which no other invoice does.")
    notes: Mapped[str | None] = f.long_text(default=None, read_only=True)
    issued: Mapped[Issued | None] = f.json(
        Issued, default=None, read_only=True, pii="contact", help="Who sells to whom, as its documents say; kept when it is posted."
    )
