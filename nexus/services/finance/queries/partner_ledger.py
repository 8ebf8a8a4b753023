"""The partner ledger: what was posted of one customer or supplier, page by page, with what they owed after each line and what settles it."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any
from uuid import UUID

from msgspec import Meta
from sqlalchemy import JSON, Date

from nexus.core import (
    ColumnElement,
    Query,
    Rows,
    Sight,
    aliased,
    among,
    and_,
    answers,
    exact,
    func,
    literal,
    null,
    or_,
    select,
    sql,
    union_all,
)
from nexus.services.finance.entities import Account, Allocation, JournalEntry, JournalLine
from nexus.services.finance.queries.open_items import ACCOUNTS, asked_of
from nexus.services.finance.queries.trial_balance import in_order
from nexus.services.finance.terms import Subledger


class PartnerLedger(Query, frozen=True, kw_only=True):
    """What was posted of a customer or supplier in a time, and what they owed after each line: debits less credits, in the base currency.

    The first row of the first page has no line: it is what they owed before. `settled_by` says which lines settle this one and how much of it, as
    it stood on the last day; `reversal` is the entry that takes this one back, or that it takes back. The next page begins after the last line of
    this one: give its `line_id` as `after_id`.
    """

    company_id: UUID
    party_id: UUID
    since: dt.date
    until: dt.date
    subledger: Subledger | None = None
    """Empty: receivables and payables together."""
    after_id: UUID | None = None
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100


@answers(PartnerLedger, needs="finance.journal_line:read")
def partner_ledger(query: PartnerLedger, sight: Sight) -> Rows:
    in_order(query.since, query.until)
    c: Any = _page(query, sight).subquery("page").c
    running = func.sum(c.debit - c.credit).over(order_by=[c.date, c.id]) + _before(query, sight)
    shown = ("date", "entry_id", "number", "source_entity", "source_id", "account", "due_date", "memo", "currency")
    amounts = ("amount", "debit", "credit")
    columns: list[Any] = [sql("1").label("place"), c.id.label("line_id"), *[c[name] for name in shown]]
    found: Any = (
        select(*columns)
        .add_columns(*[exact(c[name]).label(name) for name in amounts], exact(running).label("balance"), c.reversal)
        .add_columns(_settled_by(query, c.id, sight).label("settled_by"))
    )
    if query.after_id is None:
        nothing: list[Any] = [null() for _ in (*shown[1:], *amounts)]
        opening: Any = select(sql("0"), null(), literal(query.since, Date()), *nothing, exact(_before(query, sight)), null(), null())
        found = union_all(found, opening)
    row: Any = found.subquery("found").c
    told: list[Any] = [column for column in row if column.name != "place"]
    return select(*told).where(asked_of(query.company_id, query.party_id)).order_by(row.place, row.date, row.line_id)


def _page(query: PartnerLedger, sight: Sight) -> Any:
    line, entry, other = JournalLine, JournalEntry, aliased(JournalEntry)
    page = (
        select(line.id, line.date, line.entry_id, entry.number, entry.source_entity, entry.source_id, Account.code.label("account"))
        .add_columns(line.due_date, func.coalesce(line.memo, entry.memo).label("memo"), line.currency, line.amount, line.debit, line.credit)
        .add_columns(other.number.label("reversal"))
        .join(Account, Account.id == line.account_id)
        .join(entry, entry.id == line.entry_id)
        .outerjoin(other, and_(other.id == func.coalesce(entry.reversed_by_id, entry.reversal_of_id), sight(other)))
        .where(*_mine(query, sight), line.date.between(query.since, query.until), sight(entry))
    )
    if query.after_id is not None:
        day = _day(query, sight)
        page = page.where(or_(line.date > day, and_(line.date == day, line.id > query.after_id)))
    return page.order_by(line.date, line.id).limit(query.limit)


def _mine(query: PartnerLedger, sight: Sight) -> list[ColumnElement[bool]]:
    kinds = list(ACCOUNTS.values()) if query.subledger is None else [ACCOUNTS[query.subledger]]
    own = JournalLine.party_id == query.party_id
    return [own, Account.company_id == query.company_id, among(Account.account_type, kinds), sight(JournalLine), sight(Account)]


def _day(query: PartnerLedger, sight: Sight) -> Any:
    """The day on which the page before ended."""
    line = aliased(JournalLine)
    return select(line.date).where(line.id == query.after_id, line.party_id == query.party_id, sight(line)).scalar_subquery()


def _before(query: PartnerLedger, sight: Sight) -> ColumnElement[Any]:
    """What they owed before the page."""
    line = JournalLine
    earlier: ColumnElement[bool] = line.date < query.since
    if query.after_id is not None:
        day = _day(query, sight)
        earlier = or_(line.date < day, and_(line.date == day, line.id <= query.after_id))
    sums = select(func.sum(line.debit - line.credit)).join(Account, Account.id == line.account_id).where(*_mine(query, sight), earlier)
    return func.coalesce(sums.scalar_subquery(), 0)


def _settled_by(query: PartnerLedger, line_id: ColumnElement[Any], sight: Sight) -> Any:
    """The other sides of a line's allocations that count on the last day, as a list of the number of each entry, its line and the amount."""
    one, line, entry = Allocation, aliased(JournalLine), aliased(JournalEntry)
    other = func.coalesce(func.nullif(one.debit_line_id, line_id), one.credit_line_id)
    says = func.json_build_object("number", entry.number, "line_id", line.id, "amount", exact(one.amount), "since", one.effective_from)
    return (
        select(func.coalesce(func.json_agg(says, type_=JSON()), sql("'[]'::json")))
        .select_from(one)
        .join(line, line.id == other)
        .join(entry, entry.id == line.entry_id)
        .where(or_(one.debit_line_id == line_id, one.credit_line_id == line_id))
        .where(one.effective_from <= query.until, or_(one.effective_until.is_(None), one.effective_until > query.until))
        .where(sight(one), sight(line), sight(entry))
        .scalar_subquery()
    )
