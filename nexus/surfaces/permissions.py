"""Permissions: a caller's roles and scopes compiled into what may be asked, which rows are seen and which fields are hidden.

The same predicate narrows get, list, count, export, expand, patch and every command's target, so that no two of them disagree.
"""

from __future__ import annotations

import functools

import sqlalchemy as sa

from nexus.core.entity import Entity
from nexus.core.policy import ROLES, Me, Role, matches
from nexus.core.problem import Forbidden


class Rights:
    """What a set of roles allows under a set of scopes. Made once per combination and kept."""

    def __init__(self, roles: frozenset[str], scopes: frozenset[str]) -> None:
        self.roles = tuple(ROLES[name] for name in sorted(roles) if name in ROLES)
        self.scopes = scopes
        self.key = (tuple(role.name for role in self.roles), scopes)
        self._allowed: dict[str, bool] = {}
        self._sight: dict[type[Entity], sa.ColumnElement[bool] | None] = {}
        self._hidden: dict[type[Entity], frozenset[str]] = {}

    def allow(self, permission: str) -> bool:
        """Whether `service.entity:verb` may be asked at all."""
        known = self._allowed.get(permission)
        if known is None:
            by_role = any(matches(pattern, permission) for role in self.roles for pattern in role.may)
            known = self._allowed[permission] = by_role and any(matches(scope, permission) for scope in self.scopes)
        return known

    def any_of(self, service: str) -> bool:
        """Whether anything of a service may be asked."""
        wanted = (service, "*")  # patterns are crm.lead:read, crm:*, *:read or *
        by_role = any(pattern.split(":")[0].split(".")[0] in wanted for role in self.roles for pattern in role.may)
        return by_role and any(scope.split(":")[0].split(".")[0] in wanted for scope in self.scopes)

    def need(self, permission: str) -> None:
        """Forbidden (403) unless allowed."""
        if not self.allow(permission):
            raise Forbidden(permission=permission)

    def _readers(self, kind: type[Entity]) -> list[Role]:
        name = kind.entity_name()
        return [role for role in self.roles if any(matches(pattern, f"{name}:read") for pattern in role.may)]

    def sight(self, kind: type[Entity]) -> sa.ColumnElement[bool] | None:
        """The condition that narrows an entity to what is seen: None for all of it. Any role that sees a row shows it."""
        if kind not in self._sight:
            readers = self._readers(kind)
            conditions = [role.sees[kind](Me) for role in readers if kind in role.sees]
            whole = any(kind not in role.sees for role in readers)
            self._sight[kind] = None if whole else sa.or_(sa.false(), *conditions)
        return self._sight[kind]

    def __call__(self, kind: type[Entity], /) -> sa.ColumnElement[bool]:
        """`sight(Deal)` as queries write it: a condition that is always there."""
        condition = self.sight(kind) if self.allow(f"{kind.entity_name()}:read") else sa.false()
        return sa.true() if condition is None else condition

    def hidden(self, kind: type[Entity]) -> frozenset[str]:
        """Fields that stay null: those that every role which reads the entity hides."""
        if kind not in self._hidden:
            masks: list[frozenset[str]] = [role.hides.get(kind, frozenset[str]()) for role in self._readers(kind)]
            self._hidden[kind] = functools.reduce(frozenset[str].intersection, masks) if masks else frozenset[str]()
        return self._hidden[kind]


@functools.lru_cache(maxsize=1024)
def rights_of(roles: frozenset[str], scopes: frozenset[str]) -> Rights:
    """The rights of a combination of roles and scopes."""
    return Rights(roles, scopes)
