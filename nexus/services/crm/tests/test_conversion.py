"""Converting a lead, and taking it back."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from nexus.core import Entity, IllegalMove, Invalid
from nexus.runtime.testing import Harness
from nexus.services.crm.api import (
    ChangeConsent,
    ConvertLead,
    CreateQuote,
    DealCreated,
    LeadConverted,
    LeadCreated,
    LeadUnconverted,
    LeadUpdated,
    LogActivity,
    MoveDealStage,
    SetDealLines,
    UnconvertLead,
    WinDeal,
)
from nexus.services.crm.commands.conversion import LeadIsArchived
from nexus.services.crm.commands.unconversion import WorkHasGoneOn
from nexus.services.crm.entities import (
    Account,
    AccountContact,
    Activity,
    Contact,
    ConversionRecord,
    Deal,
    Lead,
    Quote,
    ScoreFrequency,
    ScoringRule,
    StageChange,
)
from nexus.services.crm.rules.stages import NoStage
from nexus.services.crm.terms import (
    ActivityKind,
    Channel,
    Condition,
    DealLine,
    DealStatus,
    FurtherEmail,
    LeadStatus,
    Operator,
    RefusalReason,
)
from nexus.services.crm.tests.conftest import Sales

EVERYTHING = (Account, AccountContact, Activity, Contact, ConversionRecord, Deal, Lead, Quote, StageChange)


def qualified(**fields: Any) -> Lead:
    return Lead(**{"name": "Ada Obi", "status": LeadStatus.QUALIFIED, **fields})


async def contents(crm: Harness) -> dict[type[Entity], int]:
    return {kind: await crm.count(kind) for kind in EVERYTHING}


async def test_makes_contact_account_and_deal(crm: Harness, sales: Sales) -> None:
    lead = await crm.given(
        qualified(
            company="Lagos Foods", email="ada@lagosfoods.example", phone="+2348031234567", estimated_amount=Decimal(900), currency="NGN"
        )
    )

    done = await crm.run(ConvertLead(lead_id=lead.id))

    assert done.account_id and done.deal_id
    account, contact, deal = (
        await crm.get(Account, done.account_id),
        await crm.get(Contact, done.contact_id),
        await crm.get(Deal, done.deal_id),
    )
    assert (account.name, account.domain) == ("Lagos Foods", "lagosfoods.example")
    assert (contact.name, contact.email, contact.phone, contact.account_id) == ("Ada Obi", lead.email, lead.phone, account.id)
    assert (deal.name, deal.amount, deal.currency, deal.fx_rate) == ("Lagos Foods", Decimal("900.00"), "NGN", Decimal(1))
    assert (deal.stage_id, deal.probability, deal.status, deal.lead_id) == (sales.new.id, 10, DealStatus.OPEN, lead.id)
    now = await crm.get(Lead, lead.id)
    assert (now.status, now.converted_contact_id, now.converted_account_id, now.converted_deal_id) == (
        LeadStatus.CONVERTED,
        contact.id,
        account.id,
        deal.id,
    )
    assert [type(event) for event in crm.emitted] == [DealCreated, LeadConverted]
    assert crm.round_trips <= 6


async def test_an_archived_lead_is_restored_first(crm: Harness, sales: Sales) -> None:
    lead = await crm.given(qualified())
    await crm.api("DELETE", f"/api/v1/crm/leads/{lead.id}", if_match="*")
    with pytest.raises(LeadIsArchived):
        await crm.run(ConvertLead(lead_id=lead.id))
    assert (await crm.count(Deal), await crm.count(Contact)) == (0, 0)
    await crm.api("POST", f"/api/v1/crm/leads/{lead.id}/restore")
    assert (await crm.run(ConvertLead(lead_id=lead.id))).contact_id is not None


async def test_finds_who_is_known_already(crm: Harness, sales: Sales) -> None:
    account = await crm.given(Account(name="Lagos Foods"))
    known = await crm.given(
        Contact(name="A. Obi", email="other@example.com", more_emails=[FurtherEmail(address="ada@example.com")], account_id=account.id)
    )
    lead = await crm.given(qualified(email="ada@example.com", company="Lagos-Foods"))

    done = await crm.run(ConvertLead(lead_id=lead.id))

    assert (done.contact_id, done.account_id) == (known.id, account.id)
    assert (await crm.count(Contact), await crm.count(Account), await crm.count(AccountContact)) == (1, 1, 0)


@pytest.mark.parametrize(
    ("lead", "account"),
    [
        ({"company": "LAGOS foods, Ltd."}, {"name": "Lagos Foods Ltd"}),
        ({"company": "Somebody", "email": "x@lagosfoods.example"}, {"name": "Lagos Foods", "domain": "lagosfoods.example"}),
        (
            {"company": "Somebody", "website": "https://www.LagosFoods.example/about"},
            {"name": "Lagos Foods", "domain": "lagosfoods.example"},
        ),
    ],
)
async def test_finds_the_account_by_name_domain_and_website(
    crm: Harness, sales: Sales, lead: dict[str, Any], account: dict[str, Any]
) -> None:
    known = await crm.given(Account(**account))

    done = await crm.run(ConvertLead(lead_id=(await crm.given(qualified(**lead))).id))

    assert done.account_id == known.id


async def test_a_providers_domain_stands_for_no_company(crm: Harness, sales: Sales) -> None:
    await crm.given(Account(name="Mail users", domain="gmail.com"))

    done = await crm.run(ConvertLead(lead_id=(await crm.given(qualified(email="ada@gmail.com"))).id))

    assert done.account_id is None


async def test_a_contact_of_another_account_gets_a_further_part(crm: Harness, sales: Sales) -> None:
    home, other = await crm.given(Account(name="Home")), await crm.given(Account(name="Other"))
    known = await crm.given(Contact(name="Ada", email="ada@example.com", account_id=home.id))

    done = await crm.run(ConvertLead(lead_id=(await crm.given(qualified(email="ada@example.com"))).id, account_id=other.id))

    assert (done.contact_id, done.account_id) == (known.id, other.id)
    (part,) = await crm.list(AccountContact)
    assert (part.account_id, part.contact_id) == (other.id, known.id)
    assert (await crm.get(Contact, known.id)).account_id == home.id


async def test_takes_the_activities_along(crm: Harness, sales: Sales) -> None:
    lead = await crm.given(qualified())
    logged = await crm.run(LogActivity(kind=ActivityKind.CALL, subject="Hello", lead_id=lead.id))

    done = await crm.run(ConvertLead(lead_id=lead.id))

    activity = await crm.get(Activity, logged.activity_id)
    assert (activity.lead_id, activity.deal_id, activity.contact_id) == (lead.id, done.deal_id, done.contact_id)
    assert crm.round_trips <= 6


@pytest.mark.parametrize("status", [one for one in LeadStatus if one is not LeadStatus.QUALIFIED])
async def test_refuses_a_lead_that_is_not_qualified(crm: Harness, sales: Sales, status: LeadStatus) -> None:
    lead = await crm.given(qualified(status=status))
    before = await contents(crm)

    with pytest.raises(IllegalMove, match=f"Lead is {status}: it cannot convert"):
        await crm.run(ConvertLead(lead_id=lead.id))

    assert await contents(crm) == before
    assert (await crm.get(Lead, lead.id)).version == 1
    assert crm.emitted == []


async def test_refuses_amounts_that_are_none(crm: Harness, sales: Sales) -> None:
    lead = await crm.given(qualified())
    for wrong in ("NaN", "Infinity", "1e30", "0.001", "-1"):
        with pytest.raises(Invalid, match="amount"):
            await crm.run(ConvertLead(lead_id=lead.id, amount=Decimal(wrong)))
    assert (await crm.count(Deal), await crm.count(Contact), crm.emitted) == (0, 0, [])


async def test_refuses_without_a_pipeline_unless_no_deal_is_wanted(crm: Harness) -> None:
    lead = await crm.given(qualified())
    with pytest.raises(NoStage):
        await crm.run(ConvertLead(lead_id=lead.id))
    assert await crm.count(Contact) == 0

    done = await crm.run(ConvertLead(lead_id=lead.id, make_deal=False))

    assert done.deal_id is None


async def test_two_conversions_at_once_have_one_effect(crm: Harness, sales: Sales) -> None:
    lead = await crm.given(qualified(company="Lagos Foods"))

    results = await asyncio.gather(*[crm.run(ConvertLead(lead_id=lead.id)) for _ in range(5)], return_exceptions=True)

    assert sorted(type(one).__name__ for one in results) == ["IllegalMove"] * 4 + ["LeadConverted"]
    assert (await crm.count(Contact), await crm.count(Account), await crm.count(Deal), await crm.count(ConversionRecord)) == (1, 1, 1, 1)


CLOCK = ("version", "updated_at", "updated_by")
"""A record's own clock never runs backwards: ETags, incremental exports and search indexes count on it."""


async def shown(crm: Harness, lead: Lead) -> dict[str, Any]:
    answered = await crm.api("GET", f"/api/v1/crm/leads/{lead.id}")
    assert answered.status == 200
    return {name: value for name, value in answered.json().items() if name not in CLOCK}


async def test_undone_the_lead_is_byte_for_byte_what_it_was_and_nothing_is_left(crm: Harness, sales: Sales) -> None:
    lead = await crm.given(
        qualified(company="Lagos Foods", email="ada@lagosfoods.example", estimated_amount=Decimal("12.50"), currency="NGN", tags=["vip"])
    )
    logged = await crm.run(LogActivity(kind=ActivityKind.NOTE, subject="Before", lead_id=lead.id))
    before, things, activity = await shown(crm, lead), await contents(crm), await crm.get(Activity, logged.activity_id)
    done = await crm.run(ConvertLead(lead_id=lead.id))
    after = await crm.run(LogActivity(kind=ActivityKind.CALL, subject="Meanwhile", deal_id=done.deal_id))

    undone = await crm.run(UnconvertLead(lead_id=lead.id))

    assert await shown(crm, lead) == before
    assert undone == LeadUnconverted(lead_id=lead.id, contact_id=done.contact_id, account_id=done.account_id, deal_id=done.deal_id)
    things[Activity] += 1
    things[ConversionRecord] += 1
    assert await contents(crm) == things
    again = await crm.get(Activity, activity.id)
    assert (again.lead_id, again.deal_id, again.contact_id, again.account_id) == (lead.id, None, None, None)
    meanwhile = await crm.get(Activity, after.activity_id)
    assert (meanwhile.lead_id, meanwhile.deal_id) == (lead.id, None)


async def test_what_others_make_of_a_conversion_does_not_stay_with_the_lead(crm: Harness, sales: Sales) -> None:
    await crm.given(ScoringRule(name="Names a company", points=5, conditions=[Condition(field="company", op=Operator.PRESENT)]))
    lead = await crm.given(qualified(company="Lagos Foods", source_id=sales.referral.id))
    await crm.deliver(LeadCreated(id=lead.id))
    before = await shown(crm, lead)
    assert before["score"] == 55

    done = await crm.run(ConvertLead(lead_id=lead.id, amount=Decimal(10)))
    for event in (*crm.emitted, LeadUpdated(id=lead.id, updated_by=crm.caller.actor.id)):
        await crm.deliver(event)
    crm.emitted.clear()
    await crm.run(UnconvertLead(lead_id=lead.id))
    for event in (*crm.emitted, LeadUpdated(id=lead.id, updated_by=crm.caller.actor.id)):
        await crm.deliver(event)

    assert await shown(crm, lead) == before
    assert done.deal_id is not None
    assert await crm.count(ScoreFrequency) == 0


async def test_undone_what_was_known_before_stays_as_it_was(crm: Harness, sales: Sales) -> None:
    home = await crm.given(Account(name="Home"))
    known = await crm.given(Contact(name="Ada", email="ada@example.com"))
    lead = await crm.given(qualified(email="ada@example.com"))
    with_contact = await crm.run(LogActivity(kind=ActivityKind.NOTE, subject="Known", lead_id=lead.id, contact_id=known.id))
    without = await crm.run(LogActivity(kind=ActivityKind.NOTE, subject="Unknown", lead_id=lead.id))

    await crm.run(ConvertLead(lead_id=lead.id, account_id=home.id))
    await crm.run(UnconvertLead(lead_id=lead.id))

    assert (await crm.count(Contact), await crm.count(Account), await crm.count(Deal), await crm.count(AccountContact)) == (1, 1, 0, 0)
    assert (await crm.get(Activity, with_contact.activity_id)).contact_id == known.id
    assert (await crm.get(Activity, without.activity_id)).contact_id is None
    assert (await crm.get(Activity, without.activity_id)).account_id is None


async def test_a_lead_can_be_converted_again_after_it_was_undone(crm: Harness, sales: Sales) -> None:
    lead = await crm.given(qualified(company="Lagos Foods"))
    for _ in range(3):
        await crm.run(ConvertLead(lead_id=lead.id))
        await crm.run(UnconvertLead(lead_id=lead.id))
    assert (await crm.count(Contact), await crm.count(Deal), await crm.count(ConversionRecord)) == (0, 0, 3)


async def refused(crm: Harness, lead: Lead, because: str) -> None:
    before, lead_now = await contents(crm), await shown(crm, lead)
    told = list(crm.emitted)
    with pytest.raises(WorkHasGoneOn, match=because):
        await crm.run(UnconvertLead(lead_id=lead.id))
    assert (await contents(crm), await shown(crm, lead), crm.emitted) == (before, lead_now, told)


async def test_refuses_to_undo_once_work_has_gone_on(crm: Harness, sales: Sales) -> None:
    lead = await crm.given(qualified(company="Lagos Foods", email="ada@lagosfoods.example"))
    done = await crm.run(ConvertLead(lead_id=lead.id, amount=Decimal(10)))
    assert done.deal_id
    line = DealLine(name="Rice", quantity=Decimal(2), unit_price=Decimal(5))

    other = await crm.given(qualified(email="ada@lagosfoods.example"))
    await crm.run(ConvertLead(lead_id=other.id))
    await refused(crm, lead, "the contact has other deals, another lead became the same contact, the account has other deals")
    await crm.run(UnconvertLead(lead_id=other.id))

    await crm.run(CreateQuote(deal_id=done.deal_id, lines=[line]))
    await refused(crm, lead, "the deal has quotes")

    await crm.run(MoveDealStage(deal_id=done.deal_id, stage_id=sales.proposal.id))
    await refused(crm, lead, "the deal has quotes, the deal has moved to another stage")

    await crm.run(WinDeal(deal_id=done.deal_id))
    await refused(crm, lead, "the deal is won")


async def test_refuses_to_undo_what_would_lose_what_was_written_since(crm: Harness, sales: Sales) -> None:
    lead = await crm.given(qualified(company="Lagos Foods", email="ada@lagosfoods.example"))
    done = await crm.run(ConvertLead(lead_id=lead.id, amount=Decimal(10)))
    contact, deal = f"/api/v1/crm/contacts/{done.contact_id}", f"/api/v1/crm/deals/{done.deal_id}"

    answer = await crm.api("PATCH", contact, {"description": "Wants 500 shoes"}, if_match="*")
    assert answer.status == 200
    await refused(crm, lead, "of the contact description changed")

    assert done.contact_id
    await crm.run(ChangeConsent(contact_id=done.contact_id, channel=Channel.EMAIL, allowed=False, reason=RefusalReason.UNSUBSCRIBED))
    await refused(crm, lead, "of the contact description, do not contact changed")

    assert (await crm.api("PATCH", deal, {"amount": "99000"}, if_match="*")).status == 200
    await refused(crm, lead, "of the deal amount changed, of the contact")
    assert done.deal_id
    await crm.run(SetDealLines(deal_id=done.deal_id, lines=[DealLine(name="Rice", quantity=Decimal(2), unit_price=Decimal(5))]))
    await refused(crm, lead, "of the deal lines, lines total changed")

    account = f"/api/v1/crm/accounts/{done.account_id}"
    assert (await crm.api("PATCH", account, {"custom": {"floor": 2}}, if_match="*")).status == 200
    await refused(crm, lead, "of the account custom changed")


async def test_what_was_written_and_put_back_stands_against_nothing(crm: Harness, sales: Sales) -> None:
    lead = await crm.given(qualified(email="ada@lagosfoods.example"))
    done = await crm.run(ConvertLead(lead_id=lead.id, amount=Decimal("10.00")))
    deal = f"/api/v1/crm/deals/{done.deal_id}"
    for amount in ("11", "10"):
        assert (await crm.api("PATCH", deal, {"amount": amount}, if_match="*")).status == 200

    await crm.run(UnconvertLead(lead_id=lead.id))

    assert await crm.count(Deal) == 0


async def test_only_a_converted_lead_can_be_undone(crm: Harness, sales: Sales) -> None:
    lead = await crm.given(qualified())
    with pytest.raises(IllegalMove, match="Lead is qualified: it cannot unconvert"):
        await crm.run(UnconvertLead(lead_id=lead.id))
