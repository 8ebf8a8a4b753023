"""Assets come into the register with what was booked of them, and into no other state of it."""

from __future__ import annotations

import asyncio
import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from nexus.core import Command, Forbidden, IllegalMove, Invalid, NotFound, uuid7
from nexus.services.finance.api import (
    CapitalizeAsset,
    ChangeUsefulLife,
    ClosePeriod,
    CreateInvoice,
    CreditInvoice,
    DiscardAsset,
    PostInvoice,
    ReverseEntry,
    ReviseAsset,
    UndoCapitalization,
)
from nexus.services.finance.asset_terms import AssetStatus, DepreciationMethod
from nexus.services.finance.commands.assets import AssetHasHistory, PartlyDepreciated
from nexus.services.finance.entities import AccountRole, Asset, AssetMovement
from nexus.services.finance.invoice_terms import CreditedLine, InvoiceKind, InvoiceLine
from nexus.services.finance.queries.assets import AssetAccounts
from nexus.services.finance.rules.refusals import AssetNotInEntry, EntryOfDocument, PeriodIsClosed, RoleNotPlayed
from nexus.services.finance.terms import LedgerRole
from nexus.services.finance.tests.assets import COST, LOST, agreed, bought, created, depreciate, figures, kept, register, stands
from nexus.services.finance.tests.conftest import BANK, COSTS, Books, refused


async def billed(books: Books, price: str = "1200", post: bool = True) -> Any:
    """A bill for something else, and for an oven on the account of fixed assets."""
    lines = [
        InvoiceLine(name="Flour", quantity=Decimal(1), unit_price=Decimal(5)),
        InvoiceLine(name="Oven", quantity=Decimal(1), unit_price=Decimal(price), account_id=books.accounts[COST]),
    ]
    made = await books.finance.run(
        CreateInvoice(kind=InvoiceKind.PURCHASE_BILL, party_id=uuid7(), party_name="Ada", date=books.day, lines=lines)
    )
    if post:
        await books.finance.run(PostInvoice(invoice_id=made.invoice_id))
    return made.invoice_id


async def test_an_asset_is_bought_by_an_entry_of_its_own(books: Books) -> None:
    id = await created(books)
    assert (await register(books, books.day), (await kept(books, id)).status) == ([], AssetStatus.DRAFT)
    told = await books.finance.run(CapitalizeAsset(asset_id=id, credit_account_id=books.accounts[BANK]))
    one = await kept(books, id)
    assert (one.status, one.next_on, one.entry_id) == (AssetStatus.IN_USE, books.periods[0].ends_on, told.journal_entry_id)
    assert await stands(books, COST, BANK) == [1200, -1200]
    (row,) = await register(books, books.day)
    assert (row["asset_id"], row["code"], figures(row)) == (str(id), COST, [1200, 0, 1200, 1200, 0, 0])
    await agreed(books)


async def test_an_asset_comes_with_its_bill(books: Books) -> None:
    bill = await billed(books)
    (before,) = await books.finance.ask(AssetAccounts(company_id=books.company.id, on=books.day))
    assert (before["balance"], before["register"], before["difference"]) == ("1200.00", "0", "1200.00")
    id = await created(books, invoice_id=bill, line=1)
    await books.finance.run(CapitalizeAsset(asset_id=id))
    assert await stands(books, COST) == [1200]
    await agreed(books)
    async with refused(books.finance, EntryOfDocument):
        await books.finance.run(ReverseEntry(journal_entry_id=(await kept(books, id)).entry_id, reason="by mistake"))


async def test_two_assets_take_no_more_than_their_bill_has(books: Books) -> None:
    bill = await billed(books)
    ids = [await created(books, invoice_id=bill, line=1, cost=Decimal(700)) for _ in range(2)]
    await books.finance.run(CapitalizeAsset(asset_id=ids[0]))
    async with refused(books.finance, AssetNotInEntry, "1400.00, and it posts 1200.00"):
        await books.finance.run(CapitalizeAsset(asset_id=ids[1]))
    await books.finance.run(ReviseAsset(asset_id=ids[1], cost=Decimal(500)))
    await books.finance.run(CapitalizeAsset(asset_id=ids[1]))
    await agreed(books)


async def test_of_two_assets_at_once_one_takes_the_bill(books: Books) -> None:
    bill = await billed(books)
    ids = [await created(books, invoice_id=bill, line=1) for _ in range(2)]
    answers = await asyncio.gather(*[books.finance.run(CapitalizeAsset(asset_id=id)) for id in ids], return_exceptions=True)
    assert sorted(type(one).__name__ for one in answers) == ["AssetCapitalized", "AssetNotInEntry"]
    await agreed(books)


async def test_what_a_closed_month_holds_is_in_the_register_from_the_first_open_day(books: Books) -> None:
    bill = await billed(books)
    await books.finance.run(ClosePeriod(accounting_period_id=books.periods[0].id))
    id = await created(books, invoice_id=bill, line=1)
    told = await books.finance.run(CapitalizeAsset(asset_id=id))
    assert told.date == books.periods[1].starts_on
    assert await register(books, books.periods[0].ends_on) == []
    own = await created(books)
    async with refused(books.finance, PeriodIsClosed):
        await books.finance.run(CapitalizeAsset(asset_id=own, credit_account_id=books.accounts[BANK]))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"cost": Decimal(0)}, "cost: is not more than 0"),
        ({"cost": Decimal("0.001")}, "cost: has more than the 2 decimals"),
        ({"residual_value": Decimal(1201)}, "residual_value: is from 0 up to the cost"),
        ({"factor": Decimal(2)}, "factor: goes with a declining balance"),
        ({"method": DepreciationMethod.DECLINING_BALANCE, "factor": Decimal(11)}, "factor: is more than 1"),
        ({"method": DepreciationMethod.DECLINING_BALANCE, "factor": Decimal("1.00001")}, "factor: has more than 4"),
        ({"starts_on": dt.date(1999, 1, 1)}, "starts_on: is before acquired_on"),
        ({"line": 1}, "line: goes with invoice_id"),
        ({"invoice_id": uuid7(), "line": 1}, "invoice_id: is no bill of this company"),
        ({"cost_center_id": uuid7()}, "cost_center_id: is none"),
        ({"account_id": uuid7()}, "account_id: is no account of this company"),
    ],
)
async def test_what_cannot_be_an_asset_is_named(books: Books, given: dict[str, Any], says: str) -> None:
    async with refused(books.finance, Invalid, says):
        await created(books, **given)


async def test_accounts_are_of_their_kind(books: Books) -> None:
    for name, says in (("account_id", "fixed_asset"), ("accumulated_account_id", "accumulated_dep"), ("expense_account_id", "expenses")):
        async with refused(books.finance, Invalid, f"{name}: is no account .*{says}"):
            await created(books, **{name: books.accounts[BANK]})
    (role,) = await books.finance.list(AccountRole, AccountRole.role == LedgerRole.DEPRECIATION)
    await books.finance.api("DELETE", f"/api/v1/finance/account_roles/{role.id}", if_match="*")
    async with refused(books.finance, RoleNotPlayed, "depreciation"):
        await created(books)


async def test_how_it_was_paid_is_said_once(books: Books) -> None:
    id = await created(books)
    async with refused(books.finance, Invalid, "credit_account_id: is needed"):
        await books.finance.run(CapitalizeAsset(asset_id=id))
    entry = await books.post(books.line(COSTS, "1200"), books.line(BANK, "-1200"))
    async with refused(books.finance, Invalid, "credit_account_id: goes without"):
        given = {"journal_entry_id": entry.journal_entry_id, "credit_account_id": books.accounts[BANK]}
        await books.finance.run(CapitalizeAsset(asset_id=id, **given))
    async with refused(books.finance, AssetNotInEntry, "account 1115"):
        await books.finance.run(CapitalizeAsset(asset_id=id, journal_entry_id=entry.journal_entry_id))
    async with refused(books.finance, Invalid, "journal_entry_id: is no posted entry"):
        await books.finance.run(CapitalizeAsset(asset_id=id, journal_entry_id=uuid7()))


async def test_a_bill_is_posted_and_not_taken_back(books: Books) -> None:
    draft = await created(books, invoice_id=await billed(books, post=False), line=1)
    async with refused(books.finance, Invalid, "invoice_id: is not posted"):
        await books.finance.run(CapitalizeAsset(asset_id=draft))
    bill = await billed(books)
    id = await created(books, invoice_id=bill, line=1)
    await books.finance.run(CreditInvoice(invoice_id=bill, lines=[CreditedLine(line=1, quantity=Decimal(1))], date=books.day))
    async with refused(books.finance, Invalid, "line: has been credited"):
        await books.finance.run(CapitalizeAsset(asset_id=id))


async def test_a_capitalization_is_undone_before_anything_is_depreciated(books: Books) -> None:
    own, linked = await bought(books), await created(books, invoice_id=await billed(books), line=1)
    await books.finance.run(CapitalizeAsset(asset_id=linked))
    for id in (own, linked):
        await books.finance.run(UndoCapitalization(asset_id=id, reason="by mistake"))
        one = await kept(books, id)
        assert (one.status, one.next_on, one.entry_id) == (AssetStatus.DRAFT, None, None)
    assert await register(books, books.periods[0].ends_on) == []
    assert await stands(books, COST) == [1200]  # the bill stays
    async with refused(books.finance, AssetHasHistory, "Oven"):
        await books.finance.run(DiscardAsset(asset_id=own))
    await books.finance.run(CapitalizeAsset(asset_id=linked))
    await depreciate(books, 1)
    async with refused(books.finance, PartlyDepreciated, "Oven"):
        await books.finance.run(UndoCapitalization(asset_id=linked, reason="too late"))
    await agreed(books)


async def test_drafts_are_revised_and_discarded_and_nothing_else_is(books: Books) -> None:
    id = await created(books)
    await books.finance.run(ReviseAsset(asset_id=id, method=DepreciationMethod.DECLINING_BALANCE, factor=Decimal("1.5"), life_months=24))
    one = await kept(books, id)
    assert (one.factor, len(one.parts), one.parts[0].amount) == (Decimal("1.5"), 24, Decimal(75))
    await books.finance.run(ReviseAsset(asset_id=id, method=DepreciationMethod.STRAIGHT_LINE))
    assert ((one := await kept(books, id)).factor, one.parts[0].amount) == (None, Decimal(50))
    await books.finance.run(DiscardAsset(asset_id=id))
    assert await books.finance.count(Asset) == 0
    async with refused(books.finance, NotFound):
        await books.finance.run(DiscardAsset(asset_id=id))
    used = await bought(books)
    commands: list[Command[Any]] = [ReviseAsset(asset_id=used, name="Kiln"), DiscardAsset(asset_id=used), CapitalizeAsset(asset_id=used)]
    for command in commands:
        async with refused(books.finance, IllegalMove, "is in_use"):
            await books.finance.run(command)


async def test_what_is_left_is_depreciated_over_another_time(books: Books) -> None:
    id = await bought(books)
    await depreciate(books, 3)
    told = await books.finance.run(
        ChangeUsefulLife(asset_id=id, remaining_months=18, residual_value=Decimal(180), reason="It lasts longer")
    )
    one = await kept(books, id)
    assert (told.previous_life_months, told.life_months, one.life_months) == (12, 21, 21)
    assert [part.amount for part in one.parts] == [*[100] * 3, *[40] * 18]
    assert one.parts[3].on == books.periods[3].ends_on
    await depreciate(books, 5)
    assert await stands(books, LOST) == [-380]
    await agreed(books)
    async with refused(books.finance, Invalid, "residual_value: is from 0 up to less than the 820.00 NGN"):
        await books.finance.run(ChangeUsefulLife(asset_id=id, remaining_months=1, residual_value=Decimal(820), reason="It lasts"))


@pytest.mark.parametrize(("role", "may"), [("finance.bookkeeper", False), ("finance.auditor", False), ("finance.accountant", True)])
async def test_who_registers_assets_does_not_say_how_long_they_last(books: Books, role: str, may: bool) -> None:
    id = await bought(books)
    command = ChangeUsefulLife(asset_id=id, remaining_months=18, reason="It lasts longer")
    if may:
        await books.finance.as_(role).run(command)
        return
    async with refused(books.finance, Forbidden):
        await books.finance.as_(role).run(command)


async def test_movements_say_which_entry(books: Books) -> None:
    id = await bought(books)
    await depreciate(books, 2)
    moves = await books.finance.list(AssetMovement, AssetMovement.asset_id == id)
    assert len({one.entry_id for one in moves}) == 3
