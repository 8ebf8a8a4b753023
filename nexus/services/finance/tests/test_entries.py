"""Entries: drafted, posted, reversed."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from nexus.core import Command, Forbidden, IllegalMove, NotFound, uuid7
from nexus.services.finance.api import (
    DiscardEntry,
    DraftEntry,
    EntryDiscarded,
    EntryDrafted,
    EntryPosted,
    EntryReversed,
    PostDraft,
    PostEntry,
    ReverseEntry,
    ReviseEntry,
)
from nexus.services.finance.entities import AccountBalance, ExchangeRate, JournalEntry, JournalHead, JournalLine
from nexus.services.finance.rules.refusals import NoExchangeRate, Unbalanced
from nexus.services.finance.terms import EntryLine, EntryStatus, PartyType
from nexus.services.finance.tests.conftest import BANK, CASH, COSTS, OWED, SALES, TAX, Books, refused


async def lines_of(books: Books, entry: EntryPosted) -> list[tuple[str, str, str]]:
    codes = {id: code for code, id in books.accounts.items()}
    found = await books.finance.list(JournalLine, JournalLine.entry_id == entry.journal_entry_id)
    return [(codes[one.account_id], str(one.debit), str(one.credit)) for one in sorted(found, key=lambda one: one.position)]


async def test_is_posted_with_its_lines_number_and_place_in_the_chain(books: Books) -> None:
    finance = books.finance

    told = await books.post(
        books.line(OWED, "107.50", party_type=PartyType.CUSTOMER, party_id=uuid7(), due_date=books.periods[1].starts_on),
        books.line(SALES, "-100"),
        books.line(TAX, "-7.5", memo="VAT"),
        journal="SAL",
        reference="INV-1",
        memo="Bread",
    )

    assert finance.round_trips == 3
    entry = await finance.get(JournalEntry, told.journal_entry_id)
    year = books.day.year
    assert (told.number, entry.number, entry.sequence, entry.position) == (f"SAL/{year}/00001", f"SAL/{year}/00001", 1, 1)
    assert (entry.status, entry.total, entry.currency, entry.reference, entry.memo) == (
        EntryStatus.POSTED,
        Decimal("107.50"),
        "NGN",
        "INV-1",
        "Bread",
    )
    assert (entry.lines, entry.period_id, entry.prev_hash, entry.hash) == ([], books.periods[0].id, "0" * 64, told.hash)
    assert entry.posted_by == finance.caller.actor.id
    assert entry.posted_at is not None
    assert await lines_of(books, told) == [(OWED, "107.50", "0.00"), (SALES, "0.00", "100.00"), (TAX, "0.00", "7.50")]
    assert finance.emitted == [told]
    (head,) = await finance.list(JournalHead, JournalHead.journal_id == books.journals["SAL"])
    assert (head.position, head.hash) == (1, told.hash)
    balances = await finance.list(AccountBalance)
    assert sorted((str(one.debit), str(one.credit), one.lines) for one in balances) == [
        ("0.00", "100.00", 1),
        ("0.00", "7.50", 1),
        ("107.50", "0.00", 1),
    ]


async def test_the_next_follows_the_last_in_its_journal_alone(books: Books) -> None:
    first, second, other = await books.sale(), await books.sale(), await books.sale(journal="BNK")
    kept = [await books.finance.get(JournalEntry, one.journal_entry_id) for one in (first, second, other)]
    assert [one.number for one in kept] == [f"{code}/{books.day.year}/{n:05}" for code, n in (("GEN", 1), ("GEN", 2), ("BNK", 1))]
    assert [one.prev_hash for one in kept] == ["0" * 64, first.hash, "0" * 64]
    (cash,) = [
        one
        for one in await books.finance.list(AccountBalance, AccountBalance.account_id == books.accounts[CASH])
        if one.journal_id == books.journals["GEN"]
    ]
    assert (cash.debit, cash.lines, cash.period_id) == (Decimal("200.00"), 2, books.periods[0].id)


async def test_a_draft_is_written_changed_and_posted(books: Books) -> None:
    finance, lines = books.finance, [books.line(CASH, "5"), books.line(SALES, "-4")]

    told = await finance.run(DraftEntry(journal_id=books.journals["GEN"], date=books.day, lines=lines))
    assert (await finance.get(JournalEntry, told.journal_entry_id)).number is None
    assert await finance.count(JournalLine) == 0
    async with refused(finance, Unbalanced, "differ by 1.00 NGN"):
        await finance.run(PostDraft(journal_entry_id=told.journal_entry_id))
    await finance.run(
        ReviseEntry(journal_entry_id=told.journal_entry_id, lines=[books.line(CASH, "5"), books.line(SALES, "-5")], memo="Five")
    )
    posted = await finance.run(PostDraft(journal_entry_id=told.journal_entry_id))

    assert isinstance(told, EntryDrafted)
    assert await lines_of(books, posted) == [(CASH, "5.00", "0.00"), (SALES, "0.00", "5.00")]
    assert (await finance.get(JournalEntry, told.journal_entry_id)).memo == "Five"
    refusals: list[Command[Any]] = [
        PostDraft(journal_entry_id=told.journal_entry_id),
        ReviseEntry(journal_entry_id=told.journal_entry_id, memo="Six"),
        DiscardEntry(journal_entry_id=told.journal_entry_id),
    ]
    for command in refusals:
        async with refused(finance, IllegalMove, "is posted: it cannot"):
            await finance.run(command)


async def test_a_draft_is_thrown_away(books: Books) -> None:
    told = await books.finance.run(DraftEntry(journal_id=books.journals["GEN"], date=books.day))
    gone = await books.finance.run(DiscardEntry(journal_entry_id=told.journal_entry_id))
    assert isinstance(gone, EntryDiscarded)
    assert await books.finance.count(JournalEntry) == 0


async def test_a_reversal_mirrors_what_it_takes_back(books: Books) -> None:
    finance = books.finance
    sale = await books.post(
        books.line(BANK, "1500", currency="USD", amount=Decimal(1)),
        books.line(SALES, "-1400", dimensions={"shop": "one"}),
        books.line(TAX, "-100"),
    )

    told = await finance.run(ReverseEntry(journal_entry_id=sale.journal_entry_id, reason="Twice"))

    assert isinstance(told, EntryReversed)
    was, mirror = await finance.get(JournalEntry, sale.journal_entry_id), await finance.get(JournalEntry, told.reversed_by_id)
    assert (was.status, was.reversed_by_id, was.hash) == (EntryStatus.REVERSED, mirror.id, sale.hash)
    assert (mirror.status, mirror.reversal_of_id, mirror.reference, mirror.memo) == (EntryStatus.POSTED, was.id, sale.number, "Twice")
    for one in await finance.list(AccountBalance):
        assert (one.debit - one.credit, one.amount) == (Decimal(0), Decimal(0))
    refusals: list[Command[Any]] = [ReverseEntry(journal_entry_id=was.id, reason="x"), PostDraft(journal_entry_id=was.id)]
    for command in refusals:
        async with refused(finance, IllegalMove, "is reversed"):
            await finance.run(command)
    again = await finance.run(ReverseEntry(journal_entry_id=mirror.id, reason="After all"))
    assert again.journal_entry_id == mirror.id


async def test_a_line_in_another_currency_is_converted_by_the_rate_of_the_day(books: Books) -> None:
    finance = books.finance
    early, late = books.periods[0].starts_on, books.periods[1].starts_on
    await finance.given(
        ExchangeRate(from_currency="USD", to_currency="NGN", date=early, rate=Decimal("1500.25")),
        ExchangeRate(from_currency="USD", to_currency="NGN", date=late, rate=Decimal(1600)),
    )
    line = EntryLine(account_id=books.accounts[BANK], currency="USD", amount=Decimal("10.01"))

    told = await books.post(line, books.line(SALES, "-15017.50"))
    given = await books.post(line.changed(rate=Decimal(2), amount=Decimal("-0.5")), books.line(COSTS, "1"))

    (kept,) = await finance.list(JournalLine, JournalLine.entry_id == told.journal_entry_id, JournalLine.currency == "USD")
    assert (kept.debit, kept.amount, kept.rate) == (Decimal("15017.50"), Decimal("10.01"), Decimal("1500.25"))
    assert await lines_of(books, given) == [(BANK, "0.00", "1.00"), (COSTS, "1.00", "0.00")]
    async with refused(finance, NoExchangeRate, "Line 1"):
        await books.post(line.changed(currency="EUR"), books.line(SALES, "-1"))


async def test_who_may_not_post_posts_nothing(books: Books) -> None:
    auditor = books.finance.as_("finance.auditor")
    command = PostEntry(journal_id=books.journals["GEN"], date=books.day, lines=[books.line(CASH, "1"), books.line(SALES, "-1")])
    async with refused(books.finance, Forbidden):
        await auditor.run(command)
    await books.finance.as_("finance.bookkeeper").run(command)
    async with refused(books.finance, NotFound, "journal"):
        await books.finance.run(PostEntry(journal_id=uuid7(), date=books.day, lines=command.lines))


async def test_over_rest_every_wrong_line_is_named_and_a_dry_run_takes_no_number(books: Books) -> None:
    finance = books.finance
    lines = [{"account_id": str(books.accounts[code]), side: "1"} for code, side in ((CASH, "debit"), (SALES, "credit"))]
    body = {"journal_id": str(books.journals["GEN"]), "date": books.day.isoformat(), "lines": lines}

    tried = await finance.api("POST", "/api/v1/finance/journal_entries/post?dry_run=true", body)
    done = await finance.api("POST", "/api/v1/finance/journal_entries/post", body)
    wrong = await finance.api(
        "POST", "/api/v1/finance/journal_entries/post", {**body, "lines": [{"account_id": str(uuid7()), "debit": "1"}, lines[1]]}
    )

    assert (tried.status, done.status, done.json()["number"]) == (200, 200, f"GEN/{books.day.year}/00001"), (tried.body, done.body)
    assert (wrong.status, wrong.json()["type"]) == (422, "/problems/unknown-account")
    assert wrong.json()["errors"] == [{"field": "lines[0].account_id", "message": "is no account of this company"}]


@pytest.mark.parametrize("amount", ["NaN", "Infinity", "1e30", "-1e400"])
async def test_no_number_is_too_strange(books: Books, amount: str) -> None:
    lines = [{"account_id": str(books.accounts[CASH]), "debit": amount}, {"account_id": str(books.accounts[SALES]), "credit": amount}]
    body = {"journal_id": str(books.journals["GEN"]), "date": books.day.isoformat(), "lines": lines}
    answer = await books.finance.api("POST", "/api/v1/finance/journal_entries/post", body)
    assert answer.status in (400, 422), answer.body
    assert await books.finance.count(JournalEntry) == 0
