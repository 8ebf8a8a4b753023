"""A new lead or deal is promised an answer. That the promise ends with the record is decided where the record is closed."""

from nexus.core import Tx, on
from nexus.services.crm.api import DealCreated, LeadCreated, LeadUnconverted
from nexus.services.crm.entities import Deal, Lead
from nexus.services.crm.rules.clocks import start_clock


@on(LeadCreated)
async def promise_the_lead_an_answer(event: LeadCreated, tx: Tx) -> None:
    """Somebody who asks is answered in time."""
    lead = await tx.find(Lead, Lead.id == event.id, lock=True)
    if lead is not None:
        await start_clock(lead, tx)


@on(LeadUnconverted)
async def promise_it_after_all(event: LeadUnconverted, tx: Tx) -> None:
    """A lead that was converted before it was promised anything, and is a lead again, is owed an answer like any other."""
    lead = await tx.find(Lead, Lead.id == event.lead_id, lock=True)
    if lead is not None:
        await start_clock(lead, tx)


@on(DealCreated)
async def promise_the_deal_an_answer(event: DealCreated, tx: Tx) -> None:
    """Somebody who may buy is answered in time."""
    deal = await tx.find(Deal, Deal.id == event.deal_id, lock=True)
    if deal is not None:
        await start_clock(deal, tx)
