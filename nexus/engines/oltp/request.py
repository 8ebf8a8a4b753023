"""One request on a pipelined connection: what a single Sync ends."""

import asyncio
from collections.abc import Sequence
from typing import Literal, TypeAlias

from psycopg.pq.abc import PGresult

from nexus.engines.oltp import Call, DatabaseError, Result, Statement, Unavailable
from nexus.engines.oltp.answers import result_of

__all__ = ["Begin", "End", "Key", "Request", "Role"]

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
            future.set_exception(self.error)
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
