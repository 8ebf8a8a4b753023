"""The words of documents by language, and numbers, amounts and days as a language and a country write them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Final, cast

import babel
from babel import dates, localedata, numbers, units

from nexus.core.money import scale
from nexus.services.finance.invoice_terms import Unit

_ORDER: Final[tuple[str, ...]] = (
    "invoice", "credit_note", "number", "date", "delivered", "due", "reference", "credits", "seller_vat", "seller_tax", "registration", "bill_to",
    "item", "quantity", "price", "tax", "amount", "discount", "net", "withheld", "total", "payable", "credited", "base", "rate", "reversed",
    "terms", "pay_by", "early", "instalment", "pay_to", "notes", "page", "of",
)  # fmt: skip
_WORDS: Final[dict[str, tuple[str, ...]]] = {
    "en": (
        "Invoice", "Credit note", "Number", "Date", "Delivered on", "Due on", "Your reference", "Credits invoice", "VAT ID", "Tax number", "Registered", "Bill to",
        "Description", "Quantity", "Unit price", "Tax", "Amount", "Discount", "Net", "Withheld", "Total", "Amount due", "Amount credited", "Net amount",
        "Rate", "Reverse charge: the recipient owes the tax.", "Terms of payment", "Please pay by {date}.", "{percent} off if paid by {date}.",
        "{amount} by {date}", "Account: {account}", "Notes", "Page", "of",
    ),
    "de": (
        "Rechnung", "Gutschrift", "Nummer", "Datum", "Geliefert am", "Fällig am", "Ihr Zeichen", "Zu Rechnung", "USt-IdNr.", "Steuernummer", "Registernummer",
        "Empfänger",
        "Bezeichnung", "Menge", "Einzelpreis", "Steuer", "Betrag", "Rabatt", "Netto", "Einbehalten", "Gesamtbetrag", "Zahlbetrag", "Gutschriftbetrag",
        "Nettobetrag", "Satz", "Steuerschuldnerschaft des Leistungsempfängers.", "Zahlungsbedingungen", "Bitte zahlen Sie bis zum {date}.",
        "{percent} Skonto bei Zahlung bis zum {date}.", "{amount} bis zum {date}", "Bankverbindung: {account}", "Hinweise", "Seite", "von",
    ),
    "fr": (
        "Facture", "Avoir", "Numéro", "Date", "Livré le", "Échéance", "Votre référence", "Sur la facture", "N° TVA", "N° fiscal", "Immatriculation", "Client",
        "Désignation", "Quantité", "Prix unitaire", "Taxe", "Montant", "Remise", "Total HT", "Retenue", "Total TTC", "Net à payer", "Total de l'avoir",
        "Base HT", "Taux", "Autoliquidation : la taxe est due par le preneur.", "Conditions de paiement", "À régler avant le {date}.",
        "Escompte de {percent} pour paiement avant le {date}.", "{amount} avant le {date}", "Compte bancaire : {account}", "Remarques", "Page", "sur",
    ),
    "ar": (
        "فاتورة", "إشعار دائن", "الرقم", "التاريخ", "تاريخ التسليم", "تاريخ الاستحقاق", "مرجعكم", "عن الفاتورة", "الرقم الضريبي", "رقم المكلف", "السجل التجاري",
        "فاتورة إلى",
        "البيان", "الكمية", "سعر الوحدة", "الضريبة", "المبلغ", "خصم", "الصافي", "المستقطع", "الإجمالي", "المبلغ المستحق", "المبلغ الدائن", "المبلغ الصافي",
        "النسبة", "احتساب عكسي: الضريبة على المستلم.", "شروط الدفع", "يرجى الدفع قبل {date}.", "خصم {percent} عند الدفع قبل {date}.",
        "{amount} قبل {date}", "الحساب المصرفي: {account}", "ملاحظات", "صفحة", "من",
    ),
}  # fmt: skip
_MEASURED: Final[Mapping[Unit, str]] = {
    Unit.MINUTE: "duration-minute",
    Unit.HOUR: "duration-hour",
    Unit.DAY: "duration-day",
    Unit.WEEK: "duration-week",
    Unit.MONTH: "duration-month",
    Unit.YEAR: "duration-year",
    Unit.GRAM: "mass-gram",
    Unit.KILOGRAM: "mass-kilogram",
    Unit.TONNE: "mass-tonne",
    Unit.MILLILITRE: "volume-milliliter",
    Unit.LITRE: "volume-liter",
    Unit.CENTIMETRE: "length-centimeter",
    Unit.METRE: "length-meter",
    Unit.KILOMETRE: "length-kilometer",
    Unit.SQUARE_METRE: "area-square-meter",
    Unit.CUBIC_METRE: "volume-cubic-meter",
    Unit.KILOWATT_HOUR: "energy-kilowatt-hour",
}
"""What CLDR calls them."""
_ARABIC_DIGITS: Final = {48 + digit: 0x0660 + digit for digit in range(10)}


class Wording:
    """How one document speaks."""

    def __init__(self, locale: babel.Locale) -> None:
        self.locale = locale
        self.language = locale.language
        self._words = {str(key): word for key, word in zip(_ORDER, _WORDS[locale.language], strict=True)}

    def __call__(self, key: str, **facts: str) -> str:
        """A word or sentence."""
        return self._words[key].format(**facts) if facts else self._words[key]

    def number(self, value: Decimal) -> str:
        """A quantity or a price, with all the decimals it has and none that say nothing."""
        return self._digits(numbers.format_decimal(value, format=_decimals(value), locale=self.locale, numbering_system="default"))

    def quantity(self, value: Decimal, unit: Unit) -> str:
        """How many of what, as the language abbreviates it; what is counted by the piece is a number alone."""
        if (measured := _MEASURED.get(unit)) is None:
            return self.number(value)
        written = units.format_unit(value, measured, "short", _decimals(value), self.locale, numbering_system="default")
        return self._digits(written)

    def money(self, value: Decimal, currency: str) -> str:
        """An amount with its currency."""
        return self._digits(numbers.format_currency(value, currency, locale=self.locale, numbering_system="default"))

    def places(self, currency: str) -> int:
        """The decimals of a currency."""
        return scale(currency)

    def amount(self, value: Decimal, currency: str) -> str:
        """An amount without its currency, with the currency's decimals."""
        places = scale(currency)
        form = f"#,##0.{'0' * places}" if places else "#,##0"
        return self._digits(numbers.format_decimal(value, format=form, locale=self.locale, numbering_system="default"))

    def percent(self, value: Decimal) -> str:
        """7.5 is 7.5 %."""
        pattern = str(self.locale.percent_formats[None].pattern)
        places = max(0, -int(plain(value).as_tuple().exponent))
        form = pattern.replace("0", f"0.{'0' * places}", 1) if places else pattern
        return self._digits(numbers.format_percent(value / 100, format=form, locale=self.locale, numbering_system="default"))

    def country(self, code: str) -> str:
        """The name of a country, its code where it has none."""
        names = cast("Mapping[str, str]", self.locale.territories)
        return names.get(code, code)

    def date(self, day: dt.date) -> str:
        """A day."""
        return self._digits(dates.format_date(day, format="long", locale=self.locale))

    def _digits(self, written: str) -> str:
        """Babel knows the separators of a numbering system, but not its digits."""
        return written.translate(_ARABIC_DIGITS) if self.arabic_digits else written

    @property
    def arabic_digits(self) -> bool:
        """Whether its numbers are written ٠١٢٣."""
        return self.locale.default_numbering_system == "arab"


def _decimals(value: Decimal) -> str:
    """The pattern of a number with all the decimals it has."""
    places = max(0, -int(plain(value).as_tuple().exponent))
    return f"#,##0.{'0' * places}" if places else "#,##0"


def plain(value: Decimal) -> Decimal:
    """Without zeros at its end, and never with an exponent above 0."""
    short = value.normalize()
    return short.quantize(Decimal(1)) if int(short.as_tuple().exponent) > 0 else short


@lru_cache(maxsize=64)
def wording(language: str, country: str | None) -> Wording:
    """How a document in a language speaks, in a country unless the language names one; English where nobody has written its words yet."""
    parts = babel.parse_locale(language, sep="-") if localedata.exists(language.partition("-")[0]) else ("en", None)
    if parts[0] not in _WORDS:
        parts = ("en", None)
    for name in (f"{parts[0]}_{parts[1] or country}", parts[0]):
        if localedata.exists(name):
            return Wording(babel.Locale.parse(name))
    raise AssertionError("a language that has words is known to Babel")
