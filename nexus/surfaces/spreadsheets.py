"""Tables: the rows of a report as CSV, or as a workbook (XLSX) whose numbers are numbers and whose days are days."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import IO, Any, Final, Literal, cast

import sqlalchemy as sa
import xlsxwriter  # pyright: ignore[reportMissingTypeStubs]

from nexus.core.problem import FieldError, Invalid
from nexus.core.values import Exact
from nexus.engines.oltp import Row
from nexus.surfaces.exports import cell
from nexus.surfaces.sql import constant

Format = Literal["json", "csv", "xlsx", "pdf"]
Kind = Literal["text", "number", "date", "instant", "bool", "json"]
MEDIA: Final[dict[str, Format]] = {
    "application/json": "json",
    "text/csv": "csv",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "application/pdf": "pdf",
}
MOST_ROWS: Final = 1_048_575
"""That a sheet holds below its header."""
_LONGEST: Final = 32_767
"""Characters that a cell holds."""
_DIGITS: Final = 15
"""That a spreadsheet keeps of a number; what has more stays text, so that none is lost."""
_KINDS: Final[list[tuple[type[Any], Kind]]] = [
    (Exact, "number"),
    (sa.Numeric, "number"),
    (sa.Integer, "number"),
    (sa.Date, "date"),
    (sa.DateTime, "instant"),
    (sa.Boolean, "bool"),
    (sa.JSON, "json"),
    (sa.ARRAY, "json"),
]
_WIDTHS: Final[dict[Kind, int]] = {"number": 16, "date": 12, "instant": 20, "bool": 8}
_EPOCH: Final = dt.date(1900, 3, 1)
"""Before that day spreadsheets do not agree on their days."""


def asked_format(given: str | None, accept: bytes) -> Format:
    """The format that `format=` names, or else the first media type of the Accept header that is known. Invalid (422) names `format`."""
    if given is not None:
        if given not in MEDIA.values():
            raise Invalid.of(FieldError("format", f"is json, csv, xlsx or pdf, not {given!r}"))
        return cast(Format, given)
    wanted = [one.partition(";")[0].strip() for one in accept.decode("ascii", "replace").lower().split(",")]
    known: list[Format] = [MEDIA[one] for one in wanted if one in MEDIA]
    return known[0] if known else "json"


def kinds_of(select: Any) -> dict[str, Kind]:
    """What the columns of a report hold, in order."""
    return {str(column.name): _kind(column.type) for column in select.selected_columns}


def _kind(type_: Any) -> Kind:
    found: list[Kind] = [kind for known, kind in _KINDS if isinstance(type_, known)]
    return found[0] if found else "text"


def csv_rows(select: Any, kinds: dict[str, Kind]) -> sa.Select[Any]:
    """One row of CSV per row, made by the database. What a spreadsheet would take for a formula is marked."""
    cells = [cell(f'x."{name}"', kind, escape=True) for name, kind in kinds.items()]
    return sa.select(constant(" || ',' || ".join(cells))).select_from(select.subquery("x"))


def text_rows(select: Any, kinds: dict[str, Kind]) -> sa.Select[Any]:
    """The columns as text, moments in UTC."""
    texts = [f"(x.\"{name}\" AT TIME ZONE 'UTC')::text" if kind == "instant" else f'x."{name}"::text' for name, kind in kinds.items()]
    return sa.select(*[constant(one) for one in texts]).select_from(select.subquery("x"))


class Workbook:
    """A workbook of one sheet that is written row by row, and never whole in memory."""

    def __init__(self, file: IO[bytes], name: str, kinds: dict[str, Kind]) -> None:
        self._book = cast(Any, xlsxwriter).Workbook(file, {"constant_memory": True})
        self._sheet = self._book.add_worksheet(name[:31])
        self._kinds = list(kinds.values())
        self._formats: dict[str, Any] = {}
        self.rows = 0
        self._sheet.freeze_panes(1, 0)
        for at, (column, kind) in enumerate(kinds.items()):
            self._sheet.set_column(at, at, max(_WIDTHS.get(kind, 14), len(column) + 2))
        for at, column in enumerate(kinds):
            self._sheet.write_string(0, at, column, self._book.add_format({"bold": True}))

    def write(self, page: Sequence[Row]) -> None:
        """Add rows. Invalid (422) where the sheet is full."""
        if self.rows + len(page) > MOST_ROWS:
            raise Invalid.of(FieldError("format", f"is csv for this report: a sheet holds {MOST_ROWS:,} rows"))
        for row in page:
            self.rows += 1
            for at, (raw, kind) in enumerate(zip(row, self._kinds, strict=True)):
                if raw is not None:
                    self._write(at, raw.decode(), kind)

    def _write(self, at: int, text: str, kind: Kind) -> None:
        match kind:
            case "number" if sum(map(str.isdigit, text)) <= _DIGITS:
                decimals = len(text.partition(".")[2])
                self._sheet.write_number(self.rows, at, float(text), self._format(f"0.{'0' * decimals}" if decimals else "0"))
            case "date" | "instant" if (moment := _moment(text)) is not None:
                self._sheet.write_datetime(self.rows, at, moment, self._format("yyyy-mm-dd" if kind == "date" else "yyyy-mm-dd hh:mm:ss"))
            case "bool":
                self._sheet.write_boolean(self.rows, at, text in ("t", "true"))
            case _:
                self._sheet.write_string(self.rows, at, text[:_LONGEST])

    def _format(self, shape: str) -> Any:
        if shape not in self._formats:
            self._formats[shape] = self._book.add_format({"num_format": shape})
        return self._formats[shape]

    def close(self) -> None:
        """Write the file's end: it is whole only now."""
        self._book.close()


def _moment(text: str) -> dt.datetime | None:
    """A day or a moment that a spreadsheet knows; None of infinity, and of what is too long ago."""
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.date() >= _EPOCH else None
