"""What activation plants in finance: the chart of the country with what the trade adds, or the one that was asked for; each planted for real and undone."""

from __future__ import annotations

from typing import Any

import pytest

from nexus import countries
from nexus.activation import business, planting, resolve
from nexus.activation.business import InvalidBusiness
from nexus.runtime.testing import Harness
from nexus.services.finance import charts
from nexus.services.finance.entities import Account, AccountRole, Company, Journal, PaymentTerm, TaxRate
from nexus.services.finance.seeds import plant

OWNER = {"name": "Ade", "email": "ade@example.com"}


def resolved(**given: Any) -> resolve.ResolvedBusiness:
    return resolve.resolve(business.read({"name": "Ade & Co", "industry": "general", "owner": OWNER, **given}))


@pytest.mark.parametrize("country", [*countries.covered(), "JP"])
async def test_every_country_begins_with_its_chart(tenant: Harness, country: str) -> None:
    one = resolved(country=country, industry="hospitality")
    chart = charts.chart(charts.chart_for(country, "hospitality"))
    async with tenant._work() as work:  # pyright: ignore[reportPrivateUsage]
        answer = await plant(planting.books_of(one), work)
        await work.ask()

        accounts = {account.id: account for account in await work.list(Account)}
        journals = await work.list(Journal)
        companies = await work.list(Company)
        roles = await work.list(AccountRole)
        taxes = {tax.code: tax for tax in await work.list(TaxRate)}
        terms = await work.list(PaymentTerm)
        assert work.round_trips <= 20
    parents = {account.code: accounts[account.parent_id].code for account in accounts.values() if account.parent_id}
    assert {(one.code, one.name, one.root_type, one.account_type, one.is_group, one.must_have_party) for one in accounts.values()} == {
        (one.number, one.name, one.root_type, one.account_type, one.is_group, one.must_have_party) for one in chart.accounts
    }
    assert parents == {one.number: one.parent for one in chart.accounts if one.parent}
    defaults = {one.code: accounts[one.default_account_id].code if one.default_account_id else None for one in journals}
    assert defaults == {one.series: one.default_account for one in chart.journals}
    assert {one.role.value: accounts[one.account_id].code for one in roles} == chart.defaults
    assert {term.key: sum(part.percent for part in term.instalments) for term in terms} == {term.key: 100 for term in chart.terms}
    for one_tax in chart.taxes:
        if one_tax.exigibility == "on_payment" or (one_tax.rate is None and one_tax.kind != "group"):
            assert one_tax.key not in taxes  # due on payment, or its rate has to be asked for
        elif one_tax.kind != "group":
            tax = taxes[one_tax.key]
            posted = [accounts[id].code for id in (tax.reverse_account_id, tax.account_id) if id]
            assert (tax.rate, tax.scope.value) == (one_tax.rate, one_tax.scope)
            for parts in (one_tax.invoice, one_tax.refund):  # a note is booked where its invoice was
                assert posted == [part.account for part in parts if part.basis == "tax"]
    assert all(taxes.keys() >= set(tax.members) for tax in taxes.values())
    assert [(one.country, one.base_currency) for one in companies] == [(country, one.currency)]
    assert (answer["accounts"], len(answer["journals"])) == (len(chart.accounts), len(chart.journals))
    assert await tenant.count(Account) == 0


@pytest.mark.parametrize(
    ("given", "chart", "why"),
    [
        ({"country": "DE"}, "de_skr03", "usual in Germany"),
        ({"country": "DE", "chart": "de_skr04"}, "de_skr04", "given"),
        ({"country": "de", "chart": "de_skr04", "industry": "factory"}, "de_skr04.manufacturing", "given"),
        ({"country": "NG", "chart": "ifrs"}, "ifrs", "given"),
        ({"country": "JP", "industry": "retail"}, "ifrs.retail", "usual in Japan"),
        ({"describe": "a restaurant in Berlin", "industry": None, "chart": "de_skr04"}, "de_skr04.restaurant", "given"),
    ],
)
def test_a_business_may_choose_among_the_charts_of_its_country(given: dict[str, Any], chart: str, why: str) -> None:
    one = resolved(**given)

    assert (one.chart, one.because["chart"]) == (chart, why)
    assert one.chart in charts.codes()


@pytest.mark.parametrize(
    ("country", "chart", "told"),
    [
        ("DE", "fr_pcg", "use 'de_skr03' or 'de_skr04' or 'ifrs'"),
        ("NG", "de_skr03", "use 'ifrs' or 'ng'"),
        ("DE", "SKR04", "there is no chart of accounts 'SKR04' for this country"),
        ("DE", "de_skr03.restaurant", "use 'de_skr03' or 'de_skr04' or 'ifrs'"),
    ],
)
def test_refuses_a_chart_of_another_country(country: str, chart: str, told: str) -> None:
    with pytest.raises(InvalidBusiness) as refused:
        resolved(country=country, chart=chart)

    (error,) = refused.value.errors
    assert error.field == "chart"
    assert told in error.message
