"""Entries of the general ledger: commands and events."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from msgspec import Meta

from nexus.core import Command, Event, Line
from nexus.services.finance.terms import EntryLine

Lines = Annotated[list[EntryLine], Meta(max_length=1000)]
Memo = Annotated[str, Meta(min_length=1, max_length=500, pattern=r"\S")]
EntityName = Annotated[str, Meta(max_length=80, pattern=r"^[a-z_]+\.[a-z_]+$")]


class EntryDrafted(Event, frozen=True, kw_only=True):
    """An entry has been written down, to be looked at before it is posted."""

    topic = "finance.journal_entry.created"
    journal_entry_id: UUID
    journal_id: UUID
    date: dt.date


class EntryRevised(Event, frozen=True, kw_only=True):
    """A draft has been changed."""

    topic = "finance.journal_entry.revised"
    journal_entry_id: UUID
    journal_id: UUID
    date: dt.date


class EntryDiscarded(Event, frozen=True, kw_only=True):
    """A draft has been thrown away."""

    topic = "finance.journal_entry.discarded"
    journal_entry_id: UUID
    journal_id: UUID


class EntryPosted(Event, frozen=True, kw_only=True):
    """An entry is in the books: numbered, chained and never to be changed."""

    topic = "finance.journal_entry.posted"
    journal_entry_id: UUID
    journal_id: UUID
    company_id: UUID
    number: str
    date: dt.date
    period_id: UUID
    total: Decimal
    currency: str
    hash: str
    reversal_of_id: UUID | None = None
    source_entity: str | None = None
    source_id: UUID | None = None


class EntryReversed(Event, frozen=True, kw_only=True):
    """An entry has been taken back by another that mirrors it."""

    topic = "finance.journal_entry.reversed"
    journal_entry_id: UUID
    reversed_by_id: UUID
    number: str
    """Of the entry that takes it back."""
    date: dt.date
    reason: str


class DraftEntry(Command[EntryDrafted], frozen=True, kw_only=True):
    """Write down an entry without posting it. Its lines are checked when it is posted."""

    journal_id: UUID
    date: dt.date
    lines: Lines = []
    reference: Line | None = None
    memo: Memo | None = None
    source_entity: EntityName | None = None
    source_id: UUID | None = None


class ReviseEntry(Command[EntryRevised], frozen=True, kw_only=True):
    """Change a draft: whatever is given replaces what is there."""

    journal_entry_id: UUID
    date: dt.date | None = None
    lines: Lines | None = None
    reference: Line | None = None
    memo: Memo | None = None


class DiscardEntry(Command[EntryDiscarded], frozen=True, kw_only=True):
    """Throw a draft away."""

    journal_entry_id: UUID


class PostEntry(Command[EntryPosted], frozen=True, kw_only=True):
    """Write an entry into the books at once: its debits and credits balance, and it never changes afterwards."""

    journal_id: UUID
    date: dt.date
    lines: Lines
    reference: Line | None = None
    memo: Memo | None = None
    source_entity: EntityName | None = None
    source_id: UUID | None = None


class PostDraft(Command[EntryPosted], frozen=True, kw_only=True):
    """Write a draft into the books. It never changes afterwards."""

    journal_entry_id: UUID


class ReverseEntry(Command[EntryReversed], frozen=True, kw_only=True):
    """Take a posted entry back by one that mirrors it, of the same day unless another is given."""

    journal_entry_id: UUID
    date: dt.date | None = None
    reason: Memo
