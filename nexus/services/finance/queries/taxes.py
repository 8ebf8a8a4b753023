"""Taxes of a time: what was charged and paid by tax, and what goes into each box of the return; in the currency of the books."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, Numeric, String

from nexus.core import Query, Rows, Sight, among, and_, answers, case, cast, exact, func, literal, select, sql
from nexus.services.finance.entities import Company, Invoice, JournalLine, TaxRate
from nexus.services.finance.invoice_terms import InvoiceKind, TaxBasis
from nexus.services.finance.queries.open_items import asked_of
from nexus.services.finance.queries.trial_balance import in_order

_SALES = [InvoiceKind.SALES_INVOICE, InvoiceKind.CREDIT_NOTE]
_NOTES = [InvoiceKind.CREDIT_NOTE, InvoiceKind.DEBIT_NOTE]


class TaxReport(Query, frozen=True, kw_only=True):
    """What each tax came to on the invoices and bills of a time: base and amount, of sales and of purchases, in the currency of the books.

    Notes take away. What was agreed in another currency is worth what its invoice was booked at.
    """

    company_id: UUID
    since: dt.date
    until: dt.date


@answers(TaxReport, needs="finance.invoice:read")
def tax_report(query: TaxReport, sight: Sight) -> Rows:
    in_order(query.since, query.until)
    c = _charged(query, sight).c
    return (
        select(c.side, c.code, func.max(c.name).label("name"), func.count().label("documents"))
        .add_columns(exact(func.sum(c.base)).label("base"), exact(func.sum(c.amount)).label("amount"))
        .where(asked_of(query.company_id))
        .group_by(c.side, c.code)
        .order_by(c.side.desc(), c.code)
    )


class TaxReturn(Query, frozen=True, kw_only=True):
    """What goes into each box of the tax return of a time, and from which taxes: bases and amounts, in the currency of the books.

    Which tax goes into which box is said by the `boxes` of its rate. What is in no box is left out.
    """

    company_id: UUID
    since: dt.date
    until: dt.date


@answers(TaxReturn, needs="finance.invoice:read")
def tax_return(query: TaxReturn, sight: Sight) -> Rows:
    in_order(query.since, query.until)
    c = _charged(query, sight).c
    part = func.jsonb_array_elements(TaxRate.boxes).table_valued("value", name="part", joins_implicitly=True)
    box, basis = part.c.value.op("->>")("box"), part.c.value.op("->>")("basis")
    share = func.abs(cast(part.c.value.op("->>")("percent"), Numeric())) / 100
    scale = func.nexus_cell.currency_scale(c.base_currency)
    amount = func.round(share * case((basis == TaxBasis.BASE.value, c.base), else_=c.amount), scale)
    return (
        select(cast(box, String()).label("box"), cast(basis, String()).label("basis"))
        .add_columns(
            exact(func.sum(amount)).label("amount"), func.array_to_json(func.array_agg(c.code.distinct()), type_=JSON()).label("taxes")
        )
        .join(TaxRate, and_(TaxRate.company_id == query.company_id, TaxRate.code == c.code, TaxRate.archived_at.is_(None)))
        .where(sight(TaxRate), asked_of(query.company_id))
        .group_by(box, basis)
        .order_by(box, basis)
    )


def _charged(query: TaxReport | TaxReturn, sight: Sight) -> Any:
    """A row for each tax of each invoice that is in the books: base and amount in the base currency, of notes negative."""
    invoice, line = Invoice, JournalLine
    tax = func.jsonb_array_elements(invoice.taxes).table_valued("value", name="tax", joins_implicitly=True)
    booked_at = select(func.max(line.rate)).where(line.entry_id == invoice.entry_id, sight(line)).correlate(invoice).scalar_subquery()
    rate = case((invoice.currency == Company.base_currency, sql("1")), else_=booked_at)
    sign = case((among(invoice.kind, _NOTES), -1), else_=1)
    scale = func.nexus_cell.currency_scale(Company.base_currency)

    def worth(name: str) -> Any:
        return func.round(cast(tax.c.value.op("->>")(name), Numeric()) * rate * sign, scale).label(name)

    return (
        select(case((among(invoice.kind, _SALES), literal("sales")), else_=literal("purchases")).label("side"))
        .add_columns(
            cast(tax.c.value.op("->>")("code"), String()).label("code"), cast(tax.c.value.op("->>")("name"), String()).label("name")
        )
        .add_columns(worth("base"), worth("amount"), Company.base_currency.label("base_currency"))
        .join(Company, Company.id == invoice.company_id)
        .where(invoice.company_id == query.company_id, invoice.date.between(query.since, query.until))
        .where(invoice.entry_id.is_not(None), sight(invoice), sight(Company))  # in the books, whatever has settled it since
        .subquery("charged")
    )
