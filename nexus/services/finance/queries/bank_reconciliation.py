"""The bank reconciliation statement: what the books and the bank say of an account at the end of a day, and what is open on both sides."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any
from uuid import UUID

from msgspec import Meta
from sqlalchemy import Date, Text, Uuid

from nexus.core import (
    ColumnElement,
    Query,
    Rows,
    Sight,
    aliased,
    and_,
    answers,
    cast,
    exact,
    func,
    literal,
    null,
    or_,
    select,
    sql,
    union_all,
)
from nexus.services.finance.bank_terms import LinkStatus
from nexus.services.finance.entities import (
    AccountBalance,
    AccountingPeriod,
    BankAccount,
    BankReconciliation,
    BankStatement,
    BankStatementLine,
    JournalEntry,
    JournalLine,
)


class BankReconciliationStatement(Query, frozen=True, kw_only=True):
    """What the ledger and the bank say that an account stood at at the end of a day, and what of each the other does not know yet.

    The first rows are `ledger_balance`, `statement_balance` and `unexplained`: what is between the two and open on neither side, such as a balance
    from before the first statement. Then come what is `in_books_only` and `at_bank_only`, by day, up to the limit.
    """

    bank_account_id: UUID
    on: dt.date
    limit: Annotated[int, Meta(ge=1, le=10_000)] = 1000


@answers(BankReconciliationStatement, needs="finance.bank_statement_line:read")
def bank_reconciliation_statement(query: BankReconciliationStatement, sight: Sight) -> Rows:
    books, bank = _in_books_only(query, sight).cte("books"), _at_bank_only(query, sight).cte("bank")
    ledger, statement = _ledger(query, sight), _statement(query, sight)
    open_books = func.coalesce(select(func.sum(books.c.amount)).scalar_subquery(), 0)
    open_bank = func.coalesce(select(func.sum(bank.c.amount)).scalar_subquery(), 0)
    unexplained = (ledger - open_books) - (statement - open_bank)
    heads = [("ledger_balance", ledger), ("statement_balance", statement), ("unexplained", unexplained)]
    nothing: list[Any] = [cast(null(), Uuid()), cast(null(), Text())]
    rows: Any = union_all(
        *[
            select(sql(str(place)).label("place"), literal(kind).label("kind"), literal(query.on, Date()).label("date")).add_columns(
                nothing[0].label("id"), nothing[1].label("reference"), nothing[1].label("text"), amount.label("amount")
            )
            for place, (kind, amount) in enumerate(heads)
        ],
        select(sql("3"), literal("in_books_only"), books.c.date, books.c.id, books.c.reference, books.c.text, books.c.amount),
        select(sql("4"), literal("at_bank_only"), bank.c.date, bank.c.id, bank.c.reference, bank.c.text, bank.c.amount),
    ).subquery("row")
    c = rows.c
    account = BankAccount
    return (
        select(c.kind, c.date, c.id, c.reference, c.text, exact(c.amount).label("amount"), account.currency)
        .join(account, account.id == query.bank_account_id)
        .where(sight(account))
        .order_by(c.place, c.date, c.id)
        .limit(query.limit + len(heads))
    )


def _of(query: BankReconciliationStatement, sight: Sight) -> ColumnElement[bool]:
    return and_(BankAccount.id == query.bank_account_id, sight(BankAccount))


def _ledger(query: BankReconciliationStatement, sight: Sight) -> ColumnElement[Any]:
    """The ledger account in the currency of the bank: whole periods from their balances, the lines of the one that the day is in."""
    balance, period, line = AccountBalance, AccountingPeriod, JournalLine
    whole = (
        select(func.sum(balance.amount))
        .join(period, period.id == balance.period_id)
        .join(BankAccount, and_(BankAccount.account_id == balance.account_id, BankAccount.currency == balance.currency))
        .where(_of(query, sight), period.ends_on < query.on, sight(balance), sight(period))
    )
    begun = (
        select(func.max(period.starts_on))
        .join(BankAccount, BankAccount.company_id == period.company_id)
        .where(_of(query, sight), period.starts_on <= query.on, period.ends_on >= query.on, sight(period))
    )
    part = (
        select(func.sum(line.amount))
        .join(BankAccount, and_(BankAccount.account_id == line.account_id, BankAccount.currency == line.currency))
        .where(_of(query, sight), line.date >= begun.scalar_subquery(), line.date <= query.on, sight(line))
    )
    return func.coalesce(whole.scalar_subquery(), 0) + func.coalesce(part.scalar_subquery(), 0)


def _statement(query: BankReconciliationStatement, sight: Sight) -> ColumnElement[Any]:
    """The closing balance of the last statement up to the day, with what was booked after it; without one, all that was booked."""
    said, line = BankStatement, BankStatementLine
    last = (
        select(said.until, said.closing)
        .where(said.bank_account_id == query.bank_account_id, said.until <= query.on, said.closing.is_not(None), sight(said))
        .order_by(said.until.desc(), said.id.desc())
        .limit(1)
        .subquery("last_statement")
    )
    until = select(last.c.until).scalar_subquery()
    since = select(func.sum(line.amount)).where(
        line.bank_account_id == query.bank_account_id, line.booked_on <= query.on, or_(until.is_(None), line.booked_on > until), sight(line)
    )
    return func.coalesce(select(last.c.closing).scalar_subquery(), 0) + func.coalesce(since.scalar_subquery(), 0)


def _linked(query: BankReconciliationStatement, line_id: Any, sight: Sight) -> ColumnElement[bool]:
    """Whether a line of the books is reconciled with what the bank had booked by the day."""
    link, said = aliased(BankReconciliation), aliased(BankStatementLine)
    return (
        select(link.id)
        .join(said, said.id == link.bank_statement_line_id)
        .where(link.journal_line_id == line_id, link.status == LinkStatus.MADE, said.booked_on <= query.on, sight(link), sight(said))
        .exists()
    )


def _in_books_only(query: BankReconciliationStatement, sight: Sight) -> Rows:
    """Lines of the books that the bank has not booked; an entry and the one that takes it back are none where the bank knows of neither."""
    line, entry = JournalLine, JournalEntry
    other, twin = aliased(JournalEntry), aliased(JournalLine)
    taken_back = (
        select(twin.id)
        .join(other, other.id == twin.entry_id)
        .where(other.id == func.coalesce(entry.reversed_by_id, entry.reversal_of_id), twin.account_id == line.account_id)
        .where(other.date <= query.on, twin.amount == -line.amount, ~_linked(query, twin.id, sight), sight(other), sight(twin))
        .exists()
    )
    return (
        select(
            line.date,
            line.id,
            entry.number.label("reference"),
            func.coalesce(line.memo, entry.memo, entry.reference).label("text"),
            line.amount,
        )
        .join(entry, entry.id == line.entry_id)
        .join(BankAccount, and_(BankAccount.account_id == line.account_id, BankAccount.currency == line.currency))
        .where(_of(query, sight), line.date <= query.on, ~_linked(query, line.id, sight), ~taken_back, sight(line), sight(entry))
    )


def _at_bank_only(query: BankReconciliationStatement, sight: Sight) -> Rows:
    """Lines of the bank that were not in the books by the day, with what of them was not."""
    said, link, line = BankStatementLine, BankReconciliation, JournalLine
    booked = (
        select(func.sum(link.amount))
        .join(line, line.id == link.journal_line_id)
        .where(link.bank_statement_line_id == said.id, link.status == LinkStatus.MADE, line.date <= query.on, sight(link), sight(line))
    )
    left = said.amount - func.coalesce(booked.scalar_subquery(), 0)
    return select(
        said.booked_on.label("date"), said.id, said.bank_transaction_id.label("reference"), said.text, left.label("amount")
    ).where(said.bank_account_id == query.bank_account_id, said.booked_on <= query.on, left != 0, sight(said))
