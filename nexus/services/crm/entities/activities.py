"""Activities: what was done and what is to be done, about whatever record it concerns."""

from __future__ import annotations

import datetime as dt
from typing import ClassVar, Literal
from uuid import UUID

from nexus.core import CheckConstraint, Entity, Index, Mapped, UniqueConstraint, f, sql
from nexus.services.crm.entities.owned import sparse
from nexus.services.crm.terms import ActivityKind, ActivityStatus, Attendee, CallStatus, Direction, Priority


class Activity(Entity):
    """A call, meeting, e-mail, task or note about a lead, deal, account or contact, or about a record of another service."""

    __table_args__ = (
        *sparse("crm_activity", "account_id", "contact_id", "lead_id", "deal_id", "record_id"),
        Index("ix_crm_activity_owner_id", "owner_id", "status", "due_at"),
        Index(
            "ix_crm_activity_attendees",
            "attendees",
            postgresql_using="gin",
            postgresql_ops={"attendees": "jsonb_path_ops"},
            postgresql_where=sql("attendees <> '[]'::jsonb"),
        ),
        CheckConstraint("(status = 'done') = (done_at IS NOT NULL)", name="done_at_when_done"),
        CheckConstraint("ends_at IS NULL OR ends_at > starts_at", name="ends_after_it_starts"),
        CheckConstraint("(record_entity IS NULL) = (record_id IS NULL)", name="record_with_its_entity"),
    )

    kind: Mapped[ActivityKind] = f.enum_(ActivityKind, default=ActivityKind.TASK)
    subject: Mapped[str] = f.text(300, search=True, free=True)
    body: Mapped[str | None] = f.long_text(default=None)
    status: Mapped[ActivityStatus] = f.state(default=ActivityStatus.PLANNED, index=False)
    direction: Mapped[Direction | None] = f.enum_(Direction, default=None, help="Of calls and e-mails: who reached out.")
    priority: Mapped[Priority] = f.enum_(Priority, default=Priority.NORMAL)
    owner_id: Mapped[UUID | None] = f.ref("auth.user", default=None, index=False, help="Who is to do it, or did it.")
    due_at: Mapped[dt.datetime | None] = f.instant(default=None)
    starts_at: Mapped[dt.datetime | None] = f.instant(default=None)
    ends_at: Mapped[dt.datetime | None] = f.instant(default=None)
    done_at: Mapped[dt.datetime | None] = f.instant(default=None, read_only=True)
    outcome: Mapped[str | None] = f.text(300, default=None, free=True)
    location: Mapped[str | None] = f.text(300, default=None, free=True)
    attendees: Mapped[list[Attendee]] = f.json(list[Attendee], default_factory=list, pii="contact")
    lead_id: Mapped[UUID | None] = f.ref("crm.lead", default=None, index=False)
    deal_id: Mapped[UUID | None] = f.ref("crm.deal", default=None, index=False)
    account_id: Mapped[UUID | None] = f.ref("crm.account", default=None, index=False)
    contact_id: Mapped[UUID | None] = f.ref("crm.contact", default=None, index=False)
    record_entity: Mapped[str | None] = f.text(80, default=None, pattern=r"^[a-z_]+\.[a-z_]+$", example="support.ticket")
    record_id: Mapped[UUID | None] = f.uuid(default=None, help="A record of another service, of the entity named beside it.")


class CallLog(Entity):
    """A telephone call as the exchange reports it."""

    __table_args__ = (
        *sparse("crm_call_log", "lead_id", "contact_id"),
        UniqueConstraint("provider", "provider_call_id"),
        CheckConstraint("seconds IS NULL OR seconds >= 0", name="seconds_least"),
    )
    removal: ClassVar[Literal["archive", "delete"] | None] = "archive"
    creatable: ClassVar[bool] = False
    editable: ClassVar[bool] = False

    provider: Mapped[str] = f.text(60, read_only=True, example="twilio")
    provider_call_id: Mapped[str] = f.text(120, read_only=True)
    direction: Mapped[Direction] = f.enum_(Direction, read_only=True)
    status: Mapped[CallStatus] = f.state(default=CallStatus.QUEUED, index=False)
    from_number: Mapped[str] = f.phone(read_only=True)
    to_number: Mapped[str] = f.phone(read_only=True)
    owner_id: Mapped[UUID | None] = f.ref("auth.user", default=None, index=False, read_only=True, help="Our side of the line.")
    started_at: Mapped[dt.datetime] = f.instant(read_only=True)
    ended_at: Mapped[dt.datetime | None] = f.instant(default=None, read_only=True)
    seconds: Mapped[int | None] = f.int_(default=None, read_only=True, help="How long they talked.")
    recording_url: Mapped[str | None] = f.url(default=None, read_only=True, sensitive=True)
    lead_id: Mapped[UUID | None] = f.ref("crm.lead", default=None, index=False, read_only=True)
    contact_id: Mapped[UUID | None] = f.ref("crm.contact", default=None, index=False, read_only=True)
    activity_id: Mapped[UUID | None] = f.ref("crm.activity", default=None, index=False, read_only=True, on_delete="NOTHING")
