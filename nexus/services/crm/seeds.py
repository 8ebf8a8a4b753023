"""What a new business begins with in CRM: its ways of selling, and what goes with them."""

from __future__ import annotations

from typing import Any

from nexus.core import Tx
from nexus.services.crm.entities import DealStage, LeadSource, LostReason, Pipeline
from nexus.services.crm.terms import SourceChannel, StageType


async def plant(seeds: dict[str, Any], tx: Tx) -> dict[str, Any]:
    """Plant `pipelines` with their stages, `sources` and `lost_reasons` of the preset, in the order written; answers how many of each."""
    for position, given in enumerate(sorted(seeds["pipelines"], key=lambda one: not one["default"])):
        pipeline = tx.add(Pipeline(key=given["key"], name=given["name"], position=position))
        for at, stage in enumerate(given["stages"]):
            tx.add(
                DealStage(
                    pipeline_id=pipeline.id,
                    key=stage["key"],
                    name=stage["name"],
                    position=at,
                    type=StageType(stage["type"]),
                    probability=stage["probability"],
                    rotting_days=stage["rotting_days"],
                    required_fields=list(stage["required_fields"]),
                )
            )
    for at, source in enumerate(seeds["sources"]):
        tx.add(LeadSource(key=source["key"], name=source["name"], channel=SourceChannel(source["channel"]), position=at))
    for at, reason in enumerate(seeds["lost_reasons"]):
        tx.add(LostReason(key=reason["key"], name=reason["name"], position=at))
    return {name: len(seeds[name]) for name in ("pipelines", "sources", "lost_reasons")}
