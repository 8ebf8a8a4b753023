"""A company with its books: what tests of finance start from."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import pytest

from nexus.core import Entity, Problem
from nexus.runtime.testing import Harness
from nexus.services.finance import seeds
from nexus.services.finance.entities import Account, AccountingPeriod, Company, FiscalYear, Journal, LockException

GIVEN: Final[dict[str, Any]] = {
    "name": "Ade Bakery",
    "country": "NG",
    "currency": "NGN",
    "industry": "restaurant",
    "fiscal_year": {"month": 1, "day": 1},
}
KEPT: tuple[type[Entity], ...] = (Account, AccountingPeriod, Company, FiscalYear, Journal, LockException)


@dataclass(frozen=True)
class Books:
    """A company as a preset plants it."""

    finance: Harness
    company: Company
    accounts: dict[str, UUID]
    """By code."""
    journals: dict[str, UUID]
    periods: list[AccountingPeriod]


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
