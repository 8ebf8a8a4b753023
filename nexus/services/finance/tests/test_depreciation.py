"""Depreciation is posted month by month, each once, and taken back with the register and the ledger as they were."""

from __future__ import annotations

import asyncio
import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nexus.core import Forbidden, IllegalMove, Invalid, Problem
from nexus.services.finance.api import (
    CapitalizeAsset,
    ChangeUsefulLife,
    CloseFiscalYear,
    ClosePeriod,
    DisposeAsset,
    LockPeriod,
    ReverseEntry,
    RunDepreciation,
    UndoDepreciation,
    UndoDisposal,
)
from nexus.services.finance.asset_terms import AssetMovementKind, AssetStatus
from nexus.services.finance.commands.depreciation import LaterDepreciation
from nexus.services.finance.entities import Asset, AssetMovement, CostCenter, DepreciationRun, JournalEntry, JournalLine
from nexus.services.finance.rules.closing import DepreciationDue
from nexus.services.finance.rules.refusals import EntryOfDocument, PeriodIsClosed, PeriodIsLocked
from nexus.services.finance.terms import LockScope
from nexus.services.finance.tests.assets import (
    COST,
    EXPENSE,
    GAIN,
    LOSS,
    LOST,
    agreed,
    bought,
    created,
    depreciate,
    figures,
    kept,
    register,
    stands,
)
from nexus.services.finance.tests.conftest import BANK, Books, refused


async def test_a_run_posts_one_entry_for_each_month(books: Books) -> None:
    shop = await books.finance.given(CostCenter(company_id=books.company.id, code="SHOP", name="Shop"))
    ids = [await bought(books), await bought(books, cost=Decimal(2400), cost_center_id=shop.id), await bought(books, name="Table")]
    land = await bought(books, name="Land", residual_value=Decimal(1200))
    await created(books, name="Not in use")
    told = await depreciate(books, 2)
    assert (told.assets, told.amount, len(told.journal_entry_ids)) == (3, Decimal(800), 2)
    lines = await books.finance.list(JournalLine, JournalLine.entry_id == told.journal_entry_ids[0])
    assert sorted((line.cost_center_id is None, line.debit, line.credit) for line in lines) == [
        (False, Decimal(0), Decimal(200)),
        (False, Decimal(200), Decimal(0)),
        (True, Decimal(0), Decimal(200)),
        (True, Decimal(200), Decimal(0)),
    ]
    assert {one.date for one in await books.finance.list(AssetMovement, AssetMovement.kind == AssetMovementKind.DEPRECIATION)} == {
        period.ends_on for period in books.periods[:2]
    }
    assert [(await kept(books, id)).depreciated for id in (*ids, land)] == [200, 400, 200, 0]
    assert [figures(row)[1] for row in await register(books, books.periods[0].ends_on)] == [0, 100, 200, 100]
    await agreed(books)


async def test_twice_is_the_same_as_once(books: Books) -> None:
    await bought(books)
    await depreciate(books, 3)
    entries = await books.finance.count(JournalEntry)
    told = await depreciate(books, 3)
    assert (told.depreciation_run_id, told.amount, told.journal_entry_ids) == (None, 0, [])
    assert (await books.finance.count(JournalEntry), await books.finance.count(DepreciationRun)) == (entries, 1)


async def test_of_runs_at_once_one_posts(books: Books) -> None:
    for _ in range(3):
        await bought(books)
    answers = await asyncio.gather(*[depreciate(books, 4) for _ in range(3)])
    assert sorted(one.amount for one in answers) == [0, 0, 1200]
    await agreed(books)


async def test_an_asset_comes_to_its_end(books: Books) -> None:
    id = await bought(books, residual_value=Decimal(200), life_months=3)
    told = await depreciate(books, 12)
    one = await kept(books, id)
    assert (told.amount, one.status, one.next_on, one.depreciated) == (1000, AssetStatus.FULLY_DEPRECIATED, None, 1000)
    assert told.depreciation_run_id is not None
    await books.finance.run(UndoDepreciation(depreciation_run_id=told.depreciation_run_id, reason="too early"))
    one = await kept(books, id)
    assert (one.status, one.next_on, one.depreciated, one.done) == (AssetStatus.IN_USE, books.periods[0].ends_on, 0, 0)
    assert await stands(books, LOST, EXPENSE) == [0, 0]
    await agreed(books)
    assert (await depreciate(books, 2)).amount == Decimal("666.67")


async def test_a_closed_or_locked_month_takes_nothing(books: Books) -> None:
    await books.finance.run(ClosePeriod(accounting_period_id=books.periods[0].id))
    entry = await books.post(books.line(COST, "1200"), books.line(BANK, "-1200"), date=books.periods[1].starts_on)
    id = await created(books)
    await books.finance.run(CapitalizeAsset(asset_id=id, journal_entry_id=entry.journal_entry_id))
    async with refused(books.finance, PeriodIsClosed, "which is closed"):
        await depreciate(books, 2)
    told = await depreciate(books, 2, missed_on=books.periods[1].starts_on)
    assert (told.amount, len(told.journal_entry_ids)) == (200, 2)
    await books.finance.run(LockPeriod(company_id=books.company.id, scope=LockScope.ALL, until=books.periods[2].ends_on))
    async with refused(books.finance, PeriodIsLocked):
        await depreciate(books, 3)
    await agreed(books)


async def test_a_month_is_not_closed_before_it_is_depreciated(books: Books) -> None:
    await bought(books)
    async with refused(books.finance, DepreciationDue, "of 1 assets that is due by"):
        await books.finance.run(ClosePeriod(accounting_period_id=books.periods[0].id))
    year = books.periods[0].fiscal_year_id
    async with refused(books.finance, DepreciationDue):
        await books.finance.run(CloseFiscalYear(fiscal_year_id=year))
    await depreciate(books, 1)
    await books.finance.run(ClosePeriod(accounting_period_id=books.periods[0].id))


async def test_runs_are_undone_the_latest_first(books: Books) -> None:
    id = await bought(books)
    first, second = [await depreciate(books, month) for month in (1, 3)]
    assert first.depreciation_run_id and second.depreciation_run_id
    async with refused(books.finance, LaterDepreciation, "Oven has been depreciated further"):
        await books.finance.run(UndoDepreciation(depreciation_run_id=first.depreciation_run_id, reason="wrong"))
    async with refused(books.finance, Invalid, "date: is before"):
        await books.finance.run(UndoDepreciation(depreciation_run_id=second.depreciation_run_id, date=books.day, reason="wrong"))
    await books.finance.run(UndoDepreciation(depreciation_run_id=second.depreciation_run_id, reason="wrong"))
    async with refused(books.finance, IllegalMove, "is undone: it cannot undo"):
        await books.finance.run(UndoDepreciation(depreciation_run_id=second.depreciation_run_id, reason="wrong"))
    await books.finance.run(UndoDepreciation(depreciation_run_id=first.depreciation_run_id, date=books.periods[4].ends_on, reason="wrong"))
    assert [figures(row)[1] for row in await register(books, books.periods[3].ends_on)] == [100]
    assert (await kept(books, id)).depreciated == 0
    await agreed(books)


async def test_entries_of_assets_are_taken_back_with_them(books: Books) -> None:
    await bought(books)
    told = await depreciate(books, 1)
    async with refused(books.finance, EntryOfDocument, "an asset, whose runs"):
        await books.finance.run(ReverseEntry(journal_entry_id=told.journal_entry_ids[0], reason="wrong"))
    assert told.depreciation_run_id
    await books.finance.run(UndoDepreciation(depreciation_run_id=told.depreciation_run_id, reason="wrong"))
    (mirror,) = await books.finance.list(JournalEntry, JournalEntry.reversal_of_id == told.journal_entry_ids[0])
    async with refused(books.finance, EntryOfDocument):
        await books.finance.run(ReverseEntry(journal_entry_id=mirror.id, reason="wrong"))


@pytest.mark.parametrize(("proceeds", "gain"), [("800", "48.39"), ("700", "-51.61"), ("751.61", "0"), ("0", "-751.61")])
async def test_an_asset_is_sold_or_scrapped(books: Books, proceeds: str, gain: str) -> None:
    """On the 15th of the fifth month 448.39 of 1200 are lost, of which three months have been posted."""
    id, day, lost = await bought(books), books.periods[4].starts_on.replace(day=15), Decimal("448.39")
    await depreciate(books, 3)
    to = books.accounts[BANK] if Decimal(proceeds) else None
    told = await books.finance.run(DisposeAsset(asset_id=id, date=day, proceeds=Decimal(proceeds), proceeds_account_id=to))
    assert (told.depreciated, told.gain) == (lost, Decimal(gain))
    one = await kept(books, id)
    assert (one.status, one.disposed_on, one.next_on) == (AssetStatus.DISPOSED, day, None)
    account = GAIN if told.gain > 0 else LOSS
    assert await stands(books, COST, LOST, EXPENSE, account) == [0, 0, lost, -told.gain]
    (row,) = await register(books, books.periods[-1].ends_on)
    assert figures(row) == [0, 0, 0, 1200, 1200, lost]
    assert [figures(row)[2] for row in await register(books, books.periods[3].ends_on)] == [900]
    await agreed(books)
    assert (await depreciate(books, 12)).amount == 0

    await books.finance.run(UndoDisposal(asset_id=id, reason="The buyer brought it back"))
    one = await kept(books, id)
    assert (one.status, one.depreciated, one.next_on) == (AssetStatus.IN_USE, 300, books.periods[3].ends_on)
    assert await stands(books, COST, LOST, EXPENSE, account) == [1200, -300, 300, 0]
    await agreed(books)


async def test_what_is_fully_depreciated_is_disposed_of_and_comes_back_so(books: Books) -> None:
    id = await bought(books, life_months=2)
    await depreciate(books, 2)
    told: Any = await books.finance.run(DisposeAsset(asset_id=id, date=books.periods[2].ends_on))
    assert (told.gain, told.depreciated) == (0, 1200)
    async with refused(books.finance, IllegalMove, "is disposed: it cannot dispose"):
        await books.finance.run(DisposeAsset(asset_id=id, date=books.periods[2].ends_on))
    await books.finance.run(UndoDisposal(asset_id=id, reason="wrong"))
    assert (await kept(books, id)).status is AssetStatus.FULLY_DEPRECIATED
    await agreed(books)


async def test_what_a_disposal_says_makes_sense(books: Books) -> None:
    id = await bought(books)
    told = await depreciate(books, 2)
    base: dict[str, Any] = {"date": books.periods[2].starts_on}
    given: list[tuple[dict[str, Any], str]] = [
        ({"date": books.periods[1].starts_on}, "date: is before .* up to which it is in the books"),
        ({"proceeds": Decimal(-1)}, "proceeds: is not less than 0"),
        ({"proceeds": Decimal(1)}, "proceeds_account_id: goes with proceeds"),
        ({"proceeds_account_id": books.accounts[BANK]}, "proceeds_account_id: goes with proceeds"),
        ({"proceeds": Decimal(1), "proceeds_account_id": books.accounts[COST]}, "an account of the asset itself"),
    ]
    for more, says in given:
        async with refused(books.finance, Invalid, says):
            await books.finance.run(DisposeAsset(asset_id=id, **(base | more)))
    await books.finance.run(DisposeAsset(asset_id=id, **base))
    assert told.depreciation_run_id
    async with refused(books.finance, LaterDepreciation):
        await books.finance.run(UndoDepreciation(depreciation_run_id=told.depreciation_run_id, reason="wrong"))


async def test_of_disposals_at_once_one_is_made(books: Books) -> None:
    id = await bought(books)
    answers = await asyncio.gather(
        *[books.finance.run(DisposeAsset(asset_id=id, date=books.periods[0].ends_on)) for _ in range(3)], return_exceptions=True
    )
    assert sorted(type(one).__name__ for one in answers) == ["AssetDisposed", "IllegalMove", "IllegalMove"]
    await agreed(books)


@pytest.mark.parametrize(("role", "may"), [("finance.bookkeeper", True), ("finance.treasurer", False)])
async def test_bookkeepers_depreciate_and_do_not_dispose(books: Books, role: str, may: bool) -> None:
    id = await bought(books)
    run = RunDepreciation(company_id=books.company.id, on=books.periods[0].ends_on)
    if may:
        await books.finance.as_(role).run(run)
    else:
        async with refused(books.finance, Forbidden):
            await books.finance.as_(role).run(run)
    async with refused(books.finance, Forbidden):
        await books.finance.as_(role).run(DisposeAsset(asset_id=id))


STEP = st.tuples(st.sampled_from(["buy", "run", "undo", "dispose", "back", "life"]), st.integers(0, 30), st.integers(1, 12))


async def step(books: Books, kind: str, which: int, month: int) -> None:
    """Do something to some asset or run; it may be refused."""
    assets = sorted(await books.finance.list(Asset), key=lambda one: one.id)
    runs = sorted(await books.finance.list(DepreciationRun), key=lambda one: one.id, reverse=True)
    day = books.periods[month - 1].starts_on + dt.timedelta(days=which % 28)
    if kind == "buy":
        await bought(books, acquired_on=day, cost=Decimal(which * 97 + 1) / 7 // Decimal("0.01") * Decimal("0.01") + 1, life_months=month)
    elif kind == "run":
        await depreciate(books, month)
    elif kind == "undo" and runs:
        await books.finance.run(UndoDepreciation(depreciation_run_id=runs[which % len(runs)].id, reason="undone"))
    elif assets and kind == "dispose":
        await books.finance.run(DisposeAsset(asset_id=assets[which % len(assets)].id, date=day))
    elif assets and kind == "back":
        await books.finance.run(UndoDisposal(asset_id=assets[which % len(assets)].id, reason="undone"))
    elif assets and kind == "life":
        await books.finance.run(ChangeUsefulLife(asset_id=assets[which % len(assets)].id, remaining_months=month, reason="changed"))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(STEP, min_size=4, max_size=12))
async def test_whatever_happens_the_register_is_the_ledger(books: Books, steps: list[tuple[str, int, int]]) -> None:
    await bought(books)
    for one in steps:
        try:
            await step(books, *one)
        except Problem as refusal:
            assert refusal.status in (409, 422), refusal
    await agreed(books)
