"""What a new business begins with in CRM: its ways of selling, who is where and when, what it promises, and on request something to look at."""

from __future__ import annotations

from typing import Any

from nexus.core import Tx
from nexus.services.crm.seeds.ground import Ground, lay_ground
from nexus.services.crm.seeds.sample import plant_sample


async def plant(seeds: dict[str, Any], tx: Tx) -> dict[str, Any]:
    """Plant CRM's part of a preset (`CrmSeeds` and what is true of the whole business); answers how many of each.

    `holidays` are `[{"day", "name"}]` of the country, for calendars that are closed on them. Everything is sent with the transaction's last
    statements; sample data takes one round trip more.
    """
    ground = lay_ground(seeds, tx)
    answer: dict[str, Any] = {name: len(seeds.get(name, ())) for name in _COUNTED}
    if seeds.get("sample_data"):
        answer["sample"] = await plant_sample(seeds, ground, tx)
    return answer


_COUNTED = (
    "pipelines",
    "sources",
    "lost_reasons",
    "territories",
    "scoring_rules",
    "calendars",
    "response_policies",
    "competitors",
)

__all__ = ["Ground", "plant"]
