"""Sample data: a business in the middle of its work, so that every list, board and report has something to show on the first day.

Days are counted back from the planting. A deal has come through the stages before its own, and what was asked was answered, as a business that
works well would have done it.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from nexus.core import Tx, among, case, update
from nexus.services.crm.commands.deals import own_rate, told
from nexus.services.crm.entities import Account, Activity, Contact, Deal, DealStage, Lead
from nexus.services.crm.flows import lead_flow
from nexus.services.crm.rules.clocks import TALK
from nexus.services.crm.rules.stages import CLOSING, enter, missing
from nexus.services.crm.seeds.ground import Ground, Seeds
from nexus.services.crm.terms import (
    ActivityKind,
    ActivityStatus,
    Direction,
    ForecastCategory,
    LeadStatus,
    Lifecycle,
    Qualification,
    StageType,
)

_MORNING: Final = dt.time(10)
_REPLY: Final = dt.timedelta(minutes=20)
"""After which a good business has answered; sooner than any preset promises."""
_WAY: Final = {"new": (), "contacted": ("contact",), "nurturing": ("contact", "nurture"), "qualified": ("contact", "qualify")}
"""How a lead came to where it is."""

Kept = TypeVar("Kept", Account, Contact, Lead, Deal)


@dataclass
class _Planting:
    seeds: Seeds
    ground: Ground
    tx: Tx
    owner_id: UUID
    team_id: UUID | None
    accounts: dict[str, Account] = field(default_factory=dict[str, Account])
    contacts: dict[str, Contact] = field(default_factory=dict[str, Contact])
    leads: dict[str, Lead] = field(default_factory=dict[str, Lead])
    deals: dict[str, Deal] = field(default_factory=dict[str, Deal])
    born: dict[UUID, dt.datetime] = field(default_factory=dict[UUID, dt.datetime])

    def owned(self, record: Kept) -> Kept:
        """Keep it, as the owner's and the first team's."""
        record.owner_id, record.team_id = self.owner_id, self.team_id
        return self.tx.add(record)

    def at(self, days: str, clock: dt.time = _MORNING) -> dt.datetime:
        """The moment that a preset calls `-12d`, by the business's own clock."""
        zone = ZoneInfo(self.seeds["time_zone"])
        day = self.tx.now.astimezone(zone).date() + dt.timedelta(days=int(days.removesuffix("d")))
        return dt.datetime.combine(day, clock, zone).astimezone(dt.UTC)

    def past(self, days: str, clock: dt.time = _MORNING) -> dt.datetime:
        """The same, but never later than now."""
        return min(self.at(days, clock), self.tx.now)


async def plant_sample(seeds: Seeds, ground: Ground, tx: Tx) -> dict[str, int]:
    """Plant accounts, contacts, leads, deals and activities; answers how many of each."""
    team_ids = list(seeds.get("team_ids", {}).values())
    planting = _Planting(seeds, ground, tx, UUID(str(seeds["owner_id"])), UUID(str(team_ids[0])) if team_ids else None)
    sample = seeds["sample"]
    for given in sample["accounts"]:
        planting.accounts[given["key"]] = planting.owned(_account(given, seeds))
    for given in sample["contacts"]:
        planting.contacts[given["key"]] = planting.owned(_contact(given, planting))
    for given in sample["leads"]:
        planting.leads[given["key"]] = planting.owned(_lead(given, planting))
    for given in sample["deals"]:
        planting.deals[given["key"]] = _deal(given, planting)
    for given in sample["activities"]:
        _activity(given, planting)
    await _backdate(planting)
    return {name: len(sample[name]) for name in ("accounts", "contacts", "leads", "deals", "activities")}


def _account(given: Seeds, seeds: Seeds) -> Account:
    return Account(
        name=given["name"],
        industry=given["industry"],
        employees_band=given["employees_band"],
        lifecycle_stage=Lifecycle(given["lifecycle_stage"]),
        city=given["city"],
        country=seeds["country"],
        domain=given["domain"],
    )


def _contact(given: Seeds, planting: _Planting) -> Contact:
    return Contact(
        name=f"{given['given_name']} {given['family_name']}",
        given_name=given["given_name"],
        family_name=given["family_name"],
        email=given["email"],
        phone=given["phone"],
        title=given["title"],
        account_id=planting.accounts[given["account"]].id if given["account"] else None,
        country=planting.seeds["country"],
        time_zone=planting.seeds["time_zone"],
    )


def _lead(given: Seeds, planting: _Planting) -> Lead:
    born = planting.past(given["created"])
    lead = Lead(
        name=f"{given['given_name']} {given['family_name']}",
        given_name=given["given_name"],
        family_name=given["family_name"],
        company=given["company"],
        title=given["title"],
        email=given["email"],
        phone=given["phone"],
        message=given["message"],
        country=planting.seeds["country"],
        source_id=planting.ground.sources[given["source"]],
    )
    for move in _WAY[given["status"]]:
        lead_flow.go(lead, move)
    if lead.status is not LeadStatus.NEW:
        lead.contacted_at, lead.qualification = min(born + _REPLY, planting.tx.now), Qualification.IN_PROCESS
    if lead.status is LeadStatus.QUALIFIED:
        lead.qualified_at, lead.qualification = born + (planting.tx.now - born) / 2, Qualification.QUALIFIED
    planting.born[lead.id] = born
    return lead


def _deal(given: Seeds, planting: _Planting) -> Deal:
    stages, opened = planting.ground.stages[given["pipeline"]], planting.past(given["created"])
    first = stages[0]
    amount, currency = Decimal(given["amount"]), given["currency"]
    deal = Deal(
        name=given["name"],
        account_id=planting.accounts[given["account"]].id if given["account"] else None,
        contact_id=planting.contacts[given["contact"]].id if given["contact"] else None,
        pipeline_id=first.pipeline_id,
        stage_id=first.id,
        amount=amount,
        currency=currency,
        fx_rate=own_rate(currency, planting.tx),
        probability=first.probability,
        expected_close=planting.at(given["expected_close"]).date(),
        next_step=given["next_step"],
        source_id=planting.ground.sources[given["source"]] if given["source"] else None,
        opened_at=opened,
        stage_entered_at=opened,
    )
    _come_through(deal, next(one for one in stages if one.key == given["stage"]), stages, given, planting)
    planting.born[deal.id] = opened
    planting.owned(deal)
    planting.tx.emit(told(deal))
    _reply(deal, planting)
    return deal


def _come_through(deal: Deal, target: DealStage, stages: list[DealStage], given: Seeds, planting: _Planting) -> None:
    """Move the deal through the stages before its own, as far as it has what they ask for, evenly over its time."""
    closes = target.type in CLOSING
    before = [one for one in stages[1:] if one.position < target.position and one.type not in CLOSING and not missing(deal, one)]
    way = [*before, target] if target is not stages[0] else []
    end = planting.tx.now
    if closes:
        expected = planting.at(given["expected_close"])
        end = expected if deal.opened_at < expected <= end else deal.opened_at + (end - deal.opened_at) / 2
    share = (end - deal.opened_at) / (len(way) + (0 if closes else 1)) if way else dt.timedelta()
    for number, stage in enumerate(way, 1):
        at = end if closes and stage is target else deal.opened_at + share * number
        if stage.type is StageType.LOST:
            deal.lost_reason_id = planting.ground.lost_reasons[given["lost_reason"]]
        move = {StageType.WON: "win", StageType.LOST: "lose"}.get(stage.type, "move_stage")
        enter(deal, stage, move, planting.tx, at=at)
    if closes:
        deal.forecast_category = ForecastCategory.CLOSED if target.type is StageType.WON else ForecastCategory.OMITTED


def _reply(deal: Deal, planting: _Planting) -> None:
    """The first answer to whoever asked, so that the promise is kept."""
    at = deal.opened_at + _REPLY
    if at < planting.tx.now:
        reply = Activity(
            kind=ActivityKind.EMAIL,
            subject="Thank you for your enquiry",
            status=ActivityStatus.DONE,
            direction=Direction.OUTBOUND,
            owner_id=planting.owner_id,
            done_at=at,
            deal_id=deal.id,
            account_id=deal.account_id,
            contact_id=deal.contact_id,
        )
        planting.tx.add(reply)


def _activity(given: Seeds, planting: _Planting) -> None:
    about, _, key = given["about"].partition(".")
    kind = ActivityKind(given["kind"])
    deal = planting.deals[key] if about == "deal" else None
    done = planting.past(given["done"], dt.time(11)) if given["done"] else None
    due = planting.at(given["due"], dt.time(15)) if given["due"] else None
    activity = Activity(
        kind=kind,
        subject=given["subject"],
        status=ActivityStatus.DONE if done else ActivityStatus.PLANNED,
        direction=Direction.OUTBOUND if kind in TALK else None,
        owner_id=planting.owner_id,
        due_at=due,
        done_at=done,
        outcome=given["outcome"],
        lead_id=planting.leads[key].id if about == "lead" else None,
        deal_id=deal.id if deal else None,
        account_id=planting.accounts[key].id if about == "account" else deal.account_id if deal else None,
        contact_id=planting.contacts[key].id if about == "contact" else deal.contact_id if deal else None,
    )
    if kind is ActivityKind.MEETING and due is not None:
        activity.starts_at, activity.ends_at = due, due + dt.timedelta(hours=1)
    planting.tx.add(activity)


async def _backdate(planting: _Planting) -> None:
    """Records are made now; samples have been there for a while. Both kinds go in one round trip each, the first with everything planted."""
    for kind, records in ((Lead, planting.leads), (Deal, planting.deals)):
        ids = [record.id for record in records.values()]
        if ids:
            born = case(*[(kind.id == id, planting.born[id]) for id in ids])
            await planting.tx.execute(update(kind).where(among(kind.id, ids)).values(created_at=born))
