"""Fiscal years, their periods, and who may post where it is locked."""

from __future__ import annotations

import datetime as dt
from typing import ClassVar, Literal
from uuid import UUID

from nexus.core import CheckConstraint, Entity, Index, Mapped, UniqueConstraint, f, sql
from nexus.services.finance.terms import LockScope, PeriodStatus, YearStatus


class FiscalYear(Entity):
    """A year of a company's books."""

    __table_args__ = (
        UniqueConstraint("company_id", "starts_on"),
        UniqueConstraint("company_id", "name"),
        CheckConstraint("ends_on > starts_on", name="ends_on_after_its_start"),
        CheckConstraint("closing_entry_id IS NULL OR status = 'closed'", name="closing_entry_id_once_closed"),
    )
    removal: ClassVar[Literal["archive", "delete"] | None] = None
    creatable: ClassVar[bool] = False
    editable: ClassVar[bool] = False

    company_id: Mapped[UUID] = f.ref("finance.company", index=False, read_only=True)
    name: Mapped[str] = f.text(20, read_only=True, example="2026", help="Stands in the number of each entry.")
    starts_on: Mapped[dt.date] = f.date(read_only=True)
    ends_on: Mapped[dt.date] = f.date(read_only=True)
    status: Mapped[YearStatus] = f.state(default=YearStatus.OPEN, index=False)
    closing_entry_id: Mapped[UUID | None] = f.ref(
        "finance.journal_entry",
        default=None,
        index=False,
        read_only=True,
        on_delete="NOTHING",
        help="What carried its result to retained earnings; empty where there was none.",
    )


class AccountingPeriod(Entity):
    """A part of a fiscal year that is closed as one, usually a month."""

    __table_args__ = (
        UniqueConstraint("company_id", "starts_on"),
        Index("ix_finance_accounting_period_ends_on", "company_id", "ends_on"),
        CheckConstraint("ends_on >= starts_on", name="ends_on_after_its_start"),
    )
    removal: ClassVar[Literal["archive", "delete"] | None] = None
    creatable: ClassVar[bool] = False
    editable: ClassVar[bool] = False

    company_id: Mapped[UUID] = f.ref("finance.company", index=False, read_only=True)
    fiscal_year_id: Mapped[UUID] = f.ref("finance.fiscal_year", read_only=True)
    name: Mapped[str] = f.text(20, read_only=True, example="2026-03")
    starts_on: Mapped[dt.date] = f.date(read_only=True)
    ends_on: Mapped[dt.date] = f.date(read_only=True)
    status: Mapped[PeriodStatus] = f.state(default=PeriodStatus.OPEN, index=False)


class LockException(Entity):
    """Somebody's leave to post up to a lock date, for a while and for a reason."""

    __table_args__ = (
        Index("ix_finance_lock_exception_user_id", "user_id", "company_id", postgresql_where=sql("revoked_at IS NULL")),
        CheckConstraint("expires_at > created_at", name="expires_at_in_the_future"),
    )
    removal: ClassVar[Literal["archive", "delete"] | None] = None
    creatable: ClassVar[bool] = False
    editable: ClassVar[bool] = False

    company_id: Mapped[UUID] = f.ref("finance.company", index=False, read_only=True)
    user_id: Mapped[UUID] = f.ref("auth.user", index=False, read_only=True)
    scope: Mapped[LockScope] = f.enum_(LockScope, read_only=True)
    reason: Mapped[str] = f.text(500, read_only=True, free=True)
    expires_at: Mapped[dt.datetime] = f.instant(read_only=True)
    revoked_at: Mapped[dt.datetime | None] = f.instant(default=None, read_only=True)
