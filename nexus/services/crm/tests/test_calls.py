"""Telephone calls as the exchange reports them: twice, late, out of order, and all at once."""

from __future__ import annotations

import asyncio
import datetime as dt
import itertools
from typing import Any

import pytest

from nexus.core import Invalid, NotFound, uuid7
from nexus.runtime.testing import Harness
from nexus.services.crm.api import ActivityLogged, CallReported, ReportCall
from nexus.services.crm.entities import Activity, CallLog, Contact, Lead
from nexus.services.crm.flows import call_flow
from nexus.services.crm.terms import ActivityKind, ActivityStatus, CallStatus, Direction
from nexus.services.crm.tests.conftest import refused

OURS, THEIRS = "+2348030000000", "+2348031234567"
NOW = dt.datetime.now(dt.UTC)
MINUTE = dt.timedelta(minutes=1)


def report(status: CallStatus, **fields: Any) -> ReportCall:
    given: dict[str, Any] = {
        "provider": "twilio",
        "provider_call_id": "CA1",
        "direction": Direction.OUTBOUND,
        "from_number": OURS,
        "to_number": THEIRS,
    }
    return ReportCall(status=status, **(given | fields))


async def only(crm: Harness) -> CallLog:
    (call,) = await crm.list(CallLog)
    return call


async def test_a_call_from_first_ring_to_last_word(crm: Harness) -> None:
    lead = await crm.given(Lead(name="Ada", phone=THEIRS))
    owner = uuid7()

    for minute, status in enumerate((CallStatus.INITIATED, CallStatus.RINGING, CallStatus.IN_PROGRESS)):
        await crm.run(report(status, at=NOW + minute * MINUTE, owner_id=owner))
    call = await only(crm)
    assert (call.status, call.started_at, call.ended_at, call.seconds, call.lead_id) == (CallStatus.IN_PROGRESS, NOW, None, None, lead.id)
    assert await crm.count(Activity) == 0

    await crm.run(report(CallStatus.COMPLETED, at=NOW + 5 * MINUTE, seconds=170, recording_url="https://example.com/r.mp3"))

    call, (activity,) = await only(crm), await crm.list(Activity)
    assert (call.status, call.ended_at, call.seconds, call.recording_url) == (
        CallStatus.COMPLETED,
        NOW + 5 * MINUTE,
        170,
        "https://example.com/r.mp3",
    )
    assert (activity.kind, activity.status, activity.direction, activity.subject) == (
        ActivityKind.CALL,
        ActivityStatus.DONE,
        Direction.OUTBOUND,
        f"Call with {THEIRS}",
    )
    assert (activity.done_at, activity.owner_id, activity.lead_id, call.activity_id) == (NOW + 5 * MINUTE, owner, lead.id, activity.id)
    states = [CallStatus.INITIATED, CallStatus.RINGING, CallStatus.IN_PROGRESS]
    assert crm.emitted == [
        *[CallReported(call_log_id=call.id, status=one) for one in states],
        ActivityLogged(activity_id=activity.id, kind=ActivityKind.CALL, direction=Direction.OUTBOUND, lead_id=lead.id),
        CallReported(call_log_id=call.id, status=CallStatus.COMPLETED),
    ]


@pytest.mark.parametrize("order", list(itertools.permutations([CallStatus.RINGING, CallStatus.IN_PROGRESS, CallStatus.COMPLETED])))
async def test_reports_may_come_in_any_order_and_twice(crm: Harness, order: tuple[CallStatus, ...]) -> None:
    for status in order:
        for _ in range(2):
            await crm.run(report(status, seconds=10))
    call = await only(crm)
    assert (call.status, call.seconds, await crm.count(Activity)) == (CallStatus.COMPLETED, 10, 1)
    assert len({event.status for event in crm.emitted if isinstance(event, CallReported)}) == sum(
        isinstance(event, CallReported) for event in crm.emitted
    )


async def test_an_earlier_state_never_undoes_a_later_one(crm: Harness) -> None:
    for end in (CallStatus.COMPLETED, CallStatus.FAILED, CallStatus.BUSY, CallStatus.NO_ANSWER, CallStatus.CANCELED):
        await crm.run(report(end, provider_call_id=end))
        for status in CallStatus:
            answered = await crm.run(report(status, provider_call_id=end))
            assert answered.status is end
            assert not any(end in move.starts for move in call_flow.moves.values())


async def test_what_nobody_answered_is_no_activity(crm: Harness) -> None:
    await crm.run(report(CallStatus.RINGING, at=NOW))
    await crm.run(report(CallStatus.NO_ANSWER, at=NOW + MINUTE))
    call = await only(crm)
    assert (call.status, call.ended_at, call.activity_id, await crm.count(Activity)) == (CallStatus.NO_ANSWER, NOW + MINUTE, None, 0)


async def test_the_other_sides_number_says_whom_it_is_about(crm: Harness) -> None:
    await crm.given(Lead(name="Ada", phone=THEIRS))
    contact = await crm.given(Contact(name="Ada", phone=THEIRS))
    await crm.given(Contact(name="Somebody", phone=OURS))
    await crm.run(report(CallStatus.RINGING, direction=Direction.INBOUND, from_number=THEIRS, to_number=OURS))
    call = await only(crm)
    assert (call.contact_id, call.lead_id) == (contact.id, None)

    await crm.run(report(CallStatus.RINGING, provider_call_id="CA2", to_number="+4915123456789"))
    (_, stranger) = await crm.list(CallLog)
    assert (stranger.contact_id, stranger.lead_id) == (None, None)


async def test_the_report_may_say_so_itself(crm: Harness) -> None:
    await crm.given(Contact(name="Ada", phone=THEIRS))
    lead = await crm.given(Lead(name="Obi", owner_id=uuid7()))
    async with refused(crm, NotFound, "lead"):
        await crm.as_("crm.rep").run(report(CallStatus.COMPLETED, lead_id=lead.id))
    async with refused(crm, NotFound, "contact"):
        await crm.run(report(CallStatus.COMPLETED, contact_id=uuid7()))

    await crm.run(report(CallStatus.COMPLETED, lead_id=lead.id))

    call = await only(crm)
    assert (call.lead_id, call.contact_id) == (lead.id, None)


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({"seconds": -1}, "seconds: is from 0 to 86400"),
        ({"seconds": 86_401}, "seconds"),
        ({"recording_url": "javascript:alert(1)"}, "recording_url: is an absolute http or https address"),
    ],
)
async def test_refuses_what_cannot_be(crm: Harness, fields: dict[str, Any], match: str) -> None:
    async with refused(crm, Invalid, match):
        await crm.run(report(CallStatus.COMPLETED, **fields))


async def test_reports_at_once_make_one_call_and_one_activity(crm: Harness) -> None:
    await crm.given(Lead(name="Ada", phone=THEIRS))
    for number in range(4):
        states = [CallStatus.RINGING, CallStatus.IN_PROGRESS, CallStatus.COMPLETED, CallStatus.COMPLETED]
        await asyncio.gather(*[crm.run(report(status, provider_call_id=str(number), seconds=9)) for status in states])
    calls = await crm.list(CallLog)
    assert [(one.status, one.seconds) for one in calls] == [(CallStatus.COMPLETED, 9)] * 4
    assert await crm.count(Activity) == 4
