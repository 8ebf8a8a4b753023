"""A business as small as it can be: things with a counter, changed by commands, and a reaction that keeps what it was told."""

import json
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import psycopg

from nexus.core.ids import uuid7
from nexus.core.message import Envelope, Event, Reaction
from nexus.engines.event_log.embedded import EmbeddedEventLog
from nexus.engines.oltp import Call, Oltp, Statement, Transaction, UniqueViolation
from nexus.engines.oltp.roles import create_tenant_schema_sql
from nexus.runtime.deadletters import DeadLetters
from nexus.runtime.reactions import Follower, Patience
from nexus.runtime.relay import Relay

JOURNAL = Statement("insert into nexus_cell.journal (audit, events) values ($1, $2)")
_CHANGE = Statement("insert into {s}.thing (id, n) values ($1, 1) on conflict (id) do update set n = thing.n + 1 returning n")
_INBOX = Statement("insert into {s}.nexus_inbox (event_id, reaction) values ($1, $2)")
_EFFECT = Statement("insert into {s}.effect (subject, n) values ($1, $2::int)")
_EFFECTS = Statement("select n from {s}.effect where subject = $1 order by at")

TABLES = """
create table {s}.thing (id uuid primary key, n int not null);
create table {s}.nexus_inbox (event_id uuid, reaction text, constraint pk_nexus_inbox primary key (event_id, reaction));
create table {s}.effect (at bigint generated always as identity primary key, subject uuid not null, n int not null);
"""
NAMES = ("thing", "nexus_inbox", "effect")


class ThingChanged(Event, frozen=True, kw_only=True):
    """A thing was changed for the n-th time."""

    topic = "shop.thing.changed"
    thing_id: UUID
    n: int


async def keep_what_was_told(event: ThingChanged, tx: Any) -> None:
    """Only its name is used: what it does is done by Shop.react."""


KEEP = Reaction(ThingChanged, keep_what_was_told)


def schema_of(tenant: UUID) -> str:
    """The tenant's schema and role."""
    return f"t_{tenant.hex}"


async def add_tenant(owner: psycopg.AsyncConnection[tuple[object, ...]]) -> UUID:
    """A new business with empty tables."""
    tenant = uuid4()
    schema = schema_of(tenant)
    script = create_tenant_schema_sql(schema, owner.info.server_version, TABLES.format(s=schema), NAMES)
    await owner.execute(script.encode())
    return tenant


def envelope(tenant: UUID, subject: UUID, n: int = 1, type_: str = ThingChanged.topic, **more: Any) -> str:
    """What a command would write about one change."""
    known = {"specversion": "1.0", "id": str(uuid7()), "type": type_, "source": "/nexus/shop", "subject": str(subject)}
    data = {"thing_id": str(subject), "n": n}
    return json.dumps({**known, "time": "2026-01-02T03:04:05Z", "tenant": str(tenant), "data": data, **more})


def audit(subject: UUID, n: int = 1) -> str:
    """What a command would say of itself."""
    return json.dumps({"actor": "user:Ade", "command": "shop.thing.change", "entity_id": str(subject), "after": {"n": n}})


class Shop:
    """Writers, relay, log and follower over one cell."""

    def __init__(self, oltp: Oltp, tenants: list[UUID]) -> None:
        self.oltp = oltp
        self.tenants = tenants
        self.log = EmbeddedEventLog(oltp)
        self.relay = Relay(oltp, self.log, look=(0.01, 0.02))
        self.letters = DeadLetters(oltp)
        self.calls: list[tuple[UUID, int]] = []

    async def write(self, tenant: UUID, *envelopes: str, audit: str | None = None) -> None:
        """One command that touches no record."""
        events = f"[{','.join(envelopes)}]" if envelopes else None
        await self.journal(tenant, audit, events)

    async def journal(self, tenant: UUID, audit: str | None, events: str | None) -> None:
        """A journal row exactly as given."""
        given = [None if text is None else text.encode() for text in (audit, events)]
        await self.oltp.run(schema_of(tenant), (JOURNAL, given))

    async def change(self, tenant: UUID, subject: UUID) -> int:
        """The command: counts a thing up under its row lock and tells so, in one transaction; the new count."""
        async with self.oltp.transaction(schema_of(tenant)) as tx:
            n = await self.begin_change(tx, subject)
            await tx.commit(self.told(tenant, subject, n))
        return n

    async def begin_change(self, tx: Transaction, subject: UUID) -> int:
        """Its first half: the lock is held, nothing is told."""
        return int((await tx.run((_CHANGE, [str(subject).encode()])))[0].rows[0][0] or b"0")

    def told(self, tenant: UUID, subject: UUID, n: int) -> Call:
        """Its second half: the journal row."""
        return JOURNAL, [audit(subject, n).encode(), f"[{envelope(tenant, subject, n)}]".encode()]

    async def react(self, reaction: Reaction, told: Envelope) -> None:
        """What the runtime's unit of work does: claim the inbox and make the effect in one transaction, once."""
        event = json.loads(bytes(told.data))
        subject, n = UUID(event["thing_id"]), int(event["n"])
        self.calls.append((subject, n))
        claim = (_INBOX, [str(told.id).encode(), reaction.name.encode()])
        try:
            await self.oltp.run(schema_of(told.tenant), claim, (_EFFECT, [str(subject).encode(), b"%d" % n]))
        except UniqueViolation as error:
            if error.constraint != "pk_nexus_inbox":
                raise

    async def effects(self, tenant: UUID, subject: UUID) -> list[int]:
        """What the reaction did, in the order in which it did it."""
        rows = (await self.oltp.run(schema_of(tenant), (_EFFECTS, [str(subject).encode()])))[0].rows
        return [int(row[0] or b"0") for row in rows]

    def follower(
        self, run: Callable[[Reaction, Envelope], Awaitable[object]] | None = None, *, owner: str = "test", patience: Patience | None = None
    ) -> Follower:
        """The group "shop" with the one reaction, in a hurry."""
        hurry = patience or Patience(first=0.001, longest=0.002, away=0.01, save=0.01)
        return Follower(self.log, self.letters, "shop", {ThingChanged.topic: [KEEP]}, run or self.react, owner=owner, patience=hurry)

    async def logged(self) -> list[tuple[int, UUID, int]]:
        """Position, subject and count of every event in the log."""
        page = await EmbeddedEventLog(self.oltp).read(0, (">",), 100_000)
        return [(event.position, event.subject, int(json.loads(event.envelope)["data"]["n"])) for event in page.events]
