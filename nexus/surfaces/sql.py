"""From SQLAlchemy expressions to statements of the engine, and from Python values to its arguments."""

from __future__ import annotations

import datetime as dt
import enum
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, cast
from uuid import UUID

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.sql.util import ClauseAdapter

from nexus.core.entity import TENANT
from nexus.engines.oltp import Call, Statement

_NAMED_DIALECT: Final[Any] = postgresql.dialect(paramstyle="named")  # type: ignore[no-untyped-call]
_NAME: Final = re.compile(r"(?<![:\w\[]):([a-z_]\w*)")  # not the class of characters [:alnum:]
_SEVERAL: Final = re.compile(r"__\[POSTCOMPILE_(\w+)(?:~~.*?~~)?\]")
DIALECT: Final[Any] = postgresql.dialect(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]

_compiled: dict[Any, tuple[Statement, tuple[str, ...], Any]] = {}
_outlined: dict[Any, tuple[Statement, tuple[str, ...], Any, Sequence[Any], list[int | None]]] = {}
_CACHE_LIMIT: Final = 5_000


@dataclass(frozen=True, slots=True)
class Compiled:
    """A statement with the names of its parameters in order."""

    statement: Statement
    names: tuple[str, ...]
    constants: Mapping[str, Any]

    def call(self, values: Mapping[str, Any]) -> Call:
        """Bind values by name; what is not given keeps the value it was compiled with."""
        constants = self.constants
        return self.statement, [encode(values[name] if name in values else constants[name]) for name in self.names]


def qualified(text: str) -> str:
    """SQL with the placeholder schema of the metadata turned into the engine's `{s}`."""
    return text.replace(f'"{TENANT}".', "{s}.").replace(f"{TENANT}.", "{s}.")


def compiled(statement: sa.ClauseElement) -> Compiled:
    """Compile once and keep: for statements whose shape is fixed. Named bind parameters stay open, literals become constants."""
    text, held, asked = parts(statement)
    names: list[str] = []

    def place(match: re.Match[str]) -> str:
        if match[1] not in held and match[1] not in asked:
            return match[0]
        if match[1] not in names:
            names.append(match[1])
        return f"${names.index(match[1]) + 1}"

    return Compiled(Statement(qualified(_NAME.sub(place, text))), tuple(names), held)


def parts(statement: sa.ClauseElement) -> tuple[str, dict[str, Any], frozenset[str]]:
    """A statement as text with `:name` parameters, the values it holds for some of them, and the names of those that are bound later.

    IN lists are written out here: SQLAlchemy does it only where it knows every value.
    """
    made: Any = statement.compile(dialect=_NAMED_DIALECT)
    binds: dict[str, Any] = made.binds
    held = {name: bind.effective_value for name, bind in binds.items() if not bind.required}

    def several(match: re.Match[str]) -> str:
        values = {f"{match[1]}_{n}": one for n, one in enumerate(held.pop(match[1]), 1)}
        held.update(values)
        return ", ".join(f":{name}" for name in values) or made.visit_empty_set_expr([binds[match[1]].type])

    text = _SEVERAL.sub(several, str(made))
    return text, held, frozenset(name for name, bind in binds.items() if bind.required)


def call(statement: Any, values: Mapping[str, Any] | None = None) -> Call:
    """Compile an ad-hoc statement through a cache keyed by its shape: the SQL text is made once, whatever the values."""
    key = statement._generate_cache_key()
    found = _compiled.get(key.key)
    if found is None:
        text = statement.compile(dialect=DIALECT, cache_key=key) if not _expands(statement) else None
        if text is None:
            one = compiled(statement)
            return one.call(values or {})
        if len(_compiled) >= _CACHE_LIMIT:
            _compiled.clear()
        found = _compiled[key.key] = (Statement(qualified(str(text))), tuple(text.positiontup or ()), text)
    sent, names, text = found
    given = text.construct_params(extracted_parameters=key.bindparams, _check=False)
    if values:
        given = {**given, **values}
    return sent, [encode(given[name]) for name in names]


def call_by(outline: tuple[object, ...], clauses: Sequence[Any], build: Callable[[], Any], values: Mapping[str, Any]) -> Call:
    """As `call` of what `build` makes, which is not made where a statement of this outline with clauses of these shapes is known.

    Everything of the statement but its clauses must follow from the outline. To make a select of fifty columns, only to find that its text is
    known, costs ten times what sending it does.
    """
    keys = [clause._generate_cache_key() for clause in clauses]
    if None in keys:
        return call(build(), values)
    shape = (outline, *(key.key for key in keys))
    given = [bind for key in keys for bind in key.bindparams]
    known = _outlined.get(shape)
    if known is None:
        statement = build()
        sent = call(statement, values)
        whole = statement._generate_cache_key()
        if (found := _compiled.get(whole.key)) is not None and (places := _places(whole.bindparams, given)) is not None:
            if len(_outlined) >= _CACHE_LIMIT:
                _outlined.clear()
            _outlined[shape] = (*found, whole.bindparams, places)
        return sent
    sent_as, names, text, binds, places = known
    mine = [bind if place is None else given[place] for bind, place in zip(binds, places, strict=True)]
    found_values = {**text.construct_params(extracted_parameters=mine, _check=False), **values}
    return sent_as, [encode(found_values[name]) for name in names]


def _places(binds: Sequence[Any], given: Sequence[Any]) -> list[int | None] | None:
    """For each parameter of a statement which of the given ones it is, if any; None where one of those is not to be found in it."""
    by_name = {bind.key: place for place, bind in enumerate(given)}
    places = [by_name.get(bind.key) for bind in binds]
    return places if {place for place in places if place is not None} == set(range(len(given))) else None


def _expands(statement: sa.ClauseElement) -> bool:
    """Whether it has an IN list, whose length is part of the text."""
    return any(getattr(node, "expanding", False) for node in sa.sql.visitors.iterate(statement))


def _itself(value: Any) -> Any:
    return value


def _as_text(value: Any) -> bytes:
    return str(value).encode()


_PLAIN: Final[dict[type, Callable[[Any], bytes | None]]] = {
    type(None): _itself,
    bytes: _itself,
    bool: lambda value: b"t" if value else b"f",
    str: str.encode,
    UUID: _as_text,
    int: _as_text,
    Decimal: _as_text,
    dict: msgspec.json.encode,
    list: msgspec.json.encode,
}
"""What most values are, found by one look: a bulk of records is tens of thousands of them."""


def encode(value: Any) -> bytes | None:
    """A Python value as an argument: the text PostgreSQL reads for it. Tuples become arrays; lists, dicts and structs JSON."""
    plain = _PLAIN.get(value.__class__)
    return plain(value) if plain is not None else _encode(value)


def _encode(value: Any) -> bytes | None:
    match value:
        case None | bytes():
            return value
        case bool():
            return b"t" if value else b"f"
        case enum.Enum():
            return str(value.value).encode()
        case str():
            return value.encode()
        case UUID() | int() | Decimal() | float():
            return str(value).encode()
        case dt.date() | dt.time():
            return value.isoformat().encode()
        case dt.timedelta():
            return f"{value.total_seconds()} seconds".encode()
        case _:
            return array(cast(Sequence[Any], value)) if isinstance(value, tuple) else msgspec.json.encode(value)


def array(values: Sequence[Any]) -> bytes:
    """An array literal: every element quoted, so that nothing in it is syntax."""
    parts: list[bytes] = []
    for value in values:
        one = encode(value)
        parts.append(b"NULL" if one is None else b'"' + one.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"')
    return b"{" + b",".join(parts) + b"}"


def named(text: str) -> Compiled:
    """SQL written by hand with `:name` parameters; a name may stand in it more than once."""
    names: list[str] = []

    def place(match: re.Match[str]) -> str:
        if match[1] not in names:
            names.append(match[1])
        return f"${names.index(match[1]) + 1}"

    return Compiled(Statement(_NAME.sub(place, text)), tuple(names), {})


def fragment(condition: sa.ColumnElement[bool], table: sa.FromClause) -> str:
    """A condition on a table as text for `named`: its parameters stay `:name`, its constants are written out."""
    # compiled inside a select of the table, so that a subquery in it is correlated with that table and does not read all of it once more
    whole, held, _ = parts(sa.select(constant("1")).select_from(table).where(condition))
    # the values that the condition itself holds are written into it: whoever puts fragments together knows the caller's alone
    text = _NAME.sub(lambda match: _literal(held[match[1]]) if match[1] in held else match[0], whole)
    return qualified(text.split("\nWHERE ", 1)[1])


def _literal(value: Any) -> str:
    """A value of a declared condition as an SQL literal, whose type the database finds."""
    encoded = encode(value)
    return "NULL" if encoded is None else str(value) if isinstance(value, int) else quoted(encoded.decode())


def fragment_on(name: str, condition: sa.ColumnElement[bool], table: sa.FromClause) -> str:
    """The same where the table goes by another name in the statement."""
    alias = table.alias(name)
    return fragment(ClauseAdapter(alias).traverse(condition), alias)


def constant(text: str) -> sa.ColumnElement[Any]:
    """SQL of our own as an expression; never what a caller sent."""
    return cast("sa.ColumnElement[Any]", sa.literal_column(text))


def quoted(text: str) -> str:
    """A constant of our own as an SQL literal; never for what a caller sent."""
    return "'" + text.replace("'", "''") + "'"
