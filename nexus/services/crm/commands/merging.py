"""Merging accounts and contacts that turned out to be the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeVar
from uuid import UUID

from nexus.core import Conflict, FieldError, Invalid, Tx, among, func, handles, select, update
from nexus.services.crm.api import AccountMerged, ContactMerged, MergeAccounts, MergeContacts
from nexus.services.crm.entities import Account, AccountContact, Contact, Redirect
from nexus.services.crm.rules.images import image
from nexus.services.crm.rules.merging import absorb
from nexus.services.crm.rules.references import holders, pointed
from nexus.services.crm.rules.trees import OwnAncestor, Parents, above, hold

P = TypeVar("P", Account, Contact)

MOST: Final = 50
"""Records that one merge takes in."""


_ATTEMPTS: Final = 5


class IntoItself(Conflict):
    """A record cannot be merged into itself: leave {id} out of the others."""

    id: str
    reason: str = ""


class SurvivorArchived(Conflict):
    """{name} is archived: restore it first, or merge the other way round."""

    name: str
    reason: str = ""


@handles(MergeContacts, needs="crm.contact:merge")
async def merge_contacts(cmd: MergeContacts, tx: Tx) -> ContactMerged:
    ids = _checked(cmd.contact_id, cmd.others)
    await _hold_accounts_of([cmd.contact_id, *ids], tx)
    survivor, others = await _held(Contact, cmd.contact_id, ids, tx)
    for other in others:
        absorb(survivor, other, tx.tenant.currency)
    await _take_over(Contact, survivor.id, others, tx)
    await _keep_parts(survivor, others, tx)
    return tx.emit(ContactMerged(contact_id=survivor.id, merged_ids=ids))


@handles(MergeAccounts, needs="crm.account:merge")
async def merge_accounts(cmd: MergeAccounts, tx: Tx) -> AccountMerged:
    ids = _checked(cmd.account_id, cmd.others)
    for id in (cmd.account_id, *ids):  # before anything of theirs is locked
        await tx.get(Account, id)
    known = await hold(Account, [cmd.account_id, *ids], tx)
    survivor, others = await _held(Account, cmd.account_id, ids, tx)
    survivor.parent_account_id = _parent(survivor, others, known)
    for other in others:
        absorb(survivor, other, tx.tenant.currency)
    await _take_over(Account, survivor.id, others, tx)
    return tx.emit(AccountMerged(account_id=survivor.id, merged_ids=ids))


def _checked(id: UUID, others: Sequence[UUID]) -> list[UUID]:
    ids = list(dict.fromkeys(others))
    if not 1 <= len(ids) <= MOST:
        raise Invalid.of(FieldError("others", f"names from 1 to {MOST} records"))
    if id in ids:
        raise IntoItself(id=str(id))
    return ids


async def _hold_accounts_of(contacts: list[UUID], tx: Tx) -> None:
    """Keep the accounts of some contacts from going. Accounts come before contacts, as in a merge of accounts, or the two might wait in a circle."""
    held: set[UUID] = set()
    for _ in range(_ATTEMPTS):
        rows = await tx.rows(select(Contact.account_id.label("account")).where(among(Contact.id, contacts), tx.sees(Contact)))
        missing = {UUID(row["account"]) for row in rows if row["account"]} - held
        if not missing:
            return
        await tx.rows(select(Account.id).where(among(Account.id, missing)).order_by(Account.id).with_for_update(read=True, key_share=True))
        held |= missing


async def _held(kind: type[P], id: UUID, others: list[UUID], tx: Tx) -> tuple[P, list[P]]:
    """The records, locked in the order of their ids whichever survives: two merges of the same ones never wait in a circle.

    NotFound (404) or Merged (409) for the first that the caller does not see there.
    """
    wanted = [id, *others]
    found = {one.id: one for one in await tx.list(kind, among(kind.id, wanted), tx.sees(kind), lock=True)}
    for one in wanted:
        if one not in found:
            found[one] = await tx.get(kind, one, lock=True)
    survivor = found[id]
    if survivor.archived_at is not None:
        raise SurvivorArchived(name=survivor.name)
    return survivor, [found[one] for one in others]


async def _take_over(kind: type[P], survivor_id: UUID, others: list[P], tx: Tx) -> None:
    """Everything that referred to the others refers to the survivor, and so do their ids, and those of what was merged into them before."""
    gone = [one.id for one in others]
    for holder in holders(kind):
        for statement in pointed(holder, kind, survivor_id, gone, tx.actor.id):
            await tx.execute(statement)
    stamp = {"version": Redirect.version + 1, "updated_at": func.now(), "updated_by": tx.actor.id}
    earlier = update(Redirect).where(Redirect.entity == kind.entity_name(), among(Redirect.to_id, gone))
    await tx.execute(earlier.values(to_id=survivor_id, **stamp))
    for other in others:
        tx.add(Redirect(entity=kind.entity_name(), from_id=other.id, to_id=survivor_id, before=image(other)))
        tx.remove(other)


async def _keep_parts(survivor: Contact, others: list[Contact], tx: Tx) -> None:
    """The accounts that the others mainly belonged to are further ones of the survivor."""
    titles = {one.account_id: one.title for one in others if one.account_id is not None and one.account_id != survivor.account_id}
    if not titles:
        return
    there = await tx.list(AccountContact, AccountContact.contact_id == survivor.id, among(AccountContact.account_id, list(titles)))
    known = {one.account_id for one in there}
    for account_id, title in titles.items():
        if account_id not in known:
            tx.add(AccountContact(account_id=account_id, contact_id=survivor.id, role=title or "employee"))


def _parent(survivor: Account, others: list[Account], known: Parents) -> UUID | None:
    """What the survivor is part of: its own parent, else that of one of the others. Those that are merged are passed over.

    OwnAncestor (409) where one of them lies above the survivor with an account between the two that is not merged.
    """
    gone = {one.id for one in others}
    own = _standing(survivor.parent_account_id, gone, known)
    if gone.intersection(above(own, known)):
        raise OwnAncestor(kind="account", name=survivor.name)
    if own is not None:
        return own
    taken = gone | {survivor.id}
    found = (_standing(other.parent_account_id, gone, known) for other in others)
    return next((one for one in found if one is not None and not taken.intersection(above(one, known))), None)


def _standing(id: UUID | None, gone: set[UUID], known: Parents) -> UUID | None:
    """The first from here upwards that is not merged."""
    return next((one for one in above(id, known) if one not in gone), None)
