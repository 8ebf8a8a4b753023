"""One request on a pipelined connection: what a single Sync ends."""

import asyncio
import copy
from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

from psycopg.pq.abc import PGresult

from nexus.engines.oltp import Call, DatabaseError, Result, Statement, Unavailable
from nexus.engines.oltp.answers import result_of

__all__ = ["Begin", "End", "Key", "Request", "Role", "Shared"]

MOST: Final = 32
"""Reads in one shared request: nobody waits for more than a few others."""

End: TypeAlias = Literal["", "commit", "rollback"]
"""What stands behind the calls, before Sync."""

Begin: TypeAlias = Literal["", "begin", "snapshot"]
"""What stands before them: nothing, BEGIN, or BEGIN of a transaction that only reads and sees one moment."""

Role: TypeAlias = Literal["", "role", "hasty"]
"""How the role is switched: not at all, or with a limit (0.1 s) to how long its statements wait for a lock."""

Key: TypeAlias = tuple[str | None, Statement]
"""What a prepared statement is found by: the schema and the statement."""


class Request:
    """The answers so far, and who waits for them."""

    __slots__ = ("abandoned", "again", "answers", "bystander", "calls", "end", "error", "future", "lead", "prepares", "role_at", "schema")

    def __init__(self, future: "asyncio.Future[list[Result]]", schema: str | None, calls: Sequence[Call], end: End) -> None:
        self.future = future
        self.schema = schema
        self.calls = calls
        self.end = end
        self.answers: list[PGresult] = []
        self.error: DatabaseError | Unavailable | None = None
        self.lead = 0
        """How many answers come before those of the calls."""
        self.role_at = -1
        """Which answer is that of the role switch."""
        self.prepares: dict[int, Key] | None = None
        """Which answers are those of statements prepared on the way."""
        self.abandoned = False
        self.bystander = False
        """A cancel request meant for a neighbour may have hit this one."""
        self.again = False
        """The error was the connection's, not the caller's, and nothing happened: send it again."""

    def settle(self) -> None:
        """Give the caller the results, or the error. Called once, when the server has answered Sync."""
        future = self.future
        if future.done():
            return
        if self.error is not None:
            self.fail(self.error)
            return
        answers = self.answers
        if self.end:
            tag = answers.pop().command_status
            if self.end == "commit" and tag != b"COMMIT":
                future.set_exception(DatabaseError("25P02", "the transaction had failed; it was rolled back"))
                return
        if self.prepares is None:
            future.set_result([result_of(answer) for answer in answers[self.lead :]])
        else:
            skip = self.prepares
            future.set_result([result_of(answers[at]) for at in range(self.lead, len(answers)) if at not in skip])

    def fail(self, error: DatabaseError | Unavailable) -> None:
        """Give the caller this error, unless it has something already."""
        if not self.future.done():
            self.future.set_exception(error)


class Shared(Request):
    """Reads of one tenant that are one request. Each has its own answer; an error is for all of them."""

    __slots__ = ("_readers", "_reads")

    def __init__(self, future: "asyncio.Future[list[Result]]", schema: str) -> None:
        self._reads: list[Call] = []
        self._readers: list[asyncio.Future[Result]] = []
        super().__init__(future, schema, self._reads, "")

    @property
    def full(self) -> bool:
        """Whether it takes no more."""
        return len(self._reads) >= MOST

    @property
    def alone(self) -> bool:
        """Whether there is one only: then an error is its own."""
        return len(self._reads) == 1

    @property
    def deserted(self) -> bool:
        """Whether nobody waits any more."""
        return all(reader.done() for reader in self._readers)

    def add(self, call: Call, reader: "asyncio.Future[Result]") -> None:
        """Take one more, before it is sent."""
        self._reads.append(call)
        self._readers.append(reader)

    def settle(self) -> None:
        """Give each reader its result, or all of them the error."""
        if self.error is not None:
            self.fail(self.error)
            return
        skip = self.prepares or ()
        answers = self.answers
        found = answers[self.lead :] if not skip else [answers[at] for at in range(self.lead, len(answers)) if at not in skip]
        for reader, answer in zip(self._readers, found, strict=True):
            if not reader.done():
                reader.set_result(result_of(answer))

    def fail(self, error: DatabaseError | Unavailable) -> None:
        """Give all of them the error, each its own copy, because who raises one writes its way into it."""
        for reader in self._readers:
            if not reader.done():
                reader.set_exception(copy.copy(error))
