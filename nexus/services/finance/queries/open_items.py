"""Open items: what of receivables or payables was open at the end of a day.

It is made from what is open now and what has been settled or opened again since: what was settled before that day is not read.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Boolean, Date, Uuid, type_coerce

from nexus.core import ColumnElement, Rows, Sight, aliased, and_, cast, func, literal, or_, select, sql, union_all
from nexus.services.finance.entities import Account, Allocation, JournalEntry, JournalLine
from nexus.services.finance.rules.refusals import UnknownCompany, UnknownParty
from nexus.services.finance.terms import AccountType, AgedBy, Subledger

ACCOUNTS = {Subledger.RECEIVABLES: AccountType.RECEIVABLE, Subledger.PAYABLES: AccountType.PAYABLE}
_NOTHING = sql("0")
"""Written out, so that the index of what is open serves."""
_SHOWN = ("id", "entry_id", "account_id", "date", "due_date", "party_type", "party_id", "currency")


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenOn:
    """Which items: those of a company's receivables or payables that were open at the end of a day, of everybody or one party."""

    company_id: UUID
    subledger: Subledger
    on: dt.date
    by: AgedBy = AgedBy.DUE_DATE
    party_id: UUID | None = None

    @property
    def account_type(self) -> AccountType:
        return ACCOUNTS[self.subledger]

    @property
    def sign(self) -> int:
        """What is owed is positive: debits of receivables, credits of payables."""
        return 1 if self.subledger is Subledger.RECEIVABLES else -1

    def items(self, sight: Sight) -> Any:
        """Rows of a line's columns with `open` and `base_open` (what is owed is positive) and `aged_from`, the day from which it grows old."""
        later, line = self._later(sight).cte("later"), JournalLine
        more, base_more = func.coalesce(later.c.part, _NOTHING), func.coalesce(later.c.base_part, _NOTHING)
        still = (
            self._lines(line.residual + more, line.residual_base + base_more, sight)
            .outerjoin(later, later.c.line_id == line.id)
            .where(or_(line.residual != _NOTHING, line.residual_base != _NOTHING))
        )
        settled_since = (
            self._lines(later.c.part, later.c.base_part, sight)
            .join(later, later.c.line_id == line.id)
            .where(line.residual == _NOTHING, line.residual_base == _NOTHING)
        )
        c = union_all(still, settled_since).subquery("open_lines").c
        aged_from = func.coalesce(c.due_date, c.date) if self.by is AgedBy.DUE_DATE else c.date
        return (
            select(*[c[name] for name in _SHOWN])
            .add_columns(*[(c[name] * self.sign).label(name) for name in ("amount", "open", "base_open")])
            .add_columns(type_coerce(aged_from, Date()).label("aged_from"))
            .where(or_(c.open != _NOTHING, c.base_open != _NOTHING))
            .subquery("items")
        )

    def _lines(self, open_: ColumnElement[Any], base_open: ColumnElement[Any], sight: Sight) -> Any:
        line = JournalLine
        party = literal(True) if self.party_id is None else line.party_id == self.party_id
        return (
            select(*[getattr(line, name) for name in (*_SHOWN, "amount")], open_.label("open"), base_open.label("base_open"))
            .join(Account, Account.id == line.account_id)
            .where(Account.company_id == self.company_id, Account.account_type == self.account_type, line.date <= self.on, party)
            .where(sight(line), sight(Account))
        )

    def _later(self, sight: Sight) -> Rows:
        """By how much each line was more open at the end of that day than it is now, in its currency and in that of the books: what settles it now
        and did not yet, less what did and no longer does."""
        one = Allocation
        own = and_(one.company_id == self.company_id, sight(one))
        not_yet = and_(own, one.effective_from > self.on, one.effective_until.is_(None))
        still = and_(own, one.effective_until > self.on, one.effective_from <= self.on)
        parts = union_all(
            select(one.debit_line_id.label("line_id"), one.amount.label("part"), one.debit_base.label("base_part")).where(not_yet),
            select(one.credit_line_id, -one.amount, -one.credit_base).where(not_yet),
            select(one.debit_line_id, -one.amount, -one.debit_base).where(still),
            select(one.credit_line_id, one.amount, one.credit_base).where(still),
            self._differences(still, sight),
            self._reversed_since(sight),
        ).subquery("parts")
        c = parts.c
        return select(c.line_id, func.sum(c.part).label("part"), func.sum(c.base_part).label("base_part")).group_by(c.line_id)

    def _differences(self, still: ColumnElement[bool], sight: Sight) -> Rows:
        """The lines of exchange differences, which are settled with what they are between."""
        line = JournalLine
        differs = select(line.id, line.amount, line.credit - line.debit).join(Allocation, Allocation.fx_entry_id == line.entry_id)
        return differs.where(still, line.residual.is_not(None), sight(line))

    def _reversed_since(self, sight: Sight) -> Rows:
        """The lines of entries that another settles whole, one of the two after that day."""
        line, after = JournalLine, aliased(JournalEntry)
        pair = or_(after.reversal_of_id.is_not(None), after.reversed_by_id.is_not(None))
        return (
            select(line.id, line.amount, line.debit - line.credit)
            .join(after, line.entry_id == func.coalesce(after.reversal_of_id, after.reversed_by_id))
            .where(after.company_id == self.company_id, pair, after.number.is_not(None), after.date > self.on)
            .where(line.residual.is_not(None), line.date <= self.on, sight(line), sight(after))
        )


def days_before(day: dt.date, days: int) -> dt.date:
    """So many days before a day, or the first day there is."""
    return dt.date.fromordinal(max(1, day.toordinal() - days))


def asked_of(company_id: UUID, party_id: UUID | None = None) -> ColumnElement[bool]:
    """True where the company is there and the party in its books; otherwise the database refuses, UnknownCompany or UnknownParty (422)."""
    names = UnknownCompany.__name__, UnknownParty.__name__
    return type_coerce(func.tenant.finance_known(cast(company_id, Uuid()), cast(party_id, Uuid()), *names), Boolean())
