"""What a preset plants: a company with the chart of its country and trade (accounts, roles, journals, taxes, terms) and the fiscal year that it is in."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from nexus.core import Tx
from nexus.services.finance.charts import Chart, ChartTax, chart, chart_for
from nexus.services.finance.commands.years import opened, today
from nexus.services.finance.entities import Account, AccountRole, Company, Journal, PaymentTerm, TaxRate
from nexus.services.finance.invoice_terms import TaxBasis, TaxBox, TaxScope, TaxType, TermPart
from nexus.services.finance.rules.years import months_later, year_around
from nexus.services.finance.terms import LedgerRole

Seeds = dict[str, Any]
_DAY: Final = dt.timedelta(days=1)


async def plant(seeds: Seeds, tx: Tx) -> dict[str, Any]:
    """Plant `{"name", "country", "industry", "currency", "fiscal_year": {"month", "day"}}`, with the chart of the country unless another `"chart"` is named.

    Answers the code of the chart, the ids of the company and of its journals by code, and how many accounts there are.
    """
    books = chart(seeds.get("chart") or chart_for(seeds["country"], seeds["industry"]))
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
    accounts = _accounts(company, books, tx)
    journals = _journals(company, books, accounts, tx)
    for role, number in books.defaults.items():
        tx.add(AccountRole(company_id=company.id, role=LedgerRole(role), account_id=accounts[number]))
    _taxes(company, books, accounts, tx)
    _terms(books, tx)
    starts_on = year_around(today(tx), company.fiscal_year_month, company.fiscal_year_day)
    tx.emit(opened(company, starts_on, months_later(starts_on, 12) - _DAY, tx))
    return {
        "chart": books.code,
        "company_id": str(company.id),
        "accounts": len(accounts),
        "journals": {code: str(id) for code, id in journals.items()},
    }


def _accounts(company: Company, books: Chart, tx: Tx) -> dict[str, UUID]:
    """The accounts of a chart by number, under their official names; every group comes before what is in it."""
    made: dict[str, UUID] = {}
    for one in books.accounts:
        account = Account(
            company_id=company.id,
            code=one.number,
            name=one.name,
            root_type=one.root_type,
            account_type=one.account_type,
            parent_id=made[one.parent] if one.parent else None,
            is_group=one.is_group,
            must_have_party=one.must_have_party,
        )
        made[one.number] = tx.add(account).id
    return made


def _journals(company: Company, books: Chart, accounts: dict[str, UUID], tx: Tx) -> dict[str, UUID]:
    made: dict[str, UUID] = {}
    for one in books.journals:
        default = accounts[one.default_account] if one.default_account else None
        journal = Journal(company_id=company.id, code=one.series, name=one.name, type=one.type, default_account_id=default)
        made[one.series] = tx.add(journal).id
    return made


def _taxes(company: Company, books: Chart, accounts: dict[str, UUID], tx: Tx) -> None:
    """The taxes whose rate the chart knows; groups of them only whole."""
    made: set[str] = set()
    for one in sorted(books.taxes, key=lambda one: one.kind == "group"):
        if one.exigibility == "on_payment" or (not made.issuperset(one.members) if one.kind == "group" else one.rate is None):
            continue
        made.add(one.key)
        charged, owed = _posted_to(one)
        tx.add(
            TaxRate(
                company_id=company.id,
                code=one.key,
                name=one.name,
                type=TaxType(one.kind),
                rate=one.rate or Decimal(0),
                scope=TaxScope(one.scope),
                price_included=one.price_included,
                reverse_charge=one.reverse_charge,
                withholding=one.withholding,
                category=one.category,
                members=list(one.members),
                boxes=[TaxBox(box=part.tag, basis=TaxBasis(part.basis), percent=part.percent) for part in one.invoice if part.tag],
                account_id=accounts[charged] if charged else None,
                reverse_account_id=accounts[owed] if owed else None,
            )
        )


def _posted_to(tax: ChartTax) -> tuple[str | None, str | None]:
    """Where a tax is posted, and of a reverse charge where it is owed: there the chart's first part is what is owed."""
    numbers = [part.account for part in tax.invoice if part.basis == "tax"]
    match numbers:
        case []:
            return None, None
        case [charged]:
            return charged, None
        case [owed, charged] if tax.reverse_charge:
            return charged, owed
        case _:
            raise ValueError(f"tax {tax.key}: posted to {len(numbers)} accounts")


def _terms(books: Chart, tx: Tx) -> None:
    for one in books.terms:
        tx.add(
            PaymentTerm(
                key=one.key,
                name=one.name,
                instalments=[TermPart(percent=part.portion, days=part.days, end_of_month=part.end_of_month) for part in one.instalments],
                discount_percent=one.discount.percent if one.discount else None,
                discount_days=one.discount.days if one.discount else None,
            )
        )
