"""The promise of the event log: what happened, in one order per database, for whoever wants to follow.

What holds for every engine of this port:

* Nobody appends to it directly. A command writes its events into the journal in its own transaction; the relay moves what has committed.
  So nothing is published that was not committed, and everything committed is published.
* Positions are contiguous and final: who has read up to a position has seen everything before it, however late a writer committed.
* Events of one subject stand in the order in which their transactions committed.
* A topic is `nexus.{service}.{tenant_id}.{entity}.{event}`. A pattern is a topic in which `*` stands for one segment and a last `>` (or
  `**`) for the rest, at least one.
* Delivery is at least once; effects are made exactly once by whoever reacts (runtime/reactions.py).
"""

import datetime as dt
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

__all__ = ["EventLog", "Group", "GroupLost", "LoggedEvent", "Page"]


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """An event as the log keeps it."""

    position: int
    tenant: str
    """The name of the tenant's schema and role."""
    topic: str
    subject: UUID
    at: dt.datetime
    """When it entered the log: never before it committed, and never decreasing with the position."""
    envelope: bytes
    """The CloudEvents envelope, JSON, as it was written."""

    @property
    def type(self) -> str:
        """`crm.lead.converted` of `nexus.crm.{tenant_id}.lead.converted`."""
        _, service, _, rest = self.topic.split(".", 3)
        return f"{service}.{rest}"


@dataclass(frozen=True, slots=True)
class Page:
    """Events in order, and the position up to which everything has been looked at (at least the last event's)."""

    events: Sequence[LoggedEvent]
    upto: int


class GroupLost(Exception):
    """Another process has taken the group, or somebody moved its position: claim it again and start from what it says."""


class Group(Protocol):
    """The durable position of one consumer. One owner at a time has it, for the length of a lease it renews by saving."""

    name: str

    async def claim(self, owner: str, lease: float) -> int | None:
        """Take the group for `lease` seconds: the position handled so far, or None while somebody else has it.

        The same owner gets it back at once, so a name that is unique to one place (a data folder) survives a crash without a wait.
        A group nobody has seen before starts at the end of the log.
        """
        ...

    async def save(self, position: int, lease: float) -> None:
        """Everything up to here is handled; renews the lease. Raises GroupLost."""
        ...

    async def release(self) -> None:
        """Let another process have it without waiting for the lease to end."""
        ...

    async def seek(self, position: int) -> None:
        """Go on after this position; the owner, whoever it is, notices at its next save. What was done once is not done again."""
        ...

    async def lag(self) -> int:
        """How many events of the log (of any topic) are not yet behind this group."""
        ...

    async def forget(self) -> None:
        """Remove it, so that retention no longer waits for it."""
        ...


class EventLog(Protocol):
    """One log per database. All may raise `engines.oltp.Unavailable` and `Timeout`."""

    async def head(self) -> int:
        """The last position; 0 when nothing has happened yet."""
        ...

    async def floor(self) -> int:
        """The position after which everything is still there: retention has removed nothing behind it."""
        ...

    async def read(self, after: int, patterns: Sequence[str] = (">",), limit: int = 500) -> Page:
        """Up to `limit` matching events after a position. An empty page whose `upto` is below the head means: ask on from there."""
        ...

    def subscribe(self, patterns: Sequence[str] = (">",), after: int | None = None) -> AsyncIterator[LoggedEvent]:
        """Every matching event after a position (by default: from now on), for ever, as it comes."""
        ...

    async def wait(self, after: int, within: float) -> None:
        """Return when something stands after this position, or after `within` seconds."""
        ...

    async def last_of(self, tenant: str, position: int) -> UUID | None:
        """The id (that of its envelope) of a tenant's last event up to a position; None where there is none any more."""
        ...

    async def first_of(self, tenant: str) -> UUID | None:
        """The id of a tenant's first event that is still there."""
        ...

    async def position_of(self, tenant: str, id: UUID) -> int | None:
        """Where a tenant's event of that id stands; None where it is not here."""
        ...

    async def position_at(self, moment: dt.datetime) -> int:
        """The position after which everything that committed at or after a moment stands: where a replay from a time begins."""
        ...

    async def trim(self, before: dt.datetime, batch: int = 5_000) -> int:
        """Delete events that entered the log before a moment and that every group has handled; how many."""
        ...

    def group(self, name: str) -> Group:
        """The consumer group of this name."""
        ...

    async def register(self, names: Sequence[str]) -> None:
        """Make groups that do not exist yet, at the end of the log: from here on nothing passes them by, started or not."""
        ...
