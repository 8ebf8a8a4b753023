"""Closing fiscal years, and taking that back."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from decimal import Decimal
from uuid import UUID

import msgspec

from nexus.core import Conflict, CurrencyCode, Tx, Value, among, exact, func, handles, select
from nexus.services.finance.api import (
    CloseFiscalYear,
    EntryPosted,
    FiscalYearClosed,
    FiscalYearReopened,
    PeriodClosed,
    PostEntry,
    ReopenFiscalYear,
    ReverseEntry,
)
from nexus.services.finance.entities import Account, AccountBalance, AccountingPeriod, AccountRole, Company, FiscalYear
from nexus.services.finance.flows import period_flow, year_flow
from nexus.services.finance.rules.closing import proven
from nexus.services.finance.rules.journals import general_journal
from nexus.services.finance.rules.refusals import RoleNotPlayed
from nexus.services.finance.terms import EntryLine, LedgerRole, PeriodStatus, RootType, YearStatus

_NOTHING = Decimal(0)


class EarlierYearOpen(Conflict):
    """The fiscal year {year} is open: years are closed one after the other, the earliest first."""

    year: str
    reason: str = ""


class LaterYearClosed(Conflict):
    """The fiscal year {year} is closed: years are reopened one after the other, the latest first."""

    year: str
    reason: str = ""


class _Balance(Value, frozen=True, kw_only=True):
    """What a year has left on an account of income or expenses, for one set of dimensions: debits less credits."""

    account_id: UUID
    currency: CurrencyCode | None
    """The only one that the account takes; empty: any."""
    cost_center_id: UUID | None
    project_id: UUID | None
    dimensions: dict[str, str]
    amount: Decimal

    def line(self, base: str, account_id: UUID | None, amount: Decimal) -> EntryLine:
        """A line of these dimensions on its account, or on another."""
        # an account that takes one foreign currency alone takes none of it here: the closing is about what its amounts are worth
        foreign = account_id is None and self.currency not in (None, base)
        return EntryLine(
            account_id=account_id or self.account_id,
            debit=max(amount, _NOTHING),
            credit=max(_NOTHING - amount, _NOTHING),
            currency=self.currency if foreign else None,
            amount=_NOTHING if foreign else None,
            cost_center_id=self.cost_center_id,
            project_id=self.project_id,
            dimensions=self.dimensions,
        )


@handles(CloseFiscalYear, needs="finance.fiscal_year:close")
async def close_fiscal_year(cmd: CloseFiscalYear, tx: Tx) -> FiscalYearClosed:
    company, year = await _held(cmd.fiscal_year_id, tx)
    year_flow.go(year, "close")
    earlier = (FiscalYear.company_id == company.id, FiscalYear.ends_on < year.starts_on, FiscalYear.status == YearStatus.OPEN)
    for other in await tx.list(FiscalYear, *earlier, order_by=[FiscalYear.starts_on], limit=1):
        raise EarlierYearOpen(year=other.name)
    await _close_periods(year, tx)
    await proven(company.id, year.starts_on, year.ends_on, tx)  # from here on nobody posts in it
    left = await _left(year, tx)
    posted = await _carry(company, year, left, tx) if left else None
    year.closing_entry_id = posted.journal_entry_id if posted else None
    return tx.emit(
        FiscalYearClosed(
            fiscal_year_id=year.id,
            company_id=company.id,
            name=year.name,
            starts_on=year.starts_on,
            ends_on=year.ends_on,
            result=_NOTHING - sum((one.amount for one in left), _NOTHING),
            currency=company.base_currency,
            journal_entry_id=year.closing_entry_id,
            number=posted.number if posted else None,
        )
    )


async def _held(id: UUID, tx: Tx) -> tuple[Company, FiscalYear]:
    """The company and the year, held: years of a company are closed and reopened one after the other."""
    known = await tx.get(FiscalYear, id)
    company = await tx.get(Company, known.company_id, lock=True)
    return company, await tx.get(FiscalYear, id, lock=True)


async def _close_periods(year: FiscalYear, tx: Tx) -> None:
    for period in await tx.list(AccountingPeriod, AccountingPeriod.fiscal_year_id == year.id, lock=True):
        if period.status is PeriodStatus.OPEN:
            period_flow.go(period, "close")
            days = {"starts_on": period.starts_on, "ends_on": period.ends_on}
            tx.emit(PeriodClosed(accounting_period_id=period.id, company_id=period.company_id, **days))


async def _left(year: FiscalYear, tx: Tx) -> list[_Balance]:
    kept = AccountBalance
    amount = func.sum(kept.debit - kept.credit)
    dimensions = (kept.cost_center_id, kept.project_id, kept.dimensions)
    rows = (
        select(kept.account_id, Account.currency, *dimensions, exact(amount).label("amount"))
        .join(AccountingPeriod, AccountingPeriod.id == kept.period_id)
        .join(Account, Account.id == kept.account_id)
        .where(AccountingPeriod.fiscal_year_id == year.id, among(Account.root_type, [RootType.INCOME, RootType.EXPENSE]))
        .group_by(kept.account_id, Account.code, Account.currency, *dimensions)
        .having(amount != 0)
        .order_by(Account.code, *dimensions)
    )
    return [msgspec.convert(row, _Balance) for row in await tx.rows(rows)]


async def _carry(company: Company, year: FiscalYear, left: Sequence[_Balance], tx: Tx) -> EntryPosted:
    """Post the closing entry. RoleNotPlayed (422) where no account keeps retained earnings."""
    own = (AccountRole.company_id == company.id, AccountRole.role == LedgerRole.RETAINED_EARNINGS, AccountRole.archived_at.is_(None))
    role = await tx.find(AccountRole, *own)
    if role is None:
        raise RoleNotPlayed(role=LedgerRole.RETAINED_EARNINGS)
    entry = PostEntry(
        journal_id=await general_journal(company.id, {role.account_id}, tx),
        date=year.ends_on,
        lines=list(_lines(left, role.account_id, company.base_currency)),
        memo=f"Closing of {year.name}",
        source_entity="finance.fiscal_year",
        source_id=year.id,
    )
    return await tx.call(entry)


def _lines(left: Sequence[_Balance], retained: UUID, base: str) -> Iterator[EntryLine]:
    """What empties the accounts, and for each set of dimensions what that comes to on the account for retained earnings."""
    results: dict[str, list[_Balance]] = defaultdict(list)
    for one in left:
        yield one.line(base, None, _NOTHING - one.amount)
        results[json.dumps([str(one.cost_center_id), str(one.project_id), one.dimensions], sort_keys=True)].append(one)
    for same in results.values():
        if result := sum((one.amount for one in same), _NOTHING):
            yield same[0].line(base, retained, result)


@handles(ReopenFiscalYear, needs="finance.fiscal_year:reopen")
async def reopen_fiscal_year(cmd: ReopenFiscalYear, tx: Tx) -> FiscalYearReopened:
    company, year = await _held(cmd.fiscal_year_id, tx)
    later = (FiscalYear.company_id == company.id, FiscalYear.starts_on > year.ends_on, FiscalYear.status == YearStatus.CLOSED)
    for other in await tx.list(FiscalYear, *later, order_by=[FiscalYear.starts_on.desc()], limit=1):
        raise LaterYearClosed(year=other.name)
    year_flow.go(year, "reopen")
    entry, year.closing_entry_id = year.closing_entry_id, None
    back = None
    if entry is not None:
        back = await tx.call(ReverseEntry(journal_entry_id=entry, reason=cmd.reason))
    return tx.emit(
        FiscalYearReopened(
            fiscal_year_id=year.id,
            company_id=company.id,
            name=year.name,
            reason=cmd.reason,
            reversed_by_id=back.reversed_by_id if back else None,
        )
    )
