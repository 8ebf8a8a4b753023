"""The walls around what banks said: SQL of any kind leaves it as it came."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from nexus.services.finance.entities import BankStatement, BankStatementLine
from nexus.services.finance.tests.bank_samples import CSV
from nexus.services.finance.tests.conftest import Books
from nexus.services.finance.tests.test_statements import banked, take_in

HOSTILE = (
    "UPDATE {s}.finance_bank_statement_line SET amount = amount + 1",
    "UPDATE {s}.finance_bank_statement_line SET counterparty_account = 'X'",
    "UPDATE {s}.finance_bank_statement SET closing = movement",
    "DELETE FROM {s}.finance_bank_statement_line",
    "DELETE FROM {s}.finance_bank_statement",
    "TRUNCATE {s}.finance_bank_statement_line",
    "INSERT INTO {s}.finance_bank_statement_line SELECT (jsonb_populate_record(l, jsonb_build_object('id', gen_random_uuid()))).*"
    " FROM {s}.finance_bank_statement_line l",
)


@pytest.mark.parametrize("hostile", HOSTILE)
async def test_what_a_bank_said_is_not_changed_by_sql(books: Books, tenant_sql: psycopg.AsyncConnection[Any], hostile: str) -> None:
    await take_in(books, await banked(books), CSV)

    async def everything() -> Any:
        lines = [(one.id, one.amount, one.counterparty_account) for one in await books.finance.list(BankStatementLine)]
        return lines, [(one.id, one.movement, one.closing) for one in await books.finance.list(BankStatement)]

    before = await everything()
    with pytest.raises(psycopg.Error):
        await tenant_sql.execute(hostile.replace("{s}", books.finance.caller.schema).encode())
    assert await everything() == before
