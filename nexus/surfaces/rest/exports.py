"""REST of exports: `GET …/export`, a stream of all records that the caller sees."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any, Final

import msgspec

from nexus.core.entity import Entity
from nexus.engines.oltp import Call, DatabaseError, Row
from nexus.surfaces import journal
from nexus.surfaces.calling import Host
from nexus.surfaces.exports import export_request, export_statement, header
from nexus.surfaces.reads import disclosed
from nexus.surfaces.refusals import problem_of
from nexus.surfaces.rest.message import Header, Request, Response
from nexus.surfaces.shapes import shape_of

TYPES: Final[dict[str, Header]] = {
    "ndjson": (b"content-type", b"application/x-ndjson"),
    "csv": (b"content-type", b"text/csv; charset=utf-8; header=present"),
}
LINE_ENDS: Final = {"ndjson": b"\n", "csv": b"\r\n"}


class Exports:
    """The export of one entity."""

    def __init__(self, host: Host, entity: type[Entity]) -> None:
        self._host = host
        self.entity = entity
        self.shape = shape_of(entity)

    async def __call__(self, request: Request) -> Response:
        """All records that the list would show, page after page, as they are at one moment; `format=csv` for a table."""
        rights, caller = request.caller.rights, request.caller
        assert rights is not None, "a request always has rights"
        rights.need(f"{self.shape.name}:export")
        rights.need(f"{self.shape.name}:read")
        wanted, form, escape = export_request(self.shape, rights, request.pairs())
        one = export_statement(self.shape, rights, wanted, form, escape)
        call = one.call({**wanted.values, **caller.values()})
        shown = disclosed(self.shape, rights, wanted.fields, ())
        await self._host.oltp(caller.cell).run(caller.schema, self._disclosed(request, form, shown))
        self._host.wake(caller.cell)
        pages = self._host.oltp(caller.cell).stream(caller.schema, call)
        try:
            first = await anext(pages, None)
        except DatabaseError as error:
            raise problem_of(error, wanted.given_as(one.names)) or error from error
        begin = header(self.shape, wanted) if form == "csv" else b""
        name = b'attachment; filename="%s.%s"' % (self.shape.path.encode(), form.encode())
        return Response(200, b"", [TYPES[form], (b"content-disposition", name)], _lines(begin, first, pages, LINE_ENDS[form]))

    def _disclosed(self, request: Request, form: str, sensitive: list[str]) -> Call:
        """The journal row that says who took what out."""
        head = request.caller.cause(request.correlation).audit_head(f"{self.shape.name}:export", self.shape.name)
        about: dict[str, Any] = {"format": form, "query": request.query.decode("ascii", "replace")}
        if sensitive:
            about["fields"] = sensitive
        return journal.INSERT, [head + msgspec.json.encode(about)[1:], None]


async def _lines(begin: bytes, page: list[Row] | None, pages: AsyncGenerator[list[Row]], end: bytes) -> AsyncGenerator[bytes]:
    try:
        if begin:
            yield begin
        while page:
            yield b"".join([(row[0] or b"") + end for row in page])
            page = await anext(pages, None)
    finally:
        await pages.aclose()
