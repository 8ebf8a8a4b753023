"""Images: a record as it was, kept by what can be undone."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec

from nexus.core import Entity

_KEPT_BY_RULES: Final = frozenset(
    {"id", "version", "created_by", "updated_by", "owner_id", "team_id", "territory_id", "stage_id", "status", "probability"}
)
"""What rules set of their own accord, or what has a history of its own."""


def image(record: Entity) -> dict[str, Any]:
    """Every field of a record by its name."""
    return {column.key: getattr(record, column.key) for column in record.__table__.c}


def written(record: Entity) -> dict[str, str]:
    """What people write into a record, by its name and as text that is the same for the same value: no moments, and nothing that rules set."""
    return {
        name: _plain(value) for name, value in image(record).items() if name not in _KEPT_BY_RULES and not isinstance(value, dt.datetime)
    }


def rewritten(record: Entity, before: Mapping[str, str]) -> list[str]:
    """The fields that say something else than they did, as a sentence calls them."""
    now = written(record)
    return [name.removesuffix("_id").replace("_", " ") for name, was in before.items() if now.get(name, "null") != was]


def _plain(value: Any) -> str:
    """A value as JSON; amounts without zeros at their end."""
    return f"{value.normalize():f}" if isinstance(value, Decimal) else msgspec.json.encode(value, order="deterministic").decode()
