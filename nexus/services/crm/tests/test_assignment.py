"""New leads and deals get an owner by the first rule that fits."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.core import uuid7
from nexus.runtime.testing import Harness
from nexus.services.crm.api import DealCreated, LeadCreated, OwnerChanged
from nexus.services.crm.entities import AssignmentRule, Deal, Lead, Territory
from nexus.services.crm.rules.assignment import choose, turns
from nexus.services.crm.terms import AssignmentMethod, Condition, LeadStatus, Member, Operator
from nexus.services.crm.tests.conftest import Sales

AT = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
PEOPLE = [uuid7() for _ in range(4)]


def members(*people: UUID, **more: Any) -> list[Member]:
    return [Member(user_id=one, **more) for one in people]


def rule(*people: UUID, **fields: Any) -> AssignmentRule:
    return AssignmentRule(**{"name": "Everybody", "members": members(*people), **fields})


async def arrive(crm: Harness, *leads: Lead, times: int = 1) -> list[UUID | None]:
    """Leads that come one after the other, and who has each of them then."""
    await crm.given(*leads)
    for lead in leads:
        await crm.deliver(LeadCreated(id=lead.id), times=times)
    return [(await crm.get(Lead, lead.id)).owner_id for lead in leads]


def some(count: int, **fields: Any) -> list[Lead]:
    return [Lead(**{"name": f"Lead {n}", **fields}) for n in range(count)]


async def test_by_turns_each_gets_the_next(crm: Harness) -> None:
    a, b, c, _ = PEOPLE
    made = await crm.given(rule(a, b, c))

    assert await arrive(crm, *some(4)) == [a, b, c, a]

    now = await crm.get(AssignmentRule, made.id)
    assert (now.last_user_id, now.version) == (a, 1)


async def test_says_who_is_responsible_and_sets_team_and_territory(crm: Harness) -> None:
    team, place = uuid7(), Territory(name="West", lineage="")
    place.lineage = f"{place.id}/"
    await crm.given(place)
    await crm.given(rule(PEOPLE[0], team_id=team, territory_id=place.id))
    (lead,) = some(1)

    await arrive(crm, lead)

    now = await crm.get(Lead, lead.id)
    assert (now.owner_id, now.team_id, now.territory_id) == (PEOPLE[0], team, place.id)
    given_to = [event for event in crm.emitted if isinstance(event, OwnerChanged)]
    of: dict[str, Any] = {"record_id": lead.id, "record_entity": "crm.lead", "team_id": team, "territory_id": place.id}
    assert given_to == [OwnerChanged(to_owner_id=PEOPLE[0], **of)]


async def test_told_twice_it_gives_once(crm: Harness) -> None:
    a, b, *_ = PEOPLE
    await crm.given(rule(a, b))

    assert await arrive(crm, *some(3), times=2) == [a, b, a]
    assert sum(isinstance(event, OwnerChanged) for event in crm.emitted) == 3

    (lead,) = some(1)
    await arrive(crm, lead)
    await crm.deliver(LeadCreated(id=lead.id))
    assert ((await crm.get(Lead, lead.id)).owner_id, sum(isinstance(event, OwnerChanged) for event in crm.emitted)) == (b, 4)


async def test_the_first_rule_that_fits_applies(crm: Harness) -> None:
    a, b, c, d = PEOPLE
    big = [Condition(field="amount", op=Operator.AT_LEAST, value="1000"), Condition(field="country", op=Operator.IS, value="NG")]
    await crm.given(
        rule(d, position=3),
        rule(a, position=1, conditions=big),
        rule(b, position=2, conditions=[Condition(field="country", op=Operator.IN, value=["NG", "GH"])]),
        rule(c, position=0, active=False),
        rule(c, position=0, applies_to="deal"),
    )
    money = {"estimated_amount": 1000, "currency": "NGN"}

    found = await arrive(crm, *some(1, country="NG", **money), *some(1, country="NG"), *some(1, country="GH", **money), *some(1))

    assert found == [a, b, b, d]


async def test_a_source_is_known_by_its_key(crm: Harness, sales: Sales) -> None:
    await crm.given(rule(PEOPLE[0], conditions=[Condition(field="source", op=Operator.IS, value="referral")]))

    assert await arrive(crm, *some(1, source_id=sales.referral.id), *some(1)) == [PEOPLE[0], None]


async def test_by_load_whoever_has_fewest_gets_the_next(crm: Harness) -> None:
    a, b, c, _ = PEOPLE
    await crm.given(rule(a, b, c, method=AssignmentMethod.LOAD))
    await crm.given(*some(3, owner_id=a), *some(1, owner_id=b), *some(4, owner_id=c, status=LeadStatus.CONVERTED))

    assert await arrive(crm, *some(5)) == [c, b, c, b, c]


@pytest.mark.parametrize("method", list(AssignmentMethod))
async def test_nobody_gets_more_than_they_can_take(crm: Harness, method: AssignmentMethod) -> None:
    a, b, *_ = PEOPLE
    both = [Member(user_id=a, capacity=1, skills=["en"]), Member(user_id=b, capacity=2, skills=["en"])]
    team = uuid7()
    await crm.given(AssignmentRule(name="Few", method=method, members=both, skill_field="language", team_id=team))
    leads = some(5, language="en")

    assert sorted(str(one) for one in await arrive(crm, *leads)) == sorted(str(one) for one in (a, b, b, None, None))
    assert {(await crm.get(Lead, lead.id)).team_id for lead in leads} == {team}


async def test_by_skill_whoever_has_it_gets_it(crm: Harness) -> None:
    a, b, c, _ = PEOPLE
    skilled = [Member(user_id=a, skills=["EN"]), Member(user_id=b, skills=["fr", "en"]), Member(user_id=c, skills=["de"])]
    await crm.given(AssignmentRule(name="Languages", method=AssignmentMethod.SKILL, members=skilled, skill_field="language"))

    found = await arrive(crm, *[Lead(name="L", language=one) for one in ("en", "fr", "en", "de", "it", None)])

    assert found == [a, b, a, c, None, None]


async def test_leaves_alone_what_has_an_owner_or_is_done_with(crm: Harness) -> None:
    a, b, *_ = PEOPLE
    await crm.given(rule(a, team_id=uuid7()))
    gone = await crm.given(Lead(name="Gone"))
    await crm.api("DELETE", f"/api/v1/crm/leads/{gone.id}", if_match="*")

    assert await arrive(crm, *some(1, owner_id=b), *some(1, status=LeadStatus.DISQUALIFIED)) == [b, None]
    await crm.deliver(LeadCreated(id=gone.id))
    await crm.deliver(LeadCreated(id=uuid7()))

    assert {(lead.team_id, lead.owner_id in (None, b)) for lead in await crm.list(Lead)} == {(None, True)}
    assert not any(isinstance(event, OwnerChanged) for event in crm.emitted)


async def test_without_a_rule_or_members_nobody_gets_it(crm: Harness) -> None:
    assert await arrive(crm, *some(1)) == [None]
    await crm.given(rule())
    assert await arrive(crm, *some(1)) == [None]


def deal(sales: Sales, **fields: Any) -> Deal:
    stages = {"pipeline_id": sales.pipeline.id, "stage_id": sales.new.id, "opened_at": AT, "stage_entered_at": AT}
    return Deal(**{"name": "Rice", "currency": "NGN", **stages, **fields})


async def test_a_deal_that_nobody_owns_gets_an_owner_too(crm: Harness, sales: Sales) -> None:
    a, b, *_ = PEOPLE
    await crm.given(rule(a, b, applies_to="deal"), rule(PEOPLE[2]))
    deals = [deal(sales), deal(sales, owner_id=PEOPLE[3]), deal(sales)]
    await crm.given(*deals)

    for one in deals:
        await crm.deliver(DealCreated(deal_id=one.id, stage_id=one.stage_id, amount=one.amount, currency=one.currency))

    assert [(await crm.get(Deal, one.id)).owner_id for one in deals] == [a, PEOPLE[3], b]


async def test_turns_are_fair_however_many_come_at_once(crm: Harness) -> None:
    await crm.given(rule(*PEOPLE))
    leads = some(24)
    await crm.given(*leads)

    await asyncio.gather(*[crm.deliver(LeadCreated(id=lead.id)) for lead in leads])

    assert [await crm.count(Lead, Lead.owner_id == one) for one in PEOPLE] == [6, 6, 6, 6]


async def test_nobody_gets_more_than_they_can_take_when_many_come_at_once(crm: Harness) -> None:
    """By two rules that share a member, too."""
    a, b, *_ = PEOPLE
    in_nigeria = [Condition(field="country", op=Operator.IS, value="NG")]
    await crm.given(
        rule(position=0, conditions=in_nigeria, members=members(a, b, capacity=3)), rule(position=1, members=members(a, capacity=3))
    )
    leads = [*some(8, country="NG"), *some(8)]
    await crm.given(*leads)

    await asyncio.gather(*[crm.deliver(LeadCreated(id=lead.id)) for lead in leads])

    assert (await crm.count(Lead, Lead.owner_id == a), await crm.count(Lead, Lead.owner_id == b)) == (3, 3)


@given(
    capacities=st.lists(st.none() | st.integers(0, 5), min_size=1, max_size=6),
    loads=st.lists(st.integers(0, 6), min_size=6, max_size=6),
    last=st.integers(-1, 6),
    method=st.sampled_from([AssignmentMethod.ROUND_ROBIN, AssignmentMethod.LOAD]),
)
def test_chooses_somebody_exactly_when_somebody_has_room(
    capacities: list[int | None], loads: list[int], last: int, method: AssignmentMethod
) -> None:
    people = [Member(user_id=UUID(int=n), capacity=capacity) for n, capacity in enumerate(capacities)]
    of = {UUID(int=n): load for n, load in enumerate(loads)}
    one = AssignmentRule(name="R", members=people, method=method)
    one.last_user_id = UUID(int=last) if last >= 0 else None

    chosen = choose(one, {}, of)

    room = [member.user_id for member in people if member.capacity is None or of[member.user_id] < member.capacity]
    assert (chosen is None) == (not room)
    assert chosen is None or chosen in room
    if chosen and method is AssignmentMethod.LOAD:
        assert of[chosen] == min(of[id] for id in room)
    if chosen and method is AssignmentMethod.ROUND_ROBIN:
        assert chosen == next(member.user_id for member in turns(people, one.last_user_id) if member.user_id in room)
