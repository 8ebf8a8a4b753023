"""The partner ledger: each line with what was owed after it and what settles it, page by page."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from nexus.core import Invalid, uuid7
from nexus.services.finance.api import BouncePayment, UndoAllocation
from nexus.services.finance.entities import Allocation
from nexus.services.finance.invoice_terms import InvoiceKind
from nexus.services.finance.queries.partner_ledger import PartnerLedger
from nexus.services.finance.terms import Subledger
from nexus.services.finance.tests.conftest import Books
from nexus.services.finance.tests.test_allocations import allocate, share
from nexus.services.finance.tests.test_invoice_posting import posted
from nexus.services.finance.tests.test_invoices import CUSTOMER, line, taxed
from nexus.services.finance.tests.test_payments import paid

__all__ = ["taxed"]
DAY = dt.timedelta(days=1)


async def ledger(books: Books, since: int, until: int, **more: Any) -> list[dict[str, Any]]:
    asked: dict[str, Any] = {"company_id": books.company.id, "party_id": CUSTOMER} | more
    return await books.finance.ask(PartnerLedger(since=books.day + since * DAY, until=books.day + until * DAY, **asked))


def told(rows: list[dict[str, Any]]) -> list[tuple[str | None, str | None, str | None, str]]:
    return [(row["number"], row["debit"], row["credit"], row["balance"]) for row in rows]


async def test_what_was_owed_before_and_after_each_line(taxed: Books) -> None:
    first = await posted(taxed, line("100"))
    one = await paid(taxed, "60", date=taxed.day + 5 * DAY)
    second = await posted(taxed, line("50"), date=taxed.day + 10 * DAY)
    await posted(taxed, line("7"), party_id=uuid7(), date=taxed.day + 6 * DAY)
    await taxed.finance.run(allocate(one, share(first)))

    rows = await ledger(taxed, 1, 30)

    assert told(rows) == [
        (None, None, None, "100.00"),
        (one.number, "0.00", "60.00", "40.00"),
        (second.number, "50.00", "0.00", "90.00"),
    ]
    (settled,) = rows[1]["settled_by"]
    assert (settled["number"], settled["amount"], settled["since"]) == (first.number, "60.00", str(taxed.day + 5 * DAY))
    assert (rows[0]["line_id"], rows[0]["settled_by"], rows[2]["settled_by"]) == (None, None, [])
    assert (rows[2]["source_entity"], rows[2]["source_id"]) == ("finance.invoice", str(second.id))
    assert told(await ledger(taxed, 0, 4)) == [(None, None, None, "0"), (first.number, "100.00", "0.00", "100.00")]
    assert told(await ledger(taxed, 20, 30)) == [(None, None, None, "90.00")]


async def test_what_settles_is_told_as_of_the_last_day(taxed: Books) -> None:
    invoice, one = await posted(taxed, line("100")), await paid(taxed, "100", date=taxed.day + 5 * DAY)
    await taxed.finance.run(allocate(one, share(invoice)))
    (made,) = await taxed.finance.list(Allocation)
    await taxed.finance.run(UndoAllocation(allocation_id=made.id, date=taxed.day + 9 * DAY))
    await taxed.finance.run(BouncePayment(payment_id=one.id, date=taxed.day + 20 * DAY, reason="No funds"))

    async def settled(until: int) -> list[int]:
        return [len(row["settled_by"]) for row in (await ledger(taxed, 0, until))[1:]]

    assert [await settled(until) for until in (4, 5, 8, 9, 19, 20)] == [[0], [1, 1], [1, 1], [0, 0], [0, 0], [0, 0, 0]]
    last = (await ledger(taxed, 0, 20))[1:]
    assert [row["reversal"] for row in last] == [None, last[2]["number"], last[1]["number"]]


async def test_pages_go_on_where_one_ended(taxed: Books) -> None:
    for at in range(5):
        await posted(taxed, line(str(at + 1)), date=taxed.day + (at // 2) * DAY)
    whole = await ledger(taxed, 0, 30)
    pages: list[dict[str, Any]] = []
    after: dict[str, Any] = {}
    while page := await ledger(taxed, 0, 30, limit=2, **after):
        pages += page
        after = {"after_id": UUID(page[-1]["line_id"])}
    assert pages == whole
    balance = Decimal(0)
    for row in whole[1:]:
        balance += Decimal(row["debit"]) - Decimal(row["credit"])
        assert Decimal(row["balance"]) == balance
    assert balance == 15


async def test_receivables_and_payables_of_one_party(taxed: Books) -> None:
    await posted(taxed, line("100"))
    await posted(taxed, line("30"), kind=InvoiceKind.PURCHASE_BILL, reference="B1")
    assert (await ledger(taxed, 0, 9))[-1]["balance"] == "70.00"
    assert [row["balance"] for row in await ledger(taxed, 0, 9, subledger=Subledger.RECEIVABLES)] == ["0", "100.00"]
    assert [row["balance"] for row in await ledger(taxed, 0, 9, subledger=Subledger.PAYABLES)] == ["0", "-30.00"]


async def test_what_is_asked_wrongly_is_named(taxed: Books) -> None:
    await posted(taxed, line("100"))
    where = "/api/v1/finance/reports/partner-ledger?company_id="
    days = f"&since={taxed.day}&until={taxed.day}"
    mine = f"{where}{taxed.company.id}&party_id={CUSTOMER}"
    for address, field in (
        (f"{where}{uuid7()}&party_id={CUSTOMER}{days}", "company_id"),
        (f"{where}{taxed.company.id}&party_id={uuid7()}{days}", "party_id"),
        (f"{where}{taxed.company.id}{days}", "party_id"),
        (f"{mine}&since=2026-13-01&until=2026-12-31", "since"),
        (f"{mine}&since=2026-02-01&until=2026-01-31", "until"),
        (f"{mine}{days}&limit=0", "limit"),
    ):
        answer = await taxed.finance.api("GET", address)
        assert (answer.status, answer.json()["errors"][0]["field"]) == (422, field), answer.body
    assert (await taxed.finance.as_("crm.admin").api("GET", mine + days)).status == 403
    assert (await taxed.finance.as_("finance.auditor").api("GET", mine + days)).status == 200
    with pytest.raises(Invalid, match="until"):
        await ledger(taxed, 2, 1)
