"""Images: a record as it was, kept by what can be undone."""

from __future__ import annotations

from typing import Any

from nexus.core import Entity


def image(record: Entity) -> dict[str, Any]:
    """Every field of a record by its name."""
    return {column.key: getattr(record, column.key) for column in record.__table__.c}
