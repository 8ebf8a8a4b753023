"""REST of imports: `POST …/import`, `GET …/imports`, `…/imports/{id}`, `…/rows`, `POST …/resume` and `…/undo`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final
from uuid import UUID

import msgspec

from nexus.core.entity import Entity
from nexus.core.ids import uuid7
from nexus.core.problem import Conflict, FieldError, Invalid, KeyReused, NotFound
from nexus.engines.oltp import Statement, UniqueViolation
from nexus.surfaces.calling import Host
from nexus.surfaces.imports import job, undo
from nexus.surfaces.imports.asked import PARAMETERS, Asked, asked
from nexus.surfaces.imports.columns import Columns, columns
from nexus.surfaces.imports.job import Job, Place
from nexus.surfaces.imports.reading import Csv, Ndjson, Reader
from nexus.surfaces.imports.rows import Converter
from nexus.surfaces.imports.source import Source
from nexus.surfaces.permissions import Rights
from nexus.surfaces.rest.message import JSON, Header, Request, Response
from nexus.surfaces.shapes import shape_of
from nexus.surfaces.sql import encode

NDJSON: Final[Header] = (b"content-type", b"application/x-ndjson")
OUTCOMES: Final = ("created", "updated", "unchanged", "duplicate", "failed", "alike", "kept")
PAGE: Final = 2_000

_ROWS: Final = Statement(
    """SELECT json_strip_nulls(json_build_object('row', r.row_no, 'outcome', r.outcome, 'id', r.record_id, 'same_by', r.same_key,
        'same_as', coalesce(r.same_as, first.record_id), 'same_row', r.same_row, 'undo', r.undone, 'errors', r.errors)), r.row_no
    FROM {s}.nexus_import_row r LEFT JOIN {s}.nexus_import_row first ON first.import_id = r.import_id AND first.row_no = r.same_row
    WHERE r.import_id = $1 AND r.row_no > $2 AND ($3::text IS NULL OR r.outcome = $3
        OR ($3 = 'alike' AND r.outcome = 'created' AND r.same_key IS NOT NULL) OR ($3 = 'kept' AND r.undone = 'changed'))
    ORDER BY r.row_no LIMIT $4"""
)


class Imports:
    """The endpoints of one entity's imports."""

    def __init__(self, host: Host, entity: type[Entity], *, creatable: bool) -> None:
        self._host = host
        self.entity = entity
        self.shape = shape_of(entity)
        self._creatable = creatable

    def _rights(self, request: Request, *verbs: str) -> Rights:
        rights = request.caller.rights
        assert rights is not None, "a request always has rights"
        for verb in ("import", *verbs):
            rights.need(f"{self.shape.name}:{verb}")
        return rights

    def _may(self, request: Request, wanted: Asked) -> None:
        """Forbidden (403) unless the caller may do by hand what the import does."""
        if wanted.mode != "create":
            if not self.entity.editable:
                raise Invalid.of(FieldError("mode", f"{self.shape.name} is not changed by imports"))
            self._rights(request, "read", "update")
        if wanted.mode != "update":
            if not self._creatable:
                raise Invalid.of(FieldError("mode", f"{self.shape.name} is made by a command of its own, not by imports; use mode=update"))
            self._rights(request, "create")

    async def start(self, request: Request) -> Response:
        """Take a file in. The answer comes when the whole file is done; a key makes the request safe to send again."""
        rights = self._rights(request)
        kind = request.headers.get(b"content-type", b"").decode("latin-1")
        wanted = asked(self.shape, rights, kind, request.parameters(*PARAMETERS, lists=("map",)))
        self._may(request, wanted)
        if (known := await self._known(request, wanted)) is not None:
            return known
        reader, found = await self._open(request, wanted)
        id, runner = uuid7(), job.new_runner()
        caller = request.caller
        arguments = [encode(id), self.shape.name.encode(), msgspec.json.encode(wanted), encode(wanted.dry_run), encode(runner)]
        arguments += [_key(request), encode(caller.actor.id), encode(reader.last)]
        try:
            await self._host.oltp(caller.cell).run(caller.schema, (job.START, arguments))
        except UniqueViolation:
            if (known := await self._known(request, wanted)) is not None:
                return known
            raise
        return await self._work(request, id, runner, wanted, reader, found, Place(reader.source.position, "", reader.last, reader.last, []))

    async def _known(self, request: Request, wanted: Asked) -> Response | None:
        """The import that the request's key stands for already."""
        if (key := _key(request)) is None:
            return None
        caller = request.caller
        by = encode(caller.actor.id)
        arguments = [key, by, self.shape.name.encode(), msgspec.json.encode(wanted)]
        mine, other = await self._host.oltp(caller.cell).run(caller.schema, (job.BY_KEY, arguments), (_USED, [key, by]))
        if not mine.rows:
            if other.rows:
                raise KeyReused(key=key.decode(), reason="")
            return None
        shown, state = mine.rows[0]
        if state in (b"running", b"interrupted", b"stopped"):
            place = f"{request.path}s/{msgspec.json.decode(shown or b'')['id']}"
            raise Conflict(reason=f"This import was begun and is not finished: see {place}, and send the file to {place}/resume.")
        return Response(200, shown or b"", [JSON, (b"idempotency-replayed", b"true")])

    async def _open(self, request: Request, wanted: Asked) -> tuple[Reader, Columns | None]:
        assert request.chunks is not None, "an import's body is a stream"
        source = Source(request.chunks())
        if wanted.format == "ndjson":
            reader = Reader(source, Ndjson())
            await reader.begin(False)
            return reader, None
        reader = Reader(source, Csv(wanted.delimiter, wanted.encoding))
        return reader, columns(self.shape, await reader.begin(True), wanted)

    async def _work(
        self, request: Request, id: UUID, runner: UUID, wanted: Asked, reader: Reader, found: Columns | None, place: Place
    ) -> Response:
        caller = request.caller
        assert caller.rights is not None, "a request always has rights"
        hidden = caller.rights.hidden(self.entity)
        if wanted.mode != "create":  # what only some records show, a file cannot change: it does not say of each whether it may
            hidden |= caller.rights.masks(self.entity).keys()
        converter = Converter(self.entity, wanted, found, hidden, caller.tenant.country)
        shown = await Job(self._host, caller, self.entity, id, runner, wanted, request.correlation).run(reader, converter, place)
        location = f"/api/v1/{self.shape.service}/{self.shape.path}/imports/{id}"
        return Response(200, shown, [JSON, (b"location", location.encode())])

    async def resume(self, request: Request, raw_id: str) -> Response:
        """Go on with an import that was cut off: send the same file again; what is done is passed over."""
        self._rights(request)
        request.parameters()
        id, runner = self._id(raw_id), job.new_runner()
        taken = await job.take_over(self._host, request.caller, self.entity, id, runner)
        if taken is None:
            return await self.get(request, raw_id)
        wanted, place = taken
        self._may(request, wanted)
        reader, found = await self._open(request, wanted)
        if place.bytes > reader.source.position and not (await reader.source.skip(place.bytes) and reader.source.digest == place.digest):
            raise Conflict(reason=f"This is not the file that the import began with: its first {place.bytes:,} bytes are others.")
        reader.last = max(reader.last, place.records)
        return await self._work(request, id, runner, wanted, reader, found, place)

    async def get(self, request: Request, raw_id: str) -> Response:
        """How far an import has come, and what became of its rows."""
        self._rights(request)
        return Response(200, await job.status(self._host, request.caller, self.entity, self._id(raw_id)), [JSON])

    async def list(self, request: Request) -> Response:
        """The last fifty imports, the newest first."""
        self._rights(request)
        request.parameters()
        caller = request.caller
        (result,) = await self._host.oltp(caller.cell).run(caller.schema, (job.RECENT, [self.shape.name.encode()]))
        return Response(200, b'{"items":' + (result.rows[0][0] or b"[]") + b"}", [JSON])

    async def rows(self, request: Request, raw_id: str) -> Response:
        """What became of every row, as NDJSON; `?outcome=failed` for some of them."""
        self._rights(request)
        outcome = request.parameters("outcome").get("outcome")
        if outcome is not None and outcome not in OUTCOMES:
            raise Invalid.of(FieldError("outcome", f"is one of {', '.join(OUTCOMES)}, not {outcome!r}"))
        id = self._id(raw_id)
        await job.status(self._host, request.caller, self.entity, id)
        return Response(200, b"", [NDJSON], self._outcomes(request, id, outcome))

    async def _outcomes(self, request: Request, id: UUID, outcome: str | None) -> AsyncIterator[bytes]:
        caller, last = request.caller, b"0"
        while True:
            call = (_ROWS, [encode(id), last, encode(outcome), encode(PAGE)])
            (result,) = await self._host.oltp(caller.cell).run(caller.schema, call, lane="slow")
            if result.rows:
                yield b"".join([(row[0] or b"") + b"\n" for row in result.rows])
                last = result.rows[-1][1] or b"0"
            if len(result.rows) < PAGE:
                return

    async def undo(self, request: Request, raw_id: str) -> Response:
        """Take an import back: what it made goes, what it changed is as before, unless it was changed since."""
        removal = "delete" if self.entity.removal == "delete" else "archive"
        rights = self._rights(request, removal, *(["update"] if self.entity.editable else []))
        request.parameters()
        shown = await undo.undo(self._host, request.caller, rights, self.entity, self._id(raw_id), request.correlation)
        return Response(200, shown, [JSON])

    def _id(self, raw: str) -> UUID:
        try:
            return UUID(raw)
        except ValueError:
            raise NotFound(kind="import", id=raw) from None


_USED: Final = Statement("SELECT 1 FROM {s}.nexus_import WHERE key = $1 AND by IS NOT DISTINCT FROM $2")


def _key(request: Request) -> bytes | None:
    key = request.key()
    return None if key is None else key.value.encode()
