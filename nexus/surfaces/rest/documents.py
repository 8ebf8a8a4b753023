"""REST of documents: `GET …/{id}/document`, a file that one record is given out as."""

from __future__ import annotations

import asyncio
import re
from typing import Final

import sqlalchemy as sa

from nexus.core.document import Document
from nexus.core.problem import FieldError, Forbidden, Invalid, NotFound
from nexus.engines.oltp import DatabaseError
from nexus.surfaces.calling import Host
from nexus.surfaces.refusals import problem_of
from nexus.surfaces.rest.message import Request, Response, tag_of
from nexus.surfaces.rest.records import record_id
from nexus.surfaces.rest.reports import VARY
from nexus.surfaces.shapes import shape_of
from nexus.surfaces.sql import call

_AT_ONCE: Final = 2
"""Files of a kind that are made at the same time: each takes a processor."""
_UNSAFE: Final = re.compile(r"[^0-9A-Za-z._-]+")


class Papers:
    """The endpoint of one document."""

    def __init__(self, host: Host, document: Document) -> None:
        self._host = host
        self.document = document
        self._turn = asyncio.Semaphore(_AT_ONCE)

    async def __call__(self, request: Request, raw_id: str) -> Response:
        """The file as `format=` or the Accept header asks for it. Forbidden (403) to who is not shown all fields of the record: they are in it."""
        rights, one = request.caller.rights, self.document
        assert rights is not None, "a request always has rights"
        rights.need(one.needs)
        if rights.hidden(one.entity) or rights.masks(one.entity):
            raise Forbidden(permission=one.needs)
        shape = shape_of(one.entity)
        id = record_id(raw_id, shape)
        form = asked_form(one, request.parameters("format").get("format"), request.headers.get(b"accept", b""))
        whole: sa.ColumnElement[str] = sa.literal_column("row_to_json(x)")
        rows = sa.select(whole).select_from(one.select(id, rights).subquery("x"))
        try:
            (result,) = await self._host.oltp(request.caller.cell).run(request.caller.schema, call(rows, request.caller.values()))
        except DatabaseError as error:
            raise problem_of(error) or error from error
        if not result.rows:
            raise NotFound(kind=shape.title, id=raw_id)
        async with self._turn:
            file = await asyncio.to_thread(one.write, result.rows[0][0] or b"", form)
        name = f'inline; filename="{_UNSAFE.sub("-", file.name).strip("-")}.{one.forms[form].ending}"'
        tag = tag_of(file.body)
        if request.headers.get(b"if-none-match") == tag[1]:
            return Response(304, b"", [tag])
        return Response(
            200, file.body, [(b"content-type", one.forms[form].media.encode()), (b"content-disposition", name.encode()), tag, VARY]
        )


def asked_form(document: Document, given: str | None, accept: bytes) -> str:
    """The form that `format=` names, or else that of the first media type of the Accept header that is known. Invalid (422) names `format`."""
    if given is not None:
        if given not in document.forms:
            raise Invalid.of(FieldError("format", f"is one of {', '.join(document.forms)}, not {given!r}"))
        return given
    by_media = {form.media: name for name, form in reversed(list(document.forms.items()))}
    wanted = [one.partition(";")[0].strip() for one in accept.decode("ascii", "replace").lower().split(",")]
    return next((by_media[one] for one in wanted if one in by_media), next(iter(document.forms)))
