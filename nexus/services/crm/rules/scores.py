"""Scores kept true: what the scorecard says of leads today, and what a team learns from how its leads ended.

What a lead counts for follows from the facts alone (`_ending`), never from the event that brought the news: so events may come late, twice or out
of order, and the experience is the same. `Lead.learned` says what has been counted, so that it is taken back exactly when the facts change.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final
from uuid import UUID

from nexus.core import Tx, Value, among, func, or_, select
from nexus.services.crm.entities import Deal, Lead, LeadSource, ScoreFrequency, ScoringRule
from nexus.services.crm.rules.conditions import known_of
from nexus.services.crm.rules.scorecard import Experience, Rule, countable, explained, features_of, learn
from nexus.services.crm.terms import DealStatus, LeadStatus, Learned

OPEN: Final = (LeadStatus.NEW, LeadStatus.CONTACTED, LeadStatus.NURTURING, LeadStatus.QUALIFIED, LeadStatus.RECYCLED)
"""A lead that has ended keeps the score it ended with."""


class _Card(Value, frozen=True, kw_only=True):
    """Everything that scores depend on beside the lead, as one statement finds it."""

    rules: list[Rule] | None
    sources: dict[UUID, str] | None
    teams: list[Experience] | None


async def score(leads: Sequence[Lead], tx: Tx) -> list[Lead]:
    """Give leads the score of today; answers those of which it says something else than before. Leads that have ended are left as they are."""
    scored = [lead for lead in leads if lead.status in OPEN]
    if not scored:
        return []
    card = await _card(scored, tx)
    rules = sorted(card.rules or [], key=lambda rule: rule.id)
    teams = {team.team_id: team for team in card.teams or []}
    changed: list[Lead] = []
    for lead in scored:
        lines = explained(known_of(lead, card.sources or {}), rules, teams.get(lead.team_id))
        points = sum(line.points for line in lines)
        if (points, lines) != (lead.score, lead.score_reasons):
            lead.score, lead.score_reasons, lead.scored_at = points, lines, tx.now
            changed.append(lead)
    return changed


async def _card(leads: Sequence[Lead], tx: Tx) -> _Card:
    rule = func.json_build_object(
        "id", ScoringRule.id, "name", ScoringRule.name, "points", ScoringRule.points, "conditions", ScoringRule.conditions
    )
    team = func.json_build_object("team_id", ScoreFrequency.team_id, "total", ScoreFrequency.total, "values", ScoreFrequency.values)
    teams = {lead.team_id for lead in leads}
    of_team = among(ScoreFrequency.team_id, [one for one in teams if one])
    of_teams = or_(of_team, ScoreFrequency.team_id.is_(None)) if None in teams else of_team
    (row,) = await tx.rows(
        select(
            select(func.json_agg(rule)).where(ScoringRule.active, ScoringRule.archived_at.is_(None)).scalar_subquery().label("rules"),
            _source_names({lead.source_id for lead in leads}).label("sources"),
            select(func.json_agg(team)).where(of_teams).scalar_subquery().label("teams"),
        )
    )
    return _Card.of(row)


def _source_names(ids: Iterable[UUID | None]) -> Any:
    """The keys of some sources by their ids, as JSON; where a source has no key, its name."""
    named = func.json_object_agg(LeadSource.id, func.coalesce(LeadSource.key, LeadSource.name))
    return select(named).where(among(LeadSource.id, [id for id in ids if id])).scalar_subquery()


async def settle(lead_id: UUID, tx: Tx) -> None:
    """Make what was learned from a lead what its end says: nothing while it is open, a win or a loss once it has ended.

    Locks the lead, then the frequencies of at most two teams in the order of their ids; nothing locks them the other way round.
    """
    lead = await tx.find(Lead, Lead.id == lead_id, lock=True)
    if lead is None:
        return
    won, sources = await _ending(lead, tx)
    before = lead.learned
    if won == (before.won if before else None):
        return
    teams = {before.team_id} if before else set[UUID | None]()
    teams |= {lead.team_id} if won is not None else set[UUID | None]()
    experience = {team_id: await _experience(team_id, tx) for team_id in sorted(teams, key=str)}
    if before is not None:
        learn(experience[before.team_id], before.features, won=before.won, by=-1)
    lead.learned = None
    if won is not None:
        of_team = experience[lead.team_id]
        features = countable(features_of(known_of(lead, sources)), of_team.values)
        learn(of_team, features, won=won, by=1)
        lead.learned = Learned(team_id=lead.team_id, won=won, features=features)


class _End(Value, frozen=True, kw_only=True):
    deal: DealStatus | None
    sources: dict[UUID, str] | None


async def _ending(lead: Lead, tx: Tx) -> tuple[bool | None, dict[UUID, str]]:
    """Whether a lead was won (True) or lost (False), or nothing is decided (None); and the name of its source.

    A conversion decides nothing: what becomes of its deal does.
    """
    deal = select(Deal.status).where(Deal.id == lead.converted_deal_id).scalar_subquery()
    (row,) = await tx.rows(select(deal.label("deal"), _source_names([lead.source_id]).label("sources")))
    end = _End.of(row)
    if lead.status is LeadStatus.DISQUALIFIED:
        won: bool | None = False
    elif lead.status is LeadStatus.CONVERTED:
        won = {DealStatus.WON: True, DealStatus.LOST: False}.get(end.deal) if end.deal else None
    else:
        won = None
    return won, end.sources or {}


async def _experience(team_id: UUID | None, tx: Tx) -> ScoreFrequency:
    """A team's experience, locked; a new one where it has none. Of two that make it at once, one is run again and finds it."""
    mine = ScoreFrequency.team_id == team_id if team_id else ScoreFrequency.team_id.is_(None)
    return await tx.find(ScoreFrequency, mine, lock=True) or tx.add(ScoreFrequency(team_id=team_id))
