"""Charts of accounts keep step with the presets: every country and industry that can be activated has one, and every rate of a country is in its taxes."""

from __future__ import annotations

import pytest

from nexus import countries
from nexus.activation import presets
from nexus.services.finance import charts


def test_every_trade_is_an_industry() -> None:
    assert set(charts.trades()) <= set(presets.industries())
    assert set(presets.industries()) - set(charts.trades()) == {"general"}


@pytest.mark.parametrize("country", countries.covered())
def test_every_country_with_a_preset_has_a_chart_of_its_own(country: str) -> None:
    for industry in presets.industries():
        one = charts.chart(charts.chart_for(country, industry))
        assert one.country == country
        assert one.languages[0] in countries.country(country).languages.business


@pytest.mark.parametrize("country", countries.covered())
def test_every_rate_of_a_country_can_be_charged_and_deducted(country: str) -> None:
    taxes = charts.chart(charts.chart_for(country)).taxes
    rates = {f"{tax.key}.{rate.key}": rate.percent for tax in countries.country(country).taxes for rate in tax.rates if rate.until is None}

    assert rates.keys() == {tax.rate_of for tax in taxes if tax.scope == "sale" and tax.rate_of}
    recoverable = {key for key, percent in rates.items() if percent > 0} - {"gst.demerit"}  # blocked credit: luxury cars and the like
    assert recoverable <= {tax.rate_of for tax in taxes if tax.scope == "purchase" and not tax.reverse_charge}


def test_every_industry_gets_a_chart_in_every_country() -> None:
    known = set(charts.codes())
    for country in countries.codes():
        for industry in presets.industries():
            assert charts.chart_for(country, industry) in known
