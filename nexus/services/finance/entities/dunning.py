"""Dunning: how customers are reminded of what is overdue, and how often they have been."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import ClassVar, Literal
from uuid import UUID

from nexus.core import Entity, Index, Mapped, UniqueConstraint, f, sql
from nexus.services.finance.dunning_terms import DunnedItem

_LIVE = "archived_at IS NULL"


class DunningLevel(Entity):
    """A step of reminding: from how many days overdue on, what it costs, and which text it is told with."""

    __table_args__ = (Index("uq_finance_dunning_level", "company_id", "level", unique=True, postgresql_where=sql(_LIVE)),)

    company_id: Mapped[UUID] = f.ref("finance.company", index=False, once=True)
    level: Mapped[int] = f.int_(ge=1, le=9, once=True, example=1, help="From 1, without gaps: each invoice goes through them one by one.")
    days_overdue: Mapped[int] = f.int_(ge=1, le=3650, example=14, help="From how many days on; levels are as far apart as these are.")
    fee: Mapped[Decimal] = f.decimal(
        18, 2, ge=0, le=1_000_000_000, default=Decimal(0), example="500", help="For each notice, in the currency of the books."
    )
    interest_rate: Mapped[Decimal] = f.decimal(
        9, 6, ge=0, le=1000, default=Decimal(0), example="9", help="Percent a year, for the days since it was due or last charged."
    )
    text_key: Mapped[str] = f.text(48, pattern=r"^[a-z0-9][a-z0-9_]*$", example="friendly_reminder", help="Which text it is told with.")


class DunningBlock(Entity):
    """An invoice that is not dunned: the customer disputes it, or was given time."""

    __table_args__ = (Index("uq_finance_dunning_block_invoice_id", "invoice_id", unique=True, postgresql_where=sql(_LIVE)),)

    invoice_id: Mapped[UUID] = f.ref("finance.invoice", index=False, once=True)
    reason: Mapped[str] = f.text(300, free=True, example="Goods are said to be damaged")
    until: Mapped[dt.date | None] = f.date(default=None, help="The last day on which it holds; empty: until it is archived.")


class Dunning(Entity):
    """A notice to a customer of all that was overdue on a day."""

    removal: ClassVar[Literal["archive", "delete"] | None] = None
    creatable: ClassVar[bool] = False
    editable: ClassVar[bool] = False
    __table_args__ = (Index("ix_finance_dunning_party_id", "party_id", "date"), Index("ix_finance_dunning_date", "company_id", "date"))

    company_id: Mapped[UUID] = f.ref("finance.company", index=False, read_only=True)
    date: Mapped[dt.date] = f.date(read_only=True)
    party_id: Mapped[UUID] = f.uuid(read_only=True, help="The customer.")
    party_name: Mapped[str] = f.text(200, read_only=True, search=True, pii="name", help="As it stands on the invoice that was due last.")
    level: Mapped[int] = f.int_(read_only=True, help="The highest that one of its invoices has come to.")
    text_key: Mapped[str] = f.text(48, read_only=True)
    items: Mapped[list[DunnedItem]] = f.json(
        list[DunnedItem], read_only=True, help="All overdue invoices that may be dunned, the longest due first."
    )
    open: Mapped[Decimal] = f.money(currency="currency", read_only=True, help="What they come to in the currency of the books.")
    fee: Mapped[Decimal] = f.money(currency="currency", read_only=True)
    interest: Mapped[Decimal] = f.money(currency="currency", read_only=True)
    currency: Mapped[str] = f.currency(read_only=True, help="That of the books.")
    charge_id: Mapped[UUID | None] = f.ref(
        "finance.invoice",
        default=None,
        read_only=True,
        on_delete="NOTHING",
        help="The invoice over fee and interest; empty where there are none.",
    )


class DunnedInvoice(Entity):
    """That an invoice has come to a dunning level: once for each, one after the other."""

    removal: ClassVar[Literal["archive", "delete"] | None] = None
    creatable: ClassVar[bool] = False
    editable: ClassVar[bool] = False
    __table_args__ = (UniqueConstraint("invoice_id", "level"),)

    dunning_id: Mapped[UUID] = f.ref("finance.dunning", read_only=True)
    invoice_id: Mapped[UUID] = f.ref("finance.invoice", index=False, read_only=True)
    level: Mapped[int] = f.int_(ge=1, read_only=True)
    date: Mapped[dt.date] = f.date(read_only=True)
    charged_until: Mapped[dt.date | None] = f.date(default=None, read_only=True, help="Up to which day interest has been charged.")
