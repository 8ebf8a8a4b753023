"""Terms of parties: what has been agreed with a customer or supplier."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

from nexus.core import Entity, Index, Mapped, f, sql


class PartyTerm(Entity):
    """What a company has agreed with a customer: up to how much they may owe it."""

    __table_args__ = (Index("uq_finance_party_term", "company_id", "party_id", unique=True, postgresql_where=sql("archived_at IS NULL")),)

    company_id: Mapped[UUID] = f.ref("finance.company", index=False, once=True)
    party_id: Mapped[UUID] = f.uuid(once=True, help="The customer.")
    credit_limit: Mapped[Decimal | None] = f.decimal(
        20, 4, ge=0, le=10**15, default=None, example="500000", help="In the currency of the books; empty: as much as they like."
    )
