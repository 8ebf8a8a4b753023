"""REST of many records at once: `POST …/bulk` creates and `PATCH …/bulk` changes up to 10,000, all of them or each for itself."""

from __future__ import annotations

import asyncio
import random
from typing import Any, Final

import msgspec

from nexus.core.problem import Unavailable
from nexus.engines.oltp import Call, DatabaseError, ForeignKeyViolation, SerializationFailure, Transaction, UniqueViolation
from nexus.surfaces.bulk import SLICE, amounts_statement, change_statement, insert_statement
from nexus.surfaces.calling import KEEP, STORED, Host, Outcome, is_replay, outcome_of, replayed
from nexus.surfaces.limits import OverLimit
from nexus.surfaces.refusals import problem_of
from nexus.surfaces.rest.ahead import Ahead
from nexus.surfaces.rest.batch import Batch, Reader, Row, Take, Verb, reader_of
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
        job = _Job(self._host, self._records, request, verb, status)
        outcome = await job.run(self.reader)
        return stored(outcome, self._records.location, request.minimal and job.batch.mode == "all")


class _Job:
    """One bulk request on its way to the database."""

    batch: Batch

    def __init__(self, host: Host, records: Records, request: Request, verb: Verb, status: int) -> None:
        self._oltp = host.oltp(request.caller.cell)
        self._host, self._records, self._request = host, records, request
        self._verb: Verb = verb
        self._status = status
        self._caller, self._rights, self._key = request.caller, records.rights(request, verb), request.key()
        self._values = records.circumstances(request, verb, _DONE[verb], self._key)

    async def run(self, reader: Reader) -> Outcome:
        """Read the rows and write them, again where others were in the way. A key that has been used answers what it answered the first time."""
        # new rows are mostly right: only when the database refuses one is each of them looked at
        if self._trusted() and (done := await self._written_ahead(reader)) is not None:
            return done
        if not self._trusted():
            self.batch = await self._read(reader)
        self._rows = self.batch.good()
        """Those that can be read, whatever the database says of them."""
        self._names = tuple(field.name for field in self._records.shape.patchable if any(field.name in row.names for row in self._rows))
        for attempt in range(ATTEMPTS):
            try:
                while (outcome := await self._judged()) is None:
                    continue  # with fewer rows each time
                return outcome
            except DatabaseError as error:
                if (done := await self._replayed(error)) is not None:
                    return done
                if not isinstance(error, (SerializationFailure, UniqueViolation, ForeignKeyViolation)):
                    raise problem_of(error) or error from error
                if attempt == ATTEMPTS - 1:
                    raise problem_of(error) or Unavailable(what="A record, which others keep changing,") from error
                await asyncio.sleep(random.uniform(0, 0.002 * 2**attempt))  # noqa: S311 - jitter, not a secret
        raise AssertionError("unreachable")

    def _trusted(self) -> bool:
        return self._verb == "create" and self._rights.limits.most is None and not narrows_references(self._records.entity, self._rights)

    async def _read(self, reader: Reader, take: Take | None = None) -> Batch:
        request = self._request
        batch = await reader.read(request.body, self._verb, self._rights, self._caller.tenant.country, request.progress, take)
        batch.refuse()
        return batch

    async def _written_ahead(self, reader: Reader) -> Outcome | None:
        """Read new rows and write them at the same time. None where that is not for this batch: it has been read, and nothing is written."""
        async with self._oltp.transaction(self._caller.schema) as transaction, Ahead(transaction, self._insert) as ahead:
            self.batch = await self._read(reader, ahead.take)
            if not await ahead.written():
                return None
            outcome = self._outcome()
            try:
                await ahead.commit(*self._kept(outcome))
            except DatabaseError as error:
                return await self._replayed(error)
        self._host.wake(self._caller.cell)
        return outcome

    async def _replayed(self, error: DatabaseError) -> Outcome | None:
        return await replayed(self._host, self._caller, self._key) if self._key is not None and is_replay(error) else None

    async def _judged(self) -> Outcome | None:
        """Ask what the database would refuse (and lock what is to be changed), then write the rest, in one transaction.

        None where what was written is more than the session may: nothing has been kept, and the rows know it.
        """
        async with self._oltp.transaction(self._caller.schema) as transaction:
            results = await transaction.run(*self._used(), self._verdicts())
            if self._key is not None and (done := outcome_of(results[0], self._key)) is not None:
                return done
            self.batch.judge(self._records.shape, self._rows, read(results[-1].rows), self._verb)
            self.batch.refuse()
            outcome, good = self._outcome(), self.batch.good()
            if self._rights.limits.most is None:
                await transaction.commit(*self._write(good), *self._kept(outcome))
            elif await self._over(transaction, good):
                return None
            else:
                await transaction.commit(*self._kept(outcome))
        self._host.wake(self._caller.cell)
        return outcome

    async def _over(self, transaction: Transaction, rows: list[Row]) -> bool:
        """Write, and look for amounts that are more than the session may write; whoever holds one is refused when all of it is done again."""
        shape, limits = self._records.shape, self._rights.limits
        ids = msgspec.json.encode([row.id for row in rows])
        *_, written = await transaction.run(*self._write(rows), amounts_statement(self._records.entity).call({"ids": ids}))
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

    def _outcome(self) -> Outcome:
        status = self._status if self.batch.mode == "all" else 200
        return Outcome(status, {}, self.batch.body(_DONE[self._verb]))

    def _write(self, rows: list[Row]) -> list[Call]:
        write = self._insert if self._verb == "create" else self._change
        return [write(rows[start : start + SLICE]) for start in range(0, len(rows), SLICE)]

    def _insert(self, rows: list[Row]) -> Call:
        about = b",".join(b'{"entity_id":"%b","after":%b}' % (row.id.encode(), row.audited) for row in rows)
        audit = self._values["audit"] + b'"count":%d,"items":[%b]}' % (len(rows), about)
        return insert_statement(self._records.entity).call({**self._values, "rows": _array(rows), "audit": audit})

    def _change(self, rows: list[Row]) -> Call:
        return change_statement(self._records.entity, self._names).call({**self._values, "rows": _array(rows)})

    def _kept(self, outcome: Outcome) -> list[Call]:
        if self._key is None:
            return []
        return [(KEEP, [*self._key.arguments(self._caller.actor), b"%d" % outcome.status, outcome.body])]


def _array(rows: list[Row]) -> bytes:
    return b"[" + b",".join(row.sent for row in rows) + b"]"
