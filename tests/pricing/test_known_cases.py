"""Cases worked by hand, country by country."""

from __future__ import annotations

from decimal import Decimal

import pytest

from nexus.pricing import Discount, Exigibility, Line, Priced, Rounding, Tax, TaxGroup, TaxKind, price

D = Decimal
BOTH = list(Rounding)


def line(price_: str, *taxes: Tax | TaxGroup, quantity: str = "1", discount: Discount | None = None) -> Line:
    return Line(quantity=D(quantity), unit_price=D(price_), taxes=taxes, discount=discount or Discount())


def told(document: Priced) -> tuple[str, str, str]:
    return str(document.net), str(document.tax), str(document.total)


def taxes(document: Priced) -> dict[str, tuple[str, str]]:
    return {one.tax.code: (str(one.base), str(one.amount)) for one in document.taxes}


NORMAL, REDUCED = Tax(code="DE19", rate=D(19)), Tax(code="DE7", rate=D(7))


@pytest.mark.parametrize("rounding", BOTH)
def test_germany_two_rates_on_one_invoice(rounding: Rounding) -> None:
    invoice = price([line("100", NORMAL), line("50", REDUCED, quantity="2")], "EUR", rounding=rounding)
    assert told(invoice) == ("200.00", "26.00", "226.00")
    assert taxes(invoice) == {"DE19": ("100.00", "19.00"), "DE7": ("100.00", "7.00")}


def test_three_small_lines_round_apart_and_together() -> None:
    """0.19 x 0.05 is 0.0095: a cent on each of three lines, but 0.0285, three cents, or two where it is 0.0247 in all."""
    lines = [line("0.13", NORMAL)] * 3  # 0.0247 each, 0.0741 in all
    assert told(price(lines, "EUR")) == ("0.39", "0.06", "0.45")
    together = price(lines, "EUR", rounding=Rounding.GLOBALLY)
    assert told(together) == ("0.39", "0.07", "0.46")
    assert [str(one.tax) for one in together.lines] == ["0.03", "0.02", "0.02"]


@pytest.mark.parametrize("rounding", BOTH)
def test_germany_a_shop_price_contains_its_tax(rounding: Rounding) -> None:
    inside = Tax(code="DE19", rate=D(19), included=True)
    receipt = price([line("9.99", inside)], "EUR", rounding=rounding)
    assert told(receipt) == ("8.39", "1.60", "9.99")  # 9.99 * 19 / 119 = 1.59504


def test_germany_a_basket_of_shop_prices_rounded_once() -> None:
    inside = Tax(code="DE19", rate=D(19), included=True)
    lines = [line("9.99", inside)] * 3
    assert told(price(lines, "EUR")) == ("25.17", "4.80", "29.97")
    assert told(price(lines, "EUR", rounding=Rounding.GLOBALLY)) == ("25.18", "4.79", "29.97")  # 29.97 * 19 / 119 = 4.78513


@pytest.mark.parametrize("rounding", BOTH)
def test_india_central_and_state_tax_with_cess_on_the_value(rounding: Rounding) -> None:
    gst = TaxGroup(code="GST28", taxes=(Tax(code="CGST14", rate=D(14)), Tax(code="SGST14", rate=D(14)), Tax(code="CESS12", rate=D(12))))
    invoice = price([line("1234.50", gst, quantity="3")], "INR", rounding=rounding)
    # 3703.50: 518.49 + 518.49 + 444.42
    assert taxes(invoice) == {"CGST14": ("3703.50", "518.49"), "SGST14": ("3703.50", "518.49"), "CESS12": ("3703.50", "444.42")}
    assert told(invoice) == ("3703.50", "1481.40", "5184.90")


@pytest.mark.parametrize("rounding", BOTH)
def test_india_a_retail_price_contains_both_halves_of_the_tax(rounding: Rounding) -> None:
    halves = (Tax(code="CGST9", rate=D(9), included=True), Tax(code="SGST9", rate=D(9), included=True))
    invoice = price([line("100", *halves)], "INR", rounding=rounding)
    assert taxes(invoice) == {"CGST9": ("84.74", "7.63"), "SGST9": ("84.74", "7.63")}  # 100 * 9 / 118 = 7.627
    assert told(invoice) == ("84.74", "15.26", "100.00")


def test_united_states_state_county_and_city_after_a_discount() -> None:
    """New York City: 4 % state, 4.5 % city, 0.375 % district, on the price after the shop's coupon."""
    nyc = TaxGroup(code="NYC", taxes=(Tax(code="NY", rate=D(4)), Tax(code="CITY", rate=D("4.5")), Tax(code="MCTD", rate=D("0.375"))))
    order = price([line("19.99", nyc, quantity="2"), line("5.49")], "USD", discount=Discount(amount=D(5)), rounding=Rounding.GLOBALLY)
    assert [str(one.share) for one in order.lines] == ["4.40", "0.60"]  # 5 * 39.98 / 45.47 = 4.3963
    assert told(order) == ("40.47", "3.15", "43.62")  # 35.5837 * 0.04 = 1.42, * 0.045 = 1.60, * 0.00375 = 0.13
    assert taxes(order) == {"NY": ("35.58", "1.42"), "CITY": ("35.58", "1.60"), "MCTD": ("35.58", "0.13")}


@pytest.mark.parametrize("rounding", BOTH)
def test_france_a_price_with_eco_contribution_and_value_added_tax_inside(rounding: Rounding) -> None:
    """The contribution is an amount per piece that is taxed itself: (120 - 1.20 * 1.2) / 1.2 is the goods."""
    eco = Tax(code="ECO", rate=D("1.20"), kind=TaxKind.FIXED, included=True)
    vat = Tax(code="TVA20", rate=D(20), included=True, compound=True)
    invoice = price([line("60", eco, vat, quantity="2")], "EUR", rounding=rounding)
    assert taxes(invoice) == {"ECO": ("97.60", "2.40"), "TVA20": ("100.00", "20.00")}
    assert told(invoice) == ("97.60", "22.40", "120.00")


def test_france_four_rates() -> None:
    rates = [Tax(code=f"TVA{rate}", rate=D(rate)) for rate in ("20", "10", "5.5", "2.1")]
    invoice = price([line("33.33", rate) for rate in rates], "EUR")
    assert [str(one.amount) for one in invoice.taxes] == ["6.67", "3.33", "1.83", "0.70"]
    assert told(invoice) == ("133.32", "12.53", "145.85")


def test_quebec_before_2013_tax_on_tax() -> None:
    invoice = price([line("100", Tax(code="GST", rate=D(5)), Tax(code="QST", rate=D("9.5"), compound=True))], "CAD")
    assert taxes(invoice) == {"GST": ("100.00", "5.00"), "QST": ("105.00", "9.98")}  # 9.975
    assert told(invoice) == ("100.00", "14.98", "114.98")


def test_nigeria_the_customer_withholds_five_percent() -> None:
    invoice = price([line("1000", Tax(code="VAT", rate=D("7.5")), Tax(code="WHT", rate=D(5), withholding=True))], "NGN")
    assert told(invoice) == ("1000.00", "75.00", "1075.00")
    assert (str(invoice.withheld), str(invoice.payable)) == ("50.00", "1025.00")


def test_europe_the_buyer_owes_the_tax() -> None:
    bill = price([line("1000", Tax(code="RC19", rate=D(19), reverse_charge=True))], "EUR")
    assert told(bill) == ("1000.00", "0.00", "1000.00")
    (tax,) = bill.taxes
    assert (tax.amount, tax.mirror, tax.charged) == (D("190.00"), D("-190.00"), D(0))


def test_when_a_tax_falls_due_is_carried_along() -> None:
    cash_basis = Tax(code="VAT", rate=D(20), exigibility=Exigibility.ON_PAYMENT)
    assert price([line("10", cash_basis)], "GBP").taxes[0].tax.exigibility is Exigibility.ON_PAYMENT


@pytest.mark.parametrize(("currency", "net", "tax", "total"), [("JPY", "1234", "123", "1357"), ("KWD", "1234.500", "123.450", "1357.950")])
def test_currencies_without_cents_and_with_three(currency: str, net: str, tax: str, total: str) -> None:
    amount = "1234.4" if currency == "JPY" else "1234.5"
    assert told(price([line(amount, Tax(code="T", rate=D(10)))], currency)) == (net, tax, total)


def test_prices_have_more_decimals_than_their_currency() -> None:
    calls = price([line("0.0035", quantity="12345")], "USD")
    assert str(calls.total) == "43.21"  # 43.2075


def test_an_order_of_sixty_three_is_invoiced_at_sixty_three() -> None:
    """The complaint of many shops: 63.00 ordered, 63.01 invoiced. Prices that contain their tax decide, and tax takes what is left."""
    vat = Tax(code="VAT", rate=D(21), included=True)
    for rounding in BOTH:
        assert str(price([line("10.50", vat, quantity="6")], "EUR", rounding=rounding).total) == "63.00"
        assert str(price([line("10.50", vat)] * 6, "EUR", rounding=rounding).total) == "63.00"


def test_numbers_too_long_for_a_float_lose_nothing() -> None:
    huge = price([line("12345678901234567.8999", quantity="7")], "EUR")
    assert str(huge.total) == "86419752308641975.30"
