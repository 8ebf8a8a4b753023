"""Exports: a list without end, one row of JSON or CSV per record, each built by the database under the caller's sight and masks."""

from __future__ import annotations

from typing import Final, Literal

import sqlalchemy as sa

from nexus.core.problem import FieldError, Invalid
from nexus.surfaces.permissions import Rights
from nexus.surfaces.reads import ListRequest, list_request, once, projected
from nexus.surfaces.shapes import Field, Shape
from nexus.surfaces.sql import Compiled, compiled, constant

Format = Literal["ndjson", "csv"]
OWN: Final = ("format", "formulas")
_NOT_HERE: Final = ("cursor", "limit", "expand", "count")
_TEXT: Final = ("text", "long_text", "url", "email")
# what a spreadsheet takes for a formula, and what we have marked already (surfaces/imports/columns.py takes the mark off again)
_FORMULA: Final = r"'^''*[=+@\t\r-]'"


def export_request(shape: Shape, rights: Rights, pairs: list[tuple[str, str]]) -> tuple[ListRequest, Format, bool]:
    """The parameters of an export: those of the list that make sense, the format, and whether formulas are escaped."""
    given = once(pairs, OWN)
    for name, _ in pairs:
        if name in _NOT_HERE:
            raise Invalid.of(FieldError(name, "is a parameter of lists; an export is all of one"))
    form, formulas = given.get("format", "ndjson"), given.get("formulas", "escaped")
    if form not in ("ndjson", "csv"):
        raise Invalid.of(FieldError("format", f"is ndjson or csv, not {form!r}"))
    if formulas not in ("escaped", "raw"):
        raise Invalid.of(FieldError("formulas", f"is escaped or raw, not {formulas!r}"))
    wanted = list_request(shape, rights, [pair for pair in pairs if pair[0] not in OWN])
    return wanted, "csv" if form == "csv" else "ndjson", formulas == "escaped"


def columns_of(shape: Shape, wanted: ListRequest) -> list[Field]:
    """The fields of an export, in order."""
    return shape.columns(None if wanted.fields is None else wanted.fields | {"id", "version"})


def export_statement(shape: Shape, rights: Rights, wanted: ListRequest, form: Format, escape: bool) -> Compiled:
    """One row of text per record, in the order that was asked for."""
    inner = projected(shape, rights, wanted).subquery("x")
    if form == "ndjson":
        return compiled(sa.select(sa.func.row_to_json(constant("x"))).select_from(inner))
    cells = [cell(f"x.{field.name}", field.facts.kind, escape=escape) for field in columns_of(shape, wanted)]
    return compiled(sa.select(constant(" || ',' || ".join(cells))).select_from(inner))


def header(shape: Shape, wanted: ListRequest) -> bytes:
    """The first line of CSV: the names of the fields."""
    return ",".join(field.name for field in columns_of(shape, wanted)).encode() + b"\r\n"


def cell(value: str, kind: str, *, escape: bool) -> str:
    """A value as a cell of CSV: nothing where it is null, in quotes where it could hold anything."""
    if kind == "instant":
        return f"coalesce(to_json({value}) #>> '{{}}', '')"
    if kind in ("json", "tags") or kind in _TEXT:
        text = f"{value}::text"
        if kind in _TEXT and escape:
            text = f"CASE WHEN {text} ~ {_FORMULA} THEN '''' || {text} ELSE {text} END"
        return f"""coalesce('"' || replace({text}, '"', '""') || '"', '')"""
    return f"coalesce({value}::text, '')"
