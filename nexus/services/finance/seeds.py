"""What a preset plants: a company with its chart of accounts, its journals and the fiscal year that it is in."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final, NamedTuple
from uuid import UUID

from nexus.core import Tx
from nexus.services.finance.commands.years import opened, today
from nexus.services.finance.entities import Account, Company, Journal
from nexus.services.finance.rules.years import months_later, year_around
from nexus.services.finance.terms import AccountType, JournalType, RootType

Seeds = dict[str, Any]
_DAY: Final = dt.timedelta(days=1)


class _Row(NamedTuple):
    code: str
    name: str
    root_type: RootType
    account_type: AccountType = AccountType.OTHER
    parent: str | None = None
    must_have_party: bool = False


_A, _L, _Q, _I, _E = RootType.ASSET, RootType.LIABILITY, RootType.EQUITY, RootType.INCOME, RootType.EXPENSE
_CHART: Final = (
    _Row("1000", "Assets", _A),
    _Row("1010", "Bank", _A, AccountType.BANK, "1000"),
    _Row("1020", "Cash", _A, AccountType.CASH, "1000"),
    _Row("1100", "Trade receivables", _A, AccountType.RECEIVABLE, "1000", must_have_party=True),
    _Row("1200", "Inventory", _A, AccountType.STOCK, "1000"),
    _Row("1300", "Input tax", _A, AccountType.TAX, "1000"),
    _Row("1500", "Fixed assets", _A, AccountType.FIXED_ASSET, "1000"),
    _Row("2000", "Liabilities", _L),
    _Row("2100", "Trade payables", _L, AccountType.PAYABLE, "2000", must_have_party=True),
    _Row("2200", "Output tax", _L, AccountType.TAX, "2000"),
    _Row("2300", "Payroll", _L, AccountType.PAYROLL, "2000"),
    _Row("3000", "Equity", _Q),
    _Row("3100", "Capital", _Q, AccountType.CAPITAL, "3000"),
    _Row("3200", "Retained earnings", _Q, AccountType.RETAINED_EARNINGS, "3000"),
    _Row("4000", "Income", _I),
    _Row("4100", "Sales", _I, AccountType.REVENUE, "4000"),
    _Row("4800", "Exchange gains", _I, AccountType.FX_GAIN, "4000"),
    _Row("5000", "Expenses", _E),
    _Row("5100", "Cost of sales", _E, AccountType.COST_OF_SALES, "5000"),
    _Row("5200", "Operating expenses", _E, AccountType.OTHER, "5000"),
    _Row("5300", "Depreciation", _E, AccountType.DEPRECIATION, "5000"),
    _Row("5800", "Exchange losses", _E, AccountType.FX_LOSS, "5000"),
    _Row("5900", "Rounding", _E, AccountType.ROUNDING, "5000"),
)
_JOURNALS: Final = (
    ("SAL", "Sales", JournalType.SALE, None),
    ("PUR", "Purchases", JournalType.PURCHASE, None),
    ("BNK", "Bank", JournalType.BANK, "1010"),
    ("CSH", "Cash", JournalType.CASH, "1020"),
    ("GEN", "General", JournalType.GENERAL, None),
)


async def plant(seeds: Seeds, tx: Tx) -> dict[str, Any]:
    """Plant `{"name", "country", "currency", "fiscal_year": {"month", "day"}}`; answers the ids of the company and of its journals by code."""
    begins = seeds["fiscal_year"]
    company = tx.add(
        Company(
            key="main",
            name=seeds["name"],
            country=seeds["country"],
            base_currency=seeds["currency"],
            fiscal_year_month=begins["month"],
            fiscal_year_day=min(begins["day"], 28),
        )
    )
    accounts = _accounts(company, tx)
    journals = {
        code: tx.add(
            Journal(company_id=company.id, code=code, name=name, type=type_, default_account_id=accounts[account] if account else None)
        ).id
        for code, name, type_, account in _JOURNALS
    }
    starts_on = year_around(today(tx), company.fiscal_year_month, company.fiscal_year_day)
    tx.emit(opened(company, starts_on, months_later(starts_on, 12) - _DAY, tx))
    return {
        "company_id": str(company.id),
        "accounts": len(accounts),
        "journals": {code: str(id) for code, id in journals.items()},
    }


def _accounts(company: Company, tx: Tx) -> dict[str, UUID]:
    groups = {row.parent for row in _CHART}
    made: dict[str, UUID] = {}
    for row in _CHART:
        account = Account(
            company_id=company.id,
            code=row.code,
            name=row.name,
            root_type=row.root_type,
            account_type=row.account_type,
            parent_id=made[row.parent] if row.parent else None,
            is_group=row.code in groups,
            must_have_party=row.must_have_party,
        )
        made[row.code] = tx.add(account).id
    return made
