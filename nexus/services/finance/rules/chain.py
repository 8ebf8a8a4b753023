"""The chain of a journal, proven without the database: what the hash of a posted entry covers, and whether a row of them holds."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Final

from nexus.services.finance.entities import JournalEntry, JournalLine

GENESIS: Final = "0" * 64
"""What stands for the hash before a journal's first entry."""


def canonical(entry: JournalEntry, lines: Iterable[JournalLine]) -> str:
    """What the chain covers of an entry: a JSON array of texts for it, and one for each line in its order, one below the other."""
    own: list[object] = [
        entry.id,
        entry.journal_id,
        entry.position,
        entry.number,
        entry.date,
        entry.reference,
        entry.memo,
        entry.source_entity,
        entry.source_id,
        entry.reversal_of_id,
        entry.posted_by,
        None if entry.posted_at is None else entry.posted_at.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
    ]
    return "\n".join(_texts(one) for one in [own, *(_line(line) for line in sorted(lines, key=lambda line: line.position))])


def _line(line: JournalLine) -> list[object]:
    return [
        line.position,
        line.account_id,
        line.debit,
        line.credit,
        line.base_currency,
        line.currency,
        line.amount,
        line.rate,
        line.party_type,
        line.party_id,
        line.due_date,
        line.cost_center_id,
        line.project_id,
        _object(line.dimensions),
        line.memo,
    ]


def _object(words: dict[str, str]) -> str:
    """As PostgreSQL writes jsonb: short keys first, those of one length by their bytes."""
    ordered = sorted(words.items(), key=lambda item: (len(item[0].encode()), item[0].encode()))
    return json.dumps(dict(ordered), ensure_ascii=False)


def _texts(values: Sequence[object]) -> str:
    return json.dumps([None if value is None else str(value) for value in values], ensure_ascii=False)


def chained(prev_hash: str, text: str) -> str:
    """The hash of an entry: SHA-256 of the hash before it and its canonical form, in UTF-8."""
    return hashlib.sha256((prev_hash + text).encode()).hexdigest()


def first_broken(entries: Iterable[tuple[JournalEntry, list[JournalLine]]]) -> JournalEntry | None:
    """The first posted entry of a journal, in the order of their positions, that is not what its hash says or does not follow the one before it."""
    before = GENESIS
    for place, (entry, lines) in enumerate(entries, 1):
        if entry.prev_hash != before or entry.position != place or entry.hash != chained(before, canonical(entry, lines)):
            return entry
        before = entry.hash or ""
    return None
