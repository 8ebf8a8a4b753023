"""From what the database refuses to the problem that names the field."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final, cast

import msgspec

from nexus.core.entity import Entity
from nexus.core.problem import AlreadyExists, FieldError, Invalid, Problem, StillReferred, Unavailable
from nexus.engines.oltp import (
    CheckViolation,
    DatabaseError,
    ForeignKeyViolation,
    InvalidText,
    NotNullViolation,
    UniqueViolation,
)
from nexus.engines.oltp import Unavailable as EngineAway
from nexus.surfaces.kept import kept
from nexus.surfaces.shapes import Shape, shape_of
from nexus.surfaces.tables import full_table

_CHECKS = {
    "known": "is not one of the words this field takes",
    "iso4217": "is not an ISO 4217 currency code",
    "scale": "has more decimals than it may have",
    "size": "is too large",
    "least": "is less than it may be",
    "most": "is more than it may be",
}


NO_NUL: Final = "text cannot hold the character U+0000; leave it out"
TWICE: Final = "The parameter {} is given twice."
NOT_YOURS: Final = "is not yours to set"


REFUSED: Final = "NX000"
"""The state of a refusal by a service's own trigger: its constraint is `service.Problem`, its detail the facts of that problem as JSON."""


def _refused(error: DatabaseError) -> Problem | None:
    declared = _problems().get(error.constraint or "")
    if declared is None:
        return None
    facts: dict[str, Any] = msgspec.json.decode(error.detail or "{}")
    if "errors" in facts:
        facts["errors"] = msgspec.convert(facts["errors"], list[FieldError])
    return declared(**facts)


@kept
def _problems() -> dict[str, type[Problem]]:
    """The problems that services declare, as `service.Problem`."""
    found: dict[str, type[Problem]] = {}
    waiting = list(Problem.__subclasses__())
    while waiting:
        one = waiting.pop()
        waiting += one.__subclasses__()
        if one.__module__.startswith("nexus.services."):
            found[f"{one.__module__.split('.')[2]}.{one.__name__}"] = one
    return found


@kept
def _shapes() -> dict[str, Shape]:
    return {str(mapper.class_.__tablename__): shape_of(cast(type[Entity], mapper.class_)) for mapper in Entity.registry.mappers}


@kept
def foreign_keys(entity: type[Entity]) -> dict[str, tuple[str, str]]:
    """The field and the table that each foreign key is about, by its name."""
    keys = full_table(entity).foreign_key_constraints
    return {str(key.name): (key.column_keys[0], str(key.referred_table.name)) for key in keys}


def problem_of(error: Exception, fields: Sequence[str] = ()) -> Problem | None:
    """The problem that a refusal of the engine is for the caller; None where it is a bug of ours. `fields`: what its arguments were given as."""
    if isinstance(error, EngineAway):
        return Unavailable(what="The database")
    if not isinstance(error, DatabaseError):
        return None
    if error.sqlstate == REFUSED:
        return _refused(error)
    shape = _shapes().get(error.table or "")
    match error:
        case UniqueViolation() if shape is not None:
            return AlreadyExists(kind=shape.title, field=_unique_field(shape, error), reason="")
        case ForeignKeyViolation() if shape is not None:
            return _foreign_key(shape, error)
        case CheckViolation() if shape is not None:
            return of_check(shape, (error.constraint or "").removeprefix(f"ck_{shape.table.name}_"))
        case NotNullViolation():
            return Invalid.of(FieldError(error.column or "", "is required"))
        case InvalidText():
            place = (error.parameter or 0) - 1
            return Invalid.of(FieldError(fields[place] if 0 <= place < len(fields) else "", _unfit(error)))
        case _:
            return None


def _unfit(error: DatabaseError) -> str:
    if error.sqlstate in ("22P05", "22021"):
        return NO_NUL
    return f"a value does not fit: {_first_line(error)}"


def _first_line(error: DatabaseError) -> str:
    return str(error).splitlines()[0]


def _unique_field(shape: Shape, error: DatabaseError) -> str:
    found = re.search(r"Key \((?P<columns>[^)]*)\)", error.detail or "")
    return found["columns"] if found else (error.constraint or "").removeprefix(f"uq_{shape.table.name}_")


def _foreign_key(shape: Shape, error: DatabaseError) -> Problem:
    field, target = foreign_keys(shape.entity).get(error.constraint or "", ("", ""))
    if "is still referenced" in (error.detail or "") or "is still referenced" in str(error):
        found = re.search(r'referenced from table "(?P<table>\w+)"', error.detail or "")
        holder = _shapes().get(found["table"] if found else "")
        kind = _shapes().get(target)
        return StillReferred(kind=kind.title if kind else "record", by=f"a {holder.title}" if holder else "something else", reason="")
    return Invalid.of(FieldError(field, no_such(shape.fields[field].facts.refers_to if field else None)))


def no_such(entity: str | None) -> str:
    """What is said of a reference, to an entity by its name, that leads nowhere."""
    return f"there is no {entity.split('.')[1].replace('_', ' ') if entity else 'record'} with this id"


def of_check(shape: Shape, name: str) -> Problem:
    """The problem of a check, by its name without the table's."""
    field, _, rule = name.rpartition("_")
    if field in shape.fields and rule in _CHECKS:
        return Invalid.of(FieldError(field, _CHECKS[rule]))
    # a rule over several fields is named after what must hold: it is told under the field that its name begins with, if there is one
    first = max((one for one in shape.fields if name.startswith(one.removesuffix("_id"))), key=len, default="")
    return Invalid.of(FieldError(first, f"breaks the rule: {name.replace('_', ' ')}"))
