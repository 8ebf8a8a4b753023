"""Quotes: commands and events."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from uuid import UUID

from nexus.core import Command, EmailAsSent, Event, Line, Prose, Value
from nexus.services.crm.terms import DealLine


class QuoteCreated(Event, frozen=True, kw_only=True):
    """A quote has been drawn up."""

    topic = "crm.quote.created"
    quote_id: UUID
    deal_id: UUID
    number: int
    total: Decimal
    currency: str


class QuoteRevised(Event, frozen=True, kw_only=True):
    """A draft has been changed."""

    topic = "crm.quote.revised"
    quote_id: UUID
    total: Decimal


class QuoteSent(Event, frozen=True, kw_only=True):
    """A quote is with the customer."""

    topic = "crm.quote.sent"
    quote_id: UUID
    deal_id: UUID
    contact_id: UUID | None = None
    valid_until: dt.date | None = None


class QuoteViewed(Event, frozen=True, kw_only=True):
    """The customer has looked at a quote."""

    topic = "crm.quote.viewed"
    quote_id: UUID
    deal_id: UUID


class QuoteAccepted(Event, frozen=True, kw_only=True):
    """The customer has signed. Orders and invoices may follow from the lines."""

    topic = "crm.quote.accepted"
    quote_id: UUID
    deal_id: UUID
    total: Decimal
    currency: str
    lines: list[DealLine]
    account_id: UUID | None = None
    contact_id: UUID | None = None


class QuoteRejected(Event, frozen=True, kw_only=True):
    """The customer has declined."""

    topic = "crm.quote.rejected"
    quote_id: UUID
    deal_id: UUID


class QuoteExpired(Event, frozen=True, kw_only=True):
    """Nobody decided before the quote ran out."""

    topic = "crm.quote.expired"
    quote_id: UUID
    deal_id: UUID


class CreateQuote(Command[QuoteCreated], frozen=True, kw_only=True):
    """Draw up a quote for an open deal, from its lines unless others are given."""

    deal_id: UUID
    lines: list[DealLine] | None = None
    terms: Prose | None = None
    valid_until: dt.date | None = None


class ReviseQuote(Command[QuoteRevised], frozen=True, kw_only=True):
    """Change a draft. What the customer has seen is not changed: draw up another quote, which supersedes it when accepted."""

    quote_id: UUID
    lines: list[DealLine] | None = None
    terms: Prose | None = None
    valid_until: dt.date | None = None


class SendQuote(Command[QuoteSent], frozen=True, kw_only=True):
    """Hand a quote to the customer. The mail itself is sent by the mail service, which hears of it."""

    quote_id: UUID


class ViewQuote(Command[QuoteViewed], frozen=True, kw_only=True):
    """Note that the customer has looked at a quote."""

    quote_id: UUID


class AcceptQuote(Command[QuoteAccepted], frozen=True, kw_only=True):
    """Note that the customer has signed. The deal's other quotes are superseded."""

    quote_id: UUID
    signed_by: Line
    email: EmailAsSent | None = None
    address: Line | None = None
    document_id: UUID | None = None


class RejectQuote(Command[QuoteRejected], frozen=True, kw_only=True):
    """Note that the customer has declined."""

    quote_id: UUID
    reason: Prose | None = None


class QuotesExpired(Value, frozen=True, kw_only=True):
    """How many quotes ran out, and whether more are waiting."""

    expired: int
    more: bool


class ExpireQuotes(Command[QuotesExpired], frozen=True, kw_only=True):
    """Close the quotes that ran out before today in the business's time zone, at most `limit` at once; the scheduler calls it."""

    limit: int = 500
