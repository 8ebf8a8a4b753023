"""The unit of work: what a handler reads and changes, and the one transaction in which all of it becomes true.

Round trips: the first read carries BEGIN, the role and the idempotency claim; the last one carries every change, the journal row and COMMIT.
"""

from __future__ import annotations

import builtins
import datetime as dt
import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar, cast
from uuid import UUID

import msgspec
import sqlalchemy as sa
from sqlalchemy.sql.dml import Delete, Update

from nexus.core.entity import Entity
from nexus.core.ids import uuid7
from nexus.core.message import HANDLERS, Command, Event, Rows
from nexus.core.problem import Forbidden, NotFound, Problem
from nexus.core.tx import Actor, Tenant, Tx
from nexus.engines.oltp import Call, DatabaseError, Result, SerializationFailure, Statement, Transaction
from nexus.surfaces import journal
from nexus.surfaces.effects import Effects, How
from nexus.surfaces.journal import Cause
from nexus.surfaces.limits import amounts_set
from nexus.surfaces.permissions import Rights
from nexus.surfaces.records import Remembered, as_arguments, changeable, records_of
from nexus.surfaces.redirects import Merged, survivor_statement
from nexus.surfaces.shapes import Shape, shape_of
from nexus.surfaces.sql import call, call_by

N = TypeVar("N", bound=Entity)
V = TypeVar("V", bound=Event)
R = TypeVar("R")

_Name: TypeAlias = tuple[type[Entity], UUID]
"""A record: two of different kinds may have one id."""

_DIVISION_BY_ZERO = "22012"
_SCHEDULE = Statement(
    "INSERT INTO nexus_cell.timer (id, command, arguments, correlation, trace, due_at)"
    " SELECT id, command, arguments, correlation, trace, due_at"
    " FROM json_to_recordset($1) AS t (id uuid, command text, arguments text, correlation text, trace text, due_at timestamptz)"
)

# What the system does of its own accord to an imported record (scores it, say) is no reason to keep it when the import is undone.
_FOLLOWED = Statement(
    "UPDATE {s}.nexus_import_row r SET version = c.version + 1 FROM json_to_recordset($1) AS c (id uuid, version int)"
    " WHERE r.record_id = c.id AND r.version = c.version AND r.undone IS NULL"
)


class UnitOfWork(Tx):
    """A Tx over one leased transaction. Made per command and thrown away after `commit`."""

    def __init__(
        self,
        transaction: Transaction,
        cause: Cause,
        rights: Rights | None,
        caller: dict[str, Any],
        forward: Callable[[UnitOfWork, Command[Any]], Any],
    ) -> None:
        self.cause = cause
        self.rights = rights
        """What the caller sees; None for the system itself, which sees everything."""
        self.emitted: builtins.list[Event] = []
        self.scheduled: builtins.list[tuple[Command[Any], dt.datetime]] = []
        """Commands that are to run later, each with its time."""
        self.command = ""
        self.effects: Effects | None = None
        """Where a dry run says what it would do."""
        self._transaction = transaction
        self._caller = caller
        self._forward = forward
        self._known: dict[_Name, tuple[Entity, Remembered]] = {}
        self._shown: set[_Name] = set()
        """Records that `get` may answer without asking again: the caller sees them, or this work made them."""
        self._new: builtins.list[Entity] = []
        self._gone: builtins.list[Entity] = []
        self._events: builtins.list[bytes] = []
        self._derived: builtins.list[tuple[str, UUID, bytes, str]] = []
        self._before: dict[str, Any] = {}
        self._after: dict[str, Any] = {}
        self._first: builtins.list[Call] = []

    @property
    def actor(self) -> Actor:  # type: ignore[override]
        return self.cause.actor

    @property
    def tenant(self) -> Tenant:  # type: ignore[override]
        return self.cause.tenant

    @property
    def now(self) -> dt.datetime:  # type: ignore[override]
        return self.cause.now

    @property
    def round_trips(self) -> int:
        return self._transaction.round_trips

    def begin_with(self, *calls: Call) -> None:
        """Statements to send before the first read, in the same round trip. One that must not run twice fails by its own key."""
        self._first.extend(calls)

    async def ask(self, *calls: Call) -> builtins.list[Result]:
        """Write what is pending, then run the calls, in one round trip."""
        opening, pending = self._first, self._flush()
        self._first = []
        try:
            results = await self._transaction.run(*opening, *pending, *calls)
        except DatabaseError as error:
            raise _lost_update(error) from None
        return results[len(opening) + len(pending) :]

    async def get(self, kind: type[N], id: UUID, *, lock: bool = False) -> N:
        condition = None if self.rights is None else self._sight(self.rights, kind)
        shown = condition is None or (kind, id) in self._shown
        if shown and not lock and (known := self._known.get((kind, id))) is not None:
            return cast(N, known[0])
        where = [kind.id == id] if shown or condition is None else [kind.id == id, condition]
        found = await self._select(kind, where, lock=lock)
        if not found:
            raise await self._missing(kind, id)
        self._shown.add((kind, id))
        return found[0]

    def _sight(self, rights: Rights, kind: type[Entity]) -> sa.ColumnElement[bool] | None:
        """Of the command's own entity, what may be seen by those roles that grant the command."""
        about = bool(self.command) and kind.entity_name() == self.command.partition(":")[0]
        return rights.sight(kind, self.command if about else None)

    async def _missing(self, kind: type[Entity], id: UUID) -> Problem:
        """Why there is no such record: it was merged into another that the caller may see, it is only to be read, or there is none to speak of."""
        title = shape_of(kind).title
        if (one := survivor_statement(kind, self.rights)) is not None:
            (result,) = await self.ask(one.call({**self._caller, "id": id}))
            if result.rows:
                return Merged(kind=title, into=(result.rows[0][0] or b"").decode(), reason="")
        wider = self.rights is not None and self.rights.sight(kind) is not self._sight(self.rights, kind)
        if wider and self.rights is not None and await self._select(kind, [kind.id == id, self.rights(kind)], lock=False):
            return Forbidden(permission=self.command)
        return NotFound(kind=title, id=str(id))

    async def find(self, kind: type[N], *where: sa.ColumnElement[bool], lock: bool = False) -> N | None:
        found = await self._select(kind, where, lock=lock, order_by=(kind.id,), limit=1)
        return found[0] if found else None

    async def list(
        self, kind: type[N], *where: sa.ColumnElement[bool], order_by: Sequence[Any] = (), limit: int = 1000, lock: bool = False
    ) -> builtins.list[N]:
        order = (kind.id,) if lock or not order_by else order_by
        return await self._select(kind, where, lock=lock, order_by=order, limit=limit)

    async def _select(
        self, kind: type[N], where: Sequence[Any], *, lock: bool, order_by: Sequence[Any] = (), limit: int | None = None
    ) -> builtins.list[N]:
        def whole() -> Any:
            inner = sa.select(*records_of(kind).columns).where(*where).order_by(*order_by)
            inner = inner.limit(limit) if limit is not None else inner
            rows = (inner.with_for_update() if lock else inner).subquery("x")
            return sa.select(sa.func.row_to_json(sa.literal_column("x"))).select_from(rows)

        outline = (kind, lock, len(where), limit)
        (result,) = await self.ask(call_by(outline, [*where, *order_by], whole, self._caller))
        return [cast(N, self._keep(kind, row[0] or b"")) for row in result.rows]

    def _keep(self, kind: type[Entity], row: bytes) -> Entity:
        """One object per record: a second read of it, locked or not, refreshes the first unless that was changed meanwhile."""
        records = records_of(kind)
        fresh = records.read(row)
        name = kind, fresh.id
        known = self._known.get(name)
        if known is None:
            self._known[name] = (fresh, records.remember(fresh))
            return fresh
        entity, before = known
        if not before.changed(entity):
            records.refresh(entity, fresh)
            self._known[name] = (entity, records.remember(entity))
        return entity

    async def count(self, kind: type[Entity], *where: sa.ColumnElement[bool]) -> int:
        (result,) = await self.ask(call(sa.select(sa.func.count()).select_from(kind).where(*where), self._caller))
        return int(result.rows[0][0] or 0)

    async def rows(self, select: Rows) -> builtins.list[dict[str, Any]]:
        statement = sa.select(sa.func.row_to_json(sa.literal_column("x"))).select_from(select.subquery("x"))
        (result,) = await self.ask(call(statement, self._caller))
        return [msgspec.json.decode(row[0] or b"null") for row in result.rows]

    async def execute(self, statement: Update | Delete) -> int:
        limited = self.rights is not None and self.rights.limits.most is not None
        looked_at = amounts_set(statement) if limited and isinstance(statement, Update) else None
        if looked_at is None:
            (result,) = await self.ask(call(statement, self._caller))
            return result.affected
        shape, names, written = looked_at
        (result,) = await self.ask(call(written, self._caller))
        for row in result.rows:
            self._within(shape, msgspec.json.decode(row[0] or b"{}"), names)
        return result.affected

    def sees(self, kind: type[Entity]) -> sa.ColumnElement[bool]:
        return sa.true() if self.rights is None else self.rights(kind, self.command or None)

    def need(self, permission: str) -> None:
        if self.rights is not None:
            self.rights.need(permission)

    def holds(self, scope: str) -> bool:
        return self.rights is None or self.rights.holds(scope)

    def add(self, entity: N) -> N:
        self._new.append(entity)
        self._shown.add((type(entity), entity.id))
        return entity

    def remove(self, entity: Entity) -> None:
        self._gone.append(entity)

    def emit(self, event: V) -> V:
        self.emitted.append(event)
        self._events.append(self.cause.told(event))
        return event

    def schedule(self, command: Command[Any], at: dt.datetime) -> None:
        self.scheduled.append((command, at))

    async def call(self, command: Command[R]) -> R:
        answer: R = await self._forward(self, command)
        return answer

    def _flush(self, *, last: bool = False) -> builtins.list[Call]:
        """The statements that make the database what the objects are, and what audit and the log say of it. `last`: no object changes after it."""
        known = builtins.list(self._known.items())  # without what is inserted now: it has not changed since
        return [*self._inserts(last), *self._updates(known), *self._deletes()]

    def _inserts(self, last: bool) -> builtins.list[Call]:
        calls: builtins.list[Call] = []
        by_kind: dict[type[Entity], builtins.list[Entity]] = {}
        for entity in self._new:
            by_kind.setdefault(type(entity), []).append(entity)
        for table in _by_dependence(len(Entity.metadata.tables)) if len(by_kind) > 1 else [kind.__table__ for kind in by_kind]:
            for kind, entities in by_kind.items():
                if kind.__table__ is table:
                    values = [self._tell_new(kind, entity, last) for entity in entities]
                    calls.append(records_of(kind).insert(values, self.actor.id))
        self._new.clear()
        return calls

    def _tell_new(self, kind: type[Entity], entity: Entity, last: bool) -> dict[str, Any]:
        """Tell of a new object, and take note of what it is where it may still change; its values by name."""
        records = records_of(kind)
        me = self.actor.id
        vars(entity).update(created_at=self.now, updated_at=self.now, created_by=me, updated_by=me)  # nobody watches the object any more
        values = records.values(entity)
        if not last:
            self._known[kind, entity.id] = (entity, records.remember(entity))
        self._within(records.shape, values, values)
        if self.effects is not None:
            self.effects.change(kind, entity.id, "created", {}, as_arguments(values), self.rights, True)
        self._tell(kind, entity.id, "created", journal.shown(records.shape, values))
        declared = {field.name: values[field.name] for field in records.shape.initial if field.name != "id"}
        self._say(records.shape, entity.id, self._after, declared)
        return values

    def _updates(self, known: Iterable[tuple[_Name, tuple[Entity, Remembered]]]) -> builtins.list[Call]:
        calls: builtins.list[Call] = []
        own: builtins.list[dict[str, Any]] = []
        for (kind, id), (entity, remembered) in known:
            names = tuple(name for name in remembered.changed(entity) if changeable(name))
            if not names or entity in self._gone:
                continue
            records, before = records_of(kind), remembered.as_arguments()
            self._within(records.shape, records.values(entity), names)
            calls.append(records.update(entity, names, self.actor.id))
            self._note(kind, id, before, entity)
            own.append({"id": id, "version": entity.version})
            entity.version += 1
            entity.updated_at, entity.updated_by = self.now, self.actor.id
            self._known[kind, id] = (entity, records.remember(entity))
            self._tell(kind, id, "updated", journal.shown(records.shape, records.values(entity)), names)
            self._say(records.shape, id, self._before, {name: _plain(before[name]) for name in names})
            self._say(records.shape, id, self._after, {name: getattr(entity, name) for name in names})
        if own and self.actor.id is None:
            calls.append((_FOLLOWED, [msgspec.json.encode(own)]))
        return calls

    def _deletes(self) -> builtins.list[Call]:
        calls: builtins.list[Call] = []
        for entity in self._gone:
            records = records_of(type(entity))
            calls.append(records.delete(entity))
            self._note(type(entity), entity.id, records.remember(entity).as_arguments(), None)
            self._known.pop((type(entity), entity.id), None)
            self._tell(type(entity), entity.id, "deleted", journal.shown(records.shape, records.values(entity)))
            self._say(records.shape, entity.id, self._before, records.values(entity))
        self._gone.clear()
        return calls

    def _within(self, shape: Shape, values: Mapping[str, Any], names: Iterable[str]) -> None:
        if self.rights is not None and self.rights.limits.most is not None:
            self.rights.limits.check(shape, values, names)

    def _note(self, kind: type[Entity], id: UUID, before: Mapping[str, bytes | None], entity: Entity | None) -> None:
        """Tell a dry run of a change; without values where the caller has not been shown the record and may not see every one."""
        if self.effects is None:
            return
        seen = (kind, id) in self._shown or self.rights is None or self.rights.sight(kind) is None
        after = {} if entity is None else as_arguments(records_of(kind).values(entity))
        was, now = before["archived_at"], after.get("archived_at")
        how: How = "deleted" if entity is None else "updated" if was == now else "archived" if now else "restored"
        self.effects.change(kind, id, how, before, after, self.rights, seen)

    def _say(self, shape: Shape, id: UUID, side: dict[str, Any], values: dict[str, Any]) -> None:
        """Add to what audit keeps; of several changes to one record, the first `before` and the last `after` stand."""
        kept = side.setdefault(shape.name, {}).setdefault(str(id), {})
        masked = journal.masked(shape, values)
        kept.update(masked if side is self._after else {name: value for name, value in masked.items() if name not in kept})

    def _tell(self, kind: type[Entity], subject: UUID, verb: str, values: dict[str, Any], names: Sequence[str] = ()) -> None:
        self._derived.append((journal.topic(kind, verb), subject, msgspec.json.encode(values), " ".join(names)))

    def _spoken(self) -> builtins.list[tuple[str, UUID, bytes, str]]:
        """The derived events. A declared one stands in for that of its topic and subject."""
        said = {(event.topic, event.subject) for event in self.emitted}
        return [one for one in self._derived if one[:2] not in said]

    def _journal(self, entity: str, id: UUID | None, outcome: dict[str, Any]) -> builtins.list[Call]:
        """The journal row; none where nothing happened."""
        derived = [self.cause.envelope(topic, id, data, changed=changed) for topic, id, data, changed in self._spoken()]
        events = derived + self._events
        if not self.command and not events:
            return []
        said = {"entity_id": id} if id is not None else {}
        about = msgspec.json.encode(said | {"before": self._before, "after": self._after} | outcome)[1:]
        head = self.cause.audit_head(self.command or "system", entity)
        return [(journal.INSERT, [head + about, b"[" + b",".join(events) + b"]"])]

    def _timers(self) -> builtins.list[Call]:
        rows = [
            {
                "id": uuid7(),
                "command": HANDLERS[type(command)].needs,
                "arguments": msgspec.json.encode(command).decode(),
                "correlation": self.cause.correlation,
                "trace": self.cause.trace,
                "due_at": at,
            }
            for command, at in self.scheduled
        ]
        return [(_SCHEDULE, [msgspec.json.encode(rows)])] if rows else []

    def foretell(self) -> None:
        """Tell a dry run of the events and timers; its changes are told as they are written."""
        if self.effects is None:
            return
        for topic, subject, _, _ in self._spoken():
            self.effects.tell(topic, subject)
        for event in self.emitted:
            self.effects.tell(event.topic, event.subject)
        for command, at in self.scheduled:
            self.effects.later(HANDLERS[type(command)].needs, at)

    async def commit(self, *last: Call, entity: str = "", id: UUID | None = None, outcome: dict[str, Any] | None = None) -> None:
        """Write everything and make it true, in one round trip."""
        opening, pending = self._first, self._flush(last=True)
        self._first = []
        try:
            await self._transaction.commit(*opening, *pending, *self._timers(), *self._journal(entity, id, outcome or {}), *last)
        except DatabaseError as error:
            raise _lost_update(error) from None


@functools.lru_cache(maxsize=1)
def _by_dependence(known: int) -> builtins.list[Any]:
    """All tables, each after those it refers to; sorted anew only when there are more of them than were known."""
    return Entity.metadata.sorted_tables


def _plain(value: bytes | None) -> str | None:
    return None if value is None else value.decode()


def _lost_update(error: DatabaseError) -> DatabaseError:
    """A record changed between reading and writing it: the work must be done again on what it says now."""
    if error.sqlstate == _DIVISION_BY_ZERO:
        return SerializationFailure("40001", "a record changed while the command ran")
    return error
