"""Who gets a new lead or deal: the first rule that fits says among whom, and how one of them is chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from nexus.core import Tx, among, func, select, update
from nexus.services.crm.api import OwnerChanged
from nexus.services.crm.entities import AssignmentRule, Deal, Lead, LeadSource
from nexus.services.crm.rules.conditions import Known, holds, known_of
from nexus.services.crm.rules.scores import OPEN
from nexus.services.crm.terms import AssignmentMethod, DealStatus, Member


async def assign(record: Lead | Deal, tx: Tx) -> None:
    """Give a record that nobody owns to somebody, by the first rule that fits. Where all its members are full, it has a team and no owner."""
    rules = await _rules("lead" if isinstance(record, Lead) else "deal", tx)
    known = known_of(record, await _source(record, tx)) if rules else {}
    rule = next((one for one in rules if holds(one.conditions, known)), None)
    if rule is None:
        return
    record.team_id = rule.team_id or record.team_id
    record.territory_id = rule.territory_id or record.territory_id
    user_id = choose(rule, known, await _loads(record, rule, tx))
    if user_id is not None:
        _give(record, user_id, tx)
        await _remember(rule, user_id, tx)


async def _rules(kind: str, tx: Tx) -> list[AssignmentRule]:
    """The rules in their order. They stay locked until the end: so turns are fair and nobody gets more than they can take, however many come at once."""
    rules = await tx.list(
        AssignmentRule,
        AssignmentRule.applies_to == kind,
        AssignmentRule.active.is_(True),
        AssignmentRule.archived_at.is_(None),
        lock=True,
    )
    return sorted(rules, key=lambda rule: (rule.position, rule.id))


async def _source(record: Lead | Deal, tx: Tx) -> dict[UUID, str]:
    if record.source_id is None:
        return {}
    source = await tx.find(LeadSource, LeadSource.id == record.source_id)
    return {source.id: source.key or source.name} if source else {}


async def _loads(record: Lead | Deal, rule: AssignmentRule, tx: Tx) -> dict[UUID, int]:
    """How many open records of the kind each member has, where that matters."""
    if rule.method is AssignmentMethod.ROUND_ROBIN and all(one.capacity is None for one in rule.members):
        return {}
    kind = type(record)
    worked_on = among(Lead.status, list(OPEN)) if isinstance(record, Lead) else Deal.status == DealStatus.OPEN
    members = [one.user_id for one in rule.members]
    theirs = among(kind.owner_id, members), kind.archived_at.is_(None), worked_on
    rows = await tx.rows(select(kind.owner_id.label("owner"), func.count().label("open")).where(*theirs).group_by(kind.owner_id))
    return {UUID(row["owner"]): int(row["open"]) for row in rows}


def choose(rule: AssignmentRule, known: Known, loads: Mapping[UUID, int]) -> UUID | None:
    """Whose turn it is. Nobody who has as many open records as they can take, and for a skill nobody without it."""
    line = [one for one in turns(rule.members, rule.last_user_id) if one.capacity is None or loads.get(one.user_id, 0) < one.capacity]
    if rule.method is AssignmentMethod.SKILL:
        wanted = known.get(rule.skill_field or "", "").casefold()
        line = [one for one in line if any(skill.casefold() == wanted for skill in one.skills)]
    if rule.method is not AssignmentMethod.ROUND_ROBIN:  # by turns the skilled behind others would come too often, those before them never
        line.sort(key=lambda one: loads.get(one.user_id, 0))
    return line[0].user_id if line else None


def turns(members: Sequence[Member], last: UUID | None) -> list[Member]:
    """The members in the order of their turns: whoever comes after the last one is first."""
    at = next((place + 1 for place, one in enumerate(members) if one.user_id == last), 0)
    return [*members[at:], *members[:at]]


def _give(record: Lead | Deal, user_id: UUID, tx: Tx) -> None:
    record.owner_id = user_id
    given = OwnerChanged(
        record_id=record.id,
        record_entity=record.entity_name(),
        to_owner_id=user_id,
        team_id=record.team_id,
        territory_id=record.territory_id,
    )
    tx.emit(given)


async def _remember(rule: AssignmentRule, user_id: UUID, tx: Tx) -> None:
    """Whose turn was last. That is no new version of the rule: whoever edits it meanwhile is not refused."""
    await tx.execute(update(AssignmentRule).where(AssignmentRule.id == rule.id).values(last_user_id=user_id))
