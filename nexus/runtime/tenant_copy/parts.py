"""What a copy of a tenant consists of, by name, never by asking the catalogue for a list of tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import psycopg

from nexus.core.service import Service
from nexus.surfaces.tables import PLATFORM_TABLES, table_names

Connection = psycopg.AsyncConnection[Any]

_COLUMNS: Final = """
SELECT n.name, array_agg(a.attname::text ORDER BY a.attnum), array_agg(format_type(a.atttypid, a.atttypmod) ORDER BY a.attnum),
    (SELECT array_agg(k.attname::text ORDER BY array_position(i.indkey::int2[], k.attnum)) FROM pg_index i JOIN pg_attribute k
        ON k.attrelid = i.indrelid AND k.attnum = ANY (i.indkey::int2[]) WHERE i.indrelid = to_regclass(%s || '.' || n.name) AND i.indisprimary)
FROM unnest(%s::text[]) WITH ORDINALITY AS n (name, at)
JOIN pg_attribute a ON a.attrelid = to_regclass(%s || '.' || n.name) AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
GROUP BY n.name, n.at ORDER BY n.at"""


@dataclass(frozen=True, slots=True)
class Part:
    """One table's worth. `{s}` in `source` is the schema that is read."""

    name: str
    """`crm_lead` for a table of the tenant's schema, `cell.audit` for the tenant's rows of a table of the cell."""
    columns: tuple[str, ...]
    types: tuple[str, ...]
    source: str
    """The query that gives its rows, always in the same order."""

    @property
    def of_cell(self) -> bool:
        return self.name.startswith("cell.")


_CELL: Final[Mapping[str, tuple[str, str]]] = {
    "audit": ("seq bigint, at timestamptz, entry text, prev_hash bytea, hash bytea", "seq"),
    "journal": ("at timestamptz, audit text, events text", "seq"),
    "event": ("topic text, subject uuid, envelope text", "position"),
    "dead_letter": (
        "id uuid, consumer_group text, reaction text, topic text, reason text, attempts integer, envelope text, at timestamptz, redriven_at timestamptz",
        "id",
    ),
    "timer": ("id uuid, command text, arguments text, correlation text, due_at timestamptz, attempts integer, error text", "id"),
}
"""The tenant's rows in tables that a cell keeps for all: columns with types, and their order. `journal` is what the relay has not moved yet."""


def _cell_parts() -> tuple[Part, ...]:
    made: list[Part] = []
    for name, (declared, order) in _CELL.items():
        columns, types = zip(*(column.split() for column in declared.split(", ")), strict=True)
        made.append(
            Part(
                f"cell.{name}",
                columns,
                types,
                f"SELECT {', '.join(columns)} FROM nexus_cell.{name} WHERE tenant = '{{s}}' ORDER BY {order}",
            )
        )
    return tuple(made)


CELL_PARTS: Final = _cell_parts()


def tables_of(services: Iterable[Service]) -> list[str]:
    """The tables of a tenant with these services, each after those it refers to."""
    return [*PLATFORM_TABLES, *(name for service in services for name in table_names(service))]


async def parts_of(connection: Connection, schema: str, services: Iterable[Service]) -> list[Part]:
    """All parts of a tenant as they are in this database now."""
    names = tables_of(services)
    rows = await (await connection.execute(_COLUMNS, (schema, names, schema))).fetchall()
    made = [
        Part(
            name,
            tuple(columns),
            tuple(types),
            f"SELECT {_listed(columns)} FROM {{s}}.{name} ORDER BY {_listed(key or columns)}",
        )
        for name, columns, types, key in rows
    ]
    return [*made, *CELL_PARTS]


def _listed(columns: Iterable[str]) -> str:
    return ", ".join(f'"{column}"' for column in columns)


__all__ = ["CELL_PARTS", "Connection", "Part", "parts_of", "tables_of"]
