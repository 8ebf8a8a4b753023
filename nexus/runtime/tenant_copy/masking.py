"""What stands in for personal data in a masked copy: chosen by declaration, equal for equal values, and of no use to find the original.

Every field with a category of personal data and every sensitive one is replaced in the query that reads it, so that the originals never
leave the database. Long texts, and lines that are declared free, may name people, so they go too; so do the tenant's own fields
and ids in other systems, which nobody declared.
A value becomes its hash under a key that is thrown away: the same e-mail stays the same e-mail, in every table of this copy.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import Any, Final

from nexus.core.entity import Entity
from nexus.core.service import Service
from nexus.runtime.tenant_copy.parts import CELL_PARTS, Part
from nexus.surfaces.shapes import Field, shape_of
from nexus.surfaces.tables import PLATFORM_TABLES

LEFT_OUT: Final = frozenset(PLATFORM_TABLES) | {part.name for part in CELL_PARTS}
"""Parts that hold what was written and by whom, word for word: a masked copy begins without them."""


class Mask:
    """The queries of one masked copy, under one key."""

    def __init__(self, services: Iterable[Service]) -> None:
        self._key = secrets.token_hex(16)
        self._fields = {entity.__tablename__: _fields(entity) for service in services for entity in service.entities()}

    def source(self, part: Part) -> str | None:
        """The query of a part with everything personal replaced; None where the part is left out."""
        if part.name in LEFT_OUT:
            return None
        known = self._fields[part.name]
        replaced = part.source
        for column in part.columns:
            if (field := known.get(column)) is not None and (value := self._value(field)) is not None:
                replaced = replaced.replace(f'"{column}"', f'{value} AS "{column}"', 1)
        return replaced

    def _value(self, field: Field) -> str | None:
        name, facts = field.name, field.facts
        if name in ("custom", "external_refs"):
            return "'{}'::jsonb"
        if facts.kind == "long_text":
            return f"CASE WHEN \"{name}\" IS NOT NULL THEN 'Masked.' END"
        if facts.pii is None and not facts.sensitive and not facts.free:
            return None
        digest = f"encode(sha256(convert_to('{self._key}' || \"{name}\"::text, 'UTF8')), 'hex')"
        made = {
            "email": f"'person-' || left({digest}, 16) || '@example.invalid'",
            "phone": f"'+999' || lpad((('x' || left({digest}, 8))::bit(32)::bigint)::text, 10, '0')",
            "url": f"'https://example.invalid/' || left({digest}, 16)",
            "date": f"date_trunc('year', \"{name}\")::date",
            "json": f"CASE jsonb_typeof(\"{name}\") WHEN 'array' THEN '[]' ELSE '{{}}' END::jsonb",
        }.get(facts.kind)
        if made is None and facts.kind == "text":
            made = f"left('{(facts.pii or ('text' if facts.free else 'hidden')).capitalize()} ' || left({digest}, 12), {facts.max_length or 60})"
        if made is None:
            made = "NULL" if field.column.nullable else None
        return None if made is None else f'CASE WHEN "{name}" IS NOT NULL THEN {made} END'


def _fields(entity: type[Entity]) -> dict[str, Field]:
    fields: dict[str, Any] = dict(shape_of(entity).fields)
    return fields
