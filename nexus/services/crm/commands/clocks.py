"""Finding broken promises."""

from uuid import UUID

from nexus.core import FieldError, Invalid, Tx, among, handles, select, union_all
from nexus.services.crm.api import ClocksSwept, SweepResponseClocks
from nexus.services.crm.entities import Deal, Lead, ResponseClock
from nexus.services.crm.rules.clocks import breach
from nexus.services.crm.terms import ClockStatus


@handles(SweepResponseClocks, needs="crm.response_clock:sweep")
async def sweep_response_clocks(cmd: SweepResponseClocks, tx: Tx) -> ClocksSwept:
    if not 1 <= cmd.limit <= 1000:
        raise Invalid.of(FieldError("limit", "is from 1 to 1000"))
    late = ResponseClock.status == ClockStatus.RUNNING, ResponseClock.due_at < tx.now
    clocks = await tx.list(ResponseClock, *late, limit=cmd.limit, lock=True)
    owners = await _owners([clock.lead_id or clock.deal_id for clock in clocks], tx) if clocks else {}
    for clock in clocks:
        breach(clock, owners.get(str(clock.lead_id or clock.deal_id)), tx)
    more = len(clocks) == cmd.limit
    if more:
        tx.schedule(cmd, tx.now)
    return ClocksSwept(breached=len(clocks), more=more)


async def _owners(ids: list[UUID | None], tx: Tx) -> dict[str, UUID]:
    """Who is responsible, by the id of the lead or deal."""
    both = union_all(*[select(kind.id, kind.owner_id).where(among(kind.id, ids)) for kind in (Lead, Deal)]).subquery()
    rows = await tx.rows(select(both.c.id, both.c.owner_id).where(both.c.owner_id.is_not(None)))
    return {row["id"]: UUID(row["owner_id"]) for row in rows}
