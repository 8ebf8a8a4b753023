"""What a statement of a bank must be to be taken in, and how its lines are known again."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal

from nexus.services.finance.bank_files import BankFileRefused, ReadLine, ReadStatement
from nexus.services.finance.entities import BankAccount

_NOT_WRITTEN = re.compile(r"[^0-9A-Z]")
_SHORTEST = 6
"""Fewer characters than these say of no account that it is another's."""


class OtherBankAccount(BankFileRefused):
    """{place} of the file is of another bank account: it {why}."""


class OtherBankCurrency(BankFileRefused):
    """{place} of the file is in another currency than the bank account: it {why}."""


class BalancesDiffer(BankFileRefused):
    """{place} of the file does not add up: it {why}."""


class RepeatedTransaction(BankFileRefused):
    """{place} of the file has an identifier that is not its own: it {why}."""


def fits(statement: ReadStatement, account: BankAccount) -> None:
    """Refuse (422) a statement of another account or currency, or whose lines are not what is between its balances."""
    own = [_written(one) for one in (account.iban, account.account_number) if one]
    if statement.account is not None and not any(_same(_written(statement.account), one) for one in own):
        raise OtherBankAccount.at(statement.place, f"names the account {statement.account[:40]}")
    for place, currency in ((statement.place, statement.currency), *((one.place, one.currency) for one in statement.lines)):
        if currency != account.currency:
            raise OtherBankCurrency.at(place, f"says {currency[:10]}, and the account is in {account.currency}")
    if statement.opening is None or statement.closing is None:
        return
    comes_to = statement.opening + movement(statement)
    if comes_to != statement.closing:
        raise BalancesDiffer.at(statement.place, f"closes with {statement.closing} {account.currency}, and its lines come to {comes_to}")


def _written(account: str) -> str:
    return _NOT_WRITTEN.sub("", account.upper())


def _same(said: str, own: str) -> bool:
    """Banks write an account with or without country, bank and currency around it."""
    return said == own or (min(len(said), len(own)) >= _SHORTEST and (said in own or own in said))


def movement(statement: ReadStatement) -> Decimal:
    """The sum of its lines."""
    return sum((one.amount for one in statement.lines), Decimal(0))


def days(statement: ReadStatement, otherwise: dt.date) -> tuple[dt.date, dt.date]:
    """From when until when it is, as far as it says so; else as its lines are, or the day that is given."""
    booked = [one.booked_on for one in statement.lines]
    since = min([*booked, statement.since or statement.until or min(booked, default=otherwise)])
    return since, max([*booked, statement.until or since, since])


def identified(lines: Sequence[ReadLine]) -> list[tuple[str, ReadLine]]:
    """The lines of a file with what each is known by: the bank's own identifier, or else one of what it says and how many lines before it say
    just the same. So two equal lines of one file are two, and those of an overlapping file are the same again.

    RepeatedTransaction (422) where two lines have one identifier of the bank.
    """
    seen: Counter[str] = Counter()
    found: list[tuple[str, ReadLine]] = []
    for line in lines:
        key = line.transaction_id or f"~{_digest(_said(line))[:40]}"
        seen[key] += 1
        if line.transaction_id and seen[key] > 1:
            raise RepeatedTransaction.at(line.place, f"says {key}, and so does a line before it")
        found.append((key if line.transaction_id else f"{key}-{seen[key]}", line))
    return found


def _said(line: ReadLine) -> list[str | None]:
    days = [str(line.booked_on), str(line.value_on) if line.value_on else None]
    return [*days, str(line.amount), line.currency, line.name, line.account, line.text, line.end_to_end_id, line.bank_reference]


def digest(statement: ReadStatement, known_by: Sequence[str]) -> str:
    """By which a whole statement is known again."""
    balances = [None if one is None else str(one) for one in (statement.opening, statement.closing)]
    span = [None if one is None else str(one) for one in (statement.since, statement.until)]
    return _digest([statement.reference, *span, *balances, *known_by])


def _digest(said: Sequence[str | None]) -> str:
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()
