"""Planning: territories, who gets what, and what is expected of whom."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import ClassVar
from uuid import UUID

from nexus.core import CheckConstraint, Entity, Index, Mapped, f
from nexus.services.crm.terms import AssignmentMethod, Condition, Member


class Territory(Entity):
    """A part of the market; a tree, so that who covers a region covers all below it."""

    __table_args__ = (Index("ix_crm_territory_lineage", "lineage", postgresql_ops={"lineage": "text_pattern_ops"}),)
    plural: ClassVar[str] = "territories"
    creatable: ClassVar[bool] = False

    key: Mapped[str | None] = f.text(48, default=None, unique=True, pattern=r"^[a-z][a-z0-9_]*$", example="west")
    name: Mapped[str] = f.text(120)
    parent_id: Mapped[UUID | None] = f.ref(
        "crm.territory", default=None, index=False, read_only=True, help="Changed by move, which refuses circles."
    )
    lineage: Mapped[str] = f.text(2000, read_only=True, help="The ids from the root to here, with a slash after each.")
    manager_id: Mapped[UUID | None] = f.ref("auth.user", default=None, index=False)


class AssignmentRule(Entity):
    """Who gets new leads or deals that meet its conditions. The first rule that fits applies."""

    name: Mapped[str] = f.text(120)
    applies_to: Mapped[str] = f.text(4, default="lead", pattern=r"^(lead|deal)$")
    position: Mapped[int] = f.int_(ge=0, le=10_000, default=0)
    active: Mapped[bool] = f.bool_(default=True)
    conditions: Mapped[list[Condition]] = f.json(list[Condition], default_factory=list)
    method: Mapped[AssignmentMethod] = f.enum_(AssignmentMethod, default=AssignmentMethod.ROUND_ROBIN)
    members: Mapped[list[Member]] = f.json(list[Member], default_factory=list)
    skill_field: Mapped[str | None] = f.text(
        60, default=None, example="language", help="For skill: the field whose value must be a member's skill."
    )
    team_id: Mapped[UUID | None] = f.ref("auth.team", default=None, index=False, help="Set on what is assigned.")
    territory_id: Mapped[UUID | None] = f.ref("crm.territory", default=None, index=False, help="Set on what is assigned.")
    last_user_id: Mapped[UUID | None] = f.ref("auth.user", default=None, index=False, read_only=True, help="Who got the last one.")


class Quota(Entity):
    """What somebody, a team or a territory is expected to win in a period."""

    __table_args__ = (
        CheckConstraint("period_end >= period_start", name="period_end_after_its_start"),
        CheckConstraint("num_nonnulls(owner_id, team_id, territory_id) = 1", name="owner_or_team_or_territory"),
    )

    owner_id: Mapped[UUID | None] = f.ref("auth.user", default=None, index=False)
    team_id: Mapped[UUID | None] = f.ref("auth.team", default=None, index=False)
    territory_id: Mapped[UUID | None] = f.ref("crm.territory", default=None, index=False)
    period_start: Mapped[dt.date] = f.date()
    period_end: Mapped[dt.date] = f.date(help="The last day that counts.")
    amount: Mapped[Decimal] = f.money(currency="currency", ge=Decimal(0))
    currency: Mapped[str] = f.currency()
