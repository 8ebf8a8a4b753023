"""Commands, events and queries: everything that crosses a service boundary, and who answers it."""

from __future__ import annotations

import datetime as dt
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeAlias, TypeVar, get_args, get_type_hints
from uuid import UUID

import msgspec
from sqlalchemy import Select

if TYPE_CHECKING:
    from nexus.core.policy import Sight
    from nexus.core.tx import Tx

R = TypeVar("R")
E = TypeVar("E", bound="Event")
C = TypeVar("C", bound="Command[Any]")
C_co = TypeVar("C_co", bound="Command[Any]", covariant=True)
Q = TypeVar("Q", bound="Query")

Rows: TypeAlias = Select[*tuple[Any, ...]]
"""A select of any columns: what a query is compiled to."""


class Command(msgspec.Struct, Generic[R], frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A wish that may be refused. `R` is what it answers."""

    final: ClassVar[bool] = False
    """What it does cannot be undone by another command, so that whoever asks for it should be asked whether they mean it."""

    @classmethod
    def answer_type(cls) -> Any:
        """The `R` of this command."""
        for base in getattr(cls, "__orig_bases__", ()):
            if args := get_args(base):
                return args[0]
        raise TypeError(f"{cls.__qualname__} does not say what it answers: derive it from Command[...]")


def of(field: str) -> msgspec.Meta:
    """Says of an event's field that it carries another record's, such as `crm.contact.email`: who is not shown that there is not told it here."""
    return msgspec.Meta(extra={"of": field})


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """A fact that has happened. Its topic in the log is `nexus.<service>.<tenant>.<entity>.<event>`."""

    topic: ClassVar[str]
    """`service.entity.event`, for example `crm.lead.converted`."""
    schema_version: ClassVar[int] = 1

    @property
    def subject(self) -> UUID:
        """The id of the entity it is about: the field named after the topic's entity, or the first id."""
        own = getattr(self, self.topic.split(".")[1] + "_id", None)
        if isinstance(own, UUID):
            return own
        for name in self.__struct_fields__:
            if isinstance(value := getattr(self, name), UUID):
                return value
        raise TypeError(f"{type(self).__qualname__} names no record")


class Query(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A question answered by one statement: a report, a board, a forecast. Its fields are the parameters of the GET."""


@dataclass(frozen=True, slots=True)
class Handler:
    """Who runs a command, and what permission it takes first."""

    command: type[Command[Any]]
    run: Callable[[Any, Tx], Awaitable[Any]]
    needs: str

    @property
    def entity(self) -> str:
        """`crm.lead` of `crm.lead:convert`."""
        return self.needs.split(":")[0]

    @property
    def verb(self) -> str:
        """`convert` of `crm.lead:convert`."""
        return self.needs.split(":")[1]

    @property
    def target_field(self) -> str | None:
        """The field that holds the record's id: such a command is `POST …/{id}/{verb}`; one without it `POST …/{verb}`."""
        field = self.entity.split(".")[1] + "_id"
        return field if field in self.command.__struct_fields__ else None


@dataclass(frozen=True, slots=True)
class Reaction:
    """What a service does when told; `name` is its place in the log of what was done."""

    event: type[Event]
    run: Callable[[Any, Tx], Awaitable[None]]
    host: str | None = None
    """Of a reaction between services: whose transaction it runs in."""

    @property
    def service(self) -> str:
        if self.host is not None:
            return self.host
        return self.run.__module__.split(".")[2] if self.run.__module__.startswith("nexus.services.") else self.run.__module__

    @property
    def name(self) -> str:
        return f"{self.service}.{self.run.__name__}"


@dataclass(frozen=True, slots=True)
class Answer:
    """Who compiles a query to a statement."""

    query: type[Query]
    select: Callable[[Any, Sight], Rows]
    needs: str
    name: str


HANDLERS: dict[type[Command[Any]], Handler] = {}
REACTIONS: dict[str, list[Reaction]] = {}
ANSWERS: dict[type[Query], Answer] = {}


def _first_parameter(function: Callable[..., Any]) -> Any:
    name = next(iter(inspect.signature(function).parameters))
    return get_type_hints(function, localns={"Tx": Any, "Sight": Any, "Select": Any, "Rows": Any})[name]


class Handles(Generic[C_co]):
    """What `handles` decorates with. A class, so that both checkers see that the handler takes the command and answers what it promises."""

    def __init__(self, command: type[C_co], needs: str) -> None:
        self._command = command
        self._needs = needs

    def __call__(self: Handles[Command[R]], handler: Callable[[C_co, Tx], Awaitable[R]]) -> Callable[[C_co, Tx], Awaitable[R]]:
        if _first_parameter(handler) is not self._command or self._command in HANDLERS:
            raise TypeError(f"{handler.__qualname__} cannot handle {self._command.__qualname__}")
        HANDLERS[self._command] = Handler(self._command, handler, self._needs)
        return handler


def handles(command: type[C], *, needs: str) -> Handles[C]:
    """Make a function the one handler of a command; `needs` is the permission checked first, `service.entity:verb`."""
    return Handles(command, needs)


def on(event: type[E], *, host: str | None = None) -> Callable[[Callable[[E, Tx], Awaitable[None]]], Callable[[E, Tx], Awaitable[None]]]:
    """Run a function for each event of a kind, in a transaction of its own, delivered at least once and done once.

    A function of `nexus.flows` names its `host`: the service in whose process and transaction it runs, for the tenants that use that one.
    """

    def register(reaction: Callable[[E, Tx], Awaitable[None]]) -> Callable[[E, Tx], Awaitable[None]]:
        if _first_parameter(reaction) is not event:
            raise TypeError(f"{reaction.__qualname__} does not take {event.__qualname__}")
        REACTIONS.setdefault(event.topic, []).append(Reaction(event, reaction, host))
        return reaction

    return register


def answers(query: type[Q], *, needs: str) -> Callable[[Callable[[Q, Sight], Rows]], Callable[[Q, Sight], Rows]]:
    """Make a function the compiler of a query: it returns the one SELECT whose rows are the answer.

    Every entity it reads must be narrowed by `sight(Entity)`, so that a report never shows more than a list would.
    """

    def register(select: Callable[[Q, Sight], Rows]) -> Callable[[Q, Sight], Rows]:
        if _first_parameter(select) is not query or query in ANSWERS:
            raise TypeError(f"{select.__qualname__} cannot answer {query.__qualname__}")
        if "format" in query.__struct_fields__:
            raise TypeError(f"{query.__qualname__} has a field 'format', by which every report is asked for as a file")
        ANSWERS[query] = Answer(query, select, needs, select.__name__.replace("_", "-"))
        return select

    return register


class Envelope(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=False):
    """A CloudEvents 1.0 envelope as the log keeps it. Extension attributes are in lower case, as the standard asks."""

    id: UUID
    type: str
    source: str
    subject: UUID
    time: dt.datetime
    tenant: UUID
    data: msgspec.Raw
    specversion: str = "1.0"
    datacontenttype: str = "application/json"
    schemaversion: int = 1
    actor: str | None = None
    correlationid: str | None = None
    causationid: str | None = None
    traceparent: str | None = None
