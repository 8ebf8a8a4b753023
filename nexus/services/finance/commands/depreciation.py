"""Depreciation: what assets lose is posted month by month, each once, and can be taken back."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from typing import Final, NamedTuple
from uuid import UUID

from nexus.core import Conflict, Tx, among, handles
from nexus.services.finance.api import DepreciationPosted, DepreciationUndone, RunDepreciation, UndoDepreciation
from nexus.services.finance.asset_terms import AssetMovementKind, AssetStatus
from nexus.services.finance.commands.years import today
from nexus.services.finance.entities import Asset, AssetMovement, Company, DepreciationRun
from nexus.services.finance.flows import asset_flow, run_flow
from nexus.services.finance.rules.asset_booking import moved, posted, side, taken_back
from nexus.services.finance.terms import EntryLine

_NOTHING: Final = Decimal(0)
_MANY: Final = 100_000


class LaterDepreciation(Conflict):
    """{name} has been depreciated further or disposed of since: take that back first."""

    name: str
    reason: str = ""


class _Part(NamedTuple):
    """A part of an asset's plan, and the day on which it is posted."""

    asset: Asset
    place: int
    amount: Decimal
    day: dt.date


@handles(RunDepreciation, needs="finance.company:run_depreciation")
async def run_depreciation(cmd: RunDepreciation, tx: Tx) -> DepreciationPosted:
    company, on = await tx.get(Company, cmd.company_id), cmd.on or today(tx)
    due = (Asset.company_id == company.id, Asset.status == AssetStatus.IN_USE, Asset.next_on <= on)
    assets = await tx.list(Asset, *due, lock=True, limit=_MANY)  # of two at once, the second finds what the first has left
    parts = [part for one in assets for part in _due(one, on, cmd.missed_on)]
    total = sum((part.amount for part in parts), _NOTHING)
    run_id, entries = None, list[UUID]()
    if parts:
        run = tx.add(DepreciationRun(company_id=company.id, until=on, amount=total, currency=company.base_currency))
        run_id, entries = run.id, await _post(company.id, run.id, parts, tx)
    return tx.emit(
        DepreciationPosted(
            company_id=company.id,
            depreciation_run_id=run_id,
            on=on,
            assets=len({part.asset.id for part in parts}),
            amount=total,
            currency=company.base_currency,
            journal_entry_ids=entries,
        )
    )


def _due(one: Asset, on: dt.date, missed_on: dt.date | None) -> list[_Part]:
    """The parts of an asset that are due by a day."""
    left = enumerate(one.parts[one.done :], one.done + 1)
    return [_Part(one, place, part.amount, max(part.on, missed_on or part.on)) for place, part in left if part.on <= on]


async def _post(company_id: UUID, run_id: UUID, parts: Sequence[_Part], tx: Tx) -> list[UUID]:
    """One entry for each day, in which every account stands once for each cost centre; whose it is stands beside it."""
    days: dict[dt.date, list[_Part]] = defaultdict(list)
    for part in parts:
        days[part.day].append(part)
    entries: list[UUID] = []
    for day, due in sorted(days.items()):
        entry = await posted(company_id, None, run_id, day, f"Depreciation up to {day}", _lines(due), tx)
        entries.append(entry)
        for part in due:
            tx.add(moved(part.asset, AssetMovementKind.DEPRECIATION, day, entry, depreciation=part.amount, part=part.place, run_id=run_id))
            depreciate(part.asset, part.amount, part.place)
    return entries


def _lines(due: Sequence[_Part]) -> list[EntryLine]:
    amounts: dict[tuple[UUID, UUID | None], Decimal] = defaultdict(Decimal)
    for part in due:
        amounts[part.asset.expense_account_id, part.asset.cost_center_id] += part.amount
        amounts[part.asset.accumulated_account_id, part.asset.cost_center_id] -= part.amount
    return [side(account, amount, cost_center) for (account, cost_center), amount in amounts.items()]


def depreciate(one: Asset, amount: Decimal, done: int) -> None:
    """Note that so many parts of an asset are posted, and go on to the next."""
    one.depreciated, one.done = one.depreciated + amount, done
    finished = done == len(one.parts)
    one.next_on = None if finished else one.parts[done].on
    if finished:
        asset_flow.go(one, "finish")


def restored(one: Asset, amount: Decimal, done: int) -> None:
    """Note that an asset's depreciation is taken back down to so many parts."""
    one.depreciated, one.done = one.depreciated - amount, done
    if asset_flow.allows(one, "resume"):
        asset_flow.go(one, "resume")
    one.next_on = one.parts[done].on


@handles(UndoDepreciation, needs="finance.depreciation_run:undo")
async def undo_depreciation(cmd: UndoDepreciation, tx: Tx) -> DepreciationUndone:
    run = await tx.get(DepreciationRun, cmd.depreciation_run_id, lock=True)
    run_flow.go(run, "undo")
    mine = (AssetMovement.depreciation_run_id == run.id, AssetMovement.taken_back.is_(False))
    movements = await tx.list(AssetMovement, *mine, order_by=[AssetMovement.date, AssetMovement.id], limit=_MANY)
    by_asset: dict[UUID, list[AssetMovement]] = defaultdict(list)
    for movement in movements:
        by_asset[movement.asset_id].append(movement)
    for one in await tx.list(Asset, among(Asset.id, list(by_asset)), lock=True, limit=_MANY):
        places = [movement.part or 0 for movement in by_asset[one.id]]
        if one.status is AssetStatus.DISPOSED or one.done != max(places):
            raise LaterDepreciation(name=one.name)
        restored(one, sum((movement.depreciation for movement in by_asset[one.id]), _NOTHING), min(places) - 1)
    await taken_back(movements, cmd.date, cmd.reason, tx)
    return tx.emit(
        DepreciationUndone(
            depreciation_run_id=run.id, company_id=run.company_id, amount=run.amount, currency=run.currency, reason=cmd.reason
        )
    )
