"""REST of many records at once: `POST …/bulk` creates and `PATCH …/bulk` changes up to 10,000, all of them or each for itself."""

from __future__ import annotations

import asyncio
import random
from typing import Any, Final

import msgspec

from nexus.core.problem import Unavailable
from nexus.engines.oltp import Call, DatabaseError, ForeignKeyViolation, Result, SerializationFailure, Transaction, UniqueViolation
from nexus.surfaces.bulk import amounts_statement, change_statement, insert_statement
from nexus.surfaces.calling import STORED, Host, Key, Outcome, is_replay, outcome_of, replayed
from nexus.surfaces.limits import OverLimit
from nexus.surfaces.permissions import Rights
from nexus.surfaces.refusals import problem_of
from nexus.surfaces.rest.batch import Batch, Row, Verb, reader_of
from nexus.surfaces.rest.message import Request, Response, stored
from nexus.surfaces.rest.records import Records
from nexus.surfaces.verdicts import change_verdicts, create_verdicts, read
from nexus.surfaces.writes import narrows_references

ATTEMPTS: Final = 5
_DONE: Final[dict[Verb, str]] = {"create": "created", "update": "updated"}


class Bulk:
    """The bulk endpoints of one entity."""

    def __init__(self, host: Host, records: Records) -> None:
        self._host = host
        self._records = records
        self._shape = records.shape
        self.reader = reader_of(records.wire)

    async def create(self, request: Request) -> Response:
        """`{"items": [{…}], "mode": "all" | "each"}`: every record or none, or each that is right; answers their ids in order."""
        return await self._answer(request, "create", 201)

    async def update(self, request: Request) -> Response:
        """`{"items": [{"id": …, "version": …, …}]}`: `version` is that which was read, or null to overwrite whatever is there."""
        return await self._answer(request, "update", 200)

    async def _answer(self, request: Request, verb: Verb, status: int) -> Response:
        request.parameters()
        rights, key = self._records.rights(request, verb), request.key()
        batch = await self.reader.read(request.body, verb, rights, request.caller.tenant.country, request.progress)
        batch.refuse()
        job = _Job(self._host, self._records, request, verb, rights, batch, key, status if batch.mode == "all" else 200)
        outcome = await job.run()
        return stored(outcome, self._records.location, request.minimal and batch.mode == "all")


class _Job:
    """One bulk request on its way to the database."""

    def __init__(
        self, host: Host, records: Records, request: Request, verb: Verb, rights: Rights, batch: Batch, key: Key | None, status: int
    ) -> None:
        self._oltp = host.oltp(request.caller.cell)
        self._host, self._records, self._request = host, records, request
        self._verb: Verb = verb
        self._caller, self._rights, self._batch, self._key, self._status = request.caller, rights, batch, key, status
        self._rows = batch.good()
        """Those that can be read, whatever the database says of them."""
        self._names = tuple(field.name for field in records.shape.patchable if any(field.name in row.names for row in self._rows))

    async def run(self) -> Outcome:
        """Write, again where others were in the way. A key that has been used answers what it answered the first time."""
        for attempt in range(ATTEMPTS):
            try:
                # new rows are mostly right: only when the database refuses one is each of them looked at
                if attempt == 0 and self._at_once_possible():
                    return await self._at_once()
                while (outcome := await self._judged()) is None:
                    continue  # with fewer rows each time
                return outcome
            except DatabaseError as error:
                if self._key is not None and is_replay(error) and (done := await replayed(self._host, self._caller, self._key)):
                    return done
                if not isinstance(error, (SerializationFailure, UniqueViolation, ForeignKeyViolation)) and attempt > 0:
                    raise problem_of(error) or error from error
                if attempt == ATTEMPTS - 1:
                    raise problem_of(error) or Unavailable(what="A record, which others keep changing,") from error
                await asyncio.sleep(random.uniform(0, 0.002 * 2**attempt))  # noqa: S311 - jitter, not a secret
        raise AssertionError("unreachable")

    def _at_once_possible(self) -> bool:
        new_and_all = self._verb == "create" and self._batch.mode == "all"
        return new_and_all and self._rights.limits.most is None and not narrows_references(self._records.entity, self._rights)

    async def _at_once(self) -> Outcome:
        outcome = self._outcome()
        await self._oltp.run(self._caller.schema, self._write(self._rows, outcome), lane="slow")
        self._host.wake(self._caller.cell)
        return outcome

    async def _judged(self) -> Outcome | None:
        """Ask what the database would refuse (and lock what is to be changed), then write the rest, in one transaction.

        None where what was written is more than the session may: nothing has been kept, and the rows know it.
        """
        async with self._oltp.transaction(self._caller.schema) as transaction:
            results = await transaction.run(*self._used(), self._verdicts())
            if self._key is not None and (done := outcome_of(results[0], self._key)) is not None:
                return done
            self._judge(results[-1])
            self._batch.refuse()
            outcome, good = self._outcome(), self._batch.good()
            if self._rights.limits.most is None:
                await transaction.commit(self._write(good, outcome))
            elif await self._over(transaction, good, outcome):
                return None
            else:
                await transaction.commit()
        self._host.wake(self._caller.cell)
        return outcome

    async def _over(self, transaction: Transaction, rows: list[Row], outcome: Outcome) -> bool:
        """Write, and look for amounts that are more than the session may write; whoever holds one is refused when all of it is done again."""
        shape, limits = self._records.shape, self._rights.limits
        ids = msgspec.json.encode([row.id for row in rows])
        *_, written = await transaction.run(self._write(rows, outcome), amounts_statement(self._records.entity).call({"ids": ids}))
        by_id = {row.id: row for row in rows}
        for (raw,) in written.rows:
            values: dict[str, Any] = msgspec.json.decode(raw or b"{}")
            row = by_id[values["id"]]
            try:
                limits.check(shape, values, row.names if self._verb == "update" else shape.fields)
            except OverLimit as over:
                row.problem = over
        self._rows = [row for row in self._rows if not isinstance(row.problem, OverLimit)]
        return any(row.problem is not None for row in rows)

    def _used(self) -> list[Call]:
        return [] if self._key is None else [(STORED, self._key.arguments(self._caller.actor))]

    def _verdicts(self) -> Call:
        entity = self._records.entity
        one = create_verdicts(entity, self._rights) if self._verb == "create" else change_verdicts(entity, self._rights, self._names)
        return one.call({"rows": _array(self._rows), **self._caller.values()})

    def _judge(self, answered: Result) -> None:
        self._batch.judge(self._records.shape, self._rows, read(answered.rows), self._verb)

    def _outcome(self) -> Outcome:
        return Outcome(self._status, {}, self._batch.body(_DONE[self._verb]))

    def _write(self, rows: list[Row], outcome: Outcome) -> Call:
        entity, keyed, done = self._records.entity, self._key is not None, _DONE[self._verb]
        one = insert_statement(entity, keyed=keyed) if self._verb == "create" else change_statement(entity, self._names, keyed=keyed)
        values = {"rows": _array(rows), "status": outcome.status, "body": outcome.body}
        return one.call(values | self._records.circumstances(self._request, self._verb, done, self._key))


def _array(rows: list[Row]) -> bytes:
    return b"[" + b",".join(row.sent for row in rows) + b"]"
