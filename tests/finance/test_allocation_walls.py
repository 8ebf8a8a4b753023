"""The walls around allocations: SQL of any kind neither settles more than is there nor says that an invoice is paid."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
import pytest

from conftest import Database
from nexus.services.finance.api import RecordPayment, ReverseEntry
from nexus.services.finance.entities import Allocation, Invoice, JournalLine, Payment
from nexus.services.finance.payment_terms import PaymentDirection, PaymentShare
from nexus.services.finance.rules.refusals import StillAllocated
from nexus.services.finance.terms import PartyType
from nexus.services.finance.tests.conftest import OWED, Books, refused
from nexus.services.finance.tests.test_invoice_posting import posted
from nexus.services.finance.tests.test_invoices import CUSTOMER, line
from nexus.services.finance.tests.test_payments import paid

Connection = psycopg.AsyncConnection[Any]
MADE = (
    "INSERT INTO {s}.finance_allocation (id, company_id, status, debit_line_id, credit_line_id, amount, currency, debit_base,"
    " credit_base, base_currency, fx_entry_id, tags, external_refs, custom) SELECT gen_random_uuid(), '{company}', 'made', d.id, c.id, {amount}, d.currency,"
    " {debit_base}, {credit_base}, 'NGN', {fx}, '[]', '{}', '{}'"
    " FROM {s}.finance_journal_line d, {s}.finance_journal_line c WHERE d.id = '{debit}' AND c.id = '{credit}'"
)
HOSTILE = (
    "UPDATE {s}.finance_allocation SET amount = amount + 1",
    "UPDATE {s}.finance_allocation SET debit_line_id = credit_line_id, credit_line_id = debit_line_id",
    "UPDATE {s}.finance_allocation SET status = 'undone'",  # while its invoice is said to be paid
    "UPDATE {s}.finance_allocation SET tags = '[]'",
    "UPDATE {s}.finance_allocation SET effective_from = effective_from - 1",
    "UPDATE {s}.finance_allocation SET effective_until = effective_from",
    "DELETE FROM {s}.finance_allocation",
    "INSERT INTO {s}.finance_allocation SELECT (jsonb_populate_record(a, jsonb_build_object('id', gen_random_uuid()))).* FROM {s}.finance_allocation a",
    "INSERT INTO {s}.finance_allocation SELECT (jsonb_populate_record(a, jsonb_build_object('id', gen_random_uuid(), 'status', 'undone'))).*"
    " FROM {s}.finance_allocation a",
    "INSERT INTO {s}.finance_allocation SELECT (jsonb_populate_record(a, jsonb_build_object('id', gen_random_uuid(), 'amount', 0.001))).*"
    " FROM {s}.finance_allocation a",
    "INSERT INTO {s}.finance_allocation SELECT (jsonb_populate_record(a, jsonb_build_object('id', gen_random_uuid(), 'amount', -1))).*"
    " FROM {s}.finance_allocation a",
    "UPDATE {s}.finance_journal_line SET residual = amount",
    "UPDATE {s}.finance_journal_line SET residual_base = debit - credit",
    "UPDATE {s}.finance_allocation SET debit_base = debit_base + 1, credit_base = credit_base + 1",
    "UPDATE {s}.finance_invoice SET status = 'posted'",
    "UPDATE {s}.finance_invoice SET status = 'partly_paid'",
    "UPDATE {s}.finance_invoice SET status = 'reversed'",
    "TRUNCATE {s}.finance_allocation",
)


@pytest.mark.parametrize("hostile", HOSTILE)
async def test_what_is_allocated_is_not_changed_by_sql(books: Books, tenant_sql: Connection, hostile: str) -> None:
    invoice = await posted(books, line("100"))
    share = PaymentShare(invoice_id=invoice.id)
    await books.finance.run(
        RecordPayment(direction=PaymentDirection.RECEIVED, party_id=CUSTOMER, amount=Decimal(150), date=books.day, allocations=[share])
    )

    async def everything() -> Any:
        lines = {one.id: one.residual for one in await books.finance.list(JournalLine)}
        made = [(one.amount, one.status, one.debit_line_id) for one in await books.finance.list(Allocation)]
        return lines, made, [one.status for one in await books.finance.list(Invoice)]

    before = await everything()
    with pytest.raises(psycopg.Error):
        await tenant_sql.execute(hostile.replace("{s}", books.finance.caller.schema).encode())
    assert await everything() == before


def making(books: Books, debit: JournalLine, credit: JournalLine, amount: str, *bases: str, fx: UUID | None = None) -> bytes:
    """The statement that allocates an amount of two lines, at what it stands at on each: at the amount, unless both are given."""
    debit_base, credit_base = bases or (amount, amount)
    given = {"s": books.finance.caller.schema, "company": books.company.id, "debit": debit.id, "credit": credit.id, "amount": amount}
    text = MADE
    for name, value in (given | {"debit_base": debit_base, "credit_base": credit_base, "fx": f"'{fx}'" if fx else "NULL"}).items():
        text = text.replace("{" + name + "}", str(value))
    return text.encode()


async def owed(books: Books, entry: Any) -> JournalLine:
    (one,) = await books.finance.list(JournalLine, JournalLine.entry_id == entry, JournalLine.residual.is_not(None))
    return one


async def test_lines_that_do_not_fit_settle_nothing(books: Books, tenant_sql: Connection) -> None:
    sale = await owed(books, (await posted(books, line("100"))).entry_id)
    one = await paid(books, "100")
    own = await owed(books, one.entry_id)
    stranger = await owed(books, (await paid(books, "100", party_id=books.company.id)).entry_id)
    (cash,) = await books.finance.list(JournalLine, JournalLine.entry_id == one.entry_id, JournalLine.residual.is_(None))
    for debit, credit, says in [
        (sale, stranger, "different parties"),
        (own, sale, "one is a debit"),
        (cash, own, "no receivable or payable"),
    ]:
        with pytest.raises(psycopg.Error, match="UnfitAllocation") as told:
            await tenant_sql.execute(making(books, debit, credit, "1"))
        assert says in str(told.value.diag.message_detail)
    with pytest.raises(psycopg.Error, match="PaidStateIsDerived"):
        await tenant_sql.execute(making(books, sale, own, "1"))
    with pytest.raises(psycopg.Error, match="ResidualExceeded"):
        await tenant_sql.execute(making(books, sale, own, "100.01"))
    assert await books.finance.count(Allocation) == 0


@pytest.mark.parametrize("isolation", list(psycopg.IsolationLevel))
async def test_by_sql_at_once_no_more_is_settled_than_is_there(books: Books, database: Database, isolation: psycopg.IsolationLevel) -> None:
    """Lines of no invoice, so that nothing but the residuals stands in the way."""
    debit = books.line(OWED, "100", party_type=PartyType.CUSTOMER, party_id=CUSTOMER)
    entry = await books.post(debit, books.line("4110", "-100"))
    sale, own = await owed(books, entry.journal_entry_id), await owed(books, (await paid(books, "100")).entry_id)

    async def client() -> None:
        async with await psycopg.AsyncConnection.connect(database.app) as connection:
            await connection.set_isolation_level(isolation)
            await connection.execute(f"SELECT set_config('role', '{books.finance.caller.schema}', false)".encode())
            await connection.execute(making(books, sale, own, "30"))

    results = await asyncio.gather(*[client() for _ in range(6)], return_exceptions=True)

    made = sum(one is None for one in results)
    assert 1 <= made <= 3
    assert made == 3 or isolation > psycopg.IsolationLevel.READ_COMMITTED  # the stricter ones may give up where others would have waited
    left = await books.finance.get(JournalLine, sale.id), await books.finance.get(JournalLine, own.id)
    assert [one.residual for one in left] == [100 - 30 * made, 30 * made - 100]
    async with refused(books.finance, StillAllocated):
        await books.finance.run(ReverseEntry(journal_entry_id=entry.journal_entry_id, reason="Wrong"))
    assert await books.finance.count(Payment) == 1


async def euros(books: Books, amount: str) -> tuple[JournalLine, JournalLine]:
    """What a customer owes of an entry in euros, and what another took back at a better rate."""
    made: list[JournalLine] = []
    for side, worth in ((1, 1500), (-1, 1600)):
        value = str(side * worth * Decimal(amount))
        line = books.line(OWED, value, party_type=PartyType.CUSTOMER, party_id=CUSTOMER, currency="EUR", amount=side * Decimal(amount))
        entry = await books.post(line, books.line("4110", str(-Decimal(value))))
        made.append(await owed(books, entry.journal_entry_id))
    return made[0], made[1]


async def gained(books: Books, value: str, **more: Any) -> UUID:
    """An entry that says it is an exchange difference."""
    at = books.line(OWED, value, **{"party_type": PartyType.CUSTOMER, "party_id": CUSTOMER, "currency": "EUR", "amount": Decimal(0)} | more)
    return (await books.post(at, books.line("4240", str(-Decimal(value))), journal="FX")).journal_entry_id


async def test_what_stands_at_two_values_is_settled_with_their_difference(books: Books, tenant_sql: Connection) -> None:
    debit, credit = await euros(books, "10")
    right, stranger = await gained(books, "400"), await gained(books, "400", party_id=books.company.id)
    for bases, fx, says in [
        (("6000", "6400"), None, "fx_entry_id_of_a_difference"),
        (("6000", "6000"), None, "another part of it"),
        (("6000.02", "6400.02"), right, "another part of it"),
        (("6000", "6400"), await gained(books, "399"), "does not hold"),
        (("6000", "6400"), await gained(books, "-400"), "does not hold"),
        (("6000", "6400"), stranger, "does not hold"),
        (("6000", "6400"), await gained(books, "400", amount=Decimal(1)), "does not hold"),
        (("6000", "6400"), (await books.sale("400")).journal_entry_id, "does not hold"),
    ]:
        with pytest.raises(psycopg.Error, match=r"UnfitAllocation|violates") as told:
            await tenant_sql.execute(making(books, debit, credit, "4", *bases, fx=fx))
        assert says in f"{told.value.diag.message_detail} {told.value.diag.constraint_name}"
    await tenant_sql.execute(making(books, debit, credit, "4", "6000", "6400", fx=right))
    with pytest.raises(psycopg.Error, match="UnfitAllocation"):  # it holds one difference, not two
        await tenant_sql.execute(making(books, debit, credit, "4", "6000", "6400", fx=right))
    with pytest.raises(psycopg.Error, match="UnfitAllocation"):  # the last takes all that is left
        await tenant_sql.execute(making(books, debit, credit, "6", "8999.99", "9599.99", fx=await gained(books, "600")))
    with pytest.raises(psycopg.Error, match="DifferenceRemains"):
        await tenant_sql.execute(f"UPDATE {books.finance.caller.schema}.finance_allocation SET status = 'undone'".encode())
    async with refused(books.finance, StillAllocated):
        await books.finance.run(ReverseEntry(journal_entry_id=right, reason="Wrong"))
    assert await books.finance.count(Allocation) == 1
