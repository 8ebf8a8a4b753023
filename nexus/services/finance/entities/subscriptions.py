"""Subscriptions: invoices that come again and again."""

from __future__ import annotations

import datetime as dt
from typing import ClassVar, Literal
from uuid import UUID

from nexus.core import CheckConstraint, Entity, Index, Mapped, UniqueConstraint, f, sql
from nexus.services.finance.invoice_terms import InvoiceLine
from nexus.services.finance.subscription_terms import Cadence, SubscriptionStatus


class Subscription(Entity):
    """What a customer is invoiced for again and again, as long as it lasts."""

    removal: ClassVar[Literal["archive", "delete"] | None] = None
    creatable: ClassVar[bool] = False
    editable: ClassVar[bool] = False
    __table_args__ = (
        Index("ix_finance_subscription_next_on", "company_id", "next_on", postgresql_where=sql("status = 'active'")),
        CheckConstraint("ends_on >= starts_on", name="ends_on_after_its_start"),
        CheckConstraint("interval > 0", name="interval_more_than_zero"),
    )

    company_id: Mapped[UUID] = f.ref("finance.company", index=False, read_only=True)
    name: Mapped[str] = f.text(120, read_only=True, search=True, example="Maintenance")
    status: Mapped[SubscriptionStatus] = f.state(default=SubscriptionStatus.ACTIVE, index=False)
    party_id: Mapped[UUID] = f.uuid(read_only=True, index=True, help="The customer.")
    party_name: Mapped[str] = f.text(200, read_only=True, search=True, pii="name", help="As it stands on the invoices.")
    currency: Mapped[str] = f.currency(read_only=True)
    lines: Mapped[list[InvoiceLine]] = f.json(list[InvoiceLine], read_only=True, help="Those of each invoice.")
    payment_term_id: Mapped[UUID | None] = f.ref("finance.payment_term", default=None, index=False, read_only=True)
    cadence: Mapped[Cadence] = f.enum_(Cadence, read_only=True)
    interval: Mapped[int] = f.int_(read_only=True, help="How many of them lie between two invoices.")
    end_of_month: Mapped[bool] = f.bool_(default=False, read_only=True, help="Each on the last day of its month.")
    starts_on: Mapped[dt.date] = f.date(read_only=True, help="The day that the first invoice is of, or in the month of.")
    ends_on: Mapped[dt.date | None] = f.date(default=None, read_only=True, help="The last day that an invoice may be of.")
    auto_post: Mapped[bool] = f.bool_(default=False, read_only=True, help="Invoices are posted at once; otherwise they are drafts.")
    occurrences: Mapped[int] = f.int_(default=0, read_only=True, help="How many invoices there have been.")
    next_on: Mapped[dt.date] = f.date(read_only=True, help="The day of the next invoice.")
    failure: Mapped[str | None] = f.text(500, default=None, read_only=True, help="Why the last run could not draw up or post its invoice.")


class SubscriptionInvoice(Entity):
    """An invoice of a subscription: one for each occurrence, whoever runs it how often."""

    removal: ClassVar[Literal["archive", "delete"] | None] = None
    creatable: ClassVar[bool] = False
    editable: ClassVar[bool] = False
    __table_args__ = (UniqueConstraint("subscription_id", "occurrence"), UniqueConstraint("invoice_id"))

    subscription_id: Mapped[UUID] = f.ref("finance.subscription", index=False, read_only=True)
    occurrence: Mapped[int] = f.int_(read_only=True, help="From 1.")
    invoice_id: Mapped[UUID] = f.ref("finance.invoice", index=False, read_only=True)
    date: Mapped[dt.date] = f.date(read_only=True)
