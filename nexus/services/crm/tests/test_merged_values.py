"""What a survivor takes from those that are merged into it."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
from nexus.services.crm.rules.merging import absorb
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


addresses = st.sampled_from(["a@x.example", "b@x.example", "c@x.example"])
numbers = st.sampled_from(["+2348030000001", "+2348030000002"])
refusals = st.lists(
    st.builds(refusal, st.sampled_from(list(Channel)), st.sampled_from(list(RefusalReason)), st.integers(0, 3)),
    max_size=3,
    unique_by=lambda one: one.channel,
)
people = st.builds(
    Contact,
    name=st.sampled_from(["Ada", "ADA", "Obi"]),
    email=st.none() | addresses,
    email_verified=st.booleans(),
    more_emails=st.lists(st.builds(FurtherEmail, address=addresses, verified=st.booleans()), max_size=3, unique_by=lambda one: one.address),
    phone=st.none() | numbers,
    more_phones=st.lists(st.builds(FurtherPhone, number=numbers), max_size=2, unique_by=lambda one: one.number),
    city=st.none() | st.sampled_from(["Lagos", "Abuja"]),
    country=st.none() | st.sampled_from(["NG", "GH"]),
    do_not_contact=refusals,
    tags=st.lists(st.sampled_from("xyz"), unique=True),
)


def ways(one: Contact) -> tuple[set[str], set[str]]:
    emails = {further.address for further in one.more_emails} | ({one.email} if one.email else set())
    return emails, {further.number for further in one.more_phones} | ({one.phone} if one.phone else set())


@given(a=people, b=people)
def test_nothing_is_lost_nothing_is_there_twice_and_nobody_is_reached_against_their_will(a: Contact, b: Contact) -> None:
    before = ways(a), ways(b), (a.name, a.email, a.phone, a.city, a.country), [*a.do_not_contact, *b.do_not_contact]

    absorb(a, b, "NGN")

    assert ways(a) == (before[0][0] | before[1][0], before[0][1] | before[1][1])
    emails, phones = [one.address for one in a.more_emails], [one.number for one in a.more_phones]
    assert len({*emails, a.email} - {None}) == len(emails) + (a.email is not None)
    assert len({*phones, a.phone} - {None}) == len(phones) + (a.phone is not None)
    now = (a.name, a.email, a.phone, a.city, a.country)
    assert all(own is None or own == after for own, after in zip(before[2], now, strict=True))
    assert (a.city, a.country) in {before[2][3:], (b.city, b.country), (before[2][3] or b.city, before[2][4] or b.country)}
    assert {one.channel for one in a.do_not_contact} == {one.channel for one in before[3]}
    for kept in a.do_not_contact:
        assert kept == min((one for one in before[3] if one.channel is kept.channel), key=_rank)


def _rank(one: DoNotContact) -> tuple[int, dt.datetime]:
    return (RefusalReason.UNSUBSCRIBED, RefusalReason.MANUAL, RefusalReason.BOUNCED).index(one.reason), one.at
