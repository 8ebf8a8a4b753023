"""CSV: a table whose first row names the columns."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping

from nexus.services.finance.bank_files.reading import ReadLine, ReadStatement, UnreadableBankFile, amount_of, day_of, plain
from nexus.services.finance.bank_terms import CsvLayout, DayOrder, DecimalMark, Delimiter

_DAYS = {
    DayOrder.ISO: "%Y-%m-%d",
    DayOrder.DAY_DOTS: "%d.%m.%Y",
    DayOrder.DAY_SLASHES: "%d/%m/%Y",
    DayOrder.MONTH_SLASHES: "%m/%d/%Y",
}
_DELIMITERS = {Delimiter.COMMA: ",", Delimiter.SEMICOLON: ";", Delimiter.TAB: "\t", Delimiter.BAR: "|"}


def read(content: str, currency: str, layout: CsvLayout) -> list[ReadStatement]:
    """Its one statement, without balances; amounts are in this currency where no column says."""
    rows = csv.reader(io.StringIO(content.removeprefix("\ufeff"), newline=""), delimiter=_DELIMITERS[layout.delimiter], strict=True)
    header: list[str] = []
    lines: list[ReadLine] = []
    try:
        for row in rows:
            cells = [one.strip() for one in row]
            place = f"line {rows.line_num}"
            if not any(cells):
                continue
            if not header:
                header = _header(cells, layout, place)
            elif len(cells) != len(header):
                raise UnreadableBankFile.at(place, f"has {len(cells)} columns, and the header {len(header)}")
            elif line := _line(dict(zip(header, cells, strict=True)), place, currency, layout):
                lines.append(line)
    except csv.Error as error:
        raise UnreadableBankFile.at(f"line {rows.line_num}", f"is no CSV: {error}") from None
    return [ReadStatement(place="the file", account=None, currency=currency, lines=lines)] if lines else []


def _header(cells: list[str], layout: CsvLayout, place: str) -> list[str]:
    amounts = [layout.paid_in, layout.paid_out] if layout.paid_in and layout.paid_out else [layout.amount]
    for wanted in (layout.date, *amounts):
        if cells.count(wanted or "") != 1:
            raise UnreadableBankFile.at(place, f"names {'no' if wanted not in cells else 'more than one'} column {wanted!r}")
    return cells


def _line(row: Mapping[str, str], place: str, currency: str, layout: CsvLayout) -> ReadLine | None:
    currency = row.get(layout.currency) or currency

    def amount(column: str) -> str:
        text = row[column].replace(" ", "").replace("\u00a0", "")
        thousands, mark = (",", ".") if layout.decimal_mark is DecimalMark.POINT else (".", ",")
        return text.replace(thousands, "").replace(mark, ".")

    if layout.paid_in and layout.paid_out:
        came, went = (amount_of(amount(one) or "0", currency, f"{place}, {one}") for one in (layout.paid_in, layout.paid_out))
        value = came - abs(went)
    else:
        value = amount_of(amount(layout.amount), currency, f"{place}, {layout.amount}")
    if not value:
        return None
    form = _DAYS[layout.days]
    value_on = row.get(layout.value_date)
    return ReadLine(
        place=place,
        booked_on=day_of(row[layout.date], f"{place}, {layout.date}", form),
        value_on=day_of(value_on, f"{place}, {layout.value_date}", form) if value_on else None,
        amount=value,
        currency=currency,
        name=plain(row.get(layout.name), 200),
        account=plain(row.get(layout.account), 60),
        text=plain(row.get(layout.text), 2000),
        transaction_id=plain(row.get(layout.transaction_id), 100),
        end_to_end_id=plain(row.get(layout.end_to_end_id), 60),
    )
