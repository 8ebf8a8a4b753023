"""A month of whatever a business does: every invariant of the books holds, another program agrees, and no report of a past day changes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st

from nexus.core import Problem
from nexus.core.service import Service
from nexus.engines.oltp.postgres import Postgres
from nexus.runtime.testing import Harness
from nexus.services.finance.api import (
    BouncePayment,
    CreateInvoice,
    CreditInvoice,
    PostInvoice,
    RecordPayment,
    ReverseEntry,
    RunRevaluation,
    UndoAllocation,
    WriteOffInvoice,
)
from nexus.services.finance.entities import Allocation, ExchangeRate, Invoice, JournalEntry, JournalLine, Payment, TaxRate
from nexus.services.finance.invoice_terms import InvoiceKind, InvoiceLine, InvoiceStatus, TaxScope
from nexus.services.finance.payment_terms import PaymentDirection, PaymentShare, PaymentStatus
from nexus.services.finance.queries.ageing import Ageing
from nexus.services.finance.queries.proof import LedgerProof
from nexus.services.finance.queries.trial_balance import TrialBalance
from nexus.services.finance.terms import EntryStatus, Subledger
from nexus.services.finance.tests.conftest import CAPITAL, CASH, COSTS, OWED, OWING, Books, planted
from tests.finance.beancount_export import disagreements

SUBLEDGERS = {Subledger.RECEIVABLES: OWED, Subledger.PAYABLES: OWING}
PARTIES = [UUID(int=n) for n in (1, 2, 3)]
CURRENCIES = ("NGN", "USD", "EUR")
MIDDLE = 14
"""Days of the month before the middle, from its first one."""

AMOUNTS = st.decimals(min_value="0.01", max_value="9999.99", places=2)
LINE = st.tuples(AMOUNTS, st.sampled_from([(), ("VAT7.5",), ("WHT5",), ("VAT7.5", "WHT5")]))
PICK = st.integers(0, 30)
DOCUMENT = st.tuples(
    st.just("document"),
    st.sampled_from([InvoiceKind.SALES_INVOICE, InvoiceKind.PURCHASE_BILL]),
    st.sampled_from(CURRENCIES),
    st.sampled_from(PARTIES),
    st.lists(LINE, min_size=1, max_size=3),
)
STEP = st.one_of(
    DOCUMENT,
    st.tuples(st.just("pay"), PICK, st.integers(1, 120)),
    st.tuples(st.just("entry"), AMOUNTS),
    st.tuples(st.sampled_from(["credit", "bounce", "reverse", "undo", "write_off", "revalue"]), PICK),
)
STEPS = st.lists(st.tuples(STEP, st.integers(0, MIDDLE - 1)), min_size=3, max_size=14)


@dataclass
class Month:
    """The books of one business in the first month of its year."""

    books: Books
    done: list[str] = field(default_factory=list)

    def day(self, after: int) -> dt.date:
        return self.books.day + dt.timedelta(days=after)

    async def step(self, step: tuple[Any, ...], day: dt.date) -> None:
        """Do something, or be refused with a reason; anything else is an error."""
        kind, *how = step
        try:
            if await getattr(self, kind)(day, *how) is not False:
                self.done.append(kind)
        except Problem as refused:
            assert refused.status in (409, 422), refused

    async def document(self, day: dt.date, kind: InvoiceKind, currency: str, party: UUID, lines: list[Any]) -> None:
        made = await self.books.finance.run(
            CreateInvoice(
                kind=kind,
                party_id=party,
                party_name="Obi",
                date=day,
                currency=currency,
                lines=[InvoiceLine(name="Bread", quantity=Decimal(1), unit_price=price, taxes=list(taxes)) for price, taxes in lines],
            )
        )
        await self.books.finance.run(PostInvoice(invoice_id=made.invoice_id))

    async def pay(self, day: dt.date, which: int, percent: int) -> bool | None:
        invoice = await self._one(Invoice, which, Invoice.status.in_([InvoiceStatus.POSTED, InvoiceStatus.PARTLY_PAID]))
        if invoice is None:
            return False
        amount = max(Decimal("0.01"), (invoice.payable * percent / 100).quantize(Decimal("0.01")))
        mine = invoice.kind in (InvoiceKind.SALES_INVOICE, InvoiceKind.DEBIT_NOTE)
        await self.books.finance.run(
            RecordPayment(
                direction=PaymentDirection.RECEIVED if mine else PaymentDirection.MADE,
                party_id=invoice.party_id,
                amount=amount,
                currency=invoice.currency,
                date=day,
                allocations=[PaymentShare(invoice_id=invoice.id)],
            )
        )
        return None

    async def entry(self, day: dt.date, amount: Decimal) -> None:
        await self.books.post(self.books.line(COSTS, str(amount)), self.books.line(CASH, f"-{amount}"), date=day)

    async def credit(self, day: dt.date, which: int) -> bool | None:
        invoice = await self._one(Invoice, which, Invoice.entry_id.is_not(None), Invoice.credit_of_id.is_(None))
        if invoice is None:
            return False
        await self.books.finance.run(CreditInvoice(invoice_id=invoice.id, date=max(day, invoice.date)))
        return None

    async def bounce(self, day: dt.date, which: int) -> bool | None:
        payment = await self._one(Payment, which, Payment.status != PaymentStatus.BOUNCED)
        if payment is None:
            return False
        await self.books.finance.run(BouncePayment(payment_id=payment.id, reason="returned", date=max(day, payment.date)))
        return None

    async def reverse(self, day: dt.date, which: int) -> bool | None:
        entry = await self._one(JournalEntry, which, JournalEntry.status == EntryStatus.POSTED)
        if entry is None:
            return False
        await self.books.finance.run(ReverseEntry(journal_entry_id=entry.id, reason="by mistake", date=max(day, entry.date)))
        return None

    async def undo(self, day: dt.date, which: int) -> bool | None:
        allocation = await self._one(Allocation, which)
        if allocation is None:
            return False
        await self.books.finance.run(UndoAllocation(allocation_id=allocation.id, date=day))
        return None

    async def write_off(self, day: dt.date, which: int) -> bool | None:
        invoice = await self._one(Invoice, which, Invoice.status.in_([InvoiceStatus.POSTED, InvoiceStatus.PARTLY_PAID]))
        if invoice is None:
            return False
        await self.books.finance.run(WriteOffInvoice(invoice_id=invoice.id, reason="bankrupt", date=max(day, invoice.date)))
        return None

    async def revalue(self, day: dt.date, which: int) -> None:
        await self.books.finance.run(RunRevaluation(company_id=self.books.company.id, on=day))

    async def _one(self, kind: Any, which: int, *where: Any) -> Any:
        """One of those there are, or none of none."""
        there = sorted(await self.books.finance.list(kind, *where), key=lambda one: one.id)
        return there[which % len(there)] if there else None

    async def trial_balance(self, until: dt.date) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = await self.books.finance.ask(
            TrialBalance(company_id=self.books.company.id, since=self.books.day, until=until)
        )
        return rows

    async def owed(self, subledger: Subledger, on: dt.date) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = await self.books.finance.ask(Ageing(company_id=self.books.company.id, on=on, subledger=subledger))
        return rows

    async def reports(self, on: dt.date) -> list[Any]:
        """All that is said of the time up to a day."""
        return [await self.trial_balance(on), *[await self.owed(one, on) for one in Subledger]]

    async def proven(self, on: dt.date) -> None:
        """The ledger proves itself, and what parties owe at the end of the day is what their accounts say."""
        proof = await self.books.finance.ask(LedgerProof(company_id=self.books.company.id))
        assert [row["rule"] for row in proof if not row["holds"]] == [], proof
        rows = await self.trial_balance(on)
        assert sum(Decimal(row["closing"]) for row in rows) == 0
        assert sum(Decimal(row["debit"]) for row in rows) == sum(Decimal(row["credit"]) for row in rows)
        stands = {row["code"]: Decimal(row["closing"]) for row in rows}
        for subledger, account in SUBLEDGERS.items():
            sign = 1 if subledger is Subledger.RECEIVABLES else -1
            owed = sum((Decimal(row["base_open"]) for row in await self.owed(subledger, on) if row["party_id"]), Decimal(0))
            assert owed == sign * stands.get(account, Decimal(0)), (subledger, on)


@pytest.fixture
def month(new_tenants: Callable[[], Awaitable[UUID]], oltp: Postgres, services: dict[str, Service]) -> Callable[[], Awaitable[Month]]:
    """New books each time, with taxes and rates of foreign currencies."""

    async def begin() -> Month:
        books = await planted(Harness.of(oltp, await new_tenants(), services.values()))
        company = books.company.id
        rates = [("USD", 0, "1500.25"), ("EUR", 0, "1700"), ("USD", 9, "1490.1"), ("EUR", 20, "1710.333")]
        await books.finance.given(
            TaxRate(company_id=company, code="VAT7.5", name="VAT", rate=Decimal("7.5"), scope=TaxScope.BOTH),
            TaxRate(company_id=company, code="WHT5", name="Withheld", rate=Decimal(5), withholding=True),
            *[
                ExchangeRate(from_currency=currency, to_currency="NGN", date=books.day + dt.timedelta(days=after), rate=Decimal(rate))
                for currency, after, rate in rates
            ],
        )
        await books.post(books.line(CASH, "1000000"), books.line(CAPITAL, "-1000000"))
        return Month(books)

    return begin


@settings(
    max_examples=12,
    phases=[Phase.explicit, Phase.generate],
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(first=STEPS, second=STEPS)
async def test_any_month_is_sound_agrees_with_beancount_and_leaves_the_past_alone(
    month: Callable[[], Awaitable[Month]], first: list[Any], second: list[Any]
) -> None:
    one = await month()
    middle, last = one.day(MIDDLE - 1), one.day(2 * MIDDLE)
    for step, after in sorted(first, key=lambda one: one[1]):
        await one.step(step, one.day(after))
    said = await one.reports(middle)
    await one.proven(middle)

    for step, after in sorted(second, key=lambda one: one[1]):
        await one.step(step, one.day(MIDDLE + after))

    for kind in sorted(set(one.done)):
        event(kind)
    assert await one.reports(middle) == said
    await one.proven(last)
    assert await disagreements(one.books, one.books.day, last) == []


async def test_beancount_would_disagree(month: Callable[[], Awaitable[Month]]) -> None:
    """What says nothing in the test above would say something: a line that is not there, an amount that is another."""
    one = await month()
    await one.step(("document", InvoiceKind.SALES_INVOICE, "USD", PARTIES[0], [(Decimal(10), ())]), one.day(1))
    assert one.done == ["document"]
    assert await disagreements(one.books, one.books.day, one.day(2)) == []

    missing = await disagreements(one.books, one.day(1), one.day(2))

    assert any("Balance failed" in said for said in missing), missing
    assert await one.books.finance.list(JournalLine)
