"""Permissions: a caller's roles and scopes compiled into what may be asked, which rows are seen and which fields are hidden.

The same predicate narrows get, list, count, export and expand, so that no two of them disagree. What changes a record is narrowed further, to
what those roles see that grant the change.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping

import sqlalchemy as sa
from sqlalchemy.sql.util import ClauseAdapter

from nexus.core.entity import Entity
from nexus.core.policy import ROLES, Me, Role, matches
from nexus.core.problem import Forbidden
from nexus.surfaces.limits import UNLIMITED, Limits


class Rights:
    """What a set of roles allows under a set of scopes and a session's limits. Made once per combination and kept."""

    def __init__(self, roles: frozenset[str], scopes: frozenset[str], limits: Limits = UNLIMITED) -> None:
        self.roles = tuple(ROLES[name] for name in sorted(roles) if name in ROLES)
        self.scopes = scopes
        self.limits = limits
        self.key = (tuple(role.name for role in self.roles), scopes, limits)
        self._allowed: dict[str, bool] = {}
        self._sight: dict[tuple[type[Entity], str | None], sa.ColumnElement[bool] | None] = {}
        self._hidden: dict[type[Entity], frozenset[str]] = {}
        self._masks: dict[type[Entity], Mapping[str, sa.ColumnElement[bool]]] = {}

    def allow(self, permission: str) -> bool:
        """Whether `service.entity:verb` may be asked at all."""
        known = self._allowed.get(permission)
        if known is None:
            by_role = any(matches(pattern, permission) for role in self.roles for pattern in role.may)
            by_scope = by_role and any(matches(scope, permission) for scope in self.scopes)
            known = self._allowed[permission] = by_scope and self.limits.cover(permission)
        return known

    def any_of(self, service: str) -> bool:
        """Whether anything of a service may be asked."""
        wanted = (service, "*")  # patterns are crm.lead:read, crm:*, *:read or *
        by_role = any(pattern.split(":")[0].split(".")[0] in wanted for role in self.roles for pattern in role.may)
        return by_role and any(scope.split(":")[0].split(".")[0] in wanted for scope in self.scopes) and self.limits.touch(service)

    def holds(self, scope: str) -> bool:
        """Whether all that a scope allows is in the scopes, so that a key may be made for it; a limit on amounts fits in no key."""
        return any(matches(own, scope) for own in self.scopes) and self.limits.cover(scope) and self.limits.most is None

    def limited(self, limits: Limits) -> Rights:
        """These rights in a session that has limits."""
        return rights_of(frozenset(role.name for role in self.roles), self.scopes, self.limits & limits)

    def need(self, permission: str) -> None:
        """Forbidden (403) unless allowed."""
        if not self.allow(permission):
            raise Forbidden(permission=permission)

    def _readers(self, kind: type[Entity]) -> list[Role]:
        name = kind.entity_name()
        return [role for role in self.roles if any(matches(pattern, f"{name}:read") for pattern in role.may)]

    def sight(self, kind: type[Entity], needs: str | None = None) -> sa.ColumnElement[bool] | None:
        """The condition that narrows an entity to what is seen: None for all of it. Any role that sees a row shows it.

        With `needs`, a permission: what roles see that grant it, so that a role which only reads widens no other's hand.
        """
        if (kind, needs) not in self._sight:
            self._sight[kind, needs] = self._read_sight(kind) if needs is None else self._reach(kind, needs)
        return self._sight[kind, needs]

    def _read_sight(self, kind: type[Entity]) -> sa.ColumnElement[bool] | None:
        readers = self._readers(kind)
        whole = any(kind not in role.sees for role in readers)
        return None if whole else sa.or_(sa.false(), *_conditions(readers, kind))

    def _reach(self, kind: type[Entity], needs: str) -> sa.ColumnElement[bool] | None:
        seen, readers = self.sight(kind), self._readers(kind)
        doers = [role for role in self.roles if any(matches(pattern, needs) for pattern in role.may)]
        if all(reader in doers for reader in readers) or any(kind not in doer.sees for doer in doers):
            return seen
        own = sa.or_(sa.false(), *_conditions(doers, kind))
        return own if all(doer in readers for doer in doers) or seen is None else sa.and_(own, seen)

    def __call__(self, kind: type[Entity], needs: str | None = None, /) -> sa.ColumnElement[bool]:
        """`sight(Deal)` as queries write it: a condition that is always there."""
        condition = self.sight(kind, needs) if self.allow(f"{kind.entity_name()}:read") else sa.false()
        return sa.true() if condition is None else condition

    def hidden(self, kind: type[Entity]) -> frozenset[str]:
        """Fields that stay null: those that every role which reads the entity hides."""
        if kind not in self._hidden:
            masks: list[frozenset[str]] = [role.hides.get(kind, frozenset[str]()) for role in self._readers(kind)]
            self._hidden[kind] = functools.reduce(frozenset[str].intersection, masks) if masks else frozenset[str]()
        return self._hidden[kind]

    def masks(self, kind: type[Entity]) -> Mapping[str, sa.ColumnElement[bool]]:
        """Fields that only some of the records show, with the condition under which one does: a role that shows the field sees the record.

        None unless roles that differ in what they hide differ in what they see as well. Fields shown by the same roles share one condition.
        """
        if kind not in self._masks:
            readers = self._readers(kind)
            hidden_by_some = frozenset[str]().union(*(role.hides.get(kind, ()) for role in readers)) - self.hidden(kind)
            showing = {name: [role for role in readers if name not in role.hides.get(kind, ())] for name in sorted(hidden_by_some)}
            groups = {tuple(role.name for role in roles): roles for roles in showing.values()}
            made = {key: _mask(kind, readers, roles) for key, roles in groups.items()}
            found = ((name, made[tuple(role.name for role in roles)]) for name, roles in showing.items())
            self._masks[kind] = {name: mask for name, mask in found if mask is not None}
        return self._masks[kind]


def _conditions(roles: Iterable[Role], kind: type[Entity]) -> list[sa.ColumnElement[bool]]:
    """What roles see of an entity, each condition once: roles often share one."""
    return [condition(Me) for condition in dict.fromkeys(role.sees[kind] for role in roles if kind in role.sees)]


def _mask(kind: type[Entity], readers: list[Role], showing: list[Role]) -> sa.ColumnElement[bool] | None:
    """Where a field is shown that only these of the readers show; None where that is wherever the record is seen."""
    if any(kind not in role.sees for role in showing):
        return None
    conditions = {role.sees[kind] for role in showing}
    covered = all(kind in role.sees and role.sees[kind] in conditions for role in readers)
    return None if covered else sa.or_(sa.false(), *_conditions(showing, kind))


def on(table: sa.FromClause, kind: type[Entity], condition: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    """A condition on an entity as one on a table, or on another name for it."""
    return condition if table is kind.__table__ else ClauseAdapter(table).traverse(condition)


@functools.lru_cache(maxsize=1024)
def rights_of(roles: frozenset[str], scopes: frozenset[str], limits: Limits = UNLIMITED) -> Rights:
    """The rights of a combination of roles, scopes and limits."""
    return Rights(roles, scopes, limits)
