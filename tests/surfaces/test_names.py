"""A name that a list or a report has for a parameter is nobody else's."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from nexus.core import Query, Rows, Sight, answers, select
from nexus.services.crm.entities import Lead
from nexus.surfaces.reads import RESERVED
from nexus.surfaces.shapes import TAKEN, Shape


@pytest.mark.parametrize("name", sorted(TAKEN))
def test_a_field_called_like_a_parameter_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    table = sa.Table("crm_lead_with", sa.MetaData(), sa.Column("id", sa.Uuid, primary_key=True), sa.Column(name, sa.Text))
    monkeypatch.setattr("nexus.surfaces.shapes.table_of", lambda entity: table)

    with pytest.raises(TypeError, match=f"crm.lead has a field '{name}', which is the name of a parameter"):
        Shape(Lead)


def test_every_parameter_of_a_list_is_taken() -> None:
    assert set(RESERVED) < TAKEN


class Odd(Query, frozen=True, kw_only=True):
    """A question."""

    format: str


def odd(query: Odd, sight: Sight) -> Rows:
    return select(Lead.id).where(sight(Lead))


def test_a_report_does_not_ask_for_a_format() -> None:
    with pytest.raises(TypeError, match="Odd has a field 'format'"):
        answers(Odd, needs="crm.lead:read")(odd)
