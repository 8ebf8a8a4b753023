"""How numbers, money, dates and times are written, by language and country; the expected values are those of CLDR's charts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.activation.formats import formats_of
from nexus.countries import codes, country
from tests.activation.conftest import Installation


@pytest.mark.parametrize(
    ("language", "place", "expected"),
    [
        ("en", "NG", ("en-NG", ".", ",", "dd/MM/y", 24, "mon", "ltr")),
        ("en", "US", ("en-US", ".", ",", "M/d/yy", 12, "sun", "ltr")),
        ("de", "DE", ("de-DE", ",", ".", "dd.MM.yy", 24, "mon", "ltr")),
        ("fr", "FR", ("fr-FR", ",", "\u202f", "dd/MM/y", 24, "mon", "ltr")),
        ("en", "GB", ("en-GB", ".", ",", "dd/MM/y", 24, "mon", "ltr")),
        ("ar", "AE", ("ar-AE", ".", ",", "d\u200f/M\u200f/y", 12, "mon", "rtl")),
        ("hi", "IN", ("hi-IN", ".", ",", "d/M/yy", 12, "sun", "ltr")),
    ],
)
def test_the_habits_of_a_place(language: str, place: str, expected: tuple[object, ...]) -> None:
    found = formats_of(language, place)

    assert (found.locale, found.decimal, found.group, found.date_short, found.hours, found.first_day, found.direction) == expected


def test_a_language_that_nobody_writes_there_keeps_its_own_habits() -> None:
    assert formats_of("de", "NG").locale == "de"
    assert formats_of("de", "NG").decimal == ","


def test_a_language_that_is_none_is_refused() -> None:
    with pytest.raises(KeyError):
        formats_of("zz", "NG")


@given(st.sampled_from(sorted(codes())))
def test_every_country_has_formats_in_its_business_language(code: str) -> None:
    home = country(code)
    for language in home.languages.business:
        try:
            found = formats_of(language, code)
        except KeyError:
            continue  # CLDR has no locale of some official languages
        assert found.decimal != found.group
        assert found.hours in (12, 24)
        assert "y" in found.date_short


async def test_a_tenant_knows_how_things_are_written_where_it_is(nexus: Installation) -> None:
    status, made = await nexus.activate("formats-gmbh", country="DE", name="Formate GmbH")
    assert status == 201

    _, tenant = await nexus.ask("GET", f"/api/v1/tenants/{made['tenant']['slug']}")

    locale = tenant["preset"]["locale"]
    assert (locale["formats"]["locale"], locale["formats"]["decimal"], locale["paper"], locale["coverage"]) == ("de-DE", ",", "A4", "full")
    assert [(tax["name"], [rate["percent"] for rate in tax["rates"]][:2]) for tax in locale["taxes"]] == [("USt", ["19", "7"])]
    assert locale["fiscal_year"] == {"month": 1, "day": 1}
