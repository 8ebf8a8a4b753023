"""The walls in the database: SQL of any kind under the tenant's role neither unbalances the books nor changes what is in them."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from conftest import Database
from nexus.core import uuid7
from nexus.runtime.testing import Harness
from nexus.services.finance.api import DraftEntry, RecordPayment, ReverseEntry
from nexus.services.finance.entities import JournalEntry, JournalLine
from nexus.services.finance.payment_terms import PaymentDirection
from nexus.services.finance.queries.proof import LedgerProof
from nexus.services.finance.rules.chain import first_broken
from nexus.services.finance.terms import EntryStatus
from nexus.services.finance.tests.conftest import BANK, CASH, SALES, Books

Connection = psycopg.AsyncConnection[Any]


async def broken(books: Books) -> list[str]:
    """The rules that the proof finds broken."""
    return [row["rule"] for row in await books.finance.ask(LedgerProof(company_id=books.company.id)) if not row["holds"]]


async def chain(finance: Harness, books: Books, journal: str = "GEN") -> JournalEntry | None:
    """The first broken entry of a journal, found without the database's help."""
    entries = await finance.list(JournalEntry, JournalEntry.journal_id == books.journals[journal], JournalEntry.number.is_not(None))
    kept = [
        (one, await finance.list(JournalLine, JournalLine.entry_id == one.id)) for one in sorted(entries, key=lambda one: one.position or 0)
    ]
    return first_broken(kept)


HOSTILE = (
    "UPDATE {s}.finance_journal_line SET debit = debit + 1 WHERE debit > 0",
    "UPDATE {s}.finance_journal_line SET memo = 'x'",
    "DELETE FROM {s}.finance_journal_line",
    "INSERT INTO {s}.finance_journal_line SELECT (jsonb_populate_record(l, jsonb_build_object('id', gen_random_uuid(), 'position', 9))).*"
    " FROM {s}.finance_journal_line l",
    "UPDATE {s}.finance_journal_entry SET memo = 'x'",
    "UPDATE {s}.finance_journal_entry SET status = 'draft'",
    "UPDATE {s}.finance_journal_entry SET status = 'reversed'",
    "UPDATE {s}.finance_journal_entry SET number = 'GEN/1/00009'",
    "UPDATE {s}.finance_journal_entry SET date = date + 1",
    "DELETE FROM {s}.finance_journal_entry",
    "INSERT INTO {s}.finance_journal_entry SELECT (jsonb_populate_record(e, jsonb_build_object('id', gen_random_uuid()))).* FROM {s}.finance_journal_entry e",
    "INSERT INTO {s}.finance_journal_entry SELECT e.* FROM {s}.finance_journal_entry e ON CONFLICT (id) DO UPDATE SET memo = 'x'",
    "UPDATE {s}.finance_account_balance SET debit = debit + 1",
    "DELETE FROM {s}.finance_account_balance",
    "UPDATE {s}.finance_journal_head SET position = 0",
    "DELETE FROM {s}.finance_journal_head",
    "UPDATE {s}.finance_journal_series SET last_number = 7",
    "DELETE FROM {s}.finance_journal",
    "UPDATE {s}.finance_account SET root_type = 'income' WHERE code = '1254'",
    "UPDATE {s}.finance_account SET currency = 'USD' WHERE code = '1254'",
    "DELETE FROM {s}.finance_account WHERE code = '1254'",
    "ALTER TABLE {s}.finance_journal_line DISABLE TRIGGER ALL",
    "UPDATE {s}.finance_payment SET amount = amount + 1",
    "UPDATE {s}.finance_payment SET status = 'bounced', bounce_entry_id = entry_id",
    "UPDATE {s}.finance_payment SET party_id = gen_random_uuid()",
    "DELETE FROM {s}.finance_payment",
    "INSERT INTO {s}.finance_payment SELECT (jsonb_populate_record(p, jsonb_build_object('id', gen_random_uuid(), 'number', 'X'))).*"
    " FROM {s}.finance_payment p",
    "TRUNCATE {s}.finance_journal_line",
    "SET session_replication_role = replica",
)


@pytest.mark.parametrize("hostile", HOSTILE)
async def test_nothing_that_is_posted_is_changed_by_sql(books: Books, tenant_sql: Connection, hostile: str) -> None:
    await books.sale()
    await books.finance.run(RecordPayment(direction=PaymentDirection.RECEIVED, party_id=uuid7(), amount=Decimal(7), date=books.day))
    before = [vars(one) for one in await books.finance.list(JournalLine)]
    with pytest.raises(psycopg.Error):
        await tenant_sql.execute(hostile.replace("{s}", books.finance.caller.schema).encode())
    assert [one["debit"] for one in before] == [one.debit for one in await books.finance.list(JournalLine)]
    assert (await broken(books), await chain(books.finance, books)) == ([], None)


async def test_a_draft_posted_by_sql_is_held_to_every_rule(books: Books, tenant_sql: Connection) -> None:
    finance, schema = books.finance, books.finance.caller.schema
    post = f"UPDATE {schema}.finance_journal_entry SET status = 'posted' WHERE id = %s".encode()
    bad = await finance.run(
        DraftEntry(journal_id=books.journals["GEN"], date=books.day, lines=[books.line(CASH, "2"), books.line(SALES, "-1")])
    )
    good = await finance.run(
        DraftEntry(journal_id=books.journals["GEN"], date=books.day, lines=[books.line(CASH, "1"), books.line(SALES, "-1")])
    )

    with pytest.raises(psycopg.Error, match="Unbalanced"):
        await tenant_sql.execute(post, (bad.journal_entry_id,))
    await tenant_sql.execute(post, (good.journal_entry_id,))

    kept = await finance.get(JournalEntry, good.journal_entry_id)
    assert (kept.status, kept.sequence) == (EntryStatus.POSTED, 1)
    assert (await broken(books), await chain(finance, books)) == ([], None)


CHANGES = {
    "UPDATE {s}.finance_journal_line SET memo = 'y' WHERE position = 1": {"Every entry says what its hash says"},
    "UPDATE {s}.finance_journal_line SET debit = debit + 1 WHERE debit > 0": {
        "Every entry balances",
        "Balances are the sums of their lines",
        "Every entry says what its hash says",
    },
    "UPDATE {s}.finance_journal_entry SET reference = 'x' WHERE position = 1": {"Every entry says what its hash says"},
    "UPDATE {s}.finance_journal_entry SET hash = repeat('1', 64) WHERE position = 1": {
        "Every entry says what its hash says",
        "Every entry follows the one before it",
    },
    "UPDATE {s}.finance_account_balance SET credit = credit + 1 WHERE credit > 0": {"Balances are the sums of their lines"},
    "DELETE FROM {s}.finance_journal_line WHERE entry_id IN (SELECT id FROM {s}.finance_journal_entry WHERE position = 2);"
    " DELETE FROM {s}.finance_journal_entry WHERE position = 2": {
        "Balances are the sums of their lines",
        "Every entry follows the one before it",
        "Numbers have no gaps",
    },
}


@pytest.mark.parametrize("change", CHANGES)
async def test_what_a_superuser_changes_behind_the_walls_is_found(books: Books, database: Database, change: str) -> None:
    for _ in range(3):
        await books.sale(memo="Bread")
    assert (await broken(books), await chain(books.finance, books)) == ([], None)
    async with await psycopg.AsyncConnection.connect(database.superuser, autocommit=True) as superuser:
        await superuser.execute(b"SET session_replication_role = replica")
        await superuser.execute(change.replace("{s}", books.finance.caller.schema).encode())
    assert set(await broken(books)) == CHANGES[change]
    assert (await chain(books.finance, books) is None) == (CHANGES[change] == {"Balances are the sums of their lines"})


async def test_a_chain_is_the_same_in_python_and_in_the_database(books: Books) -> None:
    await books.sale(
        memo='A "quoted" \\ memo\twith\x01 ☕ and a line\nbreak', reference="Ünïcode", source_entity="crm.deal", source_id=books.company.id
    )
    sale = await books.post(
        books.line(
            BANK, "1500.5", currency="USD", amount=Decimal(1), dimensions={"shop": "One", "b": "ä", "aa": "/\u2028"}, due_date=books.day
        ),
        books.line(SALES, "-1500.50", project_id=books.company.id),
    )
    await books.finance.run(ReverseEntry(journal_entry_id=sale.journal_entry_id, reason="Twice"))
    assert (await broken(books), await chain(books.finance, books)) == ([], None)


async def test_sixteen_who_post_at_once_leave_no_gap_and_no_deadlock(books: Books) -> None:
    async def client(n: int) -> None:
        for at in range(4):
            journal = ("GEN", "SAL", "BNK")[(n + at) % 3]
            lines = [books.line(CASH, "1"), books.line(SALES, "-1")]
            await books.post(*(lines if n % 2 else reversed(lines)), journal=journal, date=books.periods[(n * at) % 12].starts_on)

    await asyncio.gather(*[client(n) for n in range(16)])

    entries = await books.finance.list(JournalEntry)
    for journal in ("GEN", "SAL", "BNK"):
        own = sorted(one.sequence or 0 for one in entries if one.journal_id == books.journals[journal])
        assert own == list(range(1, len(own) + 1))
        assert await chain(books.finance, books, journal) is None
    assert len(entries) == 64
    assert await broken(books) == []
