"""The way of a lead before it becomes something else."""

from nexus.core import Problem, Tx, handles
from nexus.services.crm.api import (
    ContactLead,
    DisqualifyLead,
    LeadContacted,
    LeadDisqualified,
    LeadNurtured,
    LeadQualified,
    LeadRecycled,
    NurtureLead,
    QualifyLead,
    RecycleLead,
)
from nexus.services.crm.entities import Lead, LostReason
from nexus.services.crm.flows import lead_flow
from nexus.services.crm.rules.clocks import message_passed, resume_clock, stop_clocks
from nexus.services.crm.terms import Direction, Qualification, ReasonScope


class ReasonOfAnotherKind(Problem, status=409):
    """“{name}” is a reason for losing a deal, not for giving up a lead."""

    name: str


@handles(ContactLead, needs="crm.lead:contact")
async def contact_lead(cmd: ContactLead, tx: Tx) -> LeadContacted:
    lead = await tx.get(Lead, cmd.lead_id, lock=True)
    lead_flow.go(lead, "contact")
    lead.contacted_at = lead.contacted_at or tx.now
    lead.qualification = Qualification.IN_PROCESS
    await message_passed(Direction.OUTBOUND, tx.now, tx, lead)
    return tx.emit(LeadContacted(lead_id=lead.id))


@handles(NurtureLead, needs="crm.lead:nurture")
async def nurture_lead(cmd: NurtureLead, tx: Tx) -> LeadNurtured:
    lead = await tx.get(Lead, cmd.lead_id, lock=True)
    lead_flow.go(lead, "nurture")
    lead.qualification = Qualification.IN_PROCESS
    return tx.emit(LeadNurtured(lead_id=lead.id))


@handles(QualifyLead, needs="crm.lead:qualify")
async def qualify_lead(cmd: QualifyLead, tx: Tx) -> LeadQualified:
    lead = await tx.get(Lead, cmd.lead_id, lock=True)
    lead_flow.go(lead, "qualify")
    lead.qualification = Qualification.QUALIFIED
    lead.qualified_at = tx.now
    return tx.emit(LeadQualified(lead_id=lead.id))


@handles(DisqualifyLead, needs="crm.lead:disqualify")
async def disqualify_lead(cmd: DisqualifyLead, tx: Tx) -> LeadDisqualified:
    lead = await tx.get(Lead, cmd.lead_id, lock=True)
    reason = await tx.get(LostReason, cmd.reason_id)
    lead_flow.go(lead, "disqualify")
    if reason.scope is ReasonScope.DEAL:
        raise ReasonOfAnotherKind(name=reason.name)
    lead.qualification = Qualification.UNQUALIFIED
    lead.disqualified_at, lead.disqualified_reason_id, lead.disqualified_notes = tx.now, reason.id, cmd.notes
    await stop_clocks(lead, tx)
    return tx.emit(LeadDisqualified(lead_id=lead.id, reason_id=reason.id))


@handles(RecycleLead, needs="crm.lead:recycle")
async def recycle_lead(cmd: RecycleLead, tx: Tx) -> LeadRecycled:
    lead = await tx.get(Lead, cmd.lead_id, lock=True)
    lead_flow.go(lead, "recycle")
    lead.disqualified_at = lead.disqualified_reason_id = lead.disqualified_notes = None
    await resume_clock(lead, tx)
    return tx.emit(LeadRecycled(lead_id=lead.id))
