"""What is true of doing business in a country: currency, taxes, calendar, addresses, numbering.

Two sources, never mixed without saying so. What law and custom decide is written by hand in the `*.yaml` beside this file, with the date
it was true (`coverage: full`). What CLDR, the zone database and the telephone plans know is computed from them, for these and for every
other country of ISO 3166 (`coverage: basic`, where taxes are unknown rather than guessed). Public holidays come from the `holidays`
library.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

import holidays
import msgspec
import phonenumbers
from babel import Locale, UnknownLocaleError
from babel.core import get_global
from babel.dates import get_timezone_location
from babel.languages import get_official_languages
from babel.numbers import get_territory_currencies
from msgspec import Meta

from nexus.documents import DAYS, Day, Hours, Key, Part, Tree, mapping, read

FOLDER = Path(__file__).parent

# CLDR lists these beside the countries of ISO 3166-1: groups, pseudo-locales, and parts that have a code only by exception
_NOT_ISO = {"AC", "CP", "CQ", "DG", "EA", "EU", "EZ", "IC", "QO", "TA", "UN", "XA", "XB", "ZZ"}
# Where CLDR says that letters are written on US Letter paper
_LETTER = {"BZ", "CA", "CL", "CO", "CR", "GT", "MX", "NI", "PA", "PH", "PR", "SV", "US", "VE"}

Date = Annotated[str, Meta(pattern=r"^\d{4}-\d{2}-\d{2}$")]


class Rate(Part, frozen=True, kw_only=True):
    """A tax rate in percent, in force from one day until another (both included; open where None)."""

    key: Key
    percent: Decimal
    applies_to: str | None = None
    since: Date | None = msgspec.field(default=None, name="from")
    until: Date | None = None


class Tax(Part, frozen=True, kw_only=True):
    """A tax on sales. Taxes of one country with `adds_to_total` are charged together on the same net amount."""

    key: Key
    name: str
    full_name: str
    authority: str
    rates: tuple[Rate, ...]
    by_jurisdiction: bool = False
    """No national rate: states or cities set it."""
    note: str | None = None

    def on(self, day: datetime.date) -> tuple[Rate, ...]:
        """The rates in force on a day."""
        at = day.isoformat()
        return tuple(rate for rate in self.rates if (rate.since or "") <= at <= (rate.until or "9999-12-31"))


class TaxId(Part, frozen=True, kw_only=True):
    """The number a business is registered for tax under; `pattern` matches it whole, without spaces."""

    name: str
    pattern: str
    example: str
    note: str | None = None


class FiscalYear(Part, frozen=True, kw_only=True):
    """The day the business year usually starts."""

    month: Annotated[int, Meta(ge=1, le=12)] = 1
    day: Annotated[int, Meta(ge=1, le=31)] = 1
    note: str | None = None


class Week(Part, frozen=True, kw_only=True):
    """The week: its first day on a calendar, the days off, and usual office hours in local time."""

    start: Day
    weekend: tuple[Day, ...]
    hours: dict[Day, Hours]


class Address(Part, frozen=True, kw_only=True):
    """How an address is written, line by line, and which parts it must have."""

    lines: tuple[str, ...]
    required: tuple[str, ...] = ()
    postcode: str | None = None
    """A pattern for the whole postcode; None where there is none or it is not known."""


class Person(Part, frozen=True, kw_only=True):
    """An invented person with names usual in the country, for sample data."""

    given: str
    family: str


class Phones(Part, frozen=True, kw_only=True):
    """Telephone numbers that reach nobody: reserved for fiction by `reserved_by`, else in a range that is not allotted."""

    numbers: tuple[str, ...]
    reserved_by: str | None = None
    note: str | None = None


class Languages(Part, frozen=True, kw_only=True):
    """Official languages, and those in which business is done, most usual first (ISO 639)."""

    official: tuple[str, ...]
    business: tuple[str, ...]


class Country(Part, frozen=True, kw_only=True):
    """A country as a business meets it."""

    country: Annotated[str, Meta(pattern=r"^[A-Z]{2}$")]
    name: str
    coverage: Literal["full", "basic"]
    version: int
    as_of: Date | None
    """The day for which taxes and customs were checked; None where nothing was."""
    currency: str
    languages: Languages
    time_zone: str
    time_zones: tuple[str, ...]
    taxes: tuple[Tax, ...]
    tax_id: TaxId | None
    fiscal_year: FiscalYear
    week: Week
    address: Address
    paper: Literal["A4", "Letter"]
    phone_code: int | None
    people: tuple[Person, ...]
    cities: tuple[str, ...]
    phones: Phones


class Holiday(Part, frozen=True, kw_only=True):
    """A public holiday."""

    date: datetime.date
    name: str


@cache
def codes() -> frozenset[str]:
    """Every ISO 3166-1 alpha-2 code, and XK for Kosovo."""
    return frozenset(code for code in map(str, Locale("en").territories) if len(code) == 2 and code.isalpha()) - _NOT_ISO


@cache
def covered() -> tuple[str, ...]:
    """The countries whose taxes and customs were written down and checked."""
    return tuple(sorted(path.stem for path in FOLDER.glob("[A-Z][A-Z].yaml")))


@cache
def country(code: str) -> Country:
    """A country by its ISO code in capitals. KeyError where there is none."""
    if code not in codes():
        raise KeyError(code)
    derived = _derived(code)
    if code not in covered():
        return msgspec.convert(derived, Country)
    written = {name: value for name, value in read(_path(code)).items() if name != "lay"}
    week = mapping(derived["week"]) | mapping(written["week"])
    return msgspec.convert({**derived, **written, "week": week, "coverage": "full"}, Country)


def overlay(code: str) -> Tree:
    """What a country lays over a preset: its office hours, and where it was written down its sources, territories and integrations."""
    week: Tree = {"calendars": [{"key": "office_hours", "hours": country(code).week.hours}]}
    return week | (mapping(read(_path(code))["lay"]) if code in covered() else {})


def holidays_of(code: str, year: int, subdivision: str | None = None, *, language: str | None = None) -> tuple[Holiday, ...]:
    """The public holidays of a year in date order, in the country's language or another (`en`, `en-US`) that the library has for it.

    Days that follow the moon are estimates until they are announced, as the library's names say. Empty where the library does not know the
    country (`has_holidays`). A subdivision that the country does not have is refused by the library.
    """
    if not has_holidays(code):
        return ()
    known = holidays.country_holidays(code)
    spoken = (language or "").replace("-", "_")
    fitting = [tag for tag in known.supported_languages if spoken and (tag == spoken or tag.split("_")[0] == spoken.split("_")[0])]
    chosen = spoken if spoken in fitting else next(iter(fitting), known.default_language)
    days = holidays.country_holidays(code, subdiv=subdivision, years=year, language=chosen)
    return tuple(Holiday(date=date, name=name) for date, name in sorted(days.items()) if date.year == year)


def has_holidays(code: str) -> bool:
    """Whether public holidays of the country are known."""
    return code in _holiday_countries()


@cache
def _holiday_countries() -> frozenset[str]:
    return frozenset(holidays.list_supported_countries())


def _path(code: str) -> Path:
    return FOLDER / f"{code}.yaml"


def _derived(code: str) -> Tree:
    defaults = read(FOLDER / "_defaults.yaml")
    known: Mapping[str, list[str]] = get_global("territory_zones")
    zones = sorted(known.get(code, []))
    zone = _named(defaults, "time_zones", code) or (zones[0] if zones else "Etc/UTC")
    languages = [str(tag).split("_")[0] for tag in get_official_languages(code, de_facto=True)] or ["en"]
    currencies = get_territory_currencies(code)
    phone_code = phonenumbers.country_code_for_region(code)
    return {
        "country": code,
        "name": Locale("en").territories[code],
        "coverage": "basic",
        "version": 1,
        "as_of": None,
        "currency": _named(defaults, "currencies", code) or (currencies[0] if currencies else "USD"),
        "languages": {"official": languages, "business": languages},
        "time_zone": zone,
        "time_zones": zones or [zone],
        "taxes": [],
        "tax_id": None,
        "fiscal_year": {"note": "Assumed: the calendar year."},
        "week": _week(code),
        "address": {"lines": ["{organisation}", "{street}", "{postcode} {city}", "{region}"], "required": ["street", "city"]},
        "paper": "Letter" if code in _LETTER else "A4",
        "phone_code": phone_code or None,
        "people": [{"given": given, "family": family} for given, family in _ANYBODY],
        "cities": [get_timezone_location(zone, locale="en", return_city=True)],
        "phones": {"numbers": [], "note": "No numbers that are sure to reach nobody are known here."},
    }


def _named(defaults: Tree, what: str, code: str) -> str | None:
    found = mapping(defaults[what]).get(code)
    return found if isinstance(found, str) else None


_ANYBODY = (
    ("Alex", "Martin"), ("Sam", "Costa"), ("Robin", "Lindqvist"), ("Noor", "Haddad"), ("Kim", "Tanaka"),
    ("Jordan", "Silva"), ("Maya", "Kowalska"), ("Leo", "Petrov"), ("Ines", "Duarte"), ("Omar", "Said"),
)  # fmt: skip


def _week(code: str) -> Tree:
    """CLDR's week. It belongs to the territory, whatever the language."""
    locale = territory_locale(code)
    length = (locale.weekend_end - locale.weekend_start) % 7 + 1
    days = [DAYS[(locale.weekend_start + day) % 7] for day in range(length)]
    hours: Tree = {day: "closed" if day in days else "09:00-17:00" for day in DAYS}
    return {"start": DAYS[locale.first_week_day], "weekend": days, "hours": hours}


def territory_locale(code: str) -> Locale:
    """The country's own locale by CLDR's likely subtags, or world English where CLDR has none."""
    try:
        return Locale.parse(f"und_{code}")
    except UnknownLocaleError:
        return Locale.parse("en_001")
