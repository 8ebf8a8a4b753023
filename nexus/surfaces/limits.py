"""Limits: what a session takes away from its caller's rights. Nothing here ever adds to them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.sql.dml import Update

from nexus.core.entity import Entity
from nexus.core.policy import matches
from nexus.core.problem import FieldError, Problem
from nexus.surfaces.shapes import Shape, shape_of


class OverLimit(Problem, status=403):
    """{field}: {amount} {currency} is more than this session may write; it may write {most}."""

    field: str
    amount: str
    currency: str
    most: str
    errors: list[FieldError]


@dataclass(frozen=True, slots=True)
class Limits:
    """What is left of somebody's rights in a session."""

    within: frozenset[frozenset[str]] = frozenset()
    """Sets of patterns of permissions (`crm.lead:*`), each of which must cover what is asked."""
    most: frozenset[tuple[str, Decimal]] | None = None
    """The largest amount by currency; an amount in a currency that is not named is over the limit. None: no limit."""

    def __and__(self, other: Limits) -> Limits:
        """Both at once."""
        if self.most is None or other.most is None:
            most = other.most if self.most is None else self.most
        else:
            mine, theirs = dict(self.most), dict(other.most)
            most = frozenset((code, min(mine[code], theirs[code])) for code in mine.keys() & theirs.keys())
        return Limits(self.within | other.within, most)

    def cover(self, permission: str) -> bool:
        """Whether a permission, or a scope, is left."""
        return all(any(matches(pattern, permission) for pattern in patterns) for patterns in self.within)

    def touch(self, service: str) -> bool:
        """Whether anything of a service is left."""
        wanted = (service, "*")
        return all(any(pattern.split(":")[0].split(".")[0] in wanted for pattern in patterns) for patterns in self.within)

    def check(self, shape: Shape, values: Mapping[str, Any], names: Iterable[str]) -> None:
        """OverLimit (403) where one of the named fields of a record, which is about to be written, is an amount above the limit.

        A change of the currency counts as one of the amounts in it.
        """
        if self.most is None:
            return
        written, most = set(names), dict(self.most)
        for field in shape.fields.values():
            currency = field.facts.currency
            value = values.get(field.name)
            if currency is None or value is None or not written & {field.name, currency}:
                continue
            code, amount = str(values.get(currency)), abs(Decimal(value))
            if amount and amount > most.get(code, Decimal(0)):
                raise over(field.name, amount, code, most)


def amounts_set(statement: Update) -> tuple[Shape, frozenset[str], Update] | None:
    """Of a statement that changes many records, the fields it sets, and the statement that answers the amounts as well; None where it sets none."""
    table = cast(sa.Table, statement.table)  # SQLAlchemy's own copy of it
    kind = next((mapper.class_ for mapper in Entity.registry.mappers if mapper.class_.__table__.name == table.name), None)
    if kind is None:
        return None
    shape = shape_of(kind)
    given: Mapping[Any, Any] = getattr(statement, "_values", None) or {}
    names = frozenset(str(getattr(column, "key", column)) for column in given)
    amounts = [field for field in shape.fields.values() if field.facts.currency is not None]
    if not any(names & {field.name, str(field.facts.currency)} for field in amounts):
        return None
    shown = {name: None for field in amounts for name in (field.name, str(field.facts.currency))}
    pairs: list[sa.ColumnElement[str]] = []
    for name in shown:
        pairs += [sa.literal_column(f"'{name}'", sa.Text), sa.cast(table.c[name], sa.Text)]
    return shape, names, statement.returning(sa.func.json_build_object(*pairs))


def over(field: str, amount: Decimal, code: str, most: Mapping[str, Decimal]) -> OverLimit:
    """The refusal of an amount."""
    allowed = ", ".join(f"at most {most[one]:f} {one}" for one in sorted(most)) or "none"
    errors = [FieldError(field, f"is more than this session may write: {allowed}")]
    return OverLimit(field=field, amount=f"{amount:f}", currency=code, most=allowed, errors=errors)


UNLIMITED = Limits()
