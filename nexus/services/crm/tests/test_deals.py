"""Opening deals and saying what is sold."""

from __future__ import annotations

import asyncio
import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nexus.core import IllegalMove, Invalid, NotFound, uuid7
from nexus.core.money import SCALES, scale
from nexus.runtime.testing import Harness
from nexus.services.crm.api import CreateDeal, DealCreated, DealLinesSet, SetDealLines, WinDeal
from nexus.services.crm.entities import Account, Contact, Deal, DealStage, Pipeline
from nexus.services.crm.rules.stages import ClosingStage, NoStage, StageNeeds, StageRetired
from nexus.services.crm.rules.totals import totals
from nexus.services.crm.terms import BuyingRole, DealLine, DealPerson, DealStatus
from nexus.services.crm.tests.conftest import Sales, refused


def line(quantity: str, price: str, discount: str = "0") -> DealLine:
    return DealLine(name="Rice", quantity=Decimal(quantity), unit_price=Decimal(price), discount_percent=Decimal(discount))


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(sorted(SCALES)),
    st.lists(
        st.tuples(st.decimals("0.001", "10000", places=3), st.decimals("0", "100000", places=4), st.decimals("0", "100", places=2)),
        max_size=6,
    ),
)
def test_totals_are_exact_in_every_currency(currency: str, given_: list[tuple[Decimal, Decimal, Decimal]]) -> None:
    unit = Decimal(1).scaleb(-scale(currency))
    found = totals([line(str(quantity), str(price), str(discount)) for quantity, price, discount in given_], currency)

    assert found.total == found.subtotal - found.discount
    assert all(one % unit == 0 and -one.as_tuple().exponent == scale(currency) for one in found)  # type: ignore[operator]
    exact = sum((quantity * price * (1 - discount / 100) for quantity, price, discount in given_), Decimal(0))
    assert abs(found.total - exact) <= unit * len(given_)


async def test_opens_in_the_first_stage_of_the_first_pipeline(crm: Harness, sales: Sales) -> None:
    told = await crm.run(CreateDeal(name="Catering for 200"))

    deal = await crm.get(Deal, told.deal_id)
    assert (deal.pipeline_id, deal.stage_id, deal.status, deal.probability) == (sales.pipeline.id, sales.new.id, DealStatus.OPEN, 10)
    assert (deal.amount, deal.currency, deal.fx_rate, deal.lines_total) == (Decimal("0.00"), "NGN", Decimal(1), None)
    assert deal.opened_at == deal.stage_entered_at
    assert deal.owner_id == crm.caller.actor.id
    assert crm.emitted == [told]
    assert told == DealCreated(deal_id=deal.id, stage_id=sales.new.id, amount=Decimal("0.00"), currency="NGN", owner_id=deal.owner_id)


async def test_takes_everything_it_is_given(crm: Harness, sales: Sales) -> None:
    account, contact = await crm.given(Account(name="Firm")), await crm.given(Contact(name="Ada"))
    other = await crm.given(Contact(name="Obi"))
    owner, team = uuid7(), uuid7()

    told = await crm.run(
        CreateDeal(
            name="Rice",
            account_id=account.id,
            contact_id=contact.id,
            people=[DealPerson(contact_id=other.id, buying_role=BuyingRole.CHAMPION)],
            stage_id=sales.proposal.id,
            currency="JPY",
            fx_rate=Decimal("0.105"),
            lines=[line("3", "1000"), line("1", "99", "50")],
            probability=33,
            expected_close=dt.date(2027, 1, 31),
            source_id=sales.referral.id,
            competitors=[sales.rival.id],
            owner_id=owner,
            team_id=team,
            tags=["vip"],
            external_refs={"old": "7"},
        )
    )

    deal = await crm.get(Deal, told.deal_id)
    assert (deal.account_id, deal.contact_id, deal.people[0].contact_id) == (account.id, contact.id, other.id)
    assert (deal.stage_id, deal.amount, deal.lines_total, deal.fx_rate) == (
        sales.proposal.id,
        Decimal(3049),
        Decimal(3049),
        Decimal("0.105"),
    )
    assert (deal.probability, deal.expected_close, deal.source_id) == (33, dt.date(2027, 1, 31), sales.referral.id)
    assert (deal.competitors, deal.tags, deal.external_refs) == ([sales.rival.id], ["vip"], {"old": "7"})
    assert (deal.owner_id, deal.team_id) == (owner, team)


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({"amount": Decimal("0.001")}, "amount: has more than the 2 decimals of NGN"),
        ({"amount": Decimal("1.5"), "currency": "JPY"}, "amount: has more than the 0 decimals of JPY"),
        ({"amount": Decimal("NaN")}, "amount"),
        ({"amount": Decimal("1e21")}, "amount"),
        ({"amount": Decimal(-1)}, "amount"),
        ({"currency": "ABC"}, "currency"),
        ({"fx_rate": Decimal(2)}, "fx_rate: is 1 for the business's own currency"),
        ({"fx_rate": Decimal(0), "currency": "EUR"}, "fx_rate"),
        ({"fx_rate": Decimal("NaN"), "currency": "EUR"}, "fx_rate"),
        ({"fx_rate": Decimal("Infinity"), "currency": "EUR"}, "fx_rate"),
        ({"fx_rate": Decimal("1e-12"), "currency": "EUR"}, "fx_rate"),
        ({"fx_rate": Decimal("1e30"), "currency": "EUR"}, "fx_rate"),
        ({"lines": [line("1", "5")], "amount": Decimal(6)}, "amount: the lines come to 5.00"),
        ({"lines": [line("1", "-5")]}, "lines: come to -5.00"),
        ({"lines": [line("1e11", "1e11")]}, "lines"),
        ({"competitors": [uuid7()]}, "competitors"),
        ({"source_id": uuid7()}, "source_id: there is no lead source"),
        ({"people": [DealPerson(contact_id=uuid7(), buying_role=BuyingRole.USER)] * 51}, "people"),
        ({"tags": ["x" * 61]}, "tags"),
    ],
)
async def test_refuses_what_cannot_be(crm: Harness, sales: Sales, fields: dict[str, Any], match: str) -> None:
    async with refused(crm, Invalid, match):
        await crm.run(CreateDeal(name="Rice", **fields))


async def test_refuses_stages_it_cannot_begin_in(crm: Harness, sales: Sales) -> None:
    other = await crm.given(Pipeline(name="Other", position=1))
    later = await crm.given(DealStage(pipeline_id=sales.pipeline.id, name="Later", position=9))
    await crm.api("DELETE", f"/api/v1/crm/deal_stages/{later.id}", if_match="*")

    async with refused(crm, StageNeeds, "A deal needs amount before it enters Proposal"):
        await crm.run(CreateDeal(name="Rice", stage_id=sales.proposal.id))
    async with refused(crm, ClosingStage, "Entering Won closes the deal"):
        await crm.run(CreateDeal(name="Rice", stage_id=sales.won.id))
    async with refused(crm, StageRetired, "Later is no longer in use"):
        await crm.run(CreateDeal(name="Rice", stage_id=later.id))
    async with refused(crm, Invalid, "stage_id: is a stage of another pipeline"):
        await crm.run(CreateDeal(name="Rice", stage_id=sales.new.id, pipeline_id=other.id))
    async with refused(crm, NoStage):
        await crm.run(CreateDeal(name="Rice", pipeline_id=other.id))
    async with refused(crm, NotFound, "pipeline"):
        await crm.run(CreateDeal(name="Rice", pipeline_id=uuid7()))
    async with refused(crm, NotFound, "deal stage"):
        await crm.run(CreateDeal(name="Rice", stage_id=uuid7()))


async def test_refuses_parties_the_caller_may_not_see(crm: Harness, sales: Sales) -> None:
    account, contact = await crm.given(Account(name="Firm", owner_id=uuid7())), await crm.given(Contact(name="Ada", owner_id=uuid7()))
    rep = crm.as_("crm.rep")
    person = DealPerson(contact_id=contact.id, buying_role=BuyingRole.USER)
    for command in (
        CreateDeal(name="Rice", account_id=account.id),
        CreateDeal(name="Rice", contact_id=contact.id),
        CreateDeal(name="Rice", people=[person]),
    ):
        async with refused(crm, NotFound):
            await rep.run(command)


async def test_without_any_pipeline_there_is_nowhere_to_begin(crm: Harness) -> None:
    async with refused(crm, NoStage):
        await crm.run(CreateDeal(name="Rice"))


async def test_lines_make_the_amount(crm: Harness, sales: Sales) -> None:
    deal_id = (await crm.run(CreateDeal(name="Rice", amount=Decimal(7)))).deal_id

    told = await crm.run(SetDealLines(deal_id=deal_id, lines=[line("3", "9.99", "12.5"), line("0.5", "0.01")]))

    deal = await crm.get(Deal, deal_id)
    # 29.97 less 3.75 (3.74625), and 0.01 (0.005)
    assert (deal.amount, deal.lines_total, len(deal.lines)) == (Decimal("26.23"), Decimal("26.23"), 2)
    assert told == DealLinesSet(deal_id=deal_id, amount=Decimal("26.23"), currency="NGN") == crm.emitted[-1]

    await crm.run(SetDealLines(deal_id=deal_id, lines=[]))
    deal = await crm.get(Deal, deal_id)
    assert (deal.amount, deal.lines_total, deal.lines) == (Decimal("26.23"), None, [])


async def test_an_amount_of_lines_is_not_set_by_hand(crm: Harness, sales: Sales) -> None:
    deal_id = (await crm.run(CreateDeal(name="Rice", lines=[line("1", "5")]))).deal_id
    answered = await crm.api("PATCH", f"/api/v1/crm/deals/{deal_id}", {"amount": "6.00"}, if_match="*")
    assert (answered.status, (await crm.get(Deal, deal_id)).amount) == (422, Decimal("5.00"))


async def test_lines_of_a_closed_deal_stay(crm: Harness, sales: Sales) -> None:
    deal_id = (await crm.run(CreateDeal(name="Rice"))).deal_id
    await crm.run(WinDeal(deal_id=deal_id))
    async with refused(crm, IllegalMove, "Deal is won: it cannot set_lines"):
        await crm.run(SetDealLines(deal_id=deal_id, lines=[line("1", "5")]))
    async with refused(crm, NotFound):
        await crm.as_("crm.rep").run(SetDealLines(deal_id=deal_id, lines=[]))


async def test_lines_that_cannot_be_are_refused(crm: Harness, sales: Sales) -> None:
    deal_id = (await crm.run(CreateDeal(name="Rice"))).deal_id
    async with refused(crm, Invalid, "lines: come to -1.00"):
        await crm.run(SetDealLines(deal_id=deal_id, lines=[line("1", "-1")]))
    for wrong in ({"quantity": "0", "unit_price": "1"}, {"quantity": "NaN", "unit_price": "1"}, {"quantity": "1", "unit_price": "1e15"}):
        answered = await crm.api("POST", f"/api/v1/crm/deals/{deal_id}/set_lines", {"lines": [{"name": "Rice", **wrong}]})
        assert (answered.status, answered.json()["errors"][0]["field"].startswith("lines[0]")) == (422, True)
    assert (await crm.get(Deal, deal_id)).version == 1


async def test_two_at_once_leave_the_lines_of_one(crm: Harness, sales: Sales) -> None:
    deal_id = (await crm.run(CreateDeal(name="Rice"))).deal_id
    await asyncio.gather(*[crm.run(SetDealLines(deal_id=deal_id, lines=[line(str(n), "2")])) for n in (1, 2, 3)])
    deal = await crm.get(Deal, deal_id)
    assert (deal.amount, deal.lines_total, deal.version) == (deal.lines[0].quantity * 2, deal.amount, 4)
