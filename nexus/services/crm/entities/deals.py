"""Deals: what may be sold, through which stages, and what became of it."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import ClassVar, Literal
from uuid import UUID

from nexus.core import CheckConstraint, Entity, Index, Mapped, UniqueConstraint, f, sql
from nexus.services.crm.billing_terms import Billing
from nexus.services.crm.entities.owned import Owned, sparse
from nexus.services.crm.terms import (
    DealLine,
    DealPerson,
    DealStatus,
    ForecastCategory,
    Priority,
    QuoteStatus,
    ReasonScope,
    Signature,
    StageType,
)


class Pipeline(Entity):
    """A way of selling: an ordered list of stages."""

    key: Mapped[str | None] = f.text(48, default=None, unique=True, pattern=r"^[a-z][a-z0-9_]*$", example="sales")
    name: Mapped[str] = f.text(80)
    position: Mapped[int] = f.int_(ge=0, le=10_000, default=0, help="The first one is used where none is named.")


class DealStage(Entity):
    """One step of a pipeline."""

    pipeline_id: Mapped[UUID] = f.ref("crm.pipeline", index=False)
    key: Mapped[str | None] = f.text(48, default=None, pattern=r"^[a-z][a-z0-9_]*$", example="proposal")
    name: Mapped[str] = f.text(80)
    position: Mapped[int] = f.int_(ge=0, le=10_000, default=0)
    type: Mapped[StageType] = f.enum_(StageType, default=StageType.OPEN)
    probability: Mapped[int] = f.int_(ge=0, le=100, default=0, help="Chance of winning, in percent.")
    required_fields: Mapped[list[str]] = f.json(list[str], default_factory=list, help="What a deal must have before it may enter.")
    rotting_days: Mapped[int | None] = f.int_(ge=1, le=3650, default=None, help="Days without a move after which a deal is stale.")


class LostReason(Entity):
    """Why deals are lost or leads given up."""

    key: Mapped[str | None] = f.text(48, default=None, unique=True, pattern=r"^[a-z][a-z0-9_]*$", example="price")
    name: Mapped[str] = f.text(120)
    scope: Mapped[ReasonScope] = f.enum_(ReasonScope, default=ReasonScope.BOTH)
    position: Mapped[int] = f.int_(ge=0, le=10_000, default=0)


class Deal(Owned):
    """Something an account may buy from us."""

    __table_args__ = (
        *sparse("crm_deal", "owner_id", "team_id", "territory_id", "account_id", "contact_id", "lead_id", "lost_reason_id"),
        Index("ix_crm_deal_stage_id", "stage_id", "status"),
        Index("ix_crm_deal_people", "people", postgresql_using="gin", postgresql_ops={"people": "jsonb_path_ops"}),
        CheckConstraint("lines_total IS NULL OR amount = lines_total", name="amount_of_lines"),
        CheckConstraint("fx_rate > 0", name="fx_rate_more_than_zero"),
        CheckConstraint("(status = 'open') = (closed_at IS NULL)", name="closed_at_when_closed"),
        CheckConstraint("(status = 'lost') = (lost_reason_id IS NOT NULL)", name="lost_reason_when_lost"),
    )
    creatable: ClassVar[bool] = False

    name: Mapped[str] = f.text(200, search=True, free=True, example="Catering for 200")
    account_id: Mapped[UUID | None] = f.ref("crm.account", default=None, index=False)
    contact_id: Mapped[UUID | None] = f.ref("crm.contact", default=None, index=False, help="The person we mainly talk to.")
    people: Mapped[list[DealPerson]] = f.json(list[DealPerson], default_factory=list, help="Others who have a say, and which.")
    pipeline_id: Mapped[UUID] = f.ref("crm.pipeline", index=False, read_only=True)
    stage_id: Mapped[UUID] = f.ref("crm.deal_stage", index=False, read_only=True, help="Changed by move_stage, win, lose and reopen.")
    status: Mapped[DealStatus] = f.state(default=DealStatus.OPEN, index=False)
    amount: Mapped[Decimal] = f.money(currency="currency", ge=Decimal(0), default=Decimal(0))
    currency: Mapped[str] = f.currency(once=True, help="Given when the deal is made; its rate, lines and quotes go by it.")
    fx_rate: Mapped[Decimal | None] = f.decimal(
        18, 9, ge=0, default=None, help="What one unit is worth in the business's own currency; empty: not known yet, and in no total."
    )
    probability: Mapped[int] = f.int_(ge=0, le=100, default=0, help="Chance of winning, in percent; a stage sets it on entry.")
    forecast_category: Mapped[ForecastCategory] = f.enum_(ForecastCategory, default=ForecastCategory.PIPELINE)
    expected_close: Mapped[dt.date | None] = f.date(default=None)
    next_step: Mapped[str | None] = f.text(300, default=None, free=True)
    description: Mapped[str | None] = f.long_text(default=None)
    priority: Mapped[Priority] = f.enum_(Priority, default=Priority.NORMAL)
    source_id: Mapped[UUID | None] = f.ref("crm.lead_source", default=None, index=False)
    campaign_id: Mapped[UUID | None] = f.ref("marketing.campaign", default=None, index=False)
    lead_id: Mapped[UUID | None] = f.ref(
        "crm.lead", default=None, index=False, read_only=True, on_delete="NOTHING", help="Where it came from."
    )
    competitors: Mapped[list[UUID]] = f.json(list[UUID], default_factory=list, help="The ids of those who sell against us.")
    lines: Mapped[list[DealLine]] = f.json(list[DealLine], default_factory=list, read_only=True, help="What is sold; changed by set_lines.")
    lines_total: Mapped[Decimal | None] = f.money(currency="currency", default=None, read_only=True, help="What the lines add up to.")
    billing: Mapped[Billing] = f.enum_(Billing, default=Billing.NONE, read_only=True, help="How far it has been billed and paid.")
    document_id: Mapped[UUID | None] = f.uuid(default=None, read_only=True, help="The invoice that bills it.")
    opened_at: Mapped[dt.datetime] = f.instant(read_only=True)
    stage_entered_at: Mapped[dt.datetime] = f.instant(read_only=True)
    closed_at: Mapped[dt.datetime | None] = f.instant(default=None, read_only=True)
    lost_reason_id: Mapped[UUID | None] = f.ref("crm.lost_reason", default=None, index=False, read_only=True)
    lost_notes: Mapped[str | None] = f.long_text(default=None, read_only=True)
    lost_to_id: Mapped[UUID | None] = f.ref("crm.competitor", default=None, index=False, read_only=True, help="Who got it instead.")


class StageChange(Entity):
    """One move of a deal from a stage to another; the seconds of all moves add up to the age of the deal."""

    removal: ClassVar[Literal["archive", "delete"] | None] = None
    creatable: ClassVar[bool] = False
    editable: ClassVar[bool] = False

    deal_id: Mapped[UUID] = f.ref("crm.deal", on_delete="CASCADE", read_only=True)
    from_stage_id: Mapped[UUID] = f.ref("crm.deal_stage", index=False, read_only=True)
    to_stage_id: Mapped[UUID] = f.ref("crm.deal_stage", index=False, read_only=True)
    from_status: Mapped[DealStatus] = f.enum_(DealStatus, read_only=True)
    to_status: Mapped[DealStatus] = f.enum_(DealStatus, read_only=True)
    entered_at: Mapped[dt.datetime] = f.instant(read_only=True, help="When the deal had entered the stage it left.")
    left_at: Mapped[dt.datetime] = f.instant(read_only=True)
    seconds: Mapped[Decimal] = f.decimal(18, 6, read_only=True, help="How long it had been there.")


class Quote(Entity):
    """An offer in writing; versions of one deal's offer replace each other."""

    __table_args__ = (
        UniqueConstraint("deal_id", "number"),
        Index("uq_crm_quote_accepted", "deal_id", unique=True, postgresql_where=sql("status = 'accepted'")),
        Index("ix_crm_quote_valid_until", "valid_until", postgresql_where=sql("status IN ('sent', 'viewed')")),
        CheckConstraint("(status = 'accepted') = (signature IS NOT NULL)", name="signature_when_accepted"),
    )
    removal: ClassVar[Literal["archive", "delete"] | None] = None
    creatable: ClassVar[bool] = False
    editable: ClassVar[bool] = False

    deal_id: Mapped[UUID] = f.ref("crm.deal", index=False, read_only=True)
    number: Mapped[int] = f.int_(ge=1, read_only=True, help="1 for the first quote of a deal, 2 for the next …")
    status: Mapped[QuoteStatus] = f.state(default=QuoteStatus.DRAFT, index=False)
    currency: Mapped[str] = f.currency(read_only=True)
    lines: Mapped[list[DealLine]] = f.json(list[DealLine], default_factory=list, read_only=True)
    subtotal: Mapped[Decimal] = f.money(currency="currency", default=Decimal(0), read_only=True, help="The lines before discounts.")
    discount: Mapped[Decimal] = f.money(currency="currency", default=Decimal(0), read_only=True)
    total: Mapped[Decimal] = f.money(
        currency="currency", default=Decimal(0), read_only=True, help="The subtotal less the discount, before tax."
    )
    terms: Mapped[str | None] = f.long_text(default=None, read_only=True)
    valid_until: Mapped[dt.date | None] = f.date(default=None, read_only=True, help="The last day on which it can be accepted.")
    sent_at: Mapped[dt.datetime | None] = f.instant(default=None, read_only=True)
    viewed_at: Mapped[dt.datetime | None] = f.instant(default=None, read_only=True)
    decided_at: Mapped[dt.datetime | None] = f.instant(default=None, read_only=True)
    signature: Mapped[Signature | None] = f.json(Signature, default=None, read_only=True, pii="name")
    rejected_reason: Mapped[str | None] = f.long_text(default=None, read_only=True)
    superseded_by_id: Mapped[UUID | None] = f.ref("crm.quote", default=None, index=False, read_only=True)
