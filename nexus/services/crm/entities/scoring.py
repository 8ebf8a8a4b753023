"""Scoring: what tells a promising lead from another, as rules and as experience."""

from __future__ import annotations

from typing import ClassVar, Literal
from uuid import UUID

from nexus.core import Entity, Index, Mapped, f, sql
from nexus.services.crm.terms import Condition, WonLost


class ScoringRule(Entity):
    """Points that a lead gets when it meets all conditions."""

    key: Mapped[str | None] = f.text(48, default=None, unique=True, pattern=r"^[a-z][a-z0-9_]*$")
    name: Mapped[str] = f.text(300, help="Shown as the reason beside the points.")
    conditions: Mapped[list[Condition]] = f.json(list[Condition], default_factory=list)
    points: Mapped[int] = f.int_(ge=-100, le=100)
    active: Mapped[bool] = f.bool_(default=True)


class ScoreFrequency(Entity):
    """What a team has learned: how many of its leads were won and lost, in all and for each value of each field."""

    __table_args__ = (
        Index(
            "uq_crm_score_frequency_team_id",
            sql("coalesce(team_id, '00000000-0000-0000-0000-000000000000'::uuid)"),
            unique=True,
        ),
    )
    plural: ClassVar[str] = "score_frequencies"
    removal: ClassVar[Literal["archive", "delete"] | None] = None
    creatable: ClassVar[bool] = False
    editable: ClassVar[bool] = False

    team_id: Mapped[UUID | None] = f.ref("auth.team", default=None, index=False, read_only=True, help="Empty: leads of no team.")
    total: Mapped[WonLost] = f.json(WonLost, default_factory=WonLost, read_only=True)
    values: Mapped[dict[str, dict[str, WonLost]]] = f.json(
        dict[str, dict[str, WonLost]], default_factory=dict, read_only=True, help="Counts by field, then by value."
    )
