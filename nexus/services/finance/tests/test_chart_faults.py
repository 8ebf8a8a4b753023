"""A mistake in a chart is told with its file and line, whatever it is; each is planted into a copy of the general chart."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from nexus.services.finance.charts import ChartError
from nexus.services.finance.charts.catalogue import FOLDER, load

EXEMPT = "{key: sale_exempt, name: Exempt sales, scope: sale, rate: 0"
BANK = '{number: "1251", under: "1250", name: Bank current account, type: bank}'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The general chart and that of Nigeria with the restaurants, to be spoiled."""
    (tmp_path / "industries").mkdir()
    for name in ("ifrs.yaml", "ng.yaml", "industries/restaurant.yaml", "industries/hospitality.yaml"):
        shutil.copy(FOLDER / name, tmp_path / name)
    return tmp_path


def spoil(folder: Path, name: str, old: str, new: str) -> int:
    """Put a mistake in place of the one line that says `old`; answers the number of the line."""
    path = folder / name
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, old
    path.write_text(text.replace(old, new), encoding="utf-8")
    return text[: text.index(old)].count("\n") + 1


def test_the_copy_is_sound(folder: Path) -> None:
    assert load(folder, "ng.hospitality").account("4151").name == "Food sales"


FAULTS = [
    # the tree
    (BANK, f'{BANK}\n  - {{number: "1251", under: "1250", name: Another}}', "accounts: 1251 is there twice"),
    (BANK, BANK.replace('under: "1250"', 'under: "1259"'), "account 1251: its group 1259 is not there"),
    (BANK, BANK.replace('under: "1250"', 'under: "1254"'), "account 1251: 1254 above it is no group"),
    (BANK, BANK.replace("type: bank", "root: liability"), "account 1251: it is liability, and its group 1250 is asset"),
    (BANK, BANK.replace('under: "1250", ', "root: asset, "), "account 1251: it is in no group"),
    (BANK, BANK.replace("type: bank", "type: capital"), "account 1251: capital cannot be asset"),
    ('{number: "1000", name: Assets, root: asset', '{number: "1000", name: Assets', "account 1251: neither it nor a group above it says its root"),
    ('{number: "1200", under: "1000"', '{number: "1200", under: "1250", root: asset', "account 1250: it is in a circle of groups"),
    ('{number: "1171", under: "1170"', '{number: "1171", under: "1160"', "account 1170: a group with nothing in it"),
    # roles
    ('  suspense: "2191"\n', "", "no account plays suspense"),
    ('  suspense: "2191"\n', '  suspense: "2199"\n', "role suspense: 2199 is not there"),
    ('  suspense: "2191"\n', '  suspense: "2190"\n', "role suspense: 2190 is a group"),
    ('  receivable: "1221"\n', '  receivable: "1226"\n', "role receivable: 1226 is other, not receivable"),
    # taxes
    ("base: sales, lines: [{to: tax_output,", "base: sales, lines: [{to: tax_outpt,", "sale_tax: no account plays tax_outpt"),
    ("base: sales, lines: [{to: tax_output,", "base: sales, lines: [{percent: 50, to: tax_output,", "tax sale_tax: its parts on the invoice come to 50 %"),
    (EXEMPT, EXEMPT.replace("rate: 0", "rate: -1"), "tax sale_exempt: its rate is less than zero"),
    (EXEMPT, EXEMPT.replace("rate: 0", "of: vat.standard"), "tax sale_exempt: no rate vat.standard goes on in a chart of no country"),
    (EXEMPT, EXEMPT + ", kind: group, members: [sale_export, nothing]", "tax sale_exempt: nothing is not there"),
    (EXEMPT, EXEMPT + ", kind: group, members: [purchase_tax]", "tax sale_exempt: purchase_tax is no single tax of its scope"),
    (EXEMPT, EXEMPT + ", kind: group", "tax sale_exempt: a group has members"),
    ("{key: sale_exempt, name", "{key: sale_export, name", "taxes: sale_export is there twice"),
    ("scope: purchase, withheld: true", "scope: purchase, withheld: true, reverse: true", "tax purchase_withholding: it is either reverse charge or withheld"),
    ("scope: purchase, withheld: true", "scope: purchase, withheld: true, included: true", "tax purchase_withholding: no price contains"),
    # journals
    ("series: BNK, account: bank", "series: BNK, account: sales", "journal bank: its account must be a bank account"),
    ("{key: cash, name: Cash, type: cash, series: CSH, account: cash}", "{key: cash, name: Cash, type: general, series: CSH}", "no journal is of type cash"),
    ("series: PUR", "series: SAL", "series SAL: it is there twice"),
    ("series: PUR", "series: pur", "Expected `str` matching regex"),
    # terms
    ("{portion: 30, days: 0}", "{portion: 40, days: 0}", "term thirty_seventy: its portions come to 110 %"),
    ("{portion: 30, days: 0}", "{portion: -30, days: 0}, {portion: 60, days: 0}", "term thirty_seventy: a portion is not more than zero"),
    ("discount: {percent: 2, days: 10}", "discount: {percent: 100, days: 10}", "term early_10_2_net_30: its discount"),
    # the document
    (BANK, BANK.replace("type: bank", "type: bench"), "Invalid enum value 'bench'"),
    (BANK, BANK.replace("type: bank", "kind: bank"), "unknown field `kind`"),
    ("name: General chart (IFRS)", "name: General chart (IFRS)\nname: Again", "the key 'name' is there twice"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "message"), FAULTS)
def test_a_mistake_is_named(folder: Path, old: str, new: str, message: str) -> None:
    spoil(folder, "ifrs.yaml", old, new)

    with pytest.raises(ChartError, match=re.escape(message)) as caught:
        load(folder, "ifrs")
    assert "ifrs.yaml" in str(caught.value)


def test_a_mistake_is_told_with_its_line(folder: Path) -> None:
    line = spoil(folder, "ifrs.yaml", BANK, BANK.replace('under: "1250"', 'under: "1259"'))

    with pytest.raises(ChartError, match=rf"^ifrs\.yaml:{line}: account 1251: its group 1259 is not there"):
        load(folder, "ifrs")


def test_a_wrong_word_is_told_with_its_line(folder: Path) -> None:
    line = spoil(folder, "ifrs.yaml", BANK, BANK.replace("type: bank", "type: bench"))

    with pytest.raises(ChartError, match=rf"^ifrs\.yaml:{line}: .*bench"):
        load(folder, "ng")  # found in the chart that it extends


def test_every_mistake_is_told_at_once(folder: Path) -> None:
    spoil(folder, "ifrs.yaml", BANK, BANK.replace('under: "1250"', 'under: "1259"'))
    spoil(folder, "ifrs.yaml", "{portion: 30, days: 0}", "{portion: 40, days: 0}")

    with pytest.raises(ChartError, match=r"its group 1259 is not there; .*portions come to 110 %"):
        load(folder, "ifrs")


def test_a_rate_that_the_country_does_not_have(folder: Path) -> None:
    path = folder / "ng.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("of: vat.zero, base: zero_rated_supplies", "of: vat.lower"), encoding="utf-8")

    with pytest.raises(ChartError, match=r"^ng\.yaml:\d+: tax sale_zero: no rate vat\.lower goes on in NG"):
        load(folder, "ng")


def test_a_rate_of_its_own_beside_the_countrys(folder: Path) -> None:
    spoil(folder, "ng.yaml", "of: vat.zero, base: zero_rated_supplies", "of: vat.zero, rate: 0, base: zero_rated_supplies")

    with pytest.raises(ChartError, match="tax sale_zero: it has a rate of its own and one of the country"):
        load(folder, "ng")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('numbers: {ifrs: "4151"', 'numbers: {other: "4151"', "account food_revenue of the trade: no number in charts like ifrs"),
        ('numbers: {ifrs: "4151"', 'numbers: {ifrs: "4110"', "account food_revenue of the trade: 4110 is Sales of goods"),
        ("plats, place: revenue", "plats, place: reveue", "account food_revenue of the trade: no place reveue in the chart"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_trade_is_named(folder: Path, old: str, new: str, message: str) -> None:
    spoil(folder, "industries/restaurant.yaml", old, new)

    for code in ("ifrs.restaurant", "ng.hospitality"):
        with pytest.raises(ChartError, match=re.escape(message)):
            load(folder, code)
    assert load(folder, "ng")


def test_a_chart_that_extends_itself(folder: Path) -> None:
    spoil(folder, "ifrs.yaml", "family: ifrs", "family: ifrs\nextends: ng")

    with pytest.raises(ChartError, match="it extends itself"):
        load(folder, "ng")


def test_a_chart_that_extends_nothing(folder: Path) -> None:
    spoil(folder, "ng.yaml", "extends: ifrs", "extends: nothing")

    with pytest.raises(ChartError, match=r"nothing\.yaml: there is no such file"):
        load(folder, "ng")


def test_a_country_may_take_an_account_away(folder: Path) -> None:
    spoil(folder, "ng.yaml", '{number: "1258", under', '{number: "3230", remove: true}\n  - {number: "1258", under')

    assert "3230" not in {account.number for account in load(folder, "ng").accounts}
    assert load(folder, "ifrs").account("3230").name == "Drawings of the owner"
