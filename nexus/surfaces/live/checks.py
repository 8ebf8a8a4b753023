"""What of an event a caller may see: its record by the same predicate that narrows every read, its data without the fields hidden from them.

One statement answers for all events and all callers with the same rights, so that a thousand subscribers cost what one does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast
from uuid import UUID

import msgspec

from nexus.core.entity import Entity
from nexus.engines.event_log import LoggedEvent
from nexus.engines.oltp import Call, Oltp, Result
from nexus.surfaces.calling import Caller
from nexus.surfaces.kept import kept
from nexus.surfaces.live.topics import ABOUT, Topic
from nexus.surfaces.permissions import Rights
from nexus.surfaces.shapes import by_name, shape_of
from nexus.surfaces.sql import Compiled, fragment, fragment_on, named

__all__ = ["LiveEvent", "Who", "shown", "who"]

Who = tuple[UUID | None, tuple[UUID, ...], tuple[UUID, ...]]
"""What tells two callers with the same rights apart: the person, the teams, the territories."""
_PAIRS: Final = 50_000
"""Most events times callers of one statement."""
_PATIENCE: Final = 10.0
_ME: Final = re.compile(r":me_(id|teams|territories)\b")
_GONE: Final = "deleted"


@dataclass(slots=True, eq=False)
class LiveEvent:
    """An event as one caller sees it; callers who see it alike share the object."""

    position: int
    """In the log of its cell."""
    id: str
    """Where to go on after it: what `after` and `Last-Event-ID` take."""
    type: str
    topic: str
    subject: UUID
    envelope: bytes
    """CloudEvents 1.0 in JSON, on one line."""
    written: dict[str, bytes] = field(default_factory=dict[str, bytes])
    """The event as a protocol frames it, kept by whoever writes it first."""


def who(caller: Caller) -> Who:
    """What conditions ask of a caller."""
    return caller.actor.id, caller.teams, caller.territories


class _Envelope(msgspec.Struct):
    data: dict[str, Any]


_data: Final = msgspec.json.Decoder(_Envelope)


class _Batch:
    """Some events of one tenant, and what they look like with some fields hidden."""

    def __init__(self, cell: str, events: Sequence[LoggedEvent], topics: Mapping[str, Topic]) -> None:
        self._cell = cell
        self._topics = topics
        self._made: dict[tuple[int, frozenset[str]], LiveEvent] = {}
        self.by_kind: dict[type[Entity], list[LoggedEvent]] = {}
        self.by_noun: list[LoggedEvent] = []
        """Those whose noun is no entity."""
        for event in events:
            kind = _kind_of(event, topics)
            if kind is None:
                self.by_noun.append(event)
            else:
                self.by_kind.setdefault(kind, []).append(event)

    def seen(self, event: LoggedEvent, hidden: frozenset[str], rights: Rights | None) -> LiveEvent:
        """The event without these fields of its data, and without those of other records that these rights do not show."""
        topic = self._topics.get(event.type)
        if rights is not None and topic is not None and topic.carried:
            hidden |= {name for name, (kind, field) in topic.carried.items() if not _shows(rights, kind, field)}
        key = event.position, hidden
        if key not in self._made:
            id = f"{self._cell}:{event.position}"
            envelope = _without(event.envelope, hidden)
            self._made[key] = LiveEvent(event.position, id, event.type, event.topic, event.subject, envelope)
        return self._made[key]


def _shows(rights: Rights, kind: type[Entity], field: str) -> bool:
    """Whether a field is shown of every record of a kind that is seen; which record this one is of, nobody asks."""
    return rights.allow(f"{kind.entity_name()}:read") and field not in rights.hidden(kind) and field not in rights.masks(kind)


def _kind_of(event: LoggedEvent, topics: Mapping[str, Topic]) -> type[Entity] | None:
    topic = topics.get(event.type)
    if topic is not None and topic.entity is not None:
        return topic.entity
    named_ = str(_data.decode(event.envelope).data.get(ABOUT)) if topic is not None and topic.about_any else event.type.rsplit(".", 1)[0]
    shape = by_name(named_)
    return None if shape is None else shape.entity


def _without(envelope: bytes, hidden: frozenset[str]) -> bytes:
    """An envelope with fields of its data null, and unnamed among the changed."""
    if hidden and any(b'"%b"' % name.encode() in envelope for name in hidden):
        told = msgspec.json.decode(envelope)
        told["data"] = {name: None if name in hidden else value for name, value in told["data"].items()}
        if "changed" in told:
            told["changed"] = " ".join(name for name in told["changed"].split() if name not in hidden)
        return msgspec.json.encode(told)
    return msgspec.json.format(envelope, indent=-1) if b"\n" in envelope else envelope


@dataclass(frozen=True, slots=True)
class _Question:
    """What must be asked of the database: which of some events of one kind which callers see."""

    kind: type[Entity]
    masks: tuple[str, ...]
    events: Sequence[LoggedEvent]
    call: Call


async def shown(
    oltp: Oltp, cell: str, schema: str, events: Sequence[LoggedEvent], callers: Iterable[Caller], topics: Mapping[str, Topic]
) -> dict[tuple[Rights | None, Who], dict[int, LiveEvent]]:
    """Of some events of one tenant, those that each caller sees, by position. Raises what the engine raises."""
    batch = _Batch(cell, events, topics)
    by_rights: dict[Rights | None, dict[Who, Caller]] = {}
    for caller in callers:
        by_rights.setdefault(caller.rights, {})[who(caller)] = caller
    found: dict[tuple[Rights | None, Who], dict[int, LiveEvent]] = {}
    for rights, people in by_rights.items():
        whole = _whole(batch, rights)
        own = [found.setdefault((rights, one), dict(whole)) for one in people]
        if rights is not None:
            await _narrowed(oltp, schema, batch, rights, list(people.values()), own)
    return found


def _whole(batch: _Batch, rights: Rights | None) -> dict[int, LiveEvent]:
    """What is seen without asking: all of a kind, or what is about no kind."""
    seen: dict[int, LiveEvent] = {}
    for kind, events in batch.by_kind.items():
        if rights is None or (rights.allow(f"{kind.entity_name()}:read") and not _narrows(rights, kind)):
            hidden = frozenset[str]() if rights is None else rights.hidden(kind)
            seen |= {event.position: batch.seen(event, hidden, rights) for event in events}
    for event in batch.by_noun:
        if rights is None or rights.allow(f"{event.type.rsplit('.', 1)[0]}:read"):
            seen[event.position] = batch.seen(event, frozenset(), rights)
    return seen


def _narrows(rights: Rights, kind: type[Entity]) -> bool:
    return rights.sight(kind) is not None or bool(rights.masks(kind))


async def _narrowed(oltp: Oltp, schema: str, batch: _Batch, rights: Rights, callers: list[Caller], own: list[dict[int, LiveEvent]]) -> None:
    """Add what each caller sees of the kinds that are narrowed for them."""
    questions = list(_questions(batch, rights, callers))
    if not questions:
        return
    answers = await oltp.run(schema, *(question.call for question in questions), timeout=_PATIENCE)
    for question, answer in zip(questions, answers, strict=True):
        _take(batch, rights, question, answer, own)


def _questions(batch: _Batch, rights: Rights, callers: list[Caller]) -> Iterable[_Question]:
    asking = [{"n": n, "id": one.actor.id, "teams": one.teams, "territories": one.territories} for n, one in enumerate(callers)]
    values = {"callers": msgspec.json.encode(asking), "here_time_zone": callers[0].tenant.time_zone}
    most = max(1, _PAIRS // len(callers))
    for kind, all_events in batch.by_kind.items():
        if not rights.allow(f"{kind.entity_name()}:read") or not _narrows(rights, kind):
            continue
        gone = [event for event in all_events if event.type.endswith(f".{_GONE}")]
        there = [event for event in all_events if not event.type.endswith(f".{_GONE}")]
        for events, left in ((there, False), (gone, True)):
            for start in range(0, len(events), most):
                some = events[start : start + most]
                rows = [{"n": n, "id": one.subject, "data": msgspec.Raw(_record(one)) if left else None} for n, one in enumerate(some)]
                call = _statement(kind, rights, left).call(values | {"events": msgspec.json.encode(rows)})
                yield _Question(kind, tuple(sorted(rights.masks(kind))), some, call)


def _record(event: LoggedEvent) -> bytes:
    """What the record was, as the event of its end says."""
    return msgspec.json.encode(_data.decode(event.envelope).data)


@kept
def _statement(kind: type[Entity], rights: Rights, gone: bool) -> Compiled:
    """Which of `:events` which of `:callers` see, and which of the masked fields; of records that are gone by what they were."""
    shape, name = shape_of(kind), "gone"
    condition, masks = rights.sight(kind), rights.masks(kind)

    def on_record(one: Any) -> str:
        text = fragment_on(name, one, shape.table) if gone else fragment(one, shape.table)
        return _ME.sub(r"c.\1", text)

    table = f"{{s}}.{shape.table.name}"
    record = f"json_populate_record(NULL::{table}, e.data) AS {name}" if gone else f"{table} ON {table}.id = e.id"
    join = f"CROSS JOIN LATERAL {record}" if gone else f"JOIN {record}"
    shows = "".join(f", ({on_record(masks[one])}) IS TRUE" for one in sorted(masks))
    return named(f"""SELECT e.n, c.n{shows} FROM json_to_recordset(:events::json) AS e(n int, id uuid, data json) {join}
CROSS JOIN json_to_recordset(:callers::json) AS c(n int, id uuid, teams uuid[], territories uuid[])
WHERE {"true" if condition is None else on_record(condition)}""")


def _take(batch: _Batch, rights: Rights, question: _Question, answer: Result, own: list[dict[int, LiveEvent]]) -> None:
    always = rights.hidden(question.kind)
    for raw in answer.rows:
        event_n, caller_n, *shows = cast(tuple[bytes, ...], raw)
        event = question.events[int(event_n)]
        hidden = always | {name for name, shown_ in zip(question.masks, shows, strict=True) if shown_ != b"t"}
        own[int(caller_n)][event.position] = batch.seen(event, frozenset(hidden), rights)
