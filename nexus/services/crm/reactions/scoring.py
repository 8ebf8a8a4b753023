"""A new or changed lead gets its score; how a lead ended teaches its team."""

from nexus.core import Tx, on
from nexus.services.crm.api import (
    DealLost,
    DealReopened,
    DealWon,
    LeadCreated,
    LeadDisqualified,
    LeadRecycled,
    LeadUnconverted,
    LeadUpdated,
)
from nexus.services.crm.entities import Lead
from nexus.services.crm.rules.scores import score, settle


@on(LeadCreated)
async def score_the_lead(event: LeadCreated, tx: Tx) -> None:
    """A new lead gets its score."""
    await score(await tx.list(Lead, Lead.id == event.id, lock=True), tx)


@on(LeadUpdated)
async def keep_the_score_true(event: LeadUpdated, tx: Tx) -> None:
    """What somebody changed of a lead may change its score. The system's own changes are scored by what made them."""
    if event.updated_by is not None:
        await score(await tx.list(Lead, Lead.id == event.id, lock=True), tx)


@on(DealWon)
async def learn_from_the_win(event: DealWon, tx: Tx) -> None:
    """The lead of a won deal was a good one."""
    if event.lead_id is not None:
        await settle(event.lead_id, tx)


@on(DealLost)
async def learn_from_the_loss(event: DealLost, tx: Tx) -> None:
    """The lead of a lost deal was not."""
    if event.lead_id is not None:
        await settle(event.lead_id, tx)


@on(DealReopened)
async def unlearn_the_reopened(event: DealReopened, tx: Tx) -> None:
    """A deal that is open again decides nothing yet."""
    if event.lead_id is not None:
        await settle(event.lead_id, tx)


@on(LeadDisqualified)
async def learn_from_giving_up(event: LeadDisqualified, tx: Tx) -> None:
    """A lead that was given up is a lost one."""
    await settle(event.lead_id, tx)


@on(LeadRecycled)
async def unlearn_the_recycled(event: LeadRecycled, tx: Tx) -> None:
    """A lead that gets another chance is not lost."""
    await settle(event.lead_id, tx)


@on(LeadUnconverted)
async def unlearn_the_unconverted(event: LeadUnconverted, tx: Tx) -> None:
    """A conversion that was undone decides nothing."""
    await settle(event.lead_id, tx)
