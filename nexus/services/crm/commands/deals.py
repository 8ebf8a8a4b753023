"""Opening deals and saying what they are about."""

from __future__ import annotations

from decimal import Decimal
from typing import Final
from uuid import UUID

from nexus.core import FieldError, Invalid, Tx, among, amount, handles
from nexus.services.crm.api import CreateDeal, DealCreated, DealLinesSet, SetDealLines
from nexus.services.crm.entities import Account, Competitor, Contact, Deal, DealStage, Pipeline
from nexus.services.crm.flows import deal_flow
from nexus.services.crm.rules.stages import CLOSING, ClosingStage, NoStage, in_use, require
from nexus.services.crm.rules.totals import totals


@handles(CreateDeal, needs="crm.deal:create")
async def create_deal(cmd: CreateDeal, tx: Tx) -> DealCreated:
    _check(cmd, tx)
    await _see(cmd, tx)
    stage = await _first_stage(cmd, tx)
    deal = _opened(cmd, stage, tx)
    require(deal, stage)
    tx.add(deal)
    return tx.emit(told(deal))


MOST_NAMED: Final = 50
"""People, and competitors, of one deal."""


def _check(cmd: CreateDeal, tx: Tx) -> None:
    for field, named in (("people", cmd.people), ("competitors", cmd.competitors), ("tags", cmd.tags)):
        if len(named) > MOST_NAMED:
            raise Invalid.of(FieldError(field, f"are at most {MOST_NAMED}"))
    if any(len(tag) > 60 for tag in cmd.tags):
        raise Invalid.of(FieldError("tags", "have at most 60 characters each"))
    rate = cmd.fx_rate
    if rate is not None and (not rate.is_finite() or rate <= 0):
        raise Invalid.of(FieldError("fx_rate", "is more than zero"))
    if rate not in (None, Decimal(1)) and cmd.currency in (None, tx.tenant.currency):
        raise Invalid.of(FieldError("fx_rate", "is 1 for the business's own currency"))


async def _see(cmd: CreateDeal, tx: Tx) -> None:
    """NotFound (404) where the caller may not see who the deal is with; Invalid (422) for a competitor that nobody has heard of."""
    if cmd.account_id is not None:
        await tx.get(Account, cmd.account_id)
    people = {person.contact_id for person in cmd.people} | ({cmd.contact_id} if cmd.contact_id else set[UUID]())
    for id in sorted(people):
        await tx.get(Contact, id)
    rivals = set(cmd.competitors)
    if rivals and await tx.count(Competitor, among(Competitor.id, rivals)) != len(rivals):
        raise Invalid.of(FieldError("competitors", "holds an id that is no competitor's"))


def told(deal: Deal) -> DealCreated:
    """What others hear of a new deal."""
    return DealCreated(
        deal_id=deal.id,
        stage_id=deal.stage_id,
        amount=deal.amount,
        currency=deal.currency,
        account_id=deal.account_id,
        contact_id=deal.contact_id,
        lead_id=deal.lead_id,
        owner_id=deal.owner_id,
    )


async def _first_stage(cmd: CreateDeal, tx: Tx) -> DealStage:
    if cmd.stage_id is not None:
        stage = await tx.get(DealStage, cmd.stage_id)
        if cmd.pipeline_id not in (None, stage.pipeline_id):
            raise Invalid.of(FieldError("stage_id", "is a stage of another pipeline"))
        if stage.type in CLOSING:
            raise ClosingStage(stage=stage.name)
        in_use(stage)
        return stage
    pipelines = [await tx.get(Pipeline, cmd.pipeline_id)] if cmd.pipeline_id else await _pipelines(tx)
    for pipeline in pipelines:
        mine = DealStage.pipeline_id == pipeline.id, DealStage.archived_at.is_(None)
        stages = await tx.list(DealStage, *mine, order_by=(DealStage.position, DealStage.id))
        for stage in stages:
            if stage.type not in CLOSING:
                return stage
    raise NoStage()


async def _pipelines(tx: Tx) -> list[Pipeline]:
    return await tx.list(Pipeline, Pipeline.archived_at.is_(None), order_by=(Pipeline.position, Pipeline.id), limit=1)


def _opened(cmd: CreateDeal, stage: DealStage, tx: Tx) -> Deal:
    currency = cmd.currency or tx.tenant.currency
    total = totals(cmd.lines, currency).total if cmd.lines else None
    if total is not None and cmd.amount not in (None, total):
        raise Invalid.of(FieldError("amount", f"the lines come to {total}; leave the amount out, or give no lines"))
    return Deal(
        name=cmd.name,
        account_id=cmd.account_id,
        contact_id=cmd.contact_id,
        people=cmd.people,
        pipeline_id=stage.pipeline_id,
        stage_id=stage.id,
        amount=amount(cmd.amount or Decimal(0), currency, "amount") if total is None else total,
        currency=currency,
        fx_rate=cmd.fx_rate if cmd.fx_rate is not None else own_rate(currency, tx),
        lines=cmd.lines,
        lines_total=total,
        probability=stage.probability if cmd.probability is None else cmd.probability,
        expected_close=cmd.expected_close,
        next_step=cmd.next_step,
        description=cmd.description,
        source_id=cmd.source_id,
        campaign_id=cmd.campaign_id,
        competitors=cmd.competitors,
        owner_id=cmd.owner_id or tx.actor.id,
        team_id=cmd.team_id,
        territory_id=cmd.territory_id,
        tags=list(cmd.tags),
        external_refs=cmd.external_refs,
        opened_at=tx.now,
        stage_entered_at=tx.now,
    )


def own_rate(currency: str, tx: Tx) -> Decimal | None:
    """One for the business's own currency; for others nobody has said yet."""
    return Decimal(1) if currency == tx.tenant.currency else None


@handles(SetDealLines, needs="crm.deal:set_lines")
async def set_deal_lines(cmd: SetDealLines, tx: Tx) -> DealLinesSet:
    deal = await tx.get(Deal, cmd.deal_id, lock=True)
    deal_flow.go(deal, "set_lines")
    deal.lines, deal.lines_total = cmd.lines, None
    if cmd.lines:
        deal.amount = deal.lines_total = totals(cmd.lines, deal.currency).total
    return tx.emit(DealLinesSet(deal_id=deal.id, amount=deal.amount, currency=deal.currency))
