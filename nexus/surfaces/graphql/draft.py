"""A statement in the making: names of its parts, its parameters, and what it will have cost and shown."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from typing import Any, Final

import sqlalchemy as sa

from nexus.core.problem import Forbidden
from nexus.engines.oltp import Statement
from nexus.surfaces.graphql.given import Binder, Given
from nexus.surfaces.graphql.limits import Limits
from nexus.surfaces.graphql.plans import Plan
from nexus.surfaces.graphql.refusals import Refused, beyond
from nexus.surfaces.permissions import Rights
from nexus.surfaces.shapes import Shape
from nexus.surfaces.sql import Compiled, named, parts, qualified

_PARAMETER: Final = re.compile(r"(?<![:\w\[]):([a-z_]\w*)")
_MOST_KEPT: Final = 5_000
_statements: Final[dict[str, Statement]] = {}
"""Statements by their text: two documents that come to the same share what the database has prepared."""


class Draft:
    """One statement while it is written."""

    def __init__(self, rights: Rights, limits: Limits, numbers: itertools.count[int] | None = None) -> None:
        self.rights = rights
        self.plan = Plan()
        self.sensitive: list[str] = []
        """The sensitive fields that the current field of the query shows, by their paths."""
        self.about: Binder | None = None
        """The id of the one record that the current field is about."""
        self._constants: dict[str, Any] = {}
        self._limits = limits
        self._numbers = numbers or itertools.count()

    def name(self, prefix: str) -> str:
        """A name that nothing else in the statement has: no key of a response is spelt with this letter."""
        return f"{prefix}ø{next(self._numbers)}"

    def need(self, shape: Shape) -> None:
        """Forbidden (403) unless records of this kind may be read."""
        if not self.rights.allow(f"{shape.name}:read"):
            raise Forbidden(permission=f"{shape.name}:read")
        self.plan.services.add(shape.service)

    def bind(self, read: Callable[[Any], Any], given: Given, label: str, name: str | None = None) -> str:
        """A parameter; its value must fit now as it must for every later request."""
        name = name or self.name("v")
        binder = self.plan.binders[name] = Binder(read, given, label)
        binder.read(given.plain())
        return name

    def count(self, rows: int) -> None:
        """Refused where the statement may answer too many records."""
        self.plan.rows += rows
        if self.plan.rows > self._limits.rows:
            raise Refused.by(beyond("rows", self._limits))

    def embed(self, select: sa.ClauseElement) -> str:
        """An expression of SQLAlchemy as text for this statement; the values that it holds become constants with names of their own."""
        text, held, _ = parts(select)
        prefix = self.name("c")

        def own(match: re.Match[str]) -> str:
            if match[1] not in held:
                return match[0]
            self._constants[f"{prefix}_{match[1]}"] = held[match[1]]
            return f":{prefix}_{match[1]}"

        return qualified(_PARAMETER.sub(own, text))

    def finish(self, text: str) -> Plan:
        """The plan with its statement."""
        made = named(text)
        if len(_statements) >= _MOST_KEPT:
            _statements.clear()
        statement = _statements.setdefault(made.statement.text, made.statement)
        self.plan.compiled = Compiled(statement, made.names, self._constants)
        return self.plan


def row(columns: list[tuple[str, str]], name: str) -> str:
    """An object of JSON from expressions by key."""
    return f"(SELECT row_to_json({name}) FROM (SELECT {listed(columns)}) {name})"


def listed(columns: list[tuple[str, str]]) -> str:
    """Expressions as the columns of a select, called after their keys."""
    return ", ".join(f'{expression} AS "{key}"' for key, expression in columns)
