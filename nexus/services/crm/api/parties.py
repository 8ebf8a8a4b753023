"""Accounts, contacts and who is responsible: commands and events."""

from __future__ import annotations

from uuid import UUID

from msgspec import UNSET, UnsetType

from nexus.core import Command, Event, Line, Value
from nexus.services.crm.terms import Channel, PartyKind, RefusalReason


class AccountCreated(Event, frozen=True, kw_only=True):
    """We know another company."""

    topic = "crm.account.created"
    id: UUID


class ContactCreated(Event, frozen=True, kw_only=True):
    """We know another person."""

    topic = "crm.contact.created"
    id: UUID


class AccountMerged(Event, frozen=True, kw_only=True):
    """Accounts that were the same are one: the survivor has everything, the merged ids lead to it."""

    topic = "crm.account.merged"
    account_id: UUID
    merged_ids: list[UUID]


class ContactMerged(Event, frozen=True, kw_only=True):
    """Contacts that were the same are one: the survivor has everything, the merged ids lead to it."""

    topic = "crm.contact.merged"
    contact_id: UUID
    merged_ids: list[UUID]


class ConsentChanged(Event, frozen=True, kw_only=True):
    """A person may, or may no longer, be reached by a channel."""

    topic = "crm.contact.consent_changed"
    contact_id: UUID
    channel: Channel
    allowed: bool
    reason: RefusalReason | None = None


class ParentSet(Event, frozen=True, kw_only=True):
    """An account belongs to another one, or to none any more."""

    topic = "crm.account.parent_set"
    account_id: UUID
    parent_account_id: UUID | None = None


class OwnerChanged(Event, frozen=True, kw_only=True):
    """Somebody else is responsible for a record: another owner, team or territory. What it has now."""

    topic = "crm.owner.changed"
    record_id: UUID
    record_entity: str
    from_owner_id: UUID | None = None
    to_owner_id: UUID | None = None
    team_id: UUID | None = None
    territory_id: UUID | None = None


class MergeAccounts(Command[AccountMerged], frozen=True, kw_only=True):
    """Merge other accounts into this one. It keeps its own values, gets theirs where it has none, and everything that hung on them."""

    final = True
    account_id: UUID
    others: list[UUID]


class MergeContacts(Command[ContactMerged], frozen=True, kw_only=True):
    """Merge other contacts into this one. It keeps its own values, gets theirs where it has none, and everything that hung on them."""

    final = True
    contact_id: UUID
    others: list[UUID]


class ChangeConsent(Command[ConsentChanged], frozen=True, kw_only=True):
    """Allow or forbid a channel to a person. To forbid takes a reason."""

    contact_id: UUID
    channel: Channel
    allowed: bool
    reason: RefusalReason | None = None
    note: Line | None = None


class SetParentAccount(Command[ParentSet], frozen=True, kw_only=True):
    """Make an account part of another, or of none. An account is never part of itself, however far down."""

    account_id: UUID
    parent_account_id: UUID | None = None


class AssignAccount(Command[OwnerChanged], frozen=True, kw_only=True):
    """Make somebody responsible for an account, or nobody. A team or territory that is not named stays as it is."""

    account_id: UUID
    owner_id: UUID | None
    team_id: UUID | UnsetType | None = UNSET
    territory_id: UUID | UnsetType | None = UNSET


class AssignContact(Command[OwnerChanged], frozen=True, kw_only=True):
    """Make somebody responsible for a contact, or nobody. A team or territory that is not named stays as it is."""

    contact_id: UUID
    owner_id: UUID | None
    team_id: UUID | UnsetType | None = UNSET
    territory_id: UUID | UnsetType | None = UNSET


class AssignLead(Command[OwnerChanged], frozen=True, kw_only=True):
    """Make somebody responsible for a lead, or nobody. A team or territory that is not named stays as it is."""

    lead_id: UUID
    owner_id: UUID | None
    team_id: UUID | UnsetType | None = UNSET
    territory_id: UUID | UnsetType | None = UNSET


class AssignDeal(Command[OwnerChanged], frozen=True, kw_only=True):
    """Make somebody responsible for a deal, or nobody. A team or territory that is not named stays as it is."""

    deal_id: UUID
    owner_id: UUID | None
    team_id: UUID | UnsetType | None = UNSET
    territory_id: UUID | UnsetType | None = UNSET


class Reassigned(Value, frozen=True, kw_only=True):
    """How many records changed hands, by kind, and whether more are waiting: then call again."""

    accounts: int
    contacts: int
    leads: int
    deals: int
    more: bool


class BulkReassign(Command[Reassigned], frozen=True, kw_only=True):
    """Hand what one person is responsible for to another: open leads and deals, accounts and contacts, at most `limit` of each kind.

    The caller needs `assign` of each kind it names."""

    from_owner_id: UUID
    to_owner_id: UUID
    kinds: tuple[PartyKind, ...] = ("account", "contact", "lead", "deal")
    limit: int = 1000


class TerritoryMoved(Event, frozen=True, kw_only=True):
    """A territory, with all below it, lies elsewhere in the tree."""

    topic = "crm.territory.moved"
    territory_id: UUID
    parent_id: UUID | None = None


class TerritoryCreated(Event, frozen=True, kw_only=True):
    """There is another territory."""

    topic = "crm.territory.created"
    territory_id: UUID
    name: str
    parent_id: UUID | None = None


class CreateTerritory(Command[TerritoryCreated], frozen=True, kw_only=True):
    """Add a territory below another, or at the top."""

    name: Line
    key: Line | None = None
    parent_id: UUID | None = None
    manager_id: UUID | None = None


class MoveTerritory(Command[TerritoryMoved], frozen=True, kw_only=True):
    """Put a territory, with all below it, under another one or at the top. It cannot go below itself."""

    territory_id: UUID
    parent_id: UUID | None = None
