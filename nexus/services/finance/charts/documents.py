"""What the YAML of a chart may say, before it is composed: rows that name accounts by the role they play, not by their number."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from msgspec import Meta

from nexus.documents import Key, Name, Part, Sentence
from nexus.services.finance.charts.schema import Discount, Instalment, Number, Series, Tag
from nexus.services.finance.invoice_terms import TaxCategory
from nexus.services.finance.terms import AccountType, JournalType, RootType


class AccountRow(Part, frozen=True, kw_only=True):
    """One account. What is under another has its root type unless it says its own; a group is what others are under."""

    number: Number
    name: Annotated[str, Meta(min_length=1, max_length=200)]
    en: str | None = None
    """The English name of one whose official name is not English."""
    root: RootType | None = None
    type: AccountType = AccountType.OTHER
    under: Number | None = None
    group: bool = False
    party: bool | None = None
    """Whether each line says whose it is; receivables and payables do unless told otherwise."""


class TaxLine(Part, frozen=True, kw_only=True):
    """A part of a tax by the role of its account."""

    to: Key
    percent: Decimal = Decimal(100)
    tag: Tag | None = None


class TaxRow(Part, frozen=True, kw_only=True):
    """One tax. `of` names a rate of the country (`vat.standard`), of which it is `share`; a rate of its own stands here only if the country has none."""

    key: Key
    name: Annotated[str, Meta(min_length=1, max_length=120)]
    """`{rate}` stands for its rate, written as its language does."""
    en: str | None = None
    scope: Literal["sale", "purchase"]
    kind: Literal["percent", "fixed", "group"] = "percent"
    of: Annotated[str, Meta(pattern=r"^[a-z_]+\.[a-z_]+$")] | None = None
    share: Decimal = Decimal(1)
    rate: Decimal | None = None
    included: bool = False
    waits: Key | None = None
    """The role of the account where it waits until it is paid: due on payment."""
    reverse: bool = False
    withheld: bool = False
    category: TaxCategory | None = None
    """Why it is not charged, of those whose rate is 0 for another reason than that the law says 0."""
    members: tuple[Key, ...] = ()
    base: Tag | tuple[Tag, ...] = ()
    """The boxes of the return that its base goes into."""
    lines: tuple[TaxLine, ...] = ()
    refund: tuple[TaxLine, ...] | None = None
    """Where they differ for credit notes; else a credit note takes back what the invoice did."""
    note: Sentence | None = None


class JournalRow(Part, frozen=True, kw_only=True):
    """One journal; `account` by role."""

    key: Key
    name: Name
    en: str | None = None
    type: JournalType
    series: Series
    account: Key | None = None


class TermRow(Part, frozen=True, kw_only=True):
    """One payment term."""

    key: Key
    name: Name
    en: str | None = None
    instalments: tuple[Instalment, ...]
    discount: Discount | None = None


class ChartDocument(Part, frozen=True, kw_only=True):
    """A chart as written. One that extends another says only what differs: accounts by number, roles by name, other lists as a whole."""

    name: Name
    version: int
    country: str | None = None
    default: bool = True
    """Whether a business of the country gets it unless it asks for another."""
    languages: tuple[str, ...]
    numbering: str
    """How its numbers are built."""
    family: Key
    """Charts of one family number alike: a trade says one number for all of them."""
    decimal: bool = False
    """Whether what is in a group begins with its number."""
    extends: str | None = None
    accounts: tuple[AccountRow, ...]
    roles: dict[Key, Number]
    places: dict[Key, Number]
    """Groups into which a trade puts its own accounts, by name."""
    taxes: tuple[TaxRow, ...] = ()
    journals: tuple[JournalRow, ...] = ()
    terms: tuple[TermRow, ...] = ()


class TradeAccount(Part, frozen=True, kw_only=True):
    """An account that a trade needs, for charts where nothing plays its role yet."""

    role: Key
    name: Annotated[str, Meta(min_length=1, max_length=200)]
    de: str | None = None
    fr: str | None = None
    place: Key
    type: AccountType = AccountType.OTHER
    party: bool | None = None
    numbers: dict[str, Number]
    """Its number in each family of charts."""


class TradeDocument(Part, frozen=True, kw_only=True):
    """What the charts of a trade have beyond the others."""

    name: Name
    version: int
    includes: tuple[Key, ...] = ()
    """Trades whose accounts it has too."""
    accounts: tuple[TradeAccount, ...]
