"""Accounts and journals: where and in which books amounts are written."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from uuid import UUID

from nexus.core import CheckConstraint, Entity, Index, Mapped, f, sql
from nexus.services.finance.terms import AccountType, CashFlowSection, JournalType, LedgerRole, RootType

_LIVE = "archived_at IS NULL"


class Account(Entity):
    """A place in the chart of accounts. Groups hold other accounts, all others take postings."""

    __table_args__ = (Index("uq_finance_account_code", "company_id", "code", unique=True, postgresql_where=sql(_LIVE)),)

    company_id: Mapped[UUID] = f.ref("finance.company", index=False, once=True)
    code: Mapped[str] = f.text(20, pattern=r"^[0-9A-Za-z][0-9A-Za-z.\-]*$", search=True, example="1100")
    name: Mapped[str] = f.text(200, search=True, example="Trade receivables")
    root_type: Mapped[RootType] = f.enum_(RootType, once=True)
    account_type: Mapped[AccountType] = f.enum_(AccountType, default=AccountType.OTHER)
    cash_flow: Mapped[CashFlowSection | None] = f.enum_(
        CashFlowSection, default=None, help="Where the statement of cash flows shows what moves it; empty: where its type belongs."
    )
    currency: Mapped[str | None] = f.currency(default=None, once=True, help="The only currency it takes; empty: any.")
    parent_id: Mapped[UUID | None] = f.ref("finance.account", default=None, help="The group that it is part of.")
    is_group: Mapped[bool] = f.bool_(default=False, once=True, help="Holds other accounts and takes no postings.")
    must_have_party: Mapped[bool] = f.bool_(default=False, help="Every line says whose it is, as with receivables and payables.")
    frozen: Mapped[bool] = f.bool_(default=False, help="Takes no postings for now.")


class AccountRole(Entity):
    """Which account of a company plays a role: where rules post what names no account itself."""

    __table_args__ = (Index("uq_finance_account_role", "company_id", "role", unique=True, postgresql_where=sql(_LIVE)),)

    company_id: Mapped[UUID] = f.ref("finance.company", index=False, once=True)
    role: Mapped[LedgerRole] = f.enum_(LedgerRole, once=True, example="receivable")
    account_id: Mapped[UUID] = f.ref("finance.account", help="One of the company's that takes postings.")


class Journal(Entity):
    """A book of entries of one kind, numbered without gaps within each fiscal year."""

    __table_args__ = (Index("uq_finance_journal_code", "company_id", "code", unique=True, postgresql_where=sql(_LIVE)),)

    company_id: Mapped[UUID] = f.ref("finance.company", index=False, once=True)
    code: Mapped[str] = f.text(
        10, pattern=r"^[A-Z][A-Z0-9]*$", once=True, example="SAL", help="Stands before the number of each entry: SAL/2026/00042."
    )
    name: Mapped[str] = f.text(120, example="Sales")
    type: Mapped[JournalType] = f.enum_(JournalType, once=True)
    default_account_id: Mapped[UUID | None] = f.ref(
        "finance.account",
        default=None,
        index=False,
        help="Of bank and cash: the account itself. Of sales and purchases: where lines go that name none.",
    )


class CostCenter(Entity):
    """A part of the business whose costs and income are looked at on their own."""

    __table_args__ = (Index("uq_finance_cost_center_code", "company_id", "code", unique=True, postgresql_where=sql(_LIVE)),)

    company_id: Mapped[UUID] = f.ref("finance.company", index=False, once=True)
    code: Mapped[str] = f.text(20, pattern=r"^[0-9A-Za-z][0-9A-Za-z.\-]*$", example="SHOP-1")
    name: Mapped[str] = f.text(120, search=True)


class ExchangeRate(Entity):
    """What one unit of a currency is worth in another from a day on."""

    __table_args__ = (
        Index("uq_finance_exchange_rate_day", "from_currency", "to_currency", "date", unique=True, postgresql_where=sql(_LIVE)),
        CheckConstraint("rate > 0", name="rate_more_than_zero"),
        CheckConstraint("from_currency <> to_currency", name="from_currency_is_another"),
    )

    from_currency: Mapped[str] = f.currency(once=True, example="USD")
    to_currency: Mapped[str] = f.currency(once=True, example="NGN")
    date: Mapped[dt.date] = f.date(once=True)
    rate: Mapped[Decimal] = f.decimal(20, 10, ge=0, example="1530.25")
    source: Mapped[str | None] = f.text(60, default=None, example="central bank")
