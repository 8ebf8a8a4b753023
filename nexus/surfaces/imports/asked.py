"""What an import is asked to do: the parameters of its request, checked, and kept so that a resume reads the file the same way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeVar

import msgspec

from nexus.core.problem import FieldError, Invalid
from nexus.surfaces.permissions import Rights
from nexus.surfaces.shapes import Shape

Mode = Literal["create", "update", "upsert"]
PARAMETERS = ("mode", "match", "dry_run", "on_error", "dedupe", "map", "delimiter", "encoding", "empty", "formulas", "tag")
DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}
_MATCHABLE = ("text", "email", "phone", "url", "int", "uuid")
W = TypeVar("W", bound=str)


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """The parameters of one import."""

    format: Literal["ndjson", "csv"]
    mode: Mode = "create"
    match: str = "id"
    """What a row's record is found by when it may be there: `id`, a field, or `external_refs.<source>`."""
    dry_run: bool = False
    on_error: Literal["skip", "stop"] = "skip"
    dedupe: tuple[str, ...] = ()
    """The keys by which a new row that is known already is left out; by the others it is only reported."""
    map: dict[str, str] = {}
    delimiter: str = ","
    encoding: Literal["utf-8", "windows-1252", "latin-1"] = "utf-8"
    empty: Literal["keep", "null"] = "keep"
    """What an empty cell says of a record that is there: nothing, or that the field is empty now."""
    formulas: Literal["escaped", "raw"] = "escaped"
    tag: bool = True

    @property
    def source(self) -> str | None:
        """The system whose ids rows are matched by."""
        first, _, source = self.match.partition(".")
        return source if first == "external_refs" else None


def asked(shape: Shape, rights: Rights, content_type: str, given: Mapping[str, str]) -> Asked:
    """Read the parameters. Invalid (422) names the one that does not fit."""
    mode: Mode = _word("mode", given.get("mode", "create"), ("create", "update", "upsert"))
    return Asked(
        format=_format(content_type),
        mode=mode,
        match=_match(shape, rights, given.get("match", "id")),
        dry_run=_word("dry_run", given.get("dry_run", "false"), ("false", "true")) == "true",
        on_error=_word("on_error", given.get("on_error", "skip"), ("skip", "stop")),
        dedupe=_dedupe(shape, rights, given.get("dedupe")),
        map=_map(given.get("map", "")),
        delimiter=_delimiter(given.get("delimiter", ",")),
        encoding=_word("encoding", given.get("encoding", "utf-8"), ("utf-8", "windows-1252", "latin-1")),
        empty=_word("empty", given.get("empty", "keep"), ("keep", "null")),
        formulas=_word("formulas", given.get("formulas", "escaped"), ("escaped", "raw")),
        tag=_word("tag", given.get("tag", "true"), ("true", "false")) == "true",
    )


def _word(name: str, value: str, words: tuple[W, ...]) -> W:
    for word in words:
        if word == value:
            return word
    raise Invalid.of(FieldError(name, f"is one of {', '.join(words)}, not {value!r}"))


def _format(content_type: str) -> Literal["ndjson", "csv"]:
    kind = content_type.split(";")[0].strip().lower()
    if kind in ("application/x-ndjson", "application/ndjson", "application/jsonl"):
        return "ndjson"
    if kind == "text/csv":
        return "csv"
    raise Invalid.of(FieldError("Content-Type", "is application/x-ndjson (a JSON object per line) or text/csv"))


def _match(shape: Shape, rights: Rights, match: str) -> str:
    first, _, source = match.partition(".")
    if first == "external_refs" and source:
        return match
    field = shape.fields.get(match)
    hidden = match in rights.hidden(shape.entity) or match in rights.masks(shape.entity)
    if match != "id" and (field is None or hidden or not field.writable or field.facts.kind not in _MATCHABLE):
        raise Invalid.of(
            FieldError("match", f"{match!r} cannot tell which record a row is; use id, external_refs.<source> or a field of text")
        )
    return match


def keys_of(shape: Shape, rights: Rights) -> dict[str, str]:
    """What tells duplicates of the entity, without what the caller cannot see."""
    hidden = rights.hidden(shape.entity)
    return {name: sql for name, sql in shape.entity.alike.items() if name not in hidden}


def _dedupe(shape: Shape, rights: Rights, raw: str | None) -> tuple[str, ...]:
    known = tuple(keys_of(shape, rights))
    if raw is None:
        return known[:1]
    names = () if raw in ("", "none") else tuple(raw.split(","))
    for name in names:
        if name not in known:
            raise Invalid.of(
                FieldError("dedupe", f"{name!r} does not tell duplicates of {shape.name}; there are {', '.join((*known, 'none'))}")
            )
    return names


def _map(raw: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in filter(None, raw.split(",")):
        column, colon, field = pair.rpartition(":")
        if not colon or not column:
            raise Invalid.of(FieldError("map", f"is written Column:field,Other column:field; {pair!r} is not"))
        found[column.strip()] = field.strip()
    return found


def _delimiter(raw: str) -> str:
    delimiter = DELIMITERS.get(raw, raw)
    if len(delimiter) != 1 or delimiter in '"\r\n':
        raise Invalid.of(FieldError("delimiter", f"is one character, or one of {', '.join(DELIMITERS)}"))
    return delimiter
