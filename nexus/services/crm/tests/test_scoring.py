"""Scores that explain themselves, and what a team learns from how its leads ended."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nexus.core import Command, Invalid, NotFound, uuid7
from nexus.runtime.testing import Harness
from nexus.services.crm.api import (
    AssignLead,
    ConvertLead,
    DealLost,
    DealReopened,
    DealWon,
    DisqualifyLead,
    LeadCreated,
    LeadDisqualified,
    LeadRecycled,
    LeadUnconverted,
    LeadUpdated,
    LoseDeal,
    RecycleLead,
    ReopenDeal,
    Rescored,
    RescoreLeads,
    UnconvertLead,
    WinDeal,
)
from nexus.services.crm.entities import Lead, ScoreFrequency, ScoringRule
from nexus.services.crm.rules.scorecard import EVEN, MOST_VALUES, Experience, Rule, countable, explained, features_of, learn, probability
from nexus.services.crm.terms import Condition, LeadStatus, Learned, Operator, ScoreReason, WonLost
from nexus.services.crm.tests.conftest import Sales

# ---- the scorecard, as a function of values

SOURCES = ["referral", "website", "fair"]
KNOWN = st.fixed_dictionaries(
    {},
    optional={
        "source": st.sampled_from(SOURCES),
        "industry": st.sampled_from(["food", "law"]),
        "country": st.sampled_from(["NG", "DE", "ZA"]),
        "utm_source": st.sampled_from(["ad", "mail"]),
        "email": st.just("ada@example.com"),
        "phone": st.just("+2348031234567"),
        "company": st.just("Lagos Foods"),
        "message": st.just("Hello"),
    },
)
HISTORY = st.lists(st.tuples(KNOWN, st.booleans()), max_size=40)
RULES = st.lists(
    st.builds(
        Rule,
        id=st.builds(uuid7),
        name=st.just("A rule"),
        points=st.integers(-100, 100),
        conditions=st.lists(
            st.builds(
                Condition, field=st.sampled_from(["source", "email", "country"]), op=st.sampled_from([Operator.PRESENT, Operator.ABSENT])
            ),
            max_size=2,
        ),
    ),
    max_size=4,
)


def learned_from(history: list[tuple[dict[str, str], bool]]) -> ScoreFrequency:
    experience = ScoreFrequency()
    for known, won in history:
        learn(experience, features_of(known), won=won, by=1)
    return experience


def experience_of(kept: ScoreFrequency) -> Experience:
    return Experience(team_id=kept.team_id, total=kept.total, values=kept.values)


def slow_odds(known: dict[str, str], history: list[tuple[dict[str, str], bool]]) -> tuple[float, list[float]]:
    """Naive Bayes with 0.1 smoothing, counted anew from all leads: the odds of the prior, and the likelihood ratio of each known value."""
    endings = [won for _, won in history]
    prior = (endings.count(True) + 0.1) / (endings.count(False) + 0.1)
    ratios: list[float] = []
    for field, value in features_of(known).items():
        met = [(features_of(other)[field], won) for other, won in history if field in features_of(other)]
        values = {other for other, _ in met}
        if value not in values:
            continue
        likelihood = {
            won: (sum(pair == (value, won) for pair in met) + 0.1) / (endings.count(won) + 0.1 * len(values)) for won in (True, False)
        }
        ratios.append(likelihood[True] / likelihood[False])
    return prior, ratios


@settings(max_examples=200, deadline=None)
@given(KNOWN, HISTORY)
def test_experience_is_naive_bayes_with_a_tenth_of_smoothing(known: dict[str, str], history: list[tuple[dict[str, str], bool]]) -> None:
    lines = explained(known, [], experience_of(learned_from(history)))

    if not history:
        assert lines == [ScoreReason(points=EVEN, reason="start")]
        return
    prior, ratios = slow_odds(known, history)
    expected = [EVEN, *[round(10 * math.log2(one)) for one in (prior, *ratios)]]
    assert [line.points for line in lines] == [points for points in expected if points]
    score, odds = sum(line.points for line in lines), prior * math.prod(ratios)
    assert abs(score - (EVEN + 10 * math.log2(odds))) <= 0.5 * (1 + len(ratios)) + 1e-9
    assert abs(math.log2(probability(score) / (1 - probability(score))) * 10 + EVEN - score) < 1e-6


@settings(max_examples=200, deadline=None)
@given(KNOWN, HISTORY, RULES)
def test_the_lines_are_what_experience_and_rules_say_and_nothing_else(
    known: dict[str, str], history: list[tuple[dict[str, str], bool]], rules: list[Rule]
) -> None:
    experience = experience_of(learned_from(history))
    without, with_rules = explained(known, [], experience), explained(known, rules, experience)

    met = [
        rule.points
        for rule in rules
        if rule.points and all((one.field in known) == (one.op is Operator.PRESENT) for one in rule.conditions)
    ]
    assert with_rules == [*without, *[ScoreReason(points=points, reason="A rule") for points in met]]
    assert 0 not in [line.points for line in with_rules]


@settings(max_examples=200, deadline=None)
@given(HISTORY, HISTORY, st.randoms(use_true_random=False))
def test_what_is_taken_back_was_never_learned(
    kept: list[tuple[dict[str, str], bool]], taken: list[tuple[dict[str, str], bool]], random: Any
) -> None:
    experience, only = learned_from([*kept, *taken]), learned_from(kept)
    random.shuffle(taken)
    for known, won in taken:
        learn(experience, features_of(known), won=won, by=-1)

    assert (experience.total, experience.values) == (only.total, only.values)


def test_a_field_that_anybody_may_fill_does_not_grow_without_end() -> None:
    values = {"utm_source": {f"ad{number}": WonLost(won=1) for number in range(MOST_VALUES)}}

    assert countable({"utm_source": "ad7", "source": "fair"}, values) == {"utm_source": "ad7", "source": "fair"}
    assert countable({"utm_source": "one more", "source": "fair"}, values) == {"source": "fair"}


# ---- scoring leads


def rule(points: int, name: str, field: str, op: Operator = Operator.PRESENT, value: str | None = None) -> ScoringRule:
    return ScoringRule(name=name, points=points, conditions=[Condition(field=field, op=op, value=value)])


async def test_scores_a_lead_and_says_why(crm: Harness, sales: Sales) -> None:
    await crm.given(rule(18, "Was referred to us", "source", Operator.IS, "referral"), rule(8, "Can be called", "phone"))
    await crm.given(rule(-5, "Cannot be written to", "email", Operator.ABSENT))
    lead = await crm.given(Lead(name="Ada", source_id=sales.referral.id, phone="+2348031234567"))

    assert await crm.run(RescoreLeads(lead_ids=[lead.id])) == Rescored(leads=1)

    scored = await crm.get(Lead, lead.id)
    assert scored.score == 71
    assert scored.score_reasons == [
        ScoreReason(points=50, reason="start"),
        ScoreReason(points=18, reason="Was referred to us"),
        ScoreReason(points=8, reason="Can be called"),
        ScoreReason(points=-5, reason="Cannot be written to"),
    ]
    assert scored.scored_at is not None
    assert crm.round_trips <= 3


async def test_rules_that_are_off_or_archived_do_not_count(crm: Harness) -> None:
    off, gone = rule(9, "Off", "name"), rule(9, "Gone", "phone")
    off.active = False
    await crm.given(off, gone)
    assert (await crm.api("DELETE", f"/api/v1/crm/scoring_rules/{gone.id}", if_match="*")).status in (200, 204)
    lead = await crm.given(Lead(name="Ada", phone="+2348031234567"))

    await crm.run(RescoreLeads(lead_ids=[lead.id]))

    assert (await crm.get(Lead, lead.id)).score == 50


async def test_the_oldest_scores_are_renewed_first(crm: Harness) -> None:
    await crm.given(*[Lead(name=f"Lead {number}") for number in range(4)])
    ended = await crm.given(Lead(name="Ended", status=LeadStatus.CONVERTED))

    assert await crm.run(RescoreLeads(limit=2)) == Rescored(leads=2)
    assert await crm.run(RescoreLeads(limit=3)) == Rescored(leads=3)

    leads = await crm.list(Lead, Lead.id != ended.id)
    assert [lead.score for lead in leads] == [50] * 4
    first, second, third, fourth = [lead.scored_at or pytest.fail("a lead has no score") for lead in leads]
    assert first == third == fourth > second
    assert (await crm.get(Lead, ended.id)).score is None


@pytest.mark.parametrize(
    ("command", "field"),
    [
        (RescoreLeads(limit=0), "limit"),
        (RescoreLeads(limit=1001), "limit"),
        (RescoreLeads(lead_ids=[uuid7() for _ in range(101)]), "lead_ids"),
    ],
)
async def test_refuses_too_many_and_too_few(crm: Harness, command: RescoreLeads, field: str) -> None:
    with pytest.raises(Invalid, match=field):
        await crm.run(command)


async def test_refuses_a_lead_the_caller_may_not_see(crm: Harness) -> None:
    lead = await crm.given(Lead(name="Ada", owner_id=uuid7()))
    with pytest.raises(NotFound):
        await crm.as_("crm.manager").run(RescoreLeads(lead_ids=[lead.id]))
    assert (await crm.get(Lead, lead.id)).score is None


# ---- when told


async def test_a_new_lead_is_scored_once(crm: Harness) -> None:
    await crm.given(rule(8, "Can be called", "phone"))
    lead = await crm.given(Lead(name="Ada", phone="+2348031234567"))

    await crm.deliver(LeadCreated(id=lead.id), times=2)

    scored = await crm.get(Lead, lead.id)
    assert (scored.score, sum(line.points for line in scored.score_reasons), scored.version) == (58, 58, 2)


async def test_a_lead_that_was_changed_is_scored_anew_and_only_if_that_matters(crm: Harness) -> None:
    await crm.given(rule(8, "Can be called", "phone"))
    lead = await crm.given(Lead(name="Ada", phone="+2348031234567"))
    await crm.deliver(LeadCreated(id=lead.id))

    await crm.deliver(LeadUpdated(id=lead.id, updated_by=uuid7()))
    assert (await crm.get(Lead, lead.id)).version == 2

    patched = await crm.api("PATCH", f"/api/v1/crm/leads/{lead.id}", {"phone": None}, if_match="*")
    assert patched.status == 200
    await crm.deliver(LeadUpdated(id=lead.id))  # by the system itself: nothing to do
    assert (await crm.get(Lead, lead.id)).score == 58
    await crm.deliver(LeadUpdated(id=lead.id, updated_by=uuid7()))

    scored = await crm.get(Lead, lead.id)
    assert (scored.score, scored.score_reasons) == (50, [ScoreReason(points=50, reason="start")])


async def test_what_comes_of_a_lead_that_is_gone_is_nothing(crm: Harness) -> None:
    nobody = uuid7()
    for event in (LeadCreated(id=nobody), LeadUpdated(id=nobody, updated_by=nobody), LeadRecycled(lead_id=nobody)):
        await crm.deliver(event)
    assert (await crm.count(Lead), await crm.count(ScoreFrequency)) == (0, 0)


async def hear(crm: Harness, command: Command[Any], *, times: int = 1) -> None:
    """Run a command and let the reactions hear what it tells."""
    await crm.deliver(await crm.run(command), times=times)


async def frequency(crm: Harness, team_id: UUID | None = None) -> ScoreFrequency:
    (kept,) = [one for one in await crm.list(ScoreFrequency) if one.team_id == team_id]
    return kept


async def test_a_lost_lead_is_learned_from_and_a_recycled_one_unlearned(crm: Harness, sales: Sales) -> None:
    lead = await crm.given(Lead(name="Ada", source_id=sales.referral.id, country="NG"))
    gone = await crm.run(DisqualifyLead(lead_id=lead.id, reason_id=sales.nobody_home.id))

    await crm.deliver(gone, times=3)

    features = {"source": "referral", "country": "NG", "email": "missing", "phone": "missing", "company": "missing", "message": "missing"}
    assert (await crm.get(Lead, lead.id)).learned == Learned(team_id=None, won=False, features=features)
    kept = await frequency(crm)
    assert kept.total == WonLost(lost=1)
    assert kept.values == {field: {value: WonLost(lost=1)} for field, value in features.items()}

    await crm.api("PATCH", f"/api/v1/crm/leads/{lead.id}", {"country": "DE"}, if_match="*")
    await hear(crm, RecycleLead(lead_id=lead.id), times=2)

    assert (await crm.get(Lead, lead.id)).learned is None
    kept = await frequency(crm)
    assert (kept.total, kept.values) == (WonLost(), {})


async def test_experience_speaks_in_the_score(crm: Harness, sales: Sales) -> None:
    for number in range(3):
        lead = await crm.given(Lead(name=f"Lost {number}", country="NG"))
        await hear(crm, DisqualifyLead(lead_id=lead.id, reason_id=sales.nobody_home.id))
    fresh = await crm.given(Lead(name="Ada", country="NG"))
    await crm.deliver(LeadCreated(id=fresh.id))

    scored = await crm.get(Lead, fresh.id)
    assert scored.score_reasons == [ScoreReason(points=50, reason="start"), ScoreReason(points=-50, reason="0 won, 3 lost so far")]
    assert scored.score == 0


async def converted(crm: Harness, **fields: Any) -> tuple[Lead, UUID]:
    lead = await crm.given(Lead(**{"name": "Ada", "status": LeadStatus.QUALIFIED, **fields}))
    done = await crm.run(ConvertLead(lead_id=lead.id))
    assert done.deal_id is not None
    return lead, done.deal_id


async def test_won_lost_and_reopened_deals_teach_exactly_once(crm: Harness, sales: Sales) -> None:
    team = uuid7()
    lead, deal_id = await converted(crm, team_id=team)

    won = await crm.run(WinDeal(deal_id=deal_id))
    assert isinstance(won, DealWon)
    await crm.deliver(won, times=2)
    assert (await frequency(crm, team)).total == WonLost(won=1)

    opened = await crm.run(ReopenDeal(deal_id=deal_id))
    assert isinstance(opened, DealReopened)
    await crm.deliver(opened)
    assert ((await frequency(crm, team)).total, (await frequency(crm, team)).values) == (WonLost(), {})

    lost = await crm.run(LoseDeal(deal_id=deal_id, reason_id=sales.price.id))
    assert isinstance(lost, DealLost)
    await crm.deliver(lost)
    await crm.deliver(won)  # late news of what is no longer so changes nothing
    assert (await frequency(crm, team)).total == WonLost(lost=1)
    assert (await crm.get(Lead, lead.id)).learned is not None


async def test_an_undone_conversion_is_unlearned_whatever_comes_first(crm: Harness, sales: Sales) -> None:
    lead, deal_id = await converted(crm)
    won = await crm.run(WinDeal(deal_id=deal_id))
    await crm.deliver(won)
    assert (await frequency(crm)).total == WonLost(won=1)
    await crm.api("POST", f"/api/v1/crm/deals/{deal_id}/reopen", {})
    reopened = crm.emitted[-1]
    frequencies = (await frequency(crm)).version

    with pytest.raises(Exception, match="moved to another stage"):
        await crm.run(UnconvertLead(lead_id=lead.id))
    await crm.deliver(LeadUnconverted(lead_id=lead.id))
    await crm.deliver(reopened)

    assert ((await frequency(crm)).total, (await frequency(crm)).version) == (WonLost(), frequencies + 1)


async def test_a_team_learns_where_the_lead_was_when_it_ended(crm: Harness, sales: Sales) -> None:
    old, new = uuid7(), uuid7()
    lead = await crm.given(Lead(name="Ada", team_id=old))
    await hear(crm, DisqualifyLead(lead_id=lead.id, reason_id=sales.nobody_home.id))
    await crm.run(AssignLead(lead_id=lead.id, owner_id=None, team_id=new))

    await crm.deliver(LeadDisqualified(lead_id=lead.id, reason_id=sales.nobody_home.id))
    assert (await frequency(crm, old)).total == WonLost(lost=1)
    await hear(crm, RecycleLead(lead_id=lead.id))

    assert (await frequency(crm, old)).total == WonLost()
    assert await crm.count(ScoreFrequency) == 1


async def test_many_endings_at_once_are_all_counted(crm: Harness, sales: Sales) -> None:
    team = uuid7()
    leads = [
        Lead(name=f"Lead {number}", team_id=team if number % 2 else None, country=["NG", "DE"][number % 3 % 2]) for number in range(12)
    ]
    await crm.given(*leads)
    lost = [await crm.run(DisqualifyLead(lead_id=lead.id, reason_id=sales.nobody_home.id)) for lead in leads]

    await asyncio.gather(*[crm.deliver(event) for event in lost])

    for team_id in (team, None):
        kept, mine = await frequency(crm, team_id), [lead for lead in leads if lead.team_id == team_id]
        assert kept.total == WonLost(lost=6)
        assert kept.values["country"] == {country: WonLost(lost=count) for country, count in Counter(lead.country for lead in mine).items()}

    back = [await crm.run(RecycleLead(lead_id=lead.id)) for lead in leads]
    await asyncio.gather(*[crm.deliver(event) for event in back])
    assert [(one.total, one.values) for one in await crm.list(ScoreFrequency)] == [(WonLost(), {})] * 2
