"""A whole import: its batches in order, each done once; cut off, it is resumed where it was."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import msgspec

from nexus.core.entity import Entity
from nexus.core.ids import uuid7
from nexus.core.problem import Conflict, FieldError, Invalid, NotFound
from nexus.engines.oltp import Call, Cancelled, DatabaseError, Result, Statement, Timeout, Unavailable
from nexus.surfaces.calling import Caller, Host
from nexus.surfaces.imports.asked import Asked
from nexus.surfaces.imports.case import Case
from nexus.surfaces.imports.reading import Batch, Reader
from nexus.surfaces.imports.rows import Converter, Rows
from nexus.surfaces.imports.statement import batch_statement
from nexus.surfaces.refusals import problem_of
from nexus.surfaces.shapes import shape_of
from nexus.surfaces.sql import encode

ATTEMPTS: Final = 4

_SHOWN: Final = """json_build_object('id', id, 'entity', entity, 'state', state, 'dry_run', dry_run, 'mode', asked::json ->> 'mode',
    'rows', created + updated + unchanged + duplicate + failed, 'created', created, 'updated', updated, 'unchanged', unchanged,
    'duplicates', duplicate, 'failed', failed, 'alike', alike, 'undone', undone, 'kept', kept, 'ignored', ignored::json,
    'stopped_by', stopped_by::json, 'last_row', done_rows, 'bytes', done_bytes, 'by', by, 'started_at', started_at, 'progress_at', progress_at,
    'ended_at', ended_at)"""

START: Final = Statement(
    f"""INSERT INTO {{s}}.nexus_import (id, entity, asked, dry_run, state, runner, key, by, done_rows, done_records)
    VALUES ($1, $2, $3, $4, 'running', $5, $6, $7, $8, $8) RETURNING {_SHOWN}"""
)
STATUS: Final = Statement(f"SELECT {_SHOWN} FROM {{s}}.nexus_import WHERE id = $1 AND entity = $2 AND state <> 'forgotten'")
RECENT: Final = Statement(
    f"""SELECT coalesce(json_agg(x.shown), '[]') FROM (SELECT {_SHOWN} AS shown FROM {{s}}.nexus_import WHERE entity = $1 AND state <> 'forgotten'
    ORDER BY id DESC LIMIT 50) x"""
)
BY_KEY: Final = Statement(
    f"SELECT {_SHOWN}, state FROM {{s}}.nexus_import WHERE key = $1 AND by IS NOT DISTINCT FROM $2 AND entity = $3 AND asked = $4"
)
_TAKE_OVER: Final = Statement(
    """UPDATE {s}.nexus_import SET runner = $3, state = 'running', stopped_by = NULL, ended_at = NULL WHERE id = $1 AND entity = $2
    AND state IN ('running', 'interrupted', 'stopped') RETURNING asked, done_bytes, done_digest, done_records, done_rows, ignored"""
)
_END: Final = Statement(
    f"""WITH ended AS (UPDATE {{s}}.nexus_import SET state = $3, stopped_by = $4, ended_at = clock_timestamp(), progress_at = clock_timestamp()
    WHERE id = $1 AND runner = $2 AND state = 'running' RETURNING *),
    forgotten AS (DELETE FROM {{s}}.nexus_import_key WHERE import_id = $1 AND $3 = 'done') SELECT {_SHOWN} FROM ended"""
)
_WHERE: Final = Statement("SELECT done_rows FROM {s}.nexus_import WHERE id = $1 AND runner = $2")


@dataclass(slots=True)
class Place:
    """How far an import has come."""

    bytes: int
    digest: str
    records: int
    """The number of the record that ends there."""
    rows: int
    """The last row that is done: beyond `records` where a batch was done in part."""
    ignored: list[str]


async def take_over(host: Host, caller: Caller, entity: type[Entity], id: UUID, runner: UUID) -> tuple[Asked, Place] | None:
    """Make an unfinished import this request's; whoever had it before can do nothing more. None where it is finished."""
    arguments = [encode(id), shape_of(entity).name.encode(), encode(runner)]
    (result,) = await host.oltp(caller.cell).run(caller.schema, (_TAKE_OVER, arguments))
    if not result.rows:
        await status(host, caller, entity, id)
        return None
    asked, size, digest, records, rows, ignored = result.rows[0]
    place = Place(int(size or 0), (digest or b"").decode(), int(records or 0), int(rows or 0), msgspec.json.decode(ignored or b"[]"))
    return msgspec.json.decode(asked or b"", type=Asked), place


async def status(host: Host, caller: Caller, entity: type[Entity], id: UUID) -> bytes:
    """An import as JSON. NotFound (404) where there is none of this entity."""
    (result,) = await host.oltp(caller.cell).run(caller.schema, (STATUS, [encode(id), shape_of(entity).name.encode()]))
    if not result.rows:
        raise NotFound(kind="import", id=str(id))
    return result.rows[0][0] or b""


class Lost(Conflict):
    """{reason}"""


class Job:
    """One request's work on an import."""

    def __init__(self, host: Host, caller: Caller, entity: type[Entity], id: UUID, runner: UUID, asked: Asked, correlation: str) -> None:
        assert caller.rights is not None, "a request always has rights"
        self._host = host
        self._caller = caller
        self._id = id
        self._runner = runner
        self._asked = asked
        shape = shape_of(entity)
        case = Case(entity, caller.rights, asked.mode, asked.match if asked.mode != "create" else "id", asked.dedupe, asked.dry_run)
        self._statements = {ids: batch_statement(dataclasses.replace(case, ids=ids)) for ids in (False, True)}
        self._cause = dataclasses.replace(caller.cause(correlation, str(id)), extra={"import": str(id)})
        self._values: dict[str, Any] = {
            "import": id,
            "runner": runner,
            "tag": f"import:{id}" if asked.tag else None,
            "source": asked.source,
            "audit": self._cause.audit_head(f"{shape.name}:import", shape.name),
            "event_created": self._cause.event_head(f"{shape.name}.created"),
            "event_updated": self._cause.event_head(f"{shape.name}.updated"),
            **caller.values(),
        }

    async def run(self, reader: Reader, converter: Converter, place: Place) -> bytes:
        """Everything from the reader's place on. Answers the import as JSON; raises Malformed where the body ends too early, Conflict where
        another request has taken the import over. What was done by then stays done."""
        try:
            stopped = await self._batches(reader, converter, place)
        except (Lost, Invalid):
            raise
        except BaseException:
            with contextlib.suppress(DatabaseError, Unavailable, Timeout):
                await asyncio.shield(self._end("interrupted", None))
            raise
        return await self._end("stopped" if stopped else "done", stopped)

    async def _batches(self, reader: Reader, converter: Converter, place: Place) -> bytes | None:
        """While the database takes one batch, the next is read and checked. Answers the row that stopped it."""
        pending: asyncio.Task[bytes | None] | None = None
        try:
            async for batch in reader.batches():
                if batch.last <= place.rows and batch.last <= place.records:
                    continue
                batch.records = [record for record in batch.records if record[0] > place.rows]
                rows = await converter.rows(batch.records)
                place.ignored = sorted({*place.ignored, *converter.ignored})
                if pending is not None and (stopped := await pending) is not None:
                    pending = None
                    return stopped
                pending = asyncio.create_task(self._batch(batch, rows, place))
            return await pending if pending is not None else None
        finally:
            if pending is not None and not pending.done():
                await asyncio.wait([pending])

    async def _batch(self, batch: Batch, rows: Rows, place: Place) -> bytes | None:
        """One batch, whole or up to the row that stops the import."""
        stopped: bytes | None = None
        if self._asked.on_error == "stop" and rows.bad:
            number, errors = rows.bad[0]
            stopped = msgspec.json.encode({"row": number, "errors": errors})
            rows = Rows([row for row in rows.good if row[0] < number], [], rows.ids)
            return await self._part(rows, place, number - 1, None) or stopped
        return await self._part(rows, place, batch.last, batch)

    async def _part(self, rows: Rows, place: Place, last: int, batch: Batch | None) -> bytes | None:
        """Rows up to a number; in halves where the database refuses them for a reason that the statement does not know of."""
        if last <= place.rows:
            return None
        try:
            failed = await self._apply(rows, place, last, batch)
        except DatabaseError as error:
            refusal = problem_of(error)
            if refusal is None or isinstance(error, Cancelled):
                raise
            return await self._halves(rows, place, last, batch, refusal)
        if failed is None:
            return None
        number: int = msgspec.json.decode(failed)["row"]
        await self._part(Rows([row for row in rows.good if row[0] < number], [], rows.ids), place, number - 1, None)
        return failed

    async def _halves(self, rows: Rows, place: Place, last: int, batch: Batch | None, refusal: Any) -> bytes | None:
        if len(rows.good) == 1:
            errors = refusal.errors if isinstance(refusal, Invalid) else [FieldError(refusal.facts.get("field", ""), refusal.detail)]
            if self._asked.on_error == "stop":
                return msgspec.json.encode({"row": rows.good[0][0], "errors": errors})
            return await self._part(Rows([], [*rows.bad, (rows.good[0][0], errors)], rows.ids), place, last, batch)
        middle = rows.good[(len(rows.good) - 1) // 2][0]
        first = Rows([row for row in rows.good if row[0] <= middle], [row for row in rows.bad if row[0] <= middle], rows.ids)
        second = Rows([row for row in rows.good if row[0] > middle], [row for row in rows.bad if row[0] > middle], rows.ids)
        return await self._part(first, place, middle, None) or await self._part(second, place, last, batch)

    async def _apply(self, rows: Rows, place: Place, last: int, batch: Batch | None) -> bytes | None:
        """Run the statement. Answers the first failed row where it kept the rest from being done; raises Lost where the import is another's."""
        position = (place.bytes, place.digest, place.records) if batch is None else (batch.position, batch.digest, batch.last)
        bad = [{"n": number, "errors": errors} for number, errors in rows.bad]
        values = self._values | {
            "from": place.rows,
            "to": last,
            "bytes": position[0],
            "digest": position[1],
            "records": position[2],
            "rows": b"[" + b",".join([row for _, row in rows.good]) + b"]",
            "bad": msgspec.json.encode(bad),
            "stop": self._asked.on_error == "stop",
            "ignored": msgspec.json.encode(place.ignored),
        }
        held, done, failed = (await self._ask(self._statements[rows.ids].call(values), last)).rows[0]
        if held == b"0":
            raise Lost(reason="The import was taken over by another request, which goes on with it.")
        if done == b"0":
            return failed
        place.bytes, place.digest, place.records = position
        place.rows = last
        self._host.wake(self._caller.cell)
        return None

    async def _ask(self, call: Call, last: int) -> Result:
        """The statement, again where that cannot do harm: it does nothing unless the import is still where the batch begins."""
        oltp = self._host.oltp(self._caller.cell)
        for attempt in range(ATTEMPTS):
            try:
                (result,) = await oltp.run(self._caller.schema, call, lane="slow")
            except Unavailable:
                if attempt == ATTEMPTS - 1:
                    raise
                await asyncio.sleep(0.1 * 2**attempt)
            except DatabaseError as error:
                # 40001, 40P01 and a key that another took since the statement looked: the second look sees it
                if attempt == ATTEMPTS - 1 or error.sqlstate not in ("40001", "40P01", "23505", "23503"):
                    raise
            else:
                if result.rows[0][0] == b"0" and attempt and await self._arrived(last):
                    result.rows[0] = (b"1", b"1", None)
                return result
        raise AssertionError("unreachable")

    async def _arrived(self, last: int) -> bool:
        """Whether a batch whose answer was lost has been done."""
        (result,) = await self._host.oltp(self._caller.cell).run(self._caller.schema, (_WHERE, [encode(self._id), encode(self._runner)]))
        return bool(result.rows) and int(result.rows[0][0] or 0) == last

    async def _end(self, state: str, stopped_by: bytes | None) -> bytes:
        call = (_END, [encode(self._id), encode(self._runner), state.encode(), stopped_by])
        (result,) = await self._host.oltp(self._caller.cell).run(self._caller.schema, call)
        if not result.rows:
            raise Lost(reason="The import was taken over by another request, which goes on with it.")
        return result.rows[0][0] or b""


def new_runner() -> UUID:
    """What tells one request's work on an import from another's."""
    return uuid7()
