"""The financial statements: profit and loss of a time, and the balance sheet at the end of a day."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID

from nexus.core import ColumnElement, Query, Rows, Sight, among, answers, case, cast, exact, func, literal, null, select, union_all
from nexus.core.entity import table_of
from nexus.services.finance.entities import Account
from nexus.services.finance.queries.movements import Closings, Span, moved
from nexus.services.finance.queries.trial_balance import in_order
from nexus.services.finance.terms import RootType

_RESULT = (RootType.INCOME, RootType.EXPENSE)
_POSITION = (RootType.ASSET, RootType.LIABILITY, RootType.EQUITY)


class ProfitAndLoss(Query, frozen=True, kw_only=True):
    """What a company earned and spent in a time, account by account, and what is left of it.

    Income and expenses are both positive where they are what their name says. The last row, `result`, is income less expenses. That a fiscal year
    has been closed changes nothing of it.
    """

    company_id: UUID
    since: dt.date
    until: dt.date
    cost_center_id: UUID | None = None
    project_id: UUID | None = None


@answers(ProfitAndLoss, needs="finance.account_balance:read")
def profit_and_loss(query: ProfitAndLoss, sight: Sight) -> Rows:
    in_order(query.since, query.until)
    span = Span(
        company_id=query.company_id,
        first=query.since,
        last=query.until,
        cost_center_id=query.cost_center_id,
        project_id=query.project_id,
        closings=Closings.NONE,
    )
    return _statement(span, _RESULT, sight)


class BalanceSheet(Query, frozen=True, kw_only=True):
    """What a company has and owes at the end of a day, account by account.

    Assets, liabilities and equity are positive where they are what their name says. The last row, `result`, is what was earned and is not yet
    carried to retained earnings: with it, assets are liabilities and equity. A closed year is carried from the day after its end.
    """

    company_id: UUID
    on: dt.date


@answers(BalanceSheet, needs="finance.account_balance:read")
def balance_sheet(query: BalanceSheet, sight: Sight) -> Rows:
    return _statement(Span(company_id=query.company_id, first=None, last=query.on), _POSITION, sight)


def _statement(span: Span, shown: tuple[RootType, ...], sight: Sight) -> Rows:
    """A row for each account of some kinds, and one for the result of income and expenses."""
    rows = moved(sight, there=span)
    signed = rows.c.debit - rows.c.credit
    amount = func.sum(case((among(Account.root_type, [RootType.ASSET, RootType.EXPENSE]), signed), else_=-signed))
    accounts = (
        select(
            _order(shown).label("place"), Account.root_type.label("section"), Account.id, Account.code, Account.name, amount.label("amount")
        )
        .join(rows, rows.c.account_id == Account.id)
        .where(sight(Account), among(Account.root_type, list(shown)))
        .group_by(Account.id)
        .having(func.sum(signed) != 0)
    )
    table = table_of(Account)
    result = (
        select(
            literal(len(shown)),
            literal("result"),
            cast(null(), table.c.id.type),
            cast(null(), table.c.code.type),
            literal("Result"),
            func.coalesce(-func.sum(signed), 0),
        )
        .select_from(rows)
        .join(Account, Account.id == rows.c.account_id)
        .where(sight(Account), among(Account.root_type, list(_RESULT)))
    )
    both = union_all(accounts, result).subquery("statement")
    c = both.c
    columns = (c.section, c.id.label("account_id"), c.code, c.name, exact(c.amount).label("amount"))
    return select(*columns).order_by(c.place, c.code)


def _order(shown: tuple[RootType, ...]) -> ColumnElement[Any]:
    return case(*[(Account.root_type == one, at) for at, one in enumerate(shown)])
