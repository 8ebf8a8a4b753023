"""What a payment pays: no more than either side has left, and whether an invoice is paid follows from it."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from decimal import Decimal
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nexus.core import Forbidden, IllegalMove, Invalid, NotFound, Problem, uuid7
from nexus.services.finance.api import (
    AllocatePayment,
    AllocationUndone,
    BouncePayment,
    CreditInvoice,
    InvoicePaid,
    InvoicePartlyPaid,
    InvoiceReopened,
    PaymentAllocated,
    PostInvoice,
    UndoAllocation,
)
from nexus.services.finance.entities import Allocation, Invoice, JournalEntry, JournalLine, Payment, PaymentTerm
from nexus.services.finance.invoice_terms import InvoiceKind, InvoiceStatus, TermPart
from nexus.services.finance.payment_terms import AllocationStatus, PaymentShare
from nexus.services.finance.rules.refusals import (
    AlreadyPaid,
    NotPosted,
    OtherCurrency,
    OtherParty,
    OverAllocation,
    SameSide,
)
from nexus.services.finance.terms import EntryStatus, PartyType
from nexus.services.finance.tests.conftest import OWED, OWING, Books, refused
from nexus.services.finance.tests.test_invoice_posting import drafted, posted
from nexus.services.finance.tests.test_invoices import CUSTOMER, line, taxed
from nexus.services.finance.tests.test_payments import MADE, paid, payment, sound

__all__ = ["taxed"]


def share(invoice: Invoice | UUID, amount: str | None = None) -> PaymentShare:
    id = invoice if isinstance(invoice, UUID) else invoice.id
    return PaymentShare(invoice_id=id, amount=None if amount is None else Decimal(amount))


def allocate(one: Payment, *shares: PaymentShare) -> AllocatePayment:
    return AllocatePayment(payment_id=one.id, allocations=list(shares))


async def state(books: Books, invoice: Invoice) -> tuple[InvoiceStatus, str]:
    """How far an invoice is paid, and what of it is open."""
    now = await books.finance.get(Invoice, invoice.id)
    lines = await books.finance.list(JournalLine, JournalLine.entry_id == now.entry_id, JournalLine.residual.is_not(None))
    return now.status, str(sum((abs(one.residual) for one in lines if one.residual is not None), Decimal(0)))


async def settled(books: Books) -> None:
    """Every line's residual is its amount less what is allocated of it, and what is open of all parties is what their accounts say."""
    await sound(books)
    lines = {one.id: one for one in await books.finance.list(JournalLine)}
    allocated: dict[UUID, Decimal] = defaultdict(Decimal)
    based: dict[UUID, Decimal] = defaultdict(Decimal)
    differences: set[UUID | None] = set()
    for one in await books.finance.list(Allocation, Allocation.status == AllocationStatus.MADE):
        allocated[one.debit_line_id] += one.amount
        allocated[one.credit_line_id] -= one.amount
        based[one.debit_line_id] += one.debit_base
        based[one.credit_line_id] -= one.credit_base
        differences.add(one.fx_entry_id)
    entries = await books.finance.list(JournalEntry)
    gone = differences | {one.id for one in entries if one.status is EntryStatus.REVERSED or one.reversal_of_id}
    control: dict[Any, Decimal] = defaultdict(Decimal)
    open_: dict[Any, Decimal] = defaultdict(Decimal)
    for at in lines.values():
        if at.account_id not in (books.accounts[OWED], books.accounts[OWING]):
            assert at.residual is None
            continue
        assert at.residual is not None
        assert abs(allocated[at.id]) <= abs(at.amount)
        assert at.residual_base is not None
        assert at.residual == (0 if at.entry_id in gone else at.amount - allocated[at.id])
        assert at.residual_base == (0 if at.entry_id in gone else at.debit - at.credit - based[at.id])
        assert at.residual != 0 or at.residual_base == 0
        control[at.account_id, at.party_id, at.currency] += at.amount
        open_[at.account_id, at.party_id, at.currency] += at.residual
        control[at.account_id, at.party_id] += at.debit - at.credit
        open_[at.account_id, at.party_id] += at.residual_base
    assert control == open_


async def test_a_payment_pays_an_invoice(taxed: Books) -> None:
    invoice = await posted(taxed, line("100", "VAT7.5"))

    told = await taxed.finance.run(payment(taxed, "150", allocations=[share(invoice)]))

    assert str(told.unallocated) == "42.50"
    assert await state(taxed, invoice) == (InvoiceStatus.PAID, "0.00")
    (one,) = await taxed.finance.list(Allocation)
    assert (str(one.amount), one.currency, one.status) == ("107.50", "NGN", AllocationStatus.MADE)
    says = [type(event) for event in taxed.finance.emitted[-2:]]
    assert says == [InvoicePaid, PaymentAllocated]
    await settled(taxed)


async def test_in_instalments_and_several_invoices_at_once(taxed: Books) -> None:
    term = await taxed.finance.given(
        PaymentTerm(name="Two", instalments=[TermPart(percent=Decimal(50), days=30), TermPart(percent=Decimal(50))])
    )
    first = await posted(taxed, line("100"), payment_term_id=term.id)
    second = await posted(taxed, line("30"))
    one = await paid(taxed, "100")

    told = await taxed.finance.run(allocate(one, share(first, "60"), share(second)))

    assert (str(told.allocated), str(told.unallocated), told.invoice_ids) == ("90.00", "10.00", [first.id, second.id])
    assert await state(taxed, first) == (InvoiceStatus.PARTLY_PAID, "40.00")
    assert await state(taxed, second) == (InvoiceStatus.PAID, "0.00")
    owed = await taxed.finance.list(JournalLine, JournalLine.entry_id == first.entry_id, JournalLine.residual.is_not(None))
    by_day = [str(line.residual) for line in sorted(owed, key=lambda line: str(line.due_date))]
    assert by_day == ["0.00", "40.00"]  # the earliest due first
    partly = [event for event in taxed.finance.emitted if isinstance(event, InvoicePartlyPaid)]
    assert [(event.invoice_id, str(event.residual)) for event in partly] == [(first.id, "40.00")]
    rest = await taxed.finance.run(payment(taxed, "40", allocations=[share(first)]))
    assert (str(rest.unallocated), await state(taxed, first)) == ("0.00", (InvoiceStatus.PAID, "0.00"))
    await settled(taxed)


async def test_bills_and_refunds(taxed: Books) -> None:
    supplier = uuid7()
    bill = await posted(taxed, line("50"), kind=InvoiceKind.PURCHASE_BILL, reference="R-1", party_id=supplier)
    await taxed.finance.run(payment(taxed, "50", MADE, party_id=supplier, allocations=[share(bill)]))
    assert await state(taxed, bill) == (InvoiceStatus.PAID, "0.00")
    invoice = await posted(taxed, line("20"))
    await taxed.finance.run(payment(taxed, "20", allocations=[share(invoice)]))
    credited = await taxed.finance.run(CreditInvoice(invoice_id=invoice.id, date=taxed.day))  # paid, and taken back all the same
    note = await taxed.finance.get(Invoice, credited.note_id)
    refund = payment(taxed, "20", MADE, party_id=CUSTOMER, party_type=PartyType.CUSTOMER, allocations=[share(note)])
    await taxed.finance.run(refund)
    assert await state(taxed, note) == (InvoiceStatus.PAID, "0.00")
    assert await state(taxed, invoice) == (InvoiceStatus.PAID, "0.00")
    await settled(taxed)


async def test_undone_it_is_open_again(taxed: Books) -> None:
    invoice = await posted(taxed, line("100"))
    for amount in ("30", "70"):
        await taxed.finance.run(payment(taxed, amount, allocations=[share(invoice)]))
    first, second = await taxed.finance.list(Allocation)

    told = await taxed.finance.run(UndoAllocation(allocation_id=first.id))

    assert isinstance(told, AllocationUndone)
    assert await state(taxed, invoice) == (InvoiceStatus.PARTLY_PAID, str(first.amount))
    await taxed.finance.run(UndoAllocation(allocation_id=second.id))
    assert await state(taxed, invoice) == (InvoiceStatus.POSTED, "100.00")
    assert isinstance(taxed.finance.emitted[-1], InvoiceReopened)
    async with refused(taxed.finance, IllegalMove, "Allocation is undone: it cannot undo"):
        await taxed.finance.run(UndoAllocation(allocation_id=first.id))
    await settled(taxed)


async def test_a_payment_that_bounces_pays_nothing(taxed: Books) -> None:
    invoices = [await posted(taxed, line("10")), await posted(taxed, line("20"))]
    told = await taxed.finance.run(payment(taxed, "25", allocations=[share(one) for one in invoices]))
    await taxed.finance.run(BouncePayment(payment_id=told.payment_id, date=taxed.day, reason="No funds"))
    assert [await state(taxed, one) for one in invoices] == [(InvoiceStatus.POSTED, "10.00"), (InvoiceStatus.POSTED, "20.00")]
    async with refused(taxed.finance, IllegalMove, "Payment is bounced: it cannot allocate"):
        await taxed.finance.run(AllocatePayment(payment_id=told.payment_id, allocations=[share(invoices[0])]))
    await settled(taxed)


async def test_refusals_name_the_allocation_and_change_nothing(taxed: Books) -> None:
    finance = taxed.finance
    one = await paid(taxed, "100")
    good = await posted(taxed, line("500"))
    done = await posted(taxed, line("1"))
    await finance.run(payment(taxed, "1", allocations=[share(done)]))
    refusals: list[tuple[PaymentShare, type[Problem], str]] = [
        (share(uuid7()), Invalid, r"allocations\[1\].invoice_id: is no invoice"),
        (share(good, "1"), Invalid, r"allocations\[1\].invoice_id: is named before"),
        (share(await drafted(taxed, line("1"))), NotPosted, "Allocation 2: the invoice is not in the books"),
        (share(done), AlreadyPaid, "Allocation 2"),
        (share(await posted(taxed, line("1"), party_id=uuid7())), OtherParty, "Allocation 2"),
        (share(await posted(taxed, line("1"), kind=InvoiceKind.PURCHASE_BILL)), OtherParty, "Allocation 2"),
    ]
    for wrong, problem, says in refusals:
        async with refused(finance, problem, says):
            await finance.run(allocate(one, share(good, "1"), wrong))
        async with refused(finance, problem, says):
            await finance.run(payment(taxed, "100", allocations=[share(good, "1"), wrong]))
    for amount, problem, says in [
        ("100.01", OverAllocation, "Allocation 1: there is less left than it says"),
        ("0", Invalid, r"allocations\[0\].amount: is more than 0"),
        ("-1", Invalid, r"allocations\[0\].amount: is more than 0"),
        ("0.001", Invalid, r"allocations\[0\].amount: has more than the 2 decimals"),
        ("NaN", Invalid, r"allocations\[0\].amount: is not an amount"),
    ]:
        async with refused(finance, problem, says):
            await finance.run(allocate(one, share(good, amount)))
    small = await posted(taxed, line("5"))
    async with refused(finance, OverAllocation, "Allocation 1"):
        await finance.run(allocate(one, share(small, "5.01")))
    async with refused(finance, OverAllocation, "Allocation 2"):
        await finance.run(allocate(one, share(good), share(small)))
    async with refused(finance, NotFound):
        await finance.run(AllocatePayment(payment_id=uuid7(), allocations=[share(good)]))
    async with refused(finance, NotFound):
        await finance.run(UndoAllocation(allocation_id=uuid7()))
    await settled(taxed)


async def test_sides_and_currencies_fit(taxed: Books) -> None:
    finance = taxed.finance
    back = await paid(taxed, "10", MADE, party_id=CUSTOMER, party_type=PartyType.CUSTOMER)
    naira = await posted(taxed, line("1"))
    async with refused(finance, SameSide, "Allocation 1"):
        await finance.run(allocate(back, share(naira)))
    euro: dict[str, Any] = {"currency": "EUR", "rate": Decimal(1500)}
    async with refused(finance, OtherCurrency, "Allocation 1"):
        await finance.run(payment(taxed, "1", allocations=[share(naira)], **euro))
    draft = await drafted(taxed, line("10"), currency="EUR")
    await finance.run(PostInvoice(invoice_id=draft.id, rate=Decimal(1500)))
    told = await finance.run(payment(taxed, "10", allocations=[share(draft)], **euro))
    assert (str(told.unallocated), await state(taxed, draft)) == ("0.00", (InvoiceStatus.PAID, "0.00"))
    await settled(taxed)


async def test_two_who_pay_an_invoice_at_once_pay_it_once(taxed: Books) -> None:
    invoice = await posted(taxed, line("100"))
    payments = [await paid(taxed, "60") for _ in range(4)]
    results = await asyncio.gather(
        *[taxed.finance.run(allocate(one, share(invoice, "60"))) for one in payments for _ in range(2)], return_exceptions=True
    )
    assert sorted(type(one).__name__ for one in results) == ["OverAllocation"] * 7 + ["PaymentAllocated"]
    assert await state(taxed, invoice) == (InvoiceStatus.PARTLY_PAID, "40.00")
    await settled(taxed)


async def test_everybody_at_once_keeps_every_rule(taxed: Books) -> None:
    """Payments, allocations over the same invoices in any order, undoing and bouncing: nobody waits in a circle."""
    invoices = [await posted(taxed, line("100")) for _ in range(3)]
    payments = [await paid(taxed, "70") for _ in range(4)]
    commands: list[Any] = []
    for at, one in enumerate(payments):
        mixed = invoices[at % 3 :] + invoices[: at % 3]
        commands += [allocate(one, *[share(invoice, "20") for invoice in mixed]), allocate(one, share(mixed[-1], "15"))]
        commands += [payment(taxed, "30", allocations=[share(invoice, "10") for invoice in mixed])]
        commands += [BouncePayment(payment_id=one.id, date=taxed.day, reason="No funds")] if at % 2 else []
    results = await asyncio.gather(*[taxed.finance.run(one) for one in commands], return_exceptions=True)
    assert {type(one).__name__ for one in results} <= {
        "PaymentAllocated",
        "PaymentRecorded",
        "PaymentBounced",
        "OverAllocation",
        "IllegalMove",
        "AlreadyPaid",
    }
    made = await taxed.finance.list(Allocation, Allocation.status == AllocationStatus.MADE)
    undone = await asyncio.gather(
        *[taxed.finance.run(UndoAllocation(allocation_id=one.id)) for one in made for _ in range(2)], return_exceptions=True
    )
    assert {type(one).__name__ for one in undone} <= {"AllocationUndone", "IllegalMove"}
    assert [await state(taxed, one) for one in invoices] == [(InvoiceStatus.POSTED, "100.00")] * 3
    await settled(taxed)


async def test_many_invoices_take_no_more_round_trips_than_one(taxed: Books) -> None:
    took: list[int] = []
    for many in (1, 5):
        invoices = [await posted(taxed, line("10")) for _ in range(many)]
        one = await paid(taxed, "50")
        await taxed.finance.run(allocate(one, *[share(invoice) for invoice in invoices]))
        took.append(taxed.finance.round_trips)
    assert took[0] == took[1]
    await settled(taxed)


async def test_who_may_allocate(taxed: Books) -> None:
    invoice = await posted(taxed, line("10"))
    one = await paid(taxed, "10")
    for role in ("finance.bookkeeper", "finance.auditor"):
        async with refused(taxed.finance, Forbidden):
            await taxed.finance.as_(role).run(allocate(one, share(invoice)))
    await taxed.finance.as_("finance.treasurer").run(allocate(one, share(invoice)))


STEP = st.tuples(st.sampled_from(["invoice", "pay", "share", "share", "undo", "bounce"]), st.integers(0, 9), st.integers(1, 12000))


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEP, min_size=4, max_size=12))
async def test_whatever_is_done_residuals_are_amounts_less_allocations(taxed: Books, steps: list[tuple[str, int, int]]) -> None:
    for step, which, cents in steps:
        amount = str(Decimal(cents) / 100)
        invoices, payments = await taxed.finance.list(Invoice), await taxed.finance.list(Payment)
        made = await taxed.finance.list(Allocation)
        try:
            if step == "invoice":
                await posted(taxed, line(amount))
            elif step == "pay":
                shares = [share(one, amount if which % 2 else None) for one in invoices[-1 - which % 3 :]]
                await paid(taxed, "60", allocations=shares)
            elif step == "share" and invoices and payments:
                await taxed.finance.run(allocate(payments[which % len(payments)], share(invoices[which % len(invoices)], amount)))
            elif step == "undo" and made:
                await taxed.finance.run(UndoAllocation(allocation_id=made[which % len(made)].id))
            elif step == "bounce" and payments:
                bounce = BouncePayment(payment_id=payments[which % len(payments)].id, date=taxed.day, reason="No funds")
                await taxed.finance.run(bounce)
        except (OverAllocation, AlreadyPaid, IllegalMove):
            pass  # and nothing has changed, as what follows sees
    await settled(taxed)
