"""Charts of accounts with their taxes, journals and payment terms, as data.

*.yaml          one chart each; one that begins with `_` is only extended by others
industries/     what a trade adds, by the role that an account plays
schema.py       what a chart is             documents.py   what its YAML may say
reading.py     YAML → documents             composing.py   documents → chart
checks.py      what types cannot say: trees, references, portions
catalogue.py    which charts there are, and which one a business gets

A chart is named by its code: `ng`, or with what a trade adds `ng.restaurant`.
"""

from nexus.services.finance.charts.catalogue import chart, chart_for, codes, country_of, plain_codes, plain_names, trades, with_trade
from nexus.services.finance.charts.reading import ChartError
from nexus.services.finance.charts.schema import (
    Chart,
    ChartAccount,
    ChartJournal,
    ChartTax,
    ChartTerm,
    Discount,
    Instalment,
    Repartition,
    Role,
)

__all__ = [
    "Chart", "ChartAccount", "ChartError", "ChartJournal", "ChartTax", "ChartTerm", "Discount", "Instalment", "Repartition", "Role",
    "chart", "chart_for", "codes", "country_of", "plain_codes", "plain_names", "trades", "with_trade",
]  # fmt: skip
