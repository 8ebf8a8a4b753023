"""A customer owes no more than was agreed, however many invoices are posted at once."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from nexus.core import uuid7
from nexus.services.finance.api import CreateInvoice, CreditInvoice, PostInvoice, RecordPayment
from nexus.services.finance.entities import Company, Invoice, PartyTerm
from nexus.services.finance.invoice_terms import InvoiceKind, InvoiceLine, InvoiceStatus
from nexus.services.finance.payment_terms import PaymentDirection
from nexus.services.finance.rules.credit import CreditLimitExceeded
from nexus.services.finance.tests.conftest import Books, refused

ADA = uuid7()


@pytest.fixture
async def limited(books: Books) -> Books:
    """Ada may owe 1000."""
    await books.finance.given(PartyTerm(company_id=books.company.id, party_id=ADA, credit_limit=Decimal(1000)))
    return books


async def drawn(books: Books, amount: str, party: UUID = ADA, **more: Any) -> UUID:
    line = InvoiceLine(name="Bread", quantity=Decimal(1), unit_price=Decimal(amount))
    return (await books.finance.run(CreateInvoice(party_id=party, party_name="Ada", date=books.day, lines=[line], **more))).invoice_id


async def post(books: Books, id: UUID, **more: Any) -> Any:
    """As a bookkeeper, who may not exceed a limit."""
    return await books.finance.as_("finance.bookkeeper").run(PostInvoice(invoice_id=id, **more))


async def test_an_invoice_up_to_the_limit_is_posted_and_no_more(limited: Books) -> None:
    for amount in ("400", "600"):
        await post(limited, await drawn(limited, amount))
    more = await drawn(limited, "0.01")
    async with refused(limited.finance, CreditLimitExceeded, "Ada would owe 1000.01 NGN with this invoice, and the limit is 1000"):
        await post(limited, more)
    assert (await limited.finance.get(Invoice, more)).status is InvoiceStatus.DRAFT
    await post(limited, await drawn(limited, "5000", uuid7()))  # of somebody else
    bill = await drawn(limited, "5000", kind=InvoiceKind.PURCHASE_BILL)
    await post(limited, bill)  # that we owe


async def test_over_rest_the_refusal_has_its_figures(limited: Books) -> None:
    await post(limited, await drawn(limited, "900"))
    id = await drawn(limited, "200")
    answer = await limited.finance.as_("finance.bookkeeper").api("POST", f"/api/v1/finance/invoices/{id}/post", {})
    said = answer.json()
    assert (answer.status, said["type"]) == (409, "/problems/credit-limit-exceeded"), answer.body
    assert {name: said[name] for name in ("open", "exposure", "limit", "currency")} == {
        "open": "900.00",
        "exposure": "1100.00",
        "limit": "1000",
        "currency": "NGN",
    }


async def test_what_is_paid_or_credited_may_be_owed_again(limited: Books) -> None:
    first = await drawn(limited, "1000")
    await post(limited, first)
    await limited.finance.run(CreditInvoice(invoice_id=first, date=limited.day))
    await post(limited, await drawn(limited, "1000"))
    await limited.finance.run(
        RecordPayment(
            direction=PaymentDirection.RECEIVED, journal_id=limited.journals["BNK"], date=limited.day, party_id=ADA, amount=Decimal(300)
        )
    )
    await post(limited, await drawn(limited, "300"))
    more = await drawn(limited, "1")
    async with refused(limited.finance, CreditLimitExceeded):
        await post(limited, more)


async def test_what_is_owed_in_another_currency_counts_at_its_rate(limited: Books) -> None:
    dollar = await drawn(limited, "1", currency="USD")
    async with refused(limited.finance, CreditLimitExceeded, "would owe 1500.00 NGN"):
        await post(limited, dollar, rate=Decimal(1500))
    await post(limited, dollar, rate=Decimal(1000))


async def test_who_may_exceed_a_limit_does(limited: Books) -> None:
    await limited.finance.as_("finance.accountant").run(PostInvoice(invoice_id=await drawn(limited, "5000")))


async def test_of_invoices_posted_at_once_no_more_than_the_limit_is_owed(limited: Books) -> None:
    ids = [await drawn(limited, "300") for _ in range(6)]
    results = await asyncio.gather(*[post(limited, id) for id in ids], return_exceptions=True)
    assert sorted(type(one).__name__ for one in results) == ["CreditLimitExceeded"] * 3 + ["InvoicePosted"] * 3


async def test_terms_are_of_one_company(limited: Books) -> None:
    other = await limited.finance.given(Company(name="Other", country="NG", base_currency="NGN"))
    await limited.finance.given(PartyTerm(company_id=other.id, party_id=ADA, credit_limit=Decimal(1)))
    await post(limited, await drawn(limited, "1000"))
