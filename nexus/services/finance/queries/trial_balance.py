"""The trial balance: what every account began with, what moved it and where it stands."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from uuid import UUID

from nexus.core import FieldError, Invalid, Query, Rows, Sight, answers, case, exact, func, or_, select
from nexus.services.finance.entities import Account
from nexus.services.finance.queries.movements import Closings, Span, moved
from nexus.services.finance.queries.open_items import days_before


class TrialBalance(Query, frozen=True, kw_only=True):
    """What every account of a company began a time with, what moved it, and where it stood at the end, in the base currency.

    `opening` and `closing` are debits less credits, so credits are negative; each column adds up to nothing, debit and credit to the same.
    Accounts on which nothing ever was are left out. What closes a fiscal year is in the opening of the day after.
    """

    company_id: UUID
    since: dt.date
    until: dt.date
    cost_center_id: UUID | None = None
    project_id: UUID | None = None


@answers(TrialBalance, needs="finance.account_balance:read")
def trial_balance(query: TrialBalance, sight: Sight) -> Rows:
    in_order(query.since, query.until)
    asked = Span(
        company_id=query.company_id,
        first=query.since,
        last=query.until,
        cost_center_id=query.cost_center_id,
        project_id=query.project_id,
    )
    before = replace(asked, first=None, last=days_before(query.since, 1), closings=Closings.ALL)
    rows = moved(sight, before=before, during=asked)
    during, none = rows.c.moment == "during", rows.c.debit * 0
    signed = rows.c.debit - rows.c.credit
    debit = func.sum(case((during, rows.c.debit), else_=none))
    credit = func.sum(case((during, rows.c.credit), else_=none))
    opening, closing = func.sum(case((during, none), else_=signed)), func.sum(signed)
    return (
        select(
            Account.id.label("account_id"),
            Account.code,
            Account.name,
            Account.root_type,
            exact(opening).label("opening"),
            exact(debit).label("debit"),
            exact(credit).label("credit"),
            exact(closing).label("closing"),
        )
        .join(rows, rows.c.account_id == Account.id)
        .where(sight(Account))
        .group_by(Account.id)
        .having(or_(opening != 0, debit != 0, credit != 0))
        .order_by(Account.code, Account.id)
    )


def in_order(since: dt.date, until: dt.date) -> None:
    """Refuse (422) a time that ends before it begins."""
    if until < since:
        raise Invalid.of(FieldError("until", "is before since"))
