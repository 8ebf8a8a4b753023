"""What may be sold: open deals by stage, the forecast against the quota, how deals move, and which of them stand still."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from msgspec import Meta
from sqlalchemy import BigInteger, Integer

from nexus.core import (
    ColumnElement,
    FieldError,
    Invalid,
    Query,
    Rows,
    Sight,
    aliased,
    among,
    and_,
    answers,
    cast,
    day_start,
    days,
    exact,
    func,
    median,
    not_,
    or_,
    select,
)
from nexus.services.crm.entities import Deal, DealStage, Pipeline, Quota, StageChange
from nexus.services.crm.rules.stages import CLOSING
from nexus.services.crm.terms import DealStatus, ForecastCategory

Limit = Annotated[int, Meta(ge=1, le=1000)]


class PipelineByStage(Query, frozen=True, kw_only=True):
    """The open deals in each stage, empty stages too.

    `amount` and `weighted` are in the business's own currency; deals whose rate is not known yet are counted in `without_rate` and are in no amount.
    """

    pipeline_id: UUID | None = None
    owner_id: UUID | None = None
    team_id: UUID | None = None


@answers(PipelineByStage, needs="crm.deal:read")
def pipeline_by_stage(query: PipelineByStage, sight: Sight) -> Rows:
    own = Deal.amount * Deal.fx_rate
    here = and_(Deal.stage_id == DealStage.id, Deal.status == DealStatus.OPEN, Deal.archived_at.is_(None), sight(Deal))
    if query.owner_id is not None:
        here = and_(here, Deal.owner_id == query.owner_id)
    if query.team_id is not None:
        here = and_(here, Deal.team_id == query.team_id)
    rows = (
        select(
            Pipeline.id.label("pipeline_id"),
            Pipeline.name.label("pipeline"),
            DealStage.id.label("stage_id"),
            DealStage.name.label("stage"),
            DealStage.type,
            func.count(Deal.id).label("deals"),
            _total(own).label("amount"),
            _total(own * Deal.probability / 100).label("weighted"),
            func.count(Deal.id).filter(Deal.fx_rate.is_(None)).label("without_rate"),
        )
        .join(Pipeline, Pipeline.id == DealStage.pipeline_id)
        .outerjoin(Deal, here)
        .where(_shown(DealStage), sight(DealStage), sight(Pipeline))
        .group_by(Pipeline.id, DealStage.id)
        .order_by(Pipeline.position, Pipeline.id, DealStage.position, DealStage.id)
    )
    return rows.where(Pipeline.id == query.pipeline_id) if query.pipeline_id else rows


def _shown(stage: type[DealStage]) -> ColumnElement[bool]:
    """Stages that deals can be in while they are open, and no archived ones."""
    return and_(not_(among(stage.type, list(CLOSING))), stage.archived_at.is_(None), Pipeline.archived_at.is_(None))


def _total(number: ColumnElement[Decimal]) -> ColumnElement[str]:
    return exact(func.trim_scale(func.coalesce(func.sum(number), 0)))


class ForecastAgainstQuota(Query, frozen=True, kw_only=True):
    """What each person has won in a period, is expected to win by category, and should win; by currency, so that every amount is exact.

    `won` counts deals closed in the period, the others open deals that are expected to close in it; `weighted` is each of those times its chance.
    Quotas count where their whole period lies within.
    """

    period_start: dt.date
    period_end: dt.date


@answers(ForecastAgainstQuota, needs="crm.deal:read")
def forecast_against_quota(query: ForecastAgainstQuota, sight: Sight) -> Rows:
    if query.period_end < query.period_start:
        raise Invalid.of(FieldError("period_end", "is before period_start"))
    deals, quotas = _forecast(query, sight).subquery("deals"), _quotas(query, sight).subquery("quotas")
    both = and_(deals.c.owner_id == quotas.c.owner_id, deals.c.currency == quotas.c.currency)
    owner, currency = func.coalesce(deals.c.owner_id, quotas.c.owner_id), func.coalesce(deals.c.currency, quotas.c.currency)
    amounts = [exact(func.coalesce(deals.c[name], 0)).label(name) for name in ("won", "commit", "best_case", "pipeline", "weighted")]
    attained = func.round(100 * func.coalesce(deals.c.won, 0) / func.nullif(quotas.c.quota, 0), 1)
    shown = [*amounts, exact(quotas.c.quota).label("quota"), exact(attained).label("attained_percent")]
    found = select(owner.label("owner_id"), currency.label("currency"), *shown)
    return found.select_from(deals.outerjoin(quotas, both, full=True)).order_by(owner, currency)


def _forecast(query: ForecastAgainstQuota, sight: Sight) -> Rows:
    closed = and_(
        Deal.status == DealStatus.WON, Deal.closed_at >= day_start(query.period_start), Deal.closed_at < day_start(query.period_end, 1)
    )
    expected = and_(Deal.status == DealStatus.OPEN, Deal.expected_close.between(query.period_start, query.period_end))

    def open_in(category: ForecastCategory) -> ColumnElement[Decimal]:
        return func.sum(Deal.amount).filter(and_(expected, Deal.forecast_category == category)).label(category.value)

    counts = and_(expected, Deal.forecast_category != ForecastCategory.OMITTED)
    return (
        select(
            Deal.owner_id,
            Deal.currency,
            func.sum(Deal.amount).filter(closed).label("won"),
            *[open_in(one) for one in (ForecastCategory.COMMIT, ForecastCategory.BEST_CASE, ForecastCategory.PIPELINE)],
            func.trim_scale(func.round(func.sum(Deal.amount * Deal.probability / 100).filter(counts), 2)).label("weighted"),
        )
        .where(Deal.archived_at.is_(None), sight(Deal), or_(closed, expected))
        .group_by(Deal.owner_id, Deal.currency)
    )


def _quotas(query: ForecastAgainstQuota, sight: Sight) -> Rows:
    within = and_(Quota.period_start >= query.period_start, Quota.period_end <= query.period_end)
    return (
        select(Quota.owner_id, Quota.currency, func.sum(Quota.amount).label("quota"))
        .where(Quota.owner_id.is_not(None), Quota.archived_at.is_(None), within, sight(Quota))
        .group_by(Quota.owner_id, Quota.currency)
    )


class StageConversion(Query, frozen=True, kw_only=True):
    """How deals leave each stage, and how long they stay: on to a later stage or won, back to an earlier one, or lost."""

    pipeline_id: UUID | None = None
    since: dt.date | None = None


@answers(StageConversion, needs="crm.deal:read")
def stage_conversion(query: StageConversion, sight: Sight) -> Rows:
    to = aliased(DealStage)
    on = or_(StageChange.to_status == DealStatus.WON, and_(StageChange.to_status == DealStatus.OPEN, to.position > DealStage.position))
    left = func.count(StageChange.id)
    moved = and_(StageChange.from_stage_id == DealStage.id, StageChange.from_status == DealStatus.OPEN, sight(StageChange))
    if query.since is not None:
        moved = and_(moved, StageChange.left_at >= day_start(query.since))
    advanced = func.count(StageChange.id).filter(on)
    rows = (
        select(
            Pipeline.name.label("pipeline"),
            DealStage.id.label("stage_id"),
            DealStage.name.label("stage"),
            left.label("left"),
            advanced.label("advanced"),
            func.count(StageChange.id).filter(StageChange.to_status == DealStatus.LOST).label("lost"),
            exact(func.round(100 * advanced / func.nullif(left, 0), 1)).label("advanced_percent"),
            cast(func.round(func.avg(StageChange.seconds)), BigInteger).label("average_seconds"),
            median(StageChange.seconds).label("median_seconds"),
        )
        .join(Pipeline, Pipeline.id == DealStage.pipeline_id)
        .outerjoin(StageChange, moved)
        .outerjoin(to, to.id == StageChange.to_stage_id)
        .where(_shown(DealStage), sight(DealStage), sight(Pipeline))
        .group_by(Pipeline.id, DealStage.id)
        .order_by(Pipeline.position, Pipeline.id, DealStage.position, DealStage.id)
    )
    return rows.where(Pipeline.id == query.pipeline_id) if query.pipeline_id else rows


class StaleDeals(Query, frozen=True, kw_only=True):
    """Open deals that have been in their stage for longer than it allows, the longest first."""

    owner_id: UUID | None = None
    limit: Limit = 100


@answers(StaleDeals, needs="crm.deal:read")
def stale_deals(query: StaleDeals, sight: Sight) -> Rows:
    stayed = cast(func.date_part("day", func.now() - Deal.stage_entered_at), Integer)
    rows = (
        select(
            Deal.id,
            Deal.name,
            DealStage.name.label("stage"),
            Deal.owner_id,
            exact(Deal.amount).label("amount"),
            Deal.currency,
            stayed.label("days_in_stage"),
            DealStage.rotting_days.label("days_allowed"),
            Deal.next_step,
        )
        .join(DealStage, DealStage.id == Deal.stage_id)
        .where(Deal.status == DealStatus.OPEN, Deal.archived_at.is_(None), sight(Deal), sight(DealStage))
        .where(Deal.stage_entered_at < func.now() - days(DealStage.rotting_days))
        .order_by(Deal.stage_entered_at, Deal.id)
        .limit(query.limit)
    )
    return rows.where(Deal.owner_id == query.owner_id) if query.owner_id else rows
