"""What was done and what will be done."""

from __future__ import annotations

import re
from typing import Final
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
from nexus.services.crm.rules.clocks import TALK, message_passed
from nexus.services.crm.terms import ActivityKind, ActivityStatus, Direction

_ENTITY: Final = re.compile(r"[a-z_]{1,40}\.[a-z_]{1,39}")


@handles(LogActivity, needs="crm.activity:log")
async def log_activity(cmd: LogActivity, tx: Tx) -> ActivityLogged:
    at = cmd.at or tx.now
    if at > tx.now:
        raise Invalid.of(FieldError("at", "lies in the future; plan it instead"))
    _check_record(cmd)
    talk = cmd.kind in TALK
    lead, deal = await _see(cmd, tx, hold=talk)
    direction = cmd.direction or (Direction.OUTBOUND if talk else None)
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
    tx.add(activity)
    if direction is not None and talk:
        await message_passed(direction, at, tx, lead, deal)
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


def _check_record(cmd: LogActivity) -> None:
    """Invalid (422) where a record of another service is named by half, or not as `service.entity`."""
    if (cmd.record_entity is None) != (cmd.record_id is None):
        raise Invalid.of(FieldError("record_id" if cmd.record_id is None else "record_entity", "is needed where the other one is given"))
    if cmd.record_entity is not None and not _ENTITY.fullmatch(cmd.record_entity):
        raise Invalid.of(FieldError("record_entity", "is written as support.ticket"))


async def _see(cmd: LogActivity | ScheduleMeeting, tx: Tx, *, hold: bool = False) -> tuple[Lead | None, Deal | None]:
    """The lead and deal it is about, held where they must not close meanwhile; NotFound (404) where the caller may not see what it is about."""
    lead = await tx.get(Lead, cmd.lead_id, lock=hold) if cmd.lead_id else None
    deal = await tx.get(Deal, cmd.deal_id, lock=hold) if cmd.deal_id else None
    if cmd.account_id is not None:
        await tx.get(Account, cmd.account_id)
    if cmd.contact_id is not None:
        await tx.get(Contact, cmd.contact_id)
    return lead, deal


@handles(CompleteTask, needs="crm.activity:complete")
async def complete_task(cmd: CompleteTask, tx: Tx) -> ActivityCompleted:
    seen = await tx.get(Activity, cmd.activity_id)
    lead = deal = None
    if seen.kind in TALK:  # records are always held before what hangs on them
        lead = await tx.find(Lead, Lead.id == seen.lead_id, lock=True) if seen.lead_id else None
        deal = await tx.find(Deal, Deal.id == seen.deal_id, lock=True) if seen.deal_id else None
    activity = await tx.get(Activity, cmd.activity_id, lock=True)
    activity_flow.go(activity, "complete")
    activity.done_at, activity.outcome = tx.now, cmd.outcome or activity.outcome
    if activity.kind in TALK:
        direction = activity.direction or Direction.OUTBOUND
        activity.direction = direction
        await message_passed(direction, tx.now, tx, lead, deal)
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
