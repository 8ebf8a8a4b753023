"""REST of reports: `GET …/reports/{name}`, as JSON that the database builds, as CSV, as a workbook, or as pages."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncGenerator
from typing import IO, Any, Final

import msgspec
import sqlalchemy as sa

from nexus.core.message import Answer
from nexus.core.problem import Forbidden, Invalid
from nexus.engines.oltp import DatabaseError, Row
from nexus.surfaces.calling import Host
from nexus.surfaces.printing import MOST_ROWS, Facts, printed
from nexus.surfaces.refusals import problem_of
from nexus.surfaces.rest.message import JSON, Header, Request, Response, tag_of
from nexus.surfaces.spreadsheets import MEDIA, Format, Kind, Workbook, asked_format, csv_rows, kinds_of, text_rows
from nexus.surfaces.sql import call
from nexus.surfaces.wire import field_error

_BLOCK: Final = 1 << 18
_AT_ONCE: Final = 2
"""Reports that are set into pages at the same time: each takes a processor."""
VARY: Final[Header] = (b"vary", b"accept")


class Report:
    """The endpoint of one query: its parameters are the query string, its answer is built by the database."""

    def __init__(self, host: Host, answer: Answer, service: str) -> None:
        self._host = host
        self.answer = answer
        self._service = service
        self._turn = asyncio.Semaphore(_AT_ONCE)

    async def __call__(self, request: Request, raw_id: str | None = None) -> Response:
        """The rows as `format=` or the Accept header asks for them: JSON, or else a file."""
        rights = request.caller.rights
        assert rights is not None, "a request always has rights"
        if not rights.allow(self.answer.needs):
            raise Forbidden(permission=self.answer.needs)
        given = request.parameters("format", *self.answer.query.__struct_fields__)
        form = asked_format(given.pop("format", None), request.headers.get(b"accept", b""))
        question = self._question(given)
        select = self.answer.select(question, rights)
        if form == "pdf":
            return await self._pages(request, select, Facts(self._service, question, rights))
        return await (self._json(request, select) if form == "json" else self._file(request, select, form))

    async def _json(self, request: Request, select: Any) -> Response:
        rows = sa.func.coalesce(sa.func.json_agg(sa.literal_column("x")), sa.literal_column("'[]'::json"))
        statement = call(sa.select(rows).select_from(select.subquery("x")), request.caller.values())
        try:
            (result,) = await self._host.oltp(request.caller.cell).run(request.caller.schema, statement, lane="slow")
        except DatabaseError as error:
            raise problem_of(error) or error from error
        body = b'{"items":' + (result.rows[0][0] or b"[]") + b"}"
        return Response(200, body, [JSON, tag_of(body), VARY])

    async def _pages(self, request: Request, select: Any, facts: Facts) -> Response:
        caller, kinds = request.caller, kinds_of(select)
        rows = text_rows(select, kinds).limit(MOST_ROWS + 1)
        try:
            found, *named = await self._host.oltp(caller.cell).run(
                caller.schema, *[call(rows, caller.values()), *facts.calls(caller.values())], lane="slow"
            )
        except DatabaseError as error:
            raise problem_of(error) or error from error
        said = facts.named([one.rows for one in named])
        async with self._turn:
            body = await asyncio.to_thread(printed, self.answer.name, caller.tenant.name, said, select, kinds, found.rows)
        return Response(200, body, [_type("pdf"), self._named("pdf"), VARY])

    async def _file(self, request: Request, select: Any, form: Format) -> Response:
        kinds = kinds_of(select)
        rows = csv_rows(select, kinds) if form == "csv" else text_rows(select, kinds)
        pages = self._host.oltp(request.caller.cell).stream(request.caller.schema, call(rows, request.caller.values()))
        try:
            first = await anext(pages, None)
        except DatabaseError as error:
            raise problem_of(error) or error from error
        if form == "csv":
            stream = _csv(",".join(kinds).encode(), first, pages)
        else:
            stream = _blocks(await _workbook(self.answer.name, kinds, first, pages))
        return Response(200, b"", [_type(form), self._named(form), VARY], stream)

    def _named(self, form: Format) -> Header:
        how = "inline" if form == "pdf" else "attachment"
        return (b"content-disposition", f'{how}; filename="{self.answer.name}.{form}"'.encode())

    def _question(self, given: dict[str, str]) -> Any:
        try:
            return msgspec.convert(given, self.answer.query, strict=False)
        except msgspec.ValidationError as error:
            raise Invalid.of(field_error(error, self.answer.query)) from None


def _type(form: Format) -> Header:
    media = next(name for name, known in MEDIA.items() if known == form)
    return (b"content-type", (media + ("; charset=utf-8; header=present" if form == "csv" else "")).encode())


async def _csv(header: bytes, page: list[Row] | None, pages: AsyncGenerator[list[Row]]) -> AsyncGenerator[bytes]:
    try:
        yield header + b"\r\n"
        while page:
            yield b"".join([(row[0] or b"") + b"\r\n" for row in page])
            page = await anext(pages, None)
    finally:
        await pages.aclose()


async def _workbook(name: str, kinds: dict[str, Kind], page: list[Row] | None, pages: AsyncGenerator[list[Row]]) -> IO[bytes]:
    """A file with all rows, from its beginning. It is written beside the event loop."""
    file = tempfile.TemporaryFile()  # noqa: SIM115 - whoever sends it closes it
    book = Workbook(file, name, kinds)
    try:
        try:
            while page:
                await asyncio.to_thread(book.write, page)
                page = await anext(pages, None)
        finally:
            await pages.aclose()
            await asyncio.to_thread(book.close)  # also where it failed: its own files are gone then
    except BaseException:
        file.close()
        raise
    file.seek(0)
    return file


async def _blocks(file: IO[bytes]) -> AsyncGenerator[bytes]:
    with file:
        while block := await asyncio.to_thread(file.read, _BLOCK):
            yield block
