"""Assets: written down, put into the register and into use, and how long that use is expected to be."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Final
from uuid import UUID

from nexus.core import FieldError, IllegalMove, Invalid, Problem, Tx, amount, func, handles, select
from nexus.services.finance.api import (
    AssetCapitalized,
    AssetCreated,
    AssetDiscarded,
    AssetRevised,
    CapitalizationUndone,
    CapitalizeAsset,
    ChangeUsefulLife,
    CreateAsset,
    DiscardAsset,
    ReviseAsset,
    UndoCapitalization,
    UsefulLifeChanged,
)
from nexus.services.finance.asset_terms import AssetMovementKind, DepreciationMethod
from nexus.services.finance.entities import Account, Asset, AssetMovement, CostCenter, Invoice, JournalEntry
from nexus.services.finance.flows import asset_flow
from nexus.services.finance.invoice_terms import InvoiceKind
from nexus.services.finance.rules.asset_booking import moved, posted, role_account, side, taken_back, undone
from nexus.services.finance.rules.companies import company_of
from nexus.services.finance.rules.depreciation import Plan
from nexus.services.finance.rules.notes import taken_back as credited
from nexus.services.finance.terms import AccountType, LedgerRole, RootType

_NOTHING: Final = Decimal(0)
_TWICE: Final = Decimal(2)
_HIGHEST: Final = Decimal(10)
_PLACES: Final = Decimal("0.0001")
_ROLES: Final = {
    "account_id": LedgerRole.FIXED_ASSETS,
    "accumulated_account_id": LedgerRole.ACCUMULATED_DEPRECIATION,
    "expense_account_id": LedgerRole.DEPRECIATION,
}
_TYPES: Final = {"account_id": AccountType.FIXED_ASSET, "accumulated_account_id": AccountType.ACCUMULATED_DEPRECIATION}


class AssetHasHistory(Problem, status=409):
    """{name} was in the register before: what was booked of it stays with it, so it is not thrown away."""

    name: str


class PartlyDepreciated(Problem, status=409):
    """{name} is depreciated already: undo those runs before it is taken out of the register."""

    name: str


@handles(CreateAsset, needs="finance.asset:create")
async def create_asset(cmd: CreateAsset, tx: Tx) -> AssetCreated:
    company = await company_of(cmd.company_id, tx)
    accounts = {name: getattr(cmd, name) or await role_account(company.id, role, tx) for name, role in _ROLES.items()}
    made = Asset(
        company_id=company.id,
        name=cmd.name,
        account_id=accounts["account_id"],
        accumulated_account_id=accounts["accumulated_account_id"],
        expense_account_id=accounts["expense_account_id"],
        cost_center_id=cmd.cost_center_id,
        invoice_id=cmd.invoice_id,
        line=cmd.line,
        acquired_on=cmd.acquired_on,
        starts_on=cmd.starts_on or cmd.acquired_on,
        cost=cmd.cost,
        residual_value=cmd.residual_value,
        currency=company.base_currency,
        method=cmd.method,
        factor=cmd.factor,
        life_months=cmd.life_months,
        parts=[],
    )
    await _sound(made, tx)
    tx.add(made)
    return tx.emit(AssetCreated(asset_id=made.id, company_id=company.id, name=made.name, cost=made.cost, currency=made.currency))


async def _sound(one: Asset, tx: Tx) -> None:
    """Refuse (422) what cannot be an asset, naming the fields; otherwise make its plan."""
    one.cost = amount(one.cost, one.currency, "cost")
    one.residual_value = amount(one.residual_value, one.currency, "residual_value")
    declining = one.method is DepreciationMethod.DECLINING_BALANCE
    if declining and one.factor is None:
        one.factor = _TWICE
    factor = one.factor
    if factor is not None and not factor.is_finite():
        factor = _NOTHING
    rules = [
        ("cost", one.cost <= 0, "is not more than 0"),
        ("residual_value", not 0 <= one.residual_value <= max(one.cost, _NOTHING), "is from 0 up to the cost"),
        ("factor", factor is not None and not declining, "goes with a declining balance"),
        ("factor", factor is not None and not 1 < factor <= _HIGHEST, f"is more than 1 and at most {_HIGHEST}"),
        ("factor", factor is not None and factor != factor.quantize(_PLACES), "has more than 4 decimals"),
        ("starts_on", one.starts_on < one.acquired_on, "is before acquired_on"),
        ("starts_on", not 1900 <= one.starts_on.year <= 2200, "is in the years 1900 to 2200"),
        ("line", (one.line is None) != (one.invoice_id is None), "goes with invoice_id"),
    ]
    if wrong := [FieldError(field, message) for field, broken, message in rules if broken]:
        raise Invalid.of(*wrong)
    if strangers := await _strangers(one, tx):
        raise Invalid.of(*[FieldError(field, message) for field, message in strangers])
    one.parts = _plan(one, one.cost, one.starts_on, one.life_months).parts()


def _plan(one: Asset, carrying: Decimal, starts_on: dt.date, months: int) -> Plan:
    return Plan(
        carrying=carrying,
        residual=one.residual_value,
        currency=one.currency,
        starts_on=starts_on,
        months=months,
        method=one.method,
        factor=one.factor,
    )


async def _strangers(one: Asset, tx: Tx) -> list[tuple[str, str]]:
    """Accounts, the cost centre and the bill of an asset that are none of its company's or not of their kind."""
    wrong: list[tuple[str, str]] = []
    for name in _ROLES:
        account = await tx.find(Account, Account.id == getattr(one, name), Account.company_id == one.company_id)
        if account is None or account.is_group:
            wrong.append((name, "is no account of this company that takes postings"))
        elif name in _TYPES and account.account_type is not _TYPES[name]:
            wrong.append((name, f"is no account of the type {_TYPES[name]}"))
        elif name not in _TYPES and account.root_type is not RootType.EXPENSE:
            wrong.append((name, "is no account for expenses"))
    cost_center = one.cost_center_id
    if cost_center and not await tx.find(CostCenter, CostCenter.id == cost_center, CostCenter.company_id == one.company_id):
        wrong.append(("cost_center_id", "is none of this company's"))
    if one.invoice_id is not None and one.line is not None:
        bill = await tx.find(Invoice, Invoice.id == one.invoice_id, Invoice.company_id == one.company_id)
        if bill is None or bill.kind is not InvoiceKind.PURCHASE_BILL:
            wrong.append(("invoice_id", "is no bill of this company"))
        elif one.line >= len(bill.lines):
            wrong.append(("line", "is none of the bill"))
    return wrong


@handles(ReviseAsset, needs="finance.asset:revise")
async def revise_asset(cmd: ReviseAsset, tx: Tx) -> AssetRevised:
    one = await tx.get(Asset, cmd.asset_id, lock=True)
    asset_flow.go(one, "revise")
    for name in cmd.__struct_fields__:
        if name != "asset_id" and (given := getattr(cmd, name)) is not None:
            setattr(one, name, given)
    if cmd.method is DepreciationMethod.STRAIGHT_LINE and cmd.factor is None:
        one.factor = None
    await _sound(one, tx)
    return tx.emit(AssetRevised(asset_id=one.id))


@handles(DiscardAsset, needs="finance.asset:discard")
async def discard_asset(cmd: DiscardAsset, tx: Tx) -> AssetDiscarded:
    one = await tx.get(Asset, cmd.asset_id, lock=True)
    asset_flow.go(one, "discard")
    if await tx.count(AssetMovement, AssetMovement.asset_id == one.id):
        raise AssetHasHistory(name=one.name)
    tx.remove(one)
    return tx.emit(AssetDiscarded(asset_id=one.id))


@handles(CapitalizeAsset, needs="finance.asset:capitalize")
async def capitalize_asset(cmd: CapitalizeAsset, tx: Tx) -> AssetCapitalized:
    one = await tx.get(Asset, cmd.asset_id, lock=True)
    if not asset_flow.allows(one, "capitalize"):
        raise IllegalMove(entity="Asset", now=str(one.status), move="capitalize")
    known = cmd.journal_entry_id or await _billed(one, tx)
    if known is not None and cmd.credit_account_id is None:
        entry_id, date = known, await _entry_day(one, known, tx)
    elif known is None and cmd.credit_account_id is not None:
        lines = [side(one.account_id, one.cost), side(cmd.credit_account_id, -one.cost)]
        date = one.acquired_on
        entry_id = await posted(one.company_id, one, None, date, f"Acquisition of {one.name}"[:500], lines, tx)
    else:
        why = "is needed where no bill or entry has posted it" if known is None else "goes without a bill or an entry that has posted it"
        raise Invalid.of(FieldError("credit_account_id", why))
    asset_flow.go(one, "capitalize")
    one.entry_id, one.next_on = entry_id, one.parts[0].on if one.parts else None
    tx.add(moved(one, AssetMovementKind.ACQUISITION, date, entry_id, cost=one.cost))
    told = AssetCapitalized(
        asset_id=one.id, company_id=one.company_id, cost=one.cost, currency=one.currency, date=date, journal_entry_id=entry_id
    )
    return tx.emit(told)


async def _billed(one: Asset, tx: Tx) -> UUID | None:
    """The entry of an asset's bill. Invalid (422) where it is not posted, or its line has been credited."""
    if one.invoice_id is None or one.line is None:
        return None
    bill = await tx.get(Invoice, one.invoice_id)
    if bill.entry_id is None:
        raise Invalid.of(FieldError("invoice_id", "is not posted yet"))
    if credited(await tx.list(Invoice, Invoice.credit_of_id == bill.id)).get(one.line):
        raise Invalid.of(FieldError("line", "has been credited"))
    return bill.entry_id


async def _entry_day(one: Asset, entry_id: UUID, tx: Tx) -> dt.date:
    """The day on which what an entry has posted counts as acquired: its own, or the first that is open, so that the register of closed days stays.

    Invalid (422) where the entry is none of the company's. That it posts enough to the account, and no two assets stand on the same, is the
    database's to see to (invariants/assets.sql).
    """
    entry = await tx.find(JournalEntry, JournalEntry.id == entry_id, JournalEntry.company_id == one.company_id)
    if entry is None or entry.number is None:
        raise Invalid.of(FieldError("journal_entry_id", "is no posted entry of this company"))
    return max(entry.date, await open_from(one.company_id, tx))


async def open_from(company_id: UUID, tx: Tx) -> dt.date:
    """The first day of which the books are not closed or locked."""
    (row,) = await tx.rows(select(func.tenant.finance_open_from(company_id).label("day")))
    return dt.date.min if row["day"] is None else dt.date.fromisoformat(row["day"])


@handles(UndoCapitalization, needs="finance.asset:undo_capitalization")
async def undo_capitalization(cmd: UndoCapitalization, tx: Tx) -> CapitalizationUndone:
    one = await tx.get(Asset, cmd.asset_id, lock=True)
    if not asset_flow.allows(one, "undo_capitalization"):
        raise IllegalMove(entity="Asset", now=str(one.status), move="undo_capitalization")
    if one.done:
        raise PartlyDepreciated(name=one.name)
    acquired = (AssetMovement.asset_id == one.id, AssetMovement.taken_back.is_(False), AssetMovement.entry_id == one.entry_id)
    (movement,) = await tx.list(AssetMovement, *acquired)
    entry = await tx.get(JournalEntry, movement.entry_id)
    date = cmd.date or movement.date
    if entry.source_entity == one.entity_name() and entry.source_id == one.id:
        await taken_back([movement], date, cmd.reason, tx)
    else:  # what others have posted stays, and is there for another asset
        date = max(date, movement.date, await open_from(one.company_id, tx))
        undone(movement, movement.entry_id, date, tx).taken_back = True
    asset_flow.go(one, "undo_capitalization")
    one.entry_id = one.next_on = None
    return tx.emit(CapitalizationUndone(asset_id=one.id, date=date, reason=cmd.reason))


@handles(ChangeUsefulLife, needs="finance.asset:change_useful_life")
async def change_useful_life(cmd: ChangeUsefulLife, tx: Tx) -> UsefulLifeChanged:
    one = await tx.get(Asset, cmd.asset_id, lock=True)
    asset_flow.go(one, "change_useful_life")
    carrying, before = one.cost - one.depreciated, (one.life_months, one.residual_value)
    if cmd.residual_value is not None:
        one.residual_value = amount(cmd.residual_value, one.currency, "residual_value")
    if not 0 <= one.residual_value < carrying:
        raise Invalid.of(FieldError("residual_value", f"is from 0 up to less than the {carrying} {one.currency} that are left"))
    begins = one.starts_on if one.done == 0 or one.next_on is None else one.next_on.replace(day=1)
    one.life_months = one.done + cmd.remaining_months
    one.parts = [*one.parts[: one.done], *_plan(one, carrying, begins, cmd.remaining_months).parts()]
    one.next_on = one.parts[one.done].on
    return tx.emit(
        UsefulLifeChanged(
            asset_id=one.id,
            life_months=one.life_months,
            residual_value=one.residual_value,
            previous_life_months=before[0],
            previous_residual_value=before[1],
            currency=one.currency,
            reason=cmd.reason,
        )
    )
