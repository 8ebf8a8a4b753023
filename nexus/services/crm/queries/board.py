"""What is to be done, and by whom."""

from __future__ import annotations

from uuid import UUID

from nexus.core import Query, Rows, Sight, answers, days, func, select
from nexus.services.crm.entities import Activity
from nexus.services.crm.terms import ActivityStatus


class ActivityBoard(Query, frozen=True, kw_only=True):
    """Planned activities of each person and kind: overdue, within a day, within a week, later, and without a time."""

    owner_id: UUID | None = None


@answers(ActivityBoard, needs="crm.activity:read")
def activity_board(query: ActivityBoard, sight: Sight) -> Rows:
    now = func.now()
    day, week = now + days(1), now + days(7)
    due, count = Activity.due_at, func.count(Activity.id)
    rows = (
        select(
            Activity.owner_id,
            Activity.kind,
            count.label("planned"),
            count.filter(due < now).label("overdue"),
            count.filter(due >= now, due < day).label("within_a_day"),
            count.filter(due >= day, due < week).label("within_a_week"),
            count.filter(due >= week).label("later"),
            count.filter(due.is_(None)).label("without_a_time"),
        )
        .where(Activity.status == ActivityStatus.PLANNED, Activity.archived_at.is_(None), sight(Activity))
        .group_by(Activity.owner_id, Activity.kind)
        .order_by(Activity.owner_id, Activity.kind)
    )
    return rows.where(Activity.owner_id == query.owner_id) if query.owner_id else rows
