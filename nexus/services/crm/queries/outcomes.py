"""What became of deals: won and lost by reason, competitor, source or owner, and what campaigns brought."""

from __future__ import annotations

import datetime as dt
from typing import Literal
from uuid import UUID

from nexus.core import ColumnElement, Query, Rows, Sight, and_, answers, day_start, exact, func, or_, select
from nexus.services.crm.entities import Competitor, Deal, Lead, LeadSource, LostReason
from nexus.services.crm.terms import DealStatus, LeadStatus


class WinLoss(Query, frozen=True, kw_only=True):
    """Closed deals by why they were lost, to whom, where they came from, or who sold them; by currency, so that every amount is exact."""

    by: Literal["reason", "competitor", "source", "owner"] = "reason"
    since: dt.date | None = None
    until: dt.date | None = None
    pipeline_id: UUID | None = None


@answers(WinLoss, needs="crm.deal:read")
def win_loss(query: WinLoss, sight: Sight) -> Rows:
    won, lost = Deal.status == DealStatus.WON, Deal.status == DealStatus.LOST
    wins, losses = func.count(Deal.id).filter(won), func.count(Deal.id).filter(lost)
    key, name = _grouping(query.by)
    rows = (
        select(
            key.label("id"),
            name.label("name"),
            Deal.currency,
            wins.label("won"),
            losses.label("lost"),
            exact(func.coalesce(func.sum(Deal.amount).filter(won), 0)).label("won_amount"),
            exact(func.coalesce(func.sum(Deal.amount).filter(lost), 0)).label("lost_amount"),
            exact(func.round(100 * wins / func.nullif(wins + losses, 0), 1)).label("won_percent"),
        )
        .select_from(Deal)
        .outerjoin(LostReason, and_(LostReason.id == Deal.lost_reason_id, sight(LostReason)))
        .outerjoin(Competitor, and_(Competitor.id == Deal.lost_to_id, sight(Competitor)))
        .outerjoin(LeadSource, and_(LeadSource.id == Deal.source_id, sight(LeadSource)))
        .where(or_(won, lost), Deal.archived_at.is_(None), sight(Deal), *_period(query))
        .group_by(key, name, Deal.currency)
        .order_by((wins + losses).desc(), key, Deal.currency)
    )
    return rows.where(Deal.pipeline_id == query.pipeline_id) if query.pipeline_id else rows


def _grouping(by: str) -> tuple[ColumnElement[UUID | None], ColumnElement[str | None]]:
    nobody = func.nullif("", "")
    found: dict[str, tuple[ColumnElement[UUID | None], ColumnElement[str | None]]] = {
        "reason": (func.coalesce(Deal.lost_reason_id), func.coalesce(LostReason.name)),
        "competitor": (func.coalesce(Deal.lost_to_id), func.coalesce(Competitor.name)),
        "source": (func.coalesce(Deal.source_id), func.coalesce(LeadSource.name)),
        "owner": (func.coalesce(Deal.owner_id), nobody),
    }
    return found[by]


def _period(query: WinLoss) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if query.since is not None:
        found.append(Deal.closed_at >= day_start(query.since))
    if query.until is not None:
        found.append(Deal.closed_at < day_start(query.until, 1))
    return found


class CampaignEfficiency(Query, frozen=True, kw_only=True):
    """What each campaign brought: leads, how far they got, and what was won, by currency of the deals."""

    since: dt.date | None = None


@answers(CampaignEfficiency, needs="crm.lead:read")
def campaign_efficiency(query: CampaignEfficiency, sight: Sight) -> Rows:
    deal = and_(Deal.id == Lead.converted_deal_id, Deal.archived_at.is_(None), sight(Deal))
    won = Deal.status == DealStatus.WON
    rows = (
        select(
            Lead.campaign_id,
            Lead.utm_campaign,
            Deal.currency,
            func.count(Lead.id).label("leads"),
            func.count(Lead.id).filter(Lead.qualified_at.is_not(None)).label("qualified"),
            func.count(Lead.id).filter(Lead.status == LeadStatus.CONVERTED).label("converted"),
            func.count(Deal.id).filter(won).label("won"),
            exact(func.coalesce(func.sum(Deal.amount).filter(won), 0)).label("won_amount"),
        )
        .outerjoin(Deal, deal)
        .where(or_(Lead.campaign_id.is_not(None), Lead.utm_campaign.is_not(None)), Lead.archived_at.is_(None), sight(Lead))
        .group_by(Lead.campaign_id, Lead.utm_campaign, Deal.currency)
        .order_by(func.count(Lead.id).desc(), Lead.campaign_id, Lead.utm_campaign, Deal.currency)
    )
    if query.since is None:
        return rows
    return rows.where(Lead.created_at >= day_start(query.since))
