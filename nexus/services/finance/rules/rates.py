"""What a document's currency is worth in that of the books."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from decimal import Decimal

from nexus.core import FieldError, Invalid, Tx
from nexus.services.finance.api.revaluations import ClosingRate
from nexus.services.finance.entities import ExchangeRate


async def closing(currencies: Iterable[str], base: str, day: dt.date, given: Sequence[ClosingRate], tx: Tx) -> dict[str, Decimal]:
    """The rates of some currencies at the end of a day. Invalid (422) names the one that makes no sense, is given twice or is not known."""
    rates: dict[str, Decimal] = {}
    for at, one in enumerate(given):
        if one.currency == base or one.currency in rates:
            why = "is that of the books" if one.currency == base else "is named before"
            raise Invalid.of(FieldError(f"rates[{at}].currency", why))
        rates[one.currency] = _usual(one.rate, f"rates[{at}].rate")
    for currency in sorted(set(currencies) - rates.keys()):
        rates[currency] = await _known(currency, base, day, tx, "rates")
    return rates


async def worth(currency: str, base: str, day: dt.date, given: Decimal | None, tx: Tx) -> Decimal:
    """The rate that is given, or the last one up to a day. Invalid (422) where it makes no sense or none is known."""
    if currency == base:
        if given not in (None, 1):
            raise Invalid.of(FieldError("rate", f"is 1 in {base}, the currency of the books"))
        return Decimal(1)
    return _usual(await _known(currency, base, day, tx) if given is None else given)


def _usual(rate: Decimal, field: str = "rate") -> Decimal:
    if not rate.is_finite() or not 0 < rate < 10**10 or rate != round(rate, 10):
        raise Invalid.of(FieldError(field, "is more than 0 and has at most 10 decimals"))
    return rate


async def _known(currency: str, base: str, day: dt.date, tx: Tx, field: str = "rate") -> Decimal:
    known = await tx.list(
        ExchangeRate,
        ExchangeRate.from_currency == currency,
        ExchangeRate.to_currency == base,
        ExchangeRate.date <= day,
        ExchangeRate.archived_at.is_(None),
        order_by=[ExchangeRate.date.desc()],
        limit=1,
    )
    if not known:
        raise Invalid.of(FieldError(field, f"of {currency} in {base} on {day} is not known"))
    return known[0].rate
