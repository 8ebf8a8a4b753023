"""Effects: what a dry run says it would have done: which records change how, which events would be told, what would run later.

They are told to whoever asked, so a record that the caller does not see is named without its values, and a field that is hidden is left out.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, Final, Literal
from uuid import UUID

import msgspec

from nexus.core.entity import Entity
from nexus.core.message import REACTIONS
from nexus.surfaces.journal import MASK
from nexus.surfaces.permissions import Rights
from nexus.surfaces.shapes import Field, shape_of

How = Literal["created", "updated", "archived", "restored", "deleted"]
_KEPT_BY_PLATFORM: Final = frozenset({"id", "version", "created_at", "created_by", "updated_at", "updated_by"})
_EMPTY: Final[tuple[Any, ...]] = (None, b"[]", b"{}", [], {})


class Change(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What happens to one record."""

    entity: str
    id: UUID
    change: How
    fields: list[str]
    """Those that differ afterwards."""
    before: dict[str, Any] | None = None
    """Their values; absent where the record is not for the caller to see."""
    after: dict[str, Any] | None = None


class Told(msgspec.Struct, kw_only=True):
    """An event that would be told."""

    topic: str
    subject: UUID
    heard_by: list[str]
    """The reactions that would follow, each in a transaction of its own."""


class Later(msgspec.Struct, kw_only=True):
    """A command that would be scheduled."""

    command: str
    due_at: dt.datetime


class _Body(msgspec.Struct):
    changes: list[Change]
    events: list[Told]
    scheduled: list[Later]


class Effects:
    """What one dry run would do, collected while it does it."""

    def __init__(self) -> None:
        self._changes: dict[tuple[str, UUID], Change] = {}
        self._events: dict[tuple[str, UUID], Told] = {}
        self._later: list[Later] = []

    @classmethod
    def of(cls, body: bytes) -> Effects:
        """What `body` says."""
        read, made = msgspec.json.decode(body, type=_Body), cls()
        made._changes = {(change.entity, change.id): change for change in read.changes}
        made._events = {(told.topic, told.subject): told for told in read.events}
        made._later = read.scheduled
        return made

    def clear(self) -> None:
        """Begin again: the work was in another's way."""
        self.__init__()  # type: ignore[misc]

    @property
    def changes(self) -> list[Change]:
        return list(self._changes.values())

    @property
    def events(self) -> list[Told]:
        return list(self._events.values())

    @property
    def scheduled(self) -> list[Later]:
        return self._later

    def change(
        self, kind: type[Entity], id: UUID, how: How, before: Mapping[str, Any], after: Mapping[str, Any], rights: Rights | None, seen: bool
    ) -> None:
        """A record changes: of two changes to one, the first `before` and the last `after` stand."""
        shape = shape_of(kind)
        differing = [name for name in {**before, **after} if name not in _KEPT_BY_PLATFORM and _differ(before.get(name), after.get(name))]
        hidden = frozenset[str]() if rights is None else rights.hidden(kind) | rights.masks(kind).keys()
        shown = [name for name in differing if name not in hidden]
        old = _values(shape.fields, before, shown) if seen and before else None
        new = _values(shape.fields, after, shown) if seen and after else None
        known = self._changes.get((shape.name, id))
        if known is None:
            self._changes[shape.name, id] = Change(entity=shape.name, id=id, change=how, fields=shown, before=old, after=new)
            return
        known.fields += [name for name in shown if name not in known.fields]
        known.before = None if known.before is None or old is None else old | known.before
        known.after = None if how == "deleted" or (known.after is None and new is None) else (known.after or {}) | (new or {})
        known.change = known.change if known.change == "created" and how != "deleted" else how

    def include(self, other: Effects) -> None:
        """What a command did that this one has called."""
        for change in other.changes:
            self._changes.setdefault((change.entity, change.id), change)
        for told in other.events:
            self._events[told.topic, told.subject] = told
        self._later += other.scheduled

    def tell(self, topic: str, subject: UUID) -> None:
        """An event would be told."""
        reactions = sorted(reaction.name for reaction in REACTIONS.get(topic, []))
        self._events[topic, subject] = Told(topic=topic, subject=subject, heard_by=reactions)

    def later(self, command: str, due_at: dt.datetime) -> None:
        """A command would run at that time."""
        self._later.append(Later(command=command, due_at=due_at))

    def body(self) -> bytes:
        """All of it as JSON."""
        return msgspec.json.encode({"changes": self.changes, "events": self.events, "scheduled": self.scheduled})


def _differ(before: Any, after: Any) -> bool:
    return before != after and not (before in _EMPTY and after in _EMPTY)


def _values(fields: Mapping[str, Field], values: Mapping[str, Any], names: list[str]) -> dict[str, Any]:
    return {name: _shown(fields[name], values[name]) for name in names if name in values}


def _shown(field: Field, value: Any) -> Any:
    """A value as JSON shows it, from what an argument of the database is or from JSON itself; a sensitive one as three stars."""
    if value is None or field.facts.sensitive:
        return None if value is None else MASK
    if not isinstance(value, bytes):
        return value
    if field.facts.kind in ("json", "tags", "int"):
        return msgspec.json.decode(value)
    return value == b"t" if field.facts.kind == "bool" else value.decode()
