"""The general ledger: the lines of an account, page by page, with what it stood at after each."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any
from uuid import UUID

from msgspec import Meta
from sqlalchemy import Date

from nexus.core import ColumnElement, Query, Rows, Sight, aliased, and_, answers, exact, func, literal, or_, select
from nexus.services.finance.entities import Account, AccountBalance, AccountingPeriod, JournalEntry, JournalLine
from nexus.services.finance.queries.trial_balance import in_order

Limit = Annotated[int, Meta(ge=1, le=1000)]


class GeneralLedger(Query, frozen=True, kw_only=True):
    """The lines of an account in a time in the order of their days, with its balance after each: debits less credits.

    The next page begins after the last line of this one: give its `line_id` as `after_id`.
    """

    account_id: UUID
    since: dt.date
    until: dt.date
    after_id: UUID | None = None
    limit: Limit = 100


@answers(GeneralLedger, needs="finance.journal_line:read")
def general_ledger(query: GeneralLedger, sight: Sight) -> Rows:
    in_order(query.since, query.until)
    entry, line = JournalEntry, JournalLine
    page = (
        select(line.id, line.date, line.entry_id, line.position, line.debit, line.credit, line.currency, line.amount)
        .add_columns(line.party_type, line.party_id, line.due_date, line.memo)
        .where(line.account_id == query.account_id, line.date.between(query.since, query.until), sight(line))
    )
    if query.after_id is not None:
        day = _day(query, sight)
        page = page.where(or_(line.date > day, and_(line.date == day, line.id > query.after_id)))
    rows = page.order_by(line.date, line.id).limit(query.limit).subquery("page")
    running = func.sum(rows.c.debit - rows.c.credit).over(order_by=[rows.c.date, rows.c.id])
    shown = [rows.c[name] for name in ("date", "entry_id", "position", "party_type", "party_id", "due_date", "currency")]
    amounts = [exact(rows.c[name]).label(name) for name in ("debit", "credit", "amount")]
    return (
        select(
            rows.c.id.label("line_id"),
            entry.number,
            *shown,
            func.coalesce(rows.c.memo, entry.memo).label("memo"),
            *amounts,
            exact(running + _before(query, sight)).label("balance"),
        )
        .join(entry, entry.id == rows.c.entry_id)
        .where(sight(entry))
        .order_by(rows.c.date, rows.c.id)
    )


def _day(query: GeneralLedger, sight: Sight) -> Any:
    """The day on which the page before ended, or the first one."""
    if query.after_id is None:
        return literal(query.since, Date())
    line = aliased(JournalLine)
    return select(line.date).where(line.id == query.after_id, line.account_id == query.account_id, sight(line)).scalar_subquery()


def _before(query: GeneralLedger, sight: Sight) -> ColumnElement[Any]:
    """What the account stood at before the page: its whole periods before that day, and the lines of that day's period before it."""
    day = _day(query, sight)
    period, balance, line = AccountingPeriod, AccountBalance, JournalLine
    whole = (
        select(func.sum(balance.debit - balance.credit))
        .join(period, period.id == balance.period_id)
        .where(balance.account_id == query.account_id, period.ends_on < day, sight(balance), sight(period))
    )
    company = select(Account.company_id).where(Account.id == query.account_id, sight(Account)).scalar_subquery()
    start = select(func.max(period.starts_on)).where(period.company_id == company, period.starts_on <= day, sight(period)).scalar_subquery()
    earlier = line.date < day
    if query.after_id is not None:
        earlier = or_(earlier, and_(line.date == day, line.id <= query.after_id))
    part = select(func.sum(line.debit - line.credit)).where(line.account_id == query.account_id, line.date >= start, earlier, sight(line))
    return func.coalesce(whole.scalar_subquery(), 0) + func.coalesce(part.scalar_subquery(), 0)
