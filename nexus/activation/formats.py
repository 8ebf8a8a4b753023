"""How numbers, money, dates and times are written in a language and country: computed from CLDR, never written by hand."""

from __future__ import annotations

import re
from functools import cache
from typing import Literal

from babel import Locale, UnknownLocaleError
from babel.numbers import get_decimal_symbol, get_group_symbol

from nexus.countries import territory_locale
from nexus.documents import DAYS, Day, Part

_QUOTED = re.compile(r"'[^']*'")


class Formats(Part, frozen=True, kw_only=True):
    """The habits of writing of one language in one country. Patterns are CLDR's (`dd.MM.y`, `#,##0.00 ¤`)."""

    locale: str
    """The locale whose habits these are, as BCP 47; the language's own where CLDR does not know it in that country."""
    decimal: str
    group: str
    number: str
    percent: str
    money: str
    date_short: str
    date_medium: str
    date_long: str
    time: str
    hours: Literal[12, 24]
    first_day: Day
    direction: Literal["ltr", "rtl"]


@cache
def formats_of(language: str, country: str) -> Formats:
    """The formats of a language (BCP 47) in a country (ISO 3166-1). KeyError for a language that CLDR does not know."""
    locale = _locale(language.replace("-", "_"), country)
    time = locale.time_formats["short"].pattern
    return Formats(
        locale=str(locale).replace("_", "-"),
        decimal=get_decimal_symbol(locale, numbering_system="default"),
        group=get_group_symbol(locale, numbering_system="default"),
        number=locale.decimal_formats[None].pattern,
        percent=locale.percent_formats[None].pattern,
        money=locale.currency_formats["standard"].pattern,
        date_short=locale.date_formats["short"].pattern,
        date_medium=locale.date_formats["medium"].pattern,
        date_long=locale.date_formats["long"].pattern,
        time=time,
        hours=12 if re.search("[hKab]", _QUOTED.sub("", time)) else 24,
        first_day=DAYS[territory_locale(country).first_week_day],
        direction="rtl" if locale.character_order == "right-to-left" else "ltr",
    )


def _locale(language: str, country: str) -> Locale:
    tags = [language] if "_" in language else []
    for tag in (*tags, f"{language.split('_')[0]}_{country}", language.split("_")[0]):
        try:
            return Locale.parse(tag)
        except (UnknownLocaleError, ValueError):
            continue
    raise KeyError(language)
