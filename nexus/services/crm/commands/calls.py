"""Telephone calls as the exchange reports them."""

from __future__ import annotations

from uuid import UUID

from nexus.core import FieldError, Invalid, Tx, handles
from nexus.services.crm.api import CallReported, ReportCall
from nexus.services.crm.commands.activities import logged
from nexus.services.crm.entities import Activity, CallLog, Contact, Lead
from nexus.services.crm.flows import call_flow
from nexus.services.crm.rules.clocks import message_passed
from nexus.services.crm.terms import ActivityKind, ActivityStatus, CallStatus, Direction


@handles(ReportCall, needs="crm.call_log:report")
async def report_call(cmd: ReportCall, tx: Tx) -> CallReported:
    _check(cmd)
    known = CallLog.provider == cmd.provider, CallLog.provider_call_id == cmd.provider_call_id
    seen = await tx.find(CallLog, *known)
    if seen is None:
        await _see(cmd, tx)
    lead = await _held(seen.lead_id if seen else cmd.lead_id, cmd, tx)
    call = await tx.find(CallLog, *known, lock=True) if seen else None
    if call is None:
        call, lead = await _first_report(cmd, lead, tx)
        news = True
    else:
        news = cmd.status in call_flow.moves and call_flow.allows(call, cmd.status)
        if news:
            call_flow.go(call, cmd.status)
    told = CallReported(call_log_id=call.id, status=call.status)
    if not news:  # a report that came twice or late
        return told
    call.recording_url = cmd.recording_url or call.recording_url
    if call.status not in _UNDER_WAY:
        call.ended_at, call.seconds = max(cmd.at or tx.now, call.started_at), cmd.seconds
    if call.status is CallStatus.COMPLETED:
        await _completed(call, lead, tx)
    return tx.emit(told)


_UNDER_WAY = (CallStatus.QUEUED, CallStatus.INITIATED, CallStatus.RINGING, CallStatus.IN_PROGRESS)


def _check(cmd: ReportCall) -> None:
    if cmd.seconds is not None and not 0 <= cmd.seconds <= 86_400:
        raise Invalid.of(FieldError("seconds", "is from 0 to 86400"))
    if cmd.recording_url is not None and not cmd.recording_url.startswith(("https://", "http://")):
        raise Invalid.of(FieldError("recording_url", "is an absolute http or https address"))


async def _see(cmd: ReportCall, tx: Tx) -> None:
    """NotFound (404) where the report says whom it is about, and the caller may not see that one."""
    if cmd.lead_id is not None:
        await tx.get(Lead, cmd.lead_id)
    if cmd.contact_id is not None:
        await tx.get(Contact, cmd.contact_id)


async def _held(lead_id: UUID | None, cmd: ReportCall, tx: Tx) -> Lead | None:
    """The lead that is to hear of a finished call, held before the call is, as leads always are before what hangs on them."""
    return await tx.find(Lead, Lead.id == lead_id, lock=True) if lead_id and cmd.status is CallStatus.COMPLETED else None


async def _first_report(cmd: ReportCall, lead: Lead | None, tx: Tx) -> tuple[CallLog, Lead | None]:
    """A call we did not know yet. Whose number the other side's is decides what it is about, unless the report says so."""
    lead_id, contact_id = cmd.lead_id, cmd.contact_id
    if lead_id is None and contact_id is None:
        theirs = cmd.from_number if cmd.direction is Direction.INBOUND else cmd.to_number
        contact = await tx.find(Contact, Contact.phone == theirs, Contact.archived_at.is_(None))
        lead = None if contact else await tx.find(Lead, Lead.phone == theirs, Lead.archived_at.is_(None), lock=True)
        lead_id, contact_id = lead.id if lead else None, contact.id if contact else None
    call = CallLog(
        provider=cmd.provider,
        provider_call_id=cmd.provider_call_id,
        direction=cmd.direction,
        status=cmd.status,
        from_number=cmd.from_number,
        to_number=cmd.to_number,
        owner_id=cmd.owner_id,
        started_at=cmd.at or tx.now,
        lead_id=lead_id,
        contact_id=contact_id,
    )
    return tx.add(call), lead


async def _completed(call: CallLog, lead: Lead | None, tx: Tx) -> None:
    """People talked: that is an activity, and an answer where one is owed."""
    at = call.ended_at or tx.now
    activity = Activity(
        kind=ActivityKind.CALL,
        subject=f"Call with {call.from_number if call.direction is Direction.INBOUND else call.to_number}",
        status=ActivityStatus.DONE,
        direction=call.direction,
        owner_id=call.owner_id,
        done_at=at,
        lead_id=call.lead_id,
        contact_id=call.contact_id,
    )
    call.activity_id = tx.add(activity).id
    await message_passed(call.direction, at, tx, lead)
    tx.emit(logged(activity))
