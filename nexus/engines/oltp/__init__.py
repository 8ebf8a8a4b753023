"""The promise of the transactional database: many small requests over few connections, each under its tenant's role.

What holds for every engine of this port:

* A call names its tenant's schema; it runs under the database role of the same name and reaches nothing else. `schema=None` is the
  login role of the process itself, for the control plane and the cell's own tables.
* Everything given to one `run` is one round trip and one transaction: all of it happens or none of it.
* Arguments and columns are in the text format of PostgreSQL, encoded: the database builds the JSON, nobody converts values per row.

Errors:

    DatabaseError            the database refused; carries its sqlstate and the names it gave
     ├ UniqueViolation       23505
     ├ ForeignKeyViolation   23503
     ├ CheckViolation        23514
     ├ NotNullViolation      23502
     ├ SerializationFailure  40001, 40P01: run the whole transaction again
     ├ Cancelled             57014: the server stopped the statement (statement_timeout, or somebody asked)
     ├ InvalidText           class 22: a value the column's type does not take
     ├ PermissionDenied      42501
     └ NotAQuery             refused by the driver before anything was sent
    Unavailable              no connection, or it was lost: then the outcome of a write is unknown
    Timeout                  the caller's time was over; the statement was cancelled if it still ran
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final, Literal, Protocol, TypeAlias

__all__ = [
    "DEPTH",
    "DEPTHS",
    "Arg",
    "Call",
    "Cancelled",
    "CheckViolation",
    "DatabaseError",
    "ForeignKeyViolation",
    "InvalidText",
    "Lane",
    "NotAQuery",
    "NotNullViolation",
    "Oltp",
    "PermissionDenied",
    "Result",
    "Row",
    "SerializationFailure",
    "Statement",
    "Timeout",
    "Transaction",
    "Unavailable",
    "UniqueViolation",
]

DEPTHS: Final = 4
DEPTH: Final[ContextVar[int]] = ContextVar("nexus_oltp_depth", default=0)
"""How many transactions wait for what is done here. Those of each depth up to DEPTHS have connections of their own, so that none waits for one that is held by
who waits for it."""


@dataclass(frozen=True, slots=True, eq=False)
class Statement:
    """One SQL statement; `{s}` stands for the tenant's schema, parameters are `$1`, `$2` ….

    Keep it for ever (module level, or a cache of compiled statements): its identity is the key of the prepared statement.
    """

    text: str


Arg: TypeAlias = bytes | None
"""One argument in the text format, encoded; None is NULL."""

Call: TypeAlias = tuple[Statement, Sequence[Arg]]
"""A statement and its arguments."""

Row: TypeAlias = tuple[bytes | None, ...]

Lane: TypeAlias = Literal["fast", "write", "slow"]
"""Which connections a call uses: `write` for short requests that commit a change, which wait for the disk, so that there are more of
them; `slow` for reports and exports, so that they never stand before a short request."""


class Result:
    """What one call answered: its rows, raw, and how many rows it affected (the number in the command tag)."""

    __slots__ = ("affected", "rows")

    def __init__(self, rows: list[Row], affected: int) -> None:
        self.rows = rows
        self.affected = affected

    def __repr__(self) -> str:
        return f"Result(rows={self.rows!r}, affected={self.affected})"


class Oltp(Protocol):
    """A pool of pipelined connections to one database."""

    async def run(self, schema: str | None, *calls: Call, lane: Lane = "fast", timeout: float | None = None) -> list[Result]:
        """Run the calls in one round trip and one implicit transaction under the tenant's role; one result per call.

        An error in any call undoes all of them and is raised. `timeout` is in seconds and includes the wait for a connection;
        None leaves the server's own limit of the lane. Raises DatabaseError, Unavailable, Timeout.
        """
        ...

    async def read(self, schema: str, call: Call) -> Result:
        """Run one short read under the tenant's role, in a request that it may share with others of its tenant that come at the same time.

        Where another of them is refused, this one is run again on its own: an error is always its own. Raises DatabaseError, Unavailable.
        """
        ...

    async def write(self, schema: str, call: Call) -> Result:
        """Run one write that is independent of all others, in a transaction that it may share with others of its tenant.

        It returns when that transaction has committed. Where another of them is refused, this one is run again on its own: an error is
        always its own. Raises DatabaseError, Unavailable, Timeout.
        """
        ...

    def stream(self, schema: str | None, call: Call, *, rows: int = 1_000) -> AsyncGenerator[list[Row]]:
        """The rows of one query, at most so many at a time, all of them as one moment has them; close it when you leave early.

        It holds a connection of its own, of a few for this purpose. Raises DatabaseError, Unavailable.
        """
        ...

    def transaction(self, schema: str | None, *, timeout: float | None = None) -> "AbstractAsyncContextManager[Transaction]":
        """Lease a connection for a transaction of several round trips.

        `timeout` (seconds) bounds each round trip and the wait for the lease; no lease within it raises Unavailable.
        Leaving the context without `commit` rolls back.
        """
        ...

    async def close(self) -> None:
        """End the connections; calls in flight get Unavailable."""
        ...


class Transaction(Protocol):
    """An explicit transaction; after an error in it only leaving it makes sense."""

    round_trips: int

    async def run(self, *calls: Call) -> list[Result]:
        """Run the calls in one round trip; BEGIN and the role switch ride with the first."""
        ...

    async def commit(self, *calls: Call) -> list[Result]:
        """Run the calls and COMMIT in one round trip, also when it is the first one of the transaction.

        Unavailable or Timeout from here means that the outcome is unknown.
        """
        ...


class DatabaseError(Exception):
    """The database refused a statement. `detail`, `constraint`, `table` and `column` are as the server gave them, else None.

    `parameter` is the number of the argument that could not be read, from 1.
    """

    def __init__(
        self,
        sqlstate: str,
        message: str,
        detail: str | None = None,
        constraint: str | None = None,
        table: str | None = None,
        column: str | None = None,
        parameter: int | None = None,
    ) -> None:
        super().__init__(sqlstate, message, detail, constraint, table, column, parameter)
        self.sqlstate = sqlstate
        self.message = message
        self.detail = detail
        self.constraint = constraint
        self.table = table
        self.column = column
        self.parameter = parameter

    def __str__(self) -> str:
        return f"{self.message} [{self.sqlstate}]"


class UniqueViolation(DatabaseError):
    """A row with this key exists; `constraint` names the key."""


class ForeignKeyViolation(DatabaseError):
    """The row referred to does not exist, or is still referred to."""


class CheckViolation(DatabaseError):
    """A CHECK constraint, named in `constraint`, says no."""


class NotNullViolation(DatabaseError):
    """The column named in `column` must have a value."""


class SerializationFailure(DatabaseError):
    """Another transaction was in the way (also a deadlock); nothing happened, so the whole may be run again."""


class Cancelled(DatabaseError):
    """The server stopped the statement: its own statement_timeout, or a cancel request."""


class InvalidText(DatabaseError):
    """A value is not one of its type: bad number, date, UUID, JSON, encoding, or out of range."""


class PermissionDenied(DatabaseError):
    """The role has no right to this."""


class NotAQuery(DatabaseError):
    """Under a tenant's role only SELECT, INSERT, UPDATE, DELETE, WITH and VALUES are sent; this was something else."""


class Unavailable(Exception):
    """No connection could be had in time, or it was lost while the call was in flight: then a write may or may not have happened."""


class Timeout(Exception):
    """The caller's time was over. The statement was cancelled if it was still running; a write may or may not have happened."""
