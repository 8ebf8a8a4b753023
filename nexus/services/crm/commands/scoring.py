"""Scoring leads anew."""

from __future__ import annotations

from typing import Final

from nexus.core import FieldError, Invalid, Tx, among, func, handles, update
from nexus.services.crm.api import Rescored, RescoreLeads
from nexus.services.crm.entities import Lead
from nexus.services.crm.rules.scores import OPEN, score

MOST: Final = 1000
MOST_NAMED: Final = 100
"""Each is looked up with the caller's own eyes."""


@handles(RescoreLeads, needs="crm.lead:rescore")
async def rescore_leads(cmd: RescoreLeads, tx: Tx) -> Rescored:
    if not 1 <= cmd.limit <= MOST:
        raise Invalid.of(FieldError("limit", f"is from 1 to {MOST}"))
    if len(cmd.lead_ids) > MOST_NAMED:
        raise Invalid.of(FieldError("lead_ids", f"are at most {MOST_NAMED} at once"))
    leads = await _named(cmd, tx) if cmd.lead_ids else await _oldest(cmd.limit, tx)
    changed = {lead.id for lead in await score(leads, tx)}
    same = [lead.id for lead in leads if lead.status in OPEN and lead.id not in changed]
    if same:  # nobody needs to hear of a score that is what it was: only when it was looked at is noted
        looked = update(Lead).where(among(Lead.id, same))
        await tx.execute(looked.values(scored_at=tx.now, version=Lead.version + 1, updated_at=func.now()))
    return Rescored(leads=len(changed) + len(same))


async def _named(cmd: RescoreLeads, tx: Tx) -> list[Lead]:
    """NotFound (404) for one that the caller may not see. Locked in the order of their ids, as every command locks several."""
    return [await tx.get(Lead, id, lock=True) for id in sorted(set(cmd.lead_ids))]


async def _oldest(limit: int, tx: Tx) -> list[Lead]:
    waiting = among(Lead.status, OPEN), Lead.archived_at.is_(None)
    oldest = await tx.list(Lead, *waiting, order_by=(Lead.scored_at.asc().nulls_first(), Lead.id), limit=limit)
    return await tx.list(Lead, among(Lead.id, [lead.id for lead in oldest]), *waiting, lock=True)
