"""A new lead or deal that nobody is responsible for gets an owner."""

from nexus.core import Tx, on
from nexus.services.crm.api import DealCreated, LeadCreated
from nexus.services.crm.entities import Deal, Lead
from nexus.services.crm.rules.assignment import assign
from nexus.services.crm.rules.clocks import is_open


@on(LeadCreated)
async def give_the_lead_an_owner(event: LeadCreated, tx: Tx) -> None:
    """Somebody looks after every lead that a rule fits, from the start."""
    lead = await tx.find(Lead, Lead.id == event.id, lock=True)
    if lead is not None:
        await _see_to(lead, tx)


@on(DealCreated)
async def give_the_deal_an_owner(event: DealCreated, tx: Tx) -> None:
    """Somebody looks after every deal that a rule fits, from the start."""
    deal = await tx.find(Deal, Deal.id == event.deal_id, lock=True)
    if deal is not None:
        await _see_to(deal, tx)


async def _see_to(record: Lead | Deal, tx: Tx) -> None:
    """What has an owner already, or is done with, is left as it is."""
    if record.owner_id is None and record.archived_at is None and is_open(record):
        await assign(record, tx)
