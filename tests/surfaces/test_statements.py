"""A select that is not made anew says the same, and sends the same values, as one that is."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from nexus.core.ids import uuid7
from nexus.services.crm.entities import Contact, Lead
from nexus.surfaces import sql
from nexus.surfaces.sql import call, call_by

ONE, TWO = uuid7(), uuid7()
CALLER = {"caller": str(ONE)}


def conditions(id: UUID, text: str, number: int) -> list[list[Any]]:
    """Lists of conditions of different shapes, some of them of the same columns."""
    shared = sa.bindparam(None, text, sa.Text())
    return [
        [],
        [Lead.id == id],
        [Lead.name == text],
        [Lead.name == text, Lead.id == id],
        [sa.and_(Lead.name == text, Lead.id == id)],
        [Lead.id == id, Lead.created_by == sa.bindparam("caller")],
        [Lead.version > number, Lead.version < number + 2],
        [sa.or_(Lead.version == number, Lead.archived_at.is_(None)), Lead.name.ilike(f"%{text}%")],
        [Lead.id.in_(sa.select(Contact.id).where(Contact.name == text)), Lead.version == number],
        [Lead.name == shared, Lead.company == shared],
    ]


def whole(where: list[Any], order: list[Any]) -> Any:
    inner = sa.select(Lead.__table__).where(*where).order_by(*order).limit(5).subquery("x")
    return sa.select(sa.func.row_to_json(sa.literal_column("x"))).select_from(inner)


@pytest.mark.parametrize("order", [[], [Lead.id], [Lead.name.desc(), Lead.id]], ids=["none", "id", "name"])
@pytest.mark.parametrize("shape", range(len(conditions(ONE, "", 0))))
def test_the_same_is_sent(shape: int, order: list[Any]) -> None:
    made = 0

    def sent(where: list[Any]) -> tuple[str, list[Any]]:
        def build() -> Any:
            nonlocal made
            made += 1
            return whole(where, order)

        statement, values = call_by((Lead, len(where)), [*where, *order], build, CALLER)
        return statement.text, list(values)

    for values in ((ONE, "Ada", 1), (TWO, "'; --", 7), (ONE, "", 0)):
        where = conditions(*values)[shape]
        statement, expected = call(whole(where, order), CALLER)

        assert sent(where) == (statement.text, list(expected))

    assert made < 3 or shape == 9  # a value that stands in two conditions is one parameter: such a select is always made


def test_what_is_known_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql, "_CACHE_LIMIT", 3)
    monkeypatch.setattr(sql, "_outlined", {})
    for n in range(10):
        where = [Lead.id == ONE]
        call_by((Lead, n), where, lambda n=n, where=where: whole(where, []).limit(n), {})

    assert 0 < len(sql._outlined) <= 3
