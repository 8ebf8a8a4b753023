"""The walls around the register of assets: SQL of any kind does not part it from the ledger."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from conftest import Database
from nexus.services.finance.entities import Asset, AssetMovement, JournalEntry
from nexus.services.finance.queries.proof import LedgerProof
from nexus.services.finance.tests.assets import agreed, bought, depreciate
from nexus.services.finance.tests.conftest import Books

ANOTHER = "INSERT INTO {s}.finance_asset_movement SELECT (jsonb_populate_record(m, jsonb_build_object('id', %s::uuid%s))).* FROM {s}.finance_asset_movement m"
HOSTILE = (
    "UPDATE {s}.finance_asset SET cost = cost + 1",
    "UPDATE {s}.finance_asset SET depreciated = depreciated + 1",
    "UPDATE {s}.finance_asset SET status = 'draft', next_on = NULL",
    "UPDATE {s}.finance_asset SET status = 'disposed', disposed_on = '2026-01-31', next_on = NULL",
    "UPDATE {s}.finance_asset_movement SET cost = cost + 1",
    "UPDATE {s}.finance_asset_movement SET date = date + 1",
    "DELETE FROM {s}.finance_asset_movement",
    "TRUNCATE {s}.finance_asset_movement",
    ANOTHER % ("gen_random_uuid()", "") + " WHERE m.kind = 'acquisition'",
    ANOTHER % ("'ffffffff-ffff-7fff-bfff-ffffffffffff'", ", 'part', NULL")
    + " WHERE m.kind = 'depreciation'; UPDATE {s}.finance_asset SET depreciated = 200",
)


@pytest.mark.parametrize("hostile", HOSTILE)
async def test_the_register_is_not_changed_by_sql(books: Books, tenant_sql: psycopg.AsyncConnection[Any], hostile: str) -> None:
    await bought(books)
    await depreciate(books, 1)

    async def everything() -> Any:
        assets = [(one.status, one.cost, one.depreciated) for one in await books.finance.list(Asset)]
        moves = {one.id: (one.date, one.cost, one.depreciation) for one in await books.finance.list(AssetMovement)}
        return assets, moves, await books.finance.count(JournalEntry)

    before = await everything()
    with pytest.raises(psycopg.Error):
        await tenant_sql.execute(hostile.replace("{s}", books.finance.caller.schema).encode())
    assert await everything() == before
    await agreed(books)


async def test_what_a_superuser_changes_behind_the_walls_is_found(books: Books, database: Database) -> None:
    await bought(books)
    change = "UPDATE {s}.finance_asset_movement SET cost = cost + 1".replace("{s}", books.finance.caller.schema)
    async with await psycopg.AsyncConnection.connect(database.superuser, autocommit=True) as superuser:
        await superuser.execute(b"SET session_replication_role = replica")
        await superuser.execute(change.encode())
    proof = await books.finance.ask(LedgerProof(company_id=books.company.id))
    assert [row["rule"] for row in proof if not row["holds"]] == ["What assets have cost and lost is in the books"]
