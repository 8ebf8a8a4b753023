"""A company says which account plays which role, and invoices are booked there."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any, get_args

import pytest

from nexus.core import uuid7
from nexus.runtime.testing import Harness
from nexus.services.finance.charts import Role
from nexus.services.finance.entities import Account, AccountRole, Company, Journal
from nexus.services.finance.invoice_terms import InvoiceKind, InvoiceLine
from nexus.services.finance.terms import LedgerRole, RootType
from nexus.services.finance.tests.conftest import OWED, SALES, Books, planted
from nexus.services.finance.tests.test_invoice_posting import drafted, posted, written

PATH = "/api/v1/finance/account_roles"


def line(price: str, *taxes: str) -> InvoiceLine:
    return InvoiceLine(name="Flour", quantity=Decimal(1), unit_price=Decimal(price), taxes=list(taxes))


async def role(books: Books, name: LedgerRole) -> AccountRole:
    (one,) = await books.finance.list(AccountRole, AccountRole.role == name)
    return one


@asynccontextmanager
async def changed(books: Books) -> AsyncGenerator[Any]:
    async with books.finance._work() as work:  # pyright: ignore[reportPrivateUsage]
        yield work
        await work.commit()


def test_the_roles_are_those_of_charts() -> None:
    assert [one.value for one in LedgerRole] == list(get_args(Role))


@pytest.mark.parametrize(
    ("kind", "tax", "expected"),
    [
        (InvoiceKind.SALES_INVOICE, "sale_standard", [("1400", "119.00"), ("8400", "-100.00"), ("1776", "-19.00")]),
        (InvoiceKind.SALES_INVOICE, "sale_reduced", [("1400", "107.00"), ("8400", "-100.00"), ("1771", "-7.00")]),
        (InvoiceKind.PURCHASE_BILL, "purchase_standard", [("1600", "-119.00"), ("3400", "100.00"), ("1576", "19.00")]),
        (InvoiceKind.PURCHASE_BILL, "purchase_reverse", [("1600", "-100.00"), ("3400", "100.00"), ("1577", "19.00"), ("1787", "-19.00")]),
    ],
)
async def test_books_as_the_chart_says(finance: Harness, kind: InvoiceKind, tax: str, expected: list[tuple[str, str]]) -> None:
    """In this chart neither is the first account of a type the one that is used, nor has each side one tax account."""
    books = await planted(finance, country="DE", currency="EUR", industry="general", chart="de_skr03")
    invoice = await posted(books, line("100", tax), kind=kind)
    assert await written(books, invoice) == expected


async def test_the_journals_account_goes_before_the_role(books: Books) -> None:
    async with changed(books) as work:
        (await work.get(Journal, books.journals["SAL"])).default_account_id = books.accounts["4120"]
    assert (await written(books, await posted(books, line("10"))))[1] == ("4120", "-10.00")
    async with changed(books) as work:
        (await work.get(Journal, books.journals["SAL"])).default_account_id = None
    assert (await written(books, await posted(books, line("10"))))[1] == (SALES, "-10.00")


async def test_a_role_is_given_to_another_account(books: Books) -> None:
    finance, owed = books.finance, await role(books, LedgerRole.RECEIVABLE)
    told = await finance.api("PATCH", f"{PATH}/{owed.id}", {"account_id": str(books.accounts["1225"])}, if_match="*")
    assert told.status == 200, told.body
    assert (await written(books, await posted(books, line("10"))))[0] == ("1225", "10.00")


async def test_a_role_that_nobody_plays_is_named(books: Books) -> None:
    owed = await role(books, LedgerRole.RECEIVABLE)
    assert (await books.finance.api("DELETE", f"{PATH}/{owed.id}", if_match="*")).status == 200
    draft = await drafted(books, line("10"))
    told = await books.finance.api("POST", f"/api/v1/finance/invoices/{draft.id}/post", {})
    assert (told.status, told.json()["type"]) == (422, "/problems/role-not-played"), told.body
    assert "No account of the company plays the role receivable" in told.json()["detail"]

    body = {"company_id": str(books.company.id), "role": "receivable", "account_id": str(books.accounts[OWED])}
    assert (await books.finance.api("POST", PATH, body)).status == 201
    assert (await books.finance.api("POST", f"/api/v1/finance/invoices/{draft.id}/post", {})).status == 200


async def test_only_an_account_of_the_company_that_takes_postings_plays_a_role(books: Books) -> None:
    finance, owed = books.finance, await role(books, LedgerRole.RECEIVABLE)
    other = await finance.given(Company(name="Other", country="NG", base_currency="NGN"))
    foreign = await finance.given(Account(company_id=other.id, code="1", name="Theirs", root_type=RootType.ASSET))
    group = next(one for one in await finance.list(Account) if one.is_group)
    free = {"company_id": str(other.id), "role": "sales"}
    told = await finance.api("POST", PATH, free | {"account_id": str(books.accounts[SALES])})
    assert (told.status, told.json()["type"]) == (422, "/problems/unfit-account"), told.body
    told = await finance.api("POST", PATH, free | {"account_id": str(uuid7())})
    assert (told.status, told.json()["errors"][0]["field"]) == (422, "account_id"), told.body
    for account in (foreign.id, group.id):
        told = await finance.api("PATCH", f"{PATH}/{owed.id}", {"account_id": str(account)}, if_match="*")
        assert (told.status, told.json()["type"]) == (422, "/problems/unfit-account"), told.body
    assert (await role(books, LedgerRole.RECEIVABLE)).account_id == owed.account_id
    assert await finance.count(AccountRole, AccountRole.company_id == other.id) == 0
    twice = {"company_id": str(books.company.id), "role": "receivable", "account_id": str(books.accounts[OWED])}
    assert (await finance.api("POST", PATH, twice)).status == 409
