"""Money: exact decimals with the scale of their ISO 4217 currency, and rounding that loses no cent."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal

# ISO 4217 minor units. Every active currency has two decimals but these (list one, 2026).
_NONE = frozenset("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split())
_THREE = frozenset("BHD IQD JOD KWD LYD OMR TND".split())
_FOUR = frozenset("CLF UYW".split())
_TWO = frozenset(
    """AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP CRC CUP CVE
    CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW
    KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK
    PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS
    UAH USD UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG""".split()
)

SCALES: dict[str, int] = {code: decimals for decimals, codes in ((0, _NONE), (2, _TWO), (3, _THREE), (4, _FOUR)) for code in sorted(codes)}
"""Decimals of every ISO 4217 currency, by its code."""


def scale(currency: str) -> int:
    """Decimals of a currency: 2 for NGN, 0 for JPY, 3 for KWD. KeyError for a code that ISO 4217 does not list."""
    return SCALES[currency]


def rounded(amount: Decimal, currency: str) -> Decimal:
    """The amount in whole minor units, half away from zero, as invoices round."""
    return amount.quantize(Decimal(1).scaleb(-scale(currency)), rounding=ROUND_HALF_UP)


def allocate(total: Decimal, weights: Sequence[Decimal], currency: str) -> list[Decimal]:
    """Split an amount by weights so that the parts add up to it exactly (largest remainder; ties go to the earlier part)."""
    whole = sum(weights, Decimal(0))
    if whole == 0:
        raise ValueError("the weights add up to nothing")
    unit = Decimal(1).scaleb(-scale(currency))
    exact = [total * weight / whole / unit for weight in weights]
    parts = [part // 1 for part in exact]
    missing = int(rounded(total, currency) / unit - sum(parts))
    step = 1 if missing >= 0 else -1
    order = sorted(range(len(parts)), key=lambda i: (step * (parts[i] - exact[i]), i))
    for i in range(abs(missing)):
        parts[order[i % len(parts)]] += step
    return [part * unit for part in parts]
