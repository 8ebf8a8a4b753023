"""Control accounts: whether the accounts of receivables and payables say what is open on them."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

from nexus.core import Query, Rows, Sight, answers, exact, func, select
from nexus.services.finance.entities import Account
from nexus.services.finance.queries.movements import Span, moved
from nexus.services.finance.queries.open_items import OpenOn, asked_of
from nexus.services.finance.terms import Subledger


class ControlAccounts(Query, frozen=True, kw_only=True):
    """What the accounts of customers or suppliers stood at on a day, and what was open on them: before books are closed the two are the same.

    All amounts are in the base currency, and what is owed is positive. What is between them is on lines that say no party.
    """

    company_id: UUID
    on: dt.date
    subledger: Subledger = Subledger.RECEIVABLES


@answers(ControlAccounts, needs="finance.journal_line:read")
def control_accounts(query: ControlAccounts, sight: Sight) -> Rows:
    asked = OpenOn(company_id=query.company_id, subledger=query.subledger, on=query.on)
    rows = moved(sight, there=Span(company_id=query.company_id, first=None, last=query.on, account_type=asked.account_type)).c
    held = (
        select(rows.account_id, (func.sum(rows.debit - rows.credit) * asked.sign).label("balance"))
        .group_by(rows.account_id)
        .subquery("held")
    )
    items = asked.items(sight).c
    found = select(items.account_id, func.sum(items.base_open).label("open")).group_by(items.account_id).subquery("found")
    balance = func.coalesce(held.c.balance, 0)
    open_ = func.coalesce(found.c.open, 0)
    amounts = {"balance": balance, "open": open_, "difference": balance - open_}
    return (
        select(Account.id.label("account_id"), Account.code, Account.name)
        .add_columns(*[exact(amount).label(name) for name, amount in amounts.items()])
        .outerjoin(held, held.c.account_id == Account.id)
        .outerjoin(found, found.c.account_id == Account.id)
        .where(Account.company_id == query.company_id, Account.account_type == asked.account_type, Account.is_group.is_(False))
        .where(asked_of(query.company_id), sight(Account))
        .order_by(Account.code, Account.id)
    )
