"""Reports as pages: what JSON says, as a PDF that another library reads."""

from __future__ import annotations

import datetime as dt
import io
from typing import Any

import pytest
from pypdf import PdfReader

from nexus.services.finance.tests.conftest import CASH, SALES, Books, books, finance
from nexus.surfaces import printing
from nexus.surfaces.printing import words
from nexus.surfaces.rest import reports

__all__ = ["books", "finance"]


def read(body: bytes) -> tuple[list[str], Any]:
    """The text of each page, and what the file says of itself."""
    reader = PdfReader(io.BytesIO(body))
    return [page.extract_text() for page in reader.pages], reader.metadata


async def asked(books: Books, report: str, **headers: str) -> Any:
    return await books.finance.api("GET", f"/api/v1/finance/reports/{report}", **headers)


def balance(books: Books) -> str:
    return f"trial-balance?company_id={books.company.id}&since={books.day}&until={books.periods[-1].ends_on}"


async def test_it_says_what_was_asked_and_what_is_so(books: Books) -> None:
    await books.sale("1234567.5")

    answer = await asked(books, f"{balance(books)}&format=pdf")

    assert (answer.status, answer.headers["content-type"]) == (200, "application/pdf")
    assert answer.headers["content-disposition"] == 'inline; filename="trial-balance.pdf"'
    assert answer.body.startswith(b"%PDF-1.7")
    (page,), about = read(answer.body)
    assert about.title == "Trial balance"
    for shown in (
        "Trial balance",
        "Company",
        books.company.name,
        "Since",
        str(books.day),
        "Root type",
        "1,234,567.50",
        "-1,234,567.50",
        CASH,
        SALES,
    ):
        assert shown in page, shown
    assert str(books.company.id) not in page
    assert str(books.accounts[CASH]) not in page
    assert "1 / 1" in page


async def test_by_the_accept_header(books: Books) -> None:
    answer = await asked(books, balance(books), accept="application/pdf")

    assert (answer.status, answer.headers["content-type"], answer.headers["vary"]) == (200, "application/pdf", "accept")


async def test_texts_are_texts(books: Books) -> None:
    hostile = '#set page(width: 1cm) *b* $x$ \\ #read("/etc/passwd") "]'
    await books.sale("10", memo=hostile)

    where = f"general-ledger?account_id={books.accounts[CASH]}&since={books.day}&until={books.periods[-1].ends_on}"
    (page,), _ = read((await asked(books, f"{where}&format=pdf")).body)

    assert "".join(hostile.split()) in "".join(page.split())
    assert "Account" in page
    assert "Cash" in page  # the account by its name


async def test_nothing_to_report(books: Books) -> None:
    answer = await asked(books, f"{balance(books)}&format=pdf")

    (page,), _ = read(answer.body)
    assert "There is nothing to report." in page


async def test_many_rows_are_many_pages_with_a_head_each(books: Books) -> None:
    for n in range(70):
        await books.sale("1", memo=f"number {n}")
    where = f"general-ledger?account_id={books.accounts[CASH]}&since={books.day}&until={books.periods[-1].ends_on}"

    pages, _ = read((await asked(books, f"{where}&format=pdf")).body)

    assert len(pages) > 1
    assert all("Memo" in page for page in pages)
    assert f"2 / {len(pages)}" in pages[1]


async def test_more_than_anybody_reads_is_refused(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    await books.sale("1")
    for place in (printing, reports):
        monkeypatch.setattr(place, "MOST_ROWS", 1)

    answer = await asked(books, f"{balance(books)}&format=pdf")

    assert answer.status == 422
    assert answer.json()["errors"] == [{"field": "format", "message": "is csv or xlsx for this report: pages hold 1 rows"}]


async def test_a_bad_question_is_refused_as_ever(books: Books) -> None:
    where = f"trial-balance?company_id={books.company.id}&since={books.day}&until={books.day - dt.timedelta(days=1)}&format=pdf"

    answer = await asked(books, where)

    assert (answer.status, answer.json()["errors"][0]["field"]) == (422, "until")


def test_heads() -> None:
    assert [words(one) for one in ("trial-balance", "party_id", "due_on")] == ["Trial balance", "Party", "Due on"]
