"""A new lead or deal is promised an answer. That the promise ends with the record is decided where the record is closed;
archiving is nobody's command, so it is heard of here."""

from nexus.core import Tx, on
from nexus.services.crm.api import DealArchived, DealCreated, DealRestored, LeadArchived, LeadCreated, LeadRestored, LeadUnconverted
from nexus.services.crm.entities import Deal, Lead
from nexus.services.crm.rules.clocks import resume_clock, start_clock, stop_clocks


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


@on(LeadArchived)
async def owe_nothing_to_a_lead_out_of_sight(event: LeadArchived, tx: Tx) -> None:
    """Nobody is warned of what nobody sees."""
    await _see_to(await tx.find(Lead, Lead.id == event.id, lock=True), tx)


@on(LeadRestored)
async def owe_the_lead_again(event: LeadRestored, tx: Tx) -> None:
    """A lead that is back is owed what it was owed."""
    await _see_to(await tx.find(Lead, Lead.id == event.id, lock=True), tx)


@on(DealArchived)
async def owe_nothing_to_a_deal_out_of_sight(event: DealArchived, tx: Tx) -> None:
    """Nobody is warned of what nobody sees."""
    await _see_to(await tx.find(Deal, Deal.id == event.id, lock=True), tx)


@on(DealRestored)
async def owe_the_deal_again(event: DealRestored, tx: Tx) -> None:
    """A deal that is back is owed what it was owed."""
    await _see_to(await tx.find(Deal, Deal.id == event.id, lock=True), tx)


async def _see_to(record: Lead | Deal | None, tx: Tx) -> None:
    if record is not None and record.archived_at is not None:
        await stop_clocks(record, tx, record.archived_at)
    elif record is not None:
        await resume_clock(record, tx)
