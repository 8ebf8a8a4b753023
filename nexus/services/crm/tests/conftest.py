"""A business with a way of selling: what most tests of CRM start from."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from nexus.core import Entity, Problem
from nexus.runtime.testing import Harness
from nexus.services.crm.entities import (
    Account,
    Activity,
    CallLog,
    Competitor,
    Contact,
    ConversionRecord,
    Deal,
    DealStage,
    Lead,
    LeadSource,
    LostReason,
    Pipeline,
    Quote,
    ResponseClock,
    StageChange,
)
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


KEPT: tuple[type[Entity], ...] = (Account, Activity, CallLog, Contact, ConversionRecord, Deal, Lead, Quote, ResponseClock, StageChange)


@asynccontextmanager
async def refused(crm: Harness, problem: type[Problem], match: str | None = None) -> AsyncGenerator[None]:
    """What is done within is refused, and then nothing has changed, nobody was told and nothing was scheduled."""

    async def everything() -> Any:
        kept = [[(one.id, one.version) for one in await crm.list(kind)] for kind in KEPT]
        return kept, list(crm.emitted), await crm.scheduled()

    before = await everything()
    with pytest.raises(problem, match=match):
        yield
    assert await everything() == before
