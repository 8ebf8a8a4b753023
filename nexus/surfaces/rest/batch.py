"""A batch: the rows of a bulk request, each read for itself, and what is answered for them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal, cast
from uuid import UUID

import msgspec

from nexus.core.problem import AlreadyExists, Conflict, FieldError, Invalid, NotFound, PreconditionFailed, Problem, TooLarge
from nexus.surfaces.bulk import MAX_ROWS, SLICE
from nexus.surfaces.kept import kept
from nexus.surfaces.limits import OverLimit
from nexus.surfaces.permissions import Rights
from nexus.surfaces.rest.message import Progress
from nexus.surfaces.shapes import Shape
from nexus.surfaces.verdicts import Verdict, refusal, taken, unique_rules
from nexus.surfaces.wire import Wire, decode, exact_json

BREATH: Final = 100
"""Rows read in one go before others get their turn: requests, and the database, which writes meanwhile."""
SHOWN_ERRORS: Final = 100
"""Errors that one answer lists; the rest are counted."""
Mode = Literal["all", "each"]
Verb = Literal["create", "update"]
Take = Callable[["Batch", list["Row"]], Awaitable[None]]
"""What is done with rows that have just been read, and with their batch as it is so far."""


class Twice(Conflict):
    """This {kind} is in the request already: say all changes of it in one row."""

    kind: str
    reason: str = ""


@dataclass(slots=True)
class Row:
    """One row: what was read of it, and why it was refused."""

    problem: Problem | None = None
    id: str = ""
    expected: int | None = None
    """The version the caller has read, None for whatever is there."""
    version: int = 1
    """The one that the record has now."""
    names: tuple[str, ...] = ()
    sent: bytes = b""
    """As the statement takes it."""
    audited: bytes = b""
    """What audit keeps of a new one."""


@dataclass(slots=True)
class Batch:
    """The rows of a request. In mode `all` they are kept together or not at all, in mode `each` every one for itself."""

    mode: Mode
    rows: list[Row] = field(default_factory=list[Row])

    def good(self) -> list[Row]:
        return [row for row in self.rows if row.problem is None]

    def judge(self, shape: Shape, rows: Sequence[Row], verdicts: Sequence[Verdict], verb: Verb) -> None:
        """Take note of what the database says of these rows; of two that take the same value the first one may."""
        rules = unique_rules(shape.entity)
        takes: list[set[str]] = [set() for _ in rules]
        for row, verdict in zip(rows, verdicts, strict=True):
            row.problem = _wrong(shape, verdict) or (_stale(shape, row, verdict) if verb == "update" else None)
            mine = [(number, value) for number, value in enumerate(verdict.takes) if value is not None]
            if row.problem is None:
                twice = next((number for number, value in mine if value in takes[number]), None)
                row.problem = None if twice is None else taken(shape, rules[twice])
            if row.problem is None:
                row.version = 1 if verdict.version is None else verdict.version + 1
                for number, value in mine:
                    takes[number].add(value)

    def refuse(self) -> None:
        """In mode `all`, raise Invalid (422) that names every wrong row, `items[3].amount`."""
        if self.mode == "each":
            return
        errors = [error for place, row in enumerate(self.rows) if row.problem for error in _errors(place, row.problem)]
        if errors:
            raise Invalid(summary=Invalid.of(*errors).detail, errors=errors[:SHOWN_ERRORS])

    def body(self, done: str) -> bytes:
        """What is answered: how many were done and refused, and for each row its id and version, or its problem."""
        items = [_shown(place, row) for place, row in enumerate(self.rows)]
        good = len(self.good())
        return msgspec.json.encode({done: good, "refused": len(items) - good, "items": items}, enc_hook=str)


def _stale(shape: Shape, row: Row, verdict: Verdict) -> Problem | None:
    if verdict.version is None:
        return NotFound(kind=shape.title, id=row.id)
    if row.expected is not None and row.expected != verdict.version:
        return PreconditionFailed(kind=shape.title, now=verdict.version, expected=str(row.expected))
    return None


def _wrong(shape: Shape, verdict: Verdict) -> Problem | None:
    problems = [refusal(shape, wrong) for wrong in verdict.wrong]
    errors = [error for problem in problems if isinstance(problem, Invalid) for error in problem.errors]
    return Invalid.of(*errors) if errors else next(iter(problems), None)


def _errors(place: int, problem: Problem) -> list[FieldError]:
    """A row's problem as errors of the whole request."""
    here = f"items[{place}]"
    match problem:
        case Invalid():
            return [FieldError(f"{here}.{error.field}" if error.field else here, error.message) for error in problem.errors]
        case AlreadyExists():
            return [FieldError(f"{here}.{problem.field}", f"another {problem.kind} has this already")]
        case NotFound() | Twice():
            return [FieldError(f"{here}.id", problem.detail[:1].lower() + problem.detail[1:])]
        case PreconditionFailed():
            return [FieldError(f"{here}.version", f"is {problem.now} now: read it again and repeat the change on what it says")]
        case OverLimit():
            return [FieldError(f"{here}.{error.field}", error.message) for error in problem.errors]
        case _:
            return [FieldError(here, problem.detail)]


def _shown(place: int, row: Row) -> dict[str, Any]:
    if row.problem is None:
        return {"id": row.id, "version": row.version}
    problem = Invalid.of(*_errors(place, row.problem)) if isinstance(row.problem, Invalid) else row.problem
    return {"problem": problem.body()}


class _Body(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a bulk request, its rows unread."""

    items: list[msgspec.Raw]
    mode: Mode = "all"


_BODY: Final = msgspec.json.Decoder(_Body)


class Reader:
    """Reads bulk requests of one entity."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        shape = wire.shape
        options: dict[str, Any] = {"kw_only": True, "forbid_unknown_fields": True, "module": shape.entity.__module__}
        patch = [(one.name, one.type, one.default) for one in msgspec.structs.fields(wire.Patch)]
        change = msgspec.defstruct(
            f"{shape.entity.__name__}Change",
            [("id", UUID), ("version", int | None), *patch],
            namespace={"elsewhere": wire.elsewhere},
            **options,
        )
        self._change = msgspec.json.Decoder(change, float_hook=exact_json)
        self.Create = self._body("BulkCreate", wire.Create, options)
        """The type of a bulk create's body, for documents."""
        self.Change = self._body("BulkChange", change, options)

    def _body(self, name: str, item: Any, options: dict[str, Any]) -> Any:
        items = Annotated[list[item], msgspec.Meta(min_length=1, max_length=MAX_ROWS)]
        return msgspec.defstruct(f"{self._wire.shape.entity.__name__}{name}", [("items", items), ("mode", Mode, "all")], **options)

    async def read(
        self, body: bytes, verb: Verb, rights: Rights, country: str, progress: Progress | None = None, take: Take | None = None
    ) -> Batch:
        """The rows, each checked for itself. Malformed (400), TooLarge (413), Invalid (422) where there are none that could be."""
        given = decode(_BODY, body, parts=True)
        if not given.items:
            raise Invalid.of(FieldError("items", "is empty; there must be at least one"))
        if len(given.items) > MAX_ROWS:
            raise TooLarge(what=f"A batch of {len(given.items):,} rows", limit=f"{MAX_ROWS:,} rows; send several")
        batch, seen = Batch(given.mode), set[str]()
        for place, raw in enumerate(given.items, 1):
            batch.rows.append(row := self._row(bytes(raw), verb, rights, country))
            if verb == "update" and row.id:
                row.problem = Twice(kind=self._wire.shape.title) if row.id in seen else row.problem
                seen.add(row.id)
            if place % BREATH == 0:
                await asyncio.sleep(0)
            last = place == len(given.items)
            if take is not None and (last or place % SLICE == 0):
                await take(batch, batch.rows[(place - 1) // SLICE * SLICE :])
            if progress is not None and place % SLICE == 0 and not last:
                await progress(place, len(given.items))
        return batch

    def _row(self, raw: bytes, verb: Verb, rights: Rights, country: str) -> Row:
        row = Row()
        try:
            if verb == "create":
                record = decode(self._wire.create, raw)
            else:
                record = cast(Any, decode(self._change, raw))
                row.id, row.expected, row.names = str(record.id), record.version, self._wire.given(record)
            self._wire.refuse_hidden(rights, record)
            self._wire.normalise(record, country)
        except Problem as refused:
            row.problem = refused
            return row
        if verb == "create":
            row.id, row.sent = self._wire.row(record)
            row.audited = self._wire.audited(record)
        else:
            row.sent = msgspec.json.encode(record)
        return row


@kept
def reader_of(wire: Wire) -> Reader:
    """The reader of an entity, made on first use."""
    return Reader(wire)
