"""The tables of the naive peer: the same columns as NEXUS keeps of contacts, leads, accounts and deals, with the same indexes."""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal
from typing import Any

from sqlalchemy import DateTime, ForeignKey, Index, Numeric, Uuid, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from nexus.core.ids import uuid7


class Base(DeclarativeBase):
    type_annotation_map = {dict[str, Any]: JSONB, list[Any]: JSONB, list[str]: JSONB, uuid.UUID: Uuid, dt.datetime: DateTime(True)}


class Record:
    """What every record has."""

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid7)
    created_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())
    created_by: Mapped[uuid.UUID | None]
    updated_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())
    updated_by: Mapped[uuid.UUID | None]
    version: Mapped[int] = mapped_column(default=1)
    archived_at: Mapped[dt.datetime | None]
    tags: Mapped[list[str]] = mapped_column(default=list)
    external_refs: Mapped[dict[str, Any]] = mapped_column(default=dict)
    custom: Mapped[dict[str, Any]] = mapped_column(default=dict)
    owner_id: Mapped[uuid.UUID | None]
    team_id: Mapped[uuid.UUID | None]
    territory_id: Mapped[uuid.UUID | None]


def sparse(table: str, *columns: str) -> tuple[Index, ...]:
    return tuple(Index(f"ix_{table}_{column}", text(column), postgresql_where=text(f"{column} IS NOT NULL")) for column in columns)


class Account(Record, Base):
    __tablename__ = "account"
    __table_args__ = sparse("account", "owner_id", "domain")
    name: Mapped[str]
    domain: Mapped[str | None]
    website: Mapped[str | None]
    industry: Mapped[str | None]
    employees_band: Mapped[str | None]
    city: Mapped[str | None]
    country: Mapped[str | None]


class Contact(Record, Base):
    __tablename__ = "contact"
    __table_args__ = sparse("contact", "owner_id", "team_id", "territory_id", "account_id", "email", "phone")
    name: Mapped[str]
    given_name: Mapped[str | None]
    family_name: Mapped[str | None]
    email: Mapped[str | None]
    email_verified: Mapped[bool] = mapped_column(default=False)
    more_emails: Mapped[list[Any]] = mapped_column(default=list)
    phone: Mapped[str | None]
    more_phones: Mapped[list[Any]] = mapped_column(default=list)
    title: Mapped[str | None]
    account_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("account.id"))
    city: Mapped[str | None]
    country: Mapped[str | None]
    language: Mapped[str | None]
    time_zone: Mapped[str | None]
    do_not_contact: Mapped[list[Any]] = mapped_column(default=list)
    description: Mapped[str | None]


class Lead(Record, Base):
    __tablename__ = "lead"
    __table_args__ = sparse("lead", "owner_id", "email")
    name: Mapped[str]
    company: Mapped[str | None]
    title: Mapped[str | None]
    email: Mapped[str | None]
    phone: Mapped[str | None]
    website: Mapped[str | None]
    industry: Mapped[str | None]
    city: Mapped[str | None]
    country: Mapped[str | None]
    estimated_amount: Mapped[Decimal | None] = mapped_column(Numeric)
    currency: Mapped[str | None]
    status: Mapped[str] = mapped_column(default="new")
    converted_at: Mapped[dt.datetime | None]
    converted_account_id: Mapped[uuid.UUID | None]
    converted_contact_id: Mapped[uuid.UUID | None]
    converted_deal_id: Mapped[uuid.UUID | None]


class Deal(Record, Base):
    __tablename__ = "deal"
    __table_args__ = sparse("deal", "owner_id", "account_id", "contact_id")
    name: Mapped[str]
    account_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("account.id"))
    contact_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("contact.id"))
    stage: Mapped[str] = mapped_column(default="new")
    amount: Mapped[Decimal] = mapped_column(Numeric)
    currency: Mapped[str]
    lead_id: Mapped[uuid.UUID | None]


class Grant(Base):
    __tablename__ = "user_permission"
    user_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    permission: Mapped[str] = mapped_column(primary_key=True)


class Audit(Base):
    __tablename__ = "audit_log"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid7)
    at: Mapped[dt.datetime] = mapped_column(server_default=func.now())
    actor_id: Mapped[uuid.UUID]
    action: Mapped[str]
    entity: Mapped[str]
    entity_id: Mapped[uuid.UUID]
    after: Mapped[dict[str, Any]]


class Outbox(Base):
    __tablename__ = "outbox"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid7)
    at: Mapped[dt.datetime] = mapped_column(server_default=func.now())
    topic: Mapped[str]
    key: Mapped[uuid.UUID]
    payload: Mapped[dict[str, Any]]


class Idempotency(Base):
    __tablename__ = "idempotency"
    key: Mapped[str] = mapped_column(primary_key=True)
    request_hash: Mapped[str]
    status: Mapped[int]
    body: Mapped[dict[str, Any]]
