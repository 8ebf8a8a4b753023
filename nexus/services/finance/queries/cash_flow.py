"""The statement of cash flows, by the indirect method: from the result of a time to what became of its money."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID

from nexus.core import (
    ColumnElement,
    Query,
    Rows,
    Sight,
    among,
    and_,
    answers,
    case,
    cast,
    exact,
    func,
    literal,
    not_,
    null,
    or_,
    select,
    union_all,
)
from nexus.core.entity import table_of
from nexus.services.finance.entities import Account
from nexus.services.finance.queries.movements import Closings, Span, moved
from nexus.services.finance.queries.trial_balance import in_order
from nexus.services.finance.terms import AccountType, CashFlowSection, RootType

_CASH = among(Account.account_type, [AccountType.BANK, AccountType.CASH])
_RESULT = among(Account.root_type, [RootType.INCOME, RootType.EXPENSE])
_LOAN = and_(Account.root_type == RootType.LIABILITY, Account.account_type == AccountType.OTHER)


class CashFlow(Query, frozen=True, kw_only=True):
    """What a company's money came from and went to in a time, account by account; what came in is positive.

    `operating` begins with the result, adds depreciation back, and goes on with what customers, suppliers, tax and stock hold of it; `investing` is
    about fixed assets, `financing` about equity and loans. An account says itself where it belongs (`cash_flow`), or its type does: liabilities
    of no type are loans. The last row, `cash`, is what bank and cash accounts have gained: the sum of all rows before it.
    """

    company_id: UUID
    since: dt.date
    until: dt.date


@answers(CashFlow, needs="finance.account_balance:read")
def cash_flow(query: CashFlow, sight: Sight) -> Rows:
    in_order(query.since, query.until)
    span = Span(company_id=query.company_id, first=query.since, last=query.until, closings=Closings.NONE)
    rows = moved(sight, during=span)
    gained = func.sum(rows.c.credit - rows.c.debit)
    own = Account.account_type == AccountType.ACCUMULATED_DEPRECIATION
    written_off = or_(own, Account.account_type == AccountType.DEPRECIATION)  # charged and accumulated at once, they come to nothing
    parts = [
        _total(rows, sight, 0, "operating", "Result", _RESULT, gained),
        _accounts(rows, sight, literal(1), literal("operating"), Account.account_type == AccountType.DEPRECIATION, -gained),
        _accounts(rows, sight, literal(2), _section(), not_(or_(_CASH, _RESULT, own)), gained),
        _total(rows, sight, 3, "investing", "Fixed assets written off", written_off, gained, always=False),
        _total(rows, sight, 4, "cash", "Change in cash", _CASH, -gained),
    ]
    c = union_all(*parts).subquery("flow").c
    columns = (c.section, c.id.label("account_id"), c.code, c.name, exact(c.amount).label("amount"))
    sections = case(*[(c.section == one.value, at) for at, one in enumerate(CashFlowSection)], else_=len(CashFlowSection))
    return select(*columns).order_by(sections, c.place, c.code)


def _section() -> ColumnElement[str]:
    by_type = case(
        (Account.account_type == AccountType.FIXED_ASSET, CashFlowSection.INVESTING.value),
        (or_(_LOAN, Account.root_type == RootType.EQUITY), CashFlowSection.FINANCING.value),
        else_=CashFlowSection.OPERATING.value,
    )
    return func.coalesce(Account.cash_flow, by_type)


def _accounts(
    rows: Any, sight: Sight, place: ColumnElement[int], section: ColumnElement[str], which: ColumnElement[bool], amount: ColumnElement[Any]
) -> Rows:
    """A row for each account of some kind on which something was moved."""
    return (
        select(place.label("place"), section.label("section"), Account.id, Account.code, Account.name, amount.label("amount"))
        .join(rows, rows.c.account_id == Account.id)
        .where(sight(Account), which)
        .group_by(Account.id)
        .having(amount != 0)
    )


def _total(
    rows: Any,
    sight: Sight,
    place: int,
    section: str,
    name: str,
    which: ColumnElement[bool],
    amount: ColumnElement[Any],
    *,
    always: bool = True,
) -> Rows:
    """One row for all accounts of some kind, or none where it would be nothing and need not be there."""
    table = table_of(Account)
    none = (cast(null(), table.c.id.type).label("id"), cast(null(), table.c.code.type).label("code"))
    return (
        select(literal(place).label("place"), literal(section).label("section"), *none, literal(name).label("name"))
        .add_columns(func.coalesce(amount, 0).label("amount"))
        .select_from(rows)
        .join(Account, Account.id == rows.c.account_id)
        .where(sight(Account), which)
        .having(or_(literal(always), amount != 0))
    )
