"""Payments: money that came in or went out."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import ClassVar, Literal
from uuid import UUID

from nexus.core import CheckConstraint, Entity, Index, Mapped, UniqueConstraint, f
from nexus.services.finance.payment_terms import PaymentDirection, PaymentMethod, PaymentStatus
from nexus.services.finance.terms import PartyType


class Payment(Entity):
    """Money received from or paid to a customer or supplier. It is in the books from the moment it is recorded, and stays unless it bounces."""

    __table_args__ = (
        UniqueConstraint("entry_id"),
        Index("ix_finance_payment_party_id", "party_id", "date"),
        CheckConstraint("amount > 0", name="amount_more_than_zero"),
        CheckConstraint("party_type IN ('customer', 'supplier')", name="party_type_customer_or_supplier"),
        CheckConstraint("(status = 'bounced') = (bounce_entry_id IS NOT NULL)", name="bounce_entry_id_once_bounced"),
    )
    removal: ClassVar[Literal["archive", "delete"] | None] = None
    creatable: ClassVar[bool] = False
    editable: ClassVar[bool] = False

    company_id: Mapped[UUID] = f.ref("finance.company", index=False, read_only=True)
    direction: Mapped[PaymentDirection] = f.enum_(PaymentDirection, read_only=True)
    status: Mapped[PaymentStatus] = f.state(default=PaymentStatus.POSTED)
    method: Mapped[PaymentMethod] = f.enum_(PaymentMethod, read_only=True)
    number: Mapped[str] = f.text(60, read_only=True, search=True, example="BNK/2026/00042", help="That of its entry.")
    date: Mapped[dt.date] = f.date(read_only=True)
    party_type: Mapped[PartyType] = f.enum_(PartyType, read_only=True)
    party_id: Mapped[UUID] = f.uuid(read_only=True, help="The customer or supplier.")
    amount: Mapped[Decimal] = f.money(currency="currency", ge=Decimal(0), read_only=True)
    currency: Mapped[str] = f.currency(read_only=True)
    rate: Mapped[Decimal] = f.decimal(20, 10, read_only=True, help="What one unit of that currency was worth in that of the books.")
    journal_id: Mapped[UUID] = f.ref("finance.journal", read_only=True, help="That of the bank account or the cash box.")
    reference: Mapped[str | None] = f.text(80, default=None, read_only=True, search=True, help="What the bank or the other side calls it.")
    entry_id: Mapped[UUID] = f.ref("finance.journal_entry", index=False, read_only=True, help="Its entry in the books.")
    bounce_entry_id: Mapped[UUID | None] = f.ref(
        "finance.journal_entry", default=None, index=False, read_only=True, help="The entry that took it back."
    )
