"""Which column of a CSV file is which field, and how a cell becomes a value of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from nexus.core.problem import FieldError, Invalid
from nexus.surfaces.imports.asked import DELIMITERS, Asked
from nexus.surfaces.shapes import Field, Shape
from nexus.surfaces.wire import exact_json

ESCAPED: Final = re.compile(r"'+[=+\-@\t\r]")
"""A cell that a spreadsheet would have run, as our export writes it (docs/decisions/0013-import.md)."""
TEXT: Final = ("text", "long_text", "url", "email")
_exact: Final = msgspec.json.Decoder(float_hook=exact_json)
_KEYED: Final = ("external_refs", "custom")


@dataclass(frozen=True, slots=True)
class Column:
    """One column that is read: its place, the field, within it a key, and what makes a value of a cell (None: the cell itself)."""

    place: int
    field: str
    key: str | None
    value: Callable[[str], Any] | None


@dataclass(frozen=True, slots=True)
class Columns:
    """All that is known from a header."""

    width: int
    plain: tuple[tuple[int, str], ...]
    """Cells that are taken as they are."""
    special: tuple[Column, ...]
    ignored: tuple[str, ...]
    """Fields that only the system sets."""

    def read(self, cells: list[str], keep_empty: bool) -> dict[str, Any] | FieldError:
        """A row as the members of the entity's record."""
        if len(cells) != self.width:
            return FieldError("", f"has {len(cells)} cells, and the header {self.width}")
        if keep_empty:
            found: dict[str, Any] = {name: cells[place] or None for place, name in self.plain}
        else:
            found = {name: cells[place] for place, name in self.plain if cells[place]}
        for column in self.special:
            cell = cells[column.place]
            if not cell:
                if keep_empty and column.key is None:
                    found[column.field] = None
                continue
            try:
                value = cell if column.value is None else column.value(cell)
            except msgspec.DecodeError as error:
                return FieldError(column.field, f"is not valid JSON: {error}")
            if column.key is None:
                found[column.field] = value
            else:
                found.setdefault(column.field, {})[column.key] = value
        return found


def columns(shape: Shape, header: list[str], asked: Asked) -> Columns:
    """Match a header with the fields: by `map`, by name, by label. Invalid (422) names every column that is none."""
    labels = {field.label.lower(): name for name, field in shape.fields.items()}
    plain: list[tuple[int, str]] = []
    special: list[Column] = []
    ignored: list[str] = []
    errors = [FieldError("map", f"the file has no column {name!r}") for name in asked.map if name not in {one.strip() for one in header}]
    taken: set[str] = set()
    for place, raw in enumerate(header):
        title = raw.strip()
        name = asked.map.get(title, labels.get(title.lower(), title))
        if title in asked.map and not name:
            continue
        first, _, key = name.partition(".")
        field = shape.fields.get(first)
        if field is None or (key and first not in _KEYED):
            title = _shown(title)
            errors.append(FieldError(title, f"is not a field of {shape.name}; map it (map={title}:field) or leave it out (map={title}:)"))
        elif name in taken or (first in taken and key):
            errors.append(FieldError(_shown(title), f"is a second column for {name}"))
        elif not field.writable and first != "id":
            ignored.append(first)
        else:
            taken.add(name)
            value = _value(field, asked, bool(key))
            if value is None and not key:
                plain.append((place, first))
            else:
                special.append(Column(place, first, key or None, value))
    if errors:
        raise Invalid.of(*(_separated(header) or errors))
    return Columns(len(header), tuple(plain), tuple(special), tuple(ignored))


def _separated(header: list[str]) -> list[FieldError]:
    """What is wrong with a header that is one column because another character stands between its names."""
    for name, character in DELIMITERS.items():
        if len(header) == 1 and character in header[0]:
            return [
                FieldError("delimiter", f"the header is one column, {_shown(header[0])!r}; send delimiter={name} if that is what separates")
            ]
    return []


def _shown(title: str) -> str:
    """The name of a column as it may be printed anywhere."""
    return "".join(one if one.isprintable() else " " for one in title)[:200]


def _value(field: Field, asked: Asked, keyed: bool) -> Callable[[str], Any] | None:
    if keyed:
        return None if field.name == "external_refs" else _json_or_text
    if field.facts.kind == "tags":
        return _tags
    if field.facts.kind == "json":
        return _exact.decode
    if field.facts.kind in TEXT and asked.formulas == "escaped":
        return unescaped
    return None


def unescaped(cell: str) -> str:
    """A cell without the mark that keeps a spreadsheet from running it."""
    return cell[1:] if cell[0] == "'" and ESCAPED.match(cell) else cell


def _tags(cell: str) -> Any:
    return msgspec.json.decode(cell) if cell.startswith("[") else [word.strip() for word in cell.split(",") if word.strip()]


def _json_or_text(cell: str) -> Any:
    try:
        return _exact.decode(cell)
    except msgspec.DecodeError:
        return cell
