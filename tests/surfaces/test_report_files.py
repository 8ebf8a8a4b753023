"""Reports as files: what JSON says, as CSV and as a workbook that another library opens."""

from __future__ import annotations

import csv
import datetime as dt
import io
from decimal import Decimal
from typing import Any

import openpyxl
import pytest
import sqlalchemy as sa

from nexus.core import Invalid, exact
from nexus.services.finance.tests.conftest import CAPITAL, CASH, SALES, Books, books, finance
from nexus.surfaces import spreadsheets
from nexus.surfaces.spreadsheets import MEDIA, Workbook, asked_format, kinds_of

__all__ = ["books", "finance"]
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def opened(body: bytes) -> list[tuple[Any, ...]]:
    sheet = openpyxl.load_workbook(io.BytesIO(body)).active
    assert sheet is not None
    return [tuple(cell.value for cell in row) for row in sheet.iter_rows()]


async def asked(books: Books, report: str, **headers: str) -> Any:
    return await books.finance.api("GET", f"/api/v1/finance/reports/{report}", **headers)


async def test_numbers_are_numbers_and_days_are_days(books: Books) -> None:
    await books.sale("1234.5", memo="=1+1")
    await books.sale("0.25", date=books.day + dt.timedelta(days=1), memo='a "b", c')
    where = f"general-ledger?account_id={books.accounts[CASH]}&since={books.day}&until={books.periods[-1].ends_on}"
    rows = (await asked(books, where)).json()["items"]

    answer = await asked(books, f"{where}&format=xlsx")

    assert (answer.status, answer.headers["content-type"]) == (200, XLSX)
    assert answer.headers["content-disposition"] == 'attachment; filename="general-ledger.xlsx"'
    header, first, second = opened(answer.body)
    assert list(header) == list(rows[0])
    shown = dict(zip(header, first, strict=True))
    assert (shown["date"], shown["debit"], shown["balance"], shown["memo"]) == (
        dt.datetime.combine(books.day, dt.time()), 1234.5, 1234.5, "=1+1",
    )  # fmt: skip
    assert [type(shown[name]) for name in ("debit", "credit", "line_id", "party_id")] == [float, int, str, type(None)]
    assert dict(zip(header, second, strict=True))["balance"] == 1234.75
    sheet: Any = openpyxl.load_workbook(io.BytesIO(answer.body)).active
    assert (sheet.cell(1, 1).font.bold, sheet.freeze_panes) == (True, "A2")
    assert sheet.cell(2, list(header).index("debit") + 1).number_format == "0.00"
    assert sheet.cell(2, list(header).index("memo") + 1).data_type == "s"


async def test_csv_says_the_same(books: Books) -> None:
    await books.sale("1234.5", memo="=1+1")
    where = f"general-ledger?account_id={books.accounts[CASH]}&since={books.day}&until={books.periods[-1].ends_on}"
    (row,) = (await asked(books, where)).json()["items"]
    answer = await asked(books, f"{where}&format=csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    (shown,) = csv.DictReader(io.StringIO(answer.body.decode(), newline=""))
    assert shown == {name: "" if value is None else str(value) for name, value in row.items()} | {"memo": "'=1+1"}


async def test_by_the_accept_header_or_the_parameter(books: Books) -> None:
    where = f"balance-sheet?company_id={books.company.id}&on={books.day}"
    for accept, form, media in (
        ("*/*", "", "application/json"),
        ("text/csv", "", "text/csv; charset=utf-8; header=present"),
        (f"text/html, {XLSX};q=0.9", "", XLSX),
        ("text/csv", "&format=json", "application/json"),
        ("application/json", "&format=xlsx", XLSX),
    ):
        answer = await asked(books, where + form, accept=accept)
        assert (answer.status, answer.headers["content-type"], answer.headers["vary"]) == (200, media, "accept")


async def test_what_is_refused_is_refused_in_every_format(books: Books) -> None:
    right = f"trial-balance?company_id={books.company.id}&since={books.day}&until={books.day}"
    for form in ("csv", "xlsx"):
        answer = await asked(books, f"trial-balance?company_id={books.company.id}&since=soon&until={books.day}&format={form}")
        assert (answer.status, answer.json()["errors"][0]["field"]) == (422, "since")
        unknown = await asked(books, f"ageing?company_id={books.day}&on={books.day}&format={form}")
        assert (unknown.status, unknown.json()["errors"][0]["field"]) == (422, "company_id")
        nobody = await asked(books, f"ageing?company_id={books.accounts[SALES]}&on={books.day}&format={form}")
        assert (nobody.status, nobody.json()["errors"][0]["field"]) == (422, "company_id")
        other = await books.finance.as_("crm.admin").api("GET", f"/api/v1/finance/reports/{right}&format={form}")
        assert other.status == 403
    answer = await asked(books, f"{right}&format=ods")
    assert (answer.status, answer.json()["errors"][0]["field"]) == (422, "format")


@pytest.mark.parametrize("report", ["trial-balance", "profit-and-loss", "cash-flow", "tax-report", "tax-return"])
async def test_every_report_of_a_time_is_there(books: Books, report: str) -> None:
    await books.post(books.line(CASH, "7"), books.line(CAPITAL, "-7"))
    where = f"{report}?company_id={books.company.id}&since={books.day}&until={books.day}"
    items = (await asked(books, where)).json()["items"]
    header, *rows = opened((await asked(books, f"{where}&format=xlsx")).body)
    assert (len(rows), bool(header)) == (len(items), True)
    for row, item in zip(rows, items, strict=True):
        assert list(header) == list(item)
        for shown, said in zip(row, item.values(), strict=True):
            assert shown == said or Decimal(str(shown)) == Decimal(said)


def test_what_no_spreadsheet_keeps_stays_text(tmp_path: Any) -> None:
    kinds: Any = {"n": "number", "d": "date", "i": "instant", "b": "bool", "t": "text"}
    rows = [
        (b"99999999999999.99", b"1899-12-31", b"0044-03-15 10:00:00 BC", b"t", b"http://x"),
        (b"9999999999999.99", b"infinity", b"2026-03-01 10:11:12", b"f", b"x" * 40_000),
        (b"-0.05", b"2026-03-01", None, None, None),
    ]
    with (tmp_path / "x.xlsx").open("w+b") as file:
        book = Workbook(file, "a" * 40, kinds)
        book.write(rows)  # type: ignore[arg-type]
        book.close()
    _, first, second, third = opened((tmp_path / "x.xlsx").read_bytes())
    assert first == ("99999999999999.99", "1899-12-31", "0044-03-15 10:00:00 BC", True, "http://x")
    assert second[:4] == (9999999999999.99, "infinity", dt.datetime.fromisoformat("2026-03-01T10:11:12"), False)
    assert (len(second[4]), third) == (32_767, (-0.05, dt.datetime.fromisoformat("2026-03-01"), None, None, None))


def test_a_sheet_that_is_full_says_so(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spreadsheets, "MOST_ROWS", 2)
    with (tmp_path / "x.xlsx").open("w+b") as file:
        book = Workbook(file, "x", {"n": "number"})
        book.write([(b"1",), (b"2",)])  # type: ignore[list-item]
        with pytest.raises(Invalid, match="format: is csv for this report"):
            book.write([(b"3",)])  # type: ignore[list-item]
        book.close()


def test_which_columns_are_numbers() -> None:
    columns = [sa.literal(1).label("a"), exact(sa.literal(1)).label("b"), sa.literal("x").label("c"), sa.literal(dt.date.min).label("d")]
    inner = sa.select(*columns).subquery()
    assert kinds_of(sa.select(*inner.c)) == {"a": "number", "b": "number", "c": "text", "d": "date"}
    assert [asked_format(None, media.encode()) for media in MEDIA] == ["json", "csv", "xlsx", "pdf"]
