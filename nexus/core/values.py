"""Values: what is kept inside a record or sent inside a command without being a record itself, and checked types for its fields."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Annotated, Any, TypeAlias, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
import sqlalchemy as sa
from msgspec import Meta
from sqlalchemy.orm import InstrumentedAttribute

from nexus.core.money import SCALES, scale
from nexus.core.problem import FieldError, Invalid

V = TypeVar("V", bound="Value")

LARGEST = Decimal("1e20")
"""No amount and no quantity reaches this; the database says so too."""

NOT_BLANK = r"\S"
"""The pattern of text that says something: not spaces alone."""
Line: TypeAlias = Annotated[str, Meta(min_length=1, max_length=200, pattern=NOT_BLANK)]
"""A line of text."""
Prose: TypeAlias = Annotated[str, Meta(max_length=20_000)]
"""Notes, descriptions, bodies."""
EmailText: TypeAlias = Annotated[str, Meta(pattern=r"^[^@\sA-Z\"(),:;<>\[\]\\]{1,64}@[a-z0-9]([a-z0-9.-]{0,188}[a-z0-9])?\.[a-z]{2,63}$")]
"""An e-mail address in lower case."""
EmailAsSent: TypeAlias = Annotated[
    str, Meta(pattern=r"^[^@\s\"(),:;<>\[\]\\]{1,64}@[A-Za-z0-9]([A-Za-z0-9.-]{0,188}[A-Za-z0-9])?\.[A-Za-z]{2,63}$")
]
"""An e-mail address as people write it; what takes one keeps it in lower case."""
PhoneText: TypeAlias = Annotated[str, Meta(pattern=r"^\+[1-9]\d{6,14}$")]
"""A telephone number as E.164: +2348031234567."""
CurrencyCode: TypeAlias = Annotated[str, Meta(pattern=r"^[A-Z]{3}$")]
"""An ISO 4217 code."""
Instant: TypeAlias = Annotated[dt.datetime, Meta(tz=True)]
"""A moment with its offset, RFC 3339."""
Percent: TypeAlias = Annotated[int, Meta(ge=0, le=100)]
"""Whole percent."""


class Value(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A structured value, equal where its fields are equal. It never changes: `changed` makes another."""

    def changed(self: V, **fields: Any) -> V:
        """The same value with some fields different."""
        return msgspec.structs.replace(self, **fields)

    @classmethod
    def of(cls: type[V], row: Any) -> V:
        """Read it from JSON values, such as a row of `tx.rows`; msgspec.ValidationError where they do not fit."""
        return msgspec.convert(row, cls)


def amount(value: Decimal, currency: str, field: str) -> Decimal:
    """The amount with its currency's decimals: 5 EUR is 5.00.

    Invalid (422) names `field` where it is no number, too large, or has more decimals.
    """
    if currency not in SCALES:
        raise Invalid.of(FieldError("currency", f"{currency} is not an ISO 4217 currency code"))
    if not value.is_finite() or abs(value) >= LARGEST:
        raise Invalid.of(FieldError(field, "is not an amount of money"))
    exact = value.quantize(Decimal(1).scaleb(-scale(currency)))
    if exact != value:
        raise Invalid.of(FieldError(field, f"has more than the {scale(currency)} decimals of {currency}"))
    return exact


def time_zone(text: str) -> None:
    """ValueError where a text is not the name of a time zone in the IANA database."""
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{text!r} is not a time zone; write it as Africa/Lagos") from None


def among(column: Any, values: Any) -> sa.ColumnElement[bool]:
    """Whether a column is one of some values. Unlike `in_`, however many there are, it is one parameter of one statement."""
    kind = sa.Text() if isinstance(column.type, sa.Enum) else column.type
    found: sa.ColumnElement[bool] = column == sa.any_(sa.cast(sa.bindparam(None, tuple(values), type_=sa.ARRAY(kind)), sa.ARRAY(kind)))
    return found


class Exact(sa.Text):
    """A number that is shown as text, so that no client rounds it."""


def exact(number: sa.ColumnElement[Any] | InstrumentedAttribute[Any]) -> sa.ColumnElement[str]:
    """An exact number as answers show it: as text, so that no client rounds it."""
    return sa.cast(number, Exact())


def median(number: sa.ColumnElement[Any] | InstrumentedAttribute[Any]) -> sa.ColumnElement[int]:
    """The middle of the numbers of a group, rounded to a whole one."""
    return sa.cast(sa.func.round(sa.cast(sa.func.percentile_cont(0.5).within_group(number), sa.Numeric())), sa.BigInteger())


def days(number: sa.ColumnElement[Any] | InstrumentedAttribute[Any] | int) -> sa.ColumnElement[dt.timedelta]:
    """So many days as an interval."""
    return sa.type_coerce(sa.cast(number, sa.Integer()) * sa.literal_column("interval '1 day'", sa.Interval()), sa.Interval())


def sql(text: str) -> sa.ColumnElement[Any]:
    """SQL written by hand, for what no function says: the expression or condition of an index. Never holds what a caller sent."""
    return sa.literal_column(text)
