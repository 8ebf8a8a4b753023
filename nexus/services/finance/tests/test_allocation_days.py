"""From when to when an allocation counts: what was open at the end of a day does not change by what is done later."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

from nexus.core import Invalid
from nexus.services.finance.api import BouncePayment, ClosePeriod, LockPeriod, UndoAllocation
from nexus.services.finance.commands.years import today
from nexus.services.finance.entities import Allocation, Payment
from nexus.services.finance.terms import LockScope
from nexus.services.finance.tests.conftest import Books, refused
from nexus.services.finance.tests.test_allocations import allocate, settled, share
from nexus.services.finance.tests.test_invoice_posting import posted
from nexus.services.finance.tests.test_invoices import line, taxed
from nexus.services.finance.tests.test_payments import paid

__all__ = ["taxed"]
DAY = dt.timedelta(days=1)


async def counted(books: Books) -> list[tuple[int | None, int | None]]:
    """From when to when each allocation counts, in the order they were made, as days of the fiscal year."""
    made = sorted(await books.finance.list(Allocation), key=lambda one: one.id)
    return [(_day(books, one.effective_from), _day(books, one.effective_until)) for one in made]


def _day(books: Books, date: dt.date | None) -> int | None:
    return None if date is None else (date - books.day).days


async def test_it_counts_from_the_later_day_of_the_two(taxed: Books) -> None:
    early, late = await posted(taxed, line("100"), date=taxed.day + 5 * DAY), await posted(taxed, line("100"), date=taxed.day + 20 * DAY)
    one = await paid(taxed, "150", date=taxed.day + 10 * DAY)
    await taxed.finance.run(allocate(one, share(early), share(late)))
    assert sorted(await counted(taxed), key=str) == [(10, None), (20, None)]


async def test_what_was_settled_until_a_day_is_free_from_that_day_on(taxed: Books) -> None:
    wrong, right = await posted(taxed, line("100")), await posted(taxed, line("100"))
    one = await paid(taxed, "100", date=taxed.day + 3 * DAY)
    await taxed.finance.run(allocate(one, share(wrong)))
    (made,) = await taxed.finance.list(Allocation)
    await taxed.finance.run(UndoAllocation(allocation_id=made.id, date=taxed.day + 30 * DAY))
    await taxed.finance.run(allocate(one, share(right)))
    assert await counted(taxed) == [(3, 30), (30, None)]
    await settled(taxed)


async def test_by_default_it_is_undone_today(taxed: Books) -> None:
    invoice, one = await posted(taxed, line("100")), await paid(taxed, "100")
    await taxed.finance.run(allocate(one, share(invoice)))
    (made,) = await taxed.finance.list(Allocation)
    await taxed.finance.run(UndoAllocation(allocation_id=made.id))
    (undone,) = await taxed.finance.list(Allocation)
    assert undone.effective_until is not None
    async with taxed.finance._work() as work:  # pyright: ignore[reportPrivateUsage]
        assert abs(undone.effective_until - today(work)) <= DAY


async def test_in_closed_time_nothing_changes_any_more(taxed: Books) -> None:
    one, other = await posted(taxed, line("100")), await posted(taxed, line("100"))
    early, late = await paid(taxed, "100"), await paid(taxed, "100")
    await taxed.finance.run(allocate(early, share(one)))
    await taxed.finance.run(LockPeriod(company_id=taxed.company.id, scope=LockScope.ALL, until=taxed.day + 9 * DAY))
    (made,) = await taxed.finance.list(Allocation)
    async with refused(taxed.finance, Invalid, match="date"):
        await taxed.finance.run(UndoAllocation(allocation_id=made.id, date=taxed.day + 9 * DAY))
    await taxed.finance.run(allocate(late, share(other)))
    assert await counted(taxed) == [(0, None), (10, None)]
    await taxed.finance.run(ClosePeriod(accounting_period_id=taxed.periods[0].id))
    first_open = _day(taxed, taxed.periods[1].starts_on)
    await taxed.finance.run(UndoAllocation(allocation_id=made.id, date=taxed.periods[1].starts_on))
    assert await counted(taxed) == [(0, first_open), (10, None)]
    await settled(taxed)


async def test_what_bounces_has_paid_until_that_day(taxed: Books) -> None:
    invoice, one = await posted(taxed, line("100")), await paid(taxed, "100", date=taxed.day + 3 * DAY)
    await taxed.finance.run(allocate(one, share(invoice)))
    await taxed.finance.run(BouncePayment(payment_id=one.id, date=taxed.day + 8 * DAY, reason="No funds"))
    assert await counted(taxed) == [(3, 8)]


async def test_a_bounce_ends_what_was_undone_after_its_day(taxed: Books) -> None:
    invoice, one = await posted(taxed, line("100")), await paid(taxed, "100", date=taxed.day + 3 * DAY)
    await taxed.finance.run(allocate(one, share(invoice)))
    (made,) = await taxed.finance.list(Allocation)
    await taxed.finance.run(UndoAllocation(allocation_id=made.id, date=taxed.day + 30 * DAY))
    await taxed.finance.run(BouncePayment(payment_id=one.id, date=taxed.day + 8 * DAY, reason="No funds"))
    assert await counted(taxed) == [(3, 8)]
    await settled(taxed)


async def test_of_no_day_is_more_settled_than_there_is(taxed: Books) -> None:
    """The same amount allocated and undone over and over: on each day one of them counts at most."""
    invoices, one = [await posted(taxed, line("100"), date=taxed.day + at * DAY) for at in (9, 0, 4)], await paid(taxed, "100")
    for at, invoice in enumerate(invoices):
        await taxed.finance.run(allocate(one, share(invoice)))
        latest = max(await taxed.finance.list(Allocation), key=lambda made: made.id)
        await taxed.finance.run(UndoAllocation(allocation_id=latest.id, date=taxed.day + (5 + 2 * at) * DAY))
    spans: list[Any] = await counted(taxed)
    for day in range(30):
        assert sum(since <= day < until for since, until in spans) <= 1
    assert (await taxed.finance.get(Payment, one.id)).amount == Decimal(100)
