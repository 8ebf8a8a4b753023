"""State machines: which moves a status may make, in one readable table."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy.orm import InstrumentedAttribute

from nexus.core.problem import Conflict

S = TypeVar("S", bound=enum.StrEnum)

FLOWS: list[Flow[Any]] = []


@dataclass(frozen=True, slots=True)
class Move(Generic[S]):
    """One arrow of the machine."""

    name: str
    starts: frozenset[S]
    ends: S

    def __init__(self, name: str, starts: Iterable[S], ends: S) -> None:
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "starts", frozenset(starts))
        object.__setattr__(self, "ends", ends)


class IllegalMove(Conflict):
    """{entity} is {now}: it cannot {move}."""

    entity: str
    now: str
    move: str
    reason: str = ""


class Flow(Generic[S]):
    """The moves of one state column. A state changes through `go` and in no other way."""

    def __init__(self, column: InstrumentedAttribute[S], *moves: Move[S]) -> None:
        self.column = column
        self.moves = {move.name: move for move in moves}
        FLOWS.append(self)

    def allows(self, entity: Any, name: str) -> bool:
        """Whether the named move starts where the entity is now."""
        return getattr(entity, self.column.key) in self.moves[name].starts

    def go(self, entity: Any, name: str) -> None:
        """Make the named move, or refuse with IllegalMove (409)."""
        move, now = self.moves[name], getattr(entity, self.column.key)
        if now not in move.starts:
            raise IllegalMove(entity=type(entity).__name__, now=str(now), move=name)
        setattr(entity, self.column.key, move.ends)
