"""Everything that referred to what was merged refers to the survivor."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Any

import msgspec
import pytest

from nexus.core import Entity
from nexus.core.entity import facts, table_of
from nexus.core.service import Service
from nexus.runtime import commands
from nexus.runtime.testing import Harness
from nexus.services.crm.api import (
    AccountMerged,
    MergeAccounts,
    MergeContacts,
)
from nexus.services.crm.entities import (
    Account,
    AccountContact,
    Activity,
    CallLog,
    Contact,
    ConversionRecord,
    Deal,
    Lead,
    Redirect,
)
from nexus.services.crm.rules.references import holders
from nexus.services.crm.terms import (
    ActivityKind,
    Attendee,
    BuyingRole,
    DealPerson,
    Direction,
    MovedActivity,
)
from nexus.services.crm.tests.conftest import Sales
from nexus.services.crm.tests.test_merging import accounts, pair

AT = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)


REFERENCES = {
    Contact: {
        (AccountContact, "contact_id"),
        (Activity, "contact_id"),
        (Activity, "attendees.contact_id"),
        (Activity, "record_id"),
        (CallLog, "contact_id"),
        (ConversionRecord, "contact_id"),
        (ConversionRecord, "moved.contact_id"),
        (Deal, "contact_id"),
        (Deal, "people.contact_id"),
        (Lead, "converted_contact_id"),
    },
    Account: {
        (Account, "parent_account_id"),
        (AccountContact, "account_id"),
        (Activity, "account_id"),
        (Activity, "record_id"),
        (Contact, "account_id"),
        (ConversionRecord, "account_id"),
        (ConversionRecord, "moved.account_id"),
        (Deal, "account_id"),
        (Lead, "converted_account_id"),
    },
}
"""Every place in which CRM refers to a contact or an account. Where a new one is declared, say here how `everywhere` makes it."""


@pytest.mark.parametrize("kind", [Contact, Account])
def test_every_reference_in_the_declarations_is_known(services: dict[str, Service], kind: type[Entity]) -> None:
    found: set[tuple[type[Entity], str]] = set()
    for holder in holders(kind):
        found |= {(holder.entity, name) for name in holder.columns}
        found |= {(holder.entity, f"{name}.{member}") for name, member in holder.nested}
        found |= {(holder.entity, name) for name, _ in holder.named}
    declared = {
        (entity, column.name)
        for entity in services["crm"].entities()
        for column in table_of(entity).c
        if facts(column).refers_to == kind.entity_name()
    }

    assert declared <= found
    assert found == REFERENCES[kind]


def deal(sales: Sales, **fields: Any) -> Deal:
    stages = {"pipeline_id": sales.pipeline.id, "stage_id": sales.new.id, "opened_at": AT, "stage_entered_at": AT}
    return Deal(**{"name": "Rice", "currency": "NGN", **stages, **fields})


def call_with(contact: Contact) -> CallLog:
    numbers: dict[str, Any] = {"from_number": "+2348031234567", "to_number": "+2348031234568", "direction": Direction.INBOUND}
    return CallLog(provider="x", provider_call_id="1", started_at=AT, contact_id=contact.id, **numbers)


async def everywhere(crm: Harness, sales: Sales, contact: Contact, account: Account) -> None:
    """A record for each reference to a contact and to an account."""
    both: dict[str, Any] = {"contact_id": contact.id, "account_id": account.id}
    lead = Lead(name="Ada", converted_contact_id=contact.id, converted_account_id=account.id)
    people = [DealPerson(contact_id=contact.id, buying_role=BuyingRole.CHAMPION)]
    talk = Activity(kind=ActivityKind.MEETING, subject="Talk", attendees=[Attendee(name="Ada", contact_id=contact.id)], **both)
    about = [Activity(subject="About", record_entity=one.entity_name(), record_id=one.id) for one in (contact, account)]
    moved = [MovedActivity(activity_id=talk.id, deal_id=None, **both)]
    record = ConversionRecord(lead_id=lead.id, moved=moved, converted_at=AT, **both)
    child, member = Account(name="Child", parent_account_id=account.id), Contact(name="Member", account_id=account.id)
    part = AccountContact(**both)
    await crm.given(lead, deal(sales, people=people, **both), talk, *about, call_with(contact), record, part, child, member)


async def mentions(crm: Harness, services: dict[str, Service], id: Any) -> set[str]:
    """The entities of CRM in which an id stands anywhere, in whatever column."""
    found: set[str] = set()
    for entity in services["crm"].entities():
        for one in await crm.list(entity):
            row = {column.key: getattr(one, column.key) for column in table_of(entity).c}
            if str(id).encode() in msgspec.json.encode(row):
                found.add(entity.__name__)
    return found


async def test_everything_that_hung_on_a_contact_is_the_survivors(crm: Harness, sales: Sales, services: dict[str, Service]) -> None:
    (account,) = await accounts(crm, "Lagos Foods")
    a, b = await pair(crm)
    await everywhere(crm, sales, b, account)
    holding = {entity.__name__ for entity, _ in REFERENCES[Contact]}
    assert await mentions(crm, services, b.id) == holding | {"Contact"}

    await crm.run(MergeContacts(contact_id=a.id, others=[b.id]))

    assert await mentions(crm, services, b.id) == {"Redirect"}
    assert await mentions(crm, services, a.id) == holding | {"Contact", "Redirect"}
    (one,) = await crm.list(Deal)
    assert (one.contact_id, one.people, one.version) == (a.id, [DealPerson(contact_id=a.id, buying_role=BuyingRole.CHAMPION)], 2)
    assert await crm.count(Activity, Activity.record_id == a.id) == 1


async def test_everything_that_hung_on_an_account_is_the_survivors(crm: Harness, sales: Sales, services: dict[str, Service]) -> None:
    (contact, _), (a, b) = await pair(crm), await accounts(crm, "A", "B")
    await everywhere(crm, sales, contact, b)
    holding = {entity.__name__ for entity, _ in REFERENCES[Account]}
    assert await mentions(crm, services, b.id) == holding

    done = await crm.run(MergeAccounts(account_id=a.id, others=[b.id]))

    assert crm.emitted == [done] == [AccountMerged(account_id=a.id, merged_ids=[b.id])]
    assert await mentions(crm, services, b.id) == {"Redirect"}
    assert await mentions(crm, services, a.id) == holding | {"Redirect"}
    (child,) = await crm.list(Account, Account.name == "Child")
    assert child.parent_account_id == a.id


async def test_what_both_had_is_there_once(crm: Harness, sales: Sales) -> None:
    home, works = await accounts(crm, "Home", "Works")
    a, b = await pair(crm)
    both = [AccountContact(account_id=home.id, contact_id=one.id, role=role) for one, role in ((b, "second"), (a, "first"))]
    people = [
        DealPerson(contact_id=b.id, buying_role=BuyingRole.USER),
        DealPerson(contact_id=a.id, buying_role=BuyingRole.CHAMPION),
        DealPerson(contact_id=a.id, buying_role=BuyingRole.USER),
    ]
    with_both = deal(sales, people=people)
    third = Contact(name="Third")
    await crm.given(
        *both,
        third,
        with_both,
        AccountContact(account_id=works.id, contact_id=third.id),
        AccountContact(account_id=works.id, contact_id=b.id),
    )

    await crm.run(MergeContacts(contact_id=a.id, others=[b.id, third.id]))

    parts = await crm.list(AccountContact)
    assert sorted((part.account_id, part.contact_id) for part in parts) == sorted([(home.id, a.id), (works.id, a.id)])
    assert next(part.role for part in parts if part.account_id == home.id) == "first"
    assert (await crm.get(Deal, with_both.id)).people == [people[2], people[1]]


async def test_merges_at_once_that_meet_in_their_children_all_become_true(
    crm: Harness, sales: Sales, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Accounts and contacts with deals, people and meetings in common: whoever waits does not wait in a circle, so that none is tried twice."""
    monkeypatch.setattr(commands, "ATTEMPTS", 1)
    homes = await accounts(crm, *[f"Home {n}" for n in range(6)])
    people = [Contact(name=f"Person {n}", account_id=homes[n].id) for n in range(6)]
    await crm.given(*people)
    users = [DealPerson(contact_id=one.id, buying_role=BuyingRole.USER) for one in people]
    deals = [deal(sales, account_id=homes[n].id, contact_id=people[5 - n].id, people=users) for n in range(6)]
    talks = [
        Activity(subject="Talk", account_id=homes[n].id, contact_id=people[n].id, attendees=[Attendee(contact_id=one.id) for one in people])
        for n in range(6)
    ]
    await crm.given(*deals)
    await crm.given(*talks)

    await asyncio.gather(
        *[crm.run(MergeContacts(contact_id=people[n].id, others=[people[n + 1].id])) for n in (0, 2, 4)],
        *[crm.run(MergeAccounts(account_id=homes[n + 1].id, others=[homes[n].id])) for n in (0, 2, 4)],
    )

    assert (await crm.count(Contact), await crm.count(Account), await crm.count(Redirect)) == (3, 3, 6)
    left = [one.id for one in people[::2]]
    assert all([person.contact_id for person in one.people] == left for one in await crm.list(Deal))
    assert all([one.contact_id for one in talk.attendees] == left for talk in await crm.list(Activity))
