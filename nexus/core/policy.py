"""Who may do what: roles as data, and conditions on records as SQL expressions compiled into every read and write."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import sqlalchemy as sa

from nexus.core.entity import Entity


class Me:
    """The caller, inside a condition: names that the platform binds when the statement runs."""

    id = sa.bindparam("me_id", type_=sa.Uuid())

    @staticmethod
    def leads(team: Any) -> sa.ColumnElement[bool]:
        """Whether the caller is in the team whose id is in this column."""
        return sa.type_coerce(team, sa.Uuid()) == sa.any_(sa.cast(sa.bindparam("me_teams"), sa.ARRAY(sa.Uuid())))

    @staticmethod
    def covers(territory: Any) -> sa.ColumnElement[bool]:
        """Whether the territory in this column is one of the caller's, or below one of them."""
        return sa.type_coerce(territory, sa.Uuid()) == sa.any_(sa.cast(sa.bindparam("me_territories"), sa.ARRAY(sa.Uuid())))


def day_start(day: dt.date, later: int = 0) -> sa.ColumnElement[dt.datetime]:
    """The moment at which a day begins by the business's own clocks, or the day so many days later; in statements that the platform runs."""
    midnight = sa.cast(sa.literal(day, sa.Date()), sa.DateTime()) + sa.cast(f"{later} days", sa.Interval())
    return sa.func.timezone(sa.bindparam("here_time_zone", type_=sa.Text()), midnight)


Condition = Callable[[type[Me]], sa.ColumnElement[bool]]


@dataclass(frozen=True, slots=True)
class Role:
    """A named set of permissions, with the records it sees and the fields it does not.

    `may` holds patterns of permissions (`crm.lead:*`, `crm.*:read`). `sees` narrows an entity to the records that meet a condition; an entity
    that is readable and not named there is seen whole. `hides` names fields that stay null for it, and that it can neither filter, sort nor write.
    """

    name: str
    title: str
    may: frozenset[str]
    sees: Mapping[type[Entity], Condition] = field(default_factory=dict[type[Entity], Condition])
    hides: Mapping[type[Entity], frozenset[str]] = field(default_factory=dict[type[Entity], frozenset[str]])


ROLES: dict[str, Role] = {}


def role(
    name: str,
    title: str,
    *may: str,
    sees: Mapping[type[Entity], Condition] | None = None,
    hides: Mapping[type[Entity], frozenset[str]] | None = None,
) -> Role:
    """Declare a role, for instance `role("crm.rep", "Sales representative", "crm.lead:*", sees={Lead: own})`."""
    if name in ROLES:
        raise TypeError(f"the role {name} is declared twice")
    ROLES[name] = Role(name, title, frozenset(may), sees or {}, hides or {})
    return ROLES[name]


def matches(pattern: str, permission: str) -> bool:
    """Whether a pattern such as `crm.lead:*`, `crm.*:read` or `*` covers a permission `service.entity:verb`."""
    if pattern == "*":
        return True
    thing, _, verb = pattern.partition(":")
    wanted, _, asked = permission.partition(":")
    if verb not in ("*", asked):
        return False
    return thing in (wanted, "*") or (thing.endswith(".*") and wanted.startswith(thing[:-1]))


class Sight(Protocol):
    """What the caller of a query sees: `sight(Deal)` is the condition that narrows deals to those."""

    def __call__(self, kind: type[Entity], /) -> sa.ColumnElement[bool]: ...
