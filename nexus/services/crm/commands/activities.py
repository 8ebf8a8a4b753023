"""What was done and what will be done."""

from __future__ import annotations

from uuid import UUID

from nexus.core import FieldError, Invalid, Tx, handles
from nexus.services.crm.api import (
    ActivityCanceled,
    ActivityCompleted,
    ActivityLogged,
    CancelActivity,
    CompleteTask,
    LogActivity,
    MeetingScheduled,
    ScheduleMeeting,
)
from nexus.services.crm.entities import Account, Activity, Contact, Deal, Lead
from nexus.services.crm.flows import activity_flow
from nexus.services.crm.rules.clocks import message_passed
from nexus.services.crm.terms import ActivityKind, ActivityStatus, Direction

_TALK = (ActivityKind.CALL, ActivityKind.EMAIL, ActivityKind.MEETING)
"""What passes between us and them; notes and tasks do not."""


@handles(LogActivity, needs="crm.activity:log")
async def log_activity(cmd: LogActivity, tx: Tx) -> ActivityLogged:
    at = cmd.at or tx.now
    if at > tx.now:
        raise Invalid.of(FieldError("at", "lies in the future; plan it instead"))
    await _see(cmd, tx)
    direction = cmd.direction or (Direction.OUTBOUND if cmd.kind in _TALK else None)
    activity = Activity(
        kind=cmd.kind,
        subject=cmd.subject,
        body=cmd.body,
        status=ActivityStatus.DONE,
        direction=direction,
        owner_id=tx.actor.id,
        done_at=at,
        outcome=cmd.outcome,
        lead_id=cmd.lead_id,
        deal_id=cmd.deal_id,
        account_id=cmd.account_id,
        contact_id=cmd.contact_id,
        record_entity=cmd.record_entity,
        record_id=cmd.record_id,
    )
    if direction is not None and cmd.kind in _TALK:
        await message_passed(direction, at, tx, lead_id=cmd.lead_id, deal_id=cmd.deal_id)
    tx.add(activity)
    return tx.emit(logged(activity))


def logged(activity: Activity) -> ActivityLogged:
    """What others hear of something that was done."""
    return ActivityLogged(
        activity_id=activity.id,
        kind=activity.kind,
        direction=activity.direction,
        lead_id=activity.lead_id,
        deal_id=activity.deal_id,
        account_id=activity.account_id,
        contact_id=activity.contact_id,
    )


async def _see(cmd: LogActivity | ScheduleMeeting, tx: Tx) -> None:
    """NotFound (404) where the caller may not see what the activity is about."""
    of: tuple[tuple[type[Lead] | type[Deal] | type[Account] | type[Contact], UUID | None], ...] = (
        (Lead, cmd.lead_id),
        (Deal, cmd.deal_id),
        (Account, cmd.account_id),
        (Contact, cmd.contact_id),
    )
    for kind, id in of:
        if id is not None:
            await tx.get(kind, id)


@handles(CompleteTask, needs="crm.activity:complete")
async def complete_task(cmd: CompleteTask, tx: Tx) -> ActivityCompleted:
    activity = await tx.get(Activity, cmd.activity_id, lock=True)
    if activity.kind in _TALK and activity_flow.allows(activity, "complete"):
        direction = activity.direction or Direction.OUTBOUND
        await message_passed(direction, tx.now, tx, lead_id=activity.lead_id, deal_id=activity.deal_id)
    activity_flow.go(activity, "complete")
    activity.done_at, activity.outcome = tx.now, cmd.outcome or activity.outcome
    done = ActivityCompleted(activity_id=activity.id, kind=activity.kind, lead_id=activity.lead_id, deal_id=activity.deal_id)
    return tx.emit(done)


@handles(CancelActivity, needs="crm.activity:cancel")
async def cancel_activity(cmd: CancelActivity, tx: Tx) -> ActivityCanceled:
    activity = await tx.get(Activity, cmd.activity_id, lock=True)
    activity_flow.go(activity, "cancel")
    return tx.emit(ActivityCanceled(activity_id=activity.id))


@handles(ScheduleMeeting, needs="crm.activity:schedule")
async def schedule_meeting(cmd: ScheduleMeeting, tx: Tx) -> MeetingScheduled:
    if cmd.ends_at <= cmd.starts_at:
        raise Invalid.of(FieldError("ends_at", "is after starts_at"))
    await _see(cmd, tx)
    meeting = Activity(
        kind=ActivityKind.MEETING,
        subject=cmd.subject,
        body=cmd.body,
        owner_id=cmd.owner_id or tx.actor.id,
        due_at=cmd.starts_at,
        starts_at=cmd.starts_at,
        ends_at=cmd.ends_at,
        location=cmd.location,
        attendees=cmd.attendees,
        priority=cmd.priority,
        lead_id=cmd.lead_id,
        deal_id=cmd.deal_id,
        account_id=cmd.account_id,
        contact_id=cmd.contact_id,
    )
    overlaps = await _overlapping(meeting, tx)
    tx.add(meeting)
    scheduled = MeetingScheduled(activity_id=meeting.id, starts_at=cmd.starts_at, ends_at=cmd.ends_at, overlaps=overlaps)
    return tx.emit(scheduled)


async def _overlapping(meeting: Activity, tx: Tx) -> list[UUID]:
    others = await tx.list(
        Activity,
        Activity.owner_id == meeting.owner_id,
        Activity.kind == ActivityKind.MEETING,
        Activity.status == ActivityStatus.PLANNED,
        Activity.starts_at < meeting.ends_at,
        Activity.ends_at > meeting.starts_at,
        limit=20,
    )
    return [other.id for other in others]
