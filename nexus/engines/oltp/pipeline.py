"""One connection that carries many requests at a time.

libpq speaks the protocol (authentication, TLS, pipeline mode); this file only keeps the order: requests are sent one behind the other
without waiting, answers come back in the same order, each request ends with its own Sync and is therefore one transaction. Reads of one
tenant that come in the same turn of the loop share one: the role is switched once for all of them.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import Self

import psycopg
from psycopg.pq import ConnStatus, ExecStatus, TransactionStatus
from psycopg.pq.abc import PGresult
from psycopg.rows import TupleRow

from nexus.engines.oltp import Call, Cancelled, DatabaseError, PermissionDenied, Result, Timeout, Unavailable
from nexus.engines.oltp.answers import LOST, error_of
from nexus.engines.oltp.cork import Cork
from nexus.engines.oltp.guard import check_arguments
from nexus.engines.oltp.prepared import Prepared
from nexus.engines.oltp.request import Begin, End, Request, Role, Shared
from nexus.engines.oltp.settings import Settings, Stats

__all__ = ["Pipeline"]

log = logging.getLogger("nexus.oltp")

_FIXED = {
    b"role": b"select pg_catalog.set_config('role', $1, true)",
    # for what must not wait: shorter than the time after which a deadlock is looked for, so that it is never another's transaction that ends
    b"hasty": b"select pg_catalog.set_config('role', $1, true), pg_catalog.set_config('lock_timeout', '100ms', true)",
    b"begin": b"begin",
    b"snapshot": b"begin isolation level repeatable read, read only",
    b"commit": b"commit",
    b"rollback": b"rollback",
}
_SYNC = int(ExecStatus.PIPELINE_SYNC)
_GOOD = (int(ExecStatus.TUPLES_OK), int(ExecStatus.COMMAND_OK))
_ABORTED = int(ExecStatus.PIPELINE_ABORTED)
_REFUSED = int(ExecStatus.FATAL_ERROR)
_LOOK = 1.0
"""Seconds between two looks whether the socket is still listened to."""

_ASK = 5
"""How often a statement is asked to stop, a second apart."""

_STALE = ("0A000", "26000")
"""A cached plan whose result type changed, a prepared statement the server does not know: prepare again."""


class Pipeline:
    """A connection with several requests in flight. Not for threads: it belongs to the loop that made it."""

    def __init__(self, owner: "psycopg.AsyncConnection[TupleRow]", settings: Settings, stats: Stats, freed: Callable[[], None]) -> None:
        self._owner = owner
        self._conn = owner.pgconn
        self._settings = settings
        self._stats = stats
        self._freed = freed
        self._loop = asyncio.get_running_loop()
        self._fd = self._conn.socket
        self._cork = Cork(self._fd)
        self._outbox: list[tuple[Request, Begin, Role]] = []
        """What goes out at the end of this turn of the loop, in the order of the queue."""
        self._queue: deque[Request] = deque()
        self._open: dict[str, Shared] = {}
        """The shared requests of this turn, by tenant: more reads may still join them."""
        self._prepared = Prepared(settings.statements)
        self._writing = False
        self._cancelling: asyncio.Task[None] | None = None
        self._draining = False
        self._watching: asyncio.TimerHandle | None = None
        self.alive = True
        self.taking = True
        """Whether new requests should come here."""
        self.over = asyncio.Event()
        """Set when the connection is lost or has seen so many tenants that it should be replaced."""

    @classmethod
    async def connect(cls, conninfo: str, settings: Settings, stats: Stats, freed: Callable[[], None]) -> Self:
        """Open a connection and prepare what every request needs. Raises psycopg.Error, Unavailable or DatabaseError."""
        owner = await psycopg.AsyncConnection.connect(conninfo, autocommit=True)
        owner.pgconn.nonblocking = 1
        owner.pgconn.enter_pipeline_mode()
        self = cls(owner, settings, Stats(), freed)
        self._watch()
        try:
            request = self._enqueue(Request(self._loop.create_future(), None, (), ""))
            for name, text in _FIXED.items():
                self._conn.send_prepare(name, text)
            request.lead = len(_FIXED)
            self._conn.pipeline_sync()
            self._flush()
            await request.future
        except BaseException as error:
            self.lose(str(error))
            raise
        if not self.alive:
            raise Unavailable("the connection was lost while it was made; nothing was sent")
        self._stats = stats  # from here on: what went before is no caller's
        stats.connects += 1
        stats.connections += 1
        return self

    @property
    def tenants(self) -> set[str]:
        """Whose statements it has prepared."""
        return self._prepared.tenants

    @property
    def load(self) -> int:
        """Requests in flight."""
        return len(self._queue)

    @property
    def clean(self) -> bool:
        """Alive, nothing in flight, no transaction open."""
        return self.alive and not self._queue and self._conn.transaction_status == TransactionStatus.IDLE

    def send(self, schema: str | None, calls: Sequence[Call], *, begin: Begin = "", role: Role = "role", end: End = "") -> Request:
        """Put one request on the wire: BEGIN and the role switch as asked, the calls, COMMIT or ROLLBACK, Sync.

        Raises NotAQuery or InvalidText, with nothing sent; what the server says comes through the request's future.
        """
        for statement, args in calls:
            check_arguments(args)
            self._prepared.check(schema, statement)
        return self._post(self._enqueue(Request(self._loop.create_future(), schema, calls, end)), begin, role)

    def join(self, schema: str, call: Call) -> "tuple[Shared, asyncio.Future[Result]]":
        """Send one read together with those of the tenant that come in the same turn: they are one request, and what refuses one refuses all.

        Raises NotAQuery or InvalidText, with nothing sent.
        """
        check_arguments(call[1])
        self._prepared.check(schema, call[0])
        future: asyncio.Future[Result] = self._loop.create_future()
        shared = self._open.get(schema)
        if shared is None or shared.full:
            shared = Shared(self._loop.create_future(), schema)
            self._post(self._enqueue(shared), "", "role")
            self._open[schema] = shared
        shared.add(call, future)
        return shared, future

    def leave(self, shared: Shared) -> None:
        """One reader does not wait any more; where nobody does, it is abandoned."""
        if shared.deserted:
            self.abandon(shared)

    async def answer(self, request: Request, seconds: float | None) -> list[Result]:
        """Wait for the results, at most `seconds`. Raises DatabaseError, Unavailable or Timeout."""
        timer = None if seconds is None else self._loop.call_later(seconds, self.expire, request)
        try:
            return await request.future
        except asyncio.CancelledError:
            self.abandon(request)
            raise
        finally:
            if timer is not None:
                timer.cancel()

    def abandon(self, request: Request) -> None:
        """Nobody waits for this one any more: drop its answer when it comes, and stop it if it is what the server is busy with."""
        request.abandoned = True
        if self._queue and self._queue[0] is request:
            self._loop.call_later(self._settings.grace, self._stop, request)

    def expire(self, request: Request) -> None:
        """The caller's time is over."""
        if not request.future.done():
            self._stats.timeouts += 1
            request.future.set_exception(Timeout("the database did not answer in time; a write may or may not have happened"))
            self.abandon(request)

    def retire(self) -> None:
        """Take no more requests for granted: close when the last one in flight is answered."""
        self._draining = True
        self.taking = False
        if not self._queue:
            self.lose("retired")

    def lose(self, why: str) -> None:
        """Close at once; whoever waits gets Unavailable."""
        if not self.alive:
            return
        self.alive = self.taking = False
        if self._watching is not None:
            self._watching.cancel()
        self._loop.remove_reader(self._fd)
        self._loop.remove_writer(self._fd)
        self._cork.close()
        self._conn.finish()
        self._stats.connections -= 1
        waiting = list(self._queue)
        self._queue.clear()
        self._stats.in_flight -= len(waiting)
        if waiting or not self._draining:
            self._stats.lost += 1
        for request in waiting:
            request.fail(request.error if isinstance(request.error, Unavailable) else Unavailable(f"{LOST} ({why})"))
        self.over.set()
        self._freed()

    # Sending

    def _enqueue(self, request: Request) -> Request:
        if not self.alive:
            raise Unavailable("the connection to the database is closed; nothing was sent")
        request.bystander = self._cancelling is not None
        self._queue.append(request)
        self._stats.in_flight += 1
        return request

    def _post(self, request: Request, begin: Begin, role: Role) -> Request:
        self._stats.round_trips += 1
        if not self._outbox:
            self._loop.call_soon(self._transmit)
        self._outbox.append((request, begin, role))
        return request

    def _transmit(self) -> None:
        """Send what this turn of the loop has brought, together: one packet costs both sides much less than many."""
        if not self.alive:
            return
        outbox, self._outbox = self._outbox, []
        self._open.clear()
        several = len(outbox) > 1
        try:
            if several:
                self._cork.put_in()
            for request, begin, role in outbox:
                self._fill(request, begin, role)
                self._conn.pipeline_sync()
            if several:
                self._cork.pull_out()
            self._flush()
        except (psycopg.OperationalError, OSError) as error:
            # Without its Sync nothing of a request commits; but the order of answers is gone with it.
            self.lose(str(error))

    def _flush(self) -> None:
        if self._conn.flush() and not self._writing:
            self._writing = True
            self._loop.add_writer(self._fd, self._writable)

    def _fill(self, request: Request, begin: Begin, role: Role) -> None:
        conn = self._conn
        schema = request.schema
        at = 0
        # First, so that no error of this request can leave them open.
        for name in self._prepared.take_evicted():
            conn.send_close_prepared(name)
            at += 1
        if begin:
            conn.send_query_prepared(begin.encode(), None)
            at += 1
        if role and schema is not None:
            conn.send_query_prepared(role.encode(), [schema.encode()])
            request.role_at = at
            at += 1
        request.lead = at
        prepared = self._prepared
        for statement, args in request.calls:
            known = prepared.known(schema, statement)
            if known is None:
                known, text = prepared.new(schema, statement)
                conn.send_prepare(known, text)
                self._stats.prepared += 1
                if request.prepares is None:
                    request.prepares = {}
                request.prepares[at] = (schema, statement)
                at += 1
            conn.send_query_prepared(known, args)
            at += 1
        self._stats.statements += len(request.calls)
        if request.end:
            conn.send_query_prepared(request.end.encode(), None)
        if len(prepared.tenants) > self._settings.tenants:
            self.over.set()

    def _writable(self) -> None:
        try:
            if not self._conn.flush():
                self._writing = False
                self._loop.remove_writer(self._fd)
        except psycopg.OperationalError as error:
            self.lose(str(error))

    # Receiving

    def _watch(self) -> None:
        """Listen, and see now and then whether the loop still does: after an error of a socket (a reset) uvloop calls back one last time and
        closes its handle without a word; when that call found data, nobody would notice the end behind it."""
        try:
            self._loop.add_reader(self._fd, self._readable)
            self._watching = self._loop.call_later(_LOOK, self._watch)
        except RuntimeError:
            self.lose("reset by the server")

    def _readable(self) -> None:
        conn = self._conn
        try:
            conn.consume_input()
            empty = False
            while not conn.is_busy():
                answer = conn.get_result()
                if answer is None:
                    # One None ends each command; a second one says that there is nothing (more) to read.
                    if empty or not self._queue:
                        break
                    empty = True
                    continue
                empty = False
                self._take(answer)
                if not self.alive:
                    return
        except psycopg.OperationalError as error:
            self.lose(str(error).strip())
            return
        if conn.status == ConnStatus.BAD:
            self.lose("closed by the server")

    def _take(self, answer: PGresult) -> None:
        status = answer.status
        if status in _GOOD:
            self._queue[0].answers.append(answer)
        elif status == _SYNC:
            self._finish(self._queue.popleft())
        elif status == _REFUSED:
            self._refuse(self._queue[0], answer)
        elif status != _ABORTED:
            self.lose(f"an answer the pipeline cannot take ({ExecStatus(status).name})")

    def _refuse(self, request: Request, answer: PGresult) -> None:
        """Note the first error of a request; the statements it left unprepared are forgotten, stale ones too."""
        if request.error is not None:
            return
        error = request.error = error_of(answer)
        at = len(request.answers)
        if not isinstance(error, DatabaseError):
            self.lose(str(error))  # the server has said that it ends the session: nothing comes after that
            return
        if request.prepares:
            self._prepared.forget(key for position, key in request.prepares.items() if position >= at)
        if error.sqlstate in _STALE:
            request.again = self._forget(request)
        elif isinstance(error, Cancelled):
            request.again = request.bystander
        elif at == request.role_at and isinstance(error, PermissionDenied):
            # The switch itself is forbidden. Either this session is not the login role any more, or the server keeps a list of its roles that
            # was old when it was made (a GRANT that commits while roles_is_member_of reads is missed). Never use it again.
            request.again = True
            self.over.set()
            self.retire()

    def _forget(self, request: Request) -> bool:
        """Drop the statements a request took for prepared; true if there was one, so that sending it again may help."""
        fresh = request.prepares.values() if request.prepares else ()
        assumed = [key for key in ((request.schema, statement) for statement, _ in request.calls) if key not in fresh]
        self._prepared.drop(assumed)
        return bool(assumed)

    def _finish(self, request: Request) -> None:
        self._stats.in_flight -= 1
        request.settle()
        queue = self._queue
        if queue:
            if queue[0].abandoned:
                self.abandon(queue[0])
        elif self._draining:
            self.lose("retired")
        self._freed()

    # Cancelling

    def _stop(self, request: Request, asked: int = 0) -> None:
        """Ask the server to stop the abandoned request if it is what it works on; after some asking in vain give the connection up."""
        if not self._queue or self._queue[0] is not request:
            return
        if asked == _ASK:
            self.lose("an abandoned statement could not be stopped")
            return
        if self._cancelling is None:
            for neighbour in self._queue:
                neighbour.bystander = neighbour is not request
            self._cancelling = self._loop.create_task(self._cancel())
        self._loop.call_later(1.0, self._stop, request, asked + 1)

    async def _cancel(self) -> None:
        self._stats.cancels += 1
        try:
            await self._owner.cancel_safe(timeout=5.0)
        except psycopg.Error as error:
            log.warning("a cancel request failed: %s", error)
        finally:
            self._cancelling = None
