"""Leads: who may buy, where they came from, and how they became something else."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, ClassVar, Literal
from uuid import UUID

from nexus.core import Entity, Index, Mapped, f, sql
from nexus.services.crm.entities.owned import Owned, sparse
from nexus.services.crm.places import LANGUAGE, country
from nexus.services.crm.terms import (
    LeadStatus,
    Learned,
    MovedActivity,
    Priority,
    Qualification,
    ScoreReason,
    SourceChannel,
)


class LeadSource(Entity):
    """A way by which leads come to us."""

    key: Mapped[str | None] = f.text(48, default=None, unique=True, pattern=r"^[a-z][a-z0-9_]*$", example="website")
    name: Mapped[str] = f.text(80)
    channel: Mapped[SourceChannel] = f.enum_(SourceChannel, default=SourceChannel.INBOUND)
    position: Mapped[int] = f.int_(ge=0, le=10_000, default=0)


class Lead(Owned):
    """A person or company that may buy."""

    __table_args__ = (
        *sparse("crm_lead", "owner_id", "team_id", "territory_id", "email", "phone", "source_id", "campaign_id"),
        *sparse("crm_lead", "converted_account_id", "converted_contact_id", "converted_deal_id"),
        Index("ix_crm_lead_status", "status", "id"),
    )
    alike: ClassVar[Mapping[str, str]] = {"email": "email", "phone": "phone"}

    name: Mapped[str] = f.text(200, search=True, pii="name", example="Ada Obi")
    given_name: Mapped[str | None] = f.text(120, default=None, pii="name")
    family_name: Mapped[str | None] = f.text(120, default=None, pii="name")
    company: Mapped[str | None] = f.text(200, default=None, search=True, free=True)
    title: Mapped[str | None] = f.text(120, default=None, label="Job title")
    email: Mapped[str | None] = f.email(default=None, search=True)
    phone: Mapped[str | None] = f.phone(default=None)
    website: Mapped[str | None] = f.url(default=None)
    industry: Mapped[str | None] = f.text(80, default=None)
    employees_band: Mapped[str | None] = f.text(40, default=None, label="Employees", example="11-50")
    city: Mapped[str | None] = f.text(120, default=None)
    country: Mapped[str | None] = f.text(2, default=None, pattern=r"^[A-Z]{2}$", check=country, example="NG", help="ISO 3166 alpha-2.")
    language: Mapped[str | None] = f.text(35, default=None, pattern=LANGUAGE, example="en-NG", help="BCP 47.")
    message: Mapped[str | None] = f.long_text(default=None, help="What they wrote to us.")
    description: Mapped[str | None] = f.long_text(default=None, help="What we note about them.")
    consent: Mapped[bool] = f.bool_(default=False, help="Whether they agreed to be written to.")
    priority: Mapped[Priority] = f.enum_(Priority, default=Priority.NORMAL)
    estimated_amount: Mapped[Decimal | None] = f.money(currency="currency", ge=Decimal(0), default=None)
    currency: Mapped[str | None] = f.currency(default=None, help="Empty: the business's own currency.")

    source_id: Mapped[UUID | None] = f.ref("crm.lead_source", default=None, index=False)
    campaign_id: Mapped[UUID | None] = f.ref("marketing.campaign", default=None, index=False)
    utm_source: Mapped[str | None] = f.text(200, default=None)
    utm_medium: Mapped[str | None] = f.text(200, default=None)
    utm_campaign: Mapped[str | None] = f.text(200, default=None)
    utm_term: Mapped[str | None] = f.text(200, default=None)
    utm_content: Mapped[str | None] = f.text(200, default=None)

    status: Mapped[LeadStatus] = f.state(default=LeadStatus.NEW, index=False)
    qualification: Mapped[Qualification] = f.enum_(Qualification, default=Qualification.UNQUALIFIED, read_only=True)
    contacted_at: Mapped[dt.datetime | None] = f.instant(default=None, read_only=True, help="When somebody first reached out.")
    qualified_at: Mapped[dt.datetime | None] = f.instant(default=None, read_only=True)
    disqualified_at: Mapped[dt.datetime | None] = f.instant(default=None, read_only=True)
    disqualified_reason_id: Mapped[UUID | None] = f.ref("crm.lost_reason", default=None, index=False, read_only=True)
    disqualified_notes: Mapped[str | None] = f.long_text(default=None, read_only=True)

    score: Mapped[int | None] = f.int_(default=None, read_only=True, help="50 is an even chance; every 10 points double the odds.")
    score_reasons: Mapped[list[ScoreReason]] = f.json(
        list[ScoreReason], default_factory=list, read_only=True, help="What the score is made of; the points add up to it."
    )
    scored_at: Mapped[dt.datetime | None] = f.instant(default=None, read_only=True)
    learned: Mapped[Learned | None] = f.json(Learned, default=None, read_only=True, help="What the team's scorecard has counted of it.")

    converted_at: Mapped[dt.datetime | None] = f.instant(default=None, read_only=True)
    converted_account_id: Mapped[UUID | None] = f.ref("crm.account", default=None, index=False, read_only=True)
    converted_contact_id: Mapped[UUID | None] = f.ref("crm.contact", default=None, index=False, read_only=True)
    converted_deal_id: Mapped[UUID | None] = f.ref("crm.deal", default=None, index=False, read_only=True)


class ConversionRecord(Entity):
    """What a conversion did, kept so that it can be undone."""

    __table_args__ = (Index("uq_crm_conversion_record_lead_id", "lead_id", unique=True, postgresql_where=sql("undone_at IS NULL")),)
    removal: ClassVar[Literal["archive", "delete"] | None] = None
    creatable: ClassVar[bool] = False
    editable: ClassVar[bool] = False

    lead_id: Mapped[UUID] = f.ref("crm.lead", index=False, read_only=True)
    account_id: Mapped[UUID | None] = f.ref("crm.account", default=None, index=False, read_only=True, on_delete="NOTHING")
    contact_id: Mapped[UUID | None] = f.ref("crm.contact", default=None, index=False, read_only=True, on_delete="NOTHING")
    deal_id: Mapped[UUID | None] = f.ref("crm.deal", default=None, index=False, read_only=True, on_delete="NOTHING")
    made_account: Mapped[bool] = f.bool_(default=False, read_only=True, help="Whether the account was made by the conversion.")
    made_contact: Mapped[bool] = f.bool_(default=False, read_only=True, help="Whether the contact was made by the conversion.")
    made_role_id: Mapped[UUID | None] = f.ref("crm.account_contact", default=None, index=False, read_only=True, on_delete="NOTHING")
    before: Mapped[dict[str, Any]] = f.json(
        dict[str, Any], default_factory=dict, read_only=True, pii="other", sensitive=True, help="The lead as it was."
    )
    made: Mapped[dict[str, dict[str, str]]] = f.json(
        dict[str, dict[str, str]],
        default_factory=dict,
        read_only=True,
        pii="other",
        sensitive=True,
        help="What was written into the account, contact and deal that were made, so that later work on them is seen.",
    )
    moved: Mapped[list[MovedActivity]] = f.json(list[MovedActivity], default_factory=list, read_only=True)
    converted_at: Mapped[dt.datetime] = f.instant(read_only=True)
    undone_at: Mapped[dt.datetime | None] = f.instant(default=None, read_only=True)
