"""Bank statements: commands and events."""

from __future__ import annotations

import datetime as dt
from typing import Annotated
from uuid import UUID

from msgspec import Meta

from nexus.core import Command, Event, Value
from nexus.services.finance.bank_terms import CsvLayout, StatementFormat


class StatementImported(Event, frozen=True, kw_only=True):
    """What a bank says of an account in a time has been taken in."""

    topic = "finance.bank_statement.imported"
    bank_statement_id: UUID
    bank_account_id: UUID
    since: dt.date
    until: dt.date
    imported: int
    """How many of its lines were new."""
    known: int


class FileImported(Value, frozen=True, kw_only=True):
    """What a file of a bank brought."""

    bank_statement_ids: list[UUID]
    """Of the statements that were not known before."""
    imported: int
    """How many lines were new."""
    known: int
    """How many lines other files had brought before."""


class ImportStatement(Command[FileImported], frozen=True, kw_only=True):
    """Take in a file of bank statements. A line that another file has brought is not taken twice; a file with a fault changes nothing."""

    bank_account_id: UUID
    format: StatementFormat
    content: Annotated[str, Meta(min_length=1, max_length=500_000)]
    """The file as text."""
    csv: CsvLayout | None = None
    """How a CSV file is written; empty: as CsvLayout says."""
