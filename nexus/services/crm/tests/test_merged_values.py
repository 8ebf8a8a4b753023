"""What a survivor takes from those that are merged into it."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from nexus.core import uuid7
from nexus.runtime.testing import Harness
from nexus.services.crm.api import (
    ContactMerged,
    MergeAccounts,
    MergeContacts,
)
from nexus.services.crm.entities import (
    Account,
    AccountContact,
    Contact,
)
from nexus.services.crm.terms import (
    Channel,
    DoNotContact,
    FurtherEmail,
    FurtherPhone,
    RefusalReason,
)
from nexus.services.crm.tests.test_merging import accounts

AT = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)


def refusal(channel: Channel, reason: RefusalReason, days: int = 0) -> DoNotContact:
    return DoNotContact(channel=channel, reason=reason, at=AT + dt.timedelta(days=days))


def survivor(**fields: Any) -> Contact:
    made = Contact(
        name="Ada Obi",
        email="ada@example.com",
        more_emails=[FurtherEmail(address="obi@example.com")],
        phone="+2348031234567",
        title="Buyer",
        city="Lagos",
        tags=["vip"],
        external_refs={"hub": "1"},
        do_not_contact=[refusal(Channel.EMAIL, RefusalReason.BOUNCED), refusal(Channel.SMS, RefusalReason.UNSUBSCRIBED)],
        **fields,
    )
    made.custom = {"shoe": 43}
    return made


def merged(**fields: Any) -> Contact:
    made = Contact(
        name="A. Obi",
        email="a.obi@other.example",
        email_verified=True,
        more_emails=[FurtherEmail(address="obi@example.com", label="home", verified=True)],
        phone="+2348037654321",
        more_phones=[FurtherPhone(number="+2348031234567")],
        title="Accountant",
        family_name="Obi",
        city="Abuja",
        country="NG",
        tags=["vip", "fair"],
        external_refs={"hub": "2", "mail": "9"},
        do_not_contact=[refusal(Channel.EMAIL, RefusalReason.UNSUBSCRIBED, 1), refusal(Channel.SMS, RefusalReason.UNSUBSCRIBED, 1)],
        **fields,
    )
    made.custom = {"shoe": 38, "hat": 5}
    return made


async def test_a_contact_keeps_its_own_and_takes_what_it_has_not(crm: Harness) -> None:
    home, other = await accounts(crm, "Home", "Other")
    owner, team = uuid7(), uuid7()
    a, b = survivor(account_id=home.id), merged(account_id=other.id, owner_id=owner, team_id=team)
    await crm.given(a, b)

    done = await crm.run(MergeContacts(contact_id=a.id, others=[b.id]))

    assert crm.emitted == [done] == [ContactMerged(contact_id=a.id, merged_ids=[b.id])]
    now = await crm.get(Contact, a.id)
    assert (now.name, now.title, now.also_known_as) == ("Ada Obi", "Buyer", ["A. Obi"])
    assert (now.family_name, now.owner_id, now.team_id, now.account_id) == ("Obi", owner, team, home.id)
    assert (now.city, now.country) == ("Lagos", None), "half an address of another city is none"
    assert (now.tags, now.external_refs, now.custom) == (["vip", "fair"], {"hub": "1", "mail": "9"}, {"shoe": 43, "hat": 5})
    (part,) = await crm.list(AccountContact)
    assert (part.account_id, part.contact_id, part.role) == (other.id, a.id, "Accountant")
    assert await crm.count(Contact) == 1


async def test_every_way_to_reach_either_is_kept_and_the_stricter_refusal_holds(crm: Harness) -> None:
    a, b = survivor(), merged()
    await crm.given(a, b)

    await crm.run(MergeContacts(contact_id=a.id, others=[b.id]))

    now = await crm.get(Contact, a.id)
    assert (now.email, now.email_verified, now.phone) == ("ada@example.com", False, "+2348031234567")
    assert now.more_emails == [
        FurtherEmail(address="obi@example.com", label="home", verified=True),
        FurtherEmail(address="a.obi@other.example", verified=True),
    ]
    assert now.more_phones == [FurtherPhone(number="+2348037654321")]
    assert now.do_not_contact == [
        refusal(Channel.EMAIL, RefusalReason.UNSUBSCRIBED, 1),
        refusal(Channel.SMS, RefusalReason.UNSUBSCRIBED),
    ]


async def test_an_address_is_taken_whole_and_verified_as_it_was(crm: Harness) -> None:
    a = Contact(name="Ada")
    b = Contact(name="ADA", email="ada@example.com", email_verified=True, phone="+2348031234567")
    await crm.given(a, b)

    await crm.run(MergeContacts(contact_id=a.id, others=[b.id]))

    now = await crm.get(Contact, a.id)
    assert (now.email, now.email_verified, now.phone) == ("ada@example.com", True, "+2348031234567")
    assert (now.more_emails, now.more_phones, now.also_known_as) == ([], [], [])


@pytest.mark.parametrize(
    ("mine", "theirs", "after"),
    [
        ((None, None), (Decimal("5.00"), "EUR"), (Decimal("5.00"), "EUR")),
        ((Decimal("7.00"), None), (None, "EUR"), (Decimal("7.00"), None)),
        ((None, "NGN"), (Decimal("5.00"), "EUR"), (None, "NGN")),
        ((None, "NGN"), (Decimal("5.00"), None), (Decimal("5.00"), "NGN")),
        ((Decimal("7.00"), "NGN"), (Decimal("5.00"), "NGN"), (Decimal("7.00"), "NGN")),
    ],
)
async def test_an_amount_never_changes_its_currency(crm: Harness, mine: Any, theirs: Any, after: Any) -> None:
    a = Account(name="A", annual_revenue=mine[0], currency=mine[1])
    b = Account(name="B", annual_revenue=theirs[0], currency=theirs[1])
    await crm.given(a, b)

    await crm.run(MergeAccounts(account_id=a.id, others=[b.id]))

    now = await crm.get(Account, a.id)
    assert (now.annual_revenue, now.currency) == after
