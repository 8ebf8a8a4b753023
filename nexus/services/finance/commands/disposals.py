"""Disposals: what is sold or scrapped leaves the books with its depreciation, and the gain or loss is booked; and that can be taken back."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Final

from nexus.core import FieldError, IllegalMove, Invalid, Tx, amount, handles
from nexus.services.finance.api import AssetDisposed, DisposalUndone, DisposeAsset, UndoDisposal
from nexus.services.finance.asset_terms import AssetMovementKind
from nexus.services.finance.commands.years import today
from nexus.services.finance.entities import Asset, AssetMovement
from nexus.services.finance.flows import asset_flow
from nexus.services.finance.rules.asset_booking import moved, posted, role_account, side, taken_back
from nexus.services.finance.rules.depreciation import part_up_to
from nexus.services.finance.terms import EntryLine, LedgerRole

_NOTHING: Final = Decimal(0)


@handles(DisposeAsset, needs="finance.asset:dispose")
async def dispose_asset(cmd: DisposeAsset, tx: Tx) -> AssetDisposed:
    one = await tx.get(Asset, cmd.asset_id, lock=True)
    if not asset_flow.allows(one, "dispose"):
        raise IllegalMove(entity="Asset", now=str(one.status), move="dispose")
    date, proceeds = cmd.date or today(tx), amount(cmd.proceeds, one.currency, "proceeds")
    await _disposable(cmd, one, date, proceeds, tx)
    lost = _lost_up_to(one, date)
    one.depreciated += lost
    gain = proceeds - (one.cost - one.depreciated)
    lines = await _lines(cmd, one, lost, proceeds, gain, tx)
    entry_id = await posted(one.company_id, one, None, date, f"Disposal of {one.name}"[:500], lines, tx)
    if lost:
        tx.add(moved(one, AssetMovementKind.DEPRECIATION, date, entry_id, depreciation=lost))
    tx.add(moved(one, AssetMovementKind.DISPOSAL, date, entry_id, cost=-one.cost, depreciation=_NOTHING - one.depreciated))
    asset_flow.go(one, "dispose")
    one.disposed_on, one.proceeds, one.disposal_entry_id, one.next_on = date, proceeds, entry_id, None
    return tx.emit(
        AssetDisposed(
            asset_id=one.id,
            company_id=one.company_id,
            date=date,
            cost=one.cost,
            depreciated=one.depreciated,
            proceeds=proceeds,
            gain=gain,
            currency=one.currency,
            journal_entry_id=entry_id,
        )
    )


async def _disposable(cmd: DisposeAsset, one: Asset, date: dt.date, proceeds: Decimal, tx: Tx) -> None:
    """Refuse (422) a day up to which it is depreciated already, and proceeds that go nowhere."""
    if proceeds < 0:
        raise Invalid.of(FieldError("proceeds", "is not less than 0"))
    if (proceeds == 0) != (cmd.proceeds_account_id is None):
        raise Invalid.of(FieldError("proceeds_account_id", "goes with proceeds"))
    if cmd.proceeds_account_id in (one.account_id, one.accumulated_account_id):
        raise Invalid.of(FieldError("proceeds_account_id", "is an account of the asset itself"))
    standing = (AssetMovement.asset_id == one.id, AssetMovement.taken_back.is_(False), AssetMovement.cost + AssetMovement.depreciation > 0)
    for last in await tx.list(AssetMovement, *standing, order_by=[AssetMovement.date.desc()], limit=1):
        if date < last.date:
            raise Invalid.of(FieldError("date", f"is before {last.date}, up to which it is in the books"))


def _lost_up_to(one: Asset, date: dt.date) -> Decimal:
    """What it has lost up to that day and was not posted: months that were missed, and of the month of that day its days."""
    lost = _NOTHING
    for part in one.parts[one.done :]:
        lost += part.amount if part.on <= date else part_up_to(part, one.starts_on, date, one.currency)
        if part.on >= date:
            break
    return lost


async def _lines(cmd: DisposeAsset, one: Asset, lost: Decimal, proceeds: Decimal, gain: Decimal, tx: Tx) -> list[EntryLine]:
    """First the depreciation up to the day, then everything of the asset is taken off, against the proceeds and the gain or loss."""
    lines = [
        side(one.expense_account_id, lost, one.cost_center_id),
        side(one.accumulated_account_id, -lost, one.cost_center_id),
        side(one.accumulated_account_id, one.depreciated, one.cost_center_id),
        side(one.account_id, -one.cost),
    ]
    if cmd.proceeds_account_id is not None:
        lines.append(side(cmd.proceeds_account_id, proceeds))
    if gain:
        role = LedgerRole.ASSET_DISPOSAL_GAIN if gain > 0 else LedgerRole.ASSET_DISPOSAL_LOSS
        lines.append(side(await role_account(one.company_id, role, tx), -gain, one.cost_center_id))
    return lines


@handles(UndoDisposal, needs="finance.asset:undo_disposal")
async def undo_disposal(cmd: UndoDisposal, tx: Tx) -> DisposalUndone:
    one = await tx.get(Asset, cmd.asset_id, lock=True)
    if not asset_flow.allows(one, "undo_disposal"):
        raise IllegalMove(entity="Asset", now=str(one.status), move="undo_disposal")
    own = (AssetMovement.asset_id == one.id, AssetMovement.entry_id == one.disposal_entry_id)
    made = await tx.list(AssetMovement, *own, order_by=[AssetMovement.id])
    date = cmd.date or made[0].date
    await taken_back(made, date, cmd.reason, tx)
    asset_flow.go(one, "undo_disposal")
    one.depreciated -= sum((movement.depreciation for movement in made if movement.kind is AssetMovementKind.DEPRECIATION), _NOTHING)
    one.disposed_on = one.proceeds = one.disposal_entry_id = None
    if one.done < len(one.parts):
        one.next_on = one.parts[one.done].on
    elif one.parts:
        asset_flow.go(one, "finish")
    return tx.emit(DisposalUndone(asset_id=one.id, date=date, reason=cmd.reason))
