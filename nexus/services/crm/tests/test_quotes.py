"""Quotes between us and the customer."""

from __future__ import annotations

import asyncio
import datetime as dt
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from nexus.core import Command, IllegalMove, Invalid, NotFound
from nexus.runtime.testing import Harness
from nexus.services.crm.api import (
    AcceptQuote,
    CreateDeal,
    CreateQuote,
    ExpireQuotes,
    LoseDeal,
    QuoteAccepted,
    QuoteCreated,
    QuoteExpired,
    QuoteRejected,
    QuoteRevised,
    QuoteSent,
    QuoteViewed,
    RejectQuote,
    ReviseQuote,
    SendQuote,
    ViewQuote,
    WinDeal,
)
from nexus.services.crm.commands.quotes import AcceptedAlready, DealIsLost, NothingOffered, RanOut
from nexus.services.crm.entities import Deal, Quote
from nexus.services.crm.flows import quote_flow
from nexus.services.crm.terms import DealLine, QuoteStatus, Signature
from nexus.services.crm.tests.conftest import Sales, refused

TODAY = dt.datetime.now(ZoneInfo("Africa/Lagos")).date()
DAY = dt.timedelta(days=1)
LINES = [
    DealLine(name="Rice", quantity=Decimal(3), unit_price=Decimal("9.99"), discount_percent=Decimal("12.5")),
    DealLine(name="Beans", quantity=Decimal(1), unit_price=Decimal(5)),
]


async def deal_with(crm: Harness, lines: list[DealLine] | None = None, **fields: Any) -> UUID:
    return (await crm.run(CreateDeal(name="Rice", lines=LINES if lines is None else lines, **fields))).deal_id


async def quoted(crm: Harness, deal_id: UUID, *, sent: bool = True, **fields: Any) -> Quote:
    told = await crm.run(CreateQuote(deal_id=deal_id, **fields))
    if sent:
        await crm.run(SendQuote(quote_id=told.quote_id))
    return await crm.get(Quote, told.quote_id)


async def run_out(crm: Harness, quote: Quote) -> None:
    """As if its days had passed."""
    async with crm._work() as work:  # pyright: ignore[reportPrivateUsage]
        kept = await work.get(Quote, quote.id)
        kept.valid_until = TODAY - DAY
        await work.commit()


async def test_is_drawn_up_from_the_deals_lines_and_numbered(crm: Harness, sales: Sales) -> None:
    deal_id = await deal_with(crm)
    crm.emitted.clear()

    first = await crm.run(CreateQuote(deal_id=deal_id, terms="Net 30", valid_until=TODAY + DAY))
    second = await crm.run(CreateQuote(deal_id=deal_id, lines=LINES[1:]))

    quote = await crm.get(Quote, first.quote_id)
    assert (quote.number, quote.status, quote.currency, quote.lines) == (1, QuoteStatus.DRAFT, "NGN", LINES)
    assert (quote.subtotal, quote.discount, quote.total) == (Decimal("34.97"), Decimal("3.75"), Decimal("31.22"))
    assert (quote.terms, quote.valid_until) == ("Net 30", TODAY + DAY)
    assert (second.number, second.total) == (2, Decimal("5.00"))
    assert crm.emitted == [first, second]
    assert first == QuoteCreated(quote_id=quote.id, deal_id=deal_id, number=1, total=Decimal("31.22"), currency="NGN")


async def test_refuses_quotes_of_nothing(crm: Harness, sales: Sales) -> None:
    deal_id = await deal_with(crm, [])
    async with refused(crm, NothingOffered):
        await crm.run(CreateQuote(deal_id=deal_id))
    told = await crm.api("POST", "/api/v1/crm/quotes", {"deal_id": str(deal_id)})
    assert (told.status, told.json()["errors"]) == (422, [{"field": "lines", "message": "must not be empty"}])
    other = await deal_with(crm)
    async with refused(crm, NothingOffered):
        await crm.run(CreateQuote(deal_id=other, lines=[]))
    async with refused(crm, Invalid, "lines: come to -1.00"):
        await crm.run(CreateQuote(deal_id=deal_id, lines=[DealLine(name="x", quantity=Decimal(1), unit_price=Decimal(-1))]))
    async with refused(crm, Invalid, "valid_until: is at most ten years ahead"):
        await crm.run(CreateQuote(deal_id=deal_id, lines=LINES, valid_until=dt.date.max))
    async with refused(crm, NotFound, "deal"):
        await crm.as_("crm.rep").run(CreateQuote(deal_id=deal_id, lines=LINES))


async def test_a_closed_deal_is_not_quoted(crm: Harness, sales: Sales) -> None:
    deal_id = await deal_with(crm)
    await crm.run(WinDeal(deal_id=deal_id))
    async with refused(crm, IllegalMove, "Deal is won: it cannot quote"):
        await crm.run(CreateQuote(deal_id=deal_id))


async def test_a_draft_is_revised(crm: Harness, sales: Sales) -> None:
    quote = await quoted(crm, await deal_with(crm), sent=False, terms="Net 30")

    told = await crm.run(ReviseQuote(quote_id=quote.id, lines=LINES[1:], valid_until=TODAY + DAY))

    now = await crm.get(Quote, quote.id)
    assert (now.subtotal, now.discount, now.total, now.lines) == (Decimal("5.00"), Decimal("0.00"), Decimal("5.00"), LINES[1:])
    assert (now.terms, now.valid_until, now.number) == ("Net 30", TODAY + DAY, 1)
    assert told == QuoteRevised(quote_id=quote.id, total=Decimal("5.00")) == crm.emitted[-1]
    async with refused(crm, NothingOffered):
        await crm.run(ReviseQuote(quote_id=quote.id, lines=[]))
    async with refused(crm, Invalid, "valid_until"):
        await crm.run(ReviseQuote(quote_id=quote.id, valid_until=dt.date.max))


async def test_goes_to_the_customer_who_looks_and_signs(crm: Harness, sales: Sales) -> None:
    deal_id = await deal_with(crm)
    quote = await quoted(crm, deal_id, sent=False, valid_until=TODAY)
    crm.emitted.clear()

    told = [
        await crm.run(SendQuote(quote_id=quote.id)),
        await crm.run(ViewQuote(quote_id=quote.id)),
        await crm.run(AcceptQuote(quote_id=quote.id, signed_by="Ada Obi", email="ada@example.com", address="192.0.2.7")),
    ]

    now = await crm.get(Quote, quote.id)
    assert (now.status, now.sent_at is not None, now.viewed_at is not None) == (QuoteStatus.ACCEPTED, True, True)
    assert now.decided_at is not None
    assert now.signature == Signature(name="Ada Obi", at=now.decided_at, email="ada@example.com", address="192.0.2.7")
    assert crm.emitted == told
    assert told == [
        QuoteSent(quote_id=quote.id, deal_id=deal_id, valid_until=TODAY),
        QuoteViewed(quote_id=quote.id, deal_id=deal_id),
        QuoteAccepted(quote_id=quote.id, deal_id=deal_id, total=Decimal("31.22"), currency="NGN", lines=LINES),
    ]


async def test_looking_again_is_no_news(crm: Harness, sales: Sales) -> None:
    quote = await quoted(crm, await deal_with(crm))
    await crm.run(ViewQuote(quote_id=quote.id))
    viewed, told = (await crm.get(Quote, quote.id)).viewed_at, len(crm.emitted)
    await crm.run(ViewQuote(quote_id=quote.id))
    assert ((await crm.get(Quote, quote.id)).viewed_at, len(crm.emitted)) == (viewed, told)


async def test_accepting_one_supersedes_its_siblings(crm: Harness, sales: Sales) -> None:
    deal_id = await deal_with(crm)
    draft, sent, rejected, other = (
        await quoted(crm, deal_id, sent=False),
        await quoted(crm, deal_id),
        await quoted(crm, deal_id),
        await quoted(crm, await deal_with(crm)),
    )
    await crm.run(RejectQuote(quote_id=rejected.id, reason="Too much"))
    chosen = await quoted(crm, deal_id)

    await crm.run(AcceptQuote(quote_id=chosen.id, signed_by="Ada"))

    found = {one.id: (one.status, one.superseded_by_id) for one in await crm.list(Quote)}
    assert found == {
        draft.id: (QuoteStatus.SUPERSEDED, chosen.id),
        sent.id: (QuoteStatus.SUPERSEDED, chosen.id),
        rejected.id: (QuoteStatus.REJECTED, None),
        chosen.id: (QuoteStatus.ACCEPTED, None),
        other.id: (QuoteStatus.SENT, None),
    }


async def test_is_rejected(crm: Harness, sales: Sales) -> None:
    quote = await quoted(crm, await deal_with(crm))
    told = await crm.run(RejectQuote(quote_id=quote.id, reason="Too much"))
    now = await crm.get(Quote, quote.id)
    assert (now.status, now.rejected_reason, now.decided_at is not None) == (QuoteStatus.REJECTED, "Too much", True)
    assert told == QuoteRejected(quote_id=quote.id, deal_id=quote.deal_id) == crm.emitted[-1]


@pytest.mark.parametrize("status", list(QuoteStatus))
async def test_no_step_is_taken_that_the_flow_has_not(crm: Harness, sales: Sales, status: QuoteStatus) -> None:
    deal_id = await deal_with(crm)
    signature = Signature(name="Ada", at=dt.datetime.now(dt.UTC)) if status is QuoteStatus.ACCEPTED else None
    quote = await crm.given(Quote(deal_id=deal_id, number=1, status=status, currency="NGN", lines=LINES, signature=signature))
    commands: dict[str, Command[Any]] = {
        "revise": ReviseQuote(quote_id=quote.id),
        "send": SendQuote(quote_id=quote.id),
        "view": ViewQuote(quote_id=quote.id),
        "accept": AcceptQuote(quote_id=quote.id, signed_by="Ada"),
        "reject": RejectQuote(quote_id=quote.id),
    }
    for move, command in commands.items():
        if status in quote_flow.moves[move].starts or (move, status) == ("view", QuoteStatus.VIEWED):
            continue
        async with refused(crm, IllegalMove, f"Quote is {status}: it cannot {move}"):
            await crm.run(command)


async def test_a_lost_deals_quote_is_neither_sent_nor_signed(crm: Harness, sales: Sales) -> None:
    deal_id = await deal_with(crm)
    draft, sent = await quoted(crm, deal_id, sent=False), await quoted(crm, deal_id)
    await crm.run(LoseDeal(deal_id=deal_id, reason_id=sales.price.id))
    async with refused(crm, DealIsLost):
        await crm.run(AcceptQuote(quote_id=sent.id, signed_by="Ada"))
    async with refused(crm, DealIsLost):
        await crm.run(SendQuote(quote_id=draft.id))


async def test_what_ran_out_is_neither_sent_nor_signed(crm: Harness, sales: Sales) -> None:
    deal_id = await deal_with(crm)
    draft, sent = await quoted(crm, deal_id, sent=False, valid_until=TODAY), await quoted(crm, deal_id, valid_until=TODAY)
    await run_out(crm, draft)
    await run_out(crm, sent)
    commands: list[Command[Any]] = [SendQuote(quote_id=draft.id), AcceptQuote(quote_id=sent.id, signed_by="Ada")]
    for command in commands:
        async with refused(crm, RanOut, f"valid until {TODAY - DAY}"):
            await crm.run(command)


async def test_none_is_drawn_up_that_has_run_out(crm: Harness, sales: Sales) -> None:
    deal_id = await deal_with(crm)
    with pytest.raises(Invalid, match="valid_until: is in the past"):
        await crm.run(CreateQuote(deal_id=deal_id, valid_until=TODAY - DAY))
    assert await crm.count(Quote) == 0


async def test_one_deal_has_one_accepted_quote(crm: Harness, sales: Sales) -> None:
    deal_id = await deal_with(crm)
    first = await quoted(crm, deal_id)
    await crm.run(AcceptQuote(quote_id=first.id, signed_by="Ada"))
    second = await quoted(crm, deal_id)
    async with refused(crm, AcceptedAlready, "Quote 1 of the deal has been accepted already"):
        await crm.run(AcceptQuote(quote_id=second.id, signed_by="Ada"))


async def test_two_siblings_accepted_at_once_are_one(crm: Harness, sales: Sales) -> None:
    deal_id = await deal_with(crm)
    quotes = [await quoted(crm, deal_id) for _ in range(4)]

    results = await asyncio.gather(*[crm.run(AcceptQuote(quote_id=one.id, signed_by="Ada")) for one in quotes], return_exceptions=True)

    assert sorted(type(one).__name__ for one in results) == ["IllegalMove"] * 3 + ["QuoteAccepted"]
    assert sorted(one.status for one in await crm.list(Quote)) == ["accepted", *["superseded"] * 3]
    assert sum(isinstance(event, QuoteAccepted) for event in crm.emitted) == 1


async def test_accepting_rejecting_and_expiring_at_once_end_in_one_way(crm: Harness, sales: Sales) -> None:
    deal_id = await deal_with(crm)
    quotes = [await quoted(crm, deal_id, valid_until=TODAY) for _ in range(3)]
    await run_out(crm, quotes[0])
    commands: list[Command[Any]] = [
        ExpireQuotes(),
        *[AcceptQuote(quote_id=one.id, signed_by="Ada") for one in quotes],
        *[RejectQuote(quote_id=one.id) for one in quotes],
    ]

    results = await asyncio.gather(*[crm.run(one) for one in commands], return_exceptions=True)

    assert {type(one).__name__ for one in results} <= {"QuotesExpired", "QuoteAccepted", "QuoteRejected", "IllegalMove", "RanOut"}
    assert all(one.status not in (QuoteStatus.SENT, QuoteStatus.DRAFT) for one in await crm.list(Quote))


async def test_numbers_of_quotes_made_at_once_have_no_gap(crm: Harness, sales: Sales) -> None:
    deal_id = await deal_with(crm)
    made = await asyncio.gather(*[crm.run(CreateQuote(deal_id=deal_id)) for _ in range(5)])
    assert sorted(one.number for one in made) == [1, 2, 3, 4, 5]


async def test_what_nobody_decided_expires_on_the_next_day(crm: Harness, sales: Sales) -> None:
    deal_id = await deal_with(crm)
    quote, without = await quoted(crm, deal_id, valid_until=TODAY + 3 * DAY), await quoted(crm, deal_id)
    (timer,) = await crm.scheduled()
    # Lagos is an hour ahead of UTC all year
    midnight = dt.datetime.combine(TODAY + 3 * DAY, dt.time(23), dt.UTC)
    assert (timer.command, timer.due_at) == ("crm.quote:expire", midnight)

    assert (await crm.run(ExpireQuotes())).expired == 0
    await run_out(crm, quote)
    crm.emitted.clear()
    assert await crm.pass_time(midnight) == 1

    found = {one.id: one.status for one in await crm.list(Quote)}
    assert found == {quote.id: QuoteStatus.EXPIRED, without.id: QuoteStatus.SENT}
    assert crm.emitted == [QuoteExpired(quote_id=quote.id, deal_id=deal_id)]


async def test_many_expire_in_turns(crm: Harness, sales: Sales) -> None:
    deal_id = await deal_with(crm)
    for _ in range(3):
        await run_out(crm, await quoted(crm, deal_id, valid_until=TODAY))
    swept = await crm.run(ExpireQuotes(limit=2))
    assert (swept.expired, swept.more) == (2, True)
    assert [timer.command for timer in await crm.scheduled()].count("crm.quote:expire") == 4  # one a quote, and one for the rest
    for limit in (0, 1001):
        async with refused(crm, Invalid, "limit"):
            await crm.run(ExpireQuotes(limit=limit))
    assert (await crm.get(Deal, deal_id)).version == 1
