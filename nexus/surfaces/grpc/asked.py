"""The messages of gRPC that all services share: what records are asked with, what events are subscribed with, and what is told of a refusal."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Final, Literal, TypeAlias
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from nexus.surfaces.kept import kept
from nexus.surfaces.lock.declared import of_structs
from nexus.surfaces.lock.file import fresh, lock_file, read
from nexus.surfaces.lock.model import Lock, Operation

Packed: TypeAlias = Annotated[msgspec.Raw, Meta(extra={"type": "any"})]
"""A message of any type, with the name of its type."""


class Get(Struct, kw_only=True):
    """One record by its id."""

    id: UUID
    fields: list[str] = []
    """Only these fields, with id and version; all of them where none is named."""
    expand: list[str] = []
    """References to show in full: `account`, or `account.territory`."""


class Filter(Struct, kw_only=True):
    """One condition of a list; all of them must hold."""

    field: str
    operator: Literal["eq", "ne", "gt", "gte", "lt", "lte", "in", "nin", "null", "contains", "starts"] = "eq"
    value: str
    """As REST writes it: several values of `in` are separated by commas."""


class List(Struct, kw_only=True):
    """A page of records, or all of them as a stream."""

    filters: list[Filter] = []
    where: Any = None
    """A tree of conditions as JSON: `{"or": [{"stage": "open"}, {"amount": {"gte": 100}}]}`."""
    q: str | None = None
    """Words to search for."""
    sort: str | None = None
    """Fields in order, `-` before those that descend: `-amount,name`."""
    cursor: str | None = None
    """Where the page begins: `next_cursor` of the page before."""
    limit: int | None = None
    """Records of a page, 50 unless said otherwise; of a stream, how many are fetched at a time."""
    count: Literal["none", "exact", "estimated"] | None = None
    archived: Literal["false", "true", "any"] | None = None
    fields: list[str] = []
    expand: list[str] = []


class Change(Struct, kw_only=True):
    """A record to archive, to bring back or to delete."""

    id: UUID


class Problem(Struct, kw_only=True):
    """A refusal as REST tells it (RFC 9457), among the details of a status."""

    json: Any


class WrittenRow(Struct, kw_only=True):
    """What became of one of many: the record's id and version, or the problem that refused it."""

    id: UUID | None = None
    version: int | None = None
    problem: Problem | None = None


class Written(Struct, kw_only=True):
    """What became of many records."""

    written: int
    refused: int
    rows: list[WrittenRow] = []
    """One for each that was sent, in that order."""


class Subscribe(Struct, kw_only=True):
    """What to be told of, from now on or after a position."""

    topics: list[str] = []
    """Patterns of topics: `nexus.crm.*.deal.won`, `nexus.crm.>`."""
    after: str | None = None
    """The position of the last event that was taken: what comes after it is told first."""


class Event(Struct, kw_only=True):
    """Something that has happened, as CloudEvents has it; one without a type only says how far the stream is."""

    position: str
    """Where to go on after it."""
    id: UUID
    type: str
    """`crm.lead.converted`"""
    source: str
    subject: UUID
    """The record it is about."""
    time: dt.datetime
    tenant: UUID
    schema_version: int
    actor: str | None = None
    correlation_id: str | None = None
    causation_id: str | None = None
    changed: list[str] = []
    """The fields that an update changed."""
    data: Packed | None = None
    """The message of the topic, such as nexus.crm.v1.LeadConverted."""
    json: Any = None
    """The data, where it is of a version that has no message any more."""


STRUCTS: Final = (Get, List, Change, Problem, Written, Subscribe, Event)
FOLLOW: Final = Operation(rest="GET /api/v1/stream", grpc="Events/Subscribe", needs="", takes="Subscribe", gives="Event", streams=True)


def shared_now() -> Lock:
    """The shared messages as they are declared."""
    return msgspec.structs.replace(of_structs("nexus", STRUCTS), operations={"nexus.events.subscribe": FOLLOW})


@kept
def shared() -> Lock:
    """The shared messages with the numbers of their lock."""
    return read(lock_file("nexus.surfaces.grpc")) or fresh(shared_now())
