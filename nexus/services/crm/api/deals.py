"""Deals: commands and events."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from uuid import UUID

from nexus.core import Command, CurrencyCode, Event, Line, Percent, Prose
from nexus.services.crm.billing_terms import Billing
from nexus.services.crm.terms import DealLine, DealPerson


class DealCreated(Event, frozen=True, kw_only=True):
    """There is something that may be sold."""

    topic = "crm.deal.created"
    deal_id: UUID
    stage_id: UUID
    amount: Decimal
    currency: str
    account_id: UUID | None = None
    contact_id: UUID | None = None
    lead_id: UUID | None = None
    owner_id: UUID | None = None


class DealArchived(Event, frozen=True, kw_only=True):
    """A deal is out of sight."""

    topic = "crm.deal.archived"
    id: UUID


class DealRestored(Event, frozen=True, kw_only=True):
    """A deal that was archived is back."""

    topic = "crm.deal.restored"
    id: UUID


class DealStageChanged(Event, frozen=True, kw_only=True):
    """An open deal has moved to another stage."""

    topic = "crm.deal.stage_changed"
    deal_id: UUID
    from_stage_id: UUID
    to_stage_id: UUID


class DealWon(Event, frozen=True, kw_only=True):
    """A deal has been won."""

    topic = "crm.deal.won"
    deal_id: UUID
    amount: Decimal
    currency: str
    account_id: UUID | None = None
    contact_id: UUID | None = None
    lead_id: UUID | None = None
    owner_id: UUID | None = None


class DealBillable(Event, frozen=True, kw_only=True):
    """A won deal is to be billed to its customer."""

    topic = "crm.deal.billable"
    deal_id: UUID
    customer_id: UUID
    """The account, or the contact where there is no account."""
    customer: str
    name: str
    amount: Decimal
    currency: str
    lines: list[DealLine] = []
    """What is sold; empty: one thing, for the amount."""


class DealLost(Event, frozen=True, kw_only=True):
    """A deal has been lost."""

    topic = "crm.deal.lost"
    deal_id: UUID
    reason_id: UUID
    amount: Decimal
    currency: str
    lead_id: UUID | None = None
    competitor_id: UUID | None = None


class DealReopened(Event, frozen=True, kw_only=True):
    """A deal that was won or lost is open again."""

    topic = "crm.deal.reopened"
    deal_id: UUID
    stage_id: UUID
    lead_id: UUID | None = None


class DealBilled(Event, frozen=True, kw_only=True):
    """A deal has been billed, or paid, or neither any more."""

    topic = "crm.deal.billed"
    deal_id: UUID
    billing: Billing
    document_id: UUID
    """The invoice."""


class DealLinesSet(Event, frozen=True, kw_only=True):
    """What a deal is about has been laid down line by line; its amount is their total."""

    topic = "crm.deal.lines_set"
    deal_id: UUID
    amount: Decimal
    currency: str


class CreateDeal(Command[DealCreated], frozen=True, kw_only=True):
    """Open a deal, in the first stage of the first pipeline unless said otherwise.

    `currency` is by default the business's own; `amount` is the total of `lines` where there are any; `probability` that of the stage.
    """

    name: Line
    account_id: UUID | None = None
    contact_id: UUID | None = None
    people: list[DealPerson] = []
    pipeline_id: UUID | None = None
    stage_id: UUID | None = None
    amount: Decimal | None = None
    currency: CurrencyCode | None = None
    fx_rate: Decimal | None = None
    lines: list[DealLine] = []
    probability: Percent | None = None
    expected_close: dt.date | None = None
    next_step: Line | None = None
    description: Prose | None = None
    source_id: UUID | None = None
    campaign_id: UUID | None = None
    competitors: list[UUID] = []
    owner_id: UUID | None = None
    team_id: UUID | None = None
    territory_id: UUID | None = None
    tags: list[Line] = []
    external_refs: dict[str, str] = {}


class MoveDealStage(Command[DealStageChanged], frozen=True, kw_only=True):
    """Move an open deal to another open stage, of this or another pipeline. What the stage requires must be there."""

    deal_id: UUID
    stage_id: UUID


class WinDeal(Command[DealWon], frozen=True, kw_only=True):
    """Close a deal as won."""

    deal_id: UUID


class LoseDeal(Command[DealLost], frozen=True, kw_only=True):
    """Close a deal as lost, for a reason."""

    deal_id: UUID
    reason_id: UUID
    notes: Prose | None = None
    competitor_id: UUID | None = None


class MarkDealBilled(Command[DealBilled], frozen=True, kw_only=True):
    """Note what has become of the document that bills a deal; of one that another has taken the place of, nothing is noted."""

    deal_id: UUID
    billing: Billing
    document_id: UUID
    """The invoice. A draft takes the place of the one before."""


class ReopenDeal(Command[DealReopened], frozen=True, kw_only=True):
    """Open a closed deal again, in the stage it was closed from unless another is named."""

    deal_id: UUID
    stage_id: UUID | None = None


class SetDealLines(Command[DealLinesSet], frozen=True, kw_only=True):
    """Say what is sold, line by line; the deal's amount becomes the total. No lines: the amount stays and can be set by hand again."""

    deal_id: UUID
    lines: list[DealLine]
