"""What is paid at another exchange rate than it was booked at leaves a gain or a loss, and nothing on what a party owes."""

from __future__ import annotations

import asyncio
import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nexus.core import Invalid
from nexus.services.finance.api import AllocatePayment, BouncePayment, LockPeriod, PostInvoice, ReverseEntry, UndoAllocation
from nexus.services.finance.entities import AccountRole, Allocation, Invoice, Journal, JournalEntry, JournalLine, Payment, PaymentTerm
from nexus.services.finance.invoice_terms import InvoiceKind, InvoiceStatus, TermPart
from nexus.services.finance.payment_terms import AllocationStatus
from nexus.services.finance.rules.refusals import AlreadyPaid, OverAllocation, PeriodIsLocked, RoleNotPlayed, StillAllocated
from nexus.services.finance.terms import EntryStatus, LedgerRole
from nexus.services.finance.tests.conftest import OWED, OWING, Books, refused
from nexus.services.finance.tests.test_allocations import allocate, settled, share, state
from nexus.services.finance.tests.test_invoice_posting import drafted
from nexus.services.finance.tests.test_invoices import line, taxed
from nexus.services.finance.tests.test_payments import MADE, RECEIVED, SUPPLIER, balance, paid

__all__ = ["taxed"]
DAY = dt.timedelta(days=1)


async def invoiced(books: Books, amount: str, rate: str, **more: Any) -> Invoice:
    """An invoice in euros, booked at a rate."""
    draft = await drafted(books, line(amount), currency="EUR", **more)
    await books.finance.run(PostInvoice(invoice_id=draft.id, rate=Decimal(rate)))
    return await books.finance.get(Invoice, draft.id)


async def euros(books: Books, amount: str, rate: str, *shares: Any, **more: Any) -> Payment:
    return await paid(books, amount, currency="EUR", rate=Decimal(rate), allocations=list(shares), **more)


async def result(books: Books) -> Decimal:
    """What exchange gains come to, less the losses."""
    gained = Decimal(0)
    for one in await books.finance.list(AccountRole):
        if one.role in (LedgerRole.FX_GAIN, LedgerRole.FX_LOSS):
            gained -= sum([at.debit - at.credit for at in await books.finance.list(JournalLine, JournalLine.account_id == one.account_id)])
    return gained


async def differences(books: Books) -> list[JournalEntry]:
    ids = [one.fx_entry_id for one in await books.finance.list(Allocation)]
    return [await books.finance.get(JournalEntry, id) for id in ids if id is not None]


@pytest.mark.parametrize(
    ("bill", "booked", "paid_at", "gain"),
    [(False, "1500", "1600", 1000), (False, "1500", "1450.5", -495), (True, "1500", "1600", -1000), (True, "1500", "1450.5", 495)],
)
async def test_what_is_between_the_rates_is_gained_or_lost(taxed: Books, bill: bool, booked: str, paid_at: str, gain: int) -> None:
    more: dict[str, Any] = {"kind": InvoiceKind.PURCHASE_BILL, "party_id": SUPPLIER} if bill else {}
    invoice = await invoiced(taxed, "10", booked, **more)

    one = await euros(taxed, "10", paid_at, share(invoice), direction=MADE if bill else RECEIVED, date=taxed.day + DAY)

    assert await state(taxed, invoice) == (InvoiceStatus.PAID, "0.00")
    assert await balance(taxed, OWING if bill else OWED) == 0
    assert await result(taxed) == gain
    (made,) = await taxed.finance.list(Allocation)
    (entry,) = await differences(taxed)
    assert (entry.date, entry.source_entity, entry.source_id) == (one.date, "finance.allocation", made.id)
    assert (await taxed.finance.get(Journal, entry.journal_id)).code == "FX"
    assert abs(made.debit_base - made.credit_base) == abs(gain)
    await settled(taxed)


async def test_the_last_part_takes_what_is_left(taxed: Books) -> None:
    term = PaymentTerm(name="Three", instalments=[TermPart(percent=Decimal("33.3")), TermPart(percent=Decimal("66.7"), days=30)])
    invoice = await invoiced(taxed, "100", "1.1111", payment_term_id=(await taxed.finance.given(term)).id)
    for amount, rate in (("33.33", "1.2"), ("0.01", "1.1111"), ("66.66", "0.9999")):
        await euros(taxed, amount, rate, share(invoice))
    assert await state(taxed, invoice) == (InvoiceStatus.PAID, "0.00")
    assert await balance(taxed, OWED) == 0
    assert await result(taxed) == Decimal("40.00") + Decimal("0.01") + Decimal("66.65") - Decimal("111.11")
    await settled(taxed)


async def test_a_unit_that_roundings_make_waits_for_the_last_part(taxed: Books) -> None:
    invoice = await invoiced(taxed, "100", "1.1111")  # 111.11, and its thirds 37.03, 37.03 and 37.04
    for amount in ("33.33", "33.33"):
        await euros(taxed, amount, "1.1111", share(invoice))
    assert await differences(taxed) == []
    await euros(taxed, "33.34", "1.1111", share(invoice))
    assert [str(one.total) for one in await differences(taxed)] == ["0.01"]
    assert (await balance(taxed, OWED), await result(taxed)) == (Decimal(0), Decimal("-0.01"))
    await settled(taxed)


async def test_undone_the_difference_is_reversed_and_never_alone(taxed: Books) -> None:
    invoice = await invoiced(taxed, "10", "1500")
    await euros(taxed, "4", "1600", share(invoice))
    bounced = await euros(taxed, "6", "1400", share(invoice))
    first, second = await differences(taxed)
    for one in (first, second):
        async with refused(taxed.finance, StillAllocated, "FX/.* is allocated: undo that"):
            await taxed.finance.run(ReverseEntry(journal_entry_id=one.id, reason="Wrong"))

    (made,) = await taxed.finance.list(Allocation, Allocation.fx_entry_id == first.id)
    await taxed.finance.run(UndoAllocation(allocation_id=made.id))

    assert (await taxed.finance.get(JournalEntry, first.id)).status is EntryStatus.REVERSED
    assert await state(taxed, invoice) == (InvoiceStatus.PARTLY_PAID, "4.00")
    assert await result(taxed) == -600
    await settled(taxed)
    await taxed.finance.run(BouncePayment(payment_id=bounced.id, date=taxed.day, reason="No funds"))
    assert await state(taxed, invoice) == (InvoiceStatus.POSTED, "10.00")
    assert await result(taxed) == 0
    assert await balance(taxed, OWED) == 15000 - 6400
    await settled(taxed)


async def test_a_difference_keeps_out_of_what_is_locked(taxed: Books) -> None:
    finance, later = taxed.finance, taxed.day + 40 * DAY
    invoice = await invoiced(taxed, "10", "1500")
    one = await euros(taxed, "10", "1600")
    await finance.run(LockPeriod(company_id=taxed.company.id, until=taxed.day + 30 * DAY))
    shares = [share(invoice)]
    async with refused(finance, PeriodIsLocked, "the entry is of"):
        await finance.run(allocate(one, *shares))
    async with refused(finance, Invalid, "date: is before"):
        await finance.run(AllocatePayment(payment_id=one.id, allocations=shares, date=taxed.day - DAY))
    await finance.run(AllocatePayment(payment_id=one.id, allocations=shares, date=later))
    (entry,) = await differences(taxed)
    (made,) = await finance.list(Allocation)
    assert (entry.date, made.effective_from) == (later, later)
    assert await result(taxed) == 1000
    await finance.run(LockPeriod(company_id=taxed.company.id, until=later))
    async with refused(finance, Invalid, "date: is before"):
        await finance.run(UndoAllocation(allocation_id=made.id, date=later - DAY))
    await finance.run(UndoAllocation(allocation_id=made.id, date=later + DAY))
    assert await state(taxed, invoice) == (InvoiceStatus.POSTED, "10.00")
    assert await result(taxed) == 0
    await settled(taxed)


async def test_a_company_says_where_gains_and_losses_go(taxed: Books) -> None:
    (role,) = await taxed.finance.list(AccountRole, AccountRole.role == LedgerRole.FX_LOSS)
    async with taxed.finance._work() as work:  # pyright: ignore[reportPrivateUsage]
        (await work.get(AccountRole, role.id)).archived_at = work.now
        await work.commit()
    gained, lost = await invoiced(taxed, "10", "1500"), await invoiced(taxed, "10", "1700")
    one = await euros(taxed, "20", "1600")
    async with refused(taxed.finance, RoleNotPlayed, "fx_loss"):
        await taxed.finance.run(allocate(one, share(gained), share(lost)))
    await taxed.finance.run(allocate(one, share(gained)))
    assert await result(taxed) == 1000


async def test_at_once_every_difference_is_there_once(taxed: Books) -> None:
    """Payments at other rates, undoing and bouncing over the same invoices: journals are taken in one order, and nothing is left over."""
    invoices = [await invoiced(taxed, "100", "1500") for _ in range(3)]
    payments = [await euros(taxed, "70", f"{1480 + 10 * at}") for at in range(4)]
    commands: list[Any] = []
    for at, one in enumerate(payments):
        mixed = invoices[at % 3 :] + invoices[: at % 3]
        commands += [allocate(one, *[share(invoice, "20") for invoice in mixed]), allocate(one, share(mixed[-1], "7"))]
        commands += [BouncePayment(payment_id=one.id, date=taxed.day, reason="No funds")] if at % 2 else []
    results = await asyncio.gather(*[taxed.finance.run(one) for one in commands], return_exceptions=True)
    assert {type(one).__name__ for one in results} <= {"PaymentAllocated", "PaymentBounced", "OverAllocation", "IllegalMove"}
    await settled(taxed)
    made = await taxed.finance.list(Allocation, Allocation.status == AllocationStatus.MADE)
    again = [UndoAllocation(allocation_id=one.id) for one in made for _ in range(2)]
    undone = await asyncio.gather(*[taxed.finance.run(one) for one in again], return_exceptions=True)
    assert sorted({type(one).__name__ for one in undone}) == ["AllocationUndone", "IllegalMove"]
    assert [await state(taxed, one) for one in invoices] == [(InvoiceStatus.POSTED, "100.00")] * 3
    assert await result(taxed) == 0
    await settled(taxed)


RATE = st.decimals("0.02", "2000", places=4)
CENTS = st.integers(1, 20000)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    booked=st.lists(st.tuples(CENTS, RATE), min_size=1, max_size=3),
    rates=st.lists(RATE, min_size=1, max_size=3),
    portions=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), CENTS, st.booleans()), max_size=6),
)
async def test_whatever_the_rates_nothing_is_left_over(taxed: Books, booked: Any, rates: Any, portions: Any) -> None:
    """Portions are allocated and some undone; once everything is paid, what was gained is what was received less what was invoiced."""
    finance = taxed.finance
    before, owed = await result(taxed), await balance(taxed, OWED)
    earlier = {one.id for one in await finance.list(Allocation)}
    invoices = [await invoiced(taxed, str(Decimal(cents) / 100 + 1), str(rate)) for cents, rate in booked]
    total = sum((one.payable for one in invoices), Decimal(0))
    parts = [total // len(rates)] * (len(rates) - 1)
    amounts = [*parts, total - sum(parts)]
    payments = [await euros(taxed, str(amount), str(rate)) for amount, rate in zip(amounts, rates, strict=True) if amount]
    between = await balance(taxed, OWED) - owed
    for which, whose, cents, undo in portions:
        one, invoice = payments[whose % len(payments)], invoices[which % len(invoices)]
        try:
            await finance.run(allocate(one, share(invoice, str(Decimal(cents) / 100))))
        except (OverAllocation, AlreadyPaid):
            pass  # and nothing has changed
        holding = await finance.list(Allocation, Allocation.status == AllocationStatus.MADE)
        made = [one for one in holding if one.id not in earlier]
        if undo and made:
            await finance.run(UndoAllocation(allocation_id=made[cents % len(made)].id))
    await settled(taxed)
    await _pay_all(taxed, payments, invoices)
    assert [await state(taxed, one) for one in invoices] == [(InvoiceStatus.PAID, "0.00")] * len(invoices)
    assert (await balance(taxed, OWED), await result(taxed)) == (owed, before - between)
    await settled(taxed)


async def _pay_all(books: Books, payments: list[Payment], invoices: list[Invoice]) -> None:
    for one in payments:
        for invoice in invoices:
            (own,) = await books.finance.list(JournalLine, JournalLine.entry_id == one.entry_id, JournalLine.residual.is_not(None))
            if own.residual and (await state(books, invoice))[1] != "0.00":
                await books.finance.run(allocate(one, share(invoice)))
