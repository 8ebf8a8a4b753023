"""Stages: entering one, and the trace each move leaves."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Final

from nexus.core import FieldError, Problem, Tx
from nexus.services.crm.entities import Deal, DealStage, StageChange
from nexus.services.crm.flows import deal_flow
from nexus.services.crm.terms import DealStatus, StageType

CLOSING: Final = {StageType.WON: DealStatus.WON, StageType.LOST: DealStatus.LOST}
_COLUMNS: Final = {
    "account": "account_id",
    "contact": "contact_id",
    "owner": "owner_id",
    "source": "source_id",
    "lost_reason": "lost_reason_id",
}
_MICROSECOND = dt.timedelta(microseconds=1)


class StageNeeds(Problem, status=422):
    """A deal needs {fields} before it enters {stage}."""

    stage: str
    fields: str
    errors: list[FieldError]


class NoStage(Problem, status=409):
    """There is no pipeline with an open stage to put the deal in: make one first."""


class ClosingStage(Problem, status=409):
    """Entering {stage} closes the deal: win or lose it instead."""

    stage: str


class StageRetired(Problem, status=409):
    """{stage} is no longer in use: choose another stage."""

    stage: str


def in_use(stage: DealStage) -> None:
    """StageRetired (409) for a stage that has been archived."""
    if stage.archived_at is not None:
        raise StageRetired(stage=stage.name)


def require(deal: Deal, stage: DealStage) -> None:
    """StageNeeds (422) names what the stage requires and the deal has not."""
    if lacking := missing(deal, stage):
        errors = [FieldError(_place(name), f"is required in {stage.name}") for name in lacking]
        raise StageNeeds(stage=stage.name, fields=", ".join(lacking).replace("_", " "), errors=errors)


def missing(deal: Deal, stage: DealStage) -> list[str]:
    """What the stage requires and the deal has not."""
    return [name for name in stage.required_fields if _empty(deal, name)]


def _place(name: str) -> str:
    """Where a deal has it: in a field of its own, or among the tenant's."""
    column = _COLUMNS.get(name, name)
    return column if column in Deal.__table__.c else f"custom.{name}"


def _empty(deal: Deal, name: str) -> bool:
    column = _COLUMNS.get(name, name)
    value = getattr(deal, column, None) if column in deal.__table__.c else deal.custom.get(name)
    return value in (None, "", [], {}, Decimal(0))


def enter(deal: Deal, stage: DealStage, move: str, tx: Tx, *, at: dt.datetime | None = None) -> None:
    """Make a move of the deal's flow that ends in `stage`, and keep how long it was in the stage before; now, unless `at` says when it was.

    IllegalMove (409) where the flow has no such move, StageNeeds (422) where the deal lacks what the stage requires. The moment of a command that
    waited for another one's lock may lie before that other one's: time never runs backwards here.
    """
    was, at = deal.status, max(at or tx.now, deal.stage_entered_at)
    deal_flow.go(deal, move)
    require(deal, stage)
    tx.add(
        StageChange(
            deal_id=deal.id,
            from_stage_id=deal.stage_id,
            to_stage_id=stage.id,
            from_status=was,
            to_status=deal.status,
            entered_at=deal.stage_entered_at,
            left_at=at,
            seconds=Decimal((at - deal.stage_entered_at) // _MICROSECOND).scaleb(-6),
        )
    )
    deal.pipeline_id, deal.stage_id, deal.stage_entered_at = stage.pipeline_id, stage.id, at
    deal.closed_at = None if deal.status is DealStatus.OPEN else at
    deal.probability = {DealStatus.WON: 100, DealStatus.LOST: 0}.get(deal.status, stage.probability)
