"""How leads are worked: how long until they convert, who gets how far with them, how soon they are answered, and whom nobody converted."""

from __future__ import annotations

import datetime as dt
from typing import Annotated
from uuid import UUID

from msgspec import Meta
from sqlalchemy import BigInteger

from nexus.core import ColumnElement, Query, Rows, Sight, and_, answers, cast, day_start, exact, extract, func, median, not_, select
from nexus.services.crm.entities import Activity, Lead, LeadSource, ResponseClock
from nexus.services.crm.terms import ActivityStatus, ClockStatus, LeadStatus

Limit = Annotated[int, Meta(ge=1, le=1000)]


def _since(day: dt.date | None) -> list[ColumnElement[bool]]:
    return [Lead.created_at >= day_start(day)] if day else []


class LeadConversionTime(Query, frozen=True, kw_only=True):
    """How many leads of each source were converted, and how long it took them."""

    since: dt.date | None = None


@answers(LeadConversionTime, needs="crm.lead:read")
def lead_conversion_time(query: LeadConversionTime, sight: Sight) -> Rows:
    converted = Lead.status == LeadStatus.CONVERTED
    seconds = extract("epoch", Lead.converted_at - Lead.created_at)
    count, done = func.count(Lead.id), func.count(Lead.id).filter(converted)
    return (
        select(
            Lead.source_id,
            LeadSource.name.label("source"),
            count.label("leads"),
            done.label("converted"),
            exact(func.round(100 * done / func.nullif(count, 0), 1)).label("converted_percent"),
            cast(func.round(func.avg(seconds).filter(converted)), BigInteger).label("average_seconds"),
            median(seconds).label("median_seconds"),
        )
        .outerjoin(LeadSource, and_(LeadSource.id == Lead.source_id, sight(LeadSource)))
        .where(Lead.archived_at.is_(None), sight(Lead), *_since(query.since))
        .group_by(Lead.source_id, LeadSource.name)
        .order_by(count.desc(), Lead.source_id)
    )


class LeadOwnerEfficiency(Query, frozen=True, kw_only=True):
    """How far each person gets with the leads they own."""

    since: dt.date | None = None


@answers(LeadOwnerEfficiency, needs="crm.lead:read")
def lead_owner_efficiency(query: LeadOwnerEfficiency, sight: Sight) -> Rows:
    count = func.count(Lead.id)
    converted = func.count(Lead.id).filter(Lead.status == LeadStatus.CONVERTED)
    return (
        select(
            Lead.owner_id,
            count.label("leads"),
            func.count(Lead.id).filter(Lead.contacted_at.is_not(None)).label("contacted"),
            func.count(Lead.id).filter(Lead.qualified_at.is_not(None)).label("qualified"),
            converted.label("converted"),
            func.count(Lead.id).filter(Lead.status == LeadStatus.DISQUALIFIED).label("disqualified"),
            exact(func.round(100 * converted / func.nullif(count, 0), 1)).label("converted_percent"),
        )
        .where(Lead.archived_at.is_(None), sight(Lead), *_since(query.since))
        .group_by(Lead.owner_id)
        .order_by(converted.desc(), Lead.owner_id)
    )


class EngagedNotConverted(Query, frozen=True, kw_only=True):
    """Leads that somebody has dealt with and nobody has converted or given up, the longest without news first."""

    owner_id: UUID | None = None
    limit: Limit = 100


@answers(EngagedNotConverted, needs="crm.lead:read")
def engaged_not_converted(query: EngagedNotConverted, sight: Sight) -> Rows:
    over = Lead.status.in_([LeadStatus.CONVERTED, LeadStatus.DISQUALIFIED])
    last = func.max(Activity.done_at)
    rows = (
        select(
            Lead.id,
            Lead.name,
            Lead.company,
            Lead.status,
            Lead.owner_id,
            func.count(Activity.id).label("activities"),
            last.label("last_activity_at"),
        )
        .join(Activity, and_(Activity.lead_id == Lead.id, Activity.status == ActivityStatus.DONE, sight(Activity)))
        .where(not_(over), Lead.archived_at.is_(None), sight(Lead))
        .group_by(Lead.id)
        .order_by(last, Lead.id)
        .limit(query.limit)
    )
    return rows.where(Lead.owner_id == query.owner_id) if query.owner_id else rows


class FirstResponse(Query, frozen=True, kw_only=True):
    """How the promises of a first answer were kept, by who was responsible; times are business seconds."""

    since: dt.date | None = None


@answers(FirstResponse, needs="crm.response_clock:read")
def first_response(query: FirstResponse, sight: Sight) -> Rows:
    def counted(*of: ClockStatus) -> ColumnElement[int]:
        return func.count(ResponseClock.id).filter(ResponseClock.status.in_(of))

    since = [ResponseClock.started_at >= day_start(query.since)] if query.since else []
    return (
        select(
            ResponseClock.owner_id,
            func.count(ResponseClock.id).label("promises"),
            counted(ClockStatus.MET).label("met"),
            counted(ClockStatus.BREACHED, ClockStatus.LATE).label("broken"),
            counted(ClockStatus.RUNNING).label("running"),
            cast(func.round(func.avg(ResponseClock.response_seconds)), BigInteger).label("average_seconds"),
            median(ResponseClock.response_seconds).label("median_seconds"),
        )
        .where(ResponseClock.status != ClockStatus.STOPPED, sight(ResponseClock), *since)
        .group_by(ResponseClock.owner_id)
        .order_by(func.count(ResponseClock.id).desc(), ResponseClock.owner_id)
    )
