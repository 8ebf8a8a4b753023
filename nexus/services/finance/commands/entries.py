"""Entries: drafted, posted, reversed. That they balance, their numbers and their chain are the database's to see to (invariants/ledger.sql)."""

from __future__ import annotations

from decimal import Decimal
from typing import Final
from uuid import UUID

import msgspec

from nexus.core import IllegalMove, Tx, handles
from nexus.services.finance.api import (
    DiscardEntry,
    DraftEntry,
    EntryDiscarded,
    EntryDrafted,
    EntryPosted,
    EntryReversed,
    EntryRevised,
    PostDraft,
    PostEntry,
    ReverseEntry,
    ReviseEntry,
)
from nexus.services.finance.entities import Journal, JournalEntry, JournalLine
from nexus.services.finance.flows import entry_flow
from nexus.services.finance.rules.conversion import converted
from nexus.services.finance.rules.posting import posting
from nexus.services.finance.terms import EntryLine

MANY: Final = 100_000
"""More lines than any entry has."""


@handles(DraftEntry, needs="finance.journal_entry:create")
async def draft_entry(cmd: DraftEntry, tx: Tx) -> EntryDrafted:
    journal = await tx.get(Journal, cmd.journal_id)
    entry = tx.add(_written(cmd, journal, cmd.lines))
    return tx.emit(EntryDrafted(journal_entry_id=entry.id, journal_id=journal.id, date=entry.date))


def _written(cmd: DraftEntry | PostEntry, journal: Journal, lines: list[EntryLine]) -> JournalEntry:
    return JournalEntry(
        company_id=journal.company_id,
        journal_id=journal.id,
        date=cmd.date,
        lines=lines,
        reference=cmd.reference,
        memo=cmd.memo,
        source_entity=cmd.source_entity,
        source_id=cmd.source_id,
    )


@handles(ReviseEntry, needs="finance.journal_entry:revise")
async def revise_entry(cmd: ReviseEntry, tx: Tx) -> EntryRevised:
    entry = await tx.get(JournalEntry, cmd.journal_entry_id, lock=True)
    entry_flow.go(entry, "revise")
    entry.date = cmd.date or entry.date
    entry.lines = entry.lines if cmd.lines is None else cmd.lines
    entry.reference = cmd.reference or entry.reference
    entry.memo = cmd.memo or entry.memo
    return tx.emit(EntryRevised(journal_entry_id=entry.id, journal_id=entry.journal_id, date=entry.date))


@handles(DiscardEntry, needs="finance.journal_entry:discard")
async def discard_entry(cmd: DiscardEntry, tx: Tx) -> EntryDiscarded:
    entry = await tx.get(JournalEntry, cmd.journal_entry_id, lock=True)
    entry_flow.go(entry, "discard")
    tx.remove(entry)
    return tx.emit(EntryDiscarded(journal_entry_id=entry.id, journal_id=entry.journal_id))


@handles(PostEntry, needs="finance.journal_entry:post")
async def post_entry(cmd: PostEntry, tx: Tx) -> EntryPosted:
    journal = await tx.get(Journal, cmd.journal_id)
    entry = tx.add(_written(cmd, journal, await converted(cmd.lines, journal.company_id, cmd.date, tx)))
    return await _posted(entry.id, tx)


@handles(PostDraft, needs="finance.journal_entry:post_draft")
async def post_draft(cmd: PostDraft, tx: Tx) -> EntryPosted:
    entry = await tx.get(JournalEntry, cmd.journal_entry_id, lock=True)
    _may(entry, "post")
    entry.lines = await converted(entry.lines, entry.company_id, entry.date, tx)
    return await _posted(entry.id, tx)


async def _posted(id: UUID, tx: Tx) -> EntryPosted:
    """Have the database post a draft, with what is pending in the same round trip, and tell of it."""
    (row,) = await tx.rows(posting(id, tx.actor.id))
    return tx.emit(msgspec.convert(row, EntryPosted))


def _may(entry: JournalEntry, move: str) -> None:
    """Refuse (409) what the flow has no move for; the database makes the move."""
    if not entry_flow.allows(entry, move):
        raise IllegalMove(entity="JournalEntry", now=str(entry.status), move=move)


@handles(ReverseEntry, needs="finance.journal_entry:reverse")
async def reverse_entry(cmd: ReverseEntry, tx: Tx) -> EntryReversed:
    entry = await tx.get(JournalEntry, cmd.journal_entry_id, lock=True)
    _may(entry, "reverse")
    lines = await tx.list(JournalLine, JournalLine.entry_id == entry.id, order_by=[JournalLine.position], limit=MANY)
    mirror = tx.add(
        JournalEntry(
            company_id=entry.company_id,
            journal_id=entry.journal_id,
            date=cmd.date or entry.date,
            lines=[_mirrored(line) for line in lines],
            reference=entry.number,
            memo=cmd.reason,
            reversal_of_id=entry.id,
        )
    )
    posted = await _posted(mirror.id, tx)
    return tx.emit(
        EntryReversed(journal_entry_id=entry.id, reversed_by_id=mirror.id, number=posted.number, date=posted.date, reason=cmd.reason)
    )


def _mirrored(line: JournalLine) -> EntryLine:
    return EntryLine(
        account_id=line.account_id,
        debit=line.credit,
        credit=line.debit,
        currency=line.currency,
        amount=Decimal(0) - line.amount,  # not -line.amount, which makes -0 of 0
        rate=line.rate,
        party_type=line.party_type,
        party_id=line.party_id,
        due_date=line.due_date,
        cost_center_id=line.cost_center_id,
        project_id=line.project_id,
        dimensions=line.dimensions,
        memo=line.memo,
    )
