"""Leads: commands and events."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

from nexus.core import Command, CurrencyCode, Event, Line, Prose, Value


class LeadCreated(Event, frozen=True, kw_only=True):
    """Somebody new may buy. Told of every lead, however it came to be: one by one, in bulk or by import."""

    topic = "crm.lead.created"
    id: UUID


class LeadUpdated(Event, frozen=True, kw_only=True):
    """A lead has changed. Told of every change, with the whole lead."""

    topic = "crm.lead.updated"
    id: UUID
    updated_by: UUID | None = None
    """Empty: the system itself."""


class LeadArchived(Event, frozen=True, kw_only=True):
    """A lead is out of sight."""

    topic = "crm.lead.archived"
    id: UUID


class LeadRestored(Event, frozen=True, kw_only=True):
    """A lead that was archived is back."""

    topic = "crm.lead.restored"
    id: UUID


class LeadContacted(Event, frozen=True, kw_only=True):
    """Somebody has reached out to a lead for the first time."""

    topic = "crm.lead.contacted"
    lead_id: UUID


class LeadNurtured(Event, frozen=True, kw_only=True):
    """A lead is kept warm until it is ready; marketing may write to it."""

    topic = "crm.lead.nurtured"
    lead_id: UUID


class LeadQualified(Event, frozen=True, kw_only=True):
    """A lead has a need we can meet, and is ready to become a deal."""

    topic = "crm.lead.qualified"
    lead_id: UUID


class LeadDisqualified(Event, frozen=True, kw_only=True):
    """A lead has been given up."""

    topic = "crm.lead.disqualified"
    lead_id: UUID
    reason_id: UUID


class LeadRecycled(Event, frozen=True, kw_only=True):
    """A lead that was given up gets another chance."""

    topic = "crm.lead.recycled"
    lead_id: UUID


class LeadConverted(Event, frozen=True, kw_only=True):
    """A qualified lead has become a contact, and usually an account and a deal."""

    topic = "crm.lead.converted"
    lead_id: UUID
    contact_id: UUID
    account_id: UUID | None = None
    deal_id: UUID | None = None
    campaign_id: UUID | None = None


class LeadUnconverted(Event, frozen=True, kw_only=True):
    """A conversion has been undone: the lead is what it was, and what the conversion had made is gone."""

    topic = "crm.lead.unconverted"
    lead_id: UUID
    contact_id: UUID | None = None
    account_id: UUID | None = None
    deal_id: UUID | None = None


class ContactLead(Command[LeadContacted], frozen=True, kw_only=True):
    """Note that somebody has reached out to a lead."""

    lead_id: UUID


class NurtureLead(Command[LeadNurtured], frozen=True, kw_only=True):
    """Keep a lead warm that is not ready yet."""

    lead_id: UUID


class QualifyLead(Command[LeadQualified], frozen=True, kw_only=True):
    """Note that a lead has a need we can meet."""

    lead_id: UUID


class DisqualifyLead(Command[LeadDisqualified], frozen=True, kw_only=True):
    """Give a lead up, for a reason."""

    lead_id: UUID
    reason_id: UUID
    notes: Prose | None = None


class RecycleLead(Command[LeadRecycled], frozen=True, kw_only=True):
    """Give a disqualified lead another chance."""

    lead_id: UUID


class ConvertLead(Command[LeadConverted], frozen=True, kw_only=True):
    """Turn a qualified lead into a contact, an account and a deal.

    The contact is found by address, then by telephone number, the account by the contact, by domain, then by name; else they are made.
    `account_id` and `contact_id` choose instead. `deal_name` is by default the company or the person, `amount` the lead's estimate.
    """

    lead_id: UUID
    deal_name: Line | None = None
    amount: Decimal | None = None
    currency: CurrencyCode | None = None
    pipeline_id: UUID | None = None
    account_id: UUID | None = None
    contact_id: UUID | None = None
    make_deal: bool = True
    match: bool = True


class UnconvertLead(Command[LeadUnconverted], frozen=True, kw_only=True):
    """Undo a conversion. Refused once work has gone on with what it made; the refusal says which."""

    lead_id: UUID


class Rescored(Value, frozen=True, kw_only=True):
    """How many leads were scored anew."""

    leads: int


class RescoreLeads(Command[Rescored], frozen=True, kw_only=True):
    """Score leads anew, by the rules and the experience of today: the named ones, or the `limit` open ones whose score is oldest."""

    lead_ids: list[UUID] = []
    limit: int = 1000
