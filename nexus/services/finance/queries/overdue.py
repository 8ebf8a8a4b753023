"""Overdue invoices: how long each is due, which dunning level it has come to, and whether a notice is to follow."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID

from sqlalchemy import Date, Integer, type_coerce

from nexus.core import (
    ColumnElement,
    Query,
    Rows,
    Sight,
    aliased,
    and_,
    answers,
    case,
    exact,
    exists,
    func,
    literal,
    not_,
    null,
    or_,
    select,
)
from nexus.services.finance.entities import Company, DunnedInvoice, Dunning, DunningBlock, DunningLevel, Invoice
from nexus.services.finance.invoice_terms import InvoiceKind
from nexus.services.finance.queries.open_items import OpenOn, asked_of
from nexus.services.finance.terms import Subledger

_YEAR = 100 * 365
"""Percent, and days."""


class Overdue(Query, frozen=True, kw_only=True):
    """The invoices to customers that were overdue at the end of a day, the longest due first, each with the dunning level that it had come to.

    `next_level` is there where a notice issued for that day takes it up by one, and `interest` what that charges in the currency of the books.
    """

    company_id: UUID
    on: dt.date
    party_id: UUID | None = None


@answers(Overdue, needs="finance.invoice:read")
def overdue(query: Overdue, sight: Sight) -> Rows:
    owed = _owed(query, sight)
    c, level = owed.c, aliased(DunningLevel)
    rises = and_(
        level.level.is_not(None),
        not_(c.blocked),
        c.days_overdue >= level.days_overdue,
        or_(c.dunned_on.is_(None), c.rests >= _apart(c, level)),
    )
    following = and_(level.company_id == query.company_id, level.level == c.level + 1, level.archived_at.is_(None), sight(level))
    scale = func.nexus_cell.currency_scale(Company.base_currency)
    interest = func.round(c.base_days * func.coalesce(level.interest_rate, 0) / _YEAR, scale)
    return (
        select(c.invoice_id, c.number, c.party_id, c.party_name, c.due_on, c.days_overdue, c.currency)
        .add_columns(exact(c.open).label("open"), exact(c.base_open).label("base_open"), c.level, c.dunned_on, c.blocked)
        .add_columns(case((rises, level.level), else_=null()).label("next_level"))
        .add_columns(exact(case((rises, interest), else_=literal(0))).label("interest"))
        .select_from(owed)
        .join(Company, Company.id == query.company_id)
        .outerjoin(level, following)
        .where(asked_of(query.company_id), sight(Company))
        .order_by(c.due_on, c.invoice_id)
    )


def _apart(c: Any, level: Any) -> ColumnElement[Any]:
    """How many days lie between the level that an invoice has come to and the next."""
    return func.greatest(level.days_overdue - func.coalesce(c.days_of_level, level.days_overdue), 1)


def _owed(query: Overdue, sight: Sight) -> Any:
    """Overdue invoices with what is open of the instalments that are due, and where dunning stands."""
    asked = OpenOn(company_id=query.company_id, subledger=Subledger.RECEIVABLES, on=query.on, party_id=query.party_id).items(sight)
    reached_by = _reached(query, sight)
    items, reached = asked.c, reached_by.c
    at, invoice, on = aliased(DunningLevel), Invoice, literal(query.on, Date())
    since = func.greatest(items.aged_from, reached.charged_until)
    due_on = func.min(items.aged_from)
    blocked = or_(_blocked(query, sight), exists().where(Dunning.charge_id == invoice.id, sight(Dunning)))
    return (
        select(invoice.id.label("invoice_id"), invoice.number, invoice.party_id, invoice.party_name, invoice.currency)
        .add_columns(type_coerce(due_on, Date()).label("due_on"), type_coerce(on - due_on, Integer()).label("days_overdue"))
        .add_columns(func.sum(items.open).label("open"), func.sum(items.base_open).label("base_open"), blocked.label("blocked"))
        .add_columns(func.sum(items.base_open * type_coerce(on - since, Integer())).label("base_days"))
        .add_columns(func.coalesce(reached.level, 0).label("level"), reached.dunned_on, at.days_overdue.label("days_of_level"))
        .add_columns(type_coerce(on - reached.dunned_on, Integer()).label("rests"))
        .select_from(asked)
        .join(invoice, invoice.entry_id == items.entry_id)
        .outerjoin(reached_by, reached.invoice_id == invoice.id)
        .outerjoin(at, and_(at.company_id == query.company_id, at.level == reached.level, at.archived_at.is_(None), sight(at)))
        .where(invoice.kind == InvoiceKind.SALES_INVOICE, items.aged_from < query.on, sight(invoice))
        .group_by(invoice.id, reached.level, reached.dunned_on, at.days_overdue)
        .subquery("owed")
    )


def _reached(query: Overdue, sight: Sight) -> Any:
    one = DunnedInvoice
    return (
        select(one.invoice_id, func.max(one.level).label("level"), func.max(one.date).label("dunned_on"))
        .add_columns(func.max(one.charged_until).label("charged_until"))
        .where(one.date <= query.on, sight(one))
        .group_by(one.invoice_id)
        .subquery("reached")
    )


def _blocked(query: Overdue, sight: Sight) -> ColumnElement[bool]:
    block = DunningBlock
    return exists().where(
        block.invoice_id == Invoice.id, block.archived_at.is_(None), or_(block.until.is_(None), block.until >= query.on), sight(block)
    )
