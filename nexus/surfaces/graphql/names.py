"""How declarations are called in GraphQL: types and fields of the root begin with their service, so that no two services ever meet."""

from __future__ import annotations

import re
from typing import Any, Final

from nexus.surfaces.shapes import Shape

_UNDERSCORE: Final = re.compile(r"[_-]+([a-z0-9])", re.IGNORECASE)
_SEGMENT: Final = re.compile(r"[A-Za-z0-9_]+")
_WORD: Final = re.compile(r"^[A-Z_][A-Z0-9_]*$")


def camel(name: str) -> str:
    """`account_id` is "accountId"."""
    plain = _UNDERSCORE.sub(lambda found: found[1].upper(), name)
    return plain[:1].lower() + plain[1:]


def pascal(name: str) -> str:
    """`crm` is "Crm", `activity-board` is "ActivityBoard"."""
    plain = camel(name)
    return plain[:1].upper() + plain[1:]


def of_entity(shape: Shape) -> str:
    """The type of an entity's records: `CrmDeal`."""
    return pascal(shape.service) + shape.entity.__name__


def of_class(kind: type[Any]) -> str:
    """The type of a struct, an enumeration or a problem: `CrmDealLine`; what belongs to no service keeps its own name."""
    parts = kind.__module__.split(".")
    if parts[:2] == ["nexus", "services"]:
        return pascal(parts[2]) + kind.__name__
    return kind.__name__ if parts[0] == "nexus" else pascal(parts[0]) + kind.__name__


def of_word(word: str) -> str:
    """A word of an enumeration as GraphQL writes it: `in_progress` is "IN_PROGRESS"."""
    name = re.sub(r"\W", "_", word).upper()
    return name if _WORD.match(name) else f"_{name}"


def of_path(path: str) -> str:
    """The path of a refused field in GraphQL's spelling: `lines[0].unit_price` is "lines[0].unitPrice"."""
    return _SEGMENT.sub(lambda found: camel(found[0]) if "_" in found[0].strip("_") else found[0], path)


def camel_upper(name: str) -> str:
    """`created_at` is "CREATED_AT"."""
    return name.replace("-", "_").upper()
