"""The books as Beancount reads them: another program's word on what every account stands at.

Two views of the same entries: what they are in the books' own currency, and what they are in the currencies of the documents, each line priced at what
it is worth in the books. Both end in a `balance` for each account, which Beancount compares with what it has added up by itself, to the cent.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from beancount import loader

from nexus.services.finance.entities import Account, AccountBalance, JournalEntry, JournalLine
from nexus.services.finance.queries.trial_balance import TrialBalance
from nexus.services.finance.terms import RootType
from nexus.services.finance.tests.conftest import Books

_ROOTS = {
    RootType.ASSET: "Assets",
    RootType.LIABILITY: "Liabilities",
    RootType.EQUITY: "Equity",
    RootType.INCOME: "Income",
    RootType.EXPENSE: "Expenses",
}
_PRICED = 'option "inferred_tolerance_default" "*:0.0001"'
"""Beancount divides a price of all units by their number, which seldom comes out even; it is less than a hundredth of a cent."""
Posted = list[tuple[JournalEntry, Sequence[JournalLine]]]


async def disagreements(books: Books, since: dt.date, until: dt.date) -> list[str]:
    """What Beancount has to say against the entries of a time and the balances that the books claim after it."""
    names = {one.id: f"{_ROOTS[one.root_type]}:A{one.code.replace('.', '-')}" for one in await books.finance.list(Account)}
    entries = [one for one in await books.finance.list(JournalEntry) if one.number is not None and since <= one.date <= until]
    lines = defaultdict[Any, list[JournalLine]](list)
    for line in await books.finance.list(JournalLine):
        lines[line.entry_id].append(line)
    posted: Posted = [(one, lines[one.id]) for one in sorted(entries, key=lambda one: one.date)]
    base = books.company.base_currency
    claimed = await books.finance.ask(TrialBalance(company_id=books.company.id, since=since, until=until))
    own = [(names[UUID(row["account_id"])], Decimal(row["closing"]), base) for row in claimed]
    foreign = defaultdict[tuple[str, str], Decimal](Decimal)
    for one in await books.finance.list(AccountBalance, AccountBalance.currency != base):
        foreign[names[one.account_id], one.currency] += one.amount
    in_theirs = [(account, amount, currency) for (account, currency), amount in foreign.items()]
    opened = [f"{since} open {name}" for name in names.values()]
    said: list[str] = []
    for options, postings, balances in (("", _in_base, own), (_PRICED, _in_documents, in_theirs)):
        text = "\n".join([options, *opened, *_transactions(posted, names, postings, base), *_balances(balances, until), ""])
        _, errors, _ = loader.load_string(text)
        said += [error.message for error in errors]
    return said


def _transactions(posted: Posted, names: dict[Any, str], postings: Any, base: str) -> Iterator[str]:
    for entry, lines in posted:
        yield f'{entry.date} * "{entry.number}"'
        for line in lines:
            yield f"  {names[line.account_id]}  {postings(line, base)}"


def _in_base(line: JournalLine, base: str) -> str:
    return f"{line.debit - line.credit} {base}"


def _in_documents(line: JournalLine, base: str) -> str:
    worth = line.debit - line.credit
    if line.currency == base or line.amount == 0:  # a difference between rates is worth something, and no unit of the currency
        return f"{worth} {base}"
    return f"{line.amount} {line.currency} @@ {abs(worth)} {base}"


def _balances(balances: Iterable[tuple[str, Decimal, str]], until: dt.date) -> Iterator[str]:
    for account, amount, currency in balances:
        yield f"{until + dt.timedelta(days=1)} balance {account}  {amount} ~ 0.00 {currency}"
