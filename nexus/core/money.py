"""Money: exact decimals with the scale of their ISO 4217 currency, and rounding that loses no cent."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from decimal import ROUND_HALF_UP, Context, Decimal, Inexact, InvalidOperation, localcontext

_EXACT = Context(prec=100_000, traps=[Inexact, InvalidOperation])

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


def exactly() -> AbstractContextManager[Context]:
    """A block in which no decimal operation loses a digit: what would is an error. Sums, products and whole quotients are exact in it."""
    return localcontext(_EXACT)


def rounded(amount: Decimal, currency: str) -> Decimal:
    """The amount in whole minor units, half away from zero, as invoices round."""
    return amount.quantize(Decimal(1).scaleb(-scale(currency)), rounding=ROUND_HALF_UP)


def quotient(top: Decimal, bottom: Decimal, currency: str) -> Decimal:
    """top / bottom in whole minor units, half away from zero: rounded once, though the quotient may have no end. `bottom` is positive."""
    with localcontext(_EXACT):
        units = (abs(top).scaleb(scale(currency)) * 2 + bottom) // (bottom * 2)
        return (units if top >= 0 else -units).scaleb(-scale(currency))


def settle(tops: Sequence[Decimal], bottom: Decimal, currency: str) -> list[Decimal]:
    """The amounts top / bottom in whole minor units that add up to their rounded sum. `bottom` is positive.

    Largest remainder, ties to the earlier: each is less than one minor unit from its exact amount, and the amounts of the other sign settle
    to the same with the other sign.
    """
    decimals = scale(currency)
    with localcontext(_EXACT):
        exact = [top.scaleb(decimals) for top in tops]
        parts = [top // bottom for top in exact]  # towards zero, so that both signs are treated alike
        rests = [top - part * bottom for top, part in zip(exact, parts, strict=True)]
        whole = quotient(sum(tops, Decimal(0)), bottom, currency).scaleb(decimals)
        missing = int(whole - sum(parts))
        step = 1 if missing >= 0 else -1
        for i in sorted(range(len(parts)), key=lambda i: (-step * rests[i], i))[: abs(missing)]:
            parts[i] += step
        return [(part + 0).scaleb(-decimals) for part in parts]  # + 0: a part of -0 is nothing


def allocate(total: Decimal, weights: Sequence[Decimal], currency: str) -> list[Decimal]:
    """Split an amount by weights so that the parts add up to it exactly (largest remainder; ties go to the earlier part).

    ValueError where the weights add up to nothing.
    """
    with localcontext(_EXACT):
        whole = sum(weights, Decimal(0))
        if whole == 0:
            raise ValueError("the weights add up to nothing")
        each = quotient(total, Decimal(1), currency) * (1 if whole > 0 else -1)
        return settle([each * weight for weight in weights], abs(whole), currency)
