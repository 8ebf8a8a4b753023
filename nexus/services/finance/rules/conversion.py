"""Conversion: what lines in another currency are worth in the books."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from uuid import UUID

from nexus.core import FieldError, Tx, among, exact, func, select
from nexus.core.money import SCALES, rounded
from nexus.services.finance.entities import Company, ExchangeRate
from nexus.services.finance.rules.refusals import NoExchangeRate
from nexus.services.finance.terms import EntryLine


async def converted(lines: list[EntryLine], company_id: UUID, day: dt.date, tx: Tx) -> list[EntryLine]:
    """The lines, those that only say an amount in another currency with the debit or credit that it is worth on that day.

    NoExchangeRate (422) names the lines for whose currency none is known.
    """
    if not any(_open(line) for line in lines):
        return lines
    (company,) = await tx.rows(select(Company.base_currency).where(Company.id == company_id))
    base = str(company["base_currency"])
    rates = await _rates({line.currency for line in lines if _open(line) and line.rate is None and line.currency}, base, day, tx)
    without = [at for at, line in enumerate(lines) if _open(line) and _rate(line, base, rates) is None]
    if without:
        errors = [FieldError(f"lines[{at}].rate", "is not known") for at in without]
        raise NoExchangeRate(lines=", ".join(str(at + 1) for at in without), errors=errors)
    return [_filled(line, base, rates) if _open(line) else line for line in lines]


def _open(line: EntryLine) -> bool:
    """Whether it says its amount in another currency alone; nonsense is left for the database to refuse."""
    return line.currency in SCALES and line.amount is not None and line.amount.is_finite() and not line.debit and not line.credit


async def _rates(currencies: set[str], base: str, day: dt.date, tx: Tx) -> Mapping[str, Decimal]:
    """The last rates up to a day."""
    if not currencies:
        return {}
    rate, latest = ExchangeRate, func.row_number().over(partition_by=ExchangeRate.from_currency, order_by=ExchangeRate.date.desc())
    known = (
        select(rate.from_currency, exact(rate.rate).label("rate"), latest.label("place"))
        .where(rate.to_currency == base, among(rate.from_currency, currencies), rate.date <= day, rate.archived_at.is_(None))
        .subquery("known")
    )
    rows = await tx.rows(select(known.c.from_currency, known.c.rate).where(known.c.place == 1))
    return {row["from_currency"]: Decimal(row["rate"]) for row in rows}


def _rate(line: EntryLine, base: str, rates: Mapping[str, Decimal]) -> Decimal | None:
    return line.rate or (Decimal(1) if line.currency == base else rates.get(line.currency or ""))


def _filled(line: EntryLine, base: str, rates: Mapping[str, Decimal]) -> EntryLine:
    rate, amount = _rate(line, base, rates), line.amount
    assert rate is not None
    assert amount is not None
    value = rounded(abs(amount) * rate, base)
    return line.changed(debit=value if amount > 0 else Decimal(0), credit=value if amount < 0 else Decimal(0), rate=rate)
