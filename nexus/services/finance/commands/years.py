"""Fiscal years and their periods."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from zoneinfo import ZoneInfo

from nexus.core import FieldError, Invalid, Problem, Tx, func, handles, select
from nexus.services.finance.api import ClosePeriod, CreateFiscalYear, FiscalYearCreated, PeriodClosed, PeriodReopened, ReopenPeriod
from nexus.services.finance.entities import AccountingPeriod, Company, FiscalYear
from nexus.services.finance.flows import period_flow
from nexus.services.finance.rules.closing import proven
from nexus.services.finance.rules.refusals import YearIsClosed
from nexus.services.finance.rules.years import months_later, months_of, year_around, year_name
from nexus.services.finance.terms import YearStatus

_DAY = dt.timedelta(days=1)
_LONGEST = 18


class YearsOverlap(Problem, status=409):
    """The fiscal year {name} covers part of these days already."""

    name: str


@handles(CreateFiscalYear, needs="finance.fiscal_year:create")
async def create_fiscal_year(cmd: CreateFiscalYear, tx: Tx) -> FiscalYearCreated:
    company = await tx.get(Company, cmd.company_id, lock=True)  # two years made at once would not see each other
    starts_on = cmd.starts_on or await _next(company, tx)
    ends_on = cmd.ends_on or months_later(starts_on, 12) - _DAY
    _reasonable(starts_on, ends_on)
    years = await tx.list(FiscalYear, FiscalYear.company_id == company.id)
    for other in years:
        if other.starts_on <= ends_on and starts_on <= other.ends_on:
            raise YearsOverlap(name=other.name)
    return tx.emit(opened(company, starts_on, ends_on, tx, taken=[one.name for one in years]))


async def _next(company: Company, tx: Tx) -> dt.date:
    (last,) = await tx.rows(select(func.max(FiscalYear.ends_on).label("day")).where(FiscalYear.company_id == company.id))
    if last["day"] is not None:
        return dt.date.fromisoformat(last["day"]) + _DAY
    return year_around(today(tx), company.fiscal_year_month, company.fiscal_year_day)


def _reasonable(starts_on: dt.date, ends_on: dt.date) -> None:
    if not 1900 <= starts_on.year <= 2200:
        raise Invalid.of(FieldError("starts_on", "is in the years 1900 to 2200"))
    if ends_on <= starts_on:
        raise Invalid.of(FieldError("ends_on", "is not after the first day"))
    if ends_on >= months_later(starts_on, _LONGEST):
        raise Invalid.of(FieldError("ends_on", f"makes the year longer than {_LONGEST} months"))


def opened(company: Company, starts_on: dt.date, ends_on: dt.date, tx: Tx, taken: Collection[str] = ()) -> FiscalYearCreated:
    """A fiscal year and its months. Two years of one name (`taken`) would give two entries one number, so the second is named by its first month."""
    name = year_name(starts_on, ends_on)
    name = name if name not in taken else f"{starts_on:%Y.%m}"
    year = tx.add(FiscalYear(company_id=company.id, name=name, starts_on=starts_on, ends_on=ends_on))
    for name, first, last in months_of(starts_on, ends_on):
        tx.add(AccountingPeriod(company_id=company.id, fiscal_year_id=year.id, name=name, starts_on=first, ends_on=last))
    return FiscalYearCreated(fiscal_year_id=year.id, company_id=company.id, name=year.name, starts_on=starts_on, ends_on=ends_on)


def today(tx: Tx) -> dt.date:
    """The day it is where the business is."""
    return tx.now.astimezone(ZoneInfo(tx.tenant.time_zone)).date()


@handles(ClosePeriod, needs="finance.accounting_period:close")
async def close_period(cmd: ClosePeriod, tx: Tx) -> PeriodClosed:
    period = await tx.get(AccountingPeriod, cmd.accounting_period_id, lock=True)
    period_flow.go(period, "close")
    await proven(period.company_id, period.starts_on, period.ends_on, tx)  # from here on nobody posts in it
    return tx.emit(
        PeriodClosed(accounting_period_id=period.id, company_id=period.company_id, starts_on=period.starts_on, ends_on=period.ends_on)
    )


@handles(ReopenPeriod, needs="finance.accounting_period:reopen")
async def reopen_period(cmd: ReopenPeriod, tx: Tx) -> PeriodReopened:
    period = await tx.get(AccountingPeriod, cmd.accounting_period_id, lock=True)
    year = await tx.get(FiscalYear, period.fiscal_year_id)
    if year.status is YearStatus.CLOSED:
        raise YearIsClosed(year=year.name)
    period_flow.go(period, "reopen")
    return tx.emit(PeriodReopened(accounting_period_id=period.id, company_id=period.company_id, reason=cmd.reason))
