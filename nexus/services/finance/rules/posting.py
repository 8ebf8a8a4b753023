"""Posting: one statement that makes a draft posted and answers what is to be told of it. What this means is in invariants/ledger.sql."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from nexus.core import Rows, exact, func, select, update
from nexus.services.finance.api import EntryPosted
from nexus.services.finance.entities import JournalEntry
from nexus.services.finance.terms import EntryStatus

_TOLD = tuple(name for name in EntryPosted.__struct_fields__ if name != "journal_entry_id")


def posting(id: UUID, by: UUID | None) -> Rows:
    """The fields of EntryPosted, as the database has made them."""
    entry = JournalEntry
    changed: Any = (
        update(entry)
        .where(entry.id == id, entry.status == EntryStatus.DRAFT)
        .values(status=EntryStatus.POSTED, version=entry.version + 1, updated_at=func.now(), updated_by=by)
    )
    posted: Any = changed.returning(entry.id.label("journal_entry_id"), *[getattr(entry, name) for name in _TOLD]).cte("posted")
    return select(*[exact(one).label(name) if name == "total" else one for name, one in posted.c.items()])
