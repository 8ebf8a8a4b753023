"""Prices, taxes and rounding: the one arithmetic of quote, cart, order, invoice, subscription and refund. Pure: no input, no output.

    taxes.py      what a tax is, and how an amount parts into net and taxes
    documents.py  lines, and the figures of a document
    compute.py    price(): from lines to figures, under either rounding
    credits.py    part() and credit(): quantities of a document, and its mirror
    payment.py    schedule(), early payment, cash rounding
    refusals.py   what cannot be priced

Amounts are decimals in whole minor units of an ISO 4217 currency, quantities and prices decimals of any length; between the roundings the
arithmetic is that of fractions, so nothing is lost. Rates are in percent.
"""

from nexus.core.money import allocate as allocate
from nexus.pricing.compute import price as price
from nexus.pricing.credits import credit as credit
from nexus.pricing.credits import part as part
from nexus.pricing.documents import Discount as Discount
from nexus.pricing.documents import Line as Line
from nexus.pricing.documents import Priced as Priced
from nexus.pricing.documents import PricedLine as PricedLine
from nexus.pricing.documents import Rounding as Rounding
from nexus.pricing.documents import TaxAmount as TaxAmount
from nexus.pricing.payment import CashRounding as CashRounding
from nexus.pricing.payment import Due as Due
from nexus.pricing.payment import EarlyPayment as EarlyPayment
from nexus.pricing.payment import Instalment as Instalment
from nexus.pricing.payment import cash as cash
from nexus.pricing.payment import schedule as schedule
from nexus.pricing.refusals import Unpriceable as Unpriceable
from nexus.pricing.taxes import Exigibility as Exigibility
from nexus.pricing.taxes import Tax as Tax
from nexus.pricing.taxes import TaxGroup as TaxGroup
from nexus.pricing.taxes import TaxKind as TaxKind
