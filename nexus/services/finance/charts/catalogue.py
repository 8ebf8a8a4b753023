"""Which charts there are, and which one a business gets."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from nexus import countries
from nexus.services.finance.charts.composing import compose
from nexus.services.finance.charts.reading import chart_document, trade_accounts
from nexus.services.finance.charts.schema import Chart

FOLDER = Path(__file__).parent
EVERYWHERE = "ifrs"
"""The chart of every country that has none of its own."""


@cache
def plain_codes() -> tuple[str, ...]:
    """The charts without what a trade adds, sorted."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.yaml") if not path.stem.startswith("_")))


@cache
def trades() -> tuple[str, ...]:
    """The industries that add accounts of their own, sorted."""
    return tuple(sorted(path.stem for path in (FOLDER / "industries").glob("*.yaml")))


@cache
def codes() -> tuple[str, ...]:
    """Every code that `chart` knows: `ng`, `ng.construction`, …"""
    return tuple(code for plain in plain_codes() for code in (plain, *(f"{plain}.{name}" for name in trades())))


@cache
def chart(code: str) -> Chart:
    """The chart with a code, composed and checked once per process. KeyError where there is none; ChartError where its data is wrong."""
    if code not in codes():
        raise KeyError(code)
    return load(FOLDER, code)


def chart_for(country: str, industry: str | None = None) -> str:
    """The code of the chart that a business gets unless it asks for another; industries without accounts of their own get the plain one.

    KeyError where there is no such country (ISO 3166-1 alpha-2).
    """
    if country not in countries.codes():
        raise KeyError(country)
    return with_trade(_by_country().get(country, EVERYWHERE), industry)


def with_trade(plain: str, industry: str | None) -> str:
    """The code of a plain chart with what an industry adds; the same code where it adds nothing."""
    return f"{plain}.{industry}" if industry in trades() else plain


@cache
def plain_names() -> dict[str, str]:
    """What the plain charts are called, by code."""
    return {code: chart_document(FOLDER, code)[0].name for code in plain_codes()}


@cache
def country_of(code: str) -> str | None:
    """The country that a plain chart is for; None for any."""
    return chart_document(FOLDER, code)[0].country


def load(folder: Path, code: str) -> Chart:
    """The chart with a code in a folder like this one, read anew. ChartError where its data is wrong."""
    plain, _, trade = code.partition(".")
    written, sources = chart_document(folder, plain)
    if not trade:
        return compose(code, written, sources)
    accounts, more = trade_accounts(folder, trade)
    return compose(code, written, sources + more, accounts)


@cache
def _by_country() -> dict[str, str]:
    found = {code: chart_document(FOLDER, code)[0] for code in plain_codes()}
    return {one.country: code for code, one in found.items() if one.country is not None and one.default}
