"""A company with its books: what tests of finance start from."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import pytest

from nexus.core import Entity, Problem
from nexus.runtime.testing import Harness
from nexus.services.finance import seeds
from nexus.services.finance.api import EntryPosted, PostEntry
from nexus.services.finance.entities import (
    Account,
    AccountBalance,
    AccountingPeriod,
    AccountRole,
    Allocation,
    Asset,
    AssetMovement,
    BankAccount,
    BankReconciliation,
    BankStatement,
    BankStatementLine,
    Budget,
    BudgetLine,
    Company,
    DeferralSchedule,
    DepreciationRun,
    DunnedInvoice,
    Dunning,
    FiscalYear,
    Invoice,
    Journal,
    JournalEntry,
    JournalHead,
    JournalLine,
    JournalSeries,
    LockException,
    Payment,
    PaymentFile,
    PaymentFileTransfer,
    Subscription,
    WriteOff,
)
from nexus.services.finance.terms import EntryLine

GIVEN: Final[dict[str, Any]] = {
    "name": "Ade Bakery",
    "country": "NG",
    "currency": "NGN",
    "industry": "restaurant",
    "fiscal_year": {"month": 1, "day": 1},
}
KEPT: tuple[type[Entity], ...] = (
    Account,
    AccountBalance,
    AccountRole,
    AccountingPeriod,
    Allocation,
    Asset,
    AssetMovement,
    BankAccount,
    BankReconciliation,
    BankStatement,
    BankStatementLine,
    Budget,
    BudgetLine,
    Company,
    DeferralSchedule,
    DepreciationRun,
    DunnedInvoice,
    Dunning,
    FiscalYear,
    Invoice,
    Journal,
    JournalEntry,
    JournalHead,
    JournalLine,
    JournalSeries,
    LockException,
    Payment,
    Subscription,
    PaymentFile,
    PaymentFileTransfer,
    WriteOff,
)


CASH, BANK, OWED, TAX, OWING, CAPITAL, SALES, COSTS = "1254", "1251", "1221", "2131", "2111", "3110", "4110", "6310"
PURCHASES, TAX_PAID, TAX_WITHHELD = "5120", "1241", "1243"


@dataclass(frozen=True)
class Books:
    """A company as a preset plants it."""

    finance: Harness
    company: Company
    accounts: dict[str, UUID]
    """By code."""
    journals: dict[str, UUID]
    periods: list[AccountingPeriod]

    @property
    def day(self) -> dt.date:
        """The first day of the fiscal year."""
        return self.periods[0].starts_on

    def line(self, account: str, value: str, /, **more: Any) -> EntryLine:
        """A line on an account by its code: a debit, or a credit where the value is negative."""
        side = "credit" if value.startswith("-") else "debit"
        return EntryLine(account_id=self.accounts[account], **{side: abs(Decimal(value)), **more})

    async def post(self, *lines: EntryLine, journal: str = "GEN", date: dt.date | None = None, **more: Any) -> EntryPosted:
        """Post an entry of these lines on the first day of the year, or another."""
        return await self.finance.run(PostEntry(journal_id=self.journals[journal], date=date or self.day, lines=list(lines), **more))

    async def sale(self, amount: str = "100", **more: Any) -> EntryPosted:
        """Post a sale for cash."""
        return await self.post(self.line(CASH, amount), self.line(SALES, f"-{amount}"), **more)


async def planted(finance: Harness, **given: Any) -> Books:
    """The books of a business with this preset."""
    async with finance._work() as work:  # pyright: ignore[reportPrivateUsage]
        await seeds.plant(GIVEN | given, work)
        await work.commit()
    (company,) = await finance.list(Company)
    accounts = {one.code: one.id for one in await finance.list(Account)}
    journals = {one.code: one.id for one in await finance.list(Journal)}
    periods = sorted(await finance.list(AccountingPeriod), key=lambda one: one.starts_on)
    return Books(finance, company, accounts, journals, periods)


@pytest.fixture
async def finance(tenant: Harness) -> Harness:
    """A fresh business, seen by its owner."""
    return tenant


@pytest.fixture
async def books(finance: Harness) -> Books:
    return await planted(finance)


@asynccontextmanager
async def refused(finance: Harness, problem: type[Problem], match: str | None = None) -> AsyncGenerator[None]:
    """What is done within is refused, and then nothing has changed, nobody was told and nothing was scheduled."""

    async def everything() -> Any:
        kept = [[(one.id, one.version) for one in await finance.list(kind)] for kind in KEPT]
        return kept, list(finance.emitted), await finance.scheduled()

    before = await everything()
    with pytest.raises(problem, match=match):
        yield
    assert await everything() == before
