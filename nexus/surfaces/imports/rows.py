"""Records as checked rows of the statement: types by msgspec, one pass per record, the JSON text made once."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast
from uuid import UUID

import msgspec

from nexus.core.entity import Entity
from nexus.core.ids import uuid7
from nexus.core.problem import FieldError, Invalid
from nexus.surfaces.imports.asked import Asked
from nexus.surfaces.imports.columns import Columns
from nexus.surfaces.imports.reading import Bad, Record
from nexus.surfaces.kept import kept
from nexus.surfaces.shapes import shape_of
from nexus.surfaces.wire import exact_json, field_error, wire_of

UNSET: Final = msgspec.UNSET
_NUL: Final = b"\\u0000"
_SLICE: Final = 250
"""Records between two breaths, so that other requests are not kept waiting."""


@dataclass(slots=True)
class Rows:
    """What one batch becomes: rows for the statement, and the records that never get there."""

    good: list[tuple[int, bytes]] = field(default_factory=list[tuple[int, bytes]])
    bad: list[tuple[int, list[FieldError]]] = field(default_factory=list[tuple[int, list[FieldError]]])
    ids: bool = False
    """Whether a row brings its own id."""


class Types:
    """The record of one entity as a file may give it: what create and patch take, the id, and what only the system sets, which is ignored."""

    def __init__(self, entity: type[Entity]) -> None:
        shape = shape_of(entity)
        wire = wire_of(entity)
        self.wire = wire
        self.system = tuple(name for name, known in shape.fields.items() if not known.writable and name != "id")
        more: list[Any] = [("id", UUID | msgspec.UnsetType, UNSET), *((name, Any, UNSET) for name in self.system)]
        options: dict[str, Any] = {"kw_only": True, "forbid_unknown_fields": True, "module": entity.__module__}
        self.Create = msgspec.defstruct(f"{entity.__name__}ImportCreate", more, bases=(wire.Create,), **options)
        self.once = tuple(known.name for known in shape.writable if not known.patchable)
        """What a record is made with: of one that is there already an import leaves it as it is."""
        more += [(name, Any, UNSET) for name in self.once]
        self.Patch = msgspec.defstruct(f"{entity.__name__}ImportPatch", more, bases=(wire.Patch,), **options)
        self.create = msgspec.json.Decoder(self.Create, float_hook=exact_json)
        self.patch = msgspec.json.Decoder(self.Patch, float_hook=exact_json)
        self.given = tuple(known.name for known in shape.writable)
        fixed = {
            known.name: known.default() for known in shape.initial if not known.writable and known.default is not ... and known.name != "id"
        }
        self.fixed = b"".join(b"," + one for one in [msgspec.json.encode(fixed)[1:-1]] if one)


@kept
def types_of(entity: type[Entity]) -> Types:
    """The import types of an entity, made on first use."""
    return Types(entity)


class Converter:
    """Makes rows of the records of one import."""

    def __init__(self, entity: type[Entity], asked: Asked, columns: Columns | None, hidden: frozenset[str], country: str) -> None:
        self._types = types_of(entity)
        self._asked = asked
        self._columns = columns
        self._hidden = tuple(name for name in self._types.given if name in hidden)
        self._country = country
        self._match = asked.match if asked.mode != "create" else ""
        self.ignored: set[str] = set(columns.ignored) if columns else set()
        """Fields that the file gives and only the system sets."""

    async def rows(self, records: list[Record]) -> Rows:
        """Check every record; one that does not fit is in `bad` and spoils no other."""
        made = Rows()
        for begin in range(0, len(records), _SLICE):
            for number, record in records[begin : begin + _SLICE]:
                try:
                    row, own = self._row(number, record)
                    made.good.append((number, row))
                    made.ids = made.ids or own
                except Invalid as error:
                    made.bad.append((number, error.errors))
            await asyncio.sleep(0)
        return made

    def _row(self, number: int, record: Any) -> tuple[bytes, bool]:
        if isinstance(record, Bad):
            raise Invalid.of(record.error)
        given = self._read(record, patch=True) if self._asked.mode != "create" else None
        if self._asked.mode == "update":
            return self._encode(number, given, given, b"")
        try:
            whole = self._read(record, patch=False)
        except Invalid as error:
            if given is None or any(one.message != "is required" for one in error.errors):
                raise
            return self._encode(number, given, given, b',"lacks":' + msgspec.json.encode(error.errors[0].field))
        return self._encode(number, whole, given, b"")

    def _read(self, record: Any, *, patch: bool) -> Any:
        """The record as the entity's type: from JSON, from cells, or from JSON whose members are called otherwise."""
        types = self._types
        kind = types.Patch if patch else types.Create
        try:
            if isinstance(record, list):
                return self._cells(cast("list[str]", record), kind)
            if self._asked.map:
                members = msgspec.json.decode(record, type=dict[str, Any])
                return msgspec.convert(_renamed(members, self._asked.map), kind)
            return (types.patch if patch else types.create).decode(record)
        except msgspec.ValidationError as error:
            raise Invalid.of(field_error(error, kind)) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Invalid.of(FieldError("", f"is not a JSON object in UTF-8: {error}")) from None

    def _cells(self, cells: list[str], kind: Any) -> Any:
        assert self._columns is not None, "cells come from CSV, which has a header"
        members = self._columns.read(cells, self._asked.empty == "null")
        if isinstance(members, FieldError):
            raise Invalid.of(members)
        return msgspec.convert(members, kind, strict=False)

    def _encode(self, number: int, record: Any, given: Any, more: bytes) -> tuple[bytes, bool]:
        """The row as the statement takes it (its number, its id, the fields, in `g` which of them the file gave), and whether the id is the file's."""
        self._settle(record)
        if given is not None and given is not record:
            self._settle(given)
        fixed = self._types.fixed if given is not record else b""
        parts = [b'{"n":%d' % number, more]
        own = record.id is not UNSET
        if not own:
            parts.append(b',"id":"%s"' % str(uuid7()).encode() if given is not record else b"")
        if given is not None:
            parts.append(b',"g":"%s"' % "".join(["0" if getattr(given, name) is UNSET else "1" for name in self._types.given]).encode())
            parts.append(self._sought(given))
        body = msgspec.json.encode(record)[1:-1]
        row = b"".join((*parts, fixed, b"," + body if body else b"", b"}"))
        if _NUL in row and _holds_nul(msgspec.json.decode(body.join((b"{", b"}")))):
            raise Invalid.of(FieldError(_nul_field(record), "text cannot hold the character U+0000; leave it out"))
        return row, own

    def _settle(self, record: Any) -> None:
        """What the system sets is left out, what is hidden refused, and addresses and numbers get their stored form."""
        for name in self._types.system:
            if getattr(record, name) is not UNSET:
                self.ignored.add(name)
                setattr(record, name, UNSET)
        if isinstance(record, self._types.Patch):
            self._leave(record)
        for name in self._hidden:
            if getattr(record, name) not in (None, UNSET, [], {}):
                raise Invalid.of(FieldError(name, "is not yours to set"))
            if isinstance(record, self._types.Patch):
                setattr(record, name, UNSET)
        self._types.wire.normalise(record, self._country)

    def _leave(self, record: Any) -> None:
        """Leave out what a record keeps from when it was made; said where the import makes none."""
        for name in self._types.once:
            if getattr(record, name) is not UNSET:
                setattr(record, name, UNSET)
                if self._asked.mode == "update":
                    self.ignored.add(name)

    def _sought(self, given: Any) -> bytes:
        """What the row's record is found by, as text."""
        source = self._asked.source
        if source is not None:
            value = given.external_refs.get(source, UNSET) if given.external_refs is not UNSET else UNSET
        else:
            value = getattr(given, self._match)
        return b"" if value is UNSET or value is None else b',"sought":' + msgspec.json.encode(str(value))


def _renamed(members: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for member, value in members.items():
        name = names.get(member, member)
        first, _, key = name.partition(".")
        if key and first in ("external_refs", "custom"):
            found.setdefault(first, {})[key] = value
        elif name:
            found[name] = value
    return found


def _holds_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any(_holds_nul(one) for pair in value.items() for one in pair)  # pyright: ignore[reportUnknownVariableType]
    return isinstance(value, list) and any(map(_holds_nul, value))  # pyright: ignore[reportUnknownArgumentType]


def _nul_field(record: Any) -> str:
    return next((name for name in record.__struct_fields__ if _holds_nul(msgspec.to_builtins(getattr(record, name)))), "")
