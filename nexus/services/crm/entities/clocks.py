"""Promises of an answer: when people are there, how soon they answer, and the clock that runs on each lead and deal."""

from __future__ import annotations

import datetime as dt
from typing import ClassVar, Literal
from uuid import UUID

from nexus.core import CheckConstraint, Entity, Index, Mapped, f, sql, time_zone
from nexus.services.crm.terms import ClockStatus, Condition, Exchange, Holiday, Minutes, OpenHours, Pause, Priority


class BusinessCalendar(Entity):
    """When people are there: weekly hours by the wall clock of a place, and days off."""

    key: Mapped[str | None] = f.text(48, default=None, unique=True, pattern=r"^[a-z][a-z0-9_]*$", example="office")
    name: Mapped[str] = f.text(120)
    time_zone: Mapped[str] = f.text(60, check=time_zone, example="Africa/Lagos", help="IANA name.")
    hours: Mapped[list[OpenHours]] = f.json(list[OpenHours], default_factory=list)
    holidays: Mapped[list[Holiday]] = f.json(list[Holiday], default_factory=list)


class ResponsePolicy(Entity):
    """How soon a new lead or deal is answered. The first policy whose conditions hold applies."""

    key: Mapped[str | None] = f.text(48, default=None, unique=True, pattern=r"^[a-z][a-z0-9_]*$")
    name: Mapped[str] = f.text(120)
    applies_to: Mapped[str] = f.text(4, default="lead", pattern=r"^(lead|deal)$")
    position: Mapped[int] = f.int_(ge=0, le=10_000, default=0)
    active: Mapped[bool] = f.bool_(default=True)
    conditions: Mapped[list[Condition]] = f.json(list[Condition], default_factory=list)
    calendar_id: Mapped[UUID] = f.ref("crm.business_calendar", index=False)
    first_response_minutes: Mapped[dict[Priority, int]] = f.json(
        dict[Priority, Minutes],
        default_factory=dict,
        help="By priority, in minutes of the calendar; a priority that is not named has no promise.",
    )
    rolling_response_minutes: Mapped[int | None] = f.int_(
        ge=1, le=20_160, default=None, help="How soon every later message is answered; empty: only the first counts."
    )


class ResponseClock(Entity):
    """The promise to answer one lead or deal: when it is due, and what came of it."""

    __table_args__ = (
        Index("uq_crm_response_clock_lead_id", "lead_id", unique=True, postgresql_where=sql("status <> 'stopped'")),
        Index("uq_crm_response_clock_deal_id", "deal_id", unique=True, postgresql_where=sql("status <> 'stopped'")),
        Index("ix_crm_response_clock_running", "due_at", postgresql_where=sql("status = 'running'")),
        CheckConstraint("num_nonnulls(lead_id, deal_id) = 1", name="lead_or_deal"),
    )
    removal: ClassVar[Literal["archive", "delete"] | None] = None
    creatable: ClassVar[bool] = False
    editable: ClassVar[bool] = False

    policy_id: Mapped[UUID] = f.ref("crm.response_policy", index=False, read_only=True)
    lead_id: Mapped[UUID | None] = f.ref("crm.lead", default=None, index=False, read_only=True)
    deal_id: Mapped[UUID | None] = f.ref("crm.deal", default=None, index=False, read_only=True)
    owner_id: Mapped[UUID | None] = f.ref(
        "auth.user", default=None, index=False, read_only=True, help="Who was responsible when it was decided."
    )
    status: Mapped[ClockStatus] = f.state(default=ClockStatus.RUNNING, index=False)
    started_at: Mapped[dt.datetime] = f.instant(read_only=True)
    due_at: Mapped[dt.datetime] = f.instant(read_only=True, help="Later by as much business time as lay in pauses.")
    responded_at: Mapped[dt.datetime | None] = f.instant(default=None, read_only=True)
    breached_at: Mapped[dt.datetime | None] = f.instant(default=None, read_only=True)
    response_seconds: Mapped[int | None] = f.int_(
        default=None, read_only=True, help="Business seconds from the start to the first answer, without pauses."
    )
    exchanges: Mapped[list[Exchange]] = f.json(
        list[Exchange], default_factory=list, read_only=True, help="Later messages and their answers."
    )
    pauses: Mapped[list[Pause]] = f.json(
        list[Pause], default_factory=list, read_only=True, help="When it stood still, because the record was closed or archived."
    )
