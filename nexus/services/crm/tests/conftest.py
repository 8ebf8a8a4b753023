"""A business with a way of selling: what most tests of CRM start from."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from nexus.runtime.testing import Harness
from nexus.services.crm.entities import Competitor, DealStage, LeadSource, LostReason, Pipeline
from nexus.services.crm.terms import ReasonScope, SourceChannel, StageType


@dataclass(frozen=True)
class Sales:
    """The first pipeline of a business, with what goes with it."""

    pipeline: Pipeline
    new: DealStage
    proposal: DealStage
    won: DealStage
    lost: DealStage
    price: LostReason
    nobody_home: LostReason
    referral: LeadSource
    rival: Competitor


@pytest.fixture
async def crm(tenant: Harness) -> Harness:
    """A fresh business, seen by its owner."""
    return tenant


@pytest.fixture
async def sales(crm: Harness) -> Sales:
    pipeline = Pipeline(name="Sales", key="sales")
    new, proposal, won, lost = stages = (
        DealStage(pipeline_id=pipeline.id, name="New", position=0, probability=10),
        DealStage(pipeline_id=pipeline.id, name="Proposal", position=1, probability=50, type=StageType.ONGOING, required_fields=["amount"]),
        DealStage(pipeline_id=pipeline.id, name="Won", position=2, probability=100, type=StageType.WON),
        DealStage(pipeline_id=pipeline.id, name="Lost", position=3, probability=0, type=StageType.LOST, required_fields=["lost_reason"]),
    )
    price = LostReason(name="Price", scope=ReasonScope.DEAL)
    nobody = LostReason(name="Nobody home", scope=ReasonScope.LEAD)
    referral = LeadSource(name="Referral", key="referral", channel=SourceChannel.REFERRAL)
    rival = Competitor(name="Rival")
    await crm.given(pipeline, *stages, price, nobody, referral, rival)
    return Sales(pipeline, new, proposal, won, lost, price, nobody, referral, rival)
