"""Quotes between us and the customer."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

from nexus.core import FieldError, Invalid, Problem, Tx, among, func, handles, select
from nexus.services.crm.api import (
    AcceptQuote,
    CreateQuote,
    ExpireQuotes,
    QuoteAccepted,
    QuoteCreated,
    QuoteExpired,
    QuoteRejected,
    QuoteRevised,
    QuoteSent,
    QuotesExpired,
    QuoteViewed,
    RejectQuote,
    ReviseQuote,
    SendQuote,
    ViewQuote,
)
from nexus.services.crm.entities import Deal, Quote
from nexus.services.crm.flows import deal_flow, quote_flow
from nexus.services.crm.rules.totals import totals
from nexus.services.crm.terms import DealStatus, QuoteStatus, Signature

_FORESEEABLE = dt.timedelta(days=3653)


class NothingOffered(Problem, status=422):
    """A quote needs at least one line, and neither the quote nor the deal has any."""

    errors: list[FieldError]


class RanOut(Problem, status=409):
    """The quote was valid until {valid_until}: draw up another one."""

    valid_until: str


class DealIsLost(Problem, status=409):
    """The deal is lost: reopen it before one of its quotes is sent or accepted."""


class AcceptedAlready(Problem, status=409):
    """Quote {number} of the deal has been accepted already."""

    number: int


@handles(CreateQuote, needs="crm.quote:create")
async def create_quote(cmd: CreateQuote, tx: Tx) -> QuoteCreated:
    deal = await tx.get(Deal, cmd.deal_id, lock=True)  # the lock also makes the number the next one
    deal_flow.go(deal, "quote")
    lines = deal.lines if cmd.lines is None else cmd.lines
    if not lines:
        raise NothingOffered(errors=[FieldError("lines", "must not be empty")])
    (last,) = await tx.rows(select(func.coalesce(func.max(Quote.number), 0).label("number")).where(Quote.deal_id == deal.id))
    total = totals(lines, deal.currency)
    _foreseeable(cmd.valid_until, tx)
    quote = tx.add(
        Quote(
            deal_id=deal.id,
            number=last["number"] + 1,
            currency=deal.currency,
            lines=lines,
            subtotal=total.subtotal,
            discount=total.discount,
            total=total.total,
            terms=cmd.terms,
            valid_until=cmd.valid_until,
        )
    )
    return tx.emit(QuoteCreated(quote_id=quote.id, deal_id=deal.id, number=quote.number, total=quote.total, currency=quote.currency))


@handles(ReviseQuote, needs="crm.quote:revise")
async def revise_quote(cmd: ReviseQuote, tx: Tx) -> QuoteRevised:
    quote = await tx.get(Quote, cmd.quote_id, lock=True)
    quote_flow.go(quote, "revise")
    if cmd.lines is not None:
        if not cmd.lines:
            raise NothingOffered(errors=[FieldError("lines", "must not be empty")])
        quote.lines = cmd.lines
        quote.subtotal, quote.discount, quote.total = totals(cmd.lines, quote.currency)
    _foreseeable(cmd.valid_until, tx)
    quote.terms = quote.terms if cmd.terms is None else cmd.terms
    quote.valid_until = quote.valid_until if cmd.valid_until is None else cmd.valid_until
    return tx.emit(QuoteRevised(quote_id=quote.id, total=quote.total))


@handles(SendQuote, needs="crm.quote:send")
async def send_quote(cmd: SendQuote, tx: Tx) -> QuoteSent:
    quote = await tx.get(Quote, cmd.quote_id, lock=True)
    deal = await tx.get(Deal, quote.deal_id)
    quote_flow.go(quote, "send")
    if deal.status is DealStatus.LOST:
        raise DealIsLost()
    _still_valid(quote, tx)
    quote.sent_at = tx.now
    if quote.valid_until is not None:
        tx.schedule(ExpireQuotes(), _day_after(quote.valid_until, tx))
    return tx.emit(QuoteSent(quote_id=quote.id, deal_id=deal.id, contact_id=deal.contact_id, valid_until=quote.valid_until))


@handles(ViewQuote, needs="crm.quote:view")
async def view_quote(cmd: ViewQuote, tx: Tx) -> QuoteViewed:
    quote = await tx.get(Quote, cmd.quote_id, lock=True)
    viewed = QuoteViewed(quote_id=quote.id, deal_id=quote.deal_id)
    if quote.status is QuoteStatus.VIEWED:  # looking again is no news
        return viewed
    quote_flow.go(quote, "view")
    quote.viewed_at = tx.now
    return tx.emit(viewed)


@handles(AcceptQuote, needs="crm.quote:accept")
async def accept_quote(cmd: AcceptQuote, tx: Tx) -> QuoteAccepted:
    seen = await tx.get(Quote, cmd.quote_id)
    # always the deal first and its quotes after, so that two acceptances of one deal wait for each other and never deadlock
    deal = await tx.get(Deal, seen.deal_id, lock=True)
    quotes = await tx.list(Quote, Quote.deal_id == deal.id, lock=True)
    quote = next(one for one in quotes if one.id == cmd.quote_id)
    _acceptable(quote, deal, quotes)
    _still_valid(quote, tx)
    quote.decided_at = tx.now
    quote.signature = Signature(
        name=cmd.signed_by, at=tx.now, email=cmd.email.lower() if cmd.email else None, address=cmd.address, document_id=cmd.document_id
    )
    for other in quotes:
        if other is not quote and quote_flow.allows(other, "supersede"):
            quote_flow.go(other, "supersede")
            other.superseded_by_id = quote.id
    return tx.emit(
        QuoteAccepted(
            quote_id=quote.id,
            deal_id=deal.id,
            total=quote.total,
            currency=quote.currency,
            lines=quote.lines,
            account_id=deal.account_id,
            contact_id=deal.contact_id,
        )
    )


def _acceptable(quote: Quote, deal: Deal, quotes: list[Quote]) -> None:
    """Move the quote to accepted, unless the deal is lost or has an accepted quote already (409)."""
    quote_flow.go(quote, "accept")
    if deal.status is DealStatus.LOST:
        raise DealIsLost()
    for other in quotes:
        if other is not quote and other.status is QuoteStatus.ACCEPTED:
            raise AcceptedAlready(number=other.number)


@handles(RejectQuote, needs="crm.quote:reject")
async def reject_quote(cmd: RejectQuote, tx: Tx) -> QuoteRejected:
    quote = await tx.get(Quote, cmd.quote_id, lock=True)
    quote_flow.go(quote, "reject")
    quote.decided_at, quote.rejected_reason = tx.now, cmd.reason
    return tx.emit(QuoteRejected(quote_id=quote.id, deal_id=quote.deal_id))


@handles(ExpireQuotes, needs="crm.quote:expire")
async def expire_quotes(cmd: ExpireQuotes, tx: Tx) -> QuotesExpired:
    if not 1 <= cmd.limit <= 1000:
        raise Invalid.of(FieldError("limit", "is from 1 to 1000"))
    waiting = among(Quote.status, [QuoteStatus.SENT, QuoteStatus.VIEWED])
    quotes = await tx.list(Quote, waiting, Quote.valid_until < _today(tx), limit=cmd.limit, lock=True)
    for quote in quotes:
        quote_flow.go(quote, "expire")
        quote.decided_at = tx.now
        tx.emit(QuoteExpired(quote_id=quote.id, deal_id=quote.deal_id))
    more = len(quotes) == cmd.limit
    if more:
        tx.schedule(cmd, tx.now)
    return QuotesExpired(expired=len(quotes), more=more)


def _foreseeable(valid_until: dt.date | None, tx: Tx) -> None:
    if valid_until is not None and valid_until < _today(tx):
        raise Invalid.of(FieldError("valid_until", "is in the past"))
    if valid_until is not None and valid_until > _today(tx) + _FORESEEABLE:
        raise Invalid.of(FieldError("valid_until", "is at most ten years ahead"))


def _day_after(day: dt.date, tx: Tx) -> dt.datetime:
    """The first moment of the next day where the business is."""
    return dt.datetime.combine(day + dt.timedelta(days=1), dt.time(), ZoneInfo(tx.tenant.time_zone)).astimezone(dt.UTC)


def _still_valid(quote: Quote, tx: Tx) -> None:
    if quote.valid_until is not None and quote.valid_until < _today(tx):
        raise RanOut(valid_until=quote.valid_until.isoformat())


def _today(tx: Tx) -> dt.date:
    return tx.now.astimezone(ZoneInfo(tx.tenant.time_zone)).date()
