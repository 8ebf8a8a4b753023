"""The unit of work that a handler gets: one tenant, one transaction, one caller."""

from __future__ import annotations

import builtins
import datetime as dt
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.sql.dml import Delete, Update

from nexus.core.entity import Entity
from nexus.core.message import Command, Event, Rows

N = TypeVar("N", bound=Entity)
V = TypeVar("V", bound=Event)
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Tenant:
    """What a rule may know of the business it runs for."""

    id: UUID
    slug: str
    name: str
    country: str
    currency: str
    time_zone: str
    language: str


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks: a person, a key or the system itself."""

    id: UUID | None
    name: str


class Tx(ABC):
    """Everything a rule does to the world. Nothing is visible to others until the handler has returned."""

    actor: Actor
    tenant: Tenant
    now: dt.datetime
    """The moment of the command, in UTC; the same for all it does."""

    @abstractmethod
    async def get(self, kind: type[N], id: UUID, *, lock: bool = False) -> N:
        """The record the caller may see, or NotFound. `lock` holds it until the end, so that what was read stays true."""

    @abstractmethod
    async def find(self, kind: type[N], *where: sa.ColumnElement[bool], lock: bool = False) -> N | None:
        """The oldest record that meets the conditions, whoever owns it, or None."""

    @abstractmethod
    async def list(
        self, kind: type[N], *where: sa.ColumnElement[bool], order_by: Sequence[Any] = (), limit: int = 1000, lock: bool = False
    ) -> builtins.list[N]:
        """The records that meet the conditions, whoever owns them; locked in the order of their ids when asked."""

    @abstractmethod
    async def count(self, kind: type[Entity], *where: sa.ColumnElement[bool]) -> int:
        """How many records meet the conditions."""

    @abstractmethod
    async def rows(self, select: Rows) -> builtins.list[dict[str, Any]]:
        """The rows of a select as JSON values: money and decimals are strings, instants RFC 3339."""

    @abstractmethod
    async def execute(self, statement: Update | Delete) -> int:
        """Change many records by one statement; how many. Nothing is derived from it: emit what others must know."""

    @abstractmethod
    def sees(self, kind: type[Entity]) -> sa.ColumnElement[bool]:
        """The condition that narrows an entity to what the caller sees; for statements that `get` is too small for."""

    @abstractmethod
    def need(self, permission: str) -> None:
        """Forbidden (403) unless the caller has this permission too, such as `crm.lead:assign`; for a command whose fields decide what it does."""

    @abstractmethod
    def holds(self, scope: str) -> bool:
        """Whether the credential that asks is scoped for all that this scope allows; the system itself holds everything."""

    @abstractmethod
    def add(self, entity: N) -> N:
        """Keep a new record."""

    @abstractmethod
    def remove(self, entity: Entity) -> None:
        """Delete a record for good; most things are archived instead."""

    @abstractmethod
    def emit(self, event: V) -> V:
        """Tell others, once this transaction has committed."""

    @abstractmethod
    def schedule(self, command: Command[Any], at: dt.datetime) -> None:
        """Have a command of this service run once, at that moment or soon after, as the system itself; nothing is scheduled unless this commits."""

    @abstractmethod
    async def call(self, command: Command[R]) -> R:
        """Run a command of this service within this transaction, or of another service in its own."""
