"""What a file of a bank says, what it is refused with, and how its amounts, days and texts are read."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Self

from nexus.core import FieldError, Problem
from nexus.core.money import SCALES

_AMOUNT = re.compile(r"[+-]?[0-9]{1,18}(\.[0-9]{0,8})?")
_SPACES = re.compile(r"\s+")


class BankFileRefused(Problem, status=422):
    """{place} of the file: it {why}."""

    place: str
    """The line, or the element, that is meant."""
    why: str
    errors: list[FieldError]

    @classmethod
    def at(cls, place: str, why: str) -> Self:
        """Of a place in the file; both are shown in `errors`, as of the field `content`."""
        return cls(place=place, why=why, errors=[FieldError("content", f"{place}: {why}")])


class UnreadableBankFile(BankFileRefused):
    """{place} of the file cannot be read: it {why}."""


@dataclass(frozen=True, kw_only=True)
class ReadLine:
    """A line of a statement."""

    place: str
    """Where it is in the file, as refusals name it."""
    booked_on: dt.date
    value_on: dt.date | None = None
    amount: Decimal
    currency: str
    name: str | None = None
    account: str | None = None
    text: str | None = None
    transaction_id: str | None = None
    """The bank's own, where that is unique to the line."""
    end_to_end_id: str | None = None
    bank_reference: str | None = None
    """What the bank calls it where that is not unique."""


@dataclass(frozen=True, kw_only=True)
class ReadStatement:
    """A statement of a file. Amounts have the decimals of its currency."""

    place: str
    account: str | None
    """As the file names it; empty: it does not."""
    currency: str
    reference: str | None = None
    since: dt.date | None = None
    until: dt.date | None = None
    opening: Decimal | None = None
    closing: Decimal | None = None
    lines: list[ReadLine]


def amount_of(text: str, currency: str, place: str) -> Decimal:
    """An amount with the decimals of its currency; a point divides them. UnreadableBankFile (422) where it is none."""
    if currency not in SCALES:
        raise UnreadableBankFile.at(place, f"is in {currency[:10]!r}, which is no currency")
    if not _AMOUNT.fullmatch(text):
        raise UnreadableBankFile.at(place, f"is no amount: {text[:40]!r}")
    exact = Decimal(text).quantize(Decimal(1).scaleb(-SCALES[currency]))
    if exact != Decimal(text):
        raise UnreadableBankFile.at(place, f"has more than the {SCALES[currency]} decimals of {currency}")
    return exact + 0  # what is nothing has no sign


def day_of(text: str, place: str, format: str = "%Y-%m-%d") -> dt.date:
    """A day. UnreadableBankFile (422) where it is none."""
    try:
        found = dt.datetime.strptime(text, format).date()  # noqa: DTZ007 - banks say days, not moments
    except ValueError:
        raise UnreadableBankFile.at(place, f"is no day: {text[:40]!r}") from None
    if found.year < 1900:
        raise UnreadableBankFile.at(place, f"is no day of a bank: {text[:40]!r}")
    return found


def plain(text: str | None, longest: int) -> str | None:
    """A text in one line of at most so many characters, or None where it says nothing."""
    return _SPACES.sub(" ", text or "").strip()[:longest].strip() or None
