"""Allowing and forbidding ways to reach a person."""

from __future__ import annotations

import asyncio

import pytest

from nexus.core import Forbidden, Invalid, NotFound, uuid7
from nexus.runtime.testing import Harness
from nexus.services.crm.api import ChangeConsent, ConsentChanged
from nexus.services.crm.entities import Contact
from nexus.services.crm.terms import Channel, RefusalReason


def forbid(
    contact: Contact, channel: Channel = Channel.EMAIL, reason: RefusalReason = RefusalReason.UNSUBSCRIBED, note: str | None = None
) -> ChangeConsent:
    return ChangeConsent(contact_id=contact.id, channel=channel, allowed=False, reason=reason, note=note)


async def test_forbids_with_a_reason_and_allows_again(crm: Harness) -> None:
    contact = await crm.given(Contact(name="Ada"))

    await crm.run(forbid(contact, note="by letter"))
    await crm.run(forbid(contact, Channel.SMS, RefusalReason.MANUAL))

    now = await crm.get(Contact, contact.id)
    assert [(one.channel, one.reason, one.note) for one in now.do_not_contact] == [
        (Channel.EMAIL, RefusalReason.UNSUBSCRIBED, "by letter"),
        (Channel.SMS, RefusalReason.MANUAL, None),
    ]
    allowed = await crm.run(ChangeConsent(contact_id=contact.id, channel=Channel.EMAIL, allowed=True))
    assert allowed == ConsentChanged(contact_id=contact.id, channel=Channel.EMAIL, allowed=True)
    assert [one.channel for one in (await crm.get(Contact, contact.id)).do_not_contact] == [Channel.SMS]
    assert [(event.channel, event.allowed) for event in crm.emitted if isinstance(event, ConsentChanged)] == [
        (Channel.EMAIL, False),
        (Channel.SMS, False),
        (Channel.EMAIL, True),
    ]


async def test_a_new_reason_takes_the_place_of_the_old_one(crm: Harness) -> None:
    contact = await crm.given(Contact(name="Ada"))
    await crm.run(forbid(contact, reason=RefusalReason.BOUNCED))

    await crm.run(forbid(contact, reason=RefusalReason.UNSUBSCRIBED))

    (only,) = (await crm.get(Contact, contact.id)).do_not_contact
    assert (only.channel, only.reason) == (Channel.EMAIL, RefusalReason.UNSUBSCRIBED)


async def test_what_is_so_already_is_no_news(crm: Harness) -> None:
    contact = await crm.given(Contact(name="Ada"))
    await crm.run(forbid(contact))
    before, told = await crm.get(Contact, contact.id), list(crm.emitted)

    assert await crm.run(forbid(contact)) == told[0]
    await crm.run(ChangeConsent(contact_id=contact.id, channel=Channel.POST, allowed=True))

    after = await crm.get(Contact, contact.id)
    assert (after.version, after.do_not_contact, crm.emitted) == (before.version, before.do_not_contact, told)


async def test_refusals_change_nothing(crm: Harness) -> None:
    contact = await crm.given(Contact(name="Ada"))
    no_reason = ChangeConsent(contact_id=contact.id, channel=Channel.EMAIL, allowed=False)
    needless = ChangeConsent(contact_id=contact.id, channel=Channel.EMAIL, allowed=True, reason=RefusalReason.MANUAL)

    with pytest.raises(Invalid, match="reason: is required to forbid a channel"):
        await crm.run(no_reason)
    with pytest.raises(Invalid, match="reason: is given to forbid"):
        await crm.run(needless)
    with pytest.raises(NotFound):
        await crm.as_("crm.rep").run(forbid(contact))
    with pytest.raises(Forbidden):
        await crm.as_("crm.viewer").run(forbid(contact))
    with pytest.raises(NotFound):
        await crm.run(ChangeConsent(contact_id=uuid7(), channel=Channel.EMAIL, allowed=True))
    answered = await crm.api("POST", f"/api/v1/crm/contacts/{contact.id}/change_consent", {"channel": "fax", "allowed": True})
    assert (answered.status, answered.json()["errors"][0]["field"]) == (422, "channel")
    patched = await crm.api("PATCH", f"/api/v1/crm/contacts/{contact.id}", {"do_not_contact": []}, if_match="*")
    assert (patched.status, patched.json()["errors"][0]["field"]) == (422, "do_not_contact")

    assert ((await crm.get(Contact, contact.id)).version, crm.emitted) == (1, [])


async def test_channels_forbidden_at_once_are_all_kept(crm: Harness) -> None:
    contact = await crm.given(Contact(name="Ada"))

    await asyncio.gather(*[crm.run(forbid(contact, channel)) for channel in Channel])

    assert {one.channel for one in (await crm.get(Contact, contact.id)).do_not_contact} == set(Channel)
