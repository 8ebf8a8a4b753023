"""Every chart composes with every trade; its numbers, names and taxes are those that an accountant of the country expects."""

from __future__ import annotations

from decimal import Decimal
from typing import get_args

import pytest

from nexus import countries
from nexus.services.finance.charts import Chart, ChartTax, Role, chart, chart_for, codes, plain_codes, trades
from nexus.services.finance.charts.catalogue import FOLDER, load
from nexus.services.finance.terms import AccountType, RootType

A, L, Q, I, E = RootType.ASSET, RootType.LIABILITY, RootType.EQUITY, RootType.INCOME, RootType.EXPENSE  # noqa: E741


@pytest.mark.parametrize("code", codes())
def test_every_chart_is_whole(code: str) -> None:
    one = chart(code)  # composing checks trees, roles, taxes, journals and terms

    assert one.code == code
    assert one.defaults.keys() == set(get_args(Role))
    assert one.defaults.items() <= one.roles.items()
    leaves = [account for account in one.accounts if not account.is_group]
    assert 150 <= len(leaves) <= 260
    assert {account.root_type for account in leaves} == set(RootType)
    assert len({account.name for account in leaves}) == len(leaves) - _twins(one)
    seen: set[str] = set()
    for account in one.accounts:
        assert account.parent is None or account.parent in seen, "a group stands before what is in it"
        seen.add(account.number)


def _twins(one: Chart) -> int:
    """Names that stand twice: the official plan says `Royalties` of what is paid and of what is received."""
    return 1 if one.country == "FR" else 0


def test_composing_is_deterministic() -> None:
    assert all(load(FOLDER, code) == chart(code) for code in codes())


@pytest.mark.parametrize(
    ("country", "industry", "code"),
    [
        ("DE", None, "de_skr03"),
        ("DE", "manufacturing", "de_skr03.manufacturing"),
        ("FR", "restaurant", "fr_pcg.restaurant"),
        ("GB", "general", "gb"),
        ("US", "software", "us.software"),
        ("IN", "wholesale", "in.wholesale"),
        ("AE", "construction", "ae.construction"),
        ("NG", "retail", "ng.retail"),
        ("GH", "education", "gh.education"),
        ("KE", "logistics", "ke.logistics"),
        ("ZA", "non_profit", "za.non_profit"),
        ("JP", "hospitality", "ifrs.hospitality"),
        ("XK", None, "ifrs"),
    ],
)
def test_a_business_gets_the_chart_of_its_country_and_trade(country: str, industry: str | None, code: str) -> None:
    assert chart_for(country, industry) == code
    assert code in codes()


def test_every_country_gets_a_chart_with_and_without_a_trade() -> None:
    for country in countries.codes():
        for trade in (None, *trades(), "general"):
            one = chart(chart_for(country, trade))
            assert one.country in (country, None)


@pytest.mark.parametrize("country", ["", "de", "QQ", "DEU"])
def test_refuses_a_country_that_is_not_there(country: str) -> None:
    with pytest.raises(KeyError):
        chart_for(country)


@pytest.mark.parametrize("code", ["", "de", "de_skr03.", "de_skr03.bakery", ".restaurant", "_hgb", "../ng"])
def test_refuses_a_code_that_is_not_there(code: str) -> None:
    with pytest.raises(KeyError):
        chart(code)


KNOWN = [
    ("de_skr03", "1200", "Bank", A, AccountType.BANK),
    ("de_skr03", "1400", "Forderungen aus Lieferungen und Leistungen", A, AccountType.RECEIVABLE),
    ("de_skr03", "1600", "Verbindlichkeiten aus Lieferungen und Leistungen", L, AccountType.PAYABLE),
    ("de_skr03", "1576", "Abziehbare Vorsteuer 19 %", A, AccountType.TAX),
    ("de_skr03", "1776", "Umsatzsteuer 19 %", L, AccountType.TAX),
    ("de_skr03", "1792", "Sonstige Verrechnungskonten (Interimskonto)", L, AccountType.CLEARING),
    ("de_skr03", "8400", "Erlöse 19 % USt", I, AccountType.REVENUE),
    ("de_skr03", "4120", "Gehälter", E, AccountType.OTHER),
    ("de_skr03", "0860", "Gewinnvortrag vor Verwendung", Q, AccountType.RETAINED_EARNINGS),
    ("de_skr04", "1800", "Bank", A, AccountType.BANK),
    ("de_skr04", "1200", "Forderungen aus Lieferungen und Leistungen", A, AccountType.RECEIVABLE),
    ("de_skr04", "3300", "Verbindlichkeiten aus Lieferungen und Leistungen", L, AccountType.PAYABLE),
    ("de_skr04", "1406", "Abziehbare Vorsteuer 19 %", A, AccountType.TAX),
    ("de_skr04", "3806", "Umsatzsteuer 19 %", L, AccountType.TAX),
    ("de_skr04", "4400", "Erlöse 19 % USt", I, AccountType.REVENUE),
    ("de_skr04", "6020", "Gehälter", E, AccountType.OTHER),
    ("de_skr04", "2970", "Gewinnvortrag vor Verwendung", Q, AccountType.RETAINED_EARNINGS),
    ("fr_pcg", "411", "Clients", A, AccountType.RECEIVABLE),
    ("fr_pcg", "401", "Fournisseurs", L, AccountType.PAYABLE),
    ("fr_pcg", "512", "Banques", A, AccountType.BANK),
    ("fr_pcg", "44571", "TVA collectée", L, AccountType.TAX),
    ("fr_pcg", "44566", "TVA sur autres biens et services", A, AccountType.TAX),
    ("fr_pcg", "707", "Ventes de marchandises", I, AccountType.REVENUE),
    ("fr_pcg", "701", "Ventes de produits finis", I, AccountType.REVENUE),
    ("fr_pcg", "607", "Achats de marchandises", E, AccountType.COST_OF_SALES),
    ("fr_pcg", "110", "Report à nouveau - solde créditeur", Q, AccountType.RETAINED_EARNINGS),
    ("gb", "1221", "Trade debtors", A, AccountType.RECEIVABLE),
    ("gb", "2111", "Trade creditors", L, AccountType.PAYABLE),
    ("gb", "2143", "National Insurance", L, AccountType.PAYROLL),
    ("gb", "3210", "Profit and loss account", Q, AccountType.RETAINED_EARNINGS),
    ("us", "1221", "Accounts receivable", A, AccountType.RECEIVABLE),
    ("us", "2111", "Accounts payable", L, AccountType.PAYABLE),
    ("us", "2131", "Sales tax payable", L, AccountType.TAX),
    ("us", "3120", "Additional paid-in capital", Q, AccountType.CAPITAL),
    ("in", "2137", "Output IGST", L, AccountType.TAX),
    ("in", "1245", "Input SGST/UTGST", A, AccountType.TAX),
    ("in", "2134", "TDS payable", L, AccountType.WITHHOLDING),
    ("ae", "2222", "Employees' end-of-service benefits", L, AccountType.OTHER),
    ("ng", "2131", "Output VAT", L, AccountType.TAX),
    ("ng", "2142", "PAYE payable", L, AccountType.PAYROLL),
    ("gh", "2136", "Output NHIL", L, AccountType.TAX),
    ("ke", "2147", "Social Health Insurance Fund payable", L, AccountType.PAYROLL),
    ("za", "2143", "UIF payable", L, AccountType.PAYROLL),
    ("ifrs", "1251", "Bank current account", A, AccountType.BANK),
    ("ifrs", "2122", "Deferred revenue", L, AccountType.ACCRUAL),
    ("de_skr03.restaurant", "8301", "Erlöse Speisen 7 % USt", I, AccountType.REVENUE),
    ("fr_pcg.construction", "4117", "Clients - retenues de garantie", A, AccountType.RECEIVABLE),
    ("ng.manufacturing", "1213", "Work in progress", A, AccountType.STOCK),
    ("ke.education", "4141", "Tuition", I, AccountType.REVENUE),
    ("us.software", "2123", "Subscriptions billed in advance", L, AccountType.ACCRUAL),
    ("gb.non_profit", "3151", "Restricted funds", Q, AccountType.OTHER),
    ("za.hospitality", "4155", "Rooms", I, AccountType.REVENUE),
    ("za.hospitality", "4151", "Food sales", I, AccountType.REVENUE),
]


@pytest.mark.parametrize(("code", "number", "name", "root", "type_"), KNOWN)
def test_numbers_and_names_are_the_known_ones(code: str, number: str, name: str, root: RootType, type_: AccountType) -> None:
    account = chart(code).account(number)

    assert (account.name, account.root_type, account.account_type) == (name, root, type_)
    assert account.is_group is False
    assert account.must_have_party is (type_ in (AccountType.RECEIVABLE, AccountType.PAYABLE))


def test_official_names_have_an_english_one_beside_them() -> None:
    assert chart("de_skr03").account("1400").names == {"en": "Trade receivables"}
    assert chart("fr_pcg.restaurant").account("7061").names == {"en": "Food sales"}
    assert chart("ng").account("2131").names == {}


@pytest.mark.parametrize("skr03", [account.number for account in chart("de_skr03").accounts if account.is_group])
def test_both_german_charts_have_the_captions_of_the_law(skr03: str) -> None:
    assert chart("de_skr04").account(skr03) == chart("de_skr03").account(skr03)


@pytest.mark.parametrize(
    ("code", "number", "parent"),
    [
        ("fr_pcg.construction", "4117", "41"),
        ("fr_pcg.agency", "6111", "61"),
        ("fr_pcg.hospitality", "4478", "44"),
        ("fr_pcg.logistics", "4671", "4X"),  # 46 stands among the liabilities
        ("fr_pcg.retail", "4194", "419"),
        ("ng.construction", "1228", "1220"),
        ("de_skr04.software", "0143", "AV-I"),
    ],
)
def test_what_a_trade_adds_is_in_its_group(code: str, number: str, parent: str) -> None:
    assert chart(code).account(number).parent == parent


def test_both_german_charts_say_the_same_with_other_numbers() -> None:
    names = [{account.name: account.root_type for account in chart(code).accounts} for code in ("de_skr03", "de_skr04")]
    taxes = [[(tax.key, tax.name, tax.rate) for tax in chart(code).taxes] for code in ("de_skr03", "de_skr04")]

    assert names[0] == names[1]
    assert taxes[0] == taxes[1]


def tax(code: str, key: str) -> ChartTax:
    return next(tax for tax in chart(code).taxes if tax.key == key)


@pytest.mark.parametrize(
    ("code", "key", "name", "rate"),
    [
        ("de_skr03", "sale_standard", "USt 19 %", "19"),
        ("de_skr03", "purchase_reduced", "Vorsteuer 7 %", "7"),
        ("fr_pcg", "sale_reduced", "TVA 5,5 %", "5.5"),
        ("gb", "sale_standard", "VAT 20% on sales", "20"),
        ("ng", "sale_standard", "VAT 7.5%", "7.5"),
        ("ng", "wht_professional", "WHT 5% on professional, technical and management fees (company)", "5"),
        ("gh", "sale_nhil", "NHIL 2.5%", "2.5"),
        ("in", "sale_cgst_standard", "CGST 9%", "9"),
        ("in", "sale_sgst_merit", "SGST 2.5%", "2.5"),
        ("in", "sale_igst_standard", "IGST 18%", "18"),
        ("in", "tds_goods", "TDS 0.1% purchase of goods above the limit (194Q)", "0.1"),
        ("ae", "sale_standard", "VAT 5%", "5"),
        ("ke", "sale_standard", "VAT 16%", "16"),
        ("za", "sale_standard", "VAT 15%", "15"),
    ],
)
def test_taxes_have_the_rates_of_the_country(code: str, key: str, name: str, rate: str) -> None:
    assert (tax(code, key).name, tax(code, key).rate) == (name, Decimal(rate))


def test_a_rate_stands_in_one_place() -> None:
    """What the country's document says is not said again: neither as a rate nor in a name."""
    for code in plain_codes():
        country = chart(code).country
        for one in chart(code).taxes:
            if one.rate_of is not None:
                assert country is not None
                name, key = one.rate_of.split(".")
                rates = {rate.key: rate.percent for tax in countries.country(country).taxes if tax.key == name for rate in tax.rates}
                assert one.rate in (rates[key], rates[key] / 2)


def test_gst_within_a_state_is_half_to_the_centre_and_half_to_the_state() -> None:
    group = tax("in", "sale_gst_standard")
    parts = [tax("in", member) for member in group.members]

    assert (group.kind, group.rate, group.invoice) == ("group", None, ())
    assert [part.invoice[1].account for part in parts] == ["2131", "2136"]
    assert sum(part.rate or 0 for part in parts) == tax("in", "sale_igst_standard").rate == 18


def test_levies_of_ghana_go_with_vat() -> None:
    parts = [tax("gh", member) for member in tax("gh", "sale_standard").members]

    assert sum(part.rate or 0 for part in parts) == 20
    assert [part.invoice[1].account for part in parts] == ["2131", "2136", "2137"]


def test_reverse_charge_is_owed_and_deducted_at_once() -> None:
    one = tax("de_skr04", "purchase_eu_services")

    assert one.reverse_charge
    assert [(int(part.percent), part.account, part.tag) for part in one.invoice] == [
        (100, None, "46"),
        (100, "3837", "47"),
        (-100, "1407", "67"),
    ]
    assert one.refund == one.invoice


def test_tax_on_payment_waits_on_an_account_of_its_own() -> None:
    one = tax("de_skr03", "sale_standard_cash")

    assert (one.exigibility, one.transition_account) == ("on_payment", "1766")
    assert one.invoice[1].account == "1776"
    assert tax("de_skr03", "sale_standard").transition_account is None


def test_nobody_guesses_a_sales_tax_of_the_united_states() -> None:
    members = [tax("us", member) for member in tax("us", "sale_tax").members]

    assert [member.rate for member in members] == [None, None, None]
    assert all(member.note is not None for member in members)


def test_withheld_tax_is_a_debt_to_the_authority_or_a_claim_on_it() -> None:
    for code in plain_codes():
        one = chart(code)
        for withheld in (tax for tax in one.taxes if tax.withholding):
            account = one.account(withheld.invoice[-1].account or "")
            assert account.root_type == (A if withheld.scope == "sale" else L), (code, withheld.key)
            assert account.account_type == AccountType.WITHHOLDING, (code, withheld.key)


def test_journals_and_terms() -> None:
    one = chart("de_skr03")

    assert {journal.key: (journal.type, journal.series, journal.default_account) for journal in one.journals}["bank"] == (
        "bank",
        "BK",
        "1200",
    )
    skonto = next(term for term in one.terms if term.key == "early_10_2_net_30")
    assert skonto.name == "10 Tage 2 % Skonto, 30 Tage netto"
    assert skonto.discount is not None
    assert (int(skonto.discount.percent), skonto.discount.days, skonto.instalments[0].days) == (2, 10, 30)


def test_a_number_of_the_general_numbering_means_one_thing_in_every_trade() -> None:
    meant: dict[str, str] = {}
    for code in (f"ifrs.{name}" for name in trades()):
        for role, number in chart(code).roles.items():
            assert meant.setdefault(number, role) == role, (code, number)
