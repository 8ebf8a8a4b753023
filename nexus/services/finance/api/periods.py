"""Fiscal years, periods and locks: commands and events."""

from __future__ import annotations

import datetime as dt
from typing import Annotated
from uuid import UUID

from msgspec import Meta

from nexus.core import Command, Event, Instant
from nexus.services.finance.terms import LockScope

Reason = Annotated[str, Meta(min_length=1, max_length=500, pattern=r"\S")]


class FiscalYearCreated(Event, frozen=True, kw_only=True):
    """A fiscal year has been opened, with its periods."""

    topic = "finance.fiscal_year.created"
    fiscal_year_id: UUID
    company_id: UUID
    name: str
    starts_on: dt.date
    ends_on: dt.date


class PeriodClosed(Event, frozen=True, kw_only=True):
    """Nothing is posted in a period any more."""

    topic = "finance.accounting_period.closed"
    accounting_period_id: UUID
    company_id: UUID
    starts_on: dt.date
    ends_on: dt.date


class PeriodReopened(Event, frozen=True, kw_only=True):
    """A period that was closed takes entries again."""

    topic = "finance.accounting_period.reopened"
    accounting_period_id: UUID
    company_id: UUID
    reason: str


class CompanyLocked(Event, frozen=True, kw_only=True):
    """A company's books have been locked up to a day, or unlocked where it is empty or earlier than before."""

    topic = "finance.company.locked"
    company_id: UUID
    scope: LockScope
    until: dt.date | None = None


class LockExceptionGranted(Event, frozen=True, kw_only=True):
    """Somebody may post up to a lock date for a while."""

    topic = "finance.lock_exception.granted"
    lock_exception_id: UUID
    company_id: UUID
    user_id: UUID
    scope: LockScope
    reason: str
    expires_at: dt.datetime


class LockExceptionRevoked(Event, frozen=True, kw_only=True):
    """Somebody's leave to post up to a lock date is over before its time."""

    topic = "finance.lock_exception.revoked"
    lock_exception_id: UUID
    company_id: UUID
    user_id: UUID


class CreateFiscalYear(Command[FiscalYearCreated], frozen=True, kw_only=True):
    """Open a fiscal year with a period for each month: the one after the last unless a start is given."""

    company_id: UUID
    starts_on: dt.date | None = None
    ends_on: dt.date | None = None
    """The last day; a year later unless given. A first or changed year may have up to 18 months."""


class ClosePeriod(Command[PeriodClosed], frozen=True, kw_only=True):
    """Close a period: nothing is posted in it until it is reopened."""

    accounting_period_id: UUID


class ReopenPeriod(Command[PeriodReopened], frozen=True, kw_only=True):
    """Let a closed period take entries again, for a reason."""

    accounting_period_id: UUID
    reason: Reason


class LockPeriod(Command[CompanyLocked], frozen=True, kw_only=True):
    """Lock a company's books up to a day: all entries, or those of one kind. An empty or earlier day unlocks."""

    company_id: UUID
    scope: LockScope = LockScope.ALL
    until: dt.date | None


class GrantLockException(Command[LockExceptionGranted], frozen=True, kw_only=True):
    """Let somebody post up to a lock date, for a while and for a reason. Closed periods stay closed."""

    company_id: UUID
    user_id: UUID
    scope: LockScope = LockScope.ALL
    reason: Reason
    expires_at: Instant
    """At most 31 days ahead."""


class RevokeLockException(Command[LockExceptionRevoked], frozen=True, kw_only=True):
    """End somebody's leave to post up to a lock date."""

    lock_exception_id: UUID
