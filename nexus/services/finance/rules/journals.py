"""In which journal an entry goes that no bank, sale or purchase makes."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from nexus.core import FieldError, Invalid, Tx
from nexus.services.finance.entities import Journal
from nexus.services.finance.terms import JournalType


async def general_journal(company_id: UUID, accounts: Collection[UUID], tx: Tx) -> UUID:
    """The general journal that is for one of these accounts, else the first that is for none. Invalid (422) where there is none."""
    own = (Journal.company_id == company_id, Journal.type == JournalType.GENERAL, Journal.archived_at.is_(None))
    found = await tx.list(Journal, *own, order_by=[Journal.id])
    if not found:
        raise Invalid.of(FieldError("company_id", "has no general journal"))
    best = min(found, key=lambda one: (one.default_account_id not in accounts, one.default_account_id is not None))
    return best.id
