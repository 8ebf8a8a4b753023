"""How assets are in the books: every change of their cost and depreciation is an entry, and is written down beside it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID

from nexus.core import FieldError, Invalid, Tx
from nexus.services.finance.api import PostEntry, ReverseEntry
from nexus.services.finance.asset_terms import AssetMovementKind
from nexus.services.finance.entities import AccountRole, Asset, AssetMovement
from nexus.services.finance.rules.journals import general_journal
from nexus.services.finance.rules.refusals import RoleNotPlayed
from nexus.services.finance.terms import EntryLine, LedgerRole

_NOTHING = Decimal(0)


def side(account_id: UUID, amount: Decimal, cost_center_id: UUID | None = None) -> EntryLine:
    """A debit of an account, or a credit where the amount is negative."""
    return EntryLine(
        account_id=account_id, debit=max(amount, _NOTHING), credit=max(_NOTHING - amount, _NOTHING), cost_center_id=cost_center_id
    )


async def role_account(company_id: UUID, role: LedgerRole, tx: Tx) -> UUID:
    """The account that plays a role. RoleNotPlayed (422) where none does."""
    found = await tx.find(AccountRole, AccountRole.company_id == company_id, AccountRole.role == role, AccountRole.archived_at.is_(None))
    if found is None:
        raise RoleNotPlayed(role=role)
    return found.account_id


async def posted(
    company_id: UUID, source: Asset | None, run_id: UUID | None, date: dt.date, memo: str, lines: list[EntryLine], tx: Tx
) -> UUID:
    """Post an entry of an asset, or of a run; answers its id."""
    entry = PostEntry(
        journal_id=await general_journal(company_id, {line.account_id for line in lines}, tx),
        date=date,
        lines=[line for line in lines if line.debit or line.credit],
        memo=memo,
        source_entity="finance.asset" if source else "finance.depreciation_run",
        source_id=source.id if source else run_id,
    )
    return (await tx.call(entry)).journal_entry_id


def moved(
    asset: Asset,
    kind: AssetMovementKind,
    date: dt.date,
    entry_id: UUID,
    *,
    cost: Decimal = _NOTHING,
    depreciation: Decimal = _NOTHING,
    part: int | None = None,
    run_id: UUID | None = None,
) -> AssetMovement:
    """What an entry does to an asset."""
    return AssetMovement(
        company_id=asset.company_id,
        asset_id=asset.id,
        kind=kind,
        date=date,
        cost=cost,
        depreciation=depreciation,
        currency=asset.currency,
        account_id=asset.account_id,
        accumulated_account_id=asset.accumulated_account_id,
        part=part,
        depreciation_run_id=run_id,
        entry_id=entry_id,
    )


async def taken_back(movements: Sequence[AssetMovement], date: dt.date | None, reason: str, tx: Tx) -> None:
    """Reverse the entries of movements, each once, on a day or on their own, and write that down. Invalid (422) where the day is before them."""
    _not_before(movements, date)
    mirrors: dict[UUID, tuple[UUID, dt.date]] = {}
    for one in movements:
        if one.entry_id not in mirrors:
            told = await tx.call(ReverseEntry(journal_entry_id=one.entry_id, date=date, reason=reason))
            mirrors[one.entry_id] = told.reversed_by_id, told.date
        undone(one, *mirrors[one.entry_id], tx)


def undone(one: AssetMovement, entry_id: UUID, date: dt.date, tx: Tx) -> AssetMovement:
    """Write down that a movement is taken back."""
    one.taken_back = True
    return tx.add(
        AssetMovement(
            company_id=one.company_id,
            asset_id=one.asset_id,
            kind=one.kind,
            date=date,
            cost=_NOTHING - one.cost,
            depreciation=_NOTHING - one.depreciation,
            currency=one.currency,
            account_id=one.account_id,
            accumulated_account_id=one.accumulated_account_id,
            depreciation_run_id=one.depreciation_run_id,
            entry_id=entry_id,
        )
    )


def _not_before(movements: Sequence[AssetMovement], date: dt.date | None) -> None:
    last = max(one.date for one in movements)
    if date is not None and date < last:
        raise Invalid.of(FieldError("date", f"is before {last}, the day of what is taken back"))
