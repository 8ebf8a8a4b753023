"""The register of assets: what they have cost, what they have lost, and whether the ledger says the same."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID

from nexus.core import Query, Rows, Sight, among, and_, answers, case, exact, func, or_, select, union_all
from nexus.services.finance.asset_terms import AssetMovementKind
from nexus.services.finance.entities import Account, Asset, AssetMovement, FiscalYear
from nexus.services.finance.queries.movements import Span, moved
from nexus.services.finance.queries.open_items import asked_of
from nexus.services.finance.terms import AccountType

_TYPES = (AccountType.FIXED_ASSET, AccountType.ACCUMULATED_DEPRECIATION)


class AssetRegister(Query, frozen=True, kw_only=True):
    """What every asset had cost and lost at the end of a day, and what of that is of the fiscal year of that day: additions, disposals, depreciation.

    What is booked of an asset is among the asset movements, each with its entry.
    """

    company_id: UUID
    on: dt.date


@answers(AssetRegister, needs="finance.asset:read")
def asset_register(query: AssetRegister, sight: Sight) -> Rows:
    one, move, year = Asset, AssetMovement, FiscalYear
    begins = (
        select(func.max(year.starts_on))
        .where(year.company_id == query.company_id, year.starts_on <= query.on, sight(year))
        .scalar_subquery()
    )

    def of_year(kind: AssetMovementKind, value: Any) -> Any:
        return func.sum(case((and_(move.kind == kind, move.date >= begins), value), else_=value * 0))

    cost, accumulated = func.sum(move.cost), func.sum(move.depreciation)
    amounts = {
        "cost": cost,
        "accumulated": accumulated,
        "carrying": cost - accumulated,
        "additions": of_year(AssetMovementKind.ACQUISITION, move.cost),
        "disposals": of_year(AssetMovementKind.DISPOSAL, -move.cost),
        "depreciation": of_year(AssetMovementKind.DEPRECIATION, move.depreciation),
    }
    return (
        select(one.id.label("asset_id"), one.name, Account.code, one.status, one.acquired_on, one.starts_on, one.disposed_on)
        .add_columns(*[exact(value).label(name) for name, value in amounts.items()])
        .join(move, and_(move.asset_id == one.id, move.date <= query.on))
        .join(Account, Account.id == one.account_id)
        .where(one.company_id == query.company_id, asked_of(query.company_id), sight(one), sight(move), sight(Account))
        .group_by(one.id, Account.id)
        .having(or_(cost != 0, *[amounts[name] != 0 for name in ("accumulated", "additions", "disposals", "depreciation")]))
        .order_by(Account.code, one.acquired_on, one.name, one.id)
    )


class AssetAccounts(Query, frozen=True, kw_only=True):
    """What the accounts of fixed assets and of their depreciation stood at on a day, and what assets in the register say of them.

    What is between them was posted without an asset, as bills whose assets are not in the register yet. Amounts are debits less credits.
    """

    company_id: UUID
    on: dt.date


@answers(AssetAccounts, needs="finance.journal_line:read")
def asset_accounts(query: AssetAccounts, sight: Sight) -> Rows:
    spans = {one.value: Span(company_id=query.company_id, first=None, last=query.on, account_type=one) for one in _TYPES}
    rows = moved(sight, **spans).c
    held = select(rows.account_id, func.sum(rows.debit - rows.credit).label("balance")).group_by(rows.account_id).subquery("held")
    move = AssetMovement
    mine = (move.company_id == query.company_id, move.date <= query.on, sight(move))
    sides = union_all(
        select(move.account_id.label("account_id"), move.cost.label("amount")).where(*mine),
        select(move.accumulated_account_id, -move.depreciation).where(*mine),
    ).subquery("sides")
    said = select(sides.c.account_id, func.sum(sides.c.amount).label("register")).group_by(sides.c.account_id).subquery("said")
    balance, register = func.coalesce(held.c.balance, 0), func.coalesce(said.c.register, 0)
    amounts = {"balance": balance, "register": register, "difference": balance - register}
    return (
        select(Account.id.label("account_id"), Account.code, Account.name, Account.account_type)
        .add_columns(*[exact(value).label(name) for name, value in amounts.items()])
        .outerjoin(held, held.c.account_id == Account.id)
        .outerjoin(said, said.c.account_id == Account.id)
        .where(Account.company_id == query.company_id, asked_of(query.company_id), sight(Account))
        .where(or_(among(Account.account_type, list(_TYPES)), register != 0), or_(balance != 0, register != 0))
        .order_by(Account.code, Account.id)
    )
