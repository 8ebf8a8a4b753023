"""Moving deals: from stage to stage, to won, to lost, and back."""

from nexus.core import Problem, Tx, handles
from nexus.services.crm.api import (
    DealBillable,
    DealBilled,
    DealLost,
    DealReopened,
    DealStageChanged,
    DealWon,
    LoseDeal,
    MarkDealBilled,
    MoveDealStage,
    ReopenDeal,
    WinDeal,
)
from nexus.services.crm.billing_terms import Billing
from nexus.services.crm.entities import Account, Competitor, Contact, Deal, DealStage, LostReason, StageChange
from nexus.services.crm.rules.clocks import resume_clock, stop_clocks
from nexus.services.crm.rules.stages import CLOSING, ClosingStage, NoStage, enter, in_use
from nexus.services.crm.terms import DealStatus, ForecastCategory, ReasonScope, StageType


class AlreadyThere(Problem, status=409):
    """The deal is in {stage} already."""

    stage: str


class ReasonForLeads(Problem, status=409):
    """“{name}” is a reason for giving up a lead, not for losing a deal."""

    name: str


@handles(MoveDealStage, needs="crm.deal:move_stage")
async def move_deal_stage(cmd: MoveDealStage, tx: Tx) -> DealStageChanged:
    deal = await tx.get(Deal, cmd.deal_id, lock=True)
    stage = await tx.get(DealStage, cmd.stage_id)
    if stage.type in CLOSING:
        raise ClosingStage(stage=stage.name)
    if stage.id == deal.stage_id:
        raise AlreadyThere(stage=stage.name)
    in_use(stage)
    left = deal.stage_id
    enter(deal, stage, "move_stage", tx)
    return tx.emit(DealStageChanged(deal_id=deal.id, from_stage_id=left, to_stage_id=stage.id))


@handles(WinDeal, needs="crm.deal:win")
async def win_deal(cmd: WinDeal, tx: Tx) -> DealWon:
    deal = await tx.get(Deal, cmd.deal_id, lock=True)
    enter(deal, await _closing_stage(deal, StageType.WON, tx), "win", tx)
    deal.forecast_category = ForecastCategory.CLOSED
    await stop_clocks(deal, tx)
    await _to_bill(deal, tx)
    return tx.emit(
        DealWon(
            deal_id=deal.id,
            amount=deal.amount,
            currency=deal.currency,
            account_id=deal.account_id,
            contact_id=deal.contact_id,
            lead_id=deal.lead_id,
            owner_id=deal.owner_id,
        )
    )


@handles(MarkDealBilled, needs="crm.deal:mark_billed")
async def mark_deal_billed(cmd: MarkDealBilled, tx: Tx) -> DealBilled:
    deal = await tx.get(Deal, cmd.deal_id, lock=True)
    told = DealBilled(deal_id=deal.id, billing=cmd.billing, document_id=cmd.document_id)
    if cmd.document_id != deal.document_id and cmd.billing is not Billing.DRAFTED:
        return told
    deal.billing, deal.document_id = cmd.billing, cmd.document_id
    return tx.emit(told)


async def _to_bill(deal: Deal, tx: Tx) -> None:
    """Tell that there is something to bill, where there is, and somebody to bill it to."""
    customer: Account | Contact | None = None
    if deal.account_id is not None:
        customer = await tx.get(Account, deal.account_id)
    elif deal.contact_id is not None:
        customer = await tx.get(Contact, deal.contact_id)
    if customer is not None and deal.amount > 0:
        tx.emit(
            DealBillable(
                deal_id=deal.id,
                customer_id=customer.id,
                customer=customer.name,
                name=deal.name,
                amount=deal.amount,
                currency=deal.currency,
                lines=deal.lines,
            )
        )


@handles(LoseDeal, needs="crm.deal:lose")
async def lose_deal(cmd: LoseDeal, tx: Tx) -> DealLost:
    deal = await tx.get(Deal, cmd.deal_id, lock=True)
    reason = await tx.get(LostReason, cmd.reason_id)
    if reason.scope is ReasonScope.LEAD:
        raise ReasonForLeads(name=reason.name)
    if cmd.competitor_id is not None:
        await tx.get(Competitor, cmd.competitor_id)
    stage = await _closing_stage(deal, StageType.LOST, tx)
    deal.lost_reason_id, deal.lost_notes, deal.lost_to_id = reason.id, cmd.notes, cmd.competitor_id
    enter(deal, stage, "lose", tx)
    deal.forecast_category = ForecastCategory.OMITTED
    await stop_clocks(deal, tx)
    return tx.emit(
        DealLost(
            deal_id=deal.id,
            reason_id=reason.id,
            amount=deal.amount,
            currency=deal.currency,
            lead_id=deal.lead_id,
            competitor_id=cmd.competitor_id,
        )
    )


@handles(ReopenDeal, needs="crm.deal:reopen")
async def reopen_deal(cmd: ReopenDeal, tx: Tx) -> DealReopened:
    deal = await tx.get(Deal, cmd.deal_id, lock=True)
    stage = await tx.get(DealStage, cmd.stage_id) if cmd.stage_id else await _stage_before_closing(deal, tx)
    if stage.type in CLOSING:
        raise ClosingStage(stage=stage.name)
    in_use(stage)
    enter(deal, stage, "reopen", tx)
    deal.lost_reason_id = deal.lost_notes = deal.lost_to_id = None
    deal.forecast_category = ForecastCategory.PIPELINE
    await resume_clock(deal, tx)
    return tx.emit(DealReopened(deal_id=deal.id, stage_id=stage.id, lead_id=deal.lead_id))


async def _closing_stage(deal: Deal, type: StageType, tx: Tx) -> DealStage:
    """Where the pipeline keeps deals that are won or lost; the stage it is in, where the pipeline has no such stage."""
    mine = DealStage.pipeline_id == deal.pipeline_id
    stages = await tx.list(
        DealStage, mine, DealStage.type == type, DealStage.archived_at.is_(None), order_by=(DealStage.position,), limit=1
    )
    return stages[0] if stages else await tx.get(DealStage, deal.stage_id)


async def _stage_before_closing(deal: Deal, tx: Tx) -> DealStage:
    closings = await tx.list(
        StageChange,
        StageChange.deal_id == deal.id,
        StageChange.from_status == DealStatus.OPEN,
        order_by=(StageChange.left_at.desc(), StageChange.id.desc()),
        limit=1,
    )
    if not closings:
        raise NoStage()
    return await tx.get(DealStage, closings[0].from_stage_id)
