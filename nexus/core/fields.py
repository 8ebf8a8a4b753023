"""Field constructors: `name: Mapped[str] = f.text(200, search=True)`.

Every constructor takes the same facts (`label`, `help`, `pii`, `free`, `sensitive`, `search`, `unique`, `default`, `read_only`, `once`,
`check`); they ride on `Column.info` and every surface is derived from them. A field whose default is None is optional; one without a
default is required.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal, TypedDict, Unpack

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.orm import mapped_column

Pii = Literal["name", "contact", "address", "identifier", "financial", "health", "other"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the platform knows of one column beyond its SQL type; kept in `Column.info["nexus"]`."""

    kind: str
    label: str | None = None
    help: str | None = None
    pii: Pii | None = None
    """The category of personal data; masked in audit, erased on request."""
    free: bool = False
    """A line that people word as they like, and in which somebody may be named: replaced in masked copies, plain everywhere else."""
    sensitive: bool = False
    """Reading it is audited."""
    search: bool = False
    unique: bool = False
    read_only: bool = False
    """Set by commands alone: absent from the create and patch types."""
    once: bool = False
    """Given when the record is made and changed by commands alone: absent from the patch type."""
    state: bool = False
    """Moved by a flow alone."""
    refers_to: str | None = None
    """`service.entity` that the id belongs to."""
    of: Any = None
    """The enum of a choice, or the type of a JSON value."""
    currency: str | None = None
    """The column that holds the currency of an amount."""
    pattern: str | None = None
    min_length: int | None = None
    max_length: int | None = None
    ge: float | None = None
    le: float | None = None
    check: Callable[[str], None] | None = None
    """What a text must pass beyond its pattern: raises ValueError, whose words the caller is told."""
    digits: tuple[int, int] | None = None
    """Digits in all and after the point; the column itself is unconstrained, because PostgreSQL would round where we refuse."""
    example: Any = None


class Common(TypedDict, total=False):
    """The facts every constructor takes."""

    default: Any
    default_factory: Callable[[], Any]
    label: str | None
    help: str | None
    pii: Pii | None
    free: bool
    sensitive: bool
    search: bool
    unique: bool
    read_only: bool
    once: bool
    check: Callable[[str], None] | None
    index: bool
    example: Any


def _column(type_: Any, kind: str, common: Mapping[str, Any], **facts: Any) -> Any:
    given: dict[str, Any] = dict(common)
    column: dict[str, Any] = {name: given.pop(name) for name in ("default", "default_factory", "index") if name in given}
    constraint = facts.pop("foreign_key", None)
    info = {"nexus": Facts(kind=kind, **(facts | given))}
    return mapped_column(type_, *([constraint] if constraint is not None else []), info=info, **column)


def text(max_length: int = 200, *, min_length: int = 1, pattern: str | None = None, **common: Unpack[Common]) -> Any:
    """A line of text of at most `max_length` characters."""
    return _column(sa.Text(), "text", common, max_length=max_length, min_length=min_length, pattern=pattern)


def long_text(max_length: int = 20_000, **common: Unpack[Common]) -> Any:
    """Prose: notes, descriptions, bodies."""
    return _column(sa.Text(), "long_text", common, max_length=max_length)


def email(**common: Unpack[Common]) -> Any:
    """An e-mail address (RFC 5321 lengths), kept in lower case."""
    return _column(sa.Text(), "email", {"pii": "contact", "example": "ada@example.com", **common}, max_length=254)


def phone(**common: Unpack[Common]) -> Any:
    """A telephone number, kept as E.164 (`+2348012345678`); national spellings are read in the tenant's country."""
    return _column(sa.Text(), "phone", {"pii": "contact", "example": "+2348031234567", **common}, max_length=40)


def url(**common: Unpack[Common]) -> Any:
    """An absolute http or https address."""
    return _column(sa.Text(), "url", {"example": "https://example.com", **common}, max_length=2000, pattern=r"^https?://[^\s]+$")


def currency(**common: Unpack[Common]) -> Any:
    """An ISO 4217 code."""
    return _column(sa.String(3), "currency", {"example": "NGN", **common}, pattern=r"^[A-Z]{3}$", max_length=3)


def money(*, currency: str, ge: Decimal | None = None, **common: Unpack[Common]) -> Any:
    """An exact amount; `currency` names the column with its ISO 4217 code, whose decimals are enforced by the database."""
    lowest = None if ge is None else float(ge)
    return _column(sa.Numeric(), "money", {"example": "1250.00", **common}, currency=currency, ge=lowest)


def decimal(precision: int = 18, scale: int = 6, *, ge: float | None = None, le: float | None = None, **common: Unpack[Common]) -> Any:
    """An exact number that is not money: a rate, a factor, a percentage."""
    return _column(sa.Numeric(), "decimal", common, ge=ge, le=le, digits=(precision, scale))


def quantity(**common: Unpack[Common]) -> Any:
    """An exact count or measure of goods."""
    return _column(sa.Numeric(), "quantity", {"example": "3", **common}, ge=0, digits=(18, 6))


def int_(*, ge: int | None = None, le: int | None = None, **common: Unpack[Common]) -> Any:
    """A whole number of 64 bits."""
    return _column(sa.BigInteger(), "int", common, ge=-(2**63) if ge is None else ge, le=2**63 - 1 if le is None else le)


def bool_(**common: Unpack[Common]) -> Any:
    """Yes or no."""
    return _column(sa.Boolean(), "bool", common)


def date(**common: Unpack[Common]) -> Any:
    """A calendar day."""
    return _column(sa.Date(), "date", {"example": "2026-03-31", **common})


def instant(**common: Unpack[Common]) -> Any:
    """A moment, RFC 3339 with an offset, kept in UTC."""
    return _column(sa.DateTime(timezone=True), "instant", {"example": "2026-03-31T09:30:00Z", **common})


def _words(kind: type[enum.StrEnum]) -> list[str]:
    return [member.value for member in kind]


def _enum(of: type[enum.StrEnum]) -> sa.Enum:
    return sa.Enum(of, native_enum=False, create_constraint=False, length=40, values_callable=_words)


def enum_(of: type[enum.StrEnum], **common: Unpack[Common]) -> Any:
    """One of a fixed set of words."""
    return _column(_enum(of), "enum", common, of=of)


def state(*, default: enum.StrEnum, label: str | None = None, help: str | None = None, index: bool = True) -> Any:
    """A choice that only a Flow may change."""
    facts = {"index": index, "default": default, "label": label, "help": help}
    return _column(_enum(type(default)), "enum", facts, of=type(default), state=True)


def uuid(**common: Unpack[Common]) -> Any:
    """An id that no declaration says the entity of."""
    return _column(sa.Uuid(), "uuid", common)


def ref(target: str, *, on_delete: Literal["RESTRICT", "CASCADE", "SET NULL", "NOTHING"] = "RESTRICT", **common: Unpack[Common]) -> Any:
    """The id of another entity, `service.entity`; a foreign key within the service, a plain id across services.

    NOTHING makes no foreign key: for one side of two entities that refer to each other, since one table must be made first.
    """
    return _column(sa.Uuid(), "ref", {"index": True, **common}, refers_to=target, of=on_delete)


def json(of: Any = None, **common: Unpack[Common]) -> Any:
    """A structured value; `of` is its type (a msgspec Struct, `list[Line]` …), checked on every write."""
    return _column(pg.JSONB(), "json", common, of=of)


def tags(**common: Unpack[Common]) -> Any:
    """A set of short words, searchable one by one."""
    facts = {"default_factory": list, "example": ["vip"], **common}
    return _column(pg.JSONB(), "tags", facts, of=list[str])
