"""Ageing: what customers owe, or is owed to suppliers, by how long it is due; and the items that it is made of."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Annotated, Any
from uuid import UUID

from msgspec import Meta
from sqlalchemy import Numeric, type_coerce

from nexus.core import ColumnElement, Query, Rows, Sight, and_, answers, case, cast, exact, func, literal, null, or_, select, union_all
from nexus.services.finance.entities import Company, JournalEntry
from nexus.services.finance.queries.movements import Span, moved
from nexus.services.finance.queries.open_items import OpenOn, asked_of, days_before
from nexus.services.finance.terms import AgedBy, Subledger

_BUCKETS = {"not_due": None, "days_1_30": 0, "days_31_60": 30, "days_61_90": 60, "over_90": 90}
"""More than so many days old, and no more than the next says."""


class Ageing(Query, frozen=True, kw_only=True):
    """What every customer owed, or every supplier was owed, at the end of a day, by how many days it was overdue: a row for each party and currency.

    The first six amounts are in that currency, those that begin with `base` in the currency of the books. Advances and notes that are not
    allocated are negative. What the base amounts add up to is the balance of the accounts: where these have lines without a party, a last row says
    how much.
    """

    company_id: UUID
    on: dt.date
    subledger: Subledger = Subledger.RECEIVABLES
    by: AgedBy = AgedBy.DUE_DATE
    """`posting_date` counts the days since the entry."""
    party_id: UUID | None = None


@answers(Ageing, needs="finance.journal_line:read")
def ageing(query: Ageing, sight: Sight) -> Rows:
    asked = _asked(query)
    item = asked.items(sight)
    c = item.c
    sums = [one.label(name) for name, one in _aged(query, c.open, c.aged_from)]
    sums += [one.label(f"base_{name}") for name, one in _aged(query, c.base_open, c.aged_from)]
    parties = select(c.party_type, c.party_id, c.currency, *sums).group_by(c.party_type, c.party_id, c.currency).cte("parties")
    rows: Any = select(parties)
    if query.party_id is None:
        rows = union_all(rows, _beside(asked, parties, sight))
    rows = rows.subquery("rows")
    amounts = [exact(column).label(column.name) for column in list(rows.c)[3:]]
    return (
        select(rows.c.party_type, rows.c.party_id, rows.c.currency, *amounts)
        .where(asked_of(query.company_id, query.party_id))
        .order_by(rows.c.party_id.asc().nulls_last(), rows.c.party_type, rows.c.currency)
    )


def _asked(query: Ageing | OpenItems) -> OpenOn:
    return OpenOn(company_id=query.company_id, subledger=query.subledger, on=query.on, by=query.by, party_id=query.party_id)


def _aged(query: Ageing, amount: ColumnElement[Any], day: ColumnElement[Any]) -> Iterator[tuple[str, ColumnElement[Any]]]:
    """The sum of an amount, and what of it stands in the column of each age."""
    whole = func.sum(amount)
    yield "open", whole
    age = list(_BUCKETS.items())
    for at, (name, more_than) in enumerate(age):
        until = age[at + 1][1] if at + 1 < len(age) else None
        within = [day < days_before(query.on, more_than)] if more_than is not None else []
        within += [day >= days_before(query.on, until)] if until is not None else []
        yield name, func.coalesce(whole.filter(*within), whole * 0)


def _beside(asked: OpenOn, parties: Any, sight: Sight) -> Any:
    """What the accounts hold in the base currency beside what is open of parties."""
    rows = moved(sight, there=Span(company_id=asked.company_id, first=None, last=asked.on, account_type=asked.account_type))
    held = select(func.coalesce(func.sum(rows.c.debit - rows.c.credit) * asked.sign, 0).label("held")).select_from(rows).subquery("held")
    found = select(func.coalesce(func.sum(parties.c.base_open), 0).label("found")).select_from(parties).subquery("found")
    more = type_coerce(held.c.held - found.c.found, Numeric())
    none = more * 0
    return (
        select(cast(null(), parties.c.party_type.type), cast(null(), parties.c.party_id.type), Company.base_currency)
        .add_columns(*[none for _ in range(6)], more, *[none for _ in range(5)])
        .select_from(held)
        .join(found, literal(True))
        .join(Company, Company.id == asked.company_id)
        .where(more != 0, sight(Company))
    )


class OpenItems(Query, frozen=True, kw_only=True):
    """The invoices, notes and payments of which something was open at the end of a day, those first that are due the longest.

    What is owed is positive. The next page begins after the last item of this one: give its `line_id` as `after_id`.
    """

    company_id: UUID
    on: dt.date
    subledger: Subledger = Subledger.RECEIVABLES
    by: AgedBy = AgedBy.DUE_DATE
    party_id: UUID | None = None
    after_id: UUID | None = None
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100


@answers(OpenItems, needs="finance.journal_line:read")
def open_items(query: OpenItems, sight: Sight) -> Rows:
    item, entry = _asked(query).items(sight), JournalEntry
    c = item.c
    bucket = case(*[(c.aged_from >= days_before(query.on, until), literal(name)) for name, until in _ends()], else_=literal("over_90"))
    rows = (
        select(
            c.id.label("line_id"), c.entry_id, entry.number, entry.source_entity, entry.source_id, c.account_id, c.party_type, c.party_id
        )
        .add_columns(c.date, c.due_date, bucket.label("bucket"), c.currency)
        .add_columns(*[exact(c[name]).label(name) for name in ("amount", "open", "base_open")])
        .join(entry, entry.id == c.entry_id)
        .where(sight(entry), asked_of(query.company_id, query.party_id))
    )
    if query.after_id is not None:
        before = select(c.aged_from).where(c.id == query.after_id).scalar_subquery()
        rows = rows.where(or_(c.aged_from > before, and_(c.aged_from == before, c.id > query.after_id)))
    return rows.order_by(c.aged_from, c.id).limit(query.limit)


def _ends() -> Iterator[tuple[str, int]]:
    """Each column of ages and the most days that are in it; the last has no most."""
    names = list(_BUCKETS)
    for at, name in enumerate(names[:-1]):
        most = _BUCKETS[names[at + 1]]
        assert most is not None
        yield name, most
