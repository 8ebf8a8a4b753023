"""The naive peer's application: `uvicorn bench.naive.app:app --workers 2`, its database in NAIVE_URL."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import re
import uuid
from collections.abc import AsyncGenerator
from decimal import Decimal
from typing import Annotated, Any, cast

from fastapi import Depends, FastAPI, Header, HTTPException, Request, Response
from pydantic import BaseModel, ConfigDict, Field, field_validator
from sqlalchemy import select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from bench.naive.graph import graph_of
from bench.naive.models import Account, Audit, Contact, Deal, Grant, Idempotency, Lead, Outbox

engine = create_async_engine(os.environ.get("NAIVE_URL", "postgresql+asyncpg://"), pool_size=8, max_overflow=0)
sessions = async_sessionmaker(engine, expire_on_commit=False)
app = FastAPI()
app.include_router(graph_of(sessions), prefix="/graphql")
SCHEMA = re.compile(r"[a-z0-9_]{1,60}")


class Row(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class ContactListed(Row):
    id: uuid.UUID
    version: int
    name: str
    given_name: str | None
    family_name: str | None
    email: str | None
    phone: str | None
    title: str | None
    account_id: uuid.UUID | None
    city: str | None
    country: str | None
    language: str | None
    owner_id: uuid.UUID | None
    created_at: dt.datetime
    updated_at: dt.datetime


class ContactRead(ContactListed):
    created_by: uuid.UUID | None
    updated_by: uuid.UUID | None
    archived_at: dt.datetime | None
    tags: list[str]
    external_refs: dict[str, str]
    custom: dict[str, Any]
    team_id: uuid.UUID | None
    territory_id: uuid.UUID | None
    email_verified: bool
    more_emails: list[Any]
    more_phones: list[Any]
    time_zone: str | None
    do_not_contact: list[Any]
    description: str | None


class Page(BaseModel):
    items: list[ContactListed]
    next_cursor: str | None


Text = Annotated[str, Field(max_length=200)]


class ContactCreate(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: Text
    given_name: Text | None = None
    family_name: Text | None = None
    email: Annotated[str, Field(pattern=r"^[^@\s]{1,64}@[^@\s]{1,250}$")] | None = None
    phone: Annotated[str, Field(pattern=r"^\+[1-9]\d{6,14}$")] | None = None
    title: Text | None = None
    account_id: uuid.UUID | None = None
    city: Text | None = None
    country: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] | None = None
    language: Text | None = None
    time_zone: Text | None = None
    description: str | None = None
    tags: list[str] = []

    @field_validator("email")
    @classmethod
    def lower(cls, value: str | None) -> str | None:
        return value.lower() if value else value


class Convert(BaseModel):
    deal_name: Text | None = None
    amount: Decimal | None = None


class Converted(BaseModel):
    lead_id: uuid.UUID
    contact_id: uuid.UUID
    account_id: uuid.UUID | None
    deal_id: uuid.UUID


async def session(x_tenant: Annotated[str, Header()]) -> AsyncGenerator[AsyncSession]:
    if not SCHEMA.fullmatch(x_tenant):
        raise HTTPException(400, "bad tenant")
    async with sessions() as made, made.begin():
        await made.execute(text("SELECT set_config('search_path', :schema, true)"), {"schema": x_tenant})
        yield made


Session = Annotated[AsyncSession, Depends(session)]
User = Annotated[uuid.UUID, Header(alias="x-user")]


async def need(made: AsyncSession, user: uuid.UUID, permission: str) -> None:
    if await made.get(Grant, (user, permission)) is None:
        raise HTTPException(403, "forbidden")


@app.get("/healthz")
async def healthz() -> dict[str, str]:
    return {"status": "ok"}


@app.get("/contacts/{id}")
async def get_contact(id: uuid.UUID, made: Session, user: User) -> ContactRead:
    contact = await made.get(Contact, id)
    if contact is None:
        raise HTTPException(404, "no such contact")
    return cast(ContactRead, contact)


@app.get("/contacts")
async def list_contacts(made: Session, user: User, country: str | None = None, limit: int = 50, cursor: uuid.UUID | None = None) -> Page:
    wanted = select(Contact).where(Contact.archived_at.is_(None)).order_by(Contact.id.desc()).limit(limit + 1)
    if country is not None:
        wanted = wanted.where(Contact.country == country)
    if cursor is not None:
        wanted = wanted.where(tuple_(Contact.id) < tuple_(cursor))
    found = list(await made.scalars(wanted))
    items = [ContactListed.model_validate(one) for one in found[:limit]]
    return Page(items=items, next_cursor=str(items[-1].id) if len(found) > limit else None)


async def repeated(made: AsyncSession, key: str, digest: str) -> dict[str, Any] | None:
    done = await made.get(Idempotency, key)
    if done is None:
        return None
    if done.request_hash != digest:
        raise HTTPException(409, "key reused")
    return done.body


def noted(made: AsyncSession, user: uuid.UUID, action: str, entity: str, id: uuid.UUID, after: dict[str, Any]) -> None:
    made.add(Audit(actor_id=user, action=action, entity=entity, entity_id=id, after=after))
    made.add(Outbox(topic=f"crm.{entity}.{action}", key=id, payload=after))


@app.post("/contacts", status_code=201)
async def create_contact(
    body: ContactCreate, request: Request, made: Session, user: User, response: Response, idempotency_key: Annotated[str, Header()]
) -> ContactRead:
    digest = hashlib.sha256(await request.body()).hexdigest()
    if (done := await repeated(made, idempotency_key, digest)) is not None:
        return ContactRead.model_validate(done)
    await need(made, user, "crm.contact.create")
    contact = Contact(**body.model_dump(), created_by=user, updated_by=user)
    made.add(contact)
    await made.flush()
    await made.refresh(contact)
    read = ContactRead.model_validate(contact)
    shown = read.model_dump(mode="json")
    noted(made, user, "created", "contact", contact.id, shown)
    made.add(Idempotency(key=idempotency_key, request_hash=digest, status=201, body=shown))
    await made.flush()
    response.headers["location"] = f"/contacts/{contact.id}"
    return read


@app.post("/leads/{id}/convert")
async def convert_lead(
    id: uuid.UUID, body: Convert, request: Request, made: Session, user: User, idempotency_key: Annotated[str, Header()]
) -> Converted:
    digest = hashlib.sha256(await request.body()).hexdigest()
    if (done := await repeated(made, idempotency_key, digest)) is not None:
        return Converted.model_validate(done)
    await need(made, user, "crm.lead.convert")
    lead = await made.get(Lead, id, with_for_update=True)
    if lead is None:
        raise HTTPException(404, "no such lead")
    if lead.status != "qualified":
        raise HTTPException(409, f"lead is {lead.status}: it cannot convert")
    contact, account = await parties(made, lead, user)
    amount = body.amount if body.amount is not None else lead.estimated_amount or Decimal(0)
    deal = Deal(name=body.deal_name or lead.company or lead.name, amount=amount, currency=lead.currency or "NGN", lead_id=lead.id)
    deal.account_id, deal.contact_id, deal.created_by, deal.updated_by = account and account.id, contact.id, user, user
    made.add(deal)
    await made.flush()
    lead.status, lead.converted_at, lead.version = "converted", dt.datetime.now(dt.UTC), lead.version + 1
    lead.converted_account_id, lead.converted_contact_id, lead.converted_deal_id = deal.account_id, contact.id, deal.id
    answer = Converted(lead_id=lead.id, contact_id=contact.id, account_id=deal.account_id, deal_id=deal.id)
    shown = answer.model_dump(mode="json")
    noted(made, user, "converted", "lead", lead.id, shown)
    noted(made, user, "created", "deal", deal.id, {"name": deal.name, "amount": str(deal.amount)})
    made.add(Idempotency(key=idempotency_key, request_hash=digest, status=200, body=shown))
    await made.flush()
    return answer


async def parties(made: AsyncSession, lead: Lead, user: uuid.UUID) -> tuple[Contact, Account | None]:
    """The contact and the account of a lead, found or made."""
    contact = await made.scalar(select(Contact).where(Contact.email == lead.email).limit(1)) if lead.email else None
    domain = lead.website.removeprefix("https://") if lead.website else None
    account = await made.scalar(select(Account).where(Account.domain == domain).limit(1)) if domain else None
    if account is None and lead.company:
        account = Account(name=lead.company, domain=domain, website=lead.website, city=lead.city, country=lead.country)
        account.created_by = account.updated_by = user
        made.add(account)
        await made.flush()
        noted(made, user, "created", "account", account.id, {"name": account.name})
    if contact is None:
        contact = Contact(name=lead.name, email=lead.email, phone=lead.phone, title=lead.title, city=lead.city, country=lead.country)
        contact.account_id, contact.created_by, contact.updated_by = account and account.id, user, user
        made.add(contact)
        await made.flush()
        noted(made, user, "created", "contact", contact.id, {"name": contact.name, "email": contact.email})
    return contact, account
