"""The walls around write-offs: SQL of any kind neither gives up more than is booked nor takes a part of it back."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import psycopg
import pytest

from nexus.services.finance.api import WriteOffInvoice
from nexus.services.finance.entities import Allocation, Invoice, JournalLine, WriteOff
from nexus.services.finance.tests.conftest import Books
from nexus.services.finance.tests.test_invoice_posting import posted
from nexus.services.finance.tests.test_invoices import line

ANOTHER = "INSERT INTO {s}.finance_write_off SELECT (jsonb_populate_record(w, jsonb_build_object('id', gen_random_uuid()%s))).* FROM {s}.finance_write_off w"
HOSTILE = (
    "UPDATE {s}.finance_write_off SET amount = amount + 1",
    "UPDATE {s}.finance_write_off SET status = 'undone'",
    "DELETE FROM {s}.finance_write_off",
    "TRUNCATE {s}.finance_write_off",
    "UPDATE {s}.finance_allocation SET status = 'undone'; UPDATE {s}.finance_invoice SET status = 'posted'",
    "UPDATE {s}.finance_allocation SET status = 'undone'; UPDATE {s}.finance_invoice SET status = 'posted';"
    " UPDATE {s}.finance_write_off SET status = 'undone'",
    "UPDATE {s}.finance_invoice SET status = 'paid'",
    ANOTHER % "",
    ANOTHER % ", 'entry_id', (SELECT entry_id FROM {s}.finance_invoice LIMIT 1)",
)


@pytest.mark.parametrize("hostile", HOSTILE)
async def test_what_is_written_off_is_not_changed_by_sql(books: Books, tenant_sql: psycopg.AsyncConnection[Any], hostile: str) -> None:
    invoice = await posted(books, line("100"))
    await books.finance.run(WriteOffInvoice(invoice_id=invoice.id, amount=Decimal(100), date=books.day, reason="Insolvent"))

    async def everything() -> Any:
        lines = {one.id: one.residual for one in await books.finance.list(JournalLine)}
        given_up = [(one.id, one.amount, one.status) for one in await books.finance.list(WriteOff)]
        made = [(one.amount, one.status) for one in await books.finance.list(Allocation)]
        return lines, given_up, made, [one.status for one in await books.finance.list(Invoice)]

    before = await everything()
    with pytest.raises(psycopg.Error):
        await tenant_sql.execute(hostile.replace("{s}", books.finance.caller.schema).encode())
    assert await everything() == before
