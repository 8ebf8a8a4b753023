"""Whose books a document is in."""

from __future__ import annotations

from uuid import UUID

from nexus.core import FieldError, Invalid, Tx
from nexus.services.finance.entities import Company


async def company_of(id: UUID | None, tx: Tx) -> Company:
    """The company that is named, or the business's first. Invalid (422) where there is none yet."""
    if id is not None:
        return await tx.get(Company, id)
    company = await tx.find(Company, Company.archived_at.is_(None))
    if company is None:
        raise Invalid.of(FieldError("company_id", "is needed: the business has no company yet"))
    return company
