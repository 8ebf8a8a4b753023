"""Movements: what was posted on accounts between two days.

Periods that lie wholly between them come from the balances; of the one or two that do not, the lines on the right side of the day are added up.
What closes a fiscal year happens after all else of its last day: it is in what a day begins with, and in no report of that last day or before.
"""

from __future__ import annotations

import datetime as dt
import enum
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from nexus.core import ColumnElement, Rows, Sight, and_, literal, not_, or_, select, union_all
from nexus.services.finance.entities import Account, AccountBalance, AccountingPeriod, FiscalYear, JournalEntry, JournalLine
from nexus.services.finance.terms import AccountType


class Closings(enum.StrEnum):
    """Which entries that close fiscal years, or take that back, are among the movements."""

    ALL = "all"
    EARLIER = "earlier"
    """Of years that end before the last day."""
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """From when to when, and of what. Without a first day it is everything up to the last."""

    company_id: UUID
    first: dt.date | None
    last: dt.date
    cost_center_id: UUID | None = None
    project_id: UUID | None = None
    account_id: UUID | None = None
    account_type: AccountType | None = None
    closings: Closings = Closings.EARLIER

    def _covers(self) -> ColumnElement[bool]:
        """The period lies in it."""
        covered = AccountingPeriod.ends_on <= self.last
        return covered if self.first is None else and_(covered, AccountingPeriod.starts_on >= self.first)

    def _touches(self) -> ColumnElement[bool]:
        """The period has a day in it."""
        touched = AccountingPeriod.starts_on <= self.last
        return touched if self.first is None else and_(touched, AccountingPeriod.ends_on >= self.first)

    def _of(self, kind: type[AccountBalance] | type[JournalLine]) -> ColumnElement[bool]:
        asked = [
            kind.cost_center_id == self.cost_center_id if self.cost_center_id is not None else None,
            kind.project_id == self.project_id if self.project_id is not None else None,
            kind.account_id == self.account_id if self.account_id is not None else None,
        ]
        return and_(literal(True), *[one for one in asked if one is not None])

    def _type(self) -> ColumnElement[bool]:
        return literal(True) if self.account_type is None else Account.account_type == self.account_type

    def columns(self, sight: Sight, moment: str) -> list[Rows]:
        """Selects of (account_id, moment, debit, credit); `moment` is what the rows are called."""
        label = literal(moment).label("moment")
        whole = (
            select(AccountBalance.account_id, label, AccountBalance.debit, AccountBalance.credit)
            .join(AccountingPeriod, AccountingPeriod.id == AccountBalance.period_id)
            .where(AccountBalance.company_id == self.company_id, self._covers(), self._of(AccountBalance))
            .where(sight(AccountBalance), sight(AccountingPeriod))
        )
        if self.account_type is not None:
            whole = whole.join(Account, Account.id == AccountBalance.account_id).where(self._type(), sight(Account))
        within = JournalLine.date <= self.last if self.first is None else JournalLine.date.between(self.first, self.last)
        edge = (
            select(JournalLine.account_id, label, JournalLine.debit, JournalLine.credit)
            .join(Account, Account.id == JournalLine.account_id)
            .join(
                AccountingPeriod,
                and_(
                    AccountingPeriod.company_id == Account.company_id,
                    JournalLine.date.between(AccountingPeriod.starts_on, AccountingPeriod.ends_on),
                ),
            )
            .where(
                Account.company_id == self.company_id, self._touches(), not_(self._covers()), within, self._of(JournalLine), self._type()
            )
            .where(sight(JournalLine), sight(Account), sight(AccountingPeriod))
        )
        if self.closings is Closings.ALL or self.account_type is not None:  # closings touch accounts of no type that is asked for
            return [whole, edge]
        return [whole, edge, self._closed(sight, label)]

    def _closed(self, sight: Sight, label: ColumnElement[str]) -> Rows:
        """What the closings that are not among the movements have moved, so that it goes off them again."""
        year, closing, line = FiscalYear, JournalEntry, JournalLine
        last = year.ends_on == self.last
        if self.closings is Closings.NONE:
            last = year.ends_on <= self.last if self.first is None else year.ends_on.between(self.first, self.last)
        return (
            select(line.account_id, label, -line.debit, -line.credit)
            .join(closing, or_(line.entry_id == closing.id, line.entry_id == closing.reversed_by_id))
            .join(year, and_(closing.source_id == year.id, closing.source_entity == year.entity_name()))
            .where(year.company_id == self.company_id, last, closing.number.is_not(None), self._of(line))
            .where(sight(line), sight(closing), sight(year))
        )


def moved(sight: Sight, **spans: Span) -> Any:
    """Rows of (account_id, moment, debit, credit): several spans, each called by its name."""
    return union_all(*[one for name, span in spans.items() for one in span.columns(sight, name)]).subquery("moved")


__all__ = ["Closings", "Span", "moved"]
