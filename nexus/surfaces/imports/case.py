"""What the text of a batch's statement depends on, and the names that its parts share."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from nexus.core.entity import Entity
from nexus.engines.oltp import Statement
from nexus.surfaces.imports.asked import Mode, keys_of
from nexus.surfaces.imports.keys import Unique, uniques
from nexus.surfaces.permissions import Rights
from nexus.surfaces.shapes import Shape, shape_of
from nexus.surfaces.sql import Compiled, fragment, named


@dataclass(frozen=True, slots=True)
class Case:
    """What the text of the statement depends on."""

    entity: type[Entity]
    rights: Rights
    mode: Mode
    match: str
    dedupe: tuple[str, ...]
    dry: bool
    ids: bool = True
    """Whether rows bring ids of their own, which may be taken; those that we make are not."""

    @property
    def shape(self) -> Shape:
        return shape_of(self.entity)

    @property
    def table(self) -> str:
        return f"{{s}}.{self.shape.table.name}"

    @property
    def seen(self) -> str:
        """The caller's sight as a further condition on the table."""
        return self._and(self.rights.sight(self.entity))

    @property
    def changeable(self) -> str:
        """What of it the caller may change, as a further condition on the table."""
        return self._and(self.rights.sight(self.entity, f"{self.shape.name}:update"))

    def shows(self, name: str) -> str:
        """Where the caller is shown this field, as a further condition on the table."""
        return self._and(self.rights.masks(self.entity).get(name))

    def _and(self, condition: sa.ColumnElement[bool] | None) -> str:
        return "" if condition is None else f" AND ({fragment(condition, self.shape.table)})"

    @property
    def uniques(self) -> list[Unique]:
        """What no two records may have in common."""
        return [one for one in uniques(self.entity) if self.ids or one.expressions != ("id",)]

    @property
    def keys(self) -> list[tuple[str, str]]:
        """What tells duplicates, those that leave a row out first."""
        known = keys_of(self.shape, self.rights) if self.mode != "update" else {}
        return sorted(known.items(), key=lambda one: one[0] not in self.dedupe)


class Texts:
    """SQL of declarations, kept out of the way of `named`, to which a colon in it would be a parameter."""

    def __init__(self) -> None:
        self._texts: list[str] = []

    def __call__(self, text: str) -> str:
        self._texts.append(text)
        return f"⟦{len(self._texts) - 1}⟧"

    def compiled(self, text: str) -> Compiled:
        one = named(text)
        sql = one.statement.text
        for number, kept_text in enumerate(self._texts):
            sql = sql.replace(f"⟦{number}⟧", kept_text)
        return Compiled(Statement(sql), one.names, {})


def columns_of(case: Case) -> list[str]:
    """The keys of a row by their columns."""
    own = [f"d{at}" for at in range(len(case.keys))] + [f"u{at}" for at in range(len(case.uniques))]
    return own + (["t0"] if case.mode != "create" else [])


def key_digest(column: str, source: str) -> str:
    """A key in the table of keys that a dry run keeps, since it writes no records to find again."""
    return f"md5('{column} ' || {source}.{column}::text)::uuid"
