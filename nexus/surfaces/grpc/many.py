"""Many records in one call: a stream of what makes or changes them, answered once, as REST answers a batch."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

import msgspec

from nexus.core.problem import FieldError, Invalid, Malformed, TooLarge
from nexus.surfaces.bulk import MAX_ROWS
from nexus.surfaces.grpc.asks import Method
from nexus.surfaces.grpc.messages import Schema

PATIENCE: Final = 30.0
"""Seconds for which the next record is waited for."""


class _Row(msgspec.Struct):
    id: str | None = None
    version: int | None = None
    problem: Any = None


class _Done(msgspec.Struct):
    items: list[_Row]
    refused: int


_DONE: Final = msgspec.json.Decoder(_Done)


class Many:
    """The method that makes or changes many: its rows as a batch of REST's, and that one's answer as a message."""

    def __init__(self, schema: Schema, method: Method, limit: int) -> None:
        """`limit` is how many bytes all rows may have together."""
        self._method = method
        self._limit = limit
        self._gives = schema.codec("nexus.v1", "Written")
        self.name = f"{method.name}Many"

    async def body(self, requests: AsyncIterator[bytes], *, each: bool, overwrites: bool) -> bytes:
        """The batch. TooLarge (413), Malformed (400) and Invalid (422) say which row it is, `items[3]`."""
        rows, size, coming = list[bytes](), 0, aiter(requests)
        while (data := await _next(coming)) is not None:
            size += len(data)
            if len(rows) == MAX_ROWS:
                raise TooLarge(what="A batch", limit=f"{MAX_ROWS:,} rows; send several")
            if size > self._limit:
                raise TooLarge(what="A batch", limit=f"{self._limit:,} bytes; send several")
            rows.append(self._row(data, len(rows), overwrites))
        return b'{"items":[' + b",".join(rows) + b'],"mode":' + (b'"each"}' if each else b'"all"}')

    def _row(self, data: bytes, place: int, overwrites: bool) -> bytes:
        try:
            asked = self._method.ask(data)
            if self._method.operation.kind == "create":
                return asked.body
            if asked.version is None and not overwrites:
                raise Invalid.of(
                    FieldError("version", "is required: that which was read; the metadata if-match: * overwrites whatever is there")
                )
        except Invalid as error:
            raise Invalid.of(*(FieldError(f"items[{place}].{one.field}", one.message) for one in error.errors)) from None
        except Malformed as error:
            raise Malformed(reason=f"items[{place}]: {error.detail}") from None
        about = msgspec.json.encode({"id": asked.id, "version": asked.version})
        return about if asked.body == b"{}" else about[:-1] + b"," + asked.body[1:]

    def answer(self, body: bytes) -> bytes:
        """What was done, as a message: for each row its id and version, or the problem that refused it."""
        done = _DONE.decode(body)
        rows = [{"id": one.id, "version": one.version, "problem": one.problem and {"json": one.problem}} for one in done.items]
        said = {"written": len(rows) - done.refused, "refused": done.refused, "rows": rows}
        return self._gives.message(msgspec.json.encode(said)).SerializeToString()


async def _next(coming: AsyncIterator[bytes]) -> bytes | None:
    """The next row; None where there is none any more. Malformed (400) where it does not come."""
    try:
        async with asyncio.timeout(PATIENCE):
            return await anext(coming, None)
    except TimeoutError:
        raise Malformed(reason=f"The rows stopped coming for {PATIENCE:.0f} seconds.") from None
