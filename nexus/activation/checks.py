"""The rules of single values in a request: each says what is wrong and what to change, or None where nothing is."""

from __future__ import annotations

import difflib
import re
from collections.abc import Container, Mapping
from functools import cache
from typing import cast
from zoneinfo import ZoneInfo, available_timezones

import phonenumbers
from babel import Locale, UnknownLocaleError
from babel.core import get_global

from nexus import countries
from nexus.activation.presets import aliases, modules, sizes
from nexus.activation.slugs import plain, slug_fault
from nexus.core.money import SCALES
from nexus.services.finance import charts

_EMAIL = re.compile(r"[^\s@\"(),:;<>\[\\\]\x00-\x1f\x7f]+@([^\s@]+)")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_WORD = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_COLOR = re.compile(r"#(?:[0-9a-fA-F]{3}|[0-9a-fA-F]{6})")
_WEB = re.compile(r"https?://[^\s/?#]+\.[^\s/?#]+(?:[/?#]\S*)?")


def name(value: str) -> str | None:
    """A name needs a letter or digit and no control character."""
    if any(ord(letter) < 32 or ord(letter) == 127 for letter in value):
        return "must be one line without control characters"
    if not any(letter.isalnum() for letter in value):
        return "must have a letter or a digit"
    return None


def email(value: str) -> str | None:
    """An address as mail servers take it: one @, a dotted domain, at most 254 characters."""
    found = _EMAIL.fullmatch(value)
    local = value.rpartition("@")[0]
    right = found and len(value) <= 254 and len(local) <= 64 and not (local.startswith(".") or local.endswith(".") or ".." in local)
    if found and right and domain(found[1]) is None:
        return None
    return f"{value!r} is no e-mail address: write it like ade@example.com"


def phone(value: str | None, country_code: str | None) -> str | None:
    """A telephone number that can exist, read in the country of the business where it does not start with +."""
    if value is None or e164(value, country_code) is not None:
        return None
    return f"{value!r} is no telephone number: write it with the country code, like +234 803 123 4567"


def e164(value: str, country_code: str | None) -> str | None:
    """The number as E.164, or None where it cannot be one."""
    try:
        number = phonenumbers.parse(value, country_code.upper() if country_code else None)
    except phonenumbers.NumberParseException:
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164) if phonenumbers.is_possible_number(number) else None


def language(value: str | None) -> str | None:
    """A language that CLDR knows, as BCP 47."""
    if value is None or canonical_language(value) is not None:
        return None
    return f"{value!r} is no language: use BCP 47, like 'en' or 'pt-BR'" + _near(value, _language_names())


def canonical_language(value: str) -> str | None:
    """The tag in canonical case (`pt-BR`), or None for an unknown language."""
    try:
        locale = Locale.parse(value.replace("-", "_"))
    except (UnknownLocaleError, ValueError):
        return None
    parts = (locale.language, locale.script, locale.territory)
    asked = value.replace("-", "_").lower().split("_")
    return "-".join(part for part in parts if part and part.lower() in asked) or None


def industry(value: str | None) -> str | None:
    """An industry preset or one of its aliases."""
    if value is None or canonical_industry(value) is not None:
        return None
    known = sorted(set(aliases().values()))
    near = difflib.get_close_matches(_key(value), list(aliases()), 1)
    hint = f"did you mean {near[0]!r}?" if near else f"use 'general', or one of {', '.join(known)}"
    return f"there is no industry {value!r}: {hint}"


def canonical_industry(value: str) -> str | None:
    """The key of an industry asked for by key or alias (`SaaS` → `software`), or None."""
    return aliases().get(_key(value))


def country(value: str | None) -> str | None:
    """An ISO 3166-1 alpha-2 code, in capitals or not."""
    if value is None or value.upper() in countries.codes():
        return None
    meant = country_meant(value)
    hint = f": did you mean {meant!r} ({countries.country(meant).name})?" if meant else ""
    return f"{value!r} is no country code: use ISO 3166-1 alpha-2, like 'NG' or 'DE'{hint}"


def country_meant(value: str) -> str | None:
    """The country somebody meant by a name, a three-letter or a wrong code: `UK`, `USA`, `Deutschland`, `Nigera`."""
    replaced: list[str] = get_global("territory_aliases").get(value.upper(), [])
    if replaced:
        return replaced[0] if replaced[0] in countries.codes() else None
    names = _country_names()
    near = difflib.get_close_matches(plain(value), list(names), 1, cutoff=0.8)
    return names[near[0]] if near else None


def currency(value: str | None) -> str | None:
    """An ISO 4217 code, in capitals or not."""
    if value is None or value.upper() in SCALES:
        return None
    return f"{value!r} is no currency: use ISO 4217, like 'NGN' or 'EUR'" + _near(value, _currency_names())


def time_zone(value: str | None) -> str | None:
    """A zone of the IANA database."""
    if value is None or _is_zone(value):
        return None
    near = difflib.get_close_matches(value.replace(" ", "_"), available_timezones(), 1)
    return f"{value!r} is no time zone: use an IANA name, like 'Africa/Lagos'" + (f": did you mean {near[0]!r}?" if near else "")


def size(value: str | int | None) -> str | None:
    """A band of employees or their number."""
    if value is None or str(value) in sizes() or (isinstance(value, int) and 0 < value < 10_000_000):
        return None
    return f"{value!r} is no size: use one of {', '.join(sizes())}, or the number of employees"


def domain(value: str | None) -> str | None:
    """A DNS name of two labels or more, without scheme, path or port; other scripts are allowed."""
    if value is None or canonical_domain(value) is not None:
        return None
    return f"{value!r} is no domain: write it like adebakery.com, without https:// and without a path"


def canonical_domain(value: str) -> str | None:
    """The domain in lower case as DNS has it (`bücher.de` → `xn--bcher-kva.de`), or None where it cannot be one."""
    try:
        host = value.strip().removesuffix(".").encode("idna").decode("ascii").lower()
    except UnicodeError:
        return None
    labels = host.split(".")
    right = len(labels) >= 2 and len(host) <= 253 and all(_LABEL.fullmatch(label) for label in labels)
    return host if right and not labels[-1].isdigit() else None


def chart(value: str | None, country_code: str | None) -> str | None:
    """A chart of accounts of the business's own country, or the general one."""
    if value is None or value in (fitting := _charts_of(country_code)):
        return None
    return f"there is no chart of accounts {value!r} for this country: use {' or '.join(map(repr, fitting))}, or leave it out"


def _charts_of(country_code: str | None) -> list[str]:
    country = country_code.upper() if country_code else None
    return [code for code in charts.plain_codes() if charts.country_of(code) in (country, None)]


def slug(value: str | None) -> str | None:
    """A slug that may be taken; whether it is free only the control plane knows."""
    return None if value is None else slug_fault(value)


def module(value: str) -> str | None:
    """A module or a service of the catalogue."""
    if canonical_module(value) in modules():
        return None
    near = difflib.get_close_matches(_key(value), list(modules()), 1)
    return f"there is no module {value!r}: " + (f"did you mean {near[0]!r}?" if near else f"the modules are {', '.join(modules())}")


def canonical_module(value: str) -> str:
    """The key that a module's name stands for: `Online shop` → `online_shop`."""
    return _key(value)


def color(value: str | None) -> str | None:
    """A colour as CSS has it, three or six hex digits."""
    return None if value is None or _COLOR.fullmatch(value) else f"{value!r} is no colour: write it like #0f766e"


def web_address(value: str | None) -> str | None:
    """An absolute http or https address."""
    if value is None or (len(value) <= 2000 and _WEB.fullmatch(value)):
        return None
    return f"{value!r} is no web address: write it like https://example.com/logo.svg"


def word(value: str | None) -> str | None:
    """A plain word, as plans and regions are named."""
    return None if value is None or _WORD.fullmatch(value) else f"{value!r} is no name here: use a-z, 0-9, - and _, like 'standard'"


def _key(value: str) -> str:
    return re.sub(r"[\s-]+", "_", value.strip().lower())


def _is_zone(value: str) -> bool:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        return False
    return True


def _near(value: str, names: dict[str, str]) -> str:
    """`: did you mean 'en' (English)?` for a name or a misspelt name, else nothing."""
    found = difflib.get_close_matches(plain(value), list(names), 1, cutoff=0.8)
    return f": did you mean {names[found[0]]!r}?" if found else ""


def _plain_names(called: Mapping[str, object], known: Container[str]) -> dict[str, str]:
    return {plain(str(name)): code for code, name in called.items() if code in known}


def _cldr(table: object) -> Mapping[str, object]:
    """A table of CLDR names, which babel leaves untyped."""
    return cast("Mapping[str, object]", table)


@cache
def _country_names() -> dict[str, str]:
    names: dict[str, str] = {}
    for tongue in ("de", "es", "fr", "pt", "en"):
        names |= _plain_names(_cldr(Locale(tongue).territories), countries.codes())
    return names


@cache
def _language_names() -> dict[str, str]:
    called = _cldr(Locale("en").languages)
    return _plain_names(called, called)


@cache
def _currency_names() -> dict[str, str]:
    return _plain_names(_cldr(Locale("en").currencies), SCALES)
