"""What was done and what will be done. What it does to response clocks is in test_clocks."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Any

import pytest

from nexus.core import Command, IllegalMove, Invalid, NotFound, uuid7
from nexus.runtime.testing import Harness
from nexus.services.crm.api import (
    ActivityCanceled,
    ActivityCompleted,
    ActivityLogged,
    CancelActivity,
    CompleteTask,
    ConvertLead,
    LogActivity,
    MeetingScheduled,
    ScheduleMeeting,
)
from nexus.services.crm.entities import Account, Activity, Contact, Lead
from nexus.services.crm.terms import ActivityKind, ActivityStatus, Attendee, Direction, LeadStatus, Priority
from nexus.services.crm.tests.conftest import Sales, refused

NOW = dt.datetime.now(dt.UTC)
HOUR = dt.timedelta(hours=1)
TOMORROW = NOW + 24 * HOUR


async def test_notes_what_was_done(crm: Harness) -> None:
    account, contact = await crm.given(Account(name="Firm")), await crm.given(Contact(name="Ada"))

    told = await crm.run(
        LogActivity(
            kind=ActivityKind.MEETING,
            subject="Tasting",
            body="They liked the rice",
            direction=Direction.INBOUND,
            at=NOW - HOUR,
            outcome="Send a quote",
            account_id=account.id,
            contact_id=contact.id,
        )
    )

    one = await crm.get(Activity, told.activity_id)
    assert (one.kind, one.subject, one.body, one.status, one.direction) == (
        ActivityKind.MEETING,
        "Tasting",
        "They liked the rice",
        ActivityStatus.DONE,
        Direction.INBOUND,
    )
    assert (one.done_at, one.outcome, one.owner_id) == (NOW - HOUR, "Send a quote", crm.caller.actor.id)
    expected = ActivityLogged(
        activity_id=one.id, kind=ActivityKind.MEETING, direction=Direction.INBOUND, account_id=account.id, contact_id=contact.id
    )
    assert crm.emitted == [told] == [expected]


async def test_notes_what_was_done_about_a_record_of_another_service(crm: Harness) -> None:
    ticket = uuid7()
    told = await crm.run(LogActivity(kind=ActivityKind.NOTE, subject="Seen", record_entity="support.ticket", record_id=ticket))
    one = await crm.get(Activity, told.activity_id)
    assert (one.record_entity, one.record_id, one.direction) == ("support.ticket", ticket, None)


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({"at": NOW + HOUR}, "at: lies in the future"),
        ({"record_entity": "support.ticket"}, "record_id: is needed"),
        ({"record_id": uuid7()}, "record_entity: is needed"),
        ({"record_entity": "Ticket", "record_id": uuid7()}, "record_entity: is written as support.ticket"),
    ],
)
async def test_refuses_what_cannot_have_been(crm: Harness, fields: dict[str, Any], match: str) -> None:
    async with refused(crm, Invalid, match):
        await crm.run(LogActivity(kind=ActivityKind.CALL, subject="A word", **fields))


@pytest.mark.parametrize("field", ["lead_id", "deal_id", "account_id", "contact_id"])
async def test_refuses_to_note_about_what_the_caller_may_not_see(crm: Harness, sales: Sales, field: str) -> None:
    lead = await crm.given(Lead(name="Ada", company="Firm", status=LeadStatus.QUALIFIED, owner_id=uuid7()))
    done = await crm.run(ConvertLead(lead_id=lead.id))
    ids = {"lead_id": lead.id, "deal_id": done.deal_id, "account_id": done.account_id, "contact_id": done.contact_id}
    about: dict[str, Any] = {field: ids[field]}
    rep = crm.as_("crm.rep")
    async with refused(crm, NotFound):
        await rep.run(LogActivity(kind=ActivityKind.CALL, subject="A word", **about))
    async with refused(crm, NotFound):
        await rep.run(ScheduleMeeting(subject="A word", starts_at=TOMORROW, ends_at=TOMORROW + HOUR, **about))
    async with refused(crm, NotFound):
        unknown: dict[str, Any] = {field: uuid7()}
        await crm.run(LogActivity(kind=ActivityKind.CALL, subject="A word", **unknown))


async def test_a_task_is_done(crm: Harness) -> None:
    lead = await crm.given(Lead(name="Ada"))
    task = await crm.given(Activity(subject="Send the menu", lead_id=lead.id))

    told = await crm.run(CompleteTask(activity_id=task.id, outcome="Sent"))

    now = await crm.get(Activity, task.id)
    assert (now.status, now.outcome, now.done_at is not None, now.direction) == (ActivityStatus.DONE, "Sent", True, None)
    assert crm.emitted == [told] == [ActivityCompleted(activity_id=task.id, kind=ActivityKind.TASK, lead_id=lead.id)]


async def test_a_planned_meeting_is_done_by_us_unless_it_says_otherwise(crm: Harness) -> None:
    ours = await crm.given(Activity(subject="Visit", kind=ActivityKind.MEETING, outcome="Bring samples"))
    theirs = await crm.given(Activity(subject="They call", kind=ActivityKind.CALL, direction=Direction.INBOUND))
    for one in (ours, theirs):
        await crm.run(CompleteTask(activity_id=one.id))
    now = await crm.get(Activity, ours.id)
    assert (now.direction, now.outcome) == (Direction.OUTBOUND, "Bring samples")
    assert (await crm.get(Activity, theirs.id)).direction is Direction.INBOUND


async def test_what_will_not_be_done_is_canceled(crm: Harness) -> None:
    task = await crm.given(Activity(subject="Send the menu"))
    told = await crm.run(CancelActivity(activity_id=task.id))
    assert (await crm.get(Activity, task.id)).status is ActivityStatus.CANCELED
    assert crm.emitted == [told] == [ActivityCanceled(activity_id=task.id)]


@pytest.mark.parametrize("status", [ActivityStatus.DONE, ActivityStatus.CANCELED])
async def test_what_is_over_is_neither_done_nor_canceled(crm: Harness, status: ActivityStatus) -> None:
    done_at = NOW if status is ActivityStatus.DONE else None
    for kind in (ActivityKind.TASK, ActivityKind.CALL):
        one = await crm.given(Activity(subject="Call", kind=kind, status=status, done_at=done_at))
        async with refused(crm, IllegalMove, f"Activity is {status}: it cannot complete"):
            await crm.run(CompleteTask(activity_id=one.id))
        async with refused(crm, IllegalMove, f"Activity is {status}: it cannot cancel"):
            await crm.run(CancelActivity(activity_id=one.id))


async def test_somebody_elses_task_is_not_there(crm: Harness) -> None:
    task = await crm.given(Activity(subject="Secret", owner_id=uuid7()))
    rep = crm.as_("crm.rep")
    async with refused(crm, NotFound, "activity"):
        await rep.run(CompleteTask(activity_id=task.id))
    async with refused(crm, NotFound, "activity"):
        await rep.run(CancelActivity(activity_id=task.id))


async def test_done_and_canceled_at_once_is_one_of_them(crm: Harness) -> None:
    lead = await crm.given(Lead(name="Ada"))
    task = await crm.given(Activity(subject="Call", kind=ActivityKind.CALL, lead_id=lead.id))
    results = await asyncio.gather(
        *[crm.run(CompleteTask(activity_id=task.id)) for _ in range(3)],
        *[crm.run(CancelActivity(activity_id=task.id)) for _ in range(3)],
        return_exceptions=True,
    )
    names = sorted(type(one).__name__ for one in results)
    assert names.count("IllegalMove") == 5
    assert len(crm.emitted) == 1


async def test_calls_and_a_conversion_at_once_never_stand_in_each_others_way(crm: Harness, sales: Sales) -> None:
    for _ in range(3):
        lead = await crm.given(Lead(name="Ada", status=LeadStatus.QUALIFIED))
        planned = [await crm.given(Activity(subject="Call", kind=ActivityKind.CALL, lead_id=lead.id)) for _ in range(3)]
        commands: list[Command[Any]] = [CompleteTask(activity_id=one.id) for one in planned]
        commands += [LogActivity(kind=ActivityKind.CALL, subject="A word", lead_id=lead.id) for _ in range(3)]
        commands.insert(3, ConvertLead(lead_id=lead.id))
        results = await asyncio.gather(*[crm.run(one) for one in commands], return_exceptions=True)
        assert [one for one in results if isinstance(one, BaseException)] == []
        (contact_id,) = {one.converted_contact_id for one in await crm.list(Lead, Lead.id == lead.id)}
        done = await crm.list(Activity, Activity.lead_id == lead.id)
        assert {one.status for one in done} == {ActivityStatus.DONE}
        assert {one.contact_id for one in done} <= {contact_id, None}


async def test_a_meeting_is_planned(crm: Harness) -> None:
    lead = await crm.given(Lead(name="Ada"))
    owner = uuid7()
    guests = [Attendee(name="Ada", email="ada@example.com")]

    told = await crm.run(
        ScheduleMeeting(
            subject="Tasting",
            starts_at=TOMORROW,
            ends_at=TOMORROW + HOUR,
            body="Rice",
            location="Kitchen",
            owner_id=owner,
            attendees=guests,
            priority=Priority.HIGH,
            lead_id=lead.id,
        )
    )

    one = await crm.get(Activity, told.activity_id)
    assert (one.kind, one.status, one.starts_at, one.ends_at, one.due_at) == (
        ActivityKind.MEETING,
        ActivityStatus.PLANNED,
        TOMORROW,
        TOMORROW + HOUR,
        TOMORROW,
    )
    assert (one.owner_id, one.attendees, one.priority, one.location, one.lead_id) == (owner, guests, Priority.HIGH, "Kitchen", lead.id)
    expected = MeetingScheduled(activity_id=one.id, starts_at=TOMORROW, ends_at=TOMORROW + HOUR, overlaps=[])
    assert crm.emitted == [told] == [expected]


async def test_meetings_that_overlap_are_named(crm: Harness) -> None:
    async def planned(start: dt.timedelta, end: dt.timedelta, **fields: Any) -> MeetingScheduled:
        return await crm.run(ScheduleMeeting(subject="Talk", starts_at=TOMORROW + start, ends_at=TOMORROW + end, **fields))

    zero = dt.timedelta()
    first = await planned(zero, HOUR)
    touching = await planned(HOUR, 2 * HOUR)
    other = await planned(zero, 2 * HOUR, owner_id=uuid7())
    canceled = await planned(HOUR / 2, HOUR)
    assert (touching.overlaps, other.overlaps, canceled.overlaps) == ([], [], [first.activity_id])
    await crm.run(CancelActivity(activity_id=canceled.activity_id))

    assert (await planned(HOUR / 2, HOUR * 3 / 2)).overlaps == [first.activity_id, touching.activity_id]


async def test_a_meeting_ends_after_it_starts(crm: Harness) -> None:
    for end in (TOMORROW, TOMORROW - HOUR):
        async with refused(crm, Invalid, "ends_at: is after starts_at"):
            await crm.run(ScheduleMeeting(subject="Talk", starts_at=TOMORROW, ends_at=end))
