"""What tests of assets begin with: assets in the register, and what it and the ledger say of them."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from nexus.services.finance.api import CapitalizeAsset, CreateAsset, RunDepreciation
from nexus.services.finance.entities import Asset
from nexus.services.finance.queries.assets import AssetAccounts, AssetRegister
from nexus.services.finance.queries.proof import LedgerProof
from nexus.services.finance.queries.trial_balance import TrialBalance
from nexus.services.finance.tests.conftest import BANK, Books

COST, LOST, EXPENSE, GAIN, LOSS = "1115", "1125", "6510", "4210", "6680"


async def created(books: Books, **more: Any) -> UUID:
    """An asset of 1200 that is used for a year, written down only."""
    given: dict[str, Any] = {"name": "Oven", "acquired_on": books.day, "cost": Decimal(1200), "life_months": 12}
    return (await books.finance.run(CreateAsset(**given | more))).asset_id


async def bought(books: Books, **more: Any) -> UUID:
    """The same in use, bought from the bank."""
    id = await created(books, **more)
    await books.finance.run(CapitalizeAsset(asset_id=id, credit_account_id=books.accounts[BANK]))
    return id


async def depreciate(books: Books, month: int, **more: Any) -> Any:
    return await books.finance.run(RunDepreciation(company_id=books.company.id, on=books.periods[month - 1].ends_on, **more))


async def kept(books: Books, id: UUID) -> Any:
    return await books.finance.get(Asset, id)


async def stands(books: Books, *codes: str) -> list[Decimal]:
    """What accounts stand at in the end."""
    rows = await books.finance.ask(TrialBalance(company_id=books.company.id, since=books.day, until=books.periods[-1].ends_on))
    found = {row["code"]: Decimal(row["closing"]) for row in rows}
    return [found.get(code, Decimal(0)) for code in codes]


async def register(books: Books, on: dt.date) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = await books.finance.ask(AssetRegister(company_id=books.company.id, on=on))
    return rows


FIGURES: Final = ("cost", "accumulated", "carrying", "additions", "disposals", "depreciation")


def figures(row: dict[str, Any]) -> list[Any]:
    return [Decimal(row[name]) for name in FIGURES]


async def agreed(books: Books) -> None:
    """The register says at the end of each month what the ledger says, and the proof of the ledger holds."""
    for period in books.periods:
        rows = await books.finance.ask(AssetAccounts(company_id=books.company.id, on=period.ends_on))
        assert {row["code"]: row["difference"] for row in rows if Decimal(row["difference"])} == {}, period.name
        assets = await register(books, period.ends_on)
        for index, kinds in enumerate(("fixed_asset", "accumulated_depreciation")):
            booked = sum((Decimal(row["balance"]) for row in rows if row["account_type"] == kinds), Decimal(0))
            said = sum((figures(row)[index] for row in assets), Decimal(0))
            assert booked == (said if index == 0 else -said), period.name
    proof = await books.finance.ask(LedgerProof(company_id=books.company.id))
    assert [row["rule"] for row in proof if not row["holds"]] == [], proof
