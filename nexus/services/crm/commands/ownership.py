"""Who is responsible for a record, and what an account is part of."""

from __future__ import annotations

from typing import Final, TypeAlias
from uuid import UUID

from msgspec import UNSET

from nexus.core import ColumnElement, FieldError, Invalid, Tx, Value, among, func, handles, not_, select, update
from nexus.services.crm.api import (
    AssignAccount,
    AssignContact,
    AssignDeal,
    AssignLead,
    BulkReassign,
    OwnerChanged,
    ParentSet,
    Reassigned,
    SetParentAccount,
)
from nexus.services.crm.entities import Account, Contact, Deal, Lead
from nexus.services.crm.rules.trees import OwnAncestor, above, hold
from nexus.services.crm.terms import DealStatus, LeadStatus, PartyKind

_Kind: TypeAlias = type[Account] | type[Contact] | type[Lead] | type[Deal]

_Assign: TypeAlias = AssignAccount | AssignContact | AssignLead | AssignDeal

_KINDS: Final[dict[PartyKind, _Kind]] = {"account": Account, "contact": Contact, "lead": Lead, "deal": Deal}
_MOST: Final = 1000


@handles(AssignAccount, needs="crm.account:assign")
async def assign_account(cmd: AssignAccount, tx: Tx) -> OwnerChanged:
    return _assign(await tx.get(Account, cmd.account_id, lock=True), cmd, tx)


@handles(AssignContact, needs="crm.contact:assign")
async def assign_contact(cmd: AssignContact, tx: Tx) -> OwnerChanged:
    return _assign(await tx.get(Contact, cmd.contact_id, lock=True), cmd, tx)


@handles(AssignLead, needs="crm.lead:assign")
async def assign_lead(cmd: AssignLead, tx: Tx) -> OwnerChanged:
    return _assign(await tx.get(Lead, cmd.lead_id, lock=True), cmd, tx)


@handles(AssignDeal, needs="crm.deal:assign")
async def assign_deal(cmd: AssignDeal, tx: Tx) -> OwnerChanged:
    return _assign(await tx.get(Deal, cmd.deal_id, lock=True), cmd, tx)


def _assign(record: Account | Contact | Lead | Deal, cmd: _Assign, tx: Tx) -> OwnerChanged:
    before = record.owner_id, record.team_id, record.territory_id
    record.owner_id = cmd.owner_id
    if cmd.team_id is not UNSET:
        record.team_id = cmd.team_id
    if cmd.territory_id is not UNSET:
        record.territory_id = cmd.territory_id
    changed = OwnerChanged(
        record_id=record.id,
        record_entity=record.entity_name(),
        from_owner_id=before[0],
        to_owner_id=record.owner_id,
        team_id=record.team_id,
        territory_id=record.territory_id,
    )
    return changed if before == (record.owner_id, record.team_id, record.territory_id) else tx.emit(changed)


class _Held(Value, frozen=True, kw_only=True):
    id: UUID
    team_id: UUID | None
    territory_id: UUID | None


@handles(BulkReassign, needs="crm.account:bulk_reassign")
async def bulk_reassign(cmd: BulkReassign, tx: Tx) -> Reassigned:
    if not 1 <= cmd.limit <= _MOST:
        raise Invalid.of(FieldError("limit", f"is from 1 to {_MOST}"))
    if cmd.from_owner_id == cmd.to_owner_id:
        raise Invalid.of(FieldError("to_owner_id", "is the same person as from_owner_id"))
    for name in sorted(set(cmd.kinds)):
        tx.need(f"crm.{name}:assign")
    done, more = dict.fromkeys(_KINDS, 0), False
    for name, kind in _KINDS.items():  # in one order, whatever the order of the request: two at once never wait in a circle
        if name in cmd.kinds:
            done[name], waiting = await _hand_over(kind, cmd, tx)
            more = more or waiting
    return Reassigned(accounts=done["account"], contacts=done["contact"], leads=done["lead"], deals=done["deal"], more=more)


async def _hand_over(kind: _Kind, cmd: BulkReassign, tx: Tx) -> tuple[int, bool]:
    """How many records of a kind changed hands, and whether there are more."""
    mine = kind.owner_id == cmd.from_owner_id, kind.archived_at.is_(None), tx.sees(kind), *_worked_on(kind)
    found = await tx.rows(
        select(kind.id, kind.team_id, kind.territory_id).where(*mine).order_by(kind.id).limit(cmd.limit + 1).with_for_update()
    )
    held = [_Held.of(row) for row in found[: cmd.limit]]
    if held:
        stamp = {"version": kind.version + 1, "updated_at": func.now(), "updated_by": tx.actor.id}
        await tx.execute(update(kind).where(among(kind.id, [one.id for one in held])).values(owner_id=cmd.to_owner_id, **stamp))
    for one in held:
        changed = OwnerChanged(
            record_id=one.id,
            record_entity=kind.entity_name(),
            from_owner_id=cmd.from_owner_id,
            to_owner_id=cmd.to_owner_id,
            team_id=one.team_id,
            territory_id=one.territory_id,
        )
        tx.emit(changed)
    return len(held), len(found) > cmd.limit


def _worked_on(kind: _Kind) -> list[ColumnElement[bool]]:
    """What is done with stays with whoever did it."""
    if issubclass(kind, Lead):
        return [not_(among(kind.status, [LeadStatus.CONVERTED, LeadStatus.DISQUALIFIED]))]
    return [kind.status == DealStatus.OPEN] if issubclass(kind, Deal) else []


@handles(SetParentAccount, needs="crm.account:set_parent")
async def set_parent_account(cmd: SetParentAccount, tx: Tx) -> ParentSet:
    ends = [cmd.account_id, *([cmd.parent_account_id] if cmd.parent_account_id else [])]
    seen = [await tx.get(Account, id) for id in ends]
    known = await hold(Account, ends, tx)
    account = await tx.get(Account, cmd.account_id, lock=True)
    done = ParentSet(account_id=account.id, parent_account_id=cmd.parent_account_id)
    if account.parent_account_id == cmd.parent_account_id:
        return done
    if account.id in above(cmd.parent_account_id, known):
        raise OwnAncestor(kind="account", name=seen[-1].name)
    account.parent_account_id = cmd.parent_account_id
    return tx.emit(done)
