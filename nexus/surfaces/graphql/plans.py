"""What an operation is compiled to: one statement, and where its answer has gaps that another service's records fill, one more for each kind."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import graphql as lib

from nexus.engines.oltp import Call
from nexus.surfaces.graphql.given import Binder
from nexus.surfaces.shapes import Shape
from nexus.surfaces.sql import Compiled

if TYPE_CHECKING:
    from nexus.surfaces.graphql.entities import ByType

NONCE: Final = secrets.token_hex(16)
"""Marks gaps in what the database answers; no data can hold it, because nobody knows it."""
GIVEN: Final = "given_"


@dataclass(frozen=True, slots=True)
class Disclosed:
    """A read that shows sensitive fields, for the journal."""

    entity: str
    fields: tuple[str, ...]
    asked: str
    """The field of the query as it was asked."""
    id: Binder | None = None


@dataclass(slots=True)
class Plan:
    """One statement with how its parameters are bound."""

    compiled: Compiled | None = None
    binders: dict[str, Binder] = field(default_factory=dict[str, Binder])
    disclosed: list[Disclosed] = field(default_factory=list[Disclosed])
    gaps: list[Gap] = field(default_factory=list["Gap"])
    services: set[str] = field(default_factory=set[str])
    rows: int = 0
    """Records that it answers at most."""

    def call(self, variables: Mapping[str, Any], caller: Mapping[str, Any]) -> Call:
        """The statement with its arguments. Invalid names the argument that does not fit."""
        assert self.compiled is not None
        values: dict[str, Any] = dict(caller)
        for name in self.compiled.names:
            if (binder := self.binders.get(name)) is not None:
                values[name] = binder.value(variables)
        return self.compiled.call(values)

    def given_as(self) -> list[str]:
        """What the statement's parameters are called in the request."""
        assert self.compiled is not None
        return [self.binders[name].label if name in self.binders else "" for name in self.compiled.names]


@dataclass(slots=True)
class Gap:
    """Records of one kind by their ids: `plan` answers rows of an id and its record, and takes `ids`."""

    shape: Shape
    plan: Plan
    needs: tuple[str, ...] = ()
    """Fields of another service's record that whoever asks gives along, each a parameter behind GIVEN."""


@dataclass(frozen=True, slots=True)
class Part:
    """One key of the response: a column of the statement, or what is known without it."""

    key: str
    column: int | None = None
    constant: bytes = b"null"
    entities: ByType | None = None
    """Of `_entities`."""


@dataclass(slots=True)
class Query:
    """A query, compiled for one set of rights and one shape of variables."""

    operation: lib.OperationDefinitionNode
    plan: Plan
    parts: list[Part]
    errors: list[dict[str, Any]]
    introspects: bool = False
    reports: bool = False
