"""Fiscal years and their periods."""

from __future__ import annotations

import asyncio
import datetime as dt
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from nexus.core import IllegalMove, Invalid
from nexus.runtime.testing import Harness
from nexus.services.finance.api import ClosePeriod, CreateFiscalYear, FiscalYearCreated, PeriodClosed, PeriodReopened, ReopenPeriod
from nexus.services.finance.commands.years import YearsOverlap
from nexus.services.finance.entities import AccountingPeriod, FiscalYear
from nexus.services.finance.rules.years import months_later, months_of, year_around, year_name
from nexus.services.finance.terms import PeriodStatus
from nexus.services.finance.tests.conftest import Books, planted, refused

DAY = dt.timedelta(days=1)
DAYS = st.dates(dt.date(1950, 1, 1), dt.date(2150, 12, 31))


@given(DAYS, st.integers(1, 12), st.integers(1, 28))
def test_a_day_is_in_the_year_around_it_and_its_months_cover_that(day: dt.date, month: int, first: int) -> None:
    start = year_around(day, month, first)
    end = months_later(start, 12) - DAY
    assert start <= day <= end
    months = list(months_of(start, end))
    assert len(months) == 12
    assert (months[0][1], months[-1][2]) == (start, end)
    assert all(before[2] + DAY == after[1] for before, after in pairwise(months))
    assert len({name for name, _, _ in months}) == 12


@given(DAYS, st.integers(1, 400))
def test_a_month_later_never_skips_a_month(day: dt.date, months: int) -> None:
    later = months_later(day, months)
    assert (later.year * 12 + later.month) - (day.year * 12 + day.month) == months
    assert later.day == day.day or (later.day < day.day and (later + DAY).day == 1)


async def test_the_next_year_follows_the_last(books: Books) -> None:
    finance = books.finance
    (first,) = await finance.list(FiscalYear)

    told = await finance.run(CreateFiscalYear(company_id=books.company.id))

    assert told.starts_on == first.ends_on + DAY
    assert told.ends_on == months_later(told.starts_on, 12) - DAY
    assert finance.emitted == [told]
    assert isinstance(told, FiscalYearCreated)
    periods = await finance.list(AccountingPeriod, AccountingPeriod.fiscal_year_id == told.fiscal_year_id)
    assert [one.status for one in periods] == [PeriodStatus.OPEN] * 12
    assert len(await finance.list(AccountingPeriod)) == 24


async def test_a_year_that_is_split_between_calendar_years_says_so(finance: Harness) -> None:
    books = await planted(finance, fiscal_year={"month": 4, "day": 6})
    (year,) = await finance.list(FiscalYear)
    assert (year.starts_on.month, year.starts_on.day, year.ends_on.month, year.ends_on.day) == (4, 6, 4, 5)
    assert year.name == year_name(year.starts_on, year.ends_on) == f"{year.starts_on.year}-{(year.starts_on.year + 1) % 100:02}"
    assert len(books.periods) == 12


async def test_years_do_not_overlap(books: Books) -> None:
    finance, company = books.finance, books.company
    (year,) = await finance.list(FiscalYear)
    async with refused(finance, YearsOverlap, year.name):
        await finance.run(CreateFiscalYear(company_id=company.id, starts_on=year.ends_on))
    async with refused(finance, Invalid, "ends_on: is not after"):
        await finance.run(CreateFiscalYear(company_id=company.id, starts_on=year.ends_on + DAY, ends_on=year.ends_on))
    async with refused(finance, Invalid, "18 months"):
        await finance.run(CreateFiscalYear(company_id=company.id, ends_on=year.ends_on + 800 * DAY))
    async with refused(finance, Invalid, "starts_on"):
        await finance.run(CreateFiscalYear(company_id=company.id, starts_on=dt.date(1, 1, 1)))


async def test_of_years_made_at_once_none_overlaps(books: Books) -> None:
    results = await asyncio.gather(
        *[books.finance.run(CreateFiscalYear(company_id=books.company.id, starts_on=dt.date(2040, month, 1))) for month in range(1, 7)],
        return_exceptions=True,
    )
    assert sorted(type(one).__name__ for one in results) == ["FiscalYearCreated"] + ["YearsOverlap"] * 5


async def test_two_short_years_of_one_calendar_year_have_two_names(books: Books) -> None:
    finance, company = books.finance, books.company
    first = await finance.run(CreateFiscalYear(company_id=company.id, starts_on=dt.date(2040, 1, 1), ends_on=dt.date(2040, 6, 30)))
    second = await finance.run(CreateFiscalYear(company_id=company.id, starts_on=dt.date(2040, 7, 1), ends_on=dt.date(2040, 12, 31)))
    assert (first.name, second.name) == ("2040", "2040.07")


async def test_a_period_is_closed_and_reopened_for_a_reason(books: Books) -> None:
    finance, period = books.finance, books.periods[0]

    closed = await finance.run(ClosePeriod(accounting_period_id=period.id))
    async with refused(finance, IllegalMove, "is closed: it cannot close"):
        await finance.run(ClosePeriod(accounting_period_id=period.id))
    opened = await finance.run(ReopenPeriod(accounting_period_id=period.id, reason="A late bill"))

    told = {"accounting_period_id": period.id, "company_id": books.company.id}
    assert closed == PeriodClosed(**told, starts_on=period.starts_on, ends_on=period.ends_on)
    assert opened == PeriodReopened(**told, reason="A late bill")
    assert finance.emitted == [closed, opened]
    assert (await finance.get(AccountingPeriod, period.id)).status is PeriodStatus.OPEN
