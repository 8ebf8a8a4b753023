"""Pages: the rows of a report as a PDF that people read. What only programs need, ids, is not on them."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import msgspec
import sqlalchemy as sa

from nexus.core.problem import FieldError, Invalid
from nexus.engines.oltp import Call, Row
from nexus.surfaces.permissions import Rights
from nexus.surfaces.shapes import Shape, by_name
from nexus.surfaces.spreadsheets import Kind
from nexus.surfaces.sql import call
from nexus.typesetting import Texts, typeset

MOST_ROWS: Final = 2_000
"""Rows on pages, of which that is fifty: nobody reads more of them, and a row takes 80 kB of memory to set."""
_LAYOUT: Final = Path(__file__).with_name("report.typ")
_WIDE: Final = 6
"""Columns that stand on a page that is higher than wide."""
_SHORT: Final = 16
_LONG: Final = 60
"""Characters of a text that stands in one line, and from which on a column gets no wider."""
_NUMBER: Final = re.compile(r"(-?)([0-9]+)(\.[0-9]+)?")
_SAID: Final[Mapping[str, str]] = {"t": "yes", "true": "yes", "f": "no", "false": "no"}


def printed(
    name: str, business: str, facts: Sequence[tuple[str, str]], select: Any, kinds: Mapping[str, Kind], rows: Sequence[Row]
) -> bytes:
    """The PDF of a report's rows, which are texts. Invalid (422) where they are more than anybody reads."""
    if len(rows) > MOST_ROWS:
        raise Invalid.of(FieldError("format", f"is csv or xlsx for this report: pages hold {MOST_ROWS:,} rows"))
    columns: list[sa.ColumnElement[Any]] = list(select.selected_columns)
    shown = [at for at, column in enumerate(columns) if not isinstance(column.type, sa.Uuid)] or list(range(len(columns)))
    names = list(kinds)
    counted = [isinstance(column.type, sa.Integer) for column in columns]
    now = dt.datetime.now(dt.UTC)
    texts = [[_text(row[at], kinds[names[at]], grouped=not counted[at]) for at in shown] for row in rows]
    said: dict[str, Texts] = {
        "title": words(name),
        "business": business,
        "facts": [list(fact) for fact in facts],
        "flipped": "yes" if len(shown) > _WIDE else "",
        "columns": [
            [words(names[at]), "end" if kinds[names[at]] == "number" else "start", share]
            for at, share in zip(shown, _shares([kinds[names[at]] for at in shown], texts), strict=True)
        ],
        "rows": texts,
        "made": f"{now:%Y-%m-%d %H:%M} UTC",
    }
    return typeset(_LAYOUT, said, now)


def words(name: str) -> str:
    """A name as the head of a column: `trial-balance` is "Trial balance", `party_id` is "Party"."""
    plain = name.removesuffix("_id").replace("_", " ").replace("-", " ")
    return plain[:1].upper() + plain[1:]


def _shares(kinds: Sequence[Kind], texts: Sequence[Sequence[str]]) -> list[str]:
    """What each column gets of the room that is left: none where it takes what it needs, as numbers, days and short words do."""
    longest = [max((len(row[at]) for row in texts), default=0) if kind in ("text", "json") else 0 for at, kind in enumerate(kinds)]
    most = max(longest, default=0)
    return [str(min(length, _LONG)) if length and (length > _SHORT or length == most) else "" for length in longest]


def _text(raw: bytes | None, kind: Kind, *, grouped: bool) -> str:
    text = "" if raw is None else raw.decode()
    match kind:
        case "number" if grouped and (found := _NUMBER.fullmatch(text)):
            return f"{found[1]}{int(found[2]):,}{found[3] or ''}"
        case "bool":
            return _SAID.get(text, text)
        case "instant":
            return text.partition(".")[0]
        case _:
            return text


class Facts:
    """What was asked, as people say it: a record by its name where the asker may read that, by its id otherwise."""

    def __init__(self, service: str, question: Any, rights: Rights) -> None:
        self._said: list[tuple[str, str]] = []
        self._asked: list[tuple[int, sa.Select[Any]]] = []
        for field in msgspec.structs.fields(question):
            value = getattr(question, field.name)
            if value is None or value == field.default:
                continue
            shape = by_name(f"{service}.{field.name.removesuffix('_id')}") if isinstance(value, UUID) else None
            if shape is not None and (statement := _naming(shape, value, rights)) is not None:
                self._asked.append((len(self._said), statement))
            self._said.append((words(field.encode_name), str(value)))

    def calls(self, values: Mapping[str, Any]) -> list[Call]:
        """The statements that find the names."""
        return [call(statement, values) for _, statement in self._asked]

    def named(self, found: Sequence[Sequence[Row]]) -> list[tuple[str, str]]:
        """Each with what it is, in order; `found` are the rows of the statements."""
        said = list(self._said)
        for (at, _), rows in zip(self._asked, found, strict=True):
            if rows and rows[0][0] is not None:
                said[at] = (said[at][0], rows[0][0].decode())
        return said


def _naming(shape: Shape, id: UUID, rights: Rights) -> sa.Select[Any] | None:
    """The statement for a record's name; None where it has none, or the asker is not shown it."""
    kind, table = shape.entity, shape.table
    if "name" not in shape.fields or not rights.allow(f"{shape.name}:read"):
        return None
    if "name" in rights.hidden(kind) or "name" in rights.masks(kind):
        return None
    sight = rights.sight(kind)
    return sa.select(sa.cast(table.c["name"], sa.Text)).where(table.c.id == id, *([] if sight is None else [sight]))
