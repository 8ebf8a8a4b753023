"""Planted mistakes: each line that ends in `# mistake` is one, and both type checkers must find it; every other line is right."""

from decimal import Decimal
from typing import ClassVar
from uuid import UUID

from nexus.core import Command, Entity, Event, Mapped, Move, Problem, Query, Rows, Sight, Tx, answers, f, handles, on, select
from nexus.services.crm.entities import Contact, Deal, Lead
from nexus.services.crm.terms import DealStatus, LeadStatus


class Parcel(Entity):
    """Something that is sent."""

    weight: Mapped[Decimal] = f.quantity()
    note: Mapped[str | None] = f.text(200, default=None)
    label: Mapped[str] = f.text("200")  # mistake
    colour: Mapped[str] = f.text(200, searchable=True)  # mistake


class ParcelSent(Event, frozen=True, kw_only=True):
    """A parcel is on its way."""

    topic: ClassVar[str] = "post.parcel.sent"
    parcel_id: UUID


class SendParcel(Command[ParcelSent], frozen=True, kw_only=True):
    """Send a parcel."""

    parcel_id: UUID
    weight: Decimal


class TooHeavy(Problem, status=422):
    """A parcel weighs at most {most} kg."""

    most: int


class Parcels(Query, frozen=True, kw_only=True):
    """All parcels."""


@handles(SendParcel, needs="post.parcel:send")
async def send(cmd: SendParcel, tx: Tx) -> ParcelSent:
    parcel = await tx.get(Parcel, cmd.parcel_id)
    if cmd.weight > parcel.weight:
        raise TooHeavy(most=30)
    if cmd.wieght > 1:  # mistake
        raise TooHeavy(least=30)  # mistake
    parcel.note = 7  # mistake
    parcel.note = "x"
    cmd.weight = Decimal(1)  # mistake
    tx.add(Contact(email="ada@example.com"))  # mistake
    tx.add(Contact(name="Ada", emial="ada@example.com"))  # mistake
    tx.add(Lead(name=Decimal(1)))  # mistake
    lead = await tx.find(Lead, Lead.name == "Ada")
    lead.name = "Bob"  # mistake
    await tx.find(Lead, Lead.nmae == "Ada")  # mistake
    await tx.get(Lead, "1")  # mistake
    tx.add(cmd)  # mistake
    tx.emit(parcel)  # mistake
    sent: ParcelSent = await tx.call(SendParcel(parcel_id=parcel.id, weight=Decimal(1)))
    other: Deal = await tx.call(SendParcel(parcel_id=parcel.id, weight=Decimal(1)))  # mistake
    await tx.call(SendParcel(parcel_id=parcel.id))  # mistake
    Move("lose", [LeadStatus.NEW], DealStatus.LOST).ends.lower(1)  # mistake
    return tx.emit(ParcelSent(parcel_id=other.id, sent=sent))  # mistake


@handles(SendParcel, needs="post.parcel:send")  # mistake
async def send_back(cmd: ParcelSent, tx: Tx) -> ParcelSent:
    return cmd


@handles(SendParcel, needs="post.parcel:send")  # mistake
async def send_for_nothing(cmd: SendParcel, tx: Tx) -> Parcel:
    return await tx.get(Parcel, cmd.parcel_id)


@on(SendParcel)  # mistake
async def react(event: ParcelSent, tx: Tx) -> None:
    return None


@on(ParcelSent)  # mistake
async def answer(event: ParcelSent, tx: Tx) -> Parcel:
    return await tx.get(Parcel, event.parcel_id)


@answers(Parcels, needs="post.parcel:read")
def parcels(query: Parcels, sight: Sight) -> Rows:
    return select(Parcel.id).where(sight(Parcel))


@answers(Parcels, needs="post.parcel:read")  # mistake
def heavy(query: Parcels, sight: Sight) -> str:
    return "no rows"
